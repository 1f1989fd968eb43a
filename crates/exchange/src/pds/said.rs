//! What PDS says of a person, as this node keeps it: who they are and where they are registered. Of a restricted
//! patient nothing that tells where they are, whatever came.

use fhir::whereabouts::{CONFIDENTIALITY, RESTRICTED};
use serde_json::{Map, Value, json};

use fhir::members::{each, set, text};

/// What is kept of PDS's Patient.
const KEPT: [&str; 10] = [
    "resourceType",
    "id",
    "identifier",
    "meta",
    "name",
    "gender",
    "birthDate",
    "deceasedDateTime",
    "extension",
    "multipleBirthInteger",
];
/// What is kept unless it must not be known where they are.
const WHEREABOUTS: [&str; 3] = ["generalPractitioner", "address", "telecom"];
const DEATH: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-DeathNotificationStatus";
/// The code of a death that the registrar confirmed.
const FORMAL: &str = "2";

/// Whether PDS marks the person as one whose whereabouts are kept.
pub fn is_restricted(said: &Value) -> bool {
    each(said, "/meta/security").any(|it| {
        let system = text(it, "/system");
        (system.is_empty() || system == CONFIDENTIALITY) && RESTRICTED.contains(&text(it, "/code"))
    })
}

/// What is kept of an answer; `hidden` if the node itself keeps where they are.
pub fn kept(said: &Value, hidden: bool) -> Value {
    let mut kept = Map::new();
    let where_too = !hidden && !is_restricted(said);
    let names = KEPT.iter();
    for name in names.chain(WHEREABOUTS.iter().filter(|_| where_too)) {
        if let Some(value) = said.get(*name) {
            kept.insert((*name).to_string(), value.clone());
        }
    }
    let mut kept = Value::Object(kept);
    // Of the extensions, only what says of a death.
    let deaths: Vec<Value> = each(said, "/extension")
        .filter(|it| text(it, "/url") == DEATH)
        .cloned()
        .collect();
    match deaths.is_empty() {
        true => {
            if let Some(kept) = kept.as_object_mut() {
                kept.remove("extension");
            }
        }
        false => set(&mut kept, "extension", Value::Array(deaths)),
    }
    kept
}

/// The ODS code of the practice where the person is registered now.
pub fn practice(said: &Value) -> Option<&str> {
    let mut all = each(said, "/generalPractitioner");
    let found = all.find(|it| it.pointer("/identifier/period/end").is_none());
    let code = found.map(|it| text(it, "/identifier/value"));
    code.filter(|it| !it.is_empty())
}

/// When the person died, if the registrar of deaths has said so.
pub fn died(said: &Value) -> Option<&str> {
    let is_formal = each(said, "/extension").any(|it| {
        text(it, "/url") == DEATH
            && each(it, "/extension").any(|part| {
                text(part, "/url") == "deathNotificationStatus"
                    && text(part, "/valueCodeableConcept/coding/0/code") == FORMAL
            })
    });
    let at = text(said, "/deceasedDateTime");
    (is_formal && !at.is_empty()).then_some(at)
}

/// The reference to a practice by its ODS code.
pub fn practice_reference(ods: &str) -> Value {
    json!({
        "type": "Organization",
        "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": ods },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_restricted_person_nothing_is_kept_that_tells_where_they_are() {
        let said = |code: &str| {
            json!({
                "resourceType": "Patient", "id": "9000000025",
                "meta": { "security": [{ "system": CONFIDENTIALITY, "code": code }] },
                "address": [{ "postalCode": "LS1 6AE" }], "telecom": [{ "value": "01632960587" }],
                "generalPractitioner": [{ "identifier": { "value": "Y12345" } }],
                "contact": [{ "telecom": [{ "value": "01632960587" }] }],
            })
        };
        for code in ["R", "V"] {
            let kept = kept(&said(code), false).to_string();
            assert!(
                !kept.contains("LS1") && !kept.contains("01632960587"),
                "{kept}"
            );
            assert!(!kept.contains("Y12345"), "{kept}");
        }
        let open = kept(&said("U"), false).to_string();
        assert!(
            open.contains("LS1 6AE") && open.contains("Y12345"),
            "{open}"
        );
        let hidden = kept(&said("U"), true).to_string();
        assert!(
            !hidden.contains("LS1") && !hidden.contains("Y12345"),
            "{hidden}"
        );
    }

    #[test]
    fn a_death_counts_once_the_registrar_has_said_so() {
        let said = |code: &str| {
            json!({
                "deceasedDateTime": "2026-01-02T00:00:00+00:00",
                "extension": [{ "url": DEATH, "extension": [{
                    "url": "deathNotificationStatus",
                    "valueCodeableConcept": { "coding": [{ "code": code }] },
                }] }],
            })
        };
        assert!(died(&said("2")).is_some());
        assert!(died(&said("1")).is_none(), "told by a hospital only");
        assert!(died(&json!({ "deceasedDateTime": "2026-01-02" })).is_none());
    }
}
