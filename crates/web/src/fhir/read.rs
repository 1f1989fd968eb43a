//! <https://hl7.org/fhir/R4/http.html#read>

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use store::Reading;

use super::ask::Announced;
use super::{answer, check_known, upload};
use crate::failure::Failure;
use crate::large;
use crate::node::Node;

pub async fn read(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Read, &ty).await?;
    ask.no_query()?;
    check_known(&id)?;
    let found = node.store.read(&scope, &ty, &id).await?;
    if ty == "Binary"
        && let Reading::Found(version) = &found
        && upload::has_no_data(version)
        && let Some(large) = node.store.large_binary(&scope, &id).await?
    {
        let body = large::json(&node, &scope, large, &version.body);
        return Ok(answer::reading_as(&ask, version, body));
    }
    answer::reading(&ask, found)
}
