//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::locate::{self, LocateWrite};
use super::pointers::{Look, Pointer, types_of_today};
use crate::care::{self, Told};
use crate::database::Tx;
use crate::sql::Sql;

/// Names of old questions that are forgotten in one go.
const FORGOTTEN_AT_ONCE: i64 = 100;
/// The version behind which patients are looked for of whom something is new here.
pub(super) const CURSOR: [&str; 2] = ["pointer-at", "pointer-rid"];
/// For which list of types the versions of before are looked through once more, and up to which version they are.
pub(super) const BEHIND: [&str; 3] = ["pointer-types", "pointer-behind-at", "pointer-behind-rid"];

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum AskWrite {
    /// A question is being answered; refused if it was before.
    Seen {
        peer: String,
        id: String,
        until: Millis,
        /// Whom it is told, if a record was opened for it.
        emergency: Option<Box<Told>>,
        /// Whose privacy officer that is.
        organisation: String,
    },
    /// The last good answer of a source about a patient.
    Keep {
        patient: String,
        source: String,
        until: Millis,
        body: Vec<u8>,
    },
    /// Forgets copies that are too old, or that may not be shown any more.
    Tidy { organisation: String },
    /// Something is held here of these patients, as far as the versions up to that one.
    Noted {
        patients: Vec<String>,
        upto: (Millis, i64),
        look: Look,
    },
    /// A patient's pointer was looked at: who knows it from now on.
    Pointed {
        patient: String,
        home: String,
        keeper: String,
        version: i64,
    },
    /// A pointer that another organisation told.
    Hold(Box<Pointer>),
    /// Pointers to single documents.
    Locate(LocateWrite),
    /// A pointer to a document of these patients came or went: whether their home practices know rightly is looked at soon.
    Located { patients: Vec<String> },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &AskWrite) -> Result<(), Problem> {
    match write {
        AskWrite::Seen {
            peer,
            id,
            until,
            emergency,
            organisation,
        } => {
            seen(tx, now, (peer, id, *until)).await?;
            match emergency {
                Some(told) => opened(tx, now, told, organisation).await,
                None => Ok(()),
            }
        }
        AskWrite::Keep {
            patient,
            source,
            until,
            body,
        } => {
            let sql = Sql::new(
                "INSERT INTO ask_copy (patient, source, at, until, body) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (patient, source) DO UPDATE SET at = excluded.at, \
                 until = excluded.until, body = excluded.body",
            );
            let sql = sql.with(patient.as_str()).with(source.as_str()).with(now);
            tx.execute(&sql.with(*until).with(body.as_slice()))
                .await
                .map(|_| ())
        }
        AskWrite::Tidy { organisation } => tidy(tx, now, organisation).await,
        AskWrite::Noted {
            patients,
            upto,
            look,
        } => noted(tx, patients, *upto, *look).await,
        AskWrite::Pointed {
            patient,
            home,
            keeper,
            version,
        } => {
            let sql = Sql::new(
                "UPDATE pointer_own SET home = $1, keeper = $2, version = $3, due = 0, looked_at = $4 \
                 WHERE patient = $5",
            );
            let sql = sql.with(home.as_str()).with(keeper.as_str());
            let sql = sql.with(*version).with(now).with(patient.as_str());
            tx.execute(&sql).await.map(|_| ())
        }
        AskWrite::Hold(pointer) => hold(tx, now, pointer).await,
        AskWrite::Locate(write) => locate::apply(tx, now, write).await,
        AskWrite::Located { patients } => {
            for patient in patients {
                look_at(tx, patient, "1 = 1").await?;
            }
            Ok(())
        }
    }
}

async fn seen(
    tx: &mut Tx<'_>,
    now: Millis,
    (peer, id, until): (&str, &str, Millis),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "DELETE FROM ask_seen WHERE (peer, id) IN (SELECT peer, id FROM ask_seen WHERE until < $1 \
         ORDER BY until LIMIT $2)",
    );
    tx.execute(&sql.with(now).with(FORGOTTEN_AT_ONCE)).await?;
    let sql = Sql::new(
        "INSERT INTO ask_seen (peer, id, until) VALUES ($1, $2, $3) ON CONFLICT (peer, id) DO NOTHING",
    );
    match tx.execute(&sql.with(peer).with(id).with(until)).await? {
        0 => Err(again()),
        _ => Ok(()),
    }
}

pub(super) fn again() -> Problem {
    Problem::new(
        Kind::Conflict,
        "This question was answered before. Ask anew, with another id.",
    )
}

/// The privacy officer here and the patient learn of an emergency at another organisation.
async fn opened(
    tx: &mut Tx<'_>,
    now: Millis,
    told: &Told,
    organisation: &str,
) -> Result<(), Problem> {
    care::notify(tx, now, "emergency", told).await?;
    let item = Told {
        organisation: organisation.to_string(),
        name: format!("{} ({})", told.name, told.organisation),
        ..told.clone()
    };
    care::list(tx, now, "emergency", &item).await.map(|_| ())
}

async fn tidy(tx: &mut Tx<'_>, now: Millis, organisation: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM ask_copy WHERE until <= $1");
    tx.execute(&sql.with(now)).await?;
    let sql = Sql::new(
        "DELETE FROM ask_copy WHERE patient IN (SELECT patient FROM restricted \
         WHERE own = 1 OR home <> '') OR patient IN (SELECT patient FROM care_dissent \
         WHERE org = $1 AND starts_at <= $2 AND ends_at > $2)",
    );
    tx.execute(&sql.with(organisation).with(now))
        .await
        .map(|_| ())
}

async fn noted(
    tx: &mut Tx<'_>,
    patients: &[String],
    (at, rid): (Millis, i64),
    look: Look,
) -> Result<(), Problem> {
    for patient in patients {
        // Whoever had nothing left is looked at again.
        look_at(tx, patient, "pointer_own.home = ''").await?;
    }
    let [types, behind_at, behind_rid] = BEHIND;
    let counters = match look {
        Look::Ahead => CURSOR.into_iter().zip([at, rid]).collect(),
        Look::Behind => vec![
            (types, types_of_today()),
            (behind_at, at),
            (behind_rid, rid),
        ],
    };
    for (name, value) in counters {
        let sql = Sql::new(
            "INSERT INTO counter (name, next) VALUES ($1, $2) ON CONFLICT (name) \
             DO UPDATE SET next = excluded.next",
        );
        tx.execute(&sql.with(name).with(value)).await?;
    }
    Ok(())
}

/// Whom it was told is looked at soon; of a patient of whom it was told before, under that condition.
async fn look_at(tx: &mut Tx<'_>, patient: &str, told: &'static str) -> Result<(), Problem> {
    let mut sql = Sql::new(
        "INSERT INTO pointer_own (patient, home, keeper, version, due, looked_at) \
         VALUES ($1, '', '', 0, 1, 0) ON CONFLICT (patient) DO UPDATE SET due = 1 WHERE ",
    );
    sql.push(told);
    tx.execute(&sql.with(patient)).await.map(|_| ())
}

async fn hold(tx: &mut Tx<'_>, now: Millis, pointer: &Pointer) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO pointer_held (nhs_number, custodian, home, birth_date, family, version, \
         withdrawn, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (nhs_number, custodian) DO UPDATE SET home = excluded.home, \
         birth_date = excluded.birth_date, family = excluded.family, version = excluded.version, \
         withdrawn = excluded.withdrawn, at = excluded.at \
         WHERE pointer_held.version < excluded.version",
    );
    let sql = sql
        .with(pointer.nhs_number.as_str())
        .with(pointer.custodian.as_str())
        .with(pointer.home.as_str())
        .with(pointer.birth_date.as_str())
        .with(fhir::search::fold(&pointer.family))
        .with(pointer.version)
        .with(pointer.withdrawn)
        .with(now);
    tx.execute(&sql).await.map(|_| ())
}

/// A patient has another practice: it is to be told.
pub(crate) async fn moved(tx: &mut Tx<'_>, patient: &str) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE pointer_own SET due = 1 WHERE patient = $1").with(patient);
    tx.execute(&sql).await.map(|_| ())
}

/// The Organization to which patients' records refer as their practice is about to have another code: the same for each of
/// them whose home that changes.
pub(crate) async fn practice_moved(
    tx: &mut Tx<'_>,
    organization: &str,
    code: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE pointer_own SET due = 1 WHERE patient IN (SELECT r.patient FROM home_reference r \
         LEFT JOIN sharing_home h ON h.patient = r.patient \
         WHERE r.organization = $1 AND COALESCE(h.home, '') <> $2)",
    );
    let sql = sql.with(organization).with(code);
    tx.execute(&sql).await.map(|_| ())
}
