//! The door's edge: handlers speak JSON, and what comes or is wanted in XML is made to it and of it
//! here.

use axum::body::{Body, Bytes};
use axum::response::Response;
use fhir::json::{Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::xml;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::format::{FHIR_JSON, FHIR_XML};
use super::{BUNDLE_BYTES_MAX, VALUES_MAX};
use crate::failure::Failure;
use crate::node::Node;

/// The largest answer that is written in XML or laid out for people, in bytes of JSON: it is held
/// whole, while JSON may stream.
const WHOLE_BYTES_MAX: usize = 64 << 20;

const LIMITS: Limits = Limits {
    depth: 64,
    bytes: WHOLE_BYTES_MAX,
    nodes: VALUES_MAX,
};

/// A body in XML, as JSON.
///
/// # Errors
/// What `xml::to_json` finds, `TooLong`.
pub async fn taken(node: &Node, body: Body) -> Result<Bytes, Problem> {
    let bytes = axum::body::to_bytes(body, BUNDLE_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| {
        let message = "The body is too large, or ended too early.";
        Problem::new(Kind::TooLong, message)
    })?;
    let work = move || xml::to_json(&bytes, &LIMITS).map(Bytes::from);
    node.fhir.work(usize::MAX, work).await
}

/// The same answer in XML, if it is FHIR in JSON.
///
/// # Errors
/// `NotSupported`, 406, for what is too large, or cannot be said in XML.
pub async fn given(node: &Node, response: Response, pretty: bool) -> Result<Response, Failure> {
    if !is_json(&response) {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let refused = |problem: Problem| {
        let message = format!("This cannot be answered in XML: {}", problem.message);
        let problem = Problem::new(Kind::NotSupported, message);
        Failure::with_status(problem, StatusCode::NOT_ACCEPTABLE)
    };
    let bytes = axum::body::to_bytes(body, WHOLE_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| {
        refused(Problem::new(
            Kind::TooLong,
            "it is too large; ask for JSON.",
        ))
    })?;
    parts.headers.remove(CONTENT_LENGTH);
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_XML));
    // A HEAD has no body to write.
    if bytes.is_empty() {
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    let length = bytes.len();
    let work = move || xml::from_json(&parse(&bytes, &LIMITS)?, &LIMITS, pretty);
    let written = node.fhir.work(length, work).await.map_err(refused)?;
    Ok(Response::from_parts(parts, Body::from(written)))
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind == FHIR_JSON)
}
