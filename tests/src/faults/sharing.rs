//! What a patient wants shared, between real nodes over mutual TLS.

use std::time::Instant;

use serde_json::{Value, json};

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

const BOUND_SECONDS: u64 = 30;

/// The hospital is not to see letters about the patient.
fn consent(patient: &str, status: &str) -> Value {
    json!({
        "resourceType": "Consent",
        "id": "wish",
        "status": status,
        "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": "urn:handover:consent", "code": "sharing" }] }],
        "patient": { "reference": format!("Patient/{patient}") },
        "policyRule": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN" }] },
        "provision": { "type": "permit", "provision": [{
            "type": "deny",
            "actor": [{
                "role": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP" }] },
                "reference": { "identifier": { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": HOSPITAL } },
            }],
            "class": [{ "system": "http://hl7.org/fhir/resource-types", "code": "DocumentReference" }],
        }] },
    })
}

/// How many letters the hospital's own system finds.
fn letters(nodes: &Neighbourhood) -> usize {
    let found = nodes
        .hospital
        .client()
        .get("/fhir/DocumentReference")
        .unwrap();
    assert_eq!(found.status, 200, "{}", found.text());
    let found = found.json();
    let entries = found["entry"].as_array().map_or(&[][..], Vec::as_slice);
    let is_letter = |entry: &&Value| entry["resource"]["resourceType"] == "DocumentReference";
    entries.iter().filter(is_letter).count()
}

fn wish(nodes: &Neighbourhood, patient: &str, status: &str) {
    let path = "/fhir/Consent/wish";
    let mut practice = nodes.practice.client();
    let answer = practice
        .send_json("PUT", path, &consent(patient, status))
        .unwrap();
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
}

fn told(nodes: &Neighbourhood) -> Vec<Option<String>> {
    let sql = "SELECT state, recipient FROM parcel WHERE kind = 'sharing-preference' \
               AND direction = 0 ORDER BY pid DESC LIMIT 1";
    nodes.practice.rows.texts(sql).pop().unwrap_or_default()
}

/// A dissent is in force at the other organisation within seconds, over mutual TLS; while it is cut
/// off it is shown as not told; and it comes by itself when the link is back.
fn is_told(nodes: &Neighbourhood) {
    nodes.register_patient();
    let found = nodes
        .practice
        .client()
        .get("/fhir/Patient?family=Tester")
        .unwrap();
    let found = found.json();
    let patient = found["entry"][0]["resource"]["id"].as_str().unwrap();
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender
        .send(&letter(HOSPITAL, PRACTICE, "SHARE1", AMINA))
        .unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
    wait_for("the letter in the inbox", BOUND_SECONDS, || {
        let rows = nodes.practice.rows.parcels(false).remove("SHARE1");
        rows.filter(|rows| rows[0].taken_in)
    });
    assert_eq!(letters(nodes), 1);
    wish(nodes, patient, "active");
    let since = Instant::now();
    wait_for("the dissent in force", BOUND_SECONDS, || {
        (letters(nodes) == 0).then_some(())
    });
    println!(
        "in force at the other node after {} ms",
        since.elapsed().as_millis()
    );
    wait_for("the receipt", BOUND_SECONDS, || {
        (told(nodes)[0].as_deref() != Some("accepted")).then_some(())
    });
    assert_eq!(told(nodes)[1].as_deref(), Some(HOSPITAL));
    nodes.to_hospital.cut();
    wish(nodes, patient, "inactive");
    wait_for("not yet told", BOUND_SECONDS, || {
        (told(nodes)[0].as_deref() == Some("waiting")).then_some(())
    });
    assert_eq!(letters(nodes), 0, "what was not told is not in force there");
    nodes.to_hospital.mend();
    wait_for("told when the link is back", 2 * BOUND_SECONDS, || {
        (letters(nodes) == 1).then_some(())
    });
}

#[test]
fn p18_a_dissent_is_in_force_at_another_node_within_seconds() {
    is_told(&Neighbourhood::start());
}

#[test]
fn p18_a_dissent_is_in_force_at_another_node_within_seconds_on_postgres() {
    if let Some(url) = store::testing::postgres_url() {
        is_told(&Neighbourhood::start_on(Some(&url)));
    }
}
