//! Answers and refusals in GP Connect's shape.

use axum::response::{IntoResponse, Response};
use fhir::gp_connect::{CONTENT_TYPE, Refusal, Trouble};
use fhir::problem::{Kind, Problem};
use http::{StatusCode, header};
use serde_json::Value;

use crate::failure;

/// A refusal as an answer.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused(refusal)
    }
}

impl From<Problem> for Refused {
    /// The cause is logged here, and told to nobody.
    fn from(problem: Problem) -> Refused {
        failure::log("", &problem);
        let trouble = match problem.kind {
            Kind::NotFound | Kind::Deleted => Trouble::NoRecordFound,
            Kind::Login | Kind::Security | Kind::Forbidden | Kind::Suppressed => {
                Trouble::AccessDenied
            }
            Kind::Duplicate => Trouble::Duplicate,
            Kind::Conflict | Kind::LockError | Kind::MultipleMatches => {
                Trouble::ConstraintViolation
            }
            Kind::BusinessRule => Trouble::InvalidRequestState,
            Kind::Invalid
            | Kind::Structure
            | Kind::Required
            | Kind::Value
            | Kind::CodeInvalid
            | Kind::TooLong
            | Kind::Invariant
            | Kind::Processing
            | Kind::TooCostly => Trouble::InvalidResource,
            Kind::NotSupported => Trouble::NotImplemented,
            Kind::Throttled | Kind::Transient | Kind::Timeout | Kind::NoStore => Trouble::Busy,
            Kind::Exception | Kind::Incomplete => Trouble::Internal,
        };
        Refused(Refusal::new(trouble, problem.message.to_string()))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.trouble.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer(status, &self.0.outcome())
    }
}

/// An answer that nothing on the way keeps.
pub(super) fn answer(status: StatusCode, resource: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, resource.to_string()).into_response()
}
