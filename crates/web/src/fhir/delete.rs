//! <https://hl7.org/fhir/R4/http.html#delete>

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
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
    let expected = answer::if_match(&ask)?;
    let expect = expected.map_or(Expect::Anything, Expect::Version);
    let change = Change::Delete { ty, id, expect };
    let committed = node.store.commit(&scope, Job::change(change)).await;
    let committed = committed.map_err(|problem| answer::unless_matched(problem, expected))?;
    Ok(answer::gone(committed.written.first()))
}
