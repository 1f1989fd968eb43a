//! One text of a message as one FHIR primitive.

use crate::time::{Dtm, Zone};
use serde_json::{Number, Value};
use std::str::FromStr;

/// The text as a value of that FHIR type; the error is a sentence on why it is not one.
pub fn primitive(ty: &str, text: &str, zone: Zone) -> Result<Value, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("there is nothing but blanks".to_owned());
    }
    let made = match ty {
        "string" | "markdown" => Some(Value::from(text)),
        "code" => Some(Value::from(
            text.split_whitespace().collect::<Vec<_>>().join(" "),
        )),
        "uri" | "url" | "canonical" | "id" => {
            (!text.contains(char::is_whitespace)).then(|| Value::from(text))
        }
        "boolean" => match text {
            "true" | "Y" => Some(Value::Bool(true)),
            "false" | "N" => Some(Value::Bool(false)),
            _ => None,
        },
        "decimal" => decimal(text),
        "integer" | "positiveInt" | "unsignedInt" => integer(ty, text),
        "date" => Dtm::parse(text).map(|d| Value::from(d.date())),
        "dateTime" => Dtm::parse(text).map(|d| Value::from(d.date_time(zone))),
        "instant" => Dtm::parse(text).map(|d| Value::from(d.instant(zone))),
        "time" => Dtm::time_of(text).map(Value::from),
        _ => None,
    };
    made.ok_or_else(|| format!("it is not a FHIR {ty}"))
}

/// Whether the text is a decimal number as HL7's NM allows: sign, digits, point, digits.
pub fn is_decimal(text: &str) -> bool {
    decimal(text.trim()).is_some()
}

/// FHIR forbids what NM allows: a plus sign, leading zeros, a point without digits around it.
/// What digits there are after the point stay: `1.50` is not `1.5`.
fn decimal(text: &str) -> Option<Value> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let sound = whole.len() + fraction.len() > 0
        && whole.len() + fraction.len() <= 40
        && whole
            .bytes()
            .chain(fraction.bytes())
            .all(|b| b.is_ascii_digit());
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let number = Number::from_str(&format!("{sign}{whole}{point}{fraction}"));
    if sound {
        number.ok().map(Value::Number)
    } else {
        None
    }
}

fn integer(ty: &str, text: &str) -> Option<Value> {
    let number: i32 = text.parse().ok()?;
    let least = match ty {
        "positiveInt" => 1,
        "unsignedInt" => 0,
        _ => i32::MIN,
    };
    (number >= least).then(|| Value::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        for (text, expected) in [
            ("1.50", "1.50"),
            ("+007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-0.10", "-0.10"),
        ] {
            assert_eq!(
                primitive("decimal", text, Zone::Utc).unwrap().to_string(),
                expected
            );
        }
        for text in ["", "1,5", "<5", "1.5.2", "-", "."] {
            assert!(primitive("decimal", text, Zone::Utc).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_of_the_type_is_refused_with_a_reason() {
        assert!(
            primitive("date", "19991332", Zone::Utc)
                .unwrap_err()
                .contains("date")
        );
        assert!(primitive("positiveInt", "0", Zone::Utc).is_err());
        assert!(primitive("uri", "a b", Zone::Utc).is_err());
        assert_eq!(primitive("code", " a  b ", Zone::Utc).unwrap(), "a b");
    }
}
