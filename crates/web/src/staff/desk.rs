//! The workbench: letters that are chosen together, whose work they are, views that somebody saves.

pub mod admin;
pub mod blueprints;
pub mod bulk;
pub mod filters;
pub mod letters;
pub mod neighbours;
pub mod results;
pub mod tasks;
pub mod templates;
pub mod timeline;
pub mod views;
pub mod whose;

use access::{Interaction, Outcome, Scope, Target, Who};
use fhir::problem::{Kind, Problem};
use store::desk::DeskWrite;
use store::fax::Asker;
use store::{Effect, Job};

use crate::node::Node;
use crate::staff::worklist;
use crate::visit::Visit;

/// Who is at work here.
pub(super) fn me(visit: &Visit) -> Result<Asker, Problem> {
    worklist::me(visit)
}

/// The number of who is signed in; 0 for who is no member of staff.
pub(super) fn account(visit: &Visit) -> i64 {
    match visit.caller().map(|caller| &caller.who) {
        Some(Who::Staff { account, .. }) => *account,
        _ => 0,
    }
}

/// A change of these rows with its line in the log, which says what was changed in `query`.
pub(super) fn job(scope: &Scope, interaction: Interaction, write: DeskWrite, query: String) -> Job {
    let target = Target {
        query: Some(query.into()),
        ..Target::default()
    };
    Job {
        traces: vec![scope.trace(interaction, Outcome::Success, target)],
        ..Job::effect(Effect::Desk(write))
    }
}

/// A name for what a form begins, as the form brought it: the same form sent twice begins it once.
pub(super) fn attempt(text: &str) -> Result<String, Problem> {
    let parsed = uuid::Uuid::parse_str(text);
    let parsed = parsed
        .map_err(|_| Problem::new(Kind::Value, "This form is not whole; open the page again."))?;
    Ok(parsed.to_string())
}

/// Such a name for a form that is shown.
pub(super) fn new_attempt() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// What the store refused for a reason that whoever filled in the form can mend.
pub(super) fn is_theirs(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Required
            | Kind::Value
            | Kind::TooLong
            | Kind::TooCostly
            | Kind::Duplicate
            | Kind::Conflict
            | Kind::BusinessRule
    )
}

/// The node's organisation's name.
pub(super) fn name_of(node: &Node, ods: &str) -> String {
    (node.organisation_name)(ods)
}
