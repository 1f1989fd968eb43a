//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::Problem;

use crate::database::Tx;
use crate::hl7_inbox::{Hl7Write, WorkNote};
use crate::sql::Sql;
use crate::write::{Effect, Written};
use crate::writer::Core;

/// How long messages that were sent or settled are kept.
const KEPT_MILLIS: Millis = 30 * 86_400_000;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    pub destination: String,
    /// The id of the patient it is about.
    pub patient: String,
    /// Type and event, such as `ADT^A31`.
    pub kind: String,
    pub control_id: String,
    /// The message's bytes; empty where none could be made, which the note explains.
    pub body: Vec<u8>,
    /// Why a person should look.
    pub note: Option<WorkNote>,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum Hl7OutWrite {
    /// The messages of a change. `Conflict` if somebody else has made them.
    Made { seq: i64, messages: Vec<NewMessage> },
    /// The system has taken the message. `Conflict` if it is not waiting.
    Sent { number: i64 },
    /// The system has refused it. `Conflict` if it is not waiting.
    Refused { number: i64, note: WorkNote },
    /// It could not be sent now. With a note it stands on the work list meanwhile.
    Later {
        number: i64,
        next_try: Millis,
        note: Option<WorkNote>,
    },
    /// A person wants it sent (again). `Conflict` if it is not on the work list or is no message.
    Again { number: i64 },
    /// A person has seen to it; it is not sent. `Conflict` if it is not on the work list.
    Settled { number: i64 },
    /// What was sent or settled long ago is forgotten.
    Tidy,
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &Hl7OutWrite,
) -> Result<(), Problem> {
    match write {
        Hl7OutWrite::Made { seq, messages } => {
            let sql = Sql::new("DELETE FROM hl7_change WHERE seq = $1");
            once(tx, &sql.with(*seq)).await?;
            for message in messages {
                insert(tx, now, message).await?;
            }
            Ok(())
        }
        Hl7OutWrite::Sent { number } => {
            let sql = Sql::new(
                "UPDATE hl7_out SET state = 'sent', state_at = $1, tries = tries + 1, work = 0, \
                 reason = NULL, next_step = NULL WHERE number = $2 AND state = 'waiting'",
            );
            once(tx, &sql.with(now).with(*number)).await
        }
        Hl7OutWrite::Refused { number, note } => {
            let sql = Sql::new(
                "UPDATE hl7_out SET state = 'refused', state_at = $1, tries = tries + 1, work = 1, \
                 reason = $2, next_step = $3 WHERE number = $4 AND state = 'waiting'",
            );
            let sql = sql.with(now).with(note.reason.as_str());
            once(tx, &sql.with(note.next_step.as_str()).with(*number)).await
        }
        Hl7OutWrite::Later {
            number,
            next_try,
            note,
        } => {
            let sql = Sql::new(
                "UPDATE hl7_out SET tries = tries + 1, next_try = $1, work = $2, reason = $3, \
                 next_step = $4 WHERE number = $5 AND state = 'waiting'",
            );
            let note = note.as_ref();
            let sql = sql.with(*next_try).with(note.is_some());
            let sql = sql.with(note.map(|note| note.reason.as_str()));
            let sql = sql.with(note.map(|note| note.next_step.as_str()));
            tx.execute(&sql.with(*number)).await?;
            Ok(())
        }
        Hl7OutWrite::Again { number } => {
            let sql = Sql::new(
                "UPDATE hl7_out SET state = 'waiting', state_at = $1, next_try = 0, work = 0, \
                 reason = NULL, next_step = NULL WHERE number = $2 AND work = 1 \
                 AND LENGTH(body) > 0",
            );
            once(tx, &sql.with(now).with(*number)).await
        }
        Hl7OutWrite::Settled { number } => {
            let sql = Sql::new(
                "UPDATE hl7_out SET state = 'settled', state_at = $1, work = 0 \
                 WHERE number = $2 AND work = 1",
            );
            once(tx, &sql.with(now).with(*number)).await
        }
        Hl7OutWrite::Tidy => {
            let sql = Sql::new(
                "DELETE FROM hl7_out WHERE (state = 'sent' OR state = 'settled') AND state_at < $1",
            );
            tx.execute(&sql.with(now - KEPT_MILLIS)).await?;
            Ok(())
        }
    }
}

async fn once(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<(), Problem> {
    let otherwise = "This message is not where it was; look at the work list again.";
    tx.execute_once(sql, otherwise).await
}

async fn insert(tx: &mut Tx<'_>, now: Millis, message: &NewMessage) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO hl7_out (destination, patient, kind, control_id, body, state, tries, next_try, \
         made_at, state_at, work, reason, next_step) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $10, $11)",
    );
    let note = message.note.as_ref();
    let state = if note.is_some() { "refused" } else { "waiting" };
    let sql = sql
        .with(message.destination.as_str())
        .with(message.patient.as_str())
        .with(message.kind.as_str())
        .with(message.control_id.as_str())
        .with(message.body.as_slice())
        .with(state)
        .with(now)
        .with(now)
        .with(note.is_some())
        .with(note.map(|note| note.reason.as_str()))
        .with(note.map(|note| note.next_step.as_str()));
    tx.execute(&sql).await?;
    Ok(())
}

/// In the transaction of the changes themselves: those of types that systems are told of are written
/// down. What came by HL7 v2 is not told on: it would go round in circles.
pub(crate) async fn note(
    core: &Core,
    tx: &mut Tx<'_>,
    effects: &[Effect],
    written: &[Written],
) -> Result<(), Problem> {
    let came_by_hl7 = |effect: &Effect| {
        let Effect::Hl7(write) = effect else {
            return false;
        };
        matches!(write, Hl7Write::Mapped { .. } | Hl7Write::Again { .. })
    };
    if core.hl7_told.is_empty() || effects.iter().any(came_by_hl7) {
        return Ok(());
    }
    for it in written.iter().filter(|it| core.hl7_told.contains(&it.ty)) {
        let sql = Sql::new("INSERT INTO hl7_change (ty, id, ver, at) VALUES ($1, $2, $3, $4)");
        let version = i64::try_from(it.version).unwrap_or(i64::MAX);
        let sql = sql.with(it.ty.as_str()).with(it.id.as_str());
        tx.execute(&sql.with(version).with(it.last_updated)).await?;
    }
    Ok(())
}
