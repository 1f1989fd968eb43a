//! The door's edge: handlers speak plain JSON and whole resources. What comes packed or in XML is made
//! to it here, and what is wanted in XML or in part is made of it.

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use fhir::json::{Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::xml;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::VALUES_MAX;
use super::format::{FHIR_JSON, FHIR_XML};
use super::packing::Packing;
use super::wanted::Wanted;
use crate::failure::Failure;
use crate::node::Node;
use crate::visit::Visit;

/// The largest answer that is written in XML or given in part, in bytes of JSON: it is held
/// whole, while JSON may stream.
const WHOLE_BYTES_MAX: usize = 64 << 20;

const LIMITS: Limits = Limits {
    // More than may be stored: what was stored at the bound lies deeper in a Bundle.
    depth: 96,
    bytes: WHOLE_BYTES_MAX,
    nodes: VALUES_MAX,
};

/// A body in XML, as JSON. No body stays none: what that means is for the handler to say.
///
/// # Errors
/// What `xml::to_json` finds, `TooLong`.
pub async fn taken(node: &Node, body: Body) -> Result<Bytes, Problem> {
    let limits = node.fhir.bounds.of_bundle();
    let bytes = whole(body, limits.bytes).await?;
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let work = move || xml::to_json(&bytes, &limits).map(Bytes::from);
    node.fhir.work(usize::MAX, work).await
}

async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let bytes = axum::body::to_bytes(body, bytes_max).await;
    bytes.map_err(|_| {
        let message = "The body is too large, or ended too early.";
        Problem::new(Kind::TooLong, message)
    })
}

/// A body that came packed, unpacked. Neither is ever held beyond the bound for Bundles, whatever
/// the one would unpack to.
///
/// # Errors
/// `NotSupported`, 415, for another packing; `TooLong`; `Structure` for what does not unpack.
pub async fn unpacked(node: &Node, headers: &HeaderMap, body: Body) -> Result<Body, Failure> {
    let Some(packing) = headers.get(CONTENT_ENCODING) else {
        return Ok(body);
    };
    let name = packing.to_str().unwrap_or_default().trim();
    if name == "identity" {
        return Ok(body);
    }
    let packing = Packing::of(name).ok_or_else(|| {
        let message = "The Content-Encoding is one of gzip, br and zstd.";
        let problem = Problem::new(Kind::NotSupported, message);
        Failure::with_status(problem, StatusCode::UNSUPPORTED_MEDIA_TYPE)
    })?;
    let bytes_max = node.fhir.bounds.bundle_bytes_max;
    let bytes = whole(body, bytes_max).await?;
    let work = move || packing.unpack(&bytes, bytes_max);
    Ok(Body::from(node.fhir.work(usize::MAX, work).await?))
}

/// The part of an answer that is wanted: of a resource, or of each in a Bundle that was found.
///
/// # Errors
/// `NotSupported` for what is too large to be taken apart.
pub async fn viewed(node: &Node, response: Response, view: &Wanted) -> Result<Response, Failure> {
    if !is_json(&response) || response.status() != StatusCode::OK {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, WHOLE_BYTES_MAX)
        .await
        .map_err(|_| {
            let message = "This is too large for _summary and _elements; ask for the whole.";
            Problem::new(Kind::NotSupported, message)
        })?;
    parts.headers.remove(CONTENT_LENGTH);
    if bytes.is_empty() {
        return Ok(Response::from_parts(parts, Body::empty()));
    }
    let (length, view) = (bytes.len(), view.clone());
    let work = move || {
        let mut part = view.view.of(parse(&bytes, &LIMITS)?);
        view.repeat_in_links(&mut part);
        Ok(part.to_bytes())
    };
    let part = node.fhir.work(length, work).await?;
    Ok(Response::from_parts(parts, Body::from(part)))
}

/// The same answer in XML, if it is FHIR in JSON. What cannot be said in XML stays JSON unless it was
/// a look that found something: a refusal would say that a change was not made, or hide why it was not.
///
/// # Errors
/// `NotSupported`, 406, for a look at what is too large, or cannot be said in XML.
pub async fn given(
    node: &Node,
    response: Response,
    visit: &Visit,
    pretty: bool,
) -> Result<Response, Failure> {
    if !is_json(&response) {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let may_be_refused = visit.is_look() && parts.status.is_success();
    let refused = |problem: Problem| {
        let message = format!("This cannot be answered in XML: {}", problem.message);
        let problem = Problem::new(Kind::NotSupported, message);
        Failure::with_status(problem, StatusCode::NOT_ACCEPTABLE)
    };
    // An answer to a change is never streamed: its size is known.
    if !may_be_refused && HttpBody::size_hint(&body).lower() > WHOLE_BYTES_MAX as u64 {
        return Ok(Response::from_parts(parts, body));
    }
    let bytes = axum::body::to_bytes(body, WHOLE_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| {
        refused(Problem::new(
            Kind::TooLong,
            "it is too large; ask for JSON.",
        ))
    })?;
    let written = if bytes.is_empty() {
        // A HEAD has no body to write.
        Ok(Vec::new())
    } else {
        in_xml(node, bytes.clone(), pretty).await
    };
    let written = match written {
        Ok(written) => written,
        Err(problem) if may_be_refused => return Err(refused(problem)),
        Err(_) => return Ok(Response::from_parts(parts, Body::from(bytes))),
    };
    parts.headers.remove(CONTENT_LENGTH);
    let xml = HeaderValue::from_static(FHIR_XML);
    parts.headers.insert(CONTENT_TYPE, xml);
    Ok(Response::from_parts(parts, Body::from(written)))
}

/// A resource in JSON, in XML.
///
/// # Errors
/// What `xml::from_json` finds.
pub async fn in_xml(node: &Node, json: Bytes, pretty: bool) -> Result<Vec<u8>, Problem> {
    let length = json.len();
    let work = move || xml::from_json(&parse(&json, &LIMITS)?, &LIMITS, pretty);
    node.fhir.work(length, work).await
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind == FHIR_JSON)
}
