use base64::Engine as _;

use super::*;
use crate::json::{self, Limits};

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]},
    "identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765919"}],
    "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">17 Larkspur Row</div>"},
    "name":[{"family":"Hill"}],"birthDate":"1980-02-03",
    "address":[{"line":["17 Larkspur Row"],"city":"Wetherby","postalCode":"LS22 6RN"}],
    "telecom":[{"system":"phone","value":"01937 555 0133"}],
    "contact":[{"name":{"family":"Hill"},"telecom":[{"system":"phone","value":"07700 900461"}]}],
    "generalPractitioner":[{"type":"Organization","identifier":{"system":"https://fhir.nhs.uk/Id/ods-organization-code","value":"A81001"},"display":"Larkfield Surgery"}],
    "extension":[{"url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NominatedPharmacy","valueReference":{"reference":"Organization/pharmacy-1"}}]}"#;

/// Each word that tells where the patient is.
const CANARIES: [&str; 9] = [
    "Larkspur",
    "Wetherby",
    "LS22",
    "6RN",
    "01937",
    "900461",
    "A81001",
    "Larkfield",
    "pharmacy-1",
];

fn read(text: &str) -> Json<'_> {
    json::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn clean(resource: &Json<'_>, places: &Places) -> String {
    let redacted = redact(resource, places).expect("there is something to take out");
    let text = String::from_utf8(redacted.to_bytes()).unwrap();
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in {text}");
    }
    text
}

#[test]
fn p13_a_patient_keeps_who_they_are_and_loses_where_they_are() {
    let patient = read(PATIENT);
    let text = clean(&patient, &Places::of(&patient));
    for kept in ["9434765919", "Hill", "1980-02-03", "\"masked\"", "REDACTED"] {
        assert!(text.contains(kept), "{kept} is not in {text}");
    }
}

#[test]
fn p13_words_are_found_in_any_text_and_spelling() {
    let places = Places::of(&read(PATIENT));
    let note = r#"{"resourceType":"Observation","note":[{"text":"Lives at 17 larkspur row, LS226RN; rang 019375550133 (Larkfield Surgery)."}],
        "valueString":"fit and well"}"#;
    let text = clean(&read(note), &places);
    assert!(text.contains("Lives at [withheld], [withheld]; rang [withheld] ([withheld])."));
    assert!(text.contains("fit and well"));
}

#[test]
fn p13_what_refers_to_a_place_refers_to_nothing() {
    let places = Places::default();
    let encounter = r##"{"resourceType":"Encounter","status":"finished","contained":[{"resourceType":"Location","id":"w","name":"Ward 7"}],
        "location":[{"location":{"reference":"#w"}}],"serviceProvider":{"display":"Larkfield"},
        "participant":[{"individual":{"reference":"Practitioner/d"}},{"individual":{"reference":"http://a.example/PractitionerRole/Larkspur"}}]}"##;
    let text = clean(&read(encounter), &places);
    assert!(!text.contains("Ward 7") && !text.contains("#w"), "{text}");
    assert!(text.contains("Practitioner/d"));
}

#[test]
fn p13_a_letters_words_are_masked_and_a_picture_is_withheld_whole() {
    let places = Places::of(&read(PATIENT));
    let letter = BASE64.encode("Dear Ms Hill, 17 Larkspur Row. Your potassium is 4.1.");
    let binary = |kind: &str, data: &str| {
        format!(r#"{{"resourceType":"Binary","contentType":"{kind}","data":"{data}"}}"#)
    };
    let text = binary("text/plain", &letter);
    let redacted = redact(&read(&text), &places).unwrap();
    let data = BASE64.decode(redacted.text("data").unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(data).unwrap(),
        "Dear Ms Hill, [withheld]. Your potassium is 4.1."
    );
    let pdf = binary("application/pdf", &letter);
    let redacted = redact(&read(&pdf), &places).unwrap();
    let data = BASE64.decode(redacted.text("data").unwrap()).unwrap();
    assert!(
        String::from_utf8(data)
            .unwrap()
            .starts_with("This document is withheld")
    );
    assert_eq!(
        redacted.text("contentType"),
        Some("text/plain;charset=utf-8")
    );
}

#[test]
fn what_tells_nothing_is_left_as_it_is() {
    let places = Places::of(&read(PATIENT));
    let plain = r#"{"resourceType":"Observation","status":"final","code":{"text":"Potassium"}}"#;
    assert_eq!(redact(&read(plain), &places), None);
    let once = redact(&read(PATIENT), &places).unwrap();
    assert_eq!(
        redact(&once, &places),
        None,
        "and redacting twice changes nothing"
    );
}

#[test]
fn p16_who_writes_back_what_they_read_takes_nothing_away() {
    let patient = read(PATIENT);
    let redacted = redact(&patient, &Places::of(&patient)).unwrap();
    let filled = fill(&redacted, &patient).unwrap();
    for name in ["address", "telecom", "generalPractitioner"] {
        assert_eq!(filled.get(name), patient.get(name), "{name}");
    }
    let moved = read(r#"{"resourceType":"Patient","address":[{"city":"York"}]}"#);
    assert_eq!(fill(&moved, &patient), None);
}

#[test]
fn places_come_back_from_their_lines() {
    let places = Places::of(&read(PATIENT));
    assert_eq!(Places::from_lines(&places.to_lines()), places);
}
