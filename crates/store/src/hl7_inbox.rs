//! Received HL7 v2 messages: kept as they came before they are answered, known by MSH-3, MSH-4 and
//! MSH-10, answered alike however often they come, mapped once.

mod list;
mod masked;
mod moved;
mod replay;
mod said;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};

use crate::database::Tx;
use crate::shard;
use crate::sql::Sql;

pub(crate) use moved::keep_moved;

pub use list::{RawMessage, StuckMessage, Waiting};
pub use replay::{Mapped, Selection};

/// A message that came in, with the answers it may get.
#[derive(Clone, Debug)]
pub struct Received {
    /// MSH-3, MSH-4 and MSH-10, as sent; empty where they could not be read.
    pub application: String,
    pub facility: String,
    pub control_id: String,
    /// Type and event, such as `ADT^A01`; empty where they could not be read.
    pub kind: String,
    pub body: Vec<u8>,
    /// Whether it can be taken, and what it is answered.
    pub verdict: Verdict,
}

impl Received {
    /// The SHA-256 of a message's bytes.
    pub fn digest(body: &[u8]) -> [u8; 32] {
        Sha256::digest(body).into()
    }
}

/// What a message is answered: the bytes of the acknowledgement, without its frame.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It can be taken.
    Take {
        /// AA, for a message that is new (or the same again).
        accepted: Vec<u8>,
        /// Makes the AE for one whose id was used before by another body, from the message and the
        /// time: hardly any message needs it.
        conflict: fn(&[u8], Millis) -> Vec<u8>,
    },
    /// It cannot be read or is not of a kind that is taken: kept, answered, on the work list.
    Refuse {
        /// `AE` or `AR`.
        answer: &'static str,
        ack: Vec<u8>,
        /// Plain sentences, without content.
        reason: String,
        next_step: String,
    },
}

/// A note for the work list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkNote {
    /// Why a person should look, in a plain sentence without content.
    pub reason: String,
    /// What that person can do.
    pub next_step: String,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum Hl7Write {
    /// Keeps a message; made by `Hl7Write::receive`. The answer is durable when the job is.
    Receive(Arc<Keeping>),
    /// The message's resources are in this job. `Conflict` if it is not waiting to be mapped: then
    /// somebody else has mapped it, and the job is undone. A note puts it onto the work list.
    Mapped { number: i64, note: Option<WorkNote> },
    /// It cannot be mapped.
    Failed { number: i64, note: WorkNote },
    /// It is to be mapped (again): a person has mended what was in the way. `Conflict` if it is not
    /// on the work list.
    Replay { number: i64 },
    /// It was mapped anew, by another mapping, and its resources are in this job. `Conflict` if it is not mapped.
    Again { number: i64 },
    /// A person has seen to it; it leaves the work list.
    Settled { number: i64 },
    /// When what stands in a resource's elements was said. `Conflict` if what is kept is not `before` (empty: nothing).
    Said {
        reference: String,
        before: String,
        said: String,
    },
}

/// A message with its digests, which are made before the writer, whom all wait for, sees it.
#[derive(Clone, Debug)]
pub struct Keeping {
    received: Received,
    /// Of MSH-3, MSH-4 and MSH-10.
    id: Vec<u8>,
    /// Of the body.
    sha256: Vec<u8>,
}

impl Hl7Write {
    /// Keeps a message.
    pub fn receive(received: Received) -> Hl7Write {
        Hl7Write::Receive(Arc::new(Keeping::new(received)))
    }
}

impl Keeping {
    /// Makes the digests.
    pub fn new(received: Received) -> Keeping {
        let sha256 = Received::digest(&received.body);
        Keeping::with_digest(received, sha256)
    }

    /// The same, where the body's digest (`Received::digest`) has been made.
    pub fn with_digest(received: Received, sha256: [u8; 32]) -> Keeping {
        let id = [
            &received.application,
            &received.facility,
            &received.control_id,
        ];
        let mut id = digest(&id.map(|part| part.as_bytes()));
        // Half of it tells messages apart, in an index of half the length.
        id.truncate(16);
        Keeping {
            received,
            id,
            sha256: sha256.to_vec(),
        }
    }

    /// The digest that an accepted message is known by.
    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    /// The message.
    pub fn received(&self) -> &Received {
        &self.received
    }

    /// The answer to it if it is new; `None` if it is refused however often it comes.
    pub(crate) fn accepted(&self) -> Option<&[u8]> {
        match &self.received.verdict {
            Verdict::Take { accepted, .. } => Some(accepted),
            Verdict::Refuse { .. } => None,
        }
    }
}

/// Finds a message by its id.
pub(crate) fn by_id(id: &[u8]) -> Sql<'_> {
    Sql::new("SELECT number FROM hl7_message WHERE key = $1 AND shard = $2")
        .with(id)
        .with(shard::of(id))
}

/// The ids after that one, in order; at most so many.
pub(crate) fn ids(after: &[u8], at_most: usize) -> Sql<'_> {
    Sql::new("SELECT key FROM hl7_message WHERE key > $1 ORDER BY key LIMIT $2")
        .with(after)
        .with(i64::try_from(at_most).unwrap_or(i64::MAX))
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Hl7Done {
    /// Kept now, or known before: the answer is the same.
    Kept {
        /// `None` while it is only in the journal.
        number: Option<i64>,
        kept: Kept,
        ack: Vec<u8>,
    },
    /// The row is as asked.
    Noted,
}

/// Whether a message was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    New,
    /// The same again.
    Same,
    /// The id was used before by another body: in quarantine, not mapped.
    Conflict,
    /// Refused, and kept.
    Refused,
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &Hl7Write,
) -> Result<Hl7Done, Problem> {
    match write {
        Hl7Write::Receive(received) => keep(tx, now, received).await,
        Hl7Write::Mapped { number, note } => {
            settle(tx, now, *number, "mapped", note.as_ref()).await
        }
        Hl7Write::Failed { number, note } => settle(tx, now, *number, "failed", Some(note)).await,
        Hl7Write::Replay { number } => replay::replay(tx, now, *number).await,
        Hl7Write::Again { number } => replay::again(tx, *number).await,
        Hl7Write::Settled { number } => replay::settled(tx, *number).await,
        Hl7Write::Said {
            reference,
            before,
            said,
        } => {
            said::keep(tx, reference, (before, said)).await?;
            Ok(Hl7Done::Noted)
        }
    }
}

/// The row to be: what differs between a message taken, one in quarantine and one refused.
struct Row<'r> {
    key: Vec<u8>,
    answer: &'r str,
    ack: &'r [u8],
    state: &'r str,
    note: Option<(&'r str, &'r str)>,
}

/// The row of a message that is taken.
fn taken<'r>(keeping: &'r Keeping, accepted: &'r [u8]) -> Row<'r> {
    Row {
        key: keeping.id.clone(),
        answer: "AA",
        ack: accepted,
        state: "received",
        note: None,
    }
}

/// Keeps a message as its verdict says, inside the writer's transaction; `now` is when it came.
pub(crate) async fn keep(
    tx: &mut Tx<'_>,
    now: Millis,
    keeping: &Keeping,
) -> Result<Hl7Done, Problem> {
    let Keeping {
        received,
        id,
        sha256,
    } = keeping;
    let apart = |why: &[u8]| digest(&[why, id, sha256]);
    let (accepted, conflict) = match &received.verdict {
        Verdict::Take { accepted, conflict } => (accepted, conflict),
        Verdict::Refuse {
            answer,
            ack,
            reason,
            next_step,
        } => {
            let note = Some((reason.as_str(), next_step.as_str()));
            let row = Row {
                key: apart(b"refused"),
                answer,
                ack,
                state: "refused",
                note,
            };
            return keep_apart(tx, now, received, sha256, row, Kept::Refused).await;
        }
    };
    let row = taken(keeping, accepted);
    if let Some(number) = insert(tx, now, received, sha256, &row).await? {
        return Ok(Hl7Done::Kept {
            number: Some(number),
            kept: Kept::New,
            ack: accepted.clone(),
        });
    }
    let known =
        Sql::new("SELECT number, ack, sha256 FROM hl7_message WHERE key = $1 AND shard = $2")
            .with(id.as_slice())
            .with(shard::of(id));
    if let Some(known) = tx.row(&known).await?
        && known.bytes(2)? == sha256.as_slice()
    {
        let ack = known.bytes(1)?.to_vec();
        return Ok(Hl7Done::Kept {
            number: Some(known.int(0)?),
            kept: Kept::Same,
            ack,
        });
    }
    let note = Some((
        "Another message came before under the same control id (MSH-10), with other content.",
        "Ask the sender which one holds. If it is this one, map it with Replay; else mark it as \
         seen to.",
    ));
    let ack = conflict(&received.body, now);
    let row = Row {
        key: apart(b"conflict"),
        answer: "AE",
        ack: &ack,
        state: "quarantined",
        note,
    };
    keep_apart(tx, now, received, sha256, row, Kept::Conflict).await
}

/// Keeps a message that is not taken: once, however often it comes.
async fn keep_apart(
    tx: &mut Tx<'_>,
    now: Millis,
    received: &Received,
    sha256: &[u8],
    row: Row<'_>,
    kept: Kept,
) -> Result<Hl7Done, Problem> {
    if let Some(number) = insert(tx, now, received, sha256, &row).await? {
        return Ok(Hl7Done::Kept {
            number: Some(number),
            kept,
            ack: row.ack.to_vec(),
        });
    }
    let known = Sql::new("SELECT number, ack FROM hl7_message WHERE key = $1 AND shard = $2")
        .with(row.key.as_slice())
        .with(shard::of(&row.key));
    let known = tx.row(&known).await?.ok_or_else(gone)?;
    Ok(Hl7Done::Kept {
        number: Some(known.int(0)?),
        kept,
        ack: known.bytes(1)?.to_vec(),
    })
}

/// Inserts the row, unless its key is there; gives its number.
async fn insert(
    tx: &mut Tx<'_>,
    now: Millis,
    received: &Received,
    sha256: &[u8],
    row: &Row<'_>,
) -> Result<Option<i64>, Problem> {
    let sql = Sql::new(
        "INSERT INTO hl7_message (shard, key, application, facility, control_id, kind, sha256, body, \
         answer, ack, state, received_at, state_at, tries, work, reason, next_step) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15, $16) \
         ON CONFLICT (key, shard) DO NOTHING RETURNING number",
    )
    .with(shard::of(&row.key))
    .with(row.key.as_slice())
    .with(received.application.as_str())
    .with(received.facility.as_str())
    .with(received.control_id.as_str())
    .with(received.kind.as_str())
    .with(sha256)
    .with(received.body.as_slice())
    .with(row.answer)
    .with(row.ack)
    .with(row.state)
    .with(now)
    .with(now)
    .with(row.note.is_some())
    .with(row.note.map(|(reason, _)| reason))
    .with(row.note.map(|(_, next_step)| next_step));
    tx.row(&sql).await?.map(|row| row.int(0)).transpose()
}

/// Ends the waiting of a message, once.
async fn settle(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    state: &'static str,
    note: Option<&WorkNote>,
) -> Result<Hl7Done, Problem> {
    let sql = Sql::new(
        "UPDATE hl7_message SET state = $1, state_at = $2, work = $3, reason = $4, next_step = $5, \
         tries = tries + 1, mapped = CASE WHEN mapped = 1 THEN mapped ELSE $6 END \
         WHERE number = $7 AND state = 'received'",
    )
    .with(state)
    .with(now)
    .with(note.is_some())
    .with(note.map(|note| note.reason.as_str()))
    .with(note.map(|note| note.next_step.as_str()))
    .with(state == "mapped")
    .with(number);
    if tx.execute(&sql).await? == 0 {
        let message = "This message is not waiting to be mapped.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    Ok(Hl7Done::Noted)
}

/// A digest over parts, each preceded by its length.
fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such message.")
}
