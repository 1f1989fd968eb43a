//! Ambulance crews' handovers to emergency departments: how each stands (decision 240). What was said is in the steps, each
//! of which is the whole sheet as it was then; a row here is what the board orders by.
//!
//! Invariant: a step that comes late or twice is kept, and moves nothing.
//! Invariant: nothing but a named clinician's step, with its receipt in the same commit, makes a handover received.

mod lists;
#[cfg(test)]
mod tests;
mod write;

use fhir::date::Millis;

pub use lists::{Board, Receipt, Sent};
pub(crate) use write::apply;
pub use write::{By, HandoverWas, HandoverWrite};

/// How a handover stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandoverState {
    /// The crew is on its way.
    Coming,
    /// The crew says that it is at the department; the clock runs.
    Arrived,
    /// The department has begun to take over.
    Begun,
    /// A named clinician of the department has taken over.
    Received,
    /// The crew does not come: it was diverted, or the handover is not wanted any more.
    Withdrawn,
}

impl HandoverState {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            HandoverState::Coming => "coming",
            HandoverState::Arrived => "arrived",
            HandoverState::Begun => "begun",
            HandoverState::Received => "received",
            HandoverState::Withdrawn => "withdrawn",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<HandoverState> {
        Some(match code {
            "coming" => HandoverState::Coming,
            "arrived" => HandoverState::Arrived,
            "begun" => HandoverState::Begun,
            "received" => HandoverState::Received,
            "withdrawn" => HandoverState::Withdrawn,
            _ => return None,
        })
    }

    /// Whether somebody still comes or waits.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            HandoverState::Coming | HandoverState::Arrived | HandoverState::Begun
        )
    }
}

/// A handover's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// What it is called here.
    pub id: String,
    /// Whether it came in.
    pub inward: bool,
    /// The organisation at the other end: its ODS code.
    pub other: String,
    /// The handover's id at the crew.
    pub asked_as: String,
    /// The Patient here; empty while nobody has said whose it is.
    pub patient: String,
    /// The Encounter's id in the record: `id`, unless it was put from one person's record into another's.
    pub record: String,
    /// The Patient in whose record it stood wrongly; empty if it can be put back nowhere.
    pub moved_from: String,
    pub state: HandoverState,
    pub pre_alert: bool,
    /// What the board orders by: more is worse.
    pub weight: u32,
    pub made_at: Millis,
    /// When the crew expects to be there; 0 for not said.
    pub due_at: Millis,
    /// When the crew was there, the department began, and it ended; 0 for not yet.
    pub arrived_at: Millis,
    pub begun_at: Millis,
    pub begun_by: String,
    pub ended_at: Millis,
    pub ended_by: String,
    /// The number of the newest step of the crew, and of the department.
    pub crew_told: u32,
    pub dept_told: u32,
    /// The parcel here that receipts are given for; 0 for none.
    pub pid: i64,
    /// The id of the letter to the practice, or why there is none; empty for not yet.
    pub letter: String,
    /// Something came of it that nobody here has looked at.
    pub news: bool,
    /// Grows with each change.
    pub version: i64,
}

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepSide {
    Crew,
    Department,
}

/// A step as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverStep {
    pub side: StepSide,
    pub number: u32,
    pub said_at: Millis,
    pub came_at: Millis,
    pub text: String,
}
