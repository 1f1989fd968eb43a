//! Content types (<https://hl7.org/fhir/R4/http.html#mime-type>): JSON only.

use fhir::problem::{Kind, Problem};
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use crate::failure::Failure;

/// What every answer of the door is.
pub const FHIR_JSON: &str = "application/fhir+json";

const JSON: &[&str] = &["application/fhir+json", "application/json", "text/json"];

/// Whether the caller takes JSON: `_format` says so, or else `Accept`.
pub fn accepts(headers: &HeaderMap, format: Option<&str>) -> Result<(), Failure> {
    let good = match format {
        // A plus sign that was not encoded arrives as a blank.
        Some("json") => true,
        Some(format) => is_json(&format.replace(' ', "+")),
        None => headers.get(ACCEPT).is_none_or(|accept| {
            let accept = accept.to_str().unwrap_or_default();
            accept == FHIR_JSON || accept.split(',').any(is_acceptable)
        }),
    };
    if good {
        return Ok(());
    }
    let message = "This server answers in application/fhir+json only.";
    let problem = Problem::new(Kind::NotSupported, message);
    Err(Failure::with_status(problem, StatusCode::NOT_ACCEPTABLE))
}

/// Whether the body is JSON, and not packed.
pub fn is_sent(headers: &HeaderMap) -> Result<(), Failure> {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(is_json) {
        return Err(unsupported(
            "The Content-Type must be application/fhir+json.",
        ));
    }
    is_plain(headers)
}

/// Whether the body is a form, as `_search` takes it.
pub fn is_form(headers: &HeaderMap) -> Result<(), Failure> {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if essence != Some("application/x-www-form-urlencoded") {
        let message = "The Content-Type of a _search must be application/x-www-form-urlencoded.";
        return Err(unsupported(message));
    }
    is_plain(headers)
}

fn is_plain(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            Err(unsupported("A body with a Content-Encoding is not taken."))
        }
        _ => Ok(()),
    }
}

fn unsupported(message: &str) -> Failure {
    let problem = Problem::new(Kind::NotSupported, message);
    Failure::with_status(problem, StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// `application/fhir+json; fhirVersion=4.0; charset=utf-8`
fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    JSON.contains(&essence.as_str()) && parts.all(is_good_parameter)
}

fn is_good_parameter(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim_matches('"');
    match name.trim().to_ascii_lowercase().as_str() {
        "charset" => value.eq_ignore_ascii_case("utf-8"),
        "fhirversion" => value == "4.0",
        _ => true,
    }
}

/// One of the ranges of an Accept header.
fn is_acceptable(range: &str) -> bool {
    let (essence, parameters) = range.split_once(';').unwrap_or((range, ""));
    let mut parameters = parameters.split(';').map(str::trim);
    if parameters.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000")) {
        return false;
    }
    match essence.trim() {
        "*/*" | "application/*" => true,
        _ => is_json(range),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn json_is_given_to_whoever_takes_it() {
        for accept in [
            "application/fhir+json",
            "*/*",
            "text/html, application/*;q=0.8",
            "application/json; charset=UTF-8",
            "application/fhir+json; fhirVersion=4.0",
            "application/fhir+xml;q=0.5, application/fhir+json;q=1.0",
        ] {
            assert!(accepts(&with(ACCEPT, accept), None).is_ok(), "{accept}");
        }
        for accept in [
            "application/fhir+xml",
            "text/html",
            "application/fhir+json; fhirVersion=3.0",
            "application/fhir+json;q=0",
        ] {
            assert!(accepts(&with(ACCEPT, accept), None).is_err(), "{accept}");
        }
        assert!(accepts(&HeaderMap::new(), None).is_ok());
        assert!(accepts(&with(ACCEPT, "text/html"), Some("application/fhir json")).is_ok());
        assert!(accepts(&HeaderMap::new(), Some("xml")).is_err());
    }

    #[test]
    fn only_plain_json_is_taken() {
        assert!(is_sent(&with(CONTENT_TYPE, "application/fhir+json;charset=utf-8")).is_ok());
        assert!(is_sent(&with(CONTENT_TYPE, "application/json")).is_ok());
        for kind in [
            "text/plain",
            "application/fhir+xml",
            "application/json;charset=latin1",
        ] {
            assert!(is_sent(&with(CONTENT_TYPE, kind)).is_err(), "{kind}");
        }
        assert!(is_sent(&HeaderMap::new()).is_err());
        let mut packed = with(CONTENT_TYPE, "application/json");
        packed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(is_sent(&packed).is_err());
    }
}
