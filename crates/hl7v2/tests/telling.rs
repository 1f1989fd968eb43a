//! FHIR changes told as HL7 v2: which event, what the message holds, and that our own reading of it
//! gives the facts back.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/examples.rs"]
mod examples;

use examples::context;
use hl7v2::from_fhir::{Around, Change, Envelope, Part, event, message};
use hl7v2::to_fhir::{Mapped, map};
use hl7v2::{Message, parse};
use serde_json::{Value, json};

fn envelope() -> Envelope {
    Envelope {
        control_id: "C1".into(),
        sent_at: 1_714_559_400_000,
        organisation: "RXX01".into(),
        application: "LAB".into(),
        facility: "RXX01".into(),
    }
}

fn kind(now: &Value, before: Option<&Value>) -> String {
    event(Change { now, before }).map_or("none".into(), |event| event.shown())
}

fn told(resource: &Value, around: &Around) -> Message {
    let event = event(Change {
        now: resource,
        before: None,
    });
    let bytes = message(event.unwrap(), resource, around, &envelope());
    parse(&bytes).unwrap_or_else(|fault| panic!("{fault}: {}", String::from_utf8_lossy(&bytes)))
}

fn patient() -> Value {
    json!({"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1951-03-04",
        "identifier": [
            {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"},
            {"system": "urn:handover:hl7v2:identifier:RXX01:PAS", "value": "H|1",
                "type": {"coding": [{"code": "MR"}]}}
        ],
        "name": [{"use": "official", "family": "O^Tester", "given": ["Amina", "Jane"], "prefix": ["Mrs"]}],
        "address": [{"use": "home", "line": ["1 Any Street"], "city": "Leeds", "postalCode": "LS1 1AA"}],
        "telecom": [{"system": "phone", "value": "0113 496 0001"}]})
}

fn around() -> Around {
    Around {
        patient: patient(),
        ..Around::default()
    }
}

fn read_back(message: &Message) -> Mapped {
    map(message, &context()).unwrap_or_else(|problem| panic!("{problem}"))
}

fn one<'m>(mapped: &'m Mapped, ty: &str) -> &'m Value {
    let found = mapped.resources.iter().find(|made| made.ty == ty);
    &found.unwrap_or_else(|| panic!("no {ty}")).resource
}

#[test]
fn each_change_becomes_its_event() {
    let patient = patient();
    assert_eq!(kind(&patient, None), "ADT^A28");
    assert_eq!(kind(&patient, Some(&patient)), "ADT^A31");
    let mut replaced = patient.clone();
    replaced["link"] = json!([{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]);
    assert_eq!(kind(&replaced, Some(&patient)), "ADT^A40");
    assert_eq!(kind(&replaced, Some(&replaced)), "ADT^A31");
    let visit = |status: &str, class: &str| json!({"resourceType": "Encounter", "status": status, "class": {"code": class}});
    for (now, before, expected) in [
        ("planned", None, "ADT^A05"),
        ("in-progress", None, "ADT^A01"),
        ("in-progress", Some("in-progress"), "ADT^A08"),
        ("in-progress", Some("finished"), "ADT^A13"),
        ("finished", Some("in-progress"), "ADT^A03"),
        ("cancelled", Some("planned"), "ADT^A11"),
        ("cancelled", Some("cancelled"), "none"),
    ] {
        let before = before.map(|status| visit(status, "IMP"));
        assert_eq!(kind(&visit(now, "IMP"), before.as_ref()), expected, "{now}");
    }
    assert_eq!(kind(&visit("arrived", "AMB"), None), "ADT^A04");
    let report = |status: &str| json!({"resourceType": "DiagnosticReport", "status": status});
    assert_eq!(kind(&report("final"), None), "ORU^R01");
    assert_eq!(kind(&report("registered"), None), "none");
    let document = json!({"resourceType": "DocumentReference", "status": "current"});
    let mut wrong = document.clone();
    wrong["status"] = json!("entered-in-error");
    assert_eq!(kind(&document, None), "MDM^T02");
    assert_eq!(kind(&document, Some(&document)), "MDM^T08");
    assert_eq!(kind(&wrong, Some(&document)), "MDM^T11");
    assert_eq!(kind(&wrong, None), "none");
    let booking = |status: &str, start: &str| json!({"resourceType": "Appointment", "status": status, "start": start});
    let booked = booking("booked", "2024");
    assert_eq!(kind(&booked, None), "SIU^S12");
    assert_eq!(kind(&booking("booked", "2025"), Some(&booked)), "SIU^S13");
    assert_eq!(kind(&booked, Some(&booked)), "SIU^S14");
    assert_eq!(
        kind(&booking("cancelled", "2024"), Some(&booked)),
        "SIU^S15"
    );
    assert_eq!(kind(&booking("noshow", "2024"), Some(&booked)), "SIU^S26");
    assert_eq!(kind(&json!({"resourceType": "Task"}), None), "none");
}

#[test]
fn a_patient_that_is_told_is_read_back_the_same() {
    let message = told(&patient(), &around());
    assert_eq!(message.value("MSH", 9, 3), "ADT_A05");
    assert_eq!(message.value("MSH", 18, 1), "UNICODE UTF-8");
    let mapped = read_back(&message);
    let back = one(&mapped, "Patient");
    assert_eq!(back["name"][0]["family"], "O^Tester");
    assert_eq!(back["name"][0]["given"], json!(["Amina", "Jane"]));
    assert_eq!(back["birthDate"], "1951-03-04");
    assert_eq!(back["gender"], "female");
    assert_eq!(back["identifier"][0]["value"], "9990000018");
    assert_eq!(back["identifier"][1]["value"], "H|1");
    assert_eq!(
        back["identifier"][1]["system"],
        "urn:handover:hl7v2:identifier:RXX01:PAS"
    );
    assert_eq!(back["address"][0]["postalCode"], "LS1 1AA");
    assert_eq!(back["telecom"][0]["value"], "0113 496 0001");
}

#[test]
fn a_merge_is_told_with_the_one_that_stays_first() {
    let mut given_up = patient();
    given_up["link"] = json!([{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]);
    let mut stays = patient();
    stays["id"] = json!("p2");
    stays["identifier"][1]["value"] = json!("H2");
    let around = Around {
        patient: given_up.clone(),
        other: Some(stays),
        ..Around::default()
    };
    let message = told(&given_up, &around);
    assert_eq!(message.value("MSH", 9, 2), "A40");
    let mapped = read_back(&message);
    let patients = mapped.resources.iter().filter(|made| made.ty == "Patient");
    assert_eq!(patients.count(), 2);
}

#[test]
fn results_are_told_with_their_digits_units_and_words() {
    let report = json!({"resourceType": "DiagnosticReport", "id": "r1", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "58410-2", "display": "FBC"}]},
        "effectiveDateTime": "2024-06-01T09:00:00+01:00", "issued": "2024-06-01T11:00:00Z",
        "conclusion": "Normal."});
    let quantity: Value = serde_json::from_str(
        r#"{"resourceType": "Observation", "status": "final", "code": {"text": "Hb"},
            "valueQuantity": {"value": 131.50, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"},
            "referenceRange": [{"low": {"value": 115}, "high": {"value": 165}}],
            "interpretation": [{"coding": [{"code": "N"}]}], "note": [{"text": "Line one\nline two"}]}"#,
    )
    .unwrap();
    let words = json!({"resourceType": "Observation", "status": "preliminary", "code": {"text": "Film"},
        "valueString": "Reviewed | agreed\nTwo lines"});
    let pair = json!({"resourceType": "Observation", "status": "final", "code": {"text": "BP"}, "component": [
        {"code": {"text": "Systolic"}, "valueQuantity": {"value": 120}},
        {"code": {"text": "Diastolic"}, "valueQuantity": {"value": 80, "comparator": "<"}}]});
    let around = Around {
        results: vec![quantity, words, pair],
        ..around()
    };
    let message = told(&report, &around);
    let obx: Vec<_> = message.segments().filter(|s| s.name() == "OBX").collect();
    assert_eq!(obx.len(), 4);
    assert_eq!(
        (&*obx[0].value(2, 1), &*obx[0].value(5, 1)),
        ("NM", "131.50")
    );
    assert_eq!(obx[0].value(7, 1), "115-165");
    assert_eq!(obx[3].value(4, 1), "2");
    assert_eq!((&*obx[3].value(2, 1), &*obx[3].value(5, 1)), ("SN", "<"));
    let mapped = read_back(&message);
    let back = one(&mapped, "DiagnosticReport");
    assert_eq!(back["status"], "final");
    assert_eq!(back["effectiveDateTime"], "2024-06-01T09:00:00+01:00");
    let results: Vec<&Value> = mapped
        .resources
        .iter()
        .filter(|made| made.ty == "Observation")
        .map(|made| &made.resource)
        .collect();
    assert_eq!(results[0]["valueQuantity"]["value"].to_string(), "131.50");
    assert_eq!(results[0]["note"][0]["text"], "Line one\nline two");
    assert_eq!(results[1]["valueString"], "Reviewed | agreed\nTwo lines");
}

#[test]
fn documents_are_told_with_their_content() {
    let document = json!({"resourceType": "DocumentReference", "id": "d1", "status": "current",
        "description": "Discharge summary", "masterIdentifier": {"value": "D500"},
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/d0"}}]});
    let part = |kind: &str, bytes: &[u8]| Part {
        content_type: kind.into(),
        bytes: bytes.to_vec(),
    };
    let around = Around {
        parts: vec![
            part("application/pdf", b"%PDF-1.7\n"),
            part(
                "text/plain; charset=utf-8",
                "Dear all,\n\nwell | done".as_bytes(),
            ),
        ],
        ..around()
    };
    let message = told(&document, &around);
    assert_eq!(message.value("MSH", 9, 2), "T10");
    let letter = read_back(&message).letter.unwrap();
    assert_eq!(letter.title, "Discharge summary");
    assert_eq!(letter.content[0].bytes, b"%PDF-1.7\n");
    let text = str::from_utf8(&letter.content[1].bytes).unwrap();
    assert_eq!(text, "Dear all,\n\nwell | done");
    assert!(letter.replaces.is_some());
}

#[test]
fn bookings_are_told_and_read_back_the_same() {
    let booking = json!({"resourceType": "Appointment", "id": "a1", "status": "booked",
        "identifier": [{"value": "F7"}], "minutesDuration": 30,
        "start": "2024-07-01T09:00:00+01:00", "end": "2024-07-01T09:30:00+01:00",
        "serviceType": [{"coding": [{"code": "CARD", "system": "http://snomed.info/sct"}]}],
        "participant": [
            {"actor": {"reference": "Patient/p1"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/x", "display": "Dr Ravi Patel"}, "status": "accepted"},
            {"actor": {"reference": "Location/y", "display": "Room 1"}, "status": "accepted"}]});
    let mapped = read_back(&told(&booking, &around()));
    let back = one(&mapped, "Appointment");
    assert_eq!(
        (&back["status"], &back["start"]),
        (&booking["status"], &booking["start"])
    );
    assert_eq!(back["end"], booking["end"]);
    assert_eq!(back["serviceType"][0]["coding"][0]["code"], "CARD");
    assert_eq!(back["participant"].as_array().unwrap().len(), 3);
}
