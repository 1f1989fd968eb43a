//! Which references make a strict hierarchy of one type, so that `:above` and `:below` can follow them
//! (<https://hl7.org/fhir/R4/search.html#recursive>), and what the versions of a canonical address say
//! of each other (<https://hl7.org/fhir/R4/search.html#versions>).

/// A type of which one resource is part of another, and the search parameter that says so. R4 has
/// further references of a type to itself (`replaces`, `based-on`, `derived-from`, `link`): they tell of
/// a sequence or of some other relation, and none of them makes what is true of one true of the other.
const STRICT: [(&str, &str); 10] = [
    ("CarePlan", "part-of"),
    ("Communication", "part-of"),
    ("Encounter", "part-of"),
    ("Location", "partof"),
    ("MedicationStatement", "part-of"),
    ("Organization", "partof"),
    ("Procedure", "part-of"),
    ("ResearchStudy", "partof"),
    ("Specimen", "parent"),
    ("Task", "part-of"),
];

/// The longest start of a canonical address that is searched by, in bytes: longer texts stand in an
/// index by their start and a digest.
const START_BYTES_MAX: usize = 130;

/// The code of the search parameter by which resources of a type are part of others of it.
pub(super) fn parameter(ty: &str) -> Option<&'static str> {
    let found = STRICT.iter().find(|(known, _)| *known == ty);
    found.map(|(_, parameter)| *parameter)
}

/// The types that form a hierarchy.
pub(super) fn types() -> impl Iterator<Item = &'static str> {
    STRICT.iter().map(|(ty, _)| *ty)
}

/// From where (inclusive) to where (exclusive) the references to the versions below that one stand, by
/// their bytes: those that go on with a dot or a hyphen. `None` if the start is too long.
pub(super) fn versions_below(canonical: &str) -> Option<(String, String)> {
    if canonical.len() > START_BYTES_MAX {
        return None;
    }
    // A hyphen, a dot and a slash follow each other.
    Some((format!("{canonical}-"), format!("{canonical}/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{ParameterKind, parameter as known};

    #[test]
    fn each_hierarchy_is_a_reference_of_the_type_to_itself() {
        for ty in types() {
            let code = parameter(ty).unwrap();
            let found = known(ty, code).unwrap();
            assert!(found.is_indexed(), "{ty}");
            assert_eq!(found.kind, ParameterKind::Reference, "{ty}");
            assert!(
                found.targets.is_empty() || found.targets.contains(&ty),
                "{ty} {:?}",
                found.targets
            );
        }
        assert_eq!(parameter("Patient"), None);
    }

    #[test]
    fn a_version_is_below_what_it_goes_on_from() {
        let (from, before) = versions_below("urn:a|1").unwrap();
        let is_below = |text: &str| text >= from.as_str() && text < before.as_str();
        for (version, expected) in [
            ("urn:a|1.0", true),
            ("urn:a|1.10.2", true),
            ("urn:a|1-draft", true),
            ("urn:a|10", false),
            ("urn:a|2.0", false),
            ("urn:a|1", false),
            ("urn:ab|1.0", false),
        ] {
            assert_eq!(is_below(version), expected, "{version}");
        }
        assert_eq!(versions_below(&"a".repeat(200)), None);
    }
}
