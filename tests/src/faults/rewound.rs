//! F14: a neighbour's node is put back to an old copy of its records. What it had taken since then is sent again.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::look::Parcel;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};
use crate::node::process::{outcome, run};

const SECONDS: u64 = 60;

fn send(nodes: &Neighbourhood, message: &str) {
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender.send(message).unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
}

fn send_letter(nodes: &Neighbourhood, id: &str) {
    send(nodes, &letter(HOSPITAL, PRACTICE, id, AMINA));
}

/// The system that wrote the letter takes it back.
fn withdraw(nodes: &Neighbourhood, id: &str) {
    let message = letter(HOSPITAL, PRACTICE, id, AMINA);
    let message = message
        .replace("MDM^T02^MDM_T02|", "MDM^T11^MDM_T01|T11-")
        .replace("EVN|T02", "EVN|T11");
    let (head, _) = message.split_once("OBX|").unwrap();
    send(nodes, head);
}

/// Waits until a letter is in that state at the hospital and taken in, once, at the practice.
fn wait_until(nodes: &Neighbourhood, id: &str, state: &str) {
    wait_for(&format!("{id} to be {state}"), SECONDS, || {
        let (sent, there) = (
            nodes.hospital.rows.parcels(true),
            nodes.practice.rows.parcels(false),
        );
        let is = |rows: Option<&Vec<Parcel>>| {
            rows.is_some_and(|rows| rows.len() == 1 && rows[0].state == state)
        };
        (is(sent.get(id)) && is(there.get(id)) && there[id][0].taken_in).then_some(())
    });
}

fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    fhir::date::instant(i64::try_from(now.as_millis()).unwrap())
}

/// The files of a node's records.
fn files(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    all.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        path.is_file() && name.starts_with("handover.sqlite")
    })
    .collect()
}

/// How many of the practice's receipts for letters the hospital has.
fn receipts(nodes: &Neighbourhood) -> String {
    let query = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel_event e JOIN parcel p ON p.pid = e.pid \
                 WHERE p.direction = 0 AND p.kind = 'letter' AND e.event = 'delivered'";
    nodes.hospital.rows.texts(query)[0][0].clone().unwrap()
}

#[test]
fn f14_what_a_neighbour_lost_that_was_put_back_to_an_old_copy_is_sent_again_and_once() {
    let mut nodes = Neighbourhood::start();
    nodes.register_patient();
    for id in ["KEPT", "TAKENBACK"] {
        send_letter(&nodes, id);
        wait_until(&nodes, id, "delivered");
    }
    // What nodes tell each other beside letters is over, so that only letters count from here.
    wait_for("everything told", SECONDS, || {
        let told = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE kind = 'record-pointer' AND state = 'delivered'";
        let waits = "SELECT CAST(COUNT(*) AS TEXT) FROM parcel WHERE direction = 0 AND state <> 'delivered'";
        let sent = &nodes.hospital.rows;
        (sent.number(told) > 0 && sent.number(waits) == 0).then_some(())
    });
    // Yesterday's copy.
    nodes.practice.process.kill();
    let copy = tempfile::tempdir().unwrap();
    for file in files(&nodes.practice.folder) {
        std::fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    let since = now();
    nodes.practice.process.start();
    for id in ["LOST1", "LOST2"] {
        send_letter(&nodes, id);
        wait_until(&nodes, id, "delivered");
    }
    withdraw(&nodes, "TAKENBACK");
    wait_until(&nodes, "TAKENBACK", "withdrawn");
    assert_eq!(receipts(&nodes), "4");
    // It is put back.
    nodes.practice.process.kill();
    for file in files(&nodes.practice.folder) {
        std::fs::remove_file(file).unwrap();
    }
    for file in files(copy.path()) {
        std::fs::copy(&file, nodes.practice.folder.join(file.file_name().unwrap())).unwrap();
    }
    nodes.practice.process.start();
    let there = nodes.practice.rows.parcels(false);
    assert_eq!(there.keys().collect::<Vec<_>>(), ["KEPT", "TAKENBACK"]);
    assert_eq!(there["TAKENBACK"][0].state, "delivered");

    let command = ["neighbour", "send-again", PRACTICE, "--since", &since];
    let told = run(
        &nodes.hospital.folder,
        &[&command[..], &["--dry-run"]].concat(),
    );
    assert!(told.contains("would go again: 2"), "{told}");
    assert!(told.contains("would be told again: 1"), "{told}");
    assert_eq!(nodes.practice.rows.parcels(false), there);
    let told = run(&nodes.hospital.folder, &command);
    assert!(told.contains("parcels that go again: 2"), "{told}");

    for id in ["LOST1", "LOST2"] {
        wait_until(&nodes, id, "delivered");
    }
    wait_until(&nodes, "TAKENBACK", "withdrawn");
    wait_until(&nodes, "KEPT", "delivered");
    assert_eq!(nodes.practice.rows.parcels(false).len(), 4);
    // The old receipts stay in the history, beside the new ones.
    assert_eq!(receipts(&nodes), "6");
    // Sent again though nothing was lost: nothing is there twice.
    run(&nodes.hospital.folder, &command);
    for id in ["LOST1", "LOST2"] {
        wait_until(&nodes, id, "delivered");
    }
    assert_eq!(nodes.practice.rows.parcels(false).len(), 4);
    let later = now();
    let nothing = ["neighbour", "send-again", PRACTICE, "--since", &later];
    wait_for("the receipts", SECONDS, || {
        let (passed, told) = outcome(&nodes.hospital.folder, &nothing);
        (!passed && told.contains("nothing to send again")).then_some(())
    });
}
