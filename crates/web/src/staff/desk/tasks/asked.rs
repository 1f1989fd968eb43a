//! What staff are asked to answer stands on their list of tasks too, where a rule asked: it is over there in the commit that is
//! over here.

use access::Scope;
use fhir::problem::{Kind, Problem};
use store::Effect;
use store::desk::{DeskWrite, TaskState, TaskWas};

use super::me;
use crate::node::Node;
use crate::visit::Visit;

/// The effect by which it is over; `None` where it stands on no list, or is over.
///
/// # Errors
/// Those of the store.
pub(crate) async fn over(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    (id, state): (&str, TaskState),
) -> Result<Option<Effect>, Problem> {
    let mut task = match node.store.task(scope, id).await {
        Ok(task) if task.state == TaskState::Open => task,
        Ok(_) => return Ok(None),
        Err(problem) if problem.kind == Kind::NotFound => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let was = TaskWas::At(task.version);
    task.state = state;
    task.state_by = me(visit)?.who;
    Ok(Some(Effect::Desk(DeskWrite::Task {
        task: Box::new(task),
        was,
    })))
}
