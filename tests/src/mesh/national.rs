//! Out by the national service: here to the NHS's own stand-in.

use super::house::{House, WORKFLOW};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, wait_for};
use crate::opt_out::stand_in::{SERVICE, StandIn};

const LAB: &str = "RZZ98OT001";

#[test]
fn a_message_to_a_mailbox_of_no_member_leaves_by_the_national_service_once() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let national = StandIn::mesh_only(folder.path());
    national.set_up(&nodes.hospital);
    let house = House::open(&nodes.hospital, &[(LAB, HOSPITAL)], false);
    let there = House {
        address: national.address(),
        folder: nodes.hospital.folder.clone(),
        tls: false,
    };
    nodes.hospital.process.start();
    let file = folder.path().join("file");
    let content: Vec<u8> = (0..3_000_000_u32).map(|it| (it % 251) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    let file = file.display().to_string();
    let send = [
        "send",
        SERVICE,
        WORKFLOW,
        &file,
        "subject=For you",
        "max_chunk_size=2000000",
        "compress=yes",
    ];
    let id = house.client(LAB, &send);
    let id = id.as_str().unwrap();
    let theirs = wait_for("the message at the national service", 30, || {
        let listed = there.client(SERVICE, &["list"]);
        listed[0].as_str().map(str::to_owned)
    });
    let out = folder.path().join("out").display().to_string();
    let told = there.client(SERVICE, &["fetch", &theirs, &out]);
    assert!(
        std::fs::read(&out).unwrap() == content,
        "the content is not what was sent"
    );
    assert_eq!(told["subject"], "For you");
    assert_eq!(told["localid"], id);
    wait_for("that it was collected", 60, || {
        let tracked = house.client(LAB, &["track", id]);
        (tracked["status"] == "acknowledged").then_some(())
    });
    assert_eq!(there.client(SERVICE, &["list"]), serde_json::json!([]));
}
