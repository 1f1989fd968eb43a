//! A refusal as OAuth renders it (RFC 6749 §5.2): one code of the list, and a sentence.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use fhir::problem::{Kind, Problem};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::failure::status;

/// A refusal.
#[derive(Debug)]
pub struct Refused {
    code: &'static str,
    message: String,
    status: StatusCode,
}

impl Refused {
    pub fn new(code: &'static str, message: impl Into<String>) -> Refused {
        Refused {
            code,
            message: message.into(),
            status: match code {
                "invalid_client" => StatusCode::UNAUTHORIZED,
                _ => StatusCode::BAD_REQUEST,
            },
        }
    }

    pub fn request(message: impl Into<String>) -> Refused {
        Refused::new("invalid_request", message)
    }

    pub fn client(message: impl Into<String>) -> Refused {
        Refused::new("invalid_client", message)
    }

    /// Too many failed from one address.
    pub fn too_often() -> Refused {
        Refused {
            status: StatusCode::TOO_MANY_REQUESTS,
            ..Refused::new(
                "slow_down",
                "Too many requests from this address failed. Try again in a quarter of an hour.",
            )
        }
    }

    pub fn grant(message: impl Into<String>) -> Refused {
        Refused::new("invalid_grant", message)
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        let code = match problem.kind {
            Kind::Transient | Kind::Timeout | Kind::Throttled => "temporarily_unavailable",
            _ => "server_error",
        };
        if let Some(cause) = problem.cause() {
            tracing::warn!(code, %cause, "{}", problem.message);
        }
        Refused {
            code,
            status: status(problem.kind),
            message: problem.message,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let told = json!({ "error": self.code, "error_description": self.message });
        let mut response = Response::new(Body::from(told.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("900"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Basic realm=\"handover\"");
            headers.insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer in JSON; never kept by anybody on the way.
pub fn answer(status: StatusCode, value: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
