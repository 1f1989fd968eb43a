//! Answers in the two versions of the interface, and refusals by MESH's own codes.

use axum::response::{IntoResponse, Response};
use fhir::problem::{Kind, Problem};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::failure;

/// Which version is spoken: what the header `Accept` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    #[default]
    One,
    Two,
}

const VENDOR: &str = "application/vnd.mesh.";

impl Version {
    /// # Errors
    /// 400 for a version that there is not.
    pub(super) fn asked(headers: &HeaderMap) -> Result<Version, Refused> {
        let accept = headers.get(ACCEPT).map(|it| it.to_str().unwrap_or("?"));
        let accept = accept.unwrap_or_default();
        let vendor = accept.split(',').map(str::trim);
        let mut vendor = vendor.filter_map(|it| it.strip_prefix(VENDOR));
        match vendor.next().map(|it| it.split(';').next().unwrap_or(it)) {
            None | Some("v1+json") => Ok(Version::One),
            Some("v2+json") => Ok(Version::Two),
            Some(_) => {
                let told = ("", "", "Accept header api format incorrect");
                Err(Refused::told(StatusCode::BAD_REQUEST, told))
            }
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Version::One => "application/json",
            Version::Two => "application/vnd.mesh.v2+json",
        }
    }

    /// An answer that each version writes in its own way.
    pub(super) fn answer(self, status: StatusCode, one: Value, two: Value) -> Response {
        let body = match self {
            Version::One => one,
            Version::Two => two,
        };
        let kind = [(CONTENT_TYPE, self.content_type())];
        (status, kind, body.to_string()).into_response()
    }
}

/// Adds a member to an object.
pub(super) fn put(object: &mut Value, name: &str, text: &str) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), text.into());
    }
}

/// A refusal: MESH's event, code and words.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    version: Version,
    event: &'static str,
    code: &'static str,
    words: Box<str>,
    /// The message that it is about.
    message: Option<Box<str>>,
    /// Headers or parameters that are missing or out of range, told one by one.
    fields: Option<Box<Value>>,
}

impl Refused {
    pub(super) fn told(
        status: StatusCode,
        (event, code, words): (&'static str, &'static str, &str),
    ) -> Refused {
        Refused {
            status,
            version: Version::One,
            event,
            code,
            words: words.into(),
            message: None,
            fields: None,
        }
    }

    /// The same in that version.
    pub(super) fn in_version(mut self, version: Version) -> Refused {
        self.version = version;
        self
    }

    /// The same, about that message.
    pub(super) fn about(mut self, message: &str) -> Refused {
        self.message = Some(message.into());
        self
    }

    pub(super) fn forbidden() -> Refused {
        Refused::told(StatusCode::FORBIDDEN, ("", "", "Forbidden"))
    }

    pub(super) fn not_found() -> Refused {
        Refused::told(StatusCode::NOT_FOUND, ("", "", "Not Found"))
    }

    pub(super) fn no_message() -> Refused {
        let told = ("RECEIVE", "20", "Message does not exist");
        Refused::told(StatusCode::NOT_FOUND, told)
    }

    pub(super) fn gone() -> Refused {
        let told = (
            "SEND",
            "Message already accepted",
            "Message no longer available for download",
        );
        Refused::told(StatusCode::GONE, told)
    }

    pub(super) fn unregistered() -> Refused {
        let told = ("SEND", "12", "Unregistered to address");
        Refused::told(StatusCode::EXPECTATION_FAILED, told)
    }

    pub(super) fn no_content() -> Refused {
        let told = ("COLLECT", "02", "Data file is missing or inaccessible.");
        Refused::told(StatusCode::EXPECTATION_FAILED, told)
    }

    pub(super) fn bad_range() -> Refused {
        let told = (
            "SEND",
            "InvalidHeaderChunks",
            "Invalid chunk values sent in mex-Chunk-Range header",
        );
        Refused::told(StatusCode::EXPECTATION_FAILED, told)
    }

    pub(super) fn too_large() -> Refused {
        let words = "A request is at most 100 MB; send the message in chunks";
        Refused::told(StatusCode::PAYLOAD_TOO_LARGE, ("SEND", "", words))
    }

    /// 400: these headers are missing.
    pub(super) fn missing(headers: &[&str]) -> Refused {
        let one = |name: &&str| json!({ "type": "missing", "loc": ["header", name], "msg": "Field required" });
        let fields: Vec<Value> = headers.iter().map(one).collect();
        Refused {
            fields: Some(Box::new(fields.into())),
            ..Refused::told(StatusCode::BAD_REQUEST, ("", "", "Field required"))
        }
    }

    /// 400: a parameter is not within its bounds.
    pub(super) fn parameter(name: &str, words: &str) -> Refused {
        let field = json!([{ "type": "value_error", "loc": ["query", name], "msg": words }]);
        Refused {
            fields: Some(Box::new(field)),
            ..Refused::told(StatusCode::BAD_REQUEST, ("", "", words))
        }
    }
}

impl From<Problem> for Refused {
    /// What the store or the exchange refuses. The cause is logged here, and told to nobody.
    fn from(problem: Problem) -> Refused {
        failure::log("", &problem);
        match problem.kind {
            Kind::NotFound => Refused::no_message(),
            Kind::Forbidden => Refused::forbidden(),
            Kind::TooLong => Refused::told(
                StatusCode::PAYLOAD_TOO_LARGE,
                ("SEND", "", &problem.message),
            ),
            kind => Refused::told(failure::status(kind), ("", "", &problem.message)),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused {
            event, code, words, ..
        } = &self;
        let mut one = json!({ "errorEvent": event, "errorCode": code, "errorDescription": words });
        let detail = json!([{ "event": event, "code": code, "msg": words }]);
        let mut two = json!({ "detail": detail });
        if let Some(message) = &self.message {
            put(&mut one, "messageID", message);
            two = json!({ "message_id": message, "detail": detail });
        }
        if let Some(fields) = self.fields {
            let body = json!({ "detail": fields });
            let kind = [(CONTENT_TYPE, "application/json")];
            return (self.status, kind, body.to_string()).into_response();
        }
        self.version.answer(self.status, one, two)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_accept_asks_for_and_a_malformed_one_is_refused() {
        let asked = |accept: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            Version::asked(&headers).map_err(|refused| refused.status.as_u16())
        };
        for one in [
            None,
            Some("*/*"),
            Some("application/json"),
            Some("application/vnd.mesh.v1+json"),
        ] {
            assert_eq!(asked(one), Ok(Version::One), "{one:?}");
        }
        for two in [
            "application/vnd.mesh.v2+json",
            "text/html, application/vnd.mesh.v2+json;q=0.9",
        ] {
            assert_eq!(asked(Some(two)), Ok(Version::Two), "{two}");
        }
        for wrong in [
            "application/vnd.mesh.vx+json",
            "application/vnd.mesh.v3+json",
            "application/vnd.mesh.v2",
        ] {
            assert_eq!(asked(Some(wrong)), Err(400), "{wrong}");
        }
    }
}
