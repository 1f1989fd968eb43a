//! The NHS's own client at the door.

use std::path::Path;

use super::house::{House, PASSWORD, WORKFLOW, sign_again};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};
use crate::node::process::run;

const LAB: &str = "RZZ98OT001";
const WARD: &str = "RZZ98OT002";
const SURGERY: &str = "A99998OT001";

/// Made-up bytes that do not pack well.
fn content(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

fn same(one: &str, other: &str) {
    let read = |path: &str| std::fs::read(path).unwrap();
    assert!(read(one) == read(other), "{one} and {other} differ");
}

#[test]
fn mesh_client_sends_and_collects_over_tls_between_mailboxes_of_one_node() {
    let mut nodes = Neighbourhood::set_up(None);
    let house = House::open(&nodes.hospital, &[(LAB, HOSPITAL), (WARD, HOSPITAL)], true);
    nodes.hospital.process.start();
    let folder = nodes.hospital.folder.clone();
    assert_eq!(house.client(LAB, &["handshake"]), "hello");
    assert_eq!(house.client(WARD, &["count"]), 0);
    let file = write(&folder, "letter.xml", b"<letter/>");
    let more = [
        "subject=A letter",
        "local_id=L-1",
        "filename=letter.xml",
        "content_type=text/xml",
    ];
    let send = [&["send", WARD, WORKFLOW, &file][..], &more].concat();
    let id = house.client(LAB, &send);
    let id = id.as_str().unwrap();
    assert_eq!(house.client(WARD, &["list"]), serde_json::json!([id]));
    assert_eq!(house.client(LAB, &["track", id])["status"], "accepted");
    let out = folder.join("out").display().to_string();
    let told = house.client(WARD, &["fetch", id, &out]);
    same(&file, &out);
    assert_eq!(told["from"], LAB);
    assert_eq!(told["subject"], "A letter");
    assert_eq!(told["filename"], "letter.xml");
    assert_eq!(told["localid"], "L-1");
    assert_eq!(told["content_type"], "text/xml");
    assert_eq!(house.client(WARD, &["count"]), 0);
    let tracked = house.client(LAB, &["track", id]);
    assert_eq!(tracked["status"], "acknowledged");
    assert_eq!(tracked["recipient_ods_code"], HOSPITAL);
    // Sent again under its local id, because an answer was lost: it is the same message.
    assert_eq!(house.client(LAB, &send), id);
    assert_eq!(house.client(WARD, &["count"]), 0);
    // In chunks, packed and not, through a restart.
    let large = write(&folder, "large", &content(9_000_000));
    for compress in ["no", "yes"] {
        let compress = format!("compress={compress}");
        let send = [
            "send",
            WARD,
            WORKFLOW,
            &large,
            "max_chunk_size=4000000",
            &compress,
        ];
        let id = house.client(LAB, &send);
        let id = id.as_str().unwrap();
        nodes.hospital.process.kill();
        nodes.hospital.process.start();
        assert_eq!(house.client(WARD, &["peek", id])["chunk-range"], "1:3");
        let told = house.client(WARD, &["fetch", id, &out]);
        assert_eq!(told["size"], 9_000_000);
        same(&large, &out);
    }
    let found = house.client(LAB, &["lookup", HOSPITAL, WORKFLOW]);
    assert_eq!(found["results"][1]["mailbox_id"], WARD);
    let status = run(&folder, &["mesh", "status"]);
    assert!(status.contains(WARD), "{status}");
    // No certificate, no door.
    let mut shown = std::process::Command::new(crate::setting::python_program("python"));
    let shown = shown
        .arg(crate::setting::root().join("tests/clients/mailbox_client.py"))
        .args([
            &format!("https://{}", house.address),
            LAB,
            PASSWORD,
            "TestKey",
            "ping",
        ])
        .env("MESH_CERTIFICATE", "")
        .env("MESH_KEY", "")
        .env("MESH_SHOWS_NOTHING", "yes")
        .env("MESH_AUTHORITY", folder.join("authority.crt"))
        .output()
        .unwrap();
    assert!(!shown.status.success(), "served without a certificate");
}

#[test]
fn a_message_to_a_member_travels_in_parcels_and_is_tracked_by_receipts() {
    let mut nodes = Neighbourhood::set_up(None);
    let hospital = House::open(&nodes.hospital, &[(LAB, HOSPITAL)], false);
    let practice = House::open(&nodes.practice, &[(SURGERY, PRACTICE)], false);
    sign_again(&nodes);
    nodes.practice.process.start();
    nodes.hospital.process.start();
    let folder = nodes.hospital.folder.clone();
    let found = hospital.client(LAB, &["lookup", PRACTICE, WORKFLOW]);
    assert_eq!(found["results"][0]["mailbox_id"], SURGERY);
    let out = folder.join("out").display().to_string();
    // Small, in one part; then in two chunks, one of them of two parts.
    for (size, chunk) in [
        (1000, "max_chunk_size=4000000"),
        (21_000_000, "max_chunk_size=12000000"),
    ] {
        let file = write(&folder, "file", &content(size));
        let send = ["send", SURGERY, WORKFLOW, &file, "subject=For you", chunk];
        let id = hospital.client(LAB, &send);
        let id = id.as_str().unwrap();
        assert_eq!(hospital.client(LAB, &["track", id])["status"], "accepted");
        wait_for("the message at the practice", 60, || {
            let listed = practice.client(SURGERY, &["list"]);
            (listed == serde_json::json!([id])).then_some(())
        });
        let told = practice.client(SURGERY, &["fetch", id, &out]);
        same(&file, &out);
        assert_eq!(told["from"], LAB);
        assert_eq!(told["subject"], "For you");
        wait_for("the receipt", 30, || {
            let tracked = hospital.client(LAB, &["track", id]);
            (tracked["status"] == "acknowledged").then_some(())
        });
    }
}
