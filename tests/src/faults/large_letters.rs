//! A letter over MLLP with a document that fits into no resource: it arrives whole and once, and neither node holds it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::keys::sha256_hex;

use super::large::{binary_of, document, peak, reads_back};
use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, wait_for};

const BYTES: usize = 40_000_000;
const RESULT_BYTES: usize = 12_000_000;
/// More than a node takes of one part.
const FAR_TOO_MANY: usize = 106_000_000;
/// What the node that takes the message may take more at any time: as for a message as large as it takes whole.
const MORE_BYTES_MAX: u64 = 112 << 20;
/// As for any large document: its receiver has it in pieces from the first.
const THERE_BYTES_MAX: u64 = 64_000_000;
const UNFINISHED: &str = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel_content WHERE complete = 0";

/// That letter with a PDF, in Base64, in the place of its text.
fn with(id: &str, pdf: &str) -> String {
    let text = format!("OBX|1|TX|DS^Letter {id}^L||Dear colleague, this is letter {id}.|");
    let whole = letter(HOSPITAL, PRACTICE, id, AMINA);
    assert!(whole.contains(&text));
    let place = format!("OBX|1|ED|DS^Letter {id}^L||^application^pdf^Base64^{pdf}|");
    whole.replace(&text, &place)
}

fn send(site: &Site, message: &str) -> String {
    let sender = Sender::connect(site.mllp).unwrap();
    sender.waiting(60).unwrap().send(message).unwrap()
}

#[test]
fn a_letter_over_mllp_with_forty_megabytes_arrives_whole_and_no_node_holds_it() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    let (hospital, practice) = (&nodes.hospital, &nodes.practice);
    let before = [peak(hospital), peak(practice)];
    let bytes = document(BYTES);
    let pdf = STANDARD.encode(&bytes);
    let answer = send(hospital, &with("SCAN", &pdf));
    assert_eq!(code(&answer), "AA", "{answer}");
    let again = send(hospital, &with("SCAN", &pdf));
    assert_eq!(again, answer, "the same again is the same message");
    let binary = wait_for("the letter at the practice", 120, || {
        binary_of(practice, "Discharge summary", BYTES)
    });
    let (sha256, grown) = (
        sha256_hex(&bytes),
        [peak(hospital) - before[0], peak(practice) - before[1]],
    );
    println!(
        "{} and {} MB more",
        grown[0] / 1_000_000,
        grown[1] / 1_000_000
    );
    assert!(
        grown[0] < MORE_BYTES_MAX,
        "{} bytes at the hospital",
        grown[0]
    );
    assert!(grown[1] < THERE_BYTES_MAX, "{} bytes there", grown[1]);
    reads_back(practice, &binary, (&sha256, BYTES));
    // It is the hospital's document too, and what it had before its digest was known is gone.
    let own = binary_of(hospital, "Discharge summary", BYTES).unwrap();
    reads_back(hospital, &own, (&sha256, BYTES));
    assert_eq!(hospital.rows.number(UNFINISHED), 0);
    for side in [hospital.rows.parcels(true), practice.rows.parcels(false)] {
        assert_eq!(side.len(), 1);
        assert!(side.values().all(|rows| rows.len() == 1), "{side:?}");
    }
}

#[test]
fn a_result_with_a_large_report_has_it_whole() {
    let nodes = Neighbourhood::start();
    let hospital = &nodes.hospital;
    let bytes = document(RESULT_BYTES);
    let pdf = STANDARD.encode(&bytes);
    let message = format!(
        "MSH|^~\\&|LAB|{HOSPITAL}|HANDOVER|{HOSPITAL}|20240603090000||ORU^R01^ORU_R01|R1|P|2.4\r\
         PID|1||{AMINA}\r\
         OBR|1||F100|MRI^Scan of the knee^L|||20240603080000||||||||||||||||||F\r\
         OBX|1|ED|MRI^Scan of the knee^L||^application^pdf^Base64^{pdf}||||||F\r"
    );
    let answer = send(hospital, &message);
    assert_eq!(code(&answer), "AA", "{answer}");
    let report = wait_for("the report", 60, || {
        let found = hospital.client().get("/fhir/DiagnosticReport").ok()?.json();
        let form = found["entry"][0]["resource"]["presentedForm"][0].clone();
        form.is_object().then_some(form)
    });
    assert_eq!(report["size"], RESULT_BYTES);
    assert_eq!(report["contentType"], "application/pdf");
    let binary = report["url"].as_str().unwrap();
    reads_back(hospital, binary, (&sha256_hex(&bytes), RESULT_BYTES));
    let failed = "SELECT CAST(COUNT(*) AS TEXT) FROM hl7_message WHERE state <> 'mapped'";
    assert_eq!(hospital.rows.number(failed), 0);
}

#[test]
fn what_is_beyond_the_bound_or_no_document_is_refused_and_nothing_of_it_stays() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    let hospital = &nodes.hospital;
    let before = peak(hospital);
    let refused = |id: &str, message: &str, why: &str| {
        let answer = send(hospital, message);
        assert!(matches!(code(&answer), "AE" | "AR"), "{answer}");
        assert!(answer.contains(why), "{answer}");
        wait_for(&format!("{id} before a person"), 30, || {
            let query = "SELECT CAST(work AS TEXT), reason FROM hl7_message ORDER BY number DESC";
            let rows = hospital.rows.texts(query);
            let [Some(work), Some(reason)] = rows.first()?.as_slice() else {
                return None;
            };
            (work == "1" && reason.contains(why)).then_some(())
        });
    };
    let large = STANDARD.encode(document(FAR_TOO_MANY));
    refused("LARGE", &with("LARGE", &large), "more than 100 MB");
    // Broken in the middle, and in a set of letters that Base64 has not.
    let most = &large[..20_000_000];
    refused(
        "PADDED",
        &with("PADDED", &format!("{most}===={most}")),
        "not Base64",
    );
    refused(
        "LINES",
        &with("LINES", &format!("{most}\\.br\\{most}")),
        "not Base64",
    );
    // A long field that is no document has the bound of the message.
    let words = with("WORDS", most).replace("^Base64^", "^A^");
    refused("WORDS", &words, "16777216");
    let grown = peak(hospital) - before;
    println!("{} MB more", grown / 1_000_000);
    assert!(grown < MORE_BYTES_MAX, "{grown} bytes");
    wait_for("what was begun to be forgotten", 30, || {
        (hospital.rows.number(UNFINISHED) == 0).then_some(())
    });
    let answer = send(hospital, &letter(HOSPITAL, PRACTICE, "GOOD", AMINA));
    assert_eq!(code(&answer), "AA");
    wait_for("the good letter at the practice", 60, || {
        let there = nodes.practice.rows.parcels(false);
        there.contains_key("GOOD").then_some(())
    });
    assert_eq!(nodes.practice.rows.parcels(false).len(), 1);
}
