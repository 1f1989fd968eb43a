//! Held to the published examples of EPS, where they are on this machine.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

/// The folder of the examples; said loudly where it is absent.
fn examples() -> Option<PathBuf> {
    let shared = std::env::var_os("HANDOVER_SHARED").map(PathBuf::from);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = shared.unwrap_or_else(beside).join("data/nhs/eps/examples");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: the published examples of EPS are not at {}",
        folder.display()
    );
    None
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// One of the examples, where they are.
pub(super) fn published(file: &str) -> Option<Value> {
    examples().map(|folder| read(&folder.join(file)))
}

/// The message of a prescription.
pub(super) fn sent() -> Value {
    made()
}

fn made() -> Value {
    let patient = json!({
        "resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1948-04-30",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        "name": [{"use": "official", "family": "Tester", "given": ["Amina"]}],
        "telecom": [{"value": "07700 900000"}],
    });
    let request = json!({
        "resourceType": "MedicationRequest", "id": "m2", "status": "active",
        "intent": "instance-order", "subject": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "Amlodipine 5mg tablets"},
        "basedOn": [{"reference": "MedicationRequest/m1"}],
        "courseOfTherapyType": {"coding": [{"code": "continuous"}]},
        "dosageInstruction": [{"text": "One a day"}],
        "dispenseRequest": {"numberOfRepeatsAllowed": 0, "quantity": {"value": 28}},
    });
    order(&Prescription {
        number: "628738-A83008-7EFE6P",
        practice: "A83008",
        practice_name: "Hallgarth Surgery",
        prescriber: Prescriber { name: "Dr C Boin" },
        patient: &patient,
        pharmacy: Some(("VNE51", "The Simple Pharmacy")),
        items: &[("a54219b8-f741-4c47-b662-e4f8dfa49ab6".into(), request)],
        at: 1_666_360_020_000,
    })
}

/// The names of an object's members, and of its entries' resources, as `Type.member`.
fn members(bundle: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for resource in each(bundle, "/entry").filter_map(|it| it.get("resource")) {
        let ty = text(resource, "/resourceType");
        let names = resource.as_object().into_iter().flat_map(|it| it.keys());
        found.extend(names.map(|name| format!("{ty}.{name}")));
    }
    found.sort();
    found.dedup();
    found
}

/// What the examples have and this node cannot know (decision 0171), or has no use for.
const NOT_KNOWN: [&str; 8] = [
    "Organization.address",
    "Organization.partOf",
    "Organization.telecom",
    "Patient.address",
    "Practitioner.identifier",
    "PractitionerRole.identifier",
    "PractitionerRole.telecom",
    "Provenance.id",
];

#[test]
fn a_prescription_has_the_members_of_the_published_example_but_for_what_is_named() {
    let Some(folder) = examples() else { return };
    let example = folder.join("primary-care/repeat-prescribing/1-Process-Request-Send-200_OK.json");
    let theirs = read(&example);
    let ours = signed(&made(), "c2lnbmVk", "2022-10-21T13:47:00Z");
    let ours = members(&ours);
    let lacking: Vec<String> = members(&theirs)
        .into_iter()
        .filter(|it| !ours.contains(it))
        .collect();
    assert_eq!(lacking, NOT_KNOWN);
    assert_eq!(theirs["type"], "message");
}

#[test]
fn the_examples_prescriptions_and_the_sandboxs_release_are_read() {
    let Some(folder) = examples() else { return };
    let answer = read(&folder.join("sandbox/Release-Response-200_OK.json"));
    let came = released(&answer);
    assert!(!came.is_empty());
    for one in came {
        let one = one.unwrap();
        assert!(!one.number.is_empty() && !one.practice.is_empty() && !one.items.is_empty());
        assert!(!one.prescriber.is_empty());
    }
    let example = folder.join("primary-care/repeat-prescribing/1-Process-Request-Send-200_OK.json");
    let read = prescription(&read(&example)).unwrap();
    assert_eq!(read.number, "24F5DA-A83008-7EFE6Z");
    assert_eq!((read.practice.as_str(), read.items.len()), ("A83008", 4));
    assert_eq!(read.prescriber, "DR C BOIN");
}

#[test]
fn a_prescription_goes_without_what_is_not_needed_and_comes_back_the_same() {
    let made = made();
    let text = made.to_string();
    assert!(
        !text.contains("07700 900000"),
        "no telephone number: {text}"
    );
    assert!(
        !text.contains("\"Patient/p\""),
        "no reference of ours: {text}"
    );
    let back = prescription(&made).unwrap();
    assert_eq!(back.items[0].0, "a54219b8-f741-4c47-b662-e4f8dfa49ab6");
    assert_eq!(back.prescriber, "Dr C Boin");
    assert_eq!(
        made,
        super::tests::made(),
        "the same prescription is the same message"
    );
    assert!(prescription(&json!({})).is_err());
}
