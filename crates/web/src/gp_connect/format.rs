//! XML beside JSON, as the published tests ask for it: what comes in XML is read as JSON before anything else is looked at, and
//! what is wanted in XML is written so at the last. What this door says in STU3 is said by R4's definitions too, but for
//! `metadata`.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::response::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use fhir::gp_connect::{CONTENT_TYPE, Refusal, Trouble};
use fhir::json::{self, Limits};
use fhir::xml;
use http::{HeaderMap, HeaderValue, Method, header};

use super::BODY_BYTES_MAX;
use super::answer::Refused;

const XML: &str = "application/fhir+xml";
/// An answer, in bytes.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// The door in either format. `_format` goes before `Accept`.
pub(super) async fn either(request: Request, next: Next) -> Response {
    let wants_xml = wants_xml(&request);
    let is_write = matches!(*request.method(), Method::POST | Method::PUT);
    let is_minimal = is_write && text(request.headers(), "prefer").contains("return=minimal");
    let response = match as_json(request).await {
        Ok(request) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    if is_minimal && response.status().is_success() {
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    match wants_xml {
        true => as_xml(response).await,
        false => response,
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let value = headers.get(name).and_then(|it| it.to_str().ok());
    value.unwrap_or_default()
}

fn wants_xml(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let format = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "_format")
        .map(|(_, value)| value.into_owned());
    match format {
        Some(format) => format.contains("xml"),
        None => {
            let accepted = text(request.headers(), "accept");
            accepted.contains("xml") && !accepted.contains("json")
        }
    }
}

/// The request as the door behind this reads it.
async fn as_json(request: Request) -> Result<Request, Refused> {
    let (mut parts, body) = request.into_parts();
    let json = HeaderValue::from_static(CONTENT_TYPE);
    // What is wanted was read above; what is neither is refused behind this.
    let accepted = text(&parts.headers, "accept");
    if accepted.contains("xml") || parts.uri.query().is_some_and(|it| it.contains("_format=")) {
        parts.headers.insert(header::ACCEPT, json.clone());
    }
    if !text(&parts.headers, "content-type").contains("xml") {
        return Ok(Request::from_parts(parts, body));
    }
    let wrong = |trouble, words: &str| Refused(Refusal::new(trouble, words));
    let bytes = to_bytes(body, BODY_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| wrong(Trouble::BadRequest, "The body is too long."))?;
    let limits = Limits::default();
    let read = xml::to_json(&bytes, &limits).map_err(|problem| {
        let words = format!("The body is no resource in XML: {}", problem.message);
        wrong(Trouble::InvalidResource, &words)
    })?;
    parts.headers.insert(header::CONTENT_TYPE, json);
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Request::from_parts(parts, Body::from(read)))
}

async fn as_xml(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        let words = "The answer is too long.";
        return Refused(Refusal::new(Trouble::Internal, words)).into_response();
    };
    match written(&parts, &bytes) {
        Some(response) => response,
        None => {
            let words = "This is told as JSON alone.";
            Refused(Refusal::new(Trouble::UnsupportedMediaType, words)).into_response()
        }
    }
}

fn written(parts: &Parts, bytes: &[u8]) -> Option<Response> {
    let limits = Limits::default();
    let resource = json::parse(bytes, &limits).ok()?;
    let text = xml::from_json(&resource, &limits, false).ok()?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers.clone();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let kind = HeaderValue::from_static(XML);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Some(response)
}
