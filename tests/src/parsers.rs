//! What parsers must not be broken by, sent to a real node through its doors; the node goes on answering.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::http::{Answer, Client};
use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, patient, wait_for};
use crate::node::process::Process;

const FHIR_JSON: (&str, &str) = ("content-type", "application/fhir+json");
const FHIR_XML: (&str, &str) = ("content-type", "application/fhir+xml");
/// No refusal takes longer than this.
const REFUSAL_SECONDS: u64 = 10;

/// The practice of a neighbourhood alone.
fn practice() -> Neighbourhood {
    let mut nodes = Neighbourhood::set_up(None);
    nodes.practice.process.start();
    nodes
}

fn post(client: &mut Client, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let began = Instant::now();
    let answer = client.request("POST", "/fhir/Patient", headers, body);
    assert!(began.elapsed().as_secs() < REFUSAL_SECONDS);
    answer.unwrap()
}

/// Refused with that status and an OperationOutcome that says why; and the node is there as before.
fn assert_refused(client: &mut Client, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let text = answer.text();
    let says_why = if text.starts_with('<') {
        text.contains("<OperationOutcome") && text.contains("<diagnostics")
    } else {
        let outcome = answer.json();
        outcome["resourceType"] == "OperationOutcome"
            && outcome["issue"][0]["diagnostics"]
                .as_str()
                .is_some_and(|it| it.len() > 10)
    };
    assert!(says_why, "{text}");
    let metadata = client.get("/fhir/metadata").unwrap();
    assert_eq!(metadata.status, 200);
}

/// How much memory the process holds, and held at most, in KiB.
fn memory_kib(process: &Process, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let found = status
        .lines()
        .find_map(|text| text.strip_prefix(line))
        .unwrap();
    found.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn x01_x03_hostile_json_is_refused_with_a_reason() {
    let nodes = practice();
    let mut client = nodes.practice.client();
    let deep: [&[u8]; 3] = [
        &b"[".repeat(100_000),
        &b"{\"a\":".repeat(100_000),
        &br#"{"resourceType":"Patient","extension":[{"url":"x","extension":["#.repeat(1_500),
    ];
    for body in deep {
        let answer = post(&mut client, &[FHIR_JSON], body);
        assert_refused(&mut client, &answer, 422);
        assert!(
            answer.text().contains("line 1, column "),
            "{}",
            answer.text()
        );
    }
    let hostile: [&[u8]; 6] = [
        br#"{"resourceType":"Patient","active":true,"active":false}"#,
        br#"{"resourceType":"Patient","language":"\ud800"}"#,
        br#"{"resourceType":"Patient","language":"a\u0000b"}"#,
        b"\xef\xbb\xbf{\"resourceType\":\"Patient\"}",
        b"{\"resourceType\":\"Patient\",\"language\":\"\xff\xfe\"}",
        b"{\"resourceType\":\"Patient\"}\0",
    ];
    for body in hostile {
        let answer = post(&mut client, &[FHIR_JSON], body);
        assert_refused(&mut client, &answer, 400);
    }
    let found = client.get("/fhir/Patient?_summary=count").unwrap();
    assert_eq!(found.json()["total"], 0, "nothing of it was stored");
}

#[test]
fn x04_hostile_xml_is_refused_and_reaches_no_file_and_no_address() {
    let nodes = practice();
    let mut client = nodes.practice.client();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let elsewhere = listener.local_addr().unwrap();
    let secret = nodes.practice.folder.join("secret.txt");
    std::fs::write(&secret, "canary-of-a-file").unwrap();
    let laughs: String = (1..30)
        .map(|n| format!("<!ENTITY e{n} \"&e{0};&e{0};\">", n - 1))
        .collect();
    let file = format!("<!ENTITY f SYSTEM \"file://{}\">", secret.display());
    let doctypes = [
        format!("<!DOCTYPE x [<!ENTITY e0 \"ha\">{laughs}<!ENTITY f \"&e29;\">]>"),
        format!("<!DOCTYPE x [{file}]>"),
        format!("<!DOCTYPE x [<!ENTITY f SYSTEM \"http://{elsewhere}/f\">]>"),
        format!("<!DOCTYPE x SYSTEM \"http://{elsewhere}/x.dtd\">"),
        format!("<?xml-stylesheet href=\"http://{elsewhere}/x.xsl\"?>"),
        String::new(),
    ];
    for doctype in doctypes {
        let body = format!(
            "{doctype}<Patient xmlns=\"http://hl7.org/fhir\"><language value=\"&f;\"/></Patient>"
        );
        let answer = post(&mut client, &[FHIR_XML], body.as_bytes());
        assert!(!answer.text().contains("canary-of-a-file"));
        assert_refused(&mut client, &answer, 400);
    }
    let deep = format!(
        "<Patient xmlns=\"http://hl7.org/fhir\">{}",
        "<extension url=\"x\">".repeat(100_000)
    );
    let answer = post(&mut client, &[FHIR_XML], deep.as_bytes());
    assert_refused(&mut client, &answer, 422);
    assert!(
        listener.accept().is_err(),
        "the node asked an address that a body named"
    );
}

#[test]
fn x06_hostile_hl7_v2_is_answered_with_place_and_reason() {
    let mut nodes = Neighbourhood::set_up(None);
    nodes.hospital.process.start();
    let good = letter(HOSPITAL, PRACTICE, "GOOD1", AMINA);
    let hostile = [
        format!("{good}{}", "NTE|1\r".repeat(1_000_000)),
        good.replace("TESTER^AMINA", &"x".repeat(70_000)),
        good.replace("TESTER^AMINA", &"~".repeat(5_000)),
        good.replace("^~\\&", "||||"),
        good.replace("^~\\&", "^^^^"),
        good.replace("|P|2.4\r", "|P|2.4||||||KS X 1001\r"),
        good.replace("|P|2.4\r", "|P|2.4||||||ASCII\r")
            .replace("Dear", "D\u{e9}ar"),
        format!("{good}{good}"),
    ];
    for message in hostile {
        let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
        let answer = sender.send(&message).unwrap();
        assert!(
            ["AE", "AR"].contains(&code(&answer)),
            "{}: {answer}",
            &message[..80]
        );
        assert!(answer.contains("\rERR|"), "no reason in {answer}");
    }
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let odd = good.replace("Dear", "\\X41\\\\XZZ\\\\.sp999999999\\\\Q\\\\");
    assert_eq!(
        code(&sender.send(&odd).unwrap()),
        "AA",
        "escapes that are none stay text"
    );
}

#[test]
fn x07_a_body_that_unpacks_a_thousandfold_is_refused_at_the_limit() {
    let nodes = practice();
    let mut client = nodes.practice.client();
    // 256 MiB of spaces each; the bound is 64 MiB.
    let plain = vec![b' '; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    for _ in 0..256 {
        gzip.write_all(&plain).unwrap();
        zstd.write_all(&plain).unwrap();
    }
    let bombs = [
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd.finish().unwrap()),
    ];
    for (packing, bomb) in &bombs {
        assert!(bomb.len() < 300_000);
        let answer = post(
            &mut client,
            &[FHIR_JSON, ("content-encoding", packing)],
            bomb,
        );
        assert_refused(&mut client, &answer, 413);
    }
    let peak = memory_kib(&nodes.practice.process, "VmHWM:");
    assert!(peak < 600 << 10, "it came to hold {peak} KiB");
}

/// What a PNG's header says of itself; none of the picture.
fn vast_picture() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(60_000_u32.to_be_bytes());
    png.extend(60_000_u32.to_be_bytes());
    png.extend(b"\x08\x06\0\0\0\0\0\0\0\0\0\0\x0aIDATx\x9c\xed\xc1\x01\x01\0");
    png
}

/// Stores bytes as a Binary and gives its address.
fn stored(client: &mut Client, kind: &str, bytes: &[u8]) -> String {
    let binary: Value =
        json!({ "resourceType": "Binary", "contentType": kind, "data": STANDARD.encode(bytes) });
    let answer = client.send_json("POST", "/fhir/Binary", &binary).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    format!("/fhir/Binary/{}", answer.json()["id"].as_str().unwrap())
}

#[test]
fn x09_x10_pictures_and_pdfs_go_through_unread_and_come_out_as_they_went_in_and_inert() {
    let nodes = practice();
    let mut client = nodes.practice.client();
    let pdf = b"%PDF-1.7 1 0 obj << /OpenAction << /S /Launch /F (x) >> /Names << /EmbeddedFiles 2 0 R >> >>";
    let tiff = b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0\x01\0\0\0\x01\0\0\0\x08\0\0\0";
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    let vast = vast_picture();
    let files: [(&str, &[u8]); 5] = [
        ("image/png", &vast),
        ("image/tiff", tiff),
        ("application/pdf", pdf),
        ("image/svg+xml", svg),
        ("text/html", b"<script>alert(1)</script>"),
    ];
    let before = memory_kib(&nodes.practice.process, "VmRSS:");
    for (kind, bytes) in files {
        let address = stored(&mut client, kind, bytes);
        for accept in ["*/*", "application/fhir+json"] {
            let answer = client
                .request("GET", &address, &[("accept", accept)], &[])
                .unwrap();
            assert_eq!(answer.status, 200, "{kind} as {accept}: {}", answer.text());
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.contains("sandbox") && policy.contains("default-src 'none'"),
                "{policy}"
            );
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("content-type"), Some("application/fhir+json"));
            assert_eq!(answer.json()["data"], STANDARD.encode(bytes));
        }
        // As what it says it is, nobody gets it from here: a browser would run it.
        let asked = client.request("GET", &address, &[("accept", kind)], &[]);
        assert_eq!(asked.unwrap().status, 406, "{kind}");
    }
    let grown = memory_kib(&nodes.practice.process, "VmRSS:").saturating_sub(before);
    assert!(
        grown < 64 << 10,
        "a picture was made of it: {grown} KiB more"
    );
}

#[test]
fn x01_x06_what_is_no_request_at_all_ends_its_connection_and_nothing_else() {
    let nodes = Neighbourhood::start();
    let garbage: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &[b"GET /".as_slice(), &b"a".repeat(200_000), b" HTTP/1.1\r\n\r\n"].concat(),
        &b"\0".repeat(100_000),
    ];
    for bytes in garbage {
        for door in [nodes.practice.pages, nodes.practice.mllp] {
            let mut stream = TcpStream::connect(door).unwrap();
            stream
                .set_write_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let _ = stream.write_all(bytes);
        }
    }
    assert_eq!(
        nodes
            .practice
            .client()
            .send_json("POST", "/fhir/Patient", &patient())
            .unwrap()
            .status,
        201
    );
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender
        .send(&letter(HOSPITAL, PRACTICE, "AFTER1", AMINA))
        .unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
    wait_for("the letter at the practice", 20, || {
        nodes.practice.rows.parcels(false).remove("AFTER1")
    });
    assert!(
        !nodes.practice.process.log().contains("panicked"),
        "{}",
        nodes.practice.process.log()
    );
}
