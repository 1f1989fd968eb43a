//! ITK3 documents over MESH: letters that leave so, until both their responses are here; what came, kept as it
//! came; and the responses that go back.
//!
//! Invariant: a letter is handed to MESH only after that it will be stands in the store; where nobody can know
//! whether it was, a person looks before it is sent again. Invariant: what came is here before MESH is told, and a
//! message that comes again becomes no second letter. Invariant: a response goes back in the commit that decides it.

mod answers;
mod incoming;
mod lists;
mod outgoing;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::fax::Asker;
use crate::hl7_inbox::WorkNote;
use crate::parcels::Outgoing;
use crate::sql::Sql;

pub(crate) use answers::stepped;
pub use lists::{Came, Counted, List, Stuck, ToAnswer, ToSend, UnderWay, Way};
pub(crate) use outgoing::{again, has_left, is_waiting, taken_back};

/// A letter that is to leave as an ITK3 document.
#[derive(Clone, Debug)]
pub struct NewOut {
    pub letter: Outgoing,
    /// Empty where MESH is to find the patient's practice.
    pub mailbox: String,
    pub workflow: String,
    /// New names: the first of the same letter count.
    pub bundle: String,
    pub header: String,
}

/// A message that came, as it is kept.
#[derive(Clone, Debug)]
pub struct NewIn {
    pub key: String,
    /// MESH's id of it.
    pub outside: String,
    /// The mailbox that it came from.
    pub mailbox: String,
    pub workflow: String,
    pub subject: String,
    /// The mailbox that it was for, as its sender wrote it.
    pub recipient: String,
    pub bundle: String,
    pub document: String,
    pub header: String,
    pub reference: String,
    pub sha256: String,
    pub bytes: Vec<u8>,
    pub wants_infrastructure: bool,
    pub wants_business: bool,
    /// The ODS code of the practice that it names as its patient's; empty for none.
    pub practice: String,
    pub read: Read,
}

/// What reading a message gave.
#[derive(Clone, Debug)]
pub enum Read {
    /// A letter: its parcel, with contents, and the document that it replaces.
    Letter {
        letter: Box<Outgoing>,
        replaces: Option<String>,
    },
    /// Not taken: the code that it is answered with, and why.
    Refused { code: String, trouble: String },
    /// A response to nothing that was sent from here.
    Stray { trouble: String },
}

/// A response to a letter of ours.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The id of the MessageHeader that it answers.
    pub header: String,
    pub code: String,
    /// What the code means, for people.
    pub meaning: String,
    /// The other side's words, for people.
    pub diagnostics: String,
    /// The mailbox that it came from, and the organisation that it names.
    pub mailbox: String,
    pub ods: String,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum Itk3Write {
    /// Accepts a letter. The same id again: no effect.
    Queue(Box<NewOut>),
    /// It is about to be handed to MESH. `Conflict` if it is not waiting.
    Handing {
        number: i64,
        holder: String,
        local_id: String,
    },
    /// MESH has it under this id.
    Handed {
        number: i64,
        outside: String,
    },
    /// MESH did not take it: it is tried again, or with a note goes before a person.
    NotTaken {
        number: i64,
        next_try: Millis,
        error: String,
        note: Option<WorkNote>,
    },
    /// It cannot be sent as it is.
    Failed {
        number: i64,
        note: WorkNote,
    },
    /// Nobody can know whether MESH has it. `Conflict` if it is not being handed over.
    Unsure {
        number: i64,
        note: WorkNote,
    },
    /// A response is missing: it stands on the work list meanwhile.
    Unanswered {
        number: i64,
        note: WorkNote,
    },
    /// A response came. `NotFound` if it answers nothing of ours; `Security` if it comes from another mailbox than the
    /// letter went to.
    Answered(Box<Answer>),
    /// MESH reports that what it had under that id, or that name of ours, was not collected.
    Reported {
        outside: String,
        local_id: String,
        code: String,
    },
    /// A person wants it sent (again). `Conflict` if it is not on the work list, or was answered.
    Again {
        number: i64,
        who: Asker,
    },
    /// A person has looked at MESH: it was sent.
    WasSent {
        number: i64,
        who: Asker,
    },
    /// A person sends it by fax instead. `BusinessRule` if no number is in force.
    ByFax {
        number: i64,
        who: Asker,
    },
    /// A person has seen to it; it is not sent.
    Settled {
        number: i64,
        who: Asker,
    },
    /// Keeps a message that came. The same again is counted and answered again.
    Take(Box<NewIn>),
    /// A message that was refused reads by now. Nobody is answered any more.
    TakeAgain {
        number: i64,
        letter: Box<Outgoing>,
    },
    /// A person has seen to a message that was not taken.
    InSettled {
        number: i64,
        who: Asker,
    },
    /// MESH has a response under this id.
    AnswerSent {
        number: i64,
        outside: String,
    },
    /// MESH did not take it: it is tried again, or goes before a person.
    AnswerNotTaken {
        number: i64,
        next_try: Millis,
        error: String,
        give_up: bool,
    },
    AnswerAgain {
        number: i64,
        who: Asker,
    },
    AnswerSettled {
        number: i64,
        who: Asker,
    },
    /// Bytes of messages that were taken or settled before then are forgotten.
    Tidy {
        before: Millis,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Itk3Done {
    /// The parcel's number, and whether it was here before.
    Queued {
        pid: i64,
        known: bool,
    },
    /// The message's number, and whether it was here before.
    Taken {
        number: i64,
        known: bool,
    },
    /// Whether something of ours was meant.
    Reported(bool),
    Done,
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &Itk3Write,
) -> Result<Itk3Done, Problem> {
    match write {
        Itk3Write::Queue(new) => return outgoing::queue(tx, now, new).await,
        Itk3Write::Take(new) => return incoming::take(tx, now, new).await,
        Itk3Write::Reported {
            outside,
            local_id,
            code,
        } => return outgoing::reported(tx, now, (outside, local_id), code).await,
        Itk3Write::Handing {
            number,
            holder,
            local_id,
        } => outgoing::handing(tx, now, *number, (holder, local_id)).await?,
        Itk3Write::Handed { number, outside } => {
            outgoing::handed(tx, now, *number, outside).await?;
        }
        Itk3Write::NotTaken {
            number,
            next_try,
            error,
            note,
        } => outgoing::not_taken(tx, now, *number, (*next_try, error), note.as_ref()).await?,
        Itk3Write::Failed { number, note } => outgoing::failed(tx, now, *number, note).await?,
        Itk3Write::Unsure { number, note } => outgoing::unsure(tx, now, *number, note).await?,
        Itk3Write::Unanswered { number, note } => outgoing::unanswered(tx, *number, note).await?,
        Itk3Write::Answered(answer) => outgoing::answered(tx, now, answer).await?,
        Itk3Write::Again { number, who } => outgoing::sent_again(tx, now, *number, who).await?,
        Itk3Write::WasSent { number, who } => outgoing::was_sent(tx, now, *number, who).await?,
        Itk3Write::ByFax { number, who } => outgoing::by_fax(tx, now, *number, who).await?,
        Itk3Write::Settled { number, who } => outgoing::settled(tx, now, *number, who).await?,
        other => came(tx, now, other).await?,
    }
    Ok(Itk3Done::Done)
}

/// Changes of what came, and of the responses to it.
async fn came(tx: &mut Tx<'_>, now: Millis, write: &Itk3Write) -> Result<(), Problem> {
    match write {
        Itk3Write::TakeAgain { number, letter } => {
            incoming::take_again(tx, now, *number, letter).await
        }
        Itk3Write::InSettled { number, who } => incoming::settled(tx, now, *number, &who.who).await,
        Itk3Write::AnswerSent { number, outside } => answers::sent(tx, now, *number, outside).await,
        Itk3Write::AnswerNotTaken {
            number,
            next_try,
            error,
            give_up,
        } => answers::not_taken(tx, now, *number, (*next_try, error), *give_up).await,
        Itk3Write::AnswerAgain { number, .. } => answers::again(tx, now, *number).await,
        Itk3Write::AnswerSettled { number, .. } => answers::settled(tx, now, *number).await,
        Itk3Write::Tidy { before } => incoming::tidy(tx, *before).await,
        // The others are above.
        _ => Ok(()),
    }
}

async fn once(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<(), Problem> {
    tx.execute_once(sql, "This letter is not where it was; look at it again.")
        .await
}

fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such message here.")
}
