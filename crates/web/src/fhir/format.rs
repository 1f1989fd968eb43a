//! Content types (<https://hl7.org/fhir/R4/http.html#mime-type>): FHIR's JSON and FHIR's XML.

use fhir::patch::Form;
use fhir::problem::{Kind, Problem};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use crate::failure::Failure;

/// FHIR in JSON, which is what handlers speak.
pub const FHIR_JSON: &str = "application/fhir+json";
/// FHIR in XML, which is made of it and to it at the door's edge.
pub const FHIR_XML: &str = "application/fhir+xml";

/// A JSON Patch.
pub const JSON_PATCH: &str = "application/json-patch+json";

const JSON: &[&str] = &[FHIR_JSON, "application/json", "text/json"];
const XML: &[&str] = &[FHIR_XML, "application/xml", "text/xml"];

/// How FHIR is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Json,
    Xml,
}

impl Format {
    /// The format of a media type, if it is one of FHIR's that the door speaks.
    pub fn of(media_type: &str) -> Option<Format> {
        let mut parts = media_type.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let format = if JSON.contains(&essence.as_str()) {
            Format::Json
        } else if XML.contains(&essence.as_str()) {
            Format::Xml
        } else {
            return None;
        };
        parts.all(is_good_parameter).then_some(format)
    }

    /// What the request's body is, if it is FHIR.
    pub fn sent(headers: &HeaderMap) -> Option<Format> {
        Format::of(headers.get(CONTENT_TYPE)?.to_str().ok()?)
    }
}

/// What the answer is to be written in: `_format` says so, or else `Accept`.
///
/// # Errors
/// `NotSupported`, 406.
pub fn wanted(headers: &HeaderMap, format: Option<&str>) -> Result<Format, Failure> {
    let wanted = match format {
        Some("json") => Some(Format::Json),
        Some("xml") => Some(Format::Xml),
        // A plus sign that was not encoded arrives as a blank.
        Some(format) => Format::of(&format.replace(' ', "+")),
        None => match headers.get(ACCEPT) {
            None => Some(Format::Json),
            Some(accept) => accepted(accept.to_str().unwrap_or_default()),
        },
    };
    wanted.ok_or_else(|| {
        let message = "This server answers in application/fhir+json and application/fhir+xml.";
        let problem = Problem::new(Kind::NotSupported, message);
        Failure::with_status(problem, StatusCode::NOT_ACCEPTABLE)
    })
}

/// The format that an Accept header likes best; JSON of two that it likes the same.
fn accepted(accept: &str) -> Option<Format> {
    if accept == FHIR_JSON {
        return Some(Format::Json);
    }
    let mut best: Option<(u32, Format)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1000, thousandths);
        let format = match essence {
            // A bulk file is neither, and what is refused instead of it is JSON.
            "*/*" | "application/*" | "application/fhir+ndjson" | "application/ndjson" => {
                Some(Format::Json)
            }
            _ => Format::of(range),
        };
        let Some(format) = format.filter(|_| weight > 0) else {
            continue;
        };
        let better = match best {
            None => true,
            Some((known, Format::Xml)) => {
                weight > known || weight == known && format == Format::Json
            }
            Some((known, Format::Json)) => weight > known,
        };
        if better {
            best = Some((weight, format));
        }
    }
    best.map(|(_, format)| format)
}

/// `0.8` as 800; what is no weight counts as 1000.
fn thousandths(weight: &str) -> u32 {
    let weight: f64 = weight.parse().unwrap_or(1.0);
    // Clamped first, so that it fits.
    (weight.clamp(0.0, 1.0) * 1000.0) as u32
}

/// Whether the body is FHIR; handlers are given JSON whatever was sent.
pub fn is_sent(headers: &HeaderMap) -> Result<(), Failure> {
    match Format::sent(headers) {
        Some(_) => Ok(()),
        None => Err(unsupported(
            "The Content-Type must be application/fhir+json or application/fhir+xml.",
        )),
    }
}

/// Whether the body of a Binary comes as it is, and not in a resource
/// (<https://hl7.org/fhir/R4/binary.html#rest>).
pub fn is_native(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_TYPE) && Format::sent(headers).is_none()
}

/// What form of patch the body is.
///
/// # Errors
/// `NotSupported`, 415.
pub fn patch_sent(headers: &HeaderMap) -> Result<Form, Failure> {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(JSON_PATCH)) {
        return Ok(Form::Json);
    }
    match Format::sent(headers) {
        Some(_) => Ok(Form::FhirPath),
        None => Err(unsupported(
            "The Content-Type of a patch is application/json-patch+json, or that of a Parameters \
             resource: application/fhir+json or application/fhir+xml.",
        )),
    }
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
    Ok(())
}

pub fn unsupported(message: &str) -> Failure {
    let problem = Problem::new(Kind::NotSupported, message);
    Failure::with_status(problem, StatusCode::UNSUPPORTED_MEDIA_TYPE)
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn each_gets_the_format_that_it_likes_best() {
        let json = [
            "application/fhir+json",
            "*/*",
            "text/html, application/*;q=0.8",
            "application/json; charset=UTF-8",
            "application/fhir+json; fhirVersion=4.0",
            "application/fhir+xml;q=0.5, application/fhir+json;q=1.0",
            "application/fhir+xml, application/fhir+json",
        ];
        let xml = [
            "application/fhir+xml",
            "text/xml",
            "application/xml; fhirVersion=4.0; q=0.9, application/json; q=0.8",
            "*/*;q=0.1, application/fhir+xml;q=0.2",
        ];
        let wanted_by = |accept| wanted(&with(ACCEPT, accept), None).ok();
        for accept in json {
            assert_eq!(wanted_by(accept), Some(Format::Json), "{accept}");
        }
        for accept in xml {
            assert_eq!(wanted_by(accept), Some(Format::Xml), "{accept}");
        }
        for accept in [
            "text/html",
            "application/fhir+json; fhirVersion=3.0",
            "application/fhir+json;q=0",
        ] {
            assert_eq!(wanted_by(accept), None, "{accept}");
        }
        let by_query = |format| wanted(&with(ACCEPT, "text/html"), Some(format)).ok();
        assert_eq!(by_query("application/fhir json"), Some(Format::Json));
        assert_eq!(by_query("xml"), Some(Format::Xml));
        assert_eq!(by_query("ttl"), None);
        assert_eq!(wanted(&HeaderMap::new(), None).ok(), Some(Format::Json));
    }

    #[test]
    fn only_fhir_is_taken() {
        for kind in [
            "application/fhir+json;charset=utf-8",
            "application/json",
            "application/fhir+xml",
            "text/xml; fhirVersion=4.0",
        ] {
            assert!(is_sent(&with(CONTENT_TYPE, kind)).is_ok(), "{kind}");
        }
        for kind in [
            "text/plain",
            "application/json;charset=latin1",
            "application/fhir+xml; fhirVersion=5.0",
        ] {
            assert!(is_sent(&with(CONTENT_TYPE, kind)).is_err(), "{kind}");
        }
        assert!(is_sent(&HeaderMap::new()).is_err());
    }
}
