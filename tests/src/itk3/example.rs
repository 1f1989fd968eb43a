//! The published example, and what cannot be read, as they come from others.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::itk3::{Body, SEND_DOCUMENT};
use fhir::json::Limits;

use super::{OTHER, THEIRS, codes, column, house, post, set_up, signed_in, wait_for_states};
use crate::node::neighbourhood::{Neighbourhood, OTHER_PRACTICE, PRACTICE, wait_for};
use crate::opt_out::stand_in::StandIn;
use crate::setting::shared_data;

/// The published consultation report; `None` where there is no test data, which is told aloud.
fn published() -> Option<PathBuf> {
    let folder = shared_data()?.join("nhs/gpconnect-messaging/_includes/senddocument");
    let file = folder.join("consultation_report.xml");
    if !file.is_file() {
        eprintln!("\n*** SKIPPED: {} is not there ***\n", file.display());
        return None;
    }
    Some(file)
}

/// Its attachment, found without the reader.
fn attachment(xml: &str) -> Vec<u8> {
    let (_, rest) = xml.split_once("<content value=\"").unwrap();
    let (content, _) = rest.split_once('"').unwrap();
    let content: String = content.split_ascii_whitespace().collect();
    STANDARD.decode(content).unwrap()
}

#[test]
fn the_published_consultation_report_is_read_whole() {
    let Some(file) = published() else { return };
    let bytes = std::fs::read(file).unwrap();
    let message = fhir::itk3::read(&bytes, &Limits::default()).unwrap();
    assert_eq!(message.bundle, "0bcb5098-ce5a-4a85-a547-2574f90310e4");
    let header = &message.header;
    assert_eq!(
        (
            header.event.as_str(),
            header.endpoint.as_str(),
            header.definition.as_str()
        ),
        ("ITK007C", "MESHGP0001", SEND_DOCUMENT)
    );
    assert!(header.wants_business && header.wants_infrastructure);
    assert_eq!(header.sender.ods, "GP0001");
    assert_eq!(header.reference, "846ebe66-5ff8-4499-bc57-a112d3d0daa3");
    let Body::Document(document) = message.body else {
        panic!("it is a document")
    };
    assert_eq!(document.title, "Consultation report");
    assert_eq!(document.author, "Dr Gary Pritchard");
    assert_eq!(document.custodian.name, "Cumbria Starling Medical Centre");
    assert!(!document.restricted);
    let patient = &document.patient;
    assert_eq!(
        (patient.family.as_str(), patient.given.as_str()),
        ("Smith", "Richard")
    );
    assert_eq!(patient.birth_date.as_deref(), Some("1957-01-09"));
    let text = String::from_utf8(bytes).unwrap();
    let [part] = &document.parts[..] else {
        panic!("one attachment")
    };
    assert_eq!(part.content_type, "application/pdf");
    assert!(part.bytes.starts_with(b"%PDF-1.7") && part.bytes == attachment(&text));
}

#[test]
fn what_others_send_waits_for_a_person_once_and_is_answered_each_time() {
    let Some(file) = published() else { return };
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let mesh = StandIn::mesh_only(folder.path());
    let there = house(&mesh, folder.path());
    let site = &mut nodes.practice;
    set_up(site, &mesh.url(), THEIRS, "look_seconds = 1\n");
    site.process.start();
    let example = file.display().to_string();
    let send = |file: &str| {
        let subject = "subject=Consultation report for Richard Smith , seen at Cumbria Starling";
        there.client(
            OTHER,
            &["send", THEIRS, "GPFED_CONSULT_REPORT", file, subject],
        )
    };
    let answered = |expected: &[&str]| {
        wait_for("the responses", 60, || {
            let found = there.client(OTHER, &["count"]);
            (found.as_u64().unwrap() >= expected.len() as u64).then_some(())
        });
        assert_eq!(codes(&there, OTHER), expected);
    };
    send(&example);
    answered(&["20013"]);
    // Without an NHS number it is for a person to say whose it is.
    let mut ann = signed_in(site);
    let pid = wait_for("the letter among the unmatched", 30, || {
        let query = "SELECT CAST(pid AS TEXT) FROM parcel WHERE direction = 1 AND unmatched = 1";
        column(site, query).first().cloned()
    });
    let item = format!("/staff/item/{pid}");
    let page = ann.get(&item).unwrap().text();
    assert!(
        page.contains("SMITH, Richard") && page.contains("not proved by a signature"),
        "{page}"
    );
    // GPCM-SD-092: what stands on the envelope is what the list shows.
    assert!(
        page.contains("Consultation report for Richard Smith , seen at Cumbria Starling"),
        "{page}"
    );
    let fetched = ann.get(&format!("{item}/content/0")).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        fetched.body == attachment(&text),
        "the PDF is not as it was sent"
    );
    // The same once more is no second letter, and is answered once more.
    send(&example);
    answered(&["20013"]);
    assert_eq!(
        column(site, "SELECT id FROM parcel WHERE direction = 1").len(),
        1
    );
    // Another text under the same name is kept apart, and refused.
    let other = folder.path().join("other.xml");
    std::fs::write(&other, text.replace("Pritchard", "Prichard")).unwrap();
    send(&other.display().to_string());
    answered(&["20007"]);
    // What cannot be read is kept as it came, and refused with its code.
    let hostile = "<!DOCTYPE Bundle [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Bundle xmlns=\"http://hl7.org/fhir\"><id value=\"&x;\"/></Bundle>";
    std::fs::write(&other, hostile).unwrap();
    send(&other.display().to_string());
    answered(&["10009"]);
    wait_for_states(site, "itk3_in", &["taken", "refused", "refused"]);
    let list = ann.get("/staff/worklist").unwrap().text();
    assert!(
        list.contains("Not taken") && list.contains("A document type is not taken"),
        "{list}"
    );
    assert!(
        list.contains("another message came under the same identifier"),
        "{list}"
    );
    let kept = column(site, "SELECT sha256 FROM itk3_in WHERE kept = 1");
    assert_eq!(kept.len(), 3);
    // Read again it is refused again, with the reason; then settled.
    let csrf = crate::faults::people::form_token(&ann.get("/staff/worklist").unwrap());
    let again = ann
        .post_form("/staff/worklist/itk3-in/3/again", &[("csrf", &csrf)])
        .unwrap();
    assert!(
        again.status >= 400 && again.text().contains("It still cannot be taken"),
        "{}",
        again.text()
    );
    post(
        &mut ann,
        "/staff/worklist",
        "/staff/worklist/itk3-in/3/settled",
        &[],
    );
    // The letter goes back: the sender is told by a code, once.
    post(
        &mut ann,
        &item,
        &format!("{item}/return"),
        &[("reason", "not-our-patient"), ("note", "")],
    );
    answered(&["30002"]);
    // And once more with both, if it comes once more.
    send(&example);
    answered(&["20013", "30002"]);
    // A response to nothing that was sent from here is shown.
    let mut stray = there.folder.join("collected.xml");
    stray.set_file_name("collected.xml");
    let stray = stray.display().to_string();
    there.client(OTHER, &["send", THEIRS, "GPFED_CONSULT_REPORT_ACK", &stray]);
    wait_for_states(site, "itk3_in", &["taken", "refused", "settled", "stray"]);
    let list = ann.get("/staff/worklist").unwrap().text();
    assert!(list.contains("Belongs to nothing"), "{list}");
}

#[test]
fn a_letter_that_names_another_practice_proposes_a_move_before_a_person() {
    let Some(file) = published() else { return };
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let mesh = StandIn::mesh_only(folder.path());
    let there = house(&mesh, folder.path());
    let site = &mut nodes.practice;
    set_up(site, &mesh.url(), THEIRS, "look_seconds = 1\n");
    site.process.start();
    let richard = |practice: &str| {
        serde_json::json!({
            "resourceType": "Patient",
            "identifier": [{ "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018" }],
            "name": [{ "family": "Smith", "given": ["Richard"] }],
            "birthDate": "1957-01-09",
            "generalPractitioner": [{ "identifier": {
                "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": practice,
            } }],
        })
    };
    let made = site
        .client()
        .send_json("POST", "/fhir/Patient", &richard(PRACTICE))
        .unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let text = std::fs::read_to_string(&file).unwrap();
    let send = |name: &str, bundle: &str, practice: &str| {
        let whose = "<active value=\"true\" />\n<identifier><system value=\"https://fhir.nhs.uk/Id/nhs-number\" /><value \
             value=\"9990000018\" /></identifier>";
        let named = format!(
            "<birthDate value=\"1957-01-09\" />\n<generalPractitioner><identifier><system \
             value=\"https://fhir.nhs.uk/Id/ods-organization-code\" /><value value=\"{practice}\" /></identifier>\
             </generalPractitioner>"
        );
        let (before, patient) = text.split_once("<Patient>").unwrap();
        let patient = patient.replace("<active value=\"true\" />", whose);
        let patient = patient.replace("<birthDate value=\"1957-01-09\" />", &named);
        let letter = format!("{before}<Patient>{patient}");
        let letter = letter.replace("0bcb5098-ce5a-4a85-a547-2574f90310e4", bundle);
        let path = folder.path().join(name);
        std::fs::write(&path, letter).unwrap();
        let path = path.display().to_string();
        let subject = "subject=Consultation report";
        there.client(
            OTHER,
            &["send", THEIRS, "GPFED_CONSULT_REPORT", &path, subject],
        );
    };
    let mut ann = signed_in(site);
    let moves = "/staff/moves";
    let before = ann.get(moves).unwrap().text();
    assert!(!before.contains("Moved, says a letter"), "{before}");
    send(
        "one.xml",
        "0bcb5098-ce5a-4a85-a547-2574f9031001",
        OTHER_PRACTICE,
    );
    let page = wait_for("the letter's word", 60, || {
        let text = ann.get(moves).ok()?.text();
        text.contains("Moved, says a letter").then_some(text)
    });
    assert!(
        page.contains(OTHER_PRACTICE) && page.contains("SMITH"),
        "{page}"
    );
    assert!(page.contains("Did not move"), "{page}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let home = "SELECT home FROM sharing_home";
    assert_eq!(column(site, home), [PRACTICE], "nothing is done by itself");
    post(
        &mut ann,
        moves,
        &format!("/staff/moves/{id}/not-moved"),
        &[],
    );
    let after = ann.get(moves).unwrap().text();
    assert!(!after.contains("Moved, says a letter"), "{after}");

    // Somebody whose record names another practice, and this one in the letter, is registered with one press.
    let mut elsewhere = richard(OTHER_PRACTICE);
    elsewhere["id"] = serde_json::json!(id);
    let put = site
        .client()
        .send_json("PUT", &format!("/fhir/Patient/{id}"), &elsewhere)
        .unwrap();
    assert_eq!(put.status, 200, "{}", put.text());
    send("two.xml", "0bcb5098-ce5a-4a85-a547-2574f9031002", PRACTICE);
    wait_for("the letter's word", 60, || {
        let text = ann.get(moves).ok()?.text();
        let is_there = text.contains("Moved, says a letter");
        (is_there && text.contains("Register here, and ask")).then_some(())
    });
}
