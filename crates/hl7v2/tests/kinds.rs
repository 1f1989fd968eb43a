//! The kinds of messages beyond admissions, results and letters: what each becomes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/examples.rs"]
mod examples;

use examples::{context, fault};
use hl7v2::parse;
use hl7v2::to_fhir::merge::update;
use hl7v2::to_fhir::{Made, Mapped, Outcome, map};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PERSON: &str = "PID|1||H100001^^^RXX01^MR~9990000018^^^NHS^NH||TESTER^AMINA||19510304|F\n";

fn header(kind: &str) -> String {
    format!("MSH|^~\\&|PAS|RXX01|HANDOVER|RXX01|20240601103000||{kind}|1|P|2.4\n")
}

fn mapped(text: &str) -> Mapped {
    let mapped = attempt(text).unwrap_or_else(|problem| panic!("{problem}"));
    for made in &mapped.resources {
        assert_eq!(fault(&made.resource), None, "{} {}", made.ty, made.resource);
    }
    mapped
}

fn attempt(text: &str) -> Result<Mapped, fhir::problem::Problem> {
    map(
        &parse(text.replace('\n', "\r").as_bytes()).unwrap(),
        &context(),
    )
}

fn all<'m>(mapped: &'m Mapped, ty: &str) -> Vec<&'m Made> {
    mapped.resources.iter().filter(|m| m.ty == ty).collect()
}

fn one<'m>(mapped: &'m Mapped, ty: &str) -> &'m Made {
    let found = all(mapped, ty);
    assert_eq!(found.len(), 1, "{ty}");
    found[0]
}

/// What is stored after these messages, one after the other.
fn stored(messages: &[&str]) -> BTreeMap<String, Value> {
    let mut here = BTreeMap::new();
    for text in messages {
        for made in mapped(text).resources {
            let key = format!("{}/{}", made.ty, made.id);
            if let Some(resource) = update(&made, here.get(&key)) {
                assert_eq!(fault(&resource), None, "{resource}");
                here.insert(key, resource);
            }
        }
    }
    here
}

fn merge_message() -> String {
    format!(
        "{}EVN|A40|2024\n{PERSON}MRG|H200002^^^RXX01^MR\n",
        header("ADT^A40^ADT_A39")
    )
}

#[test]
fn a_merge_links_both_records_and_loses_neither() {
    let admission = header("ADT^A01")
        + &PERSON
            .replace("H100001", "H200002")
            .replace("AMINA", "AMMINA")
        + "PV1|1|I|||||||||||||||||V7^^^RXX01^VN\n";
    let merged = mapped(&merge_message());
    let [given_up, stays] = all(&merged, "Patient")[..] else {
        panic!("{merged:?}");
    };
    let here = stored(&[&admission, &merge_message()]);
    let patient = |made: &Made| &here[&format!("Patient/{}", made.id)];
    assert_eq!(patient(given_up)["active"], false);
    assert_eq!(patient(given_up)["name"][0]["given"][0], "AMMINA");
    let link = |to: &Made, kind: &str| json!([{"other": {"reference": format!("Patient/{}", to.id)}, "type": kind}]);
    assert_eq!(patient(given_up)["link"], link(stays, "replaced-by"));
    assert_eq!(patient(stays)["link"], link(given_up, "replaces"));
    // What hung on the record that was given up still does.
    let visit = here
        .values()
        .find(|it| it["resourceType"] == "Encounter")
        .unwrap();
    assert_eq!(
        visit["subject"]["reference"],
        format!("Patient/{}", given_up.id)
    );
    // A later update of the one that stays says nothing of links: they stay.
    let later = header("ADT^A31") + PERSON;
    let here = stored(&[&admission, &merge_message(), &later]);
    assert_eq!(
        here[&format!("Patient/{}", stays.id)]["link"],
        link(given_up, "replaces")
    );
}

#[test]
fn unlinking_undoes_a_merge() {
    let other = PERSON.replace("H100001", "H200002");
    let unlink = format!("{}EVN|A37|2024\n{PERSON}{other}", header("ADT^A37"));
    let here = stored(&[&merge_message(), &unlink]);
    let patients: Vec<&Value> = here
        .values()
        .filter(|it| it["resourceType"] == "Patient")
        .collect();
    assert_eq!(patients.len(), 2);
    for patient in patients {
        assert_eq!(
            (&patient["active"], patient.get("link")),
            (&json!(true), None)
        );
    }
    let linked = stored(&[&unlink.replace("A37", "A24")]);
    let links = linked
        .values()
        .filter(|it| it["link"][0]["type"] == "seealso");
    assert_eq!(links.count(), 2);
}

#[test]
fn a_merge_that_names_nobody_else_is_refused_with_its_place() {
    let nobody = merge_message().replace("MRG|H200002^^^RXX01^MR", "MRG|");
    assert_eq!(
        attempt(&nobody).unwrap_err().expression.as_deref(),
        Some("MRG-1")
    );
    let itself = merge_message().replace("H200002", "H100001");
    assert_eq!(
        attempt(&itself).unwrap_err().expression.as_deref(),
        Some("MRG-1")
    );
}

#[test]
fn cancels_take_back_what_they_cancel() {
    let visit = "PV1|1|I|WARD5||||||||||||||||V7^^^RXX01^VN|||||||||||||||||||||||||20240601100000";
    let admission = header("ADT^A01") + PERSON + visit + "\n";
    let discharge = header("ADT^A03") + PERSON + visit + "|20240602100000\n";
    let status = |messages: &[&str]| {
        let here = stored(messages);
        let visit = here
            .into_values()
            .find(|it| it["resourceType"] == "Encounter");
        visit.unwrap()
    };
    let over = status(&[&admission, &discharge]);
    assert_eq!(
        (&over["status"], over["period"].get("end").is_some()),
        (&json!("finished"), true)
    );
    let not_discharged =
        header("ADT^A13") + PERSON + "PV1|1|I|WARD5||||||||||||||||V7^^^RXX01^VN\n";
    let back = status(&[&admission, &discharge, &not_discharged]);
    assert_eq!(
        (&back["status"], back["period"].get("end")),
        (&json!("in-progress"), None)
    );
    assert!(back["period"].get("start").is_some());
    let not_admitted = header("ADT^A11") + PERSON + visit + "\n";
    assert_eq!(status(&[&admission, &not_admitted])["status"], "cancelled");
}

const BOOKING: &str = "SCH|P5^PAS|F7^PAS|||||CHECKUP^Check-up^L|FOLLOWUP^Follow-up^L|30|MIN|^^^20240701090000|||||||||||||||Booked\n";

#[test]
fn a_booking_becomes_an_appointment_and_its_life_is_followed() {
    let resources = "RGS|1\nAIS|1||CARD^Cardiology^L|20240701090000|||30|MIN\nAIL|1||ROOM1^^^RXX01\nAIP|1||C9999981^PATEL^RAVI^^^DR^^^GMC\n";
    let booked = header("SIU^S12") + BOOKING + PERSON + resources;
    let mapped_booking = mapped(&booked);
    let appointment = &one(&mapped_booking, "Appointment").resource;
    assert_eq!(appointment["status"], "booked");
    assert_eq!(appointment["start"], "2024-07-01T09:00:00+01:00");
    assert_eq!(appointment["minutesDuration"], 30);
    assert_eq!(appointment["end"], "2024-07-01T08:30:00.000Z");
    assert_eq!(appointment["serviceType"][0]["coding"][0]["code"], "CARD");
    assert_eq!(appointment["participant"].as_array().unwrap().len(), 3);
    for participant in appointment["participant"].as_array().unwrap() {
        assert_eq!(participant["status"], "accepted");
    }
    let cancelled = header("SIU^S15") + &BOOKING.replace("Booked", "") + PERSON;
    let here = stored(&[&booked, &cancelled]);
    let found: Vec<&Value> = here
        .values()
        .filter(|it| it["resourceType"] == "Appointment")
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["status"], "cancelled");
    assert_eq!(found[0]["serviceType"][0]["coding"][0]["code"], "CARD");
}

#[test]
fn the_action_of_a_service_is_that_of_its_event_or_nothing_is_applied() {
    let message = |trigger: &str, group: &str, own: &str| {
        let resources = format!("RGS|1|{group}\nAIS|1|{own}|CARD^Cardiology^L\n");
        header(&format!("SIU^{trigger}")) + BOOKING + PERSON + &resources
    };
    for (trigger, fits, not) in [
        ("S18", ["A", ""], "D"),
        ("S19", ["U", "X"], "D"),
        ("S20", ["D", ""], "A"),
        ("S21", ["D", ""], "X"),
        ("S22", ["D", ""], "U"),
    ] {
        for action in fits {
            assert!(
                attempt(&message(trigger, "", action)).is_ok(),
                "{trigger} {action}"
            );
            assert!(
                attempt(&message(trigger, action, "")).is_ok(),
                "{trigger} {action}"
            );
        }
        for refused in [message(trigger, "", not), message(trigger, not, "")] {
            let problem = attempt(&refused).unwrap_err();
            assert_eq!(problem.expression.as_deref(), Some("AIS-2"), "{problem}");
        }
    }
    // Of others the whole booking is read, whatever stands there.
    assert!(attempt(&message("S14", "D", "D")).is_ok());
}

#[test]
fn orders_become_requests_with_specimen_and_reason() {
    for kind in ["OML^O21", "OMG^O19", "ORM^O01"] {
        let order = header(kind)
            + PERSON
            + "ORC|NW|P77^PAS||||||||||C9999981^PATEL^RAVI^^^DR^^^GMC\nOBR|1|P77^PAS||FBC^Full blood count^L|S\nDG1|1||R50^Fever^I10\n";
        let mapped = mapped(&order);
        let request = &one(&mapped, "ServiceRequest").resource;
        assert_eq!(
            (&request["status"], &request["intent"]),
            (&json!("active"), &json!("order"))
        );
        assert_eq!(request["priority"], "stat", "{kind}");
        assert_eq!(request["code"]["coding"][0]["code"], "FBC");
        assert_eq!(request["identifier"][0]["value"], "P77");
        assert_eq!(request["requester"]["display"], "DR RAVI PATEL");
        let reason = format!("Condition/{}", one(&mapped, "Condition").id);
        assert_eq!(request["reasonReference"][0]["reference"], reason);
    }
    // The result of the order is based on it.
    let order =
        header("OML^O21") + PERSON + "ORC|NW|P77^PAS\nOBR|1|P77^PAS||FBC^Full blood count^L\n";
    let result = header("ORU^R01")
        + PERSON
        + "ORC|RE|P77^PAS|F88^LAB\nOBR|1|P77^PAS|F88^LAB|FBC^Full blood count^L|||20240601090000|||||||20240601093000|BLD||||||||||F\nSPM|1|S1^PAS||BLD^Blood^HL70487\nSPM|2|S2^PAS||UR^Urine^HL70487\nOBX|1|NM|HB^Haemoglobin^L||131|g/L|||||F\n";
    let report = mapped(&result);
    let request = one(&mapped(&order), "ServiceRequest").id.clone();
    assert_eq!(one(&report, "ServiceRequest").id, request);
    let resource = &one(&report, "DiagnosticReport").resource;
    assert_eq!(
        resource["basedOn"][0]["reference"],
        format!("ServiceRequest/{request}")
    );
    assert_eq!(resource["specimen"].as_array().unwrap().len(), 2);
}

#[test]
fn a_prescription_becomes_a_medication_request_with_one_dosage() {
    let order = header("RDE^O11")
        + PERSON
        + "ORC|NW|P9^PAS|F9^PH|||||||||C9999981^PATEL^RAVI^^^DR^^^GMC\nRXE||318353009^Bisoprolol 2.5 mg^SCT|1||TAB^tablet|||||28|TAB^tablet|2|||RX55\nNTE|1||In the morning\nRXR|PO^Oral^HL70162\n";
    let mapped_order = mapped(&order);
    let request = &one(&mapped_order, "MedicationRequest").resource;
    assert_eq!(request["status"], "active");
    assert_eq!(
        request["medicationCodeableConcept"]["coding"][0]["code"],
        "318353009"
    );
    let dosage = request["dosageInstruction"].as_array().unwrap();
    assert_eq!(dosage.len(), 1);
    assert_eq!(dosage[0]["doseAndRate"][0]["doseQuantity"]["value"], 1);
    assert!(dosage[0]["route"].is_object());
    assert_eq!(request["dispenseRequest"]["numberOfRepeatsAllowed"], 2);
    assert_eq!(request["note"][0]["text"], "In the morning");
    let stopped = order.replace("ORC|NW", "ORC|DC");
    let here = stored(&[&order, &stopped]);
    let request = here
        .values()
        .find(|it| it["resourceType"] == "MedicationRequest");
    assert_eq!(request.unwrap()["status"], "stopped");
}

#[test]
fn a_referral_becomes_a_request_with_who_refers_and_why() {
    let referral = header("REF^I12")
        + "RF1|P|A|CARD^Cardiology^L||O|R123^PAS|20240601||||\nPRD|RP|CARTER^JOHN^^^DR|||||G9999981^GMC\nPRD|RT|PATEL^RAVI\n"
        + PERSON
        + "DG1|1||I20^Angina^I10\nOBR|1|||LET^Letter^L\nOBX|1|ED|LET^Letter^L||^application^pdf^Base64^JVBERi0xLjcK||||||F\n";
    let mapped = mapped(&referral);
    let request = &one(&mapped, "ServiceRequest").resource;
    assert_eq!(
        (&request["status"], &request["priority"]),
        (&json!("active"), &json!("asap"))
    );
    assert_eq!(request["identifier"][0]["value"], "R123");
    assert_eq!(request["requester"]["display"], "DR JOHN CARTER");
    assert_eq!(request["performer"][0]["display"], "RAVI PATEL");
    assert!(
        request["subject"]["reference"]
            .as_str()
            .unwrap()
            .starts_with("Patient/")
    );
    assert_eq!(
        one(&mapped, "Binary").resource["contentType"],
        "application/pdf"
    );
}

#[test]
fn an_immunisation_diagnoses_and_allergies_are_made() {
    let vaccination = header("VXU^V04")
        + PERSON
        + "ORC|RE|P1^PAS|F1^PAS\nRXA|0|1|20240601|20240601|39114911000001105^COVID-19 vaccine^SCT|0.5|ml^ml^UCUM||||||||LOT1|20250101|||||CP\nRXR|IM^Intramuscular^HL70162|LA^Left arm^HL70163\n";
    let mapped_vaccination = mapped(&vaccination);
    let given = &one(&mapped_vaccination, "Immunization").resource;
    assert_eq!(
        (&given["status"], &given["lotNumber"]),
        (&json!("completed"), &json!("LOT1"))
    );
    assert_eq!(given["occurrenceDateTime"], "2024-06-01");
    let admission = header("ADT^A01")
        + PERSON
        + "PV1|1|I|||||||||||||||||V7^^^RXX01^VN\nAL1|1|DA|PEN^Penicillin^L|SV|rash\nDG1|1||I20^Angina^I10\nPR1|1||K40^Bypass^OPCS|||20240601\n";
    let mapped = mapped(&admission);
    let allergy = &one(&mapped, "AllergyIntolerance").resource;
    assert_eq!(allergy["code"]["coding"][0]["code"], "PEN");
    assert_eq!(allergy["reaction"][0]["manifestation"][0]["text"], "rash");
    let condition = one(&mapped, "Condition");
    assert_eq!(
        condition.resource["category"][0]["coding"][0]["code"],
        "encounter-diagnosis"
    );
    let visit = format!("Encounter/{}", one(&mapped, "Encounter").id);
    assert_eq!(condition.resource["encounter"]["reference"], visit);
    assert_eq!(one(&mapped, "Procedure").resource["status"], "unknown");
}

fn document(event: &str, parent: &str, content: &str) -> String {
    format!(
        "{}EVN|{event}|2024\n{PERSON}TXA|1|DS^Discharge summary^L|TX|||20240603083000||||||D500^RXX01|{parent}||||AU||AV\n{content}",
        header(&format!("MDM^{event}"))
    )
}

#[test]
fn every_document_event_has_its_own_effect() {
    let text = "OBX|1|TX|DS^Discharge summary^L||Dear colleague.||||||F\n";
    let pdf = "OBX|1|ED|DS||^application^pdf^Base64^JVBERi0xLjcK||||||F\n";
    let rtf = "OBX|1|ED|DS||^text^rtf^Base64^e1xydGYxfQ==||||||F\n";
    for (content, kind) in [
        (text, "text/plain; charset=utf-8"),
        (pdf, "application/pdf"),
        (rtf, "text/rtf"),
    ] {
        let letter = mapped(&document("T02", "", content)).letter.unwrap();
        assert_eq!(letter.content[0].content_type, kind);
    }
    // A notification makes the document known, and changes nothing of content that is here.
    let notice = document("T01", "", "");
    let mapped_notice = mapped(&notice);
    assert!(mapped_notice.letter.as_ref().unwrap().content.is_empty());
    let here = stored(&[&document("T02", "", text), &document("T03", "", "")]);
    let reference = here
        .values()
        .find(|it| it["resourceType"] == "DocumentReference")
        .unwrap();
    assert!(reference["content"][0]["attachment"]["url"].is_string());
    // An addendum adds to its parent, a replacement takes its place.
    for (event, relation, replaces) in [("T06", "appends", false), ("T10", "replaces", true)] {
        let mapped = mapped(&document(event, "D400^RXX01", text));
        let relates = &one(&mapped, "DocumentReference").resource["relatesTo"][0];
        assert_eq!(relates["code"], relation);
        assert_eq!(
            mapped.letter.unwrap().replaces.is_some(),
            replaces,
            "{event}"
        );
    }
    // A cancelled one is an error, and its content is still there.
    let here = stored(&[&document("T02", "", text), &document("T11", "", "")]);
    let reference = here
        .values()
        .find(|it| it["resourceType"] == "DocumentReference")
        .unwrap();
    assert_eq!(reference["status"], "entered-in-error");
    assert!(reference["content"][0]["attachment"]["url"].is_string());
    assert!(mapped(&document("T11", "", "")).letter.unwrap().cancelled);
    assert!(attempt(&document("T08", "", "")).is_err());
}

#[test]
fn what_is_kept_in_an_extension_is_told_apart() {
    let admission = header("ADT^A01")
        + &PERSON.replace("|F\n", "|F||||||||||||||A^White British^L\n")
        + "PV1|1|I|||||||||||||||||V7^^^RXX01^VN\nZPI|1|local\n";
    let mapped = mapped(&admission);
    let fate = |field: &str| {
        let found = mapped.account.iter().find(|it| it.field == field);
        found.unwrap_or_else(|| panic!("{field}")).outcome.clone()
    };
    assert!(matches!(fate("PID-7"), Outcome::Mapped(_)));
    assert!(matches!(fate("PID-22"), Outcome::Kept(_)));
    assert!(matches!(fate("ZPI-2"), Outcome::Ignored(rule) if rule.contains("local segment")));
    let shown = hl7v2::to_fhir::show(&mapped);
    assert!(
        shown.contains("  PID-22 (segment 2): kept in an extension: Patient."),
        "{shown}"
    );
}

#[test]
fn a_layer_of_a_site_maps_a_local_segment_for_its_sender_alone() {
    let layer = hl7v2::to_fhir::Layer {
        name: "zpi.json".into(),
        text: json!({
            "sender": {"application": "PAS", "facility": "RXX01"},
            "places": [{"structure": "ADT_A01", "after": "PID", "why": "our own", "place":
                {"segment": "ZPI", "targets": [{"label": "Patient[1]", "map": "ZPI[Patient]"}]}}],
            "taken": ["ZPI[Patient]"],
            "rows": {"ZPI[Patient]": [{"from": 2, "to": "contact[1].name.text", "why": "the keyworker"}]}
        })
        .to_string(),
    };
    let mapping = hl7v2::to_fhir::Mapping::with(&[layer]).unwrap();
    let text = header("ADT^A01") + PERSON + "ZPI|1|Keyworker Kim\nPV1|1|I\n";
    let read = |text: &str| {
        let message = parse(text.replace('\n', "\r").as_bytes()).unwrap();
        let mapped = hl7v2::to_fhir::map_by(&mapping, &message, &context()).unwrap();
        one(&mapped, "Patient").resource["contact"][0]["name"]["text"].clone()
    };
    assert_eq!(read(&text), "Keyworker Kim");
    assert_eq!(read(&text.replace("|PAS|", "|OTHER|")), Value::Null);
}
