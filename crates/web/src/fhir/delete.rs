//! <https://hl7.org/fhir/R4/http.html#delete>

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::Kind;
use fhir::resource::check_id;
use store::{Change, Expect, Job};

use super::answer;
use super::ask::Announced;
use crate::failure::Failure;
use crate::node::Node;

pub async fn delete(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Delete, &ty).await?;
    ask.no_query()?;
    check_id(&id)?;
    let expected = answer::if_match(&ask)?;
    let expect = expected.map_or(Expect::Anything, Expect::Version);
    let change = Change::Delete { ty, id, expect };
    let committed = node.store.commit(&scope, Job::change(change)).await;
    match committed {
        Ok(committed) => Ok(answer::gone(committed.written.first())),
        // What is not there need not be deleted, and what is beyond the scope looks the same.
        Err(problem) if problem.kind == Kind::NotFound && expected.is_none() => {
            Ok(answer::gone(None))
        }
        Err(problem) => Err(answer::unless_matched(problem, expected)),
    }
}
