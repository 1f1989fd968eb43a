//! Query strings and forms, taken apart.

use fhir::problem::{Kind, Problem};
use percent_encoding::percent_decode_str;

/// Parameters in one query, at most.
const PAIRS_MAX: usize = 200;

/// The pairs of `name=value&…`, decoded.
///
/// # Errors
/// `Value` for what is not UTF-8, `TooCostly` for too many pairs.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut found = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if found.len() == PAIRS_MAX {
            let message = format!("A query has at most {PAIRS_MAX} parameters.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        found.push((decoded(name)?, decoded(value)?));
    }
    Ok(found)
}

/// What stays as it is in a link.
const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b',')
    .remove(b':');

/// The pairs as a query string; none if there are none.
pub fn joined(pairs: &[(String, String)]) -> Option<String> {
    let encoded = |text| percent_encoding::utf8_percent_encode(text, KEPT);
    let texts: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    (!texts.is_empty()).then(|| texts.join("&"))
}

fn decoded(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let text = decoded.ok().filter(|text| !text.contains('\0'));
    text.map(|text| text.into_owned())
        .ok_or_else(|| Problem::new(Kind::Value, "The query is not percent-encoded UTF-8."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_or_refused() {
        let found = pairs("family=O%27Brien+Smith&&active=true&flag").unwrap();
        let expected = [
            ("family", "O'Brien Smith"),
            ("active", "true"),
            ("flag", ""),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        assert_eq!(found, expected);
        assert!(pairs("a=%ff").is_err());
        assert!(pairs("a=%00").is_err());
        assert!(pairs(&"a=b&".repeat(300)).is_err());
    }
}
