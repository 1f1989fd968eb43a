//! Messages translated to FHIR: what becomes of them, identities, letters, and hostile input.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/examples.rs"]
mod examples;

use examples::{context, fault};
use hl7v2::parse;
use hl7v2::to_fhir::{Mapped, map, supports};
use serde_json::Value;

fn mapped(text: &str) -> Mapped {
    let text = text.replace('\n', "\r");
    map(&parse(text.as_bytes()).unwrap(), &context()).unwrap()
}

fn one<'m>(mapped: &'m Mapped, ty: &str) -> &'m Value {
    let mut found = mapped.resources.iter().filter(|m| m.ty == ty);
    let first = found.next().unwrap_or_else(|| panic!("no {ty}"));
    assert!(found.next().is_none(), "more than one {ty}");
    &first.resource
}

const ADMISSION: &str = r"MSH|^~\&|PAS|RXX01|HANDOVER|RXX01|20240601103000||ADT^A01^ADT_A01|1|P|2.4
EVN|A01|20240601102900
PID|1||H100001^^^RXX01^MR~9990000018^^^NHS^NH||TESTER^AMINA^JANE^^MRS^^L||19510304|F|||1 ANY STREET^^LEEDS^^LS1 1AA^^H||0113 496 0001^PRN^PH
PD1|||WILLOW LANE SURGERY^^A99999|G9999981^CARTER^JOHN^^^DR^^^GMC^^^^^^A99999
PV1|1|I|WARD5^BAY2^BED3^RXX01||||C9999981^PATEL^RAVI^^^DR^^^GMC|||300||||19|||||V0001^^^RXX01^VN|||||||||||||||||||||||||20240601100000
";

#[test]
fn a_patient_s_practice_is_told_by_its_code_beside_the_reference() {
    let pd1 = ADMISSION.lines().find(|it| it.starts_with("PD1")).unwrap();
    let message = ADMISSION.replace(pd1, "PD1||||A99999^^^^^^^^ODS");
    let mapped = mapped(&message);
    let practice = &one(&mapped, "Patient")["generalPractitioner"][0];
    let reference = practice["reference"].as_str().unwrap();
    let mut named = mapped.resources.iter();
    assert!(named.any(|it| format!("{}/{}", it.ty, it.id) == reference));
    assert_eq!(
        practice["identifier"],
        serde_json::json!({
            "system": "https://fhir.nhs.uk/Id/ods-organization-code",
            "value": "A99999",
        })
    );
}

#[test]
fn an_admission_becomes_patient_visit_and_people() {
    let mapped = mapped(ADMISSION);
    let patient = one(&mapped, "Patient");
    assert_eq!(
        patient["identifier"][1]["system"],
        "https://fhir.nhs.uk/Id/nhs-number"
    );
    assert_eq!(patient["identifier"][1]["value"], "9990000018");
    assert_eq!(patient["name"][0]["family"], "TESTER");
    assert_eq!(
        patient["name"][0]["given"],
        serde_json::json!(["AMINA", "JANE"])
    );
    assert_eq!(patient["birthDate"], "1951-03-04");
    assert_eq!(patient["gender"], "female");
    assert_eq!(patient["address"][0]["line"][0], "1 ANY STREET");
    assert_eq!(patient["generalPractitioner"].as_array().unwrap().len(), 2);
    let encounter = one(&mapped, "Encounter");
    assert_eq!(encounter["status"], "in-progress");
    assert_eq!(encounter["class"]["code"], "IMP");
    assert_eq!(encounter["period"]["start"], "2024-06-01T10:00:00+01:00");
    assert_eq!(
        encounter["subject"]["reference"],
        format!("Patient/{}", patient["id"].as_str().unwrap())
    );
    assert_eq!(
        encounter["participant"][0]["individual"]["display"],
        "DR RAVI PATEL"
    );
    let provenance = one(&mapped, "Provenance");
    assert_eq!(
        provenance["entity"][0]["what"]["identifier"]["value"],
        "PAS|RXX01|1"
    );
    assert_eq!(
        provenance["target"].as_array().unwrap().len(),
        mapped.resources.len() - 1
    );
    for made in &mapped.resources {
        assert_eq!(fault(&made.resource), None, "{}", made.ty);
    }
}

#[test]
fn the_same_patient_and_visit_in_two_messages_are_the_same_resources() {
    let admission = mapped(ADMISSION);
    let discharge = mapped(
        &ADMISSION
            .replace("A01", "A03")
            .replace("|1|P|", "|2|P|")
            .replace("AMINA", "AMIRA"),
    );
    for ty in ["Patient", "Encounter"] {
        assert_eq!(one(&admission, ty)["id"], one(&discharge, ty)["id"], "{ty}");
    }
    assert_eq!(one(&discharge, "Encounter")["status"], "finished");
    let elsewhere = mapped(&ADMISSION.replace("RXX01", "RYY01"));
    assert_ne!(
        one(&admission, "Patient")["id"],
        one(&elsewhere, "Patient")["id"]
    );
}

#[test]
fn two_people_under_one_nhs_number_stay_two() {
    let only_nhs = ADMISSION.replace("H100001^^^RXX01^MR~", "");
    let other = only_nhs.replace("19510304", "19620304");
    assert_ne!(
        one(&mapped(&only_nhs), "Patient")["id"],
        one(&mapped(&other), "Patient")["id"]
    );
    let unborn = only_nhs.replace("19510304", "").replace('\n', "\r");
    let problem = map(&parse(unborn.as_bytes()).unwrap(), &context()).unwrap_err();
    assert_eq!(problem.expression.as_deref(), Some("PID-7"));
}

#[test]
fn an_update_says_nothing_of_the_visit_s_state() {
    let update = mapped(
        &ADMISSION
            .replace("A01", "A08")
            .replace("0113 496 0001^PRN^PH", "\"\""),
    );
    let encounter = update
        .resources
        .iter()
        .find(|m| m.ty == "Encounter")
        .unwrap();
    assert_eq!(encounter.only_if_new, ["status"]);
    let patient = update.resources.iter().find(|m| m.ty == "Patient").unwrap();
    assert_eq!(patient.remove, ["telecom"]);
}

const RESULTS: &str = r"MSH|^~\&|LAB|RXX01|HANDOVER|RXX01|20240601113000||ORU^R01^ORU_R01|7|P|2.4
PID|1||H100001^^^RXX01^MR~9990000018^^^NHS^NH||TESTER^AMINA||19510304|F
ORC|RE|P77|F88
OBR|1|P77|F88|FBC^Full blood count^L|||20240601090000|||||||||||||||20240601110000||HM|F
NTE|1||Specimen slightly haemolysed
OBX|1|NM|HB^Haemoglobin^L||131.50|g/L^g/L^UCUM|115-165|N|||F
OBX|2|NM|WBC^White cells^L||see note|10*9/L|4-11||||F
NTE|1||First line~second line
OBX|3|ST|COM^Comment^L||Film reviewed ^ agreed||||||F
";

#[test]
fn results_keep_their_digits_and_their_comments() {
    let mapped = mapped(RESULTS);
    let report = one(&mapped, "DiagnosticReport");
    assert_eq!(report["status"], "final");
    assert_eq!(report["identifier"].as_array().unwrap().len(), 2);
    assert_eq!(report["result"].as_array().unwrap().len(), 3);
    assert_eq!(
        report["extension"][0]["valueAnnotation"]["text"],
        "Specimen slightly haemolysed"
    );
    let results: Vec<&Value> = mapped
        .resources
        .iter()
        .filter(|m| m.ty == "Observation")
        .map(|m| &m.resource)
        .collect();
    assert_eq!(results[0]["valueQuantity"]["value"].to_string(), "131.50");
    assert_eq!(results[0]["valueQuantity"]["unit"], "g/L");
    assert_eq!(results[0]["effectiveDateTime"], "2024-06-01T09:00:00+01:00");
    assert_eq!(results[1]["valueString"], "see note 10*9/L");
    assert_eq!(results[1]["note"][0]["text"], "First line\nsecond line");
    assert_eq!(results[2]["valueString"], "Film reviewed ^ agreed");
    for made in &mapped.resources {
        assert_eq!(fault(&made.resource), None, "{}", made.ty);
    }
}

#[test]
fn values_that_repeat_become_components_with_one_unit() {
    let repeated = RESULTS.replace("|131.50|", "|131.50~129.0|");
    let mapped = mapped(&repeated);
    let results: Vec<&Value> = mapped
        .resources
        .iter()
        .filter(|m| m.ty == "Observation")
        .map(|m| &m.resource)
        .collect();
    let components = results[0]["component"].as_array().unwrap();
    assert_eq!(components.len(), 2);
    for (component, value) in components.iter().zip(["131.50", "129.0"]) {
        assert_eq!(component["valueQuantity"]["value"].to_string(), value);
        assert_eq!(component["valueQuantity"]["unit"], "g/L");
        assert_eq!(component["code"]["coding"][0]["code"], "HB");
        assert_eq!(component["referenceRange"][0]["text"], "115-165");
    }
    assert_eq!(fault(results[0]), None);
}

const LETTER: &str = r"MSH|^~\&|EPR|RXX01|HANDOVER|RXX01|20240603090000||MDM^T02^MDM_T02|9|P|2.4
EVN|T02|20240603090000
PID|1||H100001^^^RXX01^MR~9990000018^^^NHS^NH||TESTER^AMINA||19510304|F
PD1||||A99999^^^^^^^^ODS
PV1|1|I|||||||||||||||||V0001^^^RXX01^VN
TXA|1|DS^Discharge summary^L|TX|20240603083000||20240603083000|||C9999981^PATEL^RAVI^^^DR^^^GMC|||D500^RXX01|D400^RXX01||||AU||AV
OBX|1|TX|DS^Discharge summary^L||Dear Dr Carter,||||||F
OBX|2|TX|DS^Discharge summary^L||||||||F
OBX|3|TX|DS^Discharge summary^L||Mrs Tester went home today.\.br\Two lines.||||||F
";

#[test]
fn one_number_of_two_departments_or_facilities_names_two_documents() {
    let number = |text: &str| mapped(text).letter.unwrap().unique_id;
    let ours = number(LETTER);
    for other in [
        LETTER.replace("D500^RXX01", "D500^RAD"),
        LETTER.replace("D500^RXX01", "D500"),
        LETTER.replace("D500^RXX01", "D500^RXX01^1.2.3^ISO"),
        LETTER.replace("EPR|RXX01|", "EPR|RXX02|"),
    ] {
        assert_ne!(number(&other), ours);
    }
    assert_eq!(number(&LETTER.replace("D500^RXX01", "")), "");
}

#[test]
fn a_letter_becomes_a_document_with_its_content_apart() {
    let mapped = mapped(LETTER);
    let letter = mapped.letter.as_ref().unwrap();
    assert_eq!(letter.practice.as_deref(), Some("A99999"));
    assert_eq!(letter.nhs_number.as_deref(), Some("9990000018"));
    assert_eq!(
        (letter.birth_date.as_deref(), letter.family.as_deref()),
        (Some("1951-03-04"), Some("TESTER"))
    );
    assert_eq!(
        (letter.title.as_str(), letter.unique_id.as_str()),
        ("Discharge summary", "RXX01/D500^RXX01")
    );
    assert_eq!(letter.replaces.as_deref(), Some("RXX01/D400^RXX01"));
    assert!(letter.authenticated);
    let text = str::from_utf8(&letter.content[0].bytes).unwrap();
    assert_eq!(
        text,
        "Dear Dr Carter,\n\nMrs Tester went home today.\nTwo lines."
    );
    let document = one(&mapped, "DocumentReference");
    assert_eq!(document["docStatus"], "final");
    assert_eq!(document["relatesTo"][0]["code"], "replaces");
    let binary = one(&mapped, "Binary");
    assert_eq!(
        document["content"][0]["attachment"]["url"],
        format!("Binary/{}", binary["id"].as_str().unwrap())
    );
    assert_eq!(
        binary["securityContext"]["reference"],
        document["subject"]["reference"]
    );
    let earlier = self::mapped(&LETTER.replace("D500^RXX01|D400^RXX01", "D400^RXX01|"));
    let target = format!(
        "DocumentReference/{}",
        one(&earlier, "DocumentReference")["id"].as_str().unwrap()
    );
    assert_eq!(document["relatesTo"][0]["target"]["reference"], target);
    for made in &mapped.resources {
        assert_eq!(fault(&made.resource), None, "{} {}", made.ty, made.resource);
    }
}

#[test]
fn a_pdf_letter_keeps_its_bytes_and_a_letter_without_content_is_refused() {
    let pdf = LETTER
        .replace(
            "OBX|1|TX|DS^Discharge summary^L||Dear Dr Carter,",
            "OBX|1|ED|DS||^application^pdf^Base64^JVBERi0xLjcK",
        )
        .replace("OBX|2|TX", "OBX|2|CE")
        .replace("OBX|3|TX", "OBX|3|CE");
    let mapped = mapped(&pdf);
    let letter = mapped.letter.unwrap();
    assert_eq!(letter.content[0].content_type, "application/pdf");
    assert_eq!(letter.content[0].bytes, b"%PDF-1.7\n");
    for broken in [
        pdf.replace("JVBERi0xLjcK", "####"),
        pdf.replace("JVBERi0xLjcK", ""),
    ] {
        let message = parse(broken.replace('\n', "\r").as_bytes()).unwrap();
        assert!(map(&message, &context()).is_err());
    }
}

#[test]
fn a_mapping_is_shown_with_every_field_s_fate() {
    let shown = hl7v2::to_fhir::show(&mapped(LETTER));
    for part in [
        "\nDocumentReference/",
        "Letter \"Discharge summary\" for A99999",
        "  PID-7 (segment 3): Patient.birthDate",
        "  MSH-6 (segment 1): not mapped: it addresses this system",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_message_type_that_is_not_translated_is_named() {
    let text = ADMISSION
        .replace("ADT^A01^ADT_A01", "BAR^P01")
        .replace('\n', "\r");
    let problem = map(&parse(text.as_bytes()).unwrap(), &context()).unwrap_err();
    assert!(problem.message.contains("BAR^P01"), "{problem}");
    assert!(!supports("BAR", "P01") && supports("ADT", "A03"));
}

proptest::proptest! {
    #[test]
    fn any_fields_are_translated_without_panic(
        kind in "(ADT\\^A(0[138]|37|40)|ORU\\^R01|MDM\\^T(02|11)|SIU\\^S1[25]|O(ML\\^O21|RM\\^O01)|RDE\\^O11|REF\\^I12|VXU\\^V04)",
        tail in "((PID|PV1|PD1|NK1|MRG|ORC|OBR|OBX|NTE|TXA|SPM|SCH|AIS|AIL|AIP|RXE|RXO|RXR|RXA|RF1|PRD|DG1|AL1|PR1|IN1|ZZZ)\\|([A-Z0-9^~\\\\&\"<.]{0,14}\\|){0,24}\r){0,8}",
    ) {
        let text = format!("MSH|^~\\&|A|B|||2024||{kind}|1|P|2.4\rPID|1||X^^^Y||Z\r{tail}");
        if let Ok(message) = parse(text.as_bytes())
            && let Ok(mapped) = map(&message, &context())
        {
            for made in &mapped.resources {
                proptest::prop_assert_eq!(fault(&made.resource), None);
            }
        }
    }
}
