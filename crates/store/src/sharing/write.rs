//! Changes of these rows, beside those that follow from a Consent.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::consent::{Rule, put};
use crate::database::Tx;
use crate::parcels::{State, event};
use crate::sql::Sql;
use crate::whereabouts;

/// A practice's signed statement of what one of its patients wants, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The home practice's ODS code.
    pub home: String,
    /// Ten digits.
    pub nhs_number: String,
    /// `YYYY-MM-DD`
    pub birth_date: String,
    pub family: String,
    /// Grows with each change; a lower one is out of date.
    pub version: i64,
    pub rules: Vec<Rule>,
    /// Whether nobody is to learn where the patient lives.
    pub restricted: bool,
    pub jws: String,
    /// To a second keeper only: who is to be told, as ODS codes.
    pub audience: Vec<String>,
    /// The id of the parcel that brought it; empty if none did.
    pub parcel: String,
    /// Practices that the patient left for this one, as they signed, and whose statements are kept here.
    pub left: Vec<String>,
}

/// What a home practice, asked whether anything is outstanding, has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing is.
    Confirmed,
    /// Something is, so what is here is out of date.
    Behind,
    /// It is no member of the network, so no preference can come from it.
    NoMember,
    /// Nothing: neither it nor its second keeper answered.
    Silent,
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum SharingWrite {
    /// Holds a statement and puts it into force for these patients, unless a later one is here.
    Hold {
        statement: Box<Statement>,
        patients: Vec<String>,
    },
    /// All who are to be sent that version of a patient's statement have a parcel on its way; those, that is,
    /// who were known when it was looked at (`stirred`).
    Sent {
        patient: String,
        version: i64,
        stirred: i64,
    },
    /// Somebody else holds something about the patient: they must be told.
    HeldElsewhere { patient: String },
    /// What came of asking.
    Asked {
        home: String,
        keeper: Option<String>,
        asked: Asked,
    },
    /// Something was withheld from staff here for the first time since the statement came: its
    /// sender is told, with a signed receipt.
    Refused { patient: String },
}

/// The name under which another practice's rules stand.
fn under(home: &str) -> String {
    format!("home:{home}")
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &SharingWrite,
) -> Result<(), Problem> {
    match write {
        SharingWrite::Hold {
            statement,
            patients,
        } => hold(tx, now, statement, patients).await,
        SharingWrite::Sent {
            patient,
            version,
            stirred,
        } => {
            // Whoever came to hold something since it was looked at is still to be told.
            let sql = Sql::new(
                "UPDATE sharing SET due = 0 WHERE patient = $1 AND version = $2 AND stirred = $3",
            );
            let sql = sql.with(patient.as_str()).with(*version).with(*stirred);
            tx.execute(&sql).await.map(|_| ())
        }
        SharingWrite::HeldElsewhere { patient } => is_held_elsewhere(tx, patient).await,
        SharingWrite::Asked {
            home,
            keeper,
            asked,
        } => note_asked(tx, now, home, keeper.as_deref(), *asked).await,
        SharingWrite::Refused { patient } => refused(tx, now, patient).await,
    }
}

async fn hold(
    tx: &mut Tx<'_>,
    now: Millis,
    statement: &Statement,
    patients: &[String],
) -> Result<(), Problem> {
    let (home, number) = (statement.home.as_str(), statement.nhs_number.as_str());
    let sql = Sql::new(
        "SELECT version, patients, audience FROM sharing_held WHERE home = $1 AND nhs_number = $2",
    );
    let known = tx.row(&sql.with(home).with(number)).await?;
    let here = patients.join(" ");
    let mut audience = statement.audience.join(" ");
    if let Some(known) = &known {
        let version = known.int(0)?;
        let is_same = version == statement.version;
        if version > statement.version
            || (is_same && known.text(1)? == here && known.text(2)? == audience)
        {
            return Ok(());
        }
        if is_same && audience.is_empty() {
            audience = known.text(2)?.to_string();
        }
        for patient in known.text(1)?.split_whitespace() {
            withdraw(tx, patient, home).await?;
            if !patients.iter().any(|it| it == patient) {
                whereabouts::told(tx, now, patient, (home, false)).await?;
            }
        }
    }
    for patient in patients {
        withdraw(tx, patient, home).await?;
        put(tx, patient, &under(home), &statement.rules).await?;
        whereabouts::told(tx, now, patient, (home, statement.restricted)).await?;
        crate::moving::left_for(tx, now, patient, home).await?;
    }
    let sql = Sql::new(
        "INSERT INTO sharing_held (home, nhs_number, version, jws, audience, patients, birth_date, \
         family, at, parcel) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (home, nhs_number) DO UPDATE SET version = excluded.version, \
         jws = excluded.jws, audience = excluded.audience, patients = excluded.patients, \
         birth_date = excluded.birth_date, family = excluded.family, at = excluded.at, \
         parcel = CASE WHEN excluded.parcel = '' THEN sharing_held.parcel ELSE excluded.parcel END, \
         refused_at = CASE WHEN excluded.version = sharing_held.version \
         THEN sharing_held.refused_at ELSE NULL END",
    );
    let sql = sql.with(home).with(number).with(statement.version);
    let sql = sql.with(statement.jws.as_str()).with(audience).with(here);
    let sql = sql
        .with(statement.birth_date.as_str())
        .with(statement.family.as_str())
        .with(now)
        .with(statement.parcel.as_str());
    tx.execute(&sql).await?;
    leave(tx, statement).await
}

/// As a second keeper: what the practices before said of the patient is told to nobody any more, however late it comes; what
/// the one says to which they came, also back, is.
async fn leave(tx: &mut Tx<'_>, statement: &Statement) -> Result<(), Problem> {
    let (home, number) = (statement.home.as_str(), statement.nhs_number.as_str());
    for before in &statement.left {
        let sql =
            Sql::new("UPDATE sharing_held SET moved_to = $1 WHERE home = $2 AND nhs_number = $3");
        tx.execute(&sql.with(home).with(before.as_str()).with(number))
            .await?;
    }
    if statement.left.is_empty() {
        return Ok(());
    }
    let sql = Sql::new("UPDATE sharing_held SET moved_to = '' WHERE home = $1 AND nhs_number = $2");
    tx.execute(&sql.with(home).with(number)).await.map(|_| ())
}

async fn withdraw(tx: &mut Tx<'_>, patient: &str, home: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM care_dissent WHERE patient = $1 AND consent = $2");
    tx.execute(&sql.with(patient).with(under(home)))
        .await
        .map(|_| ())
}

async fn note_asked(
    tx: &mut Tx<'_>,
    now: Millis,
    home: &str,
    keeper: Option<&str>,
    asked: Asked,
) -> Result<(), Problem> {
    let keeper = keeper.unwrap_or_default();
    let sql = match asked {
        Asked::Confirmed => Sql::new(
            "INSERT INTO sharing_link (home, keeper, confirmed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (home) DO UPDATE SET confirmed_at = excluded.confirmed_at, \
             keeper = excluded.keeper",
        )
        .with(home)
        .with(keeper)
        .with(now),
        Asked::Behind => Sql::new(
            "INSERT INTO sharing_link (home, keeper, confirmed_at) VALUES ($1, $2, 0) \
             ON CONFLICT (home) DO UPDATE SET confirmed_at = 0, keeper = excluded.keeper",
        )
        .with(home)
        .with(keeper),
        Asked::NoMember => Sql::new("UPDATE sharing_link SET confirmed_at = $1 WHERE home = $2")
            .with(Millis::MAX)
            .with(home),
        Asked::Silent => return Ok(()),
    };
    tx.execute(&sql).await.map(|_| ())
}

/// Each statement about the patient that has caused no refusal yet has now.
async fn refused(tx: &mut Tx<'_>, now: Millis, patient: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT home, nhs_number, parcel FROM sharing_held WHERE patients = $1 \
         AND refused_at IS NULL",
    );
    for row in tx.rows(&sql.with(patient)).await? {
        let (home, number, parcel) = (row.text(0)?, row.text(1)?, row.text(2)?);
        let sql =
            Sql::new("UPDATE sharing_held SET refused_at = $1 WHERE home = $2 AND nhs_number = $3");
        tx.execute(&sql.with(now).with(home).with(number)).await?;
        let Some(known) = event::by_id(tx, home, parcel).await? else {
            continue;
        };
        let note = "Something was withheld from staff here because of this preference.";
        let nobody = event::Actor::default();
        let seq = event::add(tx, now, &known, State::Filed.code(), &nobody, note).await?;
        event::set_state(tx, known.pid, State::Filed, now).await?;
        event::tell(tx, &known, seq).await?;
    }
    Ok(())
}

/// Somebody else holds, or will hold, something about the patient: they must know of preferences.
pub(crate) async fn is_held_elsewhere(tx: &mut Tx<'_>, patient: &str) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE sharing SET due = 1, stirred = stirred + 1 WHERE patient = $1")
        .with(patient);
    tx.execute(&sql).await.map(|_| ())
}
