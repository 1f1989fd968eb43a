//! What the door refuses, and what it holds against a client that does not keep the rules.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

use super::house::{House, PASSWORD, WORKFLOW};
use super::raw::{V2, ask, ask_as, token};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood};

const LAB: &str = "RZZ98OT001";
const WARD: &str = "RZZ98OT002";
const HOUR: i64 = 3_600_000;

fn opened() -> (Neighbourhood, House) {
    let mut nodes = Neighbourhood::set_up(None);
    let house = House::open(&nodes.hospital, &[(LAB, HOSPITAL), (WARD, HOSPITAL)], false);
    nodes.hospital.process.start();
    (nodes, house)
}

#[test]
fn a_mesh_token_serves_once_also_after_a_crash_and_only_near_its_time() {
    let (mut nodes, house) = opened();
    let path = format!("/{LAB}/count");
    let get = |token: &str| {
        let headers = [("authorization", token), ("accept", V2)];
        ask(house.address, "GET", &path, &headers, b"").status
    };
    let once = token(LAB, PASSWORD, 0);
    assert_eq!(get(&once), 200);
    assert_eq!(get(&once), 403);
    nodes.hospital.process.kill();
    nodes.hospital.process.start();
    assert_eq!(get(&once), 403);
    for (later, status) in [
        (-2 * HOUR, 200),
        (2 * HOUR, 200),
        (-2 * HOUR - 300_000, 403),
        (2 * HOUR + 300_000, 403),
    ] {
        assert_eq!(get(&token(LAB, PASSWORD, later)), status, "{later}");
    }
    assert_eq!(get(&token(LAB, "another", 0)), 403);
    assert_eq!(get(&token(WARD, PASSWORD, 0)), 403);
    assert_eq!(get("NHSMESH"), 403);
    // Neither password nor key nor token is in the log.
    let log = nodes.hospital.process.log();
    let tag = once.rsplit(':').next().unwrap();
    assert!(!log.contains(tag), "the log holds a token");
}

#[test]
fn a_packed_chunk_that_does_not_unpack_is_refused_and_one_that_does_is_given_unpacked() {
    let (_nodes, house) = opened();
    let outbox = format!("/{LAB}/outbox");
    let send = |body: &[u8]| {
        let headers = [
            ("mex-to", WARD),
            ("mex-workflowid", WORKFLOW),
            ("content-encoding", "gzip"),
        ];
        ask_as(house.address, "POST", &outbox, &headers, body)
    };
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let plain = vec![b'a'; 3_000_000];
    packed.write_all(&plain).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(send(b"not gzip at all").status, 422);
    assert_eq!(send(&packed[..packed.len() / 2]).status, 422);
    let sent = send(&packed);
    assert_eq!(sent.status, 202, "{}", sent.text());
    let id = sent.json()["message_id"].as_str().unwrap().to_owned();
    let path = format!("/{WARD}/inbox/{id}");
    let unpacked = ask_as(house.address, "GET", &path, &[], b"");
    assert_eq!(unpacked.status, 200);
    assert_eq!(unpacked.header("content-length"), Some("3000000"));
    assert!(unpacked.body == plain, "the content is not what was sent");
    let gzip = [("accept-encoding", "gzip")];
    let as_sent = ask_as(house.address, "GET", &path, &gzip, b"");
    assert_eq!(as_sent.header("content-encoding"), Some("gzip"));
    assert!(as_sent.body == packed, "the chunk is not as it was sent");
}

#[test]
fn the_inbox_is_told_page_by_page_and_filtered_by_workflow() {
    let (_nodes, house) = opened();
    let outbox = format!("/{LAB}/outbox");
    let mut sent = Vec::new();
    for number in 0..23 {
        let workflow = if number % 2 == 0 { "TOC" } else { "TOC_ACK" };
        let headers = [("mex-to", WARD), ("mex-workflowid", workflow)];
        let answer = ask_as(house.address, "POST", &outbox, &headers, b"x");
        sent.push(answer.json()["message_id"].as_str().unwrap().to_owned());
    }
    let mut next = Some(format!("/{WARD}/inbox?max_results=10"));
    let mut listed = Vec::new();
    while let Some(path) = next {
        let page = ask_as(house.address, "GET", &path, &[], b"").json();
        assert_eq!(page["approx_inbox_count"], 23);
        let ids = page["messages"].as_array().unwrap();
        listed.extend(ids.iter().map(|it| it.as_str().unwrap().to_owned()));
        let link = page["links"]["next"].as_str();
        next = link.map(|it| it.trim_start_matches("/messageexchange").to_owned());
    }
    assert_eq!(listed, sent);
    let filtered = format!("/{WARD}/inbox?workflow_filter=!*_ACK");
    let page = ask_as(house.address, "GET", &filtered, &[], b"").json();
    assert_eq!(page["messages"].as_array().unwrap().len(), 12);
    for wrong in ["max_results=5001", "max_results=x", "continue_from=-1"] {
        let path = format!("/{WARD}/inbox?{wrong}");
        assert_eq!(
            ask_as(house.address, "GET", &path, &[], b"").status,
            400,
            "{wrong}"
        );
    }
}
