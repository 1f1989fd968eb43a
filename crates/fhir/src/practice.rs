//! The practice that a Patient names (<https://hl7.org/fhir/R4/patient-definitions.html#Patient.generalPractitioner>): by an
//! ODS code beside the reference, or by nothing but a reference to an Organization that has the code.

use serde_json::Value;

use crate::json::Json;
use crate::members::{each, text};
use crate::search::target;

/// The system of ODS codes.
pub const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// What a Patient says of its practice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The first ODS code beside a reference.
    pub code: Option<String>,
    /// References to Organizations, here or elsewhere, as they are written and in their order.
    pub references: Vec<String>,
}

impl Named {
    /// Reads it from a Patient.
    pub fn of(patient: &Json<'_>) -> Named {
        let mut named = Named::default();
        for practice in patient.items("generalPractitioner") {
            let identifier = practice.get("identifier");
            let code = identifier.filter(|it| it.text("system") == Some(ODS));
            let code = code.and_then(|it| it.text("value"));
            if named.code.is_none() {
                named.code = code.map(str::to_string);
            }
            let reference = practice.text("reference");
            let reference = reference.filter(|it| it.contains("Organization/"));
            named.references.extend(reference.map(str::to_string));
        }
        named
    }

    /// The id of the first Organization of this node that is referred to, where no code says more. `base_url` is the node's
    /// own FHIR address, empty if there is none: references to it count as relative ones do.
    pub fn organization(&self, base_url: &str) -> Option<&str> {
        if self.code.is_some() {
            return None;
        }
        let here = |it| target(it, base_url).filter(|(ty, _)| *ty == "Organization");
        let mut references = self.references.iter();
        references.find_map(|it| here(it.as_str()).map(|(_, id)| id))
    }
}

/// The ODS code of an Organization; one that is marked as old does not count.
pub fn code_of<'j>(organization: &'j Json<'_>) -> Option<&'j str> {
    let identifiers = organization.items("identifier").iter();
    let is_code = |it: &&Json<'_>| it.text("system") == Some(ODS) && it.text("use") != Some("old");
    let mut codes = identifiers
        .filter(is_code)
        .filter_map(|it| it.text("value"));
    codes.find(|it| !it.is_empty())
}

/// `code_of`, of an Organization that is not stored yet.
pub fn code_in(organization: &Value) -> Option<&str> {
    each(organization, "/identifier")
        .filter(|it| text(it, "/system") == ODS && text(it, "/use") != "old")
        .map(|it| text(it, "/value"))
        .find(|it| !it.is_empty())
}

/// The first ODS code that a Patient has beside a reference to a practice.
pub fn code_beside(patient: &Value) -> Option<&str> {
    each(patient, "/generalPractitioner")
        .filter(|it| text(it, "/identifier/system") == ODS)
        .map(|it| text(it, "/identifier/value"))
        .find(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::{Limits, parse};

    const HERE: &str = "https://node.example.nhs.uk/fhir";

    fn named(practices: &Value) -> Named {
        let patient = json!({ "resourceType": "Patient", "generalPractitioner": practices });
        let text = patient.to_string();
        Named::of(&parse(text.as_bytes(), &Limits::default()).unwrap())
    }

    fn organization(practices: &Value) -> Option<String> {
        named(practices).organization(HERE).map(str::to_owned)
    }

    #[test]
    fn a_reference_names_an_organization_of_this_node_or_none() {
        for (reference, expected) in [
            ("Organization/x", Some("x")),
            ("Organization/x/_history/2", Some("x")),
            ("https://node.example.nhs.uk/fhir/Organization/x", Some("x")),
            ("https://other.example.nhs.uk/fhir/Organization/x", None),
            ("https://node.example.nhs.uk/fhirs/Organization/x", None),
            ("Practitioner/x", None),
            ("Organization/", None),
            ("Organization/x y", None),
            ("#Organization/x", None),
            ("urn:uuid:4d1f0b5e-6f0a-4c0f-9d43-0c8cf2f6a001", None),
        ] {
            let found = organization(&json!([{ "reference": reference }]));
            assert_eq!(found.as_deref(), expected, "{reference}");
        }
        let relative = named(&json!([{ "reference": "Organization/x" }]));
        assert_eq!(relative.organization(""), Some("x"));
    }

    #[test]
    fn a_code_beside_a_reference_goes_before_what_is_referred_to() {
        let code = json!({ "system": ODS, "value": "A81001" });
        let practices = json!([
            { "reference": "Organization/x" },
            { "reference": "Organization/y", "identifier": code },
        ]);
        let both = named(&practices);
        assert_eq!(both.code.as_deref(), Some("A81001"));
        assert_eq!(both.organization(HERE), None);
        let patient = json!({ "generalPractitioner": practices });
        assert_eq!(code_beside(&patient), Some("A81001"));
        let other = json!([
            { "reference": "Practitioner/gp", "identifier": { "system": "urn:gmc", "value": "1" } },
            { "reference": "Organization/y" },
        ]);
        assert_eq!(organization(&other).as_deref(), Some("y"));
        assert_eq!(code_beside(&json!({ "generalPractitioner": other })), None);
    }

    #[test]
    fn an_organization_s_old_code_does_not_count() {
        let organization = json!({ "resourceType": "Organization", "identifier": [
            { "system": "urn:other", "value": "7" },
            { "use": "old", "system": ODS, "value": "A81999" },
            { "system": ODS, "value": "A81001" },
        ] });
        assert_eq!(code_in(&organization), Some("A81001"));
        let text = organization.to_string();
        let read = parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(code_of(&read), Some("A81001"));
        let none = json!({ "resourceType": "Organization", "name": "A surgery" });
        assert_eq!(code_in(&none), None);
    }
}
