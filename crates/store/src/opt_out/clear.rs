//! Whom a resource names, wherever in it: what is left out whole is decided by this.

use std::collections::BTreeSet;

use access::NhsNumber;
use access::disclosure;
use fhir::json::Json;

/// The systems under which NHS numbers stand: FHIR's, and the one that HL7 v2 and CDA left.
const SYSTEMS: [&str; 2] = [NhsNumber::SYSTEM, "urn:oid:2.16.840.1.113883.2.1.4.1"];
/// Ten digits at least must be there before a text is read for numbers.
const DIGITS_MIN: usize = 10;
/// The longest id of a resource.
const ID_MAX: usize = 64;

/// The people whom a resource names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Ids that stand after `Patient/`, in references, addresses and any other text.
    pub(super) patients: BTreeSet<String>,
    /// NHS numbers that say that they are.
    pub(super) identified: BTreeSet<u64>,
    /// NHS numbers that stand in any text: they may be something else of ten digits.
    pub(super) mentioned: BTreeSet<u64>,
    /// Whether a person is named whom nobody can tell: a patient inside the resource or in a
    /// reference, without an NHS number.
    pub(super) is_unknown: bool,
}

impl Named {
    pub(super) fn of(resource: &Json<'_>) -> Named {
        let mut named = Named::default();
        named.look(resource, true);
        named
    }

    fn look(&mut self, json: &Json<'_>, is_root: bool) {
        match json {
            Json::String(text) => self.read(text),
            Json::Number(text) => self.read(text),
            Json::Array(items) => items.iter().for_each(|item| self.look(item, false)),
            Json::Object(members) => {
                let number = number(json);
                self.identified.extend(number);
                let is_patient = !is_root && json.text("resourceType") == Some("Patient");
                let mut identifiers = json.items("identifier").iter();
                let is_identified = identifiers.any(|it| self::number(it).is_some());
                let is_loose = json.text("type") == Some("Patient")
                    && json.get("reference").is_none()
                    && json
                        .get("identifier")
                        .is_none_or(|it| self::number(it).is_none());
                self.is_unknown |= (is_patient && !is_identified) || is_loose;
                members
                    .iter()
                    .for_each(|(_, value)| self.look(value, false));
            }
            Json::Null | Json::Bool(_) => {}
        }
    }

    fn read(&mut self, text: &str) {
        for (at, start) in text.match_indices("Patient/") {
            let rest = text.get(at + start.len()..).unwrap_or_default();
            let is_id = |letter: char| letter.is_ascii_alphanumeric() || "-.".contains(letter);
            let id: String = rest
                .chars()
                .take_while(|it| is_id(*it))
                .take(ID_MAX)
                .collect();
            if !id.is_empty() {
                self.patients.insert(id);
            }
        }
        if text.bytes().filter(u8::is_ascii_digit).count() >= DIGITS_MIN {
            self.mentioned
                .extend(disclosure::numbers(text).map(|it| packed(&it)));
        }
    }
}

/// The ten digits as a number.
pub(super) fn packed(number: &NhsNumber) -> u64 {
    number.digits().parse().unwrap_or_default()
}

/// The NHS number of an identifier.
fn number(identifier: &Json<'_>) -> Option<u64> {
    let system = identifier.text("system")?;
    let value = identifier.text("value")?;
    let is_one = SYSTEMS.contains(&system);
    is_one
        .then(|| NhsNumber::parse(value).ok())
        .flatten()
        .map(|it| packed(&it))
}

#[cfg(test)]
mod tests {
    use fhir::json::{Limits, parse};

    use super::*;

    fn named(text: &str) -> Named {
        Named::of(&parse(text.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn p20_a_resource_names_people_in_references_addresses_and_text() {
        let it = named(
            r##"{"resourceType":"Observation","subject":{"reference":"Patient/a"},
            "performer":[{"reference":"https://x.example/fhir/Patient/b/_history/2"}],
            "note":[{"text":"see \u0050atient\/c, and Patient/"}],
            "text":{"div":"<div>NHS 943 476 5919</div>"}}"##,
        );
        let ids: Vec<&str> = it.patients.iter().map(String::as_str).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(it.mentioned, BTreeSet::from([9434765919]));
        assert!(it.identified.is_empty() && !it.is_unknown);
    }

    #[test]
    fn p20_numbers_that_say_what_they_are_are_told_from_others() {
        for system in SYSTEMS {
            let it = named(&format!(
                r#"{{"resourceType":"RelatedPerson","identifier":[{{"system":"{system}","value":"943 476 5919"}}]}}"#
            ));
            assert_eq!(it.identified, BTreeSet::from([9434765919]), "{system}");
        }
        let other =
            named(r#"{"identifier":[{"system":"urn:x","value":"9434765919"}],"a":9434765919}"#);
        assert!(other.identified.is_empty());
        assert_eq!(other.mentioned, BTreeSet::from([9434765919]));
    }

    #[test]
    fn p20_a_patient_inside_without_a_number_is_nobody_that_can_be_asked_about() {
        let inside = r##"{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p","name":[{"family":"X"}]}],"subject":{"reference":"#p"}}"##;
        assert!(named(inside).is_unknown);
        let logical = r#"{"resourceType":"Observation","subject":{"type":"Patient","identifier":{"system":"urn:mrn","value":"7"}}}"#;
        assert!(named(logical).is_unknown);
        let known = r#"{"resourceType":"Observation","subject":{"type":"Patient","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}}}"#;
        assert!(!named(known).is_unknown);
        assert!(!named(r#"{"resourceType":"Patient","id":"p"}"#).is_unknown);
    }
}
