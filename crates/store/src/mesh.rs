//! Mailboxes of local systems: messages, their chunks, and the tokens that systems showed
//! (decision 0125).
//!
//! Invariant: a mailbox's own scope reaches the messages that it sent or that came for it, and no
//! other. Invariant: a message that was accepted is whole and on disk. Invariant: a token that served
//! is remembered until its time alone refuses it.

mod arrive;
mod collect;
mod content;
mod lists;
mod settle;
mod sweep;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::Problem;

use crate::database::Tx;

pub use arrive::Arrived;
pub use collect::FromOutside;
pub use content::Stored;
pub use lists::{Message, Standing, ToHand};
pub(crate) use settle::told;
pub use sweep::{COLLECT_MILLIS, KEEP_MILLIS};
pub use write::Sending;

/// Bytes in one row of content, at most.
pub const PIECE_BYTES: usize = 1 << 20;

/// Where a message goes, or came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From one mailbox of this node to another.
    Here,
    /// To another member of the network, in parcels.
    Member,
    /// Out by the national service.
    National,
    /// From another member, in parcels.
    Arrived,
    /// From the organisation's mailbox at the national service.
    Collected,
}

impl Way {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            Way::Here => "here",
            Way::Member => "member",
            Way::National => "mesh",
            Way::Arrived => "arrived",
            Way::Collected => "collected",
        }
    }

    fn of(code: &str) -> Way {
        match code {
            "member" => Way::Member,
            "mesh" => Way::National,
            "arrived" => Way::Arrived,
            "collected" => Way::Collected,
            _ => Way::Here,
        }
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshState {
    /// Some of its chunks are still to come.
    Uploading,
    /// Whole, and not collected.
    Accepted,
    Acknowledged,
    Undeliverable,
}

impl MeshState {
    /// The word in tables, and in answers about tracking.
    pub fn code(self) -> &'static str {
        match self {
            MeshState::Uploading => "uploading",
            MeshState::Accepted => "accepted",
            MeshState::Acknowledged => "acknowledged",
            MeshState::Undeliverable => "undeliverable",
        }
    }

    fn of(code: &str) -> MeshState {
        match code {
            "uploading" => MeshState::Uploading,
            "accepted" => MeshState::Accepted,
            "acknowledged" => MeshState::Acknowledged,
            _ => MeshState::Undeliverable,
        }
    }
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum MeshWrite {
    /// A token serves, for the only time. `Security` if it has served.
    Token {
        mailbox: String,
        token: String,
        until: Millis,
    },
    /// The request that the token was for came to nothing here: it may be shown once more.
    FreeToken { mailbox: String, token: String },
    /// Bytes of a chunk that is being sent, from that part on.
    Pieces {
        upload: String,
        first: i64,
        /// Shared, so that who wrote them can fill the same memory again.
        bytes: Arc<Vec<u8>>,
    },
    /// What was begun of a chunk is of no use.
    DropUpload { upload: String },
    /// A message, with its first chunk. The same again under one local id is known by it.
    Accept(Box<Sending>),
    /// A further chunk. `LockError` if the message is whole already; `TooLong` beyond `bytes_max`.
    Chunk {
        number: i64,
        chunk: i64,
        stored: Stored,
        bytes_max: u64,
    },
    /// Somebody looked at its content.
    Fetched { number: i64 },
    /// It was taken in. Doing so again changes nothing.
    Acknowledge { number: i64 },
    /// A part of a message that another node brought.
    Arrived(Box<Arrived>),
    /// A message that was collected from the national service. The same again changes nothing.
    FromOutside(Box<FromOutside>),
    /// Whose a message is that was collected and that nobody knew.
    Claim { number: i64, mailbox: String },
    /// So many parts have been handed over; with the last its content is dropped here.
    Handed {
        number: i64,
        handed: i64,
        last: bool,
    },
    /// The national service has it, under that id.
    Sent { number: i64, outside: String },
    /// It did not get out, for that reason: it is tried again from then on, behind what was not tried yet.
    PutOff {
        number: i64,
        until: Millis,
        reason: String,
    },
    /// Its recipient has it.
    Collected { number: i64 },
    /// It cannot be delivered: its sender gets a report of that code.
    GiveUp {
        number: i64,
        code: &'static str,
        reason: String,
    },
    /// The national service says what became of it, by a code of its own: as `GiveUp`.
    Reported {
        number: i64,
        code: String,
        reason: String,
    },
    /// What is due by time: messages that nobody collected, content that was kept long enough, tokens
    /// and uploads that are too old. Some rows at a time.
    Sweep,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeshDone {
    /// The message's id, and whether it was here before.
    Taken { id: String, known: bool },
    /// Whether the message is whole now.
    Whole(bool),
    /// How many rows it concerned.
    Rows(u64),
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &MeshWrite,
) -> Result<MeshDone, Problem> {
    match write {
        MeshWrite::Token {
            mailbox,
            token,
            until,
        } => write::token(tx, mailbox, token, *until).await,
        MeshWrite::FreeToken { mailbox, token } => write::free_token(tx, mailbox, token).await,
        MeshWrite::Pieces {
            upload,
            first,
            bytes,
        } => content::pieces(tx, now, upload, *first, bytes).await,
        MeshWrite::DropUpload { upload } => content::drop_upload(tx, upload).await,
        MeshWrite::Accept(sending) => write::accept(tx, now, sending).await,
        MeshWrite::Chunk {
            number,
            chunk,
            stored,
            bytes_max,
        } => write::chunk(tx, now, (*number, *chunk), stored, *bytes_max).await,
        MeshWrite::Fetched { number } => write::fetched(tx, now, *number).await,
        MeshWrite::Acknowledge { number } => settle::acknowledge(tx, now, *number).await,
        MeshWrite::Arrived(arrived) => arrive::take(tx, now, arrived).await,
        MeshWrite::FromOutside(it) => collect::take(tx, now, it).await,
        MeshWrite::Claim { number, mailbox } => collect::claim(tx, now, (*number, mailbox)).await,
        MeshWrite::Handed {
            number,
            handed,
            last,
        } => write::handed(tx, *number, *handed, *last).await,
        MeshWrite::Sent { number, outside } => write::sent(tx, *number, outside).await,
        MeshWrite::PutOff {
            number,
            until,
            reason,
        } => write::put_off(tx, *number, *until, reason).await,
        MeshWrite::Collected { number } => settle::collected(tx, now, *number).await,
        MeshWrite::GiveUp {
            number,
            code,
            reason,
        } => settle::give_up(tx, now, *number, code, reason).await,
        MeshWrite::Reported {
            number,
            code,
            reason,
        } => settle::give_up(tx, now, *number, code, reason).await,
        MeshWrite::Sweep => sweep::sweep(tx, now).await,
    }
}
