//! The recorded talk with the NHS's stand-in, said again to our door: the same requests, in order,
//! with tokens of today. Every difference in what is answered is on a list here, with its reason; a
//! difference that is not on it, or one on it that is none, fails the test.

use std::collections::HashMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::house::{House, PASSWORD, WORKFLOW};
use super::raw::{ask, token};
use crate::client::http::Answer;
use crate::node::neighbourhood::Neighbourhood;
use crate::setting::shared_data;

/// Steps whose answers differ from the stand-in's, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "chunk 3 beyond total",
        "refused with a sentence; the stand-in tells of an error of its own",
    ),
    ("resend chunk 2 after accept", "as above"),
    (
        "list inbox v2",
        "what is sent twice under one local id is one message",
    ),
    ("list inbox v1", "as above"),
    ("list workflow_filter not contains", "as above"),
    (
        "list max_results too small",
        "the bounds are told in words of ours",
    ),
    (
        "count",
        "what is sent twice under one local id is one message",
    ),
    (
        "get single gzip v2",
        "content is given as it was sent: what came unpacked is not packed",
    ),
    ("get after ack", "as above"),
    (
        "endpointlookup v2",
        "every mailbox of the organisation that takes the workflow is named, not one",
    ),
    ("endpointlookup v1", "as above"),
    ("workflowsearch", "as above"),
    ("track v1 by message id", "the recording is cut short"),
];

/// Steps that are none of ours, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "ADMIN (test only) put undeliverable report in sender inbox",
        "the stand-in's own door for tests",
    ),
    (
        "get undeliverable report",
        "made by that; our own report has a test in the store",
    ),
    (
        "ADMIN mark message undeliverable",
        "the stand-in's own door for tests",
    ),
    ("get undeliverable message", "made by that"),
    ("rich inbox", "not in the published interface"),
    ("rich outbox", "not in the published interface"),
];

/// Headers that are compared.
const HEADERS: &[&str] = &[
    "mex-from",
    "mex-to",
    "mex-workflowid",
    "mex-chunk-range",
    "mex-total-chunks",
    "mex-addresstype",
    "mex-localid",
    "mex-filename",
    "mex-subject",
    "mex-version",
    "mex-messagetype",
    "mex-messageid",
    "mex-statuscode",
    "mex-statusevent",
    "mex-statusdescription",
    "mex-statussuccess",
    "mex-content-type",
    "content-encoding",
    "content-type",
    "content-length",
];

/// The ids of the recording, and ours in their stead.
#[derive(Default)]
struct Ids(HashMap<String, String>);

impl Ids {
    fn ours(&self, text: &str) -> String {
        let put = |text: String, (theirs, ours): (&String, &String)| text.replace(theirs, ours);
        self.0.iter().fold(text.to_owned(), put)
    }

    fn learn(&mut self, theirs: &str, ours: &str) {
        let id = |text: &str| -> Option<String> {
            let json: Value = serde_json::from_str(text).ok()?;
            let id = json.get("message_id").or(json.get("messageID"))?;
            id.as_str().map(str::to_owned)
        };
        if let (Some(theirs), Some(ours)) = (id(theirs), id(ours)) {
            self.0.insert(theirs, ours);
        }
    }
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The body of a step: what was recorded of packed ones does not read any more.
fn body(step: &str, recorded: &Value) -> Vec<u8> {
    match step {
        "send chunk 1 of 2 gzip" => packed(&"hello ".repeat(20)),
        "send chunk 2 of 2 gzip" | "resend chunk 2 after accept" => packed("world"),
        _ if step.starts_with("chunk ") && step != "chunk 2 wrong encoding" => packed("x"),
        _ => recorded.as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

/// The token of a step: as wrong as the recorded one, and otherwise of today.
fn authorization(step: &str, recorded: &str) -> String {
    let mailbox = recorded
        .trim_start_matches("NHSMESH ")
        .split(':')
        .next()
        .unwrap();
    match step {
        "handshake bad password" => token(mailbox, "another", 0),
        _ => token(mailbox, PASSWORD, 0),
    }
}

fn said_again(house: &House, step: &str, request: &Value, ids: &Ids) -> Answer {
    let path = request["path"].as_str().unwrap();
    let path = ids.ours(path.trim_start_matches("/messageexchange"));
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in request["headers"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {}
            // The recorder asked for it always, and noted where it did not.
            "accept-encoding" if step.contains("no gzip") || step == "get single" => {}
            "authorization" => headers.push((name.clone(), authorization(step, value))),
            _ => headers.push((name.clone(), value.to_owned())),
        }
    }
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let body = body(step, &request["body"]);
    ask(
        house.address,
        request["method"].as_str().unwrap(),
        &path,
        &headers,
        &body,
    )
}

/// What is compared of an answer: times are anybody's own.
fn told(status: u64, header: impl Fn(&str) -> Option<String>, body: &str) -> String {
    let mut told = format!("{status}\n");
    let is_packed = header("content-encoding").is_some();
    for name in HEADERS {
        // Packed lengths are the packer's.
        if *name == "content-length" && is_packed {
            continue;
        }
        if let Some(value) = header(name) {
            told.push_str(&format!("{name}: {value}\n"));
        }
    }
    match serde_json::from_str::<Value>(body) {
        Ok(mut json) => {
            for time in ["expiry_time", "upload_timestamp", "query_id"] {
                if let Some(value) = json.get_mut(time) {
                    *value = "…".into();
                }
            }
            told + &json.to_string()
        }
        Err(_) if is_packed => told,
        Err(_) => told + body,
    }
}

fn differs(recorded: &Value, answer: &Answer, ids: &Ids) -> Option<String> {
    let theirs = |name: &str| {
        let found = recorded["headers"].get(name)?.as_str()?;
        Some(ids.ours(found))
    };
    let mut theirs_said = told(
        recorded["status"].as_u64().unwrap(),
        theirs,
        &ids.ours(recorded["body"].as_str().unwrap()),
    );
    let mut ours_said = told(
        u64::from(answer.status),
        |name| answer.header(name).map(str::to_owned),
        &answer.text(),
    );
    // The length of a body with a time or an id in it is not the recording's; an empty body of theirs
    // may be without a length here.
    for said in [&mut theirs_said, &mut ours_said] {
        let lines: Vec<&str> = said
            .lines()
            .filter(|it| !it.starts_with("content-length: "))
            .collect();
        *said = lines.join("\n").trim_end().to_owned();
    }
    (theirs_said != ours_said).then(|| format!("theirs:\n{theirs_said}\nours:\n{ours_said}"))
}

#[test]
fn the_recorded_talk_is_answered_as_the_stand_in_does_but_for_what_is_listed() {
    let Some(data) = shared_data() else { return };
    let text = std::fs::read_to_string(data.join("nhs/mesh/sandbox-transcript.json")).unwrap();
    let steps: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut nodes = Neighbourhood::set_up(None);
    let mailboxes = ["X26ABC1", "X26ABC2", "X26ABC3"].map(|id| (id, "X26"));
    let house = House::open(&nodes.hospital, &mailboxes, false);
    nodes.hospital.process.start();
    let mut ids = Ids::default();
    let (mut same, mut found) = (0, Vec::new());
    let mut wrong = Vec::new();
    for recorded in &steps {
        let step = recorded["step"].as_str().unwrap();
        if LEFT_OUT.iter().any(|(it, _)| *it == step) {
            continue;
        }
        let answer = said_again(&house, step, &recorded["request"], &ids);
        ids.learn(
            recorded["response"]["body"].as_str().unwrap(),
            &answer.text(),
        );
        let listed = DIFFERENCES.iter().any(|(it, _)| *it == step);
        match differs(&recorded["response"], &answer, &ids) {
            None => same += 1,
            Some(_) if listed => found.push(step),
            Some(how) => wrong.push(format!("## {step}\n{how}\n")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        steps.len(),
        wrong.join("\n")
    );
    let listed: Vec<&str> = DIFFERENCES.iter().map(|(step, _)| *step).collect();
    for step in &listed {
        assert!(found.contains(step), "{step} is listed and does not differ");
    }
    println!(
        "{same} steps alike, {} differ, {} left out; workflow {WORKFLOW}",
        found.len(),
        LEFT_OUT.len()
    );
}
