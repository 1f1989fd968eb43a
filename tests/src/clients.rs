//! Clients that others wrote, as they come from their registries, at a real node.

use std::process::Command;

use crate::client::message::{AMINA, letter};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};
use crate::setting::{assets, python_program, root, shared_data};

/// `mllp_send` hangs on silence and exits 0 on a refusal: it is given a time, and its output is read.
const SECONDS: &str = "20";

fn mllp_send(nodes: &Neighbourhood, messages: &str) -> String {
    let file = nodes.hospital.folder.join("messages.hl7");
    std::fs::write(&file, messages).unwrap();
    let output = Command::new("timeout")
        .arg(SECONDS)
        .arg(python_program("mllp_send"))
        .args([
            "--loose",
            "--port",
            &nodes.hospital.mllp.port().to_string(),
            "--file",
        ])
        .arg(&file)
        .arg("127.0.0.1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "mllp_send: {} {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn pythons_mllp_send_delivers_a_letter() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    let answers = mllp_send(&nodes, &letter(HOSPITAL, PRACTICE, "PY1", AMINA));
    assert!(answers.contains("MSA|AA|PY1"), "{answers}");
    wait_for("the letter in the inbox", 20, || {
        nodes
            .practice
            .rows
            .parcels(false)
            .get("PY1")
            .filter(|rows| rows[0].taken_in)
            .map(|_| ())
    });
}

#[test]
fn every_published_message_is_taken_or_refused_with_a_reason() {
    let Some(data) = shared_data() else { return };
    let nodes = Neighbourhood::start();
    let mut codes = std::collections::BTreeMap::<String, u32>::new();
    let mut files = Vec::new();
    collect(&data.join("hl7v2"), &mut files);
    files.sort();
    for (number, file) in files.into_iter().enumerate() {
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        if !text.starts_with("MSH|") {
            continue;
        }
        // The published ones share control ids, which would make them repeats of each other.
        let text = text.replace("\r\n", "\r").replace('\n', "\r");
        let text = with_control_id(&text, &format!("PUBLISHED{number}"));
        let mut sender = crate::client::mllp::Sender::connect(nodes.hospital.mllp).unwrap();
        let answer = sender
            .send(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let code = crate::client::mllp::code(&answer);
        assert!(
            ["AA", "AE", "AR"].contains(&code),
            "{}: {answer}",
            file.display()
        );
        let kind = text
            .split('|')
            .nth(8)
            .unwrap()
            .split('^')
            .take(2)
            .collect::<Vec<_>>()
            .join("^");
        if TAKEN.contains(&kind.as_str()) && file.starts_with(data.join("hl7v2/ms")) {
            assert_eq!(code, "AA", "{}: {answer}", file.display());
        }
        *codes.entry(code.to_owned()).or_default() += 1;
    }
    println!("published messages, by answer: {codes:?}");
    assert!(codes.get("AA").copied().unwrap_or(0) > 50, "{codes:?}");
}

/// What a node takes in so far.
const TAKEN: [&str; 5] = ["ADT^A01", "ADT^A03", "ADT^A08", "ORU^R01", "MDM^T02"];

/// The message with another MSH-10.
fn with_control_id(message: &str, id: &str) -> String {
    let (header, rest) = message.split_once('\r').unwrap_or((message, ""));
    let mut fields: Vec<&str> = header.split('|').collect();
    if let Some(field) = fields.get_mut(9) {
        *field = id;
    }
    format!("{}\r{rest}", fields.join("|"))
}

fn collect(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files)
        } else {
            files.push(path)
        }
    }
}

#[test]
fn fhir_kit_client_works_at_a_node() {
    let nodes = Neighbourhood::start();
    let output = Command::new("node")
        .arg(root().join("tests/clients/fhir-kit.mjs"))
        .env("HANDOVER_ASSETS", assets())
        .env(
            "HANDOVER_TEST_FHIR",
            format!("http://{}/fhir", nodes.practice.pages),
        )
        .env("HANDOVER_TEST_TOKEN", &nodes.practice.token)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{text}");
}

#[test]
fn fhirpy_works_at_a_node() {
    let nodes = Neighbourhood::start();
    let output = Command::new(python_program("python"))
        .arg(root().join("tests/clients/fhirpy_client.py"))
        .env(
            "HANDOVER_TEST_FHIR",
            format!("http://{}/fhir", nodes.practice.pages),
        )
        .env("HANDOVER_TEST_TOKEN", &nodes.practice.token)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{faults}");
    print!("{text}");
}

/// Made-up requests to every route of the OpenAPI document: whatever comes, no answer is a server's
/// error. What is made up is the same each time.
#[test]
fn schemathesis_finds_no_server_error() {
    let nodes = Neighbourhood::start();
    let base = format!("http://{}/fhir", nodes.practice.pages);
    let bearer = format!("Authorization: Bearer {}", nodes.practice.token);
    let output = Command::new("timeout")
        .arg("400")
        .arg(python_program("schemathesis"))
        .args(["run", &format!("{base}/openapi.json"), "--url", &base])
        .args(["--checks", "not_a_server_error"])
        .args(["--phases", "coverage,fuzzing", "--max-examples", "4"])
        .args(["--generation-deterministic", "--workers", "1"])
        .args(["--no-color", "--no-shrink", "--continue-on-failure"])
        .args(["--suppress-health-check", "all", "--warnings", "off"])
        .args(["--header", &bearer])
        .current_dir(&nodes.practice.folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let faults = String::from_utf8_lossy(&output.stderr);
    let summary = text.split("Test cases:").nth(1);
    let summary = summary.unwrap_or_else(|| panic!("schemathesis did not finish: {text}{faults}"));
    // Its exit status also tells of faults of its own, which are none of the server's.
    assert!(!text.contains("Server error"), "{text}{faults}");
    println!("schemathesis: {}", summary.trim());
}
