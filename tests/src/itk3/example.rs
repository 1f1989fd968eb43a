//! The published example, and what cannot be read, as they come from others.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::itk3::{Body, SEND_DOCUMENT};
use fhir::json::Limits;

use super::{OTHER, THEIRS, codes, column, house, post, set_up, signed_in, wait_for_states};
use crate::node::neighbourhood::{Neighbourhood, wait_for};
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
