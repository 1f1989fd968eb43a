//! Patients whose whereabouts are kept (P13, P14): who they are, what of theirs is still to be seen
//! to, and what a read gives to whom it was released. `resources/veil.rs` takes it out of what is stored.

mod sweep;

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::resource::Body;
use fhir::whereabouts::Places;

use crate::database::Tx;
use crate::resources::facts::Facts;
use crate::resources::{Version, body};
use crate::sql::Sql;
use crate::store::Store;

pub(crate) use sweep::start;

/// Patients listed at most.
const LISTED_MAX: i64 = 1_000;

/// What the writer can do to these rows, beside what follows from a Patient's own flag.
#[derive(Debug)]
pub enum WhereaboutsWrite {
    /// The patient's compartment was seen to from one row to another; to its end, if none is named.
    /// Nothing, if it is to be begun anew meanwhile.
    Swept {
        patient: String,
        from: i64,
        upto: Option<i64>,
    },
}

/// A restricted patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restricted {
    /// A Patient id.
    pub patient: String,
    /// Whether their Patient here carries the flag.
    pub is_own: bool,
    /// The home practice that told it, if one did.
    pub home: Option<String>,
    pub since: Millis,
    /// Whether everything of theirs was seen to since the last change.
    pub is_done: bool,
}

/// Applies one change inside the writer's transaction.
pub(crate) async fn apply(tx: &mut Tx<'_>, write: &WhereaboutsWrite) -> Result<(), Problem> {
    let WhereaboutsWrite::Swept {
        patient,
        from,
        upto,
    } = write;
    let sql = Sql::new("UPDATE restricted SET swept = $1 WHERE patient = $2 AND swept = $3");
    let sql = sql.with(*upto).with(patient.as_str()).with(*from);
    let is_next = tx.execute(&sql).await? > 0;
    if is_next && upto.is_none() {
        let sql = Sql::new("DELETE FROM restricted WHERE patient = $1 AND own = 0 AND home = ''");
        tx.execute(&sql.with(patient.as_str())).await?;
    }
    Ok(())
}

/// Notes a patient's own flag and words; all that is theirs is to be seen to.
pub(crate) async fn flag(
    tx: &mut Tx<'_>,
    now: Millis,
    patient: &str,
    is_own: bool,
    places: &Places,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO restricted (patient, own, home, since, places, swept) \
         VALUES ($1, $2, '', $3, $4, 0) ON CONFLICT (patient) DO UPDATE SET \
         own = CASE WHEN excluded.own = 1 THEN 1 ELSE restricted.own END, \
         places = excluded.places, swept = 0",
    );
    let sql = sql.with(patient).with(is_own).with(now);
    tx.execute(&sql.with(places.to_lines())).await?;
    crate::pds::forget(tx, patient).await?;
    crate::sharing::changed(tx, now, patient).await
}

/// The patient's own flag is gone.
pub(crate) async fn lift(tx: &mut Tx<'_>, now: Millis, patient: &str) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE restricted SET own = 0, swept = 0 WHERE patient = $1");
    tx.execute(&sql.with(patient)).await?;
    crate::sharing::changed(tx, now, patient).await
}

/// What a home practice says of a patient here.
pub(crate) async fn told(
    tx: &mut Tx<'_>,
    now: Millis,
    patient: &str,
    (home, is_restricted): (&str, bool),
) -> Result<(), Problem> {
    if !is_restricted {
        let sql =
            Sql::new("UPDATE restricted SET home = '', swept = 0 WHERE patient = $1 AND home = $2");
        return tx.execute(&sql.with(patient).with(home)).await.map(|_| ());
    }
    crate::pds::forget(tx, patient).await?;
    let places = said_ever(tx, patient).await?;
    let sql = Sql::new(
        "INSERT INTO restricted (patient, own, home, since, places, swept) \
         VALUES ($1, 0, $2, $3, $4, 0) ON CONFLICT (patient) DO UPDATE SET \
         home = excluded.home, swept = 0 WHERE restricted.home <> excluded.home",
    );
    let sql = sql.with(patient).with(home).with(now);
    tx.execute(&sql.with(places.to_lines())).await.map(|_| ())
}

/// The words of every version of a Patient here, and those that were known of them before.
pub(crate) async fn said_ever(tx: &mut Tx<'_>, patient: &str) -> Result<Places, Problem> {
    let sql = Sql::new("SELECT places FROM restricted WHERE patient = $1");
    let row = tx.row(&sql.with(patient)).await?;
    let known = row.map(|row| row.text(0).map(Places::from_lines));
    let mut places = known.transpose()?.unwrap_or_default();
    let Some(ty) = crate::words::find(tx, "Patient").await? else {
        return Ok(places);
    };
    let sql = Sql::new(
        "SELECT v.body FROM place p JOIN ver v ON v.shard = p.shard AND v.rid = p.rid \
         WHERE p.ty = $1 AND p.id = $2 AND v.del = 0",
    );
    for row in tx.rows(&sql.with(ty).with(patient)).await? {
        places = places.and(said(row.bytes(0)?)?);
    }
    Ok(places)
}

/// The words of one stored body of a Patient.
pub(crate) fn said(stored: &[u8]) -> Result<Places, Problem> {
    let bytes = body::decompress(stored)?;
    Ok(Places::of(&body::parse(&bytes)?))
}

impl Store {
    /// Whether where the patient lives is kept from everyone to whom it was not released. Says nothing
    /// of whether there is such a patient.
    ///
    /// # Errors
    /// Whatever the database answers.
    pub async fn keeps_whereabouts(&self, patient: &str) -> Result<bool, Problem> {
        let sql =
            Sql::new("SELECT 1 FROM restricted WHERE patient = $1 AND (own = 1 OR home <> '')");
        Ok(!self.rows(&sql.with(patient)).await?.is_empty())
    }

    /// Whether the patient's own Patient here carries the flag, whatever others told.
    ///
    /// # Errors
    /// `Forbidden` if the scope is not the node's own; those of the database.
    pub async fn is_flagged(&self, scope: &Scope, patient: &str) -> Result<bool, Problem> {
        own_work(scope)?;
        let sql = Sql::new("SELECT 1 FROM restricted WHERE patient = $1 AND own = 1");
        Ok(!self.rows(&sql.with(patient)).await?.is_empty())
    }

    /// A version that was read, as it was before anything was taken out of it, if its patient's
    /// whereabouts were released to the scope; and whether they were.
    pub(crate) async fn located(
        &self,
        scope: &Scope,
        facts: &Facts,
        version: Version,
    ) -> Result<(Version, bool), Problem> {
        let located = scope.withholds().map_or(&[][..], |it| &it.located);
        if located.is_empty()
            || !facts
                .patients()
                .any(|it| located.iter().any(|one| one == it))
        {
            return Ok((version, false));
        }
        let sql =
            Sql::new("SELECT body FROM whereabouts WHERE shard = $1 AND rid = $2 AND ver = $3");
        let sql = sql.with(facts.shard).with(facts.rid).with(facts.version);
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Ok((version, false));
        };
        let bytes = body::decompress(row.bytes(0)?)?;
        let whole = Body::new(&body::parse(&bytes)?, &version.id);
        let (number, at) = (version.version, version.last_updated);
        let whole = Body::render(&whole.bytes, whole.splice, number, at);
        Ok((
            Version {
                body: whole.into(),
                ..version
            },
            true,
        ))
    }

    /// Restricted patients, for the node's own work and its operators.
    ///
    /// # Errors
    /// `Forbidden` if the scope is not the node's own; those of the database.
    pub async fn restricted(&self, scope: &Scope) -> Result<Vec<Restricted>, Problem> {
        own_work(scope)?;
        let sql = Sql::new(
            "SELECT patient, own, home, since, swept FROM restricted ORDER BY since LIMIT $1",
        );
        let rows = self.rows(&sql.with(LISTED_MAX)).await?;
        let read = |row: &crate::row::Row| {
            let home = Some(row.text(2)?).filter(|it| !it.is_empty());
            Ok(Restricted {
                patient: row.text(0)?.to_string(),
                is_own: row.flag(1)?,
                home: home.map(str::to_string),
                since: row.int(3)?,
                is_done: row.int_opt(4)?.is_none(),
            })
        };
        rows.iter().map(read).collect()
    }
}

fn own_work(scope: &Scope) -> Result<(), Problem> {
    if *scope.reach() == Reach::Everything {
        return Ok(());
    }
    let message = "Who is restricted is not told to callers.";
    Err(Problem::new(Kind::Forbidden, message))
}
