//! The staff workbench: whose work a letter is, tasks, teams, filters that somebody saved, and texts that letters begin
//! with (decision 0265).
//!
//! Invariant: a team shares work and gives nobody sight of a record. Invariant: what somebody was working on falls to their
//! team, or to nobody in particular, in the commit that closes their account. Invariant: who leads a team, and whose account
//! is closed from here, is asked for by one person and confirmed by another.

mod lists;
mod tasks;
mod teams;
#[cfg(test)]
mod tests;
mod waiting;
mod write;

use fhir::date::Millis;

pub use lists::{Assigned, SavedFilter};
pub use tasks::{Task, TaskCounts, TaskList, TaskState, TaskWas};
pub use teams::{AskKind, Asked, Colleague, Member, Team};
pub use waiting::{COUNTED_MAX, Pending, Waiting};
pub use write::{DeskWrite, FILTERS_MAX, TEMPLATE_BYTES_MAX, TEMPLATES_MAX};
pub(crate) use write::{apply, left};

/// Whose work something is: a person's, a team's, a person's in a team, or with neither nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose {
    /// 0 for no person.
    pub account: i64,
    /// Empty for no team.
    pub team: String,
}

/// A text that letters begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub id: String,
    /// The team that keeps it; empty for everybody's.
    pub team: String,
    pub name: String,
    pub body: String,
    pub version: i64,
    pub changed_at: Millis,
    pub changed_by: String,
}
