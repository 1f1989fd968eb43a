//! Faxes: what a fax server took for the organisation, until a person says whose it is; letters that
//! leave by fax, until the machine at the other end has confirmed their pages; and the numbers to which
//! they may go, which two people change.
//!
//! Invariant: a fax is handed to the fax server only after that it will be stands in the store; where
//! nobody can know whether it was, a person looks before it is sent again. Invariant: nothing leaves to a
//! number that is not in force in the commit that hands it over.

mod incoming;
mod lists;
mod numbers;
mod outgoing;
#[cfg(test)]
mod tests;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::hl7_inbox::WorkNote;
use crate::parcels::event::Actor;
use crate::parcels::{Outgoing, Parcel};
use crate::sql::Sql;

pub(crate) use incoming::put_back;
pub use lists::{Count, FaxIn, Handing, InShow, Numbered, StuckFax, ToSend};
pub(crate) use outgoing::{again, has_left, is_waiting, put, taken_back};

/// A fax that a fax server hands over.
#[derive(Clone, Debug)]
pub struct NewFax {
    /// The fax server's own id of the call.
    pub queue: String,
    /// The caller's number, or what the line said in its place; may be empty.
    pub caller: String,
    /// What the other machine calls itself; may be empty.
    pub station: String,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    pub file: Vec<u8>,
    /// 0 where it cannot be read.
    pub pages: u32,
    /// Why it cannot be read, in a plain sentence.
    pub trouble: String,
}

/// Whose fax it is, with the resources that the same job makes of it.
#[derive(Clone, Debug)]
pub struct Matched {
    pub number: i64,
    /// Its round, as the job's maker saw it: `Conflict` if it is another by now.
    pub round: i64,
    /// What stands for it in the inbox.
    pub parcel: Parcel,
    pub patient: String,
    pub document: String,
    pub binaries: Vec<String>,
    pub who: String,
    pub role: String,
    pub account: Option<i64>,
}

/// Who asks for a change of a number or confirms it, or decides about a row of the work list.
#[derive(Clone, Debug)]
pub struct Asker {
    pub account: i64,
    pub who: String,
}

impl Asker {
    /// As they stand in a letter's journey.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            who: self.who.clone(),
            role: String::new(),
            account: Some(self.account),
        }
    }
}

/// A fax server's word on a job.
#[derive(Clone, Debug)]
pub struct Report {
    pub job: String,
    /// Whether every page was confirmed.
    pub done: bool,
    /// Its word for how it ended, such as `done` or `failed`.
    pub status: String,
    /// Pages that the machine at the other end has confirmed, of how many.
    pub pages_sent: u32,
    pub pages: u32,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum FaxWrite {
    /// Keeps a fax that came in. The same file of the same call again: no effect.
    Take(Box<NewFax>),
    /// A person has said whose it is; its resources are in this job.
    Match(Box<Matched>),
    /// It is not for the organisation's records.
    SetAside {
        number: i64,
        reason: String,
        who: String,
    },
    /// It is wanted after all.
    TakeUp { number: i64, who: String },
    /// Accepts a letter that is to leave by fax. The same id and text again: no effect.
    Queue(Box<Outgoing>),
    /// It is about to be handed to the fax server, to dial this number. `Conflict` if it is not waiting;
    /// `Forbidden` if the number is not in force for the organisation.
    Handing {
        number: i64,
        dialled: String,
        holder: String,
        tag: String,
    },
    /// The fax server has it.
    Handed { number: i64, job: String },
    /// The fax server did not take it: it is tried again, or with a note goes before a person.
    NotTaken {
        number: i64,
        next_try: Millis,
        error: String,
        note: Option<WorkNote>,
    },
    /// It cannot be sent as it is.
    Failed { number: i64, note: WorkNote },
    /// Nobody can know whether the fax server has it. `Conflict` if it is not being handed over.
    Unsure { number: i64, note: WorkNote },
    /// The fax server tells how a job ended.
    Reported(Report),
    /// Nothing was heard of it for long: it stands on the work list meanwhile.
    Unheard { number: i64, note: WorkNote },
    /// A person wants it sent (again). `Conflict` if it is not on the work list.
    Again { number: i64, who: Asker },
    /// A person has looked on the fax server: it was sent.
    WasSent { number: i64, who: Asker },
    /// A person has seen to it; it is not sent.
    Settled { number: i64, who: Asker },
    /// One person wants a number to be in force.
    Propose {
        number: String,
        ods: String,
        name: String,
        by: Asker,
    },
    /// One person wants a number away: nothing is sent there from now on.
    ProposeEnd { number: String, by: Asker },
    /// Another confirms what is proposed. `BusinessRule` if it is the same person.
    Confirm { number: String, by: Asker },
    /// What is proposed is not done.
    Refuse { number: String },
    /// Files that nobody needs any more, and came to rest before then, are forgotten.
    Tidy { before: Millis },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaxDone {
    /// The fax's number, and whether it was here before.
    Taken {
        number: i64,
        known: bool,
    },
    /// The parcel that stands for it.
    Matched {
        pid: i64,
    },
    /// The parcel's number, and whether it was here before.
    Queued {
        pid: i64,
        known: bool,
    },
    /// Whether a fax of this node has that job.
    Reported(bool),
    Done,
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &FaxWrite,
) -> Result<FaxDone, Problem> {
    match write {
        FaxWrite::Take(fax) => return incoming::take(tx, now, fax).await,
        FaxWrite::Match(matched) => return incoming::matched(tx, now, matched).await,
        FaxWrite::Queue(letter) => return outgoing::queue(tx, now, letter).await,
        FaxWrite::Reported(report) => return outgoing::reported(tx, now, report).await,
        FaxWrite::SetAside {
            number,
            reason,
            who,
        } => incoming::set_aside(tx, now, *number, (who, reason)).await?,
        FaxWrite::TakeUp { number, who } => incoming::take_up(tx, now, *number, who).await?,
        FaxWrite::Handing {
            number,
            dialled,
            holder,
            tag,
        } => outgoing::handing(tx, now, *number, dialled, (holder, tag)).await?,
        FaxWrite::Handed { number, job } => outgoing::handed(tx, now, *number, job).await?,
        FaxWrite::NotTaken {
            number,
            next_try,
            error,
            note,
        } => outgoing::not_taken(tx, now, *number, (*next_try, error), note.as_ref()).await?,
        FaxWrite::Failed { number, note } => outgoing::failed(tx, now, *number, note).await?,
        FaxWrite::Unsure { number, note } => outgoing::unsure(tx, now, *number, note).await?,
        FaxWrite::Unheard { number, note } => outgoing::unheard(tx, *number, note).await?,
        FaxWrite::Again { number, who } => outgoing::sent_again(tx, now, *number, who).await?,
        FaxWrite::WasSent { number, who } => outgoing::was_sent(tx, now, *number, who).await?,
        FaxWrite::Settled { number, who } => outgoing::settled(tx, now, *number, who).await?,
        FaxWrite::Propose {
            number,
            ods,
            name,
            by,
        } => numbers::propose(tx, now, number, (ods, name), by).await?,
        FaxWrite::ProposeEnd { number, by } => numbers::propose_end(tx, now, number, by).await?,
        FaxWrite::Confirm { number, by } => numbers::confirm(tx, now, number, by).await?,
        FaxWrite::Refuse { number } => numbers::refuse(tx, number).await?,
        FaxWrite::Tidy { before } => incoming::tidy(tx, *before).await?,
    }
    Ok(FaxDone::Done)
}

async fn once(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<(), Problem> {
    tx.execute_once(sql, "This fax is not where it was; look at it again.")
        .await
}

fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such fax here.")
}
