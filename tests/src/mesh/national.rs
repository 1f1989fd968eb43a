//! Out by the national service: here to the NHS's own stand-in.

use super::house::{House, WORKFLOW};
use crate::appointments::{says, sign_in};
use crate::client::http::Client;
use crate::faults::people::account;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, wait_for};
use crate::opt_out::stand_in::{MAILBOX, SERVICE, StandIn};

const LAB: &str = "RZZ98OT001";
const WARD: &str = "RZZ98OT002";

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

/// A rule of the node's settings: whose a workflow's messages are.
fn collect(nodes: &Neighbourhood, rules: &[(&str, &str)]) {
    let path = nodes.hospital.folder.join("handover.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    if !text.contains("collect_seconds") {
        text = text.replace("[mesh_server]\n", "[mesh_server]\ncollect_seconds = 1\n");
    }
    for (workflow, mailbox) in rules {
        text.push_str(&format!(
            "\n[[mesh_server.collect]]\nworkflow = \"{workflow}\"\nmailbox = \"{mailbox}\"\n"
        ));
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn what_comes_by_the_national_service_stands_in_the_mailbox_of_its_workflow_once() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let national = StandIn::mesh_only(folder.path());
    national.set_up(&nodes.hospital);
    let house = House::open(&nodes.hospital, &[(LAB, HOSPITAL), (WARD, HOSPITAL)], false);
    collect(&nodes, &[("PATH_*", LAB), ("WARD_LIST", WARD)]);
    let there = House {
        address: national.address(),
        folder: nodes.hospital.folder.clone(),
        tls: false,
    };
    let path = |name: &str| folder.path().join(name).display().to_string();
    let content: Vec<u8> = (0..5_000_000_u32).map(|it| (it % 253) as u8).collect();
    std::fs::write(path("large"), &content).unwrap();
    std::fs::write(path("small"), "a list of the ward").unwrap();
    let send = |workflow: &str, file: &str, more: &[&str]| {
        let file = path(file);
        let send = [&["send", MAILBOX, workflow, &file][..], more].concat();
        there.client(SERVICE, &send).as_str().unwrap().to_owned()
    };
    let more = [
        "subject=Results",
        "local_id=THEIRS-1",
        "filename=results.dat",
        "max_chunk_size=2000000",
        "compress=yes",
    ];
    let large = send("PATH_MEDRPT_V3", "large", &more);
    let small = send("WARD_LIST", "small", &[]);
    let nobodys = send("DENTAL_X", "small", &[]);
    // The service's own answers are left to who asked.
    let left = send(crate::opt_out::stand_in::WORKFLOW, "small", &[]);
    // What is stored but not acknowledged when the node dies: it is killed while it collects, again and again.
    for _ in 0..3 {
        nodes.hospital.process.start();
        wait_for("something of it", 20, || {
            let pieces = "SELECT CAST(COUNT(*) AS TEXT) FROM mesh_piece";
            (nodes.hospital.rows.number(pieces) > 0).then_some(())
        });
        nodes.hospital.process.kill();
    }
    nodes.hospital.process.start();
    wait_for("that all is taken", 30, || {
        (there.client(MAILBOX, &["list"]) == serde_json::json!([left])).then_some(())
    });
    assert_eq!(house.client(LAB, &["list"]), serde_json::json!([large]));
    assert_eq!(house.client(WARD, &["list"]), serde_json::json!([small]));
    assert_eq!(
        there.client(SERVICE, &["track", &large])["status"],
        "acknowledged"
    );
    let told = house.client(LAB, &["fetch", &large, &path("out")]);
    assert!(
        std::fs::read(path("out")).unwrap() == content,
        "the content is not what was sent"
    );
    assert_eq!(told["from"], SERVICE);
    assert_eq!(told["subject"], "Results");
    assert_eq!(told["localid"], "THEIRS-1");
    assert_eq!(told["filename"], "results.dat");
    assert_eq!(told["workflowid"], "PATH_MEDRPT_V3");
    assert_eq!(house.client(LAB, &["list"]), serde_json::json!([]));
    // What no rule matches is here, and a person is told.
    let status = crate::node::process::run(&nodes.hospital.folder, &["mesh", "status"]);
    assert!(
        status.contains(&nobodys) && status.contains("mesh_server.collect"),
        "{status}"
    );
    nodes.hospital.process.kill();
    collect(&nodes, &[("*", WARD)]);
    nodes.hospital.process.start();
    let there_now = wait_for("what was nobody's in the ward's mailbox", 30, || {
        let listed = house.client(WARD, &["list"]);
        (listed.as_array().map_or(0, Vec::len) == 2).then_some(listed)
    });
    assert!(there_now.as_array().unwrap().contains(&nobodys.into()));
    let kept = "SELECT CAST(COUNT(*) AS TEXT) FROM mesh_message WHERE way = 'collected'";
    assert_eq!(
        nodes.hospital.rows.number(kept),
        3,
        "once, however often it was collected"
    );
}

#[test]
fn a_report_of_the_national_service_reaches_the_system_that_sent_under_its_own_names() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let national = StandIn::mesh_only(folder.path());
    national.set_up(&nodes.hospital);
    let house = House::open(&nodes.hospital, &[(LAB, HOSPITAL)], false);
    collect(&nodes, &[("PATH_*", LAB)]);
    nodes.hospital.process.start();
    let file = folder.path().join("file");
    std::fs::write(&file, "results").unwrap();
    let file = file.display().to_string();
    let send = [
        "send",
        SERVICE,
        WORKFLOW,
        &file,
        "local_id=OURS-1",
        "subject=For you",
    ];
    let id = house.client(LAB, &send).as_str().unwrap().to_owned();
    let outside = "SELECT outside FROM mesh_message WHERE outside <> ''";
    let outside = wait_for("its name at the national service", 30, || {
        nodes.hospital.rows.texts(outside).first()?[0].clone()
    });
    // The stand-in gives nothing up by itself: its door for tests makes the report.
    let report = serde_json::json!({
        "mailbox_id": MAILBOX, "code": "14", "description": "Message not collected by recipient after 5 days",
        "workflow_id": WORKFLOW, "subject": "NDR", "local_id": id, "status": "undeliverable",
        "file_name": "x.dat", "linked_message_id": outside,
    });
    let mut client = crate::client::http::Client::new(national.address());
    let made = client.request(
        "POST",
        "/messageexchange/admin/report",
        &[("content-type", "application/json")],
        report.to_string().as_bytes(),
    );
    let made = made.unwrap();
    assert_eq!(made.status, 200, "{}", made.text());
    let listed = wait_for("the report in the sender's mailbox", 30, || {
        let listed = house.client(LAB, &["list"]);
        listed[0].as_str().map(str::to_owned)
    });
    let told = house.client(LAB, &["peek", &listed]);
    assert_eq!(told["messagetype"], "REPORT");
    assert_eq!(told["linkedmsgid"], id);
    assert_eq!(told["localid"], "OURS-1");
    assert_eq!(told["statuscode"], "14");
    assert_eq!(
        house.client(LAB, &["track", &id])["status"],
        "undeliverable"
    );
    wait_for("that the report is taken", 30, || {
        let there = House {
            address: national.address(),
            folder: nodes.hospital.folder.clone(),
            tls: false,
        };
        (there.client(MAILBOX, &["list"]) == serde_json::json!([])).then_some(())
    });
}

#[test]
fn a_mailbox_that_cannot_be_collected_and_mail_that_is_nobodys_stand_on_the_work_list() {
    let mut nodes = Neighbourhood::set_up(None);
    let folder = tempfile::tempdir().unwrap();
    let national = StandIn::mesh_only(folder.path());
    national.set_up(&nodes.hospital);
    let _house = House::open(&nodes.hospital, &[(LAB, HOSPITAL)], false);
    collect(&nodes, &[("PATH_*", LAB)]);
    let settings = nodes.hospital.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let ways = "\n[sign_in]\nstaff = [\"passkey\", \"password\"]\n";
    std::fs::write(settings, text + ways).unwrap();
    let there = House {
        address: national.address(),
        folder: nodes.hospital.folder.clone(),
        tls: false,
    };
    let file = folder.path().join("file").display().to_string();
    std::fs::write(&file, "about teeth").unwrap();
    there.client(SERVICE, &["send", MAILBOX, "DENTAL_X", &file]);
    account(&nodes.hospital, "ed", "Ed Engineer", "engineer");
    nodes.hospital.process.start();
    let mut ed = Client::new(nodes.hospital.pages);
    sign_in(&mut ed, "/staff/login", "ed");
    let list = "/staff/worklist";
    let collected = "Where [[mesh_server.collect]] is not set, none is.";
    wait_for("what is nobody's on the work list", 60, || {
        let page = ed.get(list).ok()?.text();
        (page.contains("mesh_server.collect") && page.contains("DENTAL_X")).then_some(())
    });
    assert!(says(&mut ed, list, collected));
    drop(national);
    wait_for("that nothing is collected, on the work list", 60, || {
        let page = ed.get(list).ok()?.text();
        let told = page.contains("Not collected") && !page.contains(collected);
        (told && page.contains("keeps them for five days")).then_some(())
    });
}
