//! Which rules are on, what happened that they are to judge, and what each did (decision 0290). What a rule says is a PlanDefinition.
//!
//! Invariant: a rule is on in the version that a person switched on, and in no other. Invariant: an event is noted in the commit that
//! makes it, for each rule that is on then. Invariant: a step is done once for each rule and event, and in one commit with the note
//! that it was.

mod lists;
mod note;
#[cfg(test)]
mod tests;
mod write;

use fhir::date::Millis;
use fhir::rule::{Event, StepKind};

pub use lists::StuckRule;
pub(crate) use note::{follow, letter_came, referral_came};
pub(crate) use write::apply;
pub use write::{DAY_MAX, RuleWrite};

/// For how long a letter that a rule filed can be put back: over a weekend.
pub const UNDO_MILLIS: Millis = 3 * 86_400_000;

/// A rule that is on, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The PlanDefinition's id, and which of its versions is in force.
    pub rule: String,
    pub version: u64,
    pub title: String,
    pub on: bool,
    /// When it was switched to what it is, and by whom.
    pub at: Millis,
    pub account: i64,
    pub who: String,
}

/// Something that happened, to be judged by one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    pub seq: i64,
    pub rule: String,
    /// The version of the rule that is in force; `None` where it is off by now.
    pub version: Option<u64>,
    pub event: Event,
    /// Names what happened, for ever.
    pub key: String,
    /// The id of the event's main resource.
    pub resource: String,
    /// The letter; 0 for none.
    pub pid: i64,
    pub at: Millis,
    pub tries: u32,
}

/// How an act stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActState {
    Done,
    /// The rule would have, but must not; the note says why.
    Left,
    Undone,
}

impl ActState {
    pub fn code(self) -> &'static str {
        match self {
            ActState::Done => "done",
            ActState::Left => "left",
            ActState::Undone => "undone",
        }
    }

    fn from_code(code: &str) -> ActState {
        match code {
            "done" => ActState::Done,
            "left" => ActState::Left,
            _ => ActState::Undone,
        }
    }
}

/// What a rule is about to do, or leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAct {
    pub step: u16,
    pub kind: StepKind,
    /// The Patient's id here; empty for none.
    pub patient: String,
    pub pid: i64,
    /// The Task that it made; empty for none.
    pub task: String,
    pub state: ActState,
    pub note: String,
}

/// What a rule did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub number: i64,
    pub rule: String,
    pub version: u64,
    pub title: String,
    pub kind: StepKind,
    pub patient: String,
    pub pid: i64,
    pub task: String,
    pub at: Millis,
    /// Of a letter that was filed: until when it can be put back. 0 for the rest.
    pub until: Millis,
    pub state: ActState,
    pub note: String,
    pub ended_at: Millis,
    pub ended_by: String,
}

impl Act {
    /// Whether it can be undone, as far as its row tells.
    pub fn may_be_undone(&self, now: Millis) -> bool {
        self.state == ActState::Done && (self.kind != StepKind::File || now < self.until)
    }
}
