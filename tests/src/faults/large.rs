//! A document of a hundred megabytes from one node to another, while both die: what is on the disk at the one is never sent
//! again, nothing comes twice, and neither process ever holds it.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exchange::keys::sha256_hex;
use serde_json::{Value, json};

use crate::client::http::Answer;
use crate::node::neighbourhood::{Neighbourhood, PRACTICE, Site, patient, wait_for};

/// As much as a node takes of one part, nearly.
const BYTES: usize = 100_000_000;
/// What a process may take in memory beyond what it has when it has started: below what would hold the document once. A debug
/// build takes 47 to 69 MB, by how many pieces are under way.
const MORE_BYTES_MAX: u64 = 84_000_000;
const HELD: &str = "SELECT CAST(COALESCE(MAX(held), 0) AS TEXT) FROM parcel_content";
const ARRIVE_SECONDS: u64 = 240;

/// Bytes that no packing makes small, as many as that.
pub(super) fn document(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next)
        .take(count / 8)
        .flatten()
        .collect();
    bytes[..8].copy_from_slice(b"%PDF-1.7");
    bytes
}

fn unhexed(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}

/// The most that the process has had in memory since it began, in bytes.
pub(super) fn peak(site: &Site) -> u64 {
    let file = Path::new("/proc")
        .join(site.process.id().to_string())
        .join("status");
    let status = std::fs::read_to_string(file).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kilobytes * 1024
}

fn upload(site: &Site, body: &[u8], digest: Option<&str>) -> Answer {
    let mut headers = vec![
        ("content-type", "application/pdf"),
        ("x-security-context", "Patient/amina"),
    ];
    headers.extend(digest.map(|digest| ("content-digest", digest)));
    site.client()
        .request("POST", "/fhir/Binary", &headers, body)
        .unwrap()
}

/// A document of that Binary, sent to the practice; its id.
fn send(site: &Site, binary: &str, urgent: bool) -> String {
    let document = json!({
        "resourceType": "DocumentReference", "status": "current", "description": "Scanned notes",
        "subject": { "reference": "Patient/amina" },
        "content": [{ "attachment": { "url": format!("Binary/{binary}"), "contentType": "application/pdf" } }],
    });
    let mut client = site.client();
    let made = client
        .send_json("POST", "/fhir/DocumentReference", &document)
        .unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_string();
    let wish = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "recipient", "valueString": PRACTICE },
        { "name": "urgent", "valueBoolean": urgent },
    ] });
    let path = format!("/fhir/DocumentReference/{id}/$send");
    for known in [false, true] {
        let sent = client.send_json("POST", &path, &wish).unwrap();
        assert_eq!(sent.status, 200, "{}", sent.text());
        assert_eq!(
            sent.json()["parameter"][1]["valueBoolean"],
            known,
            "once, however often it is asked for"
        );
    }
    id
}

pub(super) fn binary_of(site: &Site, title: &str, size: usize) -> Option<String> {
    let found = site
        .client()
        .get("/fhir/DocumentReference?_count=50")
        .unwrap()
        .json();
    let entries = found["entry"].as_array()?.clone();
    let of = |entry: &Value| {
        let resource = &entry["resource"];
        let url = resource["content"][0]["attachment"]["url"].as_str()?;
        let told = resource["content"][0]["attachment"]["size"].as_u64()?;
        (resource["description"] == title && told == size as u64).then(|| url.to_string())
    };
    entries.iter().find_map(of)
}

#[test]
fn a_document_of_a_hundred_megabytes_crosses_while_both_ends_die_and_neither_ever_holds_it() {
    let mut nodes = Neighbourhood::start();
    nodes.register_patient();
    let mut person = patient();
    person["id"] = "amina".into();
    let put = nodes
        .hospital
        .client()
        .send_json("PUT", "/fhir/Patient/amina", &person);
    assert_eq!(put.unwrap().status, 201);
    let idle = [peak(&nodes.hospital), peak(&nodes.practice)];
    let bytes = document(BYTES);
    let sha256 = sha256_hex(&bytes);
    let digest = format!("sha-256=:{}:", STANDARD.encode(unhexed(&sha256)));
    // Nothing is taken that does not say what it is, or is something else.
    assert_eq!(upload(&nodes.hospital, b"%PDF-", None).status, 400);
    assert_eq!(upload(&nodes.hospital, b"%PDF-", Some(&digest)).status, 400);
    let made = upload(&nodes.hospital, &bytes, Some(&digest));
    assert_eq!(made.status, 201, "{}", made.text());
    let binary = made.json()["id"].as_str().unwrap().to_string();
    // Who only knows the digest of what is here does not get it.
    let forged = upload(&nodes.hospital, &vec![0; BYTES], Some(&digest));
    assert_eq!(forged.status, 400, "{}", forged.text());
    let taken = peak(&nodes.hospital) - idle[0];
    println!("{} MB more to take it in", taken / 1_000_000);
    assert!(taken < MORE_BYTES_MAX, "{taken} bytes to take it in");

    nodes.to_practice.delay(Duration::from_millis(20));
    send(&nodes.hospital, &binary, false);
    let held = |nodes: &Neighbourhood| nodes.practice.rows.number(HELD);
    for _ in 0..2 {
        let from = held(&nodes);
        wait_for("more of it", 60, || {
            (held(&nodes) > from + 2_000_000).then_some(())
        });
        nodes.practice.process.kill();
        let there = held(&nodes);
        assert!(there > from && there < BYTES as i64, "{there} bytes");
        nodes.practice.process.start();
        nodes.hospital.process.kill();
        nodes.hospital.process.start();
        assert!(
            held(&nodes) >= there,
            "what was acknowledged is still there"
        );
    }
    // An urgent letter overtakes it.
    let small = json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "SGVsbG8=",
        "securityContext": { "reference": "Patient/amina" } });
    let small = nodes
        .hospital
        .client()
        .send_json("POST", "/fhir/Binary", &small)
        .unwrap();
    let urgent = send(&nodes.hospital, small.json()["id"].as_str().unwrap(), true);
    wait_for("the urgent letter", 60, || {
        let came = nodes.practice.rows.parcels(false);
        came.get(&urgent)
            .is_some_and(|rows| rows[0].taken_in)
            .then_some(())
    });
    assert!(
        held(&nodes) < BYTES as i64,
        "the large one is still on its way"
    );
    nodes.to_practice.delay(Duration::ZERO);
    let there = wait_for("the large one", ARRIVE_SECONDS, || {
        binary_of(&nodes.practice, "Scanned notes", BYTES)
    });
    // Each byte crossed once, but for what was under way when somebody died.
    let carried = nodes.to_practice.carried_bytes();
    assert!(
        carried < (BYTES as u64) * 5 / 4,
        "{carried} bytes on the line"
    );
    for side in [
        nodes.hospital.rows.parcels(true),
        nodes.practice.rows.parcels(false),
    ] {
        assert_eq!(side.len(), 2);
        assert!(side.values().all(|rows| rows.len() == 1), "{side:?}");
    }
    reads_back(&nodes.practice, &there, (&sha256, BYTES));
    for (site, idle) in [&nodes.hospital, &nodes.practice].into_iter().zip(idle) {
        let more = peak(site) - idle;
        println!(
            "{}: {} MB when started, and {} MB more",
            site.ods,
            idle / 1_000_000,
            more / 1_000_000
        );
        assert!(more < MORE_BYTES_MAX, "{}: {more} bytes", site.ods);
    }
}

/// The Binary at the receiver is the document, to the byte.
pub(super) fn reads_back(site: &Site, binary: &str, (sha256, size): (&str, usize)) {
    let answer = site.client().get(&format!("/fhir/{binary}")).unwrap();
    assert_eq!(answer.status, 200);
    let data = answer.json()["data"].as_str().unwrap().to_string();
    let bytes = STANDARD.decode(data).unwrap();
    assert_eq!(bytes.len(), size);
    assert_eq!(sha256_hex(&bytes), sha256);
}
