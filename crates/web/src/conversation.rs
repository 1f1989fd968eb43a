//! What patients' and staff's pages of messages have in common.

use access::{Interaction, Outcome, Target};
use fhir::problem::Problem;
use store::messages::MessageWrite;
use store::{Effect, Job};

use crate::node::Node;
use crate::visit::Visit;

/// Writes in a patient's conversation, with its line in the log.
///
/// # Errors
/// As `Visit::scope`, and those of the store.
pub async fn write(
    node: &Node,
    visit: &Visit,
    (id, patient): (&str, &str),
    write: MessageWrite,
) -> Result<(), Problem> {
    let scope = visit.scope(node, Interaction::WriteMessage, "").await?;
    let target = Target {
        ty: "Communication".into(),
        patient: Some(patient.to_owned()),
        query: Some(format!("conversation={id}").into()),
        ..Target::default()
    };
    let line = scope.trace(Interaction::WriteMessage, Outcome::Success, target);
    let job = Job {
        traces: vec![line],
        ..Job::effect(Effect::Message(write))
    };
    node.store.commit(&scope, job).await.map(|_| ())
}
