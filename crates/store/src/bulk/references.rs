//! The references in a rendered resource, found by its bytes: reading it as JSON would take most of
//! the time that a walk takes.

use std::collections::BTreeSet;

use memchr::memmem;

/// What stands before a reference's text. In a minified resource it stands nowhere else: inside a
/// string the quotes would have a backslash before them.
const REFERENCE: &[u8] = b"\"reference\":\"";
const URL: &[u8] = b"\"url\":\"Binary/";

/// The relative references (`Practitioner/1`) of a resource, each as type and id, without a version.
pub(crate) fn of(resource: &[u8]) -> BTreeSet<(&str, &str)> {
    let mut found = BTreeSet::new();
    for at in memmem::find_iter(resource, REFERENCE) {
        found.extend(resource.get(at + REFERENCE.len()..).and_then(target));
    }
    for at in memmem::find_iter(resource, URL) {
        // "Binary/" belongs to the target.
        found.extend(resource.get(at + URL.len() - 7..).and_then(target));
    }
    found
}

fn target(text: &[u8]) -> Option<(&str, &str)> {
    let end = memchr::memchr(b'"', text)?;
    let text = std::str::from_utf8(text.get(..end)?).ok()?;
    let (ty, id) = text.split_once('/')?;
    let id = id.split_once("/_history/").map_or(id, |(id, _)| id);
    let is_type = !ty.is_empty() && ty.bytes().all(|byte| byte.is_ascii_alphabetic());
    (is_type && fhir::resource::check_id(id).is_ok()).then_some((ty, id))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn references_are_found_where_they_stand_and_nowhere_else() {
        let resource = br##"{"a":{"reference":"Patient/1"},"b":[{"reference":"Practitioner/x/_history/2"},{"reference":"#contained"},{"reference":"https://a.example/Patient/9"},{"reference":"urn:uuid:1"}],"c":{"url":"Binary/b"},"d":"say \"reference\":\"Patient/7\"","e":{"url":"https://a.example"}}"##;
        let found: Vec<_> = of(resource).into_iter().collect();
        assert_eq!(
            found,
            [("Binary", "b"), ("Patient", "1"), ("Practitioner", "x")]
        );
        assert!(of(b"\"reference\":\"Patient/1").is_empty());
    }
}
