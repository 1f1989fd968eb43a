//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::there::{self, OrderThere};
use crate::database::Tx;
use crate::sql::Sql;

/// What a message to EPS is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpsKind {
    /// A prescription, which its prescriber signs.
    Order,
    /// What a pharmacy has dispensed.
    Notification,
    /// A prescription that a pharmacy gives back undispensed.
    Return,
    /// A pharmacy asks for what is waiting for it.
    Release,
    /// A prescriber cancels an item of what was sent.
    Cancel,
}

impl EpsKind {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            EpsKind::Order => "order",
            EpsKind::Notification => "notification",
            EpsKind::Return => "return",
            EpsKind::Release => "release",
            EpsKind::Cancel => "cancel",
        }
    }

    /// # Errors
    /// `Exception` for any other word.
    pub fn parse(code: &str) -> Result<EpsKind, Problem> {
        match code {
            "order" => Ok(EpsKind::Order),
            "notification" => Ok(EpsKind::Notification),
            "return" => Ok(EpsKind::Return),
            "release" => Ok(EpsKind::Release),
            "cancel" => Ok(EpsKind::Cancel),
            _ => Err(Problem::new(
                Kind::Exception,
                "A message to EPS is of no known kind.",
            )),
        }
    }
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpsNew {
    /// The same for the same message, and no other's.
    pub key: String,
    pub kind: EpsKind,
    /// The number of the prescription; empty for none.
    pub subject: String,
    /// The Patient here; empty for none.
    pub patient: String,
    /// The Tasks here that it is about.
    pub tasks: Vec<String>,
    /// What is to be signed; or, of what nobody signs, what is sent.
    pub draft: String,
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum PrescriptionWrite {
    /// A patient, or somebody for them, chose a pharmacy.
    Nominate {
        patient: String,
        pharmacy: String,
        by: String,
    },
    /// Puts a message into line. One of that key that is there stays as it is.
    Queue(Box<EpsNew>),
    /// It is signed: from now on these bytes are sent, and no others.
    Signed { number: i64, payload: String },
    /// EPS has it.
    Sent { number: i64 },
    /// A try came to nothing.
    Later {
        number: i64,
        next_try: Millis,
        reason: String,
    },
    /// EPS does not take it: a person must look.
    Refused { number: i64, reason: String },
    /// From the work list: the same bytes are sent again. `NotFound` if it is not there.
    Again { number: i64 },
    /// From the work list: a person has seen to it.
    Settled { number: i64 },
    /// The prescriber gives up a prescription that EPS refused: it is not sent any more. `Conflict` unless
    /// it is one.
    Abandon { subject: String },
    /// How far a request is in the organisation's own system, which holds the medicines.
    There(Box<OrderThere>),
    /// From the work list: a status that fitted nothing is looked at again.
    StatusAgain { pid: i64 },
    /// From the work list: a person has seen to a status that fitted nothing.
    StatusSettled { pid: i64 },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &PrescriptionWrite,
) -> Result<(), Problem> {
    match write {
        PrescriptionWrite::Nominate {
            patient,
            pharmacy,
            by,
        } => nominate(tx, now, patient, (pharmacy, by)).await,
        PrescriptionWrite::Queue(new) => queue(tx, now, new).await,
        PrescriptionWrite::Signed { number, payload } => {
            let sql = Sql::new(
                "UPDATE eps_message SET payload = $1 WHERE number = $2 AND payload = '' \
                 AND state = 'waiting'",
            );
            let changed = tx
                .execute(&sql.with(payload.as_str()).with(*number))
                .await?;
            once(changed, Kind::Conflict)
        }
        PrescriptionWrite::Sent { number } => {
            let sql = Sql::new(
                "UPDATE eps_message SET state = 'sent', state_at = $1, reason = '' \
                 WHERE number = $2 AND state = 'waiting'",
            );
            once(
                tx.execute(&sql.with(now).with(*number)).await?,
                Kind::Conflict,
            )
        }
        PrescriptionWrite::Later {
            number,
            next_try,
            reason,
        } => {
            let sql = Sql::new(
                "UPDATE eps_message SET tries = tries + 1, next_try = $1, reason = $2 \
                 WHERE number = $3 AND state = 'waiting'",
            );
            let sql = sql.with(*next_try).with(reason.as_str()).with(*number);
            tx.execute(&sql).await.map(|_| ())
        }
        PrescriptionWrite::Refused { number, reason } => {
            let sql = Sql::new(
                "UPDATE eps_message SET state = 'refused', state_at = $1, reason = $2 \
                 WHERE number = $3 AND state = 'waiting'",
            );
            let sql = sql.with(now).with(reason.as_str()).with(*number);
            once(tx.execute(&sql).await?, Kind::Conflict)
        }
        PrescriptionWrite::Again { number } => {
            let sql = Sql::new(
                "UPDATE eps_message SET state = 'waiting', state_at = $1, next_try = 0 \
                 WHERE number = $2 AND (state = 'refused' OR state = 'waiting')",
            );
            once(
                tx.execute(&sql.with(now).with(*number)).await?,
                Kind::NotFound,
            )
        }
        PrescriptionWrite::Settled { number } => {
            let sql = Sql::new(
                "UPDATE eps_message SET state = 'settled', state_at = $1 \
                 WHERE number = $2 AND state = 'refused'",
            );
            once(
                tx.execute(&sql.with(now).with(*number)).await?,
                Kind::NotFound,
            )
        }
        PrescriptionWrite::Abandon { subject } => {
            let sql = Sql::new(
                "UPDATE eps_message SET state = 'settled', state_at = $1 \
                 WHERE subject = $2 AND kind = 'order' AND (state = 'refused' OR state = 'settled')",
            );
            let changed = tx.execute(&sql.with(now).with(subject.as_str())).await?;
            once(changed, Kind::Conflict)
        }
        PrescriptionWrite::There(order) => there::put(tx, order).await,
        PrescriptionWrite::StatusAgain { pid } => status(tx, *pid, true).await,
        PrescriptionWrite::StatusSettled { pid } => status(tx, *pid, false).await,
    }
}

async fn nominate(
    tx: &mut Tx<'_>,
    now: Millis,
    patient: &str,
    (pharmacy, by): (&str, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO nominated_pharmacy (patient, pharmacy, chosen_by, chosen_at) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (patient) DO UPDATE SET pharmacy = excluded.pharmacy, \
         chosen_by = excluded.chosen_by, chosen_at = excluded.chosen_at",
    );
    let sql = sql.with(patient).with(pharmacy).with(by).with(now);
    tx.execute(&sql).await.map(|_| ())
}

async fn queue(tx: &mut Tx<'_>, now: Millis, new: &EpsNew) -> Result<(), Problem> {
    // What nobody signs is sent as it was made.
    let payload = match new.kind {
        EpsKind::Order => "",
        _ => new.draft.as_str(),
    };
    let sql = Sql::new(
        "INSERT INTO eps_message (key, kind, subject, patient, tasks, draft, payload, state, tries, \
         next_try, made_at, state_at, reason) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, 0, $8, $8, '') \
         ON CONFLICT (key) DO NOTHING",
    );
    let sql = sql
        .with(new.key.as_str())
        .with(new.kind.code())
        .with(new.subject.as_str())
        .with(new.patient.as_str())
        .with(new.tasks.join(" "))
        .with(new.draft.as_str())
        .with(payload)
        .with(now);
    tx.execute(&sql).await.map(|_| ())
}

/// A status that fitted nothing: looked at again, or off the list.
async fn status(tx: &mut Tx<'_>, pid: i64, again: bool) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE parcel SET due = $1, unmatched = 0 WHERE pid = $2 AND direction = 1 \
         AND kind = 'prescription-status' AND unmatched = 1",
    );
    once(
        tx.execute(&sql.with(again).with(pid)).await?,
        Kind::NotFound,
    )
}

fn once(changed: u64, kind: Kind) -> Result<(), Problem> {
    if changed == 1 {
        return Ok(());
    }
    let message = "Somebody has seen to it meanwhile, or it is not there.";
    Err(Problem::new(kind, message))
}
