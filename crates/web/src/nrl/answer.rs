//! How the API answers: FHIR JSON, the ids of the question mirrored, and issues coded as the specification codes them.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use fhir::problem::{Kind, Problem};
use http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::failure;

const ERRORS: &str = "https://fhir.nhs.uk/STU3/CodeSystem/Spine-ErrorOrWarningCode-1";
const SUCCESS: &str = "https://fhir.nhs.uk/CodeSystem/NRLF-SuccessCode";

/// What is refused: the status, the specification's code, and a sentence.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: &'static str,
    said: String,
    place: Option<String>,
}

impl Refused {
    pub(super) fn of(status: StatusCode, code: &'static str, said: &str) -> Refused {
        Refused {
            status,
            code,
            said: said.to_owned(),
            place: None,
        }
    }

    /// A parameter, or an element, that does not read.
    pub(super) fn invalid(place: &str, said: &str) -> Refused {
        Refused {
            place: Some(place.to_owned()),
            ..Refused::of(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", said)
        }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        let (status, code) = match problem.kind {
            Kind::Login => (StatusCode::UNAUTHORIZED, "ACCESS_DENIED"),
            Kind::Forbidden => (StatusCode::FORBIDDEN, "ACCESS_DENIED"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND"),
            Kind::Conflict => (StatusCode::CONFLICT, "INVALID_VALUE"),
            _ => match failure::status(problem.kind) {
                status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                    tracing::error!(?problem, "the record locator could not answer");
                    (status, "INTERNAL_SERVER_ERROR")
                }
                _ => (StatusCode::BAD_REQUEST, "VALIDATION_ERROR"),
            },
        };
        Refused {
            place: problem.expression.clone(),
            ..Refused::of(status, code, &problem.message)
        }
    }
}

/// The answer to a question that came with these headers.
pub(super) fn give(asked: &HeaderMap, answer: Result<Response, Refused>) -> Response {
    let mut response = match answer {
        Ok(response) => response,
        Err(refused) => {
            let mut issue = json!({
                "severity": "error",
                "code": if refused.status == StatusCode::NOT_FOUND { "not-found" } else { "value" },
                "details": { "coding": [{
                    "system": ERRORS, "version": "1", "code": refused.code, "display": refused.said,
                }] },
                "diagnostics": refused.said,
            });
            if let (Some(place), Some(members)) = (refused.place, issue.as_object_mut()) {
                members.insert("expression".to_owned(), json!([place]));
            }
            json_of(
                refused.status,
                &json!({ "resourceType": "OperationOutcome", "issue": [issue] }),
            )
        }
    };
    for name in ["x-request-id", "x-correlation-id"] {
        if let (Ok(key), Some(value)) = (HeaderName::try_from(name), asked.get(name)) {
            response.headers_mut().insert(key, value.clone());
        }
    }
    response
}

pub(super) fn json_of(status: StatusCode, body: &Value) -> Response {
    let kind = [(CONTENT_TYPE, "application/fhir+json")];
    (status, kind, Body::from(body.to_string())).into_response()
}

/// That something was done, as the specification words it; and where the pointer is.
pub(super) fn done(status: StatusCode, code: &str, at: Option<&str>) -> Response {
    let display = match code {
        "RESOURCE_CREATED" => "Resource created",
        "RESOURCE_SUPERSEDED" => "Resource created and resource(s) deleted",
        "RESOURCE_UPDATED" => "Resource updated",
        _ => "Resource removed",
    };
    let outcome = json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "information", "code": "informational",
            "details": { "coding": [{ "system": SUCCESS, "code": code, "display": display }] },
            "diagnostics": display,
        }],
    });
    let mut response = json_of(status, &outcome);
    if let Some(Ok(at)) = at.map(str::parse) {
        response.headers_mut().insert(LOCATION, at);
    }
    response
}
