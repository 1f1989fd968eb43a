//! Which patients' compartments a resource is in
//! (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>).

use crate::definitions::Definitions;
use crate::json::Json;
use crate::path::Item;
use crate::resource::check_id;
use crate::search::parameter;

/// The ids of the Patients whose compartment holds the resource, each once: the Patient itself, what
/// refers to it as the compartment's definition says, a Binary whose `securityContext` is the
/// Patient, and a Task that is for the Patient: R5 has those in the compartment, and what somebody asked
/// for is not for all to see. Only relative references (`Patient/1`) count: a patient of another server is not ours.
pub fn patients(ty: &str, resource: &Json<'_>) -> Vec<String> {
    let definitions = Definitions::r4();
    let mut found = Vec::new();
    match ty {
        "Patient" => add(resource.text("id"), &mut found),
        "Binary" => add(
            resource.get("securityContext").and_then(patient),
            &mut found,
        ),
        "Task" => add(resource.get("for").and_then(patient), &mut found),
        _ => {}
    }
    let codes = definitions
        .compartment
        .get(ty)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for path in codes
        .iter()
        .filter_map(|code| parameter(ty, code)?.path.as_ref())
    {
        path.each(resource, definitions, &mut |item| {
            if let Item::Node { json, .. } = item {
                add(patient(json), &mut found);
            }
        });
    }
    found
}

/// The types that can be in a patient's compartment: those of the definition, Binary and Task.
pub fn types() -> Vec<String> {
    let definitions = Definitions::r4();
    let mut types: Vec<String> = definitions
        .compartment
        .keys()
        .map(ToString::to_string)
        .collect();
    types.extend(["Binary", "Patient", "Task"].map(str::to_string));
    types.sort_unstable();
    types.dedup();
    types
}

fn add(id: Option<&str>, found: &mut Vec<String>) {
    if let Some(id) = id
        && !found.iter().any(|known| known == id)
    {
        found.push(id.to_string());
    }
}

/// The id in a Reference to one of our Patients.
fn patient<'r>(reference: &'r Json<'_>) -> Option<&'r str> {
    let id = reference.text("reference")?.strip_prefix("Patient/")?;
    let id = id.split_once("/_history/").map_or(id, |(id, _)| id);
    check_id(id).ok().map(|()| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn of(resource: &str) -> Vec<String> {
        let json = parse(resource.as_bytes(), &Limits::default()).unwrap();
        patients(json.text("resourceType").unwrap(), &json)
    }

    #[test]
    fn a_resource_is_in_the_compartment_of_whom_it_is_about() {
        for (resource, expected) in [
            (
                r#"{"resourceType":"Patient","id":"a","link":[{"other":{"reference":"Patient/b"}}]}"#,
                vec!["a", "b"],
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Patient/a/_history/3"},"performer":[{"reference":"Patient/a"}]}"#,
                vec!["a"],
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"Group/a"}}"#,
                vec![],
            ),
            (
                r#"{"resourceType":"Observation","subject":{"reference":"https://other.example/fhir/Patient/a"}}"#,
                vec![],
            ),
            (
                r#"{"resourceType":"Binary","securityContext":{"reference":"Patient/a"}}"#,
                vec!["a"],
            ),
            (
                r#"{"resourceType":"Binary","securityContext":{"reference":"DocumentReference/a"}}"#,
                vec![],
            ),
            (
                r#"{"resourceType":"DocumentReference","subject":{"reference":"Patient/a"}}"#,
                vec!["a"],
            ),
            (
                r#"{"resourceType":"Provenance","target":[{"reference":"Patient/a"},{"reference":"Patient/b"},{"reference":"Observation/c"}]}"#,
                vec!["a", "b"],
            ),
            (
                r#"{"resourceType":"Encounter","subject":{"reference":"Patient/a"}}"#,
                vec!["a"],
            ),
            (
                r#"{"resourceType":"Appointment","participant":[{"actor":{"reference":"Patient/a"}},{"actor":{"reference":"Location/b"}}]}"#,
                vec!["a"],
            ),
            (r#"{"resourceType":"Organization","id":"a"}"#, vec![]),
        ] {
            assert_eq!(of(resource), expected, "{resource}");
        }
    }
}
