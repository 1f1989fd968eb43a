//! How a request, an id and a text stand in the report: nothing that names a patient.

/// Text up to so many characters.
pub(super) fn cut(text: &str, characters_max: usize) -> String {
    let mut cut: String = text.chars().take(characters_max).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// What made-up values of ours are known by.
pub(super) const OURS: &str = "handover-check";

/// Parameters whose values name nobody.
const HARMLESS: [&str; 8] = [
    "_count",
    "_summary",
    "_format",
    "_total",
    "_lastUpdated",
    "_sort",
    "max_results",
    "response_type",
];

/// Parts of addresses behind which an id follows.
const BEFORE_ID: [&str; 5] = ["_history", "inbox", "outbox", "tracking", "messageexchange"];

/// An address as the report may tell it: below the base, ids cut short, values left out.
pub(super) fn shown(url: &str, base: &str) -> String {
    let below = url.strip_prefix(base).unwrap_or(url);
    let (path, query) = below.split_once('?').map_or((below, ""), |(a, b)| (a, b));
    let mut before = "";
    let mut parts = Vec::new();
    for part in path.split('/') {
        let is_type = before.starts_with(|c: char| c.is_ascii_uppercase());
        let is_id = (is_type || BEFORE_ID.contains(&before)) && !BEFORE_ID.contains(&part);
        parts.push(
            match is_id && !part.starts_with(['_', '$']) && !part.starts_with(OURS) {
                true => short(part),
                false => part.to_owned(),
            },
        );
        before = part;
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).take(6);
    let pairs: Vec<String> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match HARMLESS.contains(&name) || value.contains(OURS) {
                true => format!("{name}={}", cut(value, 60)),
                false => format!("{}=…", cut(name, 40)),
            }
        })
        .collect();
    let path = match parts.join("/") {
        path if path.is_empty() => "/".to_owned(),
        path => path,
    };
    match pairs.is_empty() {
        true => path,
        false => format!("{path}?{}", pairs.join("&")),
    }
}

/// An id as the report may tell it.
pub(super) fn short(id: &str) -> String {
    match id.chars().count() > 4 {
        true => format!("{}…", id.chars().take(4).collect::<String>()),
        false => id.to_owned(),
    }
}

/// A part of an address, percent-encoded.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_whole_ids_and_without_what_was_looked_for() {
        let base = "https://fhir.example/r4";
        for (url, told) in [
            ("/Patient/9990000018-abc", "/Patient/9990…".to_owned()),
            ("/Patient/1", "/Patient/1".into()),
            (
                "/Patient?name=Tester&_count=2",
                "/Patient?name=…&_count=2".into(),
            ),
            (
                "/Patient/abcdefg/_history/12345678",
                "/Patient/abcd…/_history/1234…".into(),
            ),
            ("/Patient/_search", "/Patient/_search".into()),
            (
                "/Patient?name=handover-check-x",
                "/Patient?name=handover-check-x".into(),
            ),
            ("", "/".into()),
        ] {
            assert_eq!(shown(&format!("{base}{url}"), base), told);
        }
    }
}
