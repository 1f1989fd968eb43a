//! <https://hl7.org/fhir/R4/resource-operation-convert.html>: a resource in one format and out in
//! another, which the door's edge does for every request.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::definitions::Definitions;
use fhir::json::parse;
use fhir::validate::validate;
use http::StatusCode;

use super::ask::Announced;
use super::{answer, format};
use crate::failure::Failure;
use crate::node::Node;

/// Nothing is read or kept, so that who asks need only be known.
pub async fn convert(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    ask.visit.known()?;
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    let limits = node.fhir.bounds.of_resource();
    let length = body.len();
    let work = move || {
        let resource = parse(&body, &limits)?;
        validate(&resource, Definitions::r4())?;
        Ok(resource.to_bytes())
    };
    let resource = node.fhir.work(length, work).await?;
    Ok(answer::json(StatusCode::OK, resource))
}
