//! Parcels: what goes to and comes from other organisations, each step with who and when, and what is
//! still to do. `state` says which step may follow which.
//!
//! Every change is a `ParcelWrite` inside a `Job`, so that a parcel is written with the resource that
//! caused it, and a step with the receipt that tells the other side, or not at all.

mod act;
mod back;
mod bulk;
mod by_rule;
pub(crate) mod content;
pub(crate) mod event;
mod incoming;
mod journey;
mod large;
pub(crate) mod lists;
mod marking;
mod notice;
pub(crate) mod outgoing;
mod peers;
mod proof;
pub(crate) mod recall;
mod rewound;
mod shown;
pub mod state;
mod stuck;
mod tally;
#[cfg(test)]
mod tests;
mod work;

use access::Ods;
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::database::Tx;

pub(crate) use act::send_again;
pub use act::{Action, HELD_BACK, RELEASED, Step};
pub use back::Back;
pub use bulk::{BULK_MAX, Filing, Stays, UNDO_MILLIS, Undone, Weighed};
use bulk::{FileMany, PutBack};
use by_rule::{FileByRule, PutBackByRule};
pub use by_rule::{Left, RuleLetter};
pub use content::Held;
pub(crate) use incoming::{text_taken_in, whole_taken_in};
pub use journey::{Event, Item, Part};
pub use large::{IN_RESOURCE_BYTES_MAX, Large};
pub use lists::{Counts, Letter, ListFilter, ListPage, Show, Work};
pub use notice::Notice;
pub(crate) use notice::leave as left;
pub(crate) use outgoing::set_aside;
pub use peers::Neighbour;
pub(crate) use peers::end_leases;
pub use proof::Proof;
pub(crate) use proof::hex;
pub use recall::{RECALLED, RUNG, Recall};
pub use rewound::{LISTED_MAX, Rewound};
pub use shown::Shown;
pub use state::{STATES, Side, State};
pub use stuck::{Place, REST_MAX, Stuck, StuckPage, Waits};
pub use tally::Kept;
pub use work::{PeerWork, ToDeliver, ToTakeIn, ToTell};

/// The longest piece of content kept in one row, in bytes.
pub const PIECE_BYTES: usize = 1 << 20;

/// The person a letter is about, as the sender names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Ten digits.
    pub nhs_number: Option<String>,
    /// `YYYY-MM-DD`
    pub birth_date: Option<String>,
    pub family: String,
    pub given: String,
}

/// One part of a parcel's content, as named in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartOf {
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    pub size: u64,
    pub content_type: String,
}

/// What a parcel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Letter,
    /// What a patient wants shared: all in its text, and taken in with it.
    SharingPreference,
    /// A part of a message for a mailbox; `unique_id` is the message's id.
    MeshMessage,
    /// A letter that came or goes by fax: there is no node at the other end, and nobody to tell.
    Fax,
    /// A letter that came or goes as an ITK3 document over MESH: its own responses tell of its steps.
    Itk3,
    /// That somebody holds something about a patient: all in its text, and kept with it.
    RecordPointer,
    /// A booking, its end, or the answer to either: all in its text.
    Booking,
    /// What became of a prescription: all in its text, and taken in after it; `unique_id` is the
    /// prescription's number.
    PrescriptionStatus,
    /// A referral, or a step of one; `unique_id` is the referral's id at who refers.
    Referral,
    /// A step of an ambulance crew's handover; `unique_id` is the handover's id at the crew.
    Handover,
    /// A step of a patient's move from one practice to another; `unique_id` is the move's id.
    PracticeMove,
    /// A patient's question about their record, or what was said of it: all in its text, and taken in after it; `unique_id` is
    /// the question's id at who asks.
    RecordQuestion,
}

const KINDS: [Kind; 12] = [
    Kind::Letter,
    Kind::SharingPreference,
    Kind::MeshMessage,
    Kind::Fax,
    Kind::Itk3,
    Kind::RecordPointer,
    Kind::Booking,
    Kind::PrescriptionStatus,
    Kind::Referral,
    Kind::Handover,
    Kind::PracticeMove,
    Kind::RecordQuestion,
];

impl Kind {
    /// Whether all there is of it is kept in the commit that receives it.
    pub fn is_kept_at_once(self) -> bool {
        matches!(self, Kind::SharingPreference | Kind::RecordPointer)
    }

    /// The kind of that word.
    pub(crate) fn from_code(code: &str) -> Option<Kind> {
        KINDS.into_iter().find(|kind| kind.code() == code)
    }

    /// The word in tables and on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Letter => "letter",
            Kind::SharingPreference => "sharing-preference",
            Kind::MeshMessage => "mesh-message",
            Kind::Fax => "fax",
            Kind::Itk3 => "itk3",
            Kind::RecordPointer => "record-pointer",
            Kind::Booking => "booking",
            Kind::PrescriptionStatus => "prescription-status",
            Kind::Referral => "referral",
            Kind::Handover => "handover",
            Kind::PracticeMove => "practice-move",
            Kind::RecordQuestion => "record-question",
        }
    }
}

/// A parcel as both sides keep it. Made by `exchange` from the parcel's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub kind: Kind,
    pub sender: Ods,
    pub recipient: Ods,
    /// The sender's name for it: 1 to 64 of `A`–`Z`, `a`–`z`, `0`–`9`, `-`, `.`.
    pub id: String,
    /// The parcel as signed, and its SHA-256 in hexadecimal digits.
    pub text: String,
    pub digest: String,
    pub title: String,
    pub author: String,
    pub urgent: bool,
    /// Whether a third-party or serious-harm mark keeps it from the patient.
    pub marked: bool,
    /// The sender's number of the document, and of the one that it replaces.
    pub unique_id: String,
    pub replaces: Option<String>,
    pub named: Named,
    pub parts: Vec<PartOf>,
}

/// A parcel that this node is to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub parcel: Parcel,
    /// Ids of the Patient and the DocumentReference here.
    pub patient: String,
    pub document: String,
    /// The bytes of each part, in the order of `parcel.parts`; none of a large one, which must be whole here already.
    pub contents: Vec<Vec<u8>>,
}

/// A parcel that another node brought, with the signed manifest (JWS) that lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    pub parcel: Parcel,
    pub manifest: Proof,
    /// Ids of parcels of the same sender that must be here first.
    pub after: Vec<String>,
}

/// A step that another organisation tells of, with the signed list (JWS) that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who tells: the organisation behind the connection.
    pub peer: Ods,
    /// Who is told: this node's organisation.
    pub me: Ods,
    /// The parcel's sender and id.
    pub sender: String,
    pub id: String,
    pub digest: String,
    /// `None`: the other node refuses the parcel for good, with the reason in `note`.
    pub state: Option<State>,
    pub at: Millis,
    /// The step's number at the organisation where it was taken, from 1.
    pub seq: u64,
    pub who: String,
    pub role: String,
    pub note: String,
    pub proof: Proof,
    /// The parcel's own resources here, as the teller's job saw them: `Conflict` if that has changed.
    pub seen: Made,
}

/// The resources that were made of a parcel here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Ids of the Patient, the DocumentReference and its Binaries.
    pub patient: Option<String>,
    pub document: Option<String>,
    pub binaries: Vec<String>,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum ParcelWrite {
    /// Accepts a parcel for delivery. The same id and text again: no effect. An earlier letter that
    /// it replaces (by the sender's document numbers) is superseded in the same go.
    Accept(Box<Outgoing>),
    /// The system that a document is of has cancelled it: every letter that carried it, by the sender's number of the
    /// document and the id of its patient here, is withdrawn. What has left by fax or as an ITK3 document cannot be: it stays
    /// as it is, and stands on the list of those about which somebody must ring.
    Cancel {
        sender: Ods,
        document_number: String,
        patient: String,
        reason: String,
    },
    /// What a document here tells of did not happen: every letter that carried it is withdrawn, or rung about, as above.
    CancelDocument { document: String, reason: String },
    /// Stores a parcel that came in. Its contents must be here: `Incomplete` otherwise.
    Receive(Box<Incoming>),
    /// Notes that these contents will come from that sender: SHA-256 and size of each. `Throttled` if more than
    /// `bytes_max` of them would be unfinished.
    Want {
        sender: Ods,
        contents: Vec<(String, u64)>,
        bytes_max: u64,
    },
    /// Puts a whole content into its place, in the stead of what was begun of it. Its digest has been checked.
    Place {
        sender: Ods,
        sha256: String,
        bytes: Vec<u8>,
    },
    /// A content that is whole here is the data of a Binary, which has none itself. `Incomplete` if it is not whole.
    Large { binary: String, large: Large },
    /// Adds bytes to a wanted content at `start`; `complete` if these are the last and the digest of
    /// the whole has been checked. `Conflict` if `start` is not how much is held.
    Append {
        sender: Ods,
        sha256: String,
        start: u64,
        bytes: Vec<u8>,
        complete: bool,
    },
    /// Drops what is held of a content whose digest did not fit.
    Drop { sender: Ods, sha256: String },
    /// Forgets a content that is not whole: nobody will finish it.
    Abandon { sender: Ods, sha256: String },
    /// The receiver's own resources have been made, in this job.
    TakenIn {
        pid: i64,
        patient: String,
        document: String,
        binaries: Vec<String>,
    },
    /// What it carries has been put into a mailbox here, in this job.
    PutIntoMailbox { pid: i64 },
    /// What it tells of a prescription has been noted, in this job.
    StatusTaken { pid: i64, patient: String },
    /// Nobody here fits: a person must look.
    Unmatched { pid: i64, reason: String },
    /// What another organisation tells.
    Told(Box<Told>),
    /// A step that someone here takes.
    Step(Box<Step>),
    /// The other side will not take the parcel as it is: it goes before a person.
    SetAside { pid: i64, reason: String },
    /// These were sent and are not taken yet: what follows them about the same patient to the same neighbour waits for as long as
    /// they are due.
    Holds { pids: Vec<i64> },
    /// A try to reach a neighbour failed: all that waits for it is `waiting`, until `next_try`.
    Failed {
        peer: Ods,
        error: String,
        tries: u32,
        next_try: Millis,
    },
    /// A neighbour answered.
    Reached { peer: Ods },
    /// The neighbour has been heard from: what failed may be tried at once.
    TryNow { peer: Ods },
    /// Gives the work for a neighbour to one process until then. `Done::Lease(false)`: another has it.
    Lease {
        peer: Ods,
        holder: String,
        until: Millis,
    },
    /// What was accepted before then and is not delivered goes onto the list of the undeliverable.
    GiveUp { accepted_before: Millis },
    /// The neighbour was put back to a copy of before `since`: a parcel that it had taken goes again, with these contents
    /// (SHA-256 and bytes), and steps that it was told are told again.
    Rewound {
        pid: i64,
        since: Millis,
        contents: Vec<(String, Vec<u8>)>,
    },
    /// These receipts have arrived.
    ReceiptsTaken { numbers: Vec<i64> },
    /// The other side does not take this receipt, and will not.
    ReceiptRefused { number: i64, reason: String },
    /// Files these letters together, all or none of them.
    FileMany(Box<FileMany>),
    /// Puts letters that were filed together back into the inbox, before anybody was told.
    PutBack(Box<PutBack>),
    /// Files a letter that a rule says is to be filed; what the rule did must have been noted before in the same job.
    FileByRule(Box<FileByRule>),
    /// Puts it back as nobody had touched it, before anybody was told.
    PutBackByRule(Box<PutBackByRule>),
    /// The directory in force is of this version. `Conflict` if a newer one was in force before.
    Directory { version: u64 },
    /// Somebody has seen to a letter that came back.
    SeenTo { pid: i64, by: String },
    /// Somebody has told whoever got a letter that it was called back after it had left.
    Rung {
        pid: i64,
        who: String,
        role: String,
        account: Option<i64>,
    },
    /// Someone has read the notice that a letter they opened was withdrawn or superseded.
    NoticeSeen { account: i64, pid: i64 },
    /// Forgets contents that no parcel uses and that were wanted before then.
    Tidy { wanted_before: Millis },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum ParcelDone {
    /// The parcel's number here, and whether it was here before.
    Accepted {
        pid: i64,
        known: bool,
    },
    /// Stored, now or when it first came at `at`.
    Received {
        pid: i64,
        at: Millis,
        known: bool,
    },
    /// Another text stands under the same id: refused, and the first one stays.
    Differs,
    /// The sender took it back before it came.
    TakenBack,
    /// Whether the step was news.
    Told(Telling),
    Lease(bool),
    /// How many rows it concerned.
    Rows(u64),
}

/// What came of a step that another organisation tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    News,
    Known,
    /// This node knows no such parcel of theirs.
    UnknownParcel,
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &ParcelWrite,
) -> Result<ParcelDone, Problem> {
    match write {
        ParcelWrite::Accept(outgoing) => outgoing::accept(tx, now, outgoing).await,
        ParcelWrite::Receive(incoming) => incoming::receive(tx, now, incoming).await,
        ParcelWrite::Place {
            sender,
            sha256,
            bytes,
        } => content::came(tx, now, (sender, sha256), bytes).await,
        ParcelWrite::Want {
            sender,
            contents,
            bytes_max,
        } => content::want(tx, now, sender, (contents, *bytes_max)).await,
        ParcelWrite::Large { binary, large } => large::keep(tx, binary, large).await,
        ParcelWrite::Append {
            sender,
            sha256,
            start,
            bytes,
            complete,
        } => content::append(tx, sender.as_str(), sha256, *start, bytes, *complete).await,
        ParcelWrite::Drop { sender, sha256 } => {
            content::drop_held(tx, sender.as_str(), sha256).await
        }
        ParcelWrite::Abandon { sender, sha256 } => {
            content::abandon(tx, sender.as_str(), sha256).await
        }
        ParcelWrite::TakenIn {
            pid,
            patient,
            document,
            binaries,
        } => incoming::taken_in(tx, now, *pid, patient, document, binaries).await,
        ParcelWrite::PutIntoMailbox { pid } => incoming::put_into_mailbox(tx, now, *pid).await,
        ParcelWrite::StatusTaken { pid, patient } => {
            incoming::status_taken(tx, now, *pid, patient).await
        }
        ParcelWrite::Unmatched { pid, reason } => incoming::unmatched(tx, *pid, reason).await,
        ParcelWrite::Told(told) => event::told(tx, now, told).await,
        ParcelWrite::Step(step) => act::apply(tx, now, step).await,
        ParcelWrite::SeenTo { pid, by } => back::seen(tx, now, *pid, by).await,
        ParcelWrite::Rung {
            pid,
            who,
            role,
            account,
        } => recall::rung(tx, now, *pid, (who, role, *account)).await,
        ParcelWrite::Failed {
            peer,
            error,
            tries,
            next_try,
        } => peers::failed(tx, now, peer.as_str(), error, *tries, *next_try).await,
        ParcelWrite::Reached { peer } => peers::reached(tx, now, peer.as_str()).await,
        ParcelWrite::Holds { pids } => outgoing::holds(tx, pids).await,
        ParcelWrite::SetAside { pid, reason } => outgoing::set_aside(tx, now, *pid, reason).await,
        ParcelWrite::TryNow { peer } => peers::try_now(tx, peer.as_str()).await,
        ParcelWrite::Lease {
            peer,
            holder,
            until,
        } => peers::lease(tx, now, peer.as_str(), holder, *until).await,
        ParcelWrite::GiveUp { accepted_before } => {
            outgoing::give_up(tx, now, *accepted_before).await
        }
        ParcelWrite::ReceiptsTaken { numbers } => event::receipts_taken(tx, numbers).await,
        ParcelWrite::ReceiptRefused { number, reason } => {
            event::receipt_refused(tx, *number, reason).await
        }
        ParcelWrite::Rewound {
            pid,
            since,
            contents,
        } => rewound::again(tx, now, (*pid, *since), contents).await,
        ParcelWrite::Cancel {
            sender,
            document_number,
            patient,
            reason,
        } => outgoing::cancel(tx, now, sender, (document_number, patient), reason).await,
        ParcelWrite::CancelDocument { document, reason } => {
            outgoing::cancel_document(tx, now, document, reason).await
        }
        ParcelWrite::FileMany(filing) => bulk::file(tx, now, filing).await,
        ParcelWrite::PutBack(back) => bulk::put_back(tx, now, back).await,
        ParcelWrite::FileByRule(filing) => by_rule::file(tx, now, filing).await,
        ParcelWrite::PutBackByRule(back) => by_rule::put_back(tx, now, back).await,
        ParcelWrite::Directory { version } => peers::directory(tx, *version).await,
        ParcelWrite::NoticeSeen { account, pid } => notice::seen(tx, now, *account, *pid).await,
        ParcelWrite::Tidy { wanted_before } => content::tidy(tx, *wanted_before).await,
    }
}
