//! Answers: resources with their version, and what came of a change.

use axum::body::Body;
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use http::header::{CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use store::{Reading, Version, Written};

use super::ask::Ask;
use super::format::FHIR_JSON;
use super::prefer::Return;
use crate::failure::Failure;

/// Headers that most answers have: room for all at once.
const HEADERS: usize = 8;

/// JSON of the door's making.
pub fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
    response
}

/// What a read found: the resource, 304 where the caller has it already, 404 or 410.
pub fn reading(ask: &Ask, found: Reading) -> Result<Response, Failure> {
    match found {
        Reading::Found(version) => Ok(version_of(ask, version)),
        Reading::Deleted { .. } => Err(super::deleted().into()),
        Reading::Absent => Err(super::absent().into()),
    }
}

/// As `reading`, with a body that is sent while it is read.
pub fn reading_as(ask: &Ask, found: &Version, body: Body) -> Response {
    shown(ask, found, body)
}

fn version_of(ask: &Ask, found: Version) -> Response {
    let body = Body::from(found.body.clone());
    shown(ask, &found, body)
}

fn shown(ask: &Ask, found: &Version, body: Body) -> Response {
    let known = is_known(ask, found);
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        json(StatusCode::OK, body)
    };
    versioned(&mut response, found.version, found.last_updated);
    response
}

/// Whether the caller has it already. Where both headers are sent, the tag decides
/// (<https://www.rfc-editor.org/rfc/rfc9110#name-if-modified-since>).
fn is_known(ask: &Ask, found: &Version) -> bool {
    if let Some(tags) = ask.header(IF_NONE_MATCH) {
        return names(tags, found.version);
    }
    let since = ask.header(IF_MODIFIED_SINCE);
    let since = since.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    // HTTP's times have no milliseconds.
    since.is_some_and(|since| found.last_updated.div_euclid(1000) <= since.timestamp().as_second())
}

/// Whether one of the tags of an If-None-Match is that version's.
fn names(tags: &str, version: u64) -> bool {
    tags.split(',')
        .any(|tag| tag.trim() == "*" || etag_version(tag.trim()) == Some(version))
}

/// `W/"3"`, or `"3"`.
pub(crate) fn etag_version(tag: &str) -> Option<u64> {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    quoted.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// The version that an If-Match names, if the request has one.
///
/// # Errors
/// `Value` if it does not name one version.
pub fn if_match(ask: &Ask) -> Result<Option<u64>, Problem> {
    let Some(tag) = ask.header(http::header::IF_MATCH) else {
        return Ok(None);
    };
    let version = etag_version(tag.trim());
    let message = "If-Match names one version, such as W/\"3\".";
    version
        .map(Some)
        .ok_or_else(|| Problem::new(Kind::Value, message))
}

/// A version that is not the one that If-Match names is 412, not 409
/// (<https://hl7.org/fhir/R4/http.html#concurrency>).
pub fn unless_matched(problem: Problem, expected: Option<u64>) -> Failure {
    let clashes = matches!(problem.kind, Kind::Conflict | Kind::BusinessRule);
    if expected.is_some() && clashes {
        return Failure::with_status(problem, StatusCode::PRECONDITION_FAILED);
    }
    problem.into()
}

/// Which version an answer tells of, for the Bundle that it may become part of.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub version: u64,
    pub at: Millis,
}

fn versioned(response: &mut Response, version: u64, at: Millis) {
    response.extensions_mut().insert(Stamp { version, at });
    let headers = response.headers_mut();
    let values = [(ETAG, etag(version)), (LAST_MODIFIED, date::http_date(at))];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

pub fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// What came of a create or an update; `body` makes the resource where it is wanted.
pub fn written(
    ask: &Ask,
    base_url: &str,
    written: &Written,
    body: impl FnOnce() -> Vec<u8>,
) -> Response {
    let status = if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = match ask.preference.returns.unwrap_or(Return::Representation) {
        Return::Representation => json(status, body()),
        Return::Outcome => json(status, all_well()),
        Return::Minimal => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        }
    };
    versioned(&mut response, written.version, written.last_updated);
    let Written {
        ty, id, version, ..
    } = written;
    let location = format!("{base_url}/{ty}/{id}/_history/{version}");
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// What a conditional create found, which is all it does.
pub fn there(ask: &Ask, base_url: &str, found: &Version) -> Response {
    let there = Written {
        ty: found.ty.clone(),
        id: found.id.clone(),
        version: found.version,
        last_updated: found.last_updated,
        created: false,
    };
    written(ask, base_url, &there, || found.body.to_vec())
}

/// What came of a delete: 204, with the version that the deletion is.
pub fn gone(written: Option<&Written>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Some(written) = written {
        versioned(&mut response, written.version, written.last_updated);
    }
    response
}

/// An OperationOutcome that tells of no problem.
pub fn all_well() -> String {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "information", "code": "informational", "diagnostics": "Done." }],
    })
    .to_string()
}
