//! The formats of primitive values (<https://hl7.org/fhir/R4/datatypes.html#primitive>), as
//! hand-written matchers of the published regular expressions.

use crate::date;
use crate::definitions::Form;
use crate::json::Json;
use crate::problem::Kind;

/// A string has at most 1 MiB (<https://hl7.org/fhir/R4/datatypes.html#string>).
const STRING_BYTES_MAX: usize = 1 << 20;

type Fault = (Kind, &'static str);

/// Checks JSON type and format.
pub(super) fn check(value: &Json<'_>, form: Form) -> Result<(), Fault> {
    match form {
        Form::Boolean => match value {
            Json::Bool(_) => Ok(()),
            _ => Err((Kind::Structure, "true or false was expected.")),
        },
        Form::Decimal | Form::Integer | Form::PositiveInt | Form::UnsignedInt => match value {
            Json::Number(text) => number(text, form),
            _ => Err((Kind::Structure, "A JSON number was expected.")),
        },
        _ => match value {
            Json::String(text) => string(text, form),
            _ => Err((Kind::Structure, "A JSON string was expected.")),
        },
    }
}

fn number(text: &str, form: Form) -> Result<(), Fault> {
    let least = match form {
        Form::Integer => i32::MIN,
        Form::UnsignedInt => 0,
        Form::PositiveInt => 1,
        _ => return Ok(()),
    };
    match text.parse::<i32>() {
        Ok(value) if value >= least => Ok(()),
        _ => Err((Kind::Value, "This is not an integer of the range allowed.")),
    }
}

fn string(text: &str, form: Form) -> Result<(), Fault> {
    if text.is_empty() {
        return Err((Kind::Value, "A value must not be empty."));
    }
    if matches!(form, Form::String | Form::Markdown) && text.len() > STRING_BYTES_MAX {
        return Err((Kind::TooLong, "The text is longer than 1 MiB."));
    }
    let (good, message) = match form {
        Form::String | Form::Markdown | Form::Xhtml => {
            (is_text(text), "The text has control characters.")
        }
        Form::Code => (
            is_code(text),
            "A code has no white space but single blanks inside.",
        ),
        Form::Id => (
            crate::resource::check_id(text).is_ok(),
            "An id is 1 to 64 of A-Z a-z 0-9 - .",
        ),
        Form::Uri => (is_uri(text), "A uri has no white space."),
        Form::Oid => (is_oid(text), "An oid looks like urn:oid:1.2.3."),
        Form::Uuid => (
            is_uuid(text),
            "A uuid is urn:uuid: with 32 lower-case digits in groups.",
        ),
        Form::Base64 => (is_base64(text), "This is not base64."),
        Form::Date => (is_date(text), "A date is YYYY, YYYY-MM or YYYY-MM-DD."),
        Form::DateTime => (
            is_date(text) || is_moment(text),
            "A dateTime is a date, or has seconds and a zone.",
        ),
        Form::Instant => (
            is_moment(text),
            "An instant has a date, seconds and a zone.",
        ),
        Form::Time => (is_time(text.as_bytes()), "A time is hh:mm:ss."),
        Form::Boolean | Form::Decimal | Form::Integer | Form::PositiveInt | Form::UnsignedInt => {
            (false, "A JSON string was not expected.")
        }
    };
    if good {
        Ok(())
    } else {
        Err((Kind::Value, message))
    }
}

/// Without control characters, but for tab, line feed and carriage return.
fn is_text(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte >= b' ' || matches!(byte, b'\t' | b'\n' | b'\r'))
}

/// White space as regular expressions of the specification mean it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edges = [bytes.first(), bytes.last()];
    edges
        .iter()
        .all(|edge| edge.is_some_and(|byte| !is_space(*byte)))
        && bytes
            .windows(2)
            .all(|pair| !pair.iter().all(|byte| is_space(*byte)))
}

fn is_uri(text: &str) -> bool {
    !text.bytes().any(is_space)
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else {
        return false;
    };
    let mut arcs = arcs.split('.');
    let first = arcs
        .next()
        .is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    let mut rest = arcs.peekable();
    let is_arc = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|byte| byte.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    first && rest.peek().is_some() && rest.all(is_arc)
}

fn is_uuid(text: &str) -> bool {
    let Some(groups) = text.strip_prefix("urn:uuid:") else {
        return false;
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    groups.len() == 36
        && groups.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_hex(byte),
        })
}

/// Groups of four, with white space anywhere between, and padding only at the end.
fn is_base64(text: &str) -> bool {
    let (mut digits, mut padding) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'=' => padding += 1,
            byte if is_space(byte) => {}
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            _ => return false,
        }
    }
    digits > 0 && padding <= 2 && (digits + padding).is_multiple_of(4)
}

fn is_date(text: &str) -> bool {
    matches!(text.len(), 4 | 7 | 10) && date::span(text).is_some()
}

/// A date with hours, minutes, seconds and a zone.
fn is_moment(text: &str) -> bool {
    let Some((_, time)) = text.split_once('T') else {
        return false;
    };
    let zoned = time.ends_with('Z') || time.contains(['+', '-']);
    let has_seconds = time.as_bytes().get(5) == Some(&b':');
    zoned && has_seconds && !is_beyond_zones(time) && date::span(text).is_some()
}

/// Zones reach to 14:00 sharp.
fn is_beyond_zones(time: &str) -> bool {
    let zone = time.rfind(['+', '-']).and_then(|at| time.get(at + 1..));
    zone.is_some_and(|zone| zone.starts_with("14:") && zone != "14:00")
}

fn is_time(text: &[u8]) -> bool {
    let [a, b, b':', c, d, b':', e, f, fraction @ ..] = text else {
        return false;
    };
    let two = |tens: u8, units: u8| {
        (tens.is_ascii_digit() && units.is_ascii_digit())
            .then(|| (tens - b'0') * 10 + (units - b'0'))
    };
    let in_range = two(*a, *b).is_some_and(|hour| hour < 24)
        && two(*c, *d).is_some_and(|minute| minute < 60)
        && two(*e, *f).is_some_and(|second| second <= 60);
    let good_fraction = match fraction {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    in_range && good_fraction
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;
    use crate::definitions::{Definitions, Shape};

    fn takes(form: Form, text: &str) -> bool {
        check(&Json::String(Cow::Borrowed(text)), form).is_ok()
    }

    #[test]
    fn what_the_published_expressions_match_is_taken() {
        let config = ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let mut tried = 0;
        for ty in Definitions::r4().types() {
            let (Shape::Primitive(form), Some(regex)) = (ty.shape, ty.regex) else {
                continue;
            };
            // `\S` and `\s` of the generator are Unicode's; base64 allows padding anywhere.
            let narrowed = regex
                .replace("\\S", "[!-~é]")
                .replace("\\s", "[ \\t]")
                .replace("[^[ \\t]]", "[!-~]");
            let narrowed = narrowed
                .replace("[ \\r\\n\\t[!-~é]]", "[ \\r\\n\\t!-~é]")
                .replace("\\+/=", "\\+/");
            if form == Form::Boolean {
                continue;
            }
            let strategy =
                string_regex(&narrowed).unwrap_or_else(|error| panic!("{narrowed}: {error}"));
            runner
                .run(&strategy, |text| {
                    let value = match form {
                        Form::Decimal | Form::Integer | Form::PositiveInt | Form::UnsignedInt => {
                            Json::Number(Box::leak(text.clone().into_boxed_str()))
                        }
                        _ => Json::String(Cow::Borrowed(text.as_str())),
                    };
                    let beyond = text.is_empty()
                        || text.len() > 9 && matches!(form, Form::Integer | Form::PositiveInt | Form::UnsignedInt)
                        // The expressions know nothing of months' lengths.
                        || matches!(form, Form::Date | Form::DateTime | Form::Instant)
                            && matches!(text.get(8..10), Some("29" | "30" | "31"));
                    prop_assert!(beyond || check(&value, form).is_ok(), "{form:?} {text:?}");
                    Ok(())
                })
                .unwrap();
            tried += 1;
        }
        assert_eq!(tried, 18);
    }

    #[test]
    fn what_is_near_a_format_is_refused() {
        for (form, text) in [
            (Form::Code, " a"),
            (Form::Code, "a  b"),
            (Form::Code, "a\n"),
            (Form::Uri, "a b"),
            (Form::Id, "a_b"),
            (Form::Oid, "urn:oid:3.1"),
            (Form::Oid, "urn:oid:1"),
            (Form::Oid, "urn:oid:1.02"),
            (Form::Oid, "1.2.3"),
            (Form::Uuid, "urn:uuid:C757873D-EC9A-4326-A141-556F43239520"),
            (Form::Base64, "abc"),
            (Form::Base64, "a=bc"),
            (Form::Base64, "abc*"),
            (Form::Date, "2024-02-30"),
            (Form::Date, "2024-02-29T00:00:00Z"),
            (Form::Date, "24"),
            (Form::DateTime, "2024-02-29T10:00"),
            (Form::DateTime, "2024-02-29T10:00:00"),
            (Form::DateTime, "2024-02-29T10:00Z"),
            (Form::Instant, "2024-02-29"),
            (Form::Instant, "2024-02-29T10:00:00+14:30"),
            (Form::Time, "24:00:00"),
            (Form::Time, "10:00"),
            (Form::Time, "10:00:00."),
            (Form::String, ""),
            (Form::String, "a\u{1}"),
        ] {
            assert!(!takes(form, text), "{form:?} {text:?}");
        }
        for (form, text) in [
            (Form::Integer, "1.0"),
            (Form::Integer, "2147483648"),
            (Form::PositiveInt, "0"),
            (Form::UnsignedInt, "-1"),
            (Form::Integer, "1e1"),
        ] {
            assert!(
                check(&Json::Number(text), form).is_err(),
                "{form:?} {text:?}"
            );
        }
        assert!(check(&Json::Number("1e400"), Form::Decimal).is_ok());
    }
}
