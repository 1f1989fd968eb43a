//! <https://hl7.org/fhir/R4/http.html#vread>

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;

use super::ask::Announced;
use super::{absent, answer, check_known};
use crate::failure::Failure;
use crate::node::Node;

pub async fn vread(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id, version)): Path<(String, String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Vread, &ty).await?;
    ask.no_query()?;
    check_known(&id)?;
    let version: u64 = version.parse().map_err(|_| absent())?;
    answer::reading(&ask, node.store.vread(&scope, &ty, &id, version).await?)
}
