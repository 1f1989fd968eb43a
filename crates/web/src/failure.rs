//! The table from a problem's kind to an HTTP status, and the one place where causes are logged.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use fhir::problem::{Kind, Problem};
use http::StatusCode;

/// What a handler of the FHIR door answers instead of a resource. The door's middleware turns it
/// into an OperationOutcome, since only it knows the request's id.
#[derive(Clone, Debug)]
pub struct Failure {
    pub problem: Box<Problem>,
    /// Where the specification asks for another status than the kind's.
    status: Option<StatusCode>,
}

impl Failure {
    pub fn with_status(problem: Problem, status: StatusCode) -> Failure {
        Failure {
            problem: Box::new(problem),
            status: Some(status),
        }
    }

    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| status(self.problem.kind))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure {
            problem: Box::new(problem),
            status: None,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// The HTTP status of a kind of problem.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid
        | Kind::Structure
        | Kind::Required
        | Kind::Value
        | Kind::CodeInvalid
        | Kind::NotSupported => StatusCode::BAD_REQUEST,
        Kind::Login => StatusCode::UNAUTHORIZED,
        Kind::Security | Kind::Forbidden | Kind::Suppressed => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Deleted => StatusCode::GONE,
        Kind::Duplicate | Kind::Conflict | Kind::LockError => StatusCode::CONFLICT,
        Kind::MultipleMatches => StatusCode::PRECONDITION_FAILED,
        Kind::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Invariant | Kind::Processing | Kind::BusinessRule | Kind::TooCostly => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Kind::Transient | Kind::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        Kind::NoStore => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Exception | Kind::Incomplete => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Logs a problem's internal cause, once, with the id of the request. Never a name or a body.
pub fn log(request_id: &str, problem: &Problem) {
    if let Some(cause) = problem.cause() {
        tracing::warn!(request = request_id, code = problem.code(), %cause, "{}", problem.message);
    }
}
