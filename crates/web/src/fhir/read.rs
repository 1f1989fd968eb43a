//! <https://hl7.org/fhir/R4/http.html#read>

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;

use super::ask::Announced;
use super::{answer, check_known};
use crate::failure::Failure;
use crate::node::Node;

pub async fn read(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Read, &ty).await?;
    ask.no_query()?;
    check_known(&id)?;
    answer::reading(&ask, node.store.read(&scope, &ty, &id).await?)
}
