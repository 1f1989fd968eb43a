//! Patients who move from one practice to another (decision 0245): how each move stands, what the practice that is left
//! gives, and who is to be told afterwards.
//!
//! Invariant: a practice stops being the home practice in the commit that puts what it gives on its way. Invariant: from the
//! commit in which a practice takes a patient as its own until what the patient wants shared is here, nobody is answered
//! about them but in an emergency.

mod lists;
mod record;
#[cfg(test)]
mod tests;
mod write;

use fhir::date::Millis;

pub use lists::{MoveList, MovedSaysLetter, MovedSaysPds};
pub use record::{Given, RECORD_BYTES_MAX, RECORD_ROWS_MAX, given_types};
pub use write::MoveWrite;
pub(crate) use write::{apply, left_for, noticed};

/// How a move stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MoveState {
    /// Here: the record names this practice, and the one before has not been asked yet.
    Noticed,
    /// Here: the practice before was asked.
    Asked,
    /// Here: what the patient wants shared is in force, and pieces of the record are still to come.
    Arriving,
    /// Here: all is here.
    Done,
    /// Here: the practice before says no.
    Refused,
    /// Here: the practice before has no node.
    Nowhere,
    /// There: another practice says that the patient registered with it.
    Claimed,
    /// There: the record was given.
    Given,
    /// There: a person, or a later registration, said no.
    Objected,
}

impl MoveState {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            MoveState::Noticed => "noticed",
            MoveState::Asked => "asked",
            MoveState::Arriving => "arriving",
            MoveState::Done => "done",
            MoveState::Refused => "refused",
            MoveState::Nowhere => "nowhere",
            MoveState::Claimed => "claimed",
            MoveState::Given => "given",
            MoveState::Objected => "objected",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<MoveState> {
        let all = [
            MoveState::Noticed,
            MoveState::Asked,
            MoveState::Arriving,
            MoveState::Done,
            MoveState::Refused,
            MoveState::Nowhere,
            MoveState::Claimed,
            MoveState::Given,
            MoveState::Objected,
        ];
        all.into_iter().find(|it| it.code() == code)
    }

    /// Whether what the patient wants shared is not known here yet.
    pub fn is_closed(self) -> bool {
        matches!(self, MoveState::Noticed | MoveState::Asked)
    }
}

/// A move's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub id: String,
    /// Whether the patient comes here.
    pub inward: bool,
    /// The Patient here.
    pub patient: String,
    /// The practice at the other end: its ODS code.
    pub other: String,
    pub state: MoveState,
    pub registered_at: Millis,
    pub state_at: Millis,
    /// Why not; empty if nobody said no.
    pub reason: String,
    /// How often the question was sent on.
    pub hops: i64,
    /// How many pieces of the record come; -1 while nobody has said.
    pub parts: i64,
    /// Of these so many are here.
    pub here: i64,
    /// What people are told of what came or went, as JSON; may be empty.
    pub facts: String,
    /// Signed words of the practices that were left, the oldest first.
    pub proof: Vec<String>,
}

impl Move {
    /// A move that begins: to here or from here, of that patient here, with that practice at the other end.
    pub fn new(
        id: String,
        (inward, state): (bool, MoveState),
        (patient, other): (&str, &str),
        (registered_at, now): (Millis, Millis),
    ) -> Move {
        Move {
            id,
            inward,
            patient: patient.to_string(),
            other: other.to_string(),
            state,
            registered_at,
            state_at: now,
            reason: String::new(),
            hops: 0,
            parts: -1,
            here: 0,
            facts: String::new(),
            proof: Vec::new(),
        }
    }
}
