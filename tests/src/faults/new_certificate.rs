//! A neighbour that comes back with keys and a certificate that the directory does not name: what waits for it is held, until a
//! directory that the stewards signed names them.

use std::path::Path;
use std::time::Duration;

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};
use crate::node::process::run;

const SECONDS: u64 = 90;

fn send(nodes: &Neighbourhood, id: &str) {
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let answer = sender.send(&letter(HOSPITAL, PRACTICE, id, AMINA)).unwrap();
    assert_eq!(code(&answer), "AA", "{answer}");
}

/// Puts the signed directory into a node's place.
fn put(root: &Path, folder: &Path) {
    std::fs::copy(root.join("directory.jws"), folder.join("directory.new")).unwrap();
    std::fs::rename(folder.join("directory.new"), folder.join("directory.jws")).unwrap();
}

/// New keys in the place of the practice's, and a card that says so.
fn with_new_keys(root: &Path, folder: &Path) {
    let name = ["--name", "Anytown gp-practice", "--role", "gp-practice"];
    let init = ["init", "--ods", PRACTICE, "--folder", "rebuilt"];
    run(root, &[&init[..], &name[..]].concat());
    std::fs::remove_dir_all(folder.join("keys")).unwrap();
    std::fs::rename(root.join("rebuilt/keys"), folder.join("keys")).unwrap();
    run(folder, &["directory", "card"]);
}

#[test]
fn a_neighbour_back_with_a_new_certificate_gets_nothing_until_a_signed_directory_names_it() {
    let mut nodes = Neighbourhood::start();
    nodes.register_patient();
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    let there = |nodes: &Neighbourhood| nodes.practice.rows.parcels(false);
    send(&nodes, "BEFORE");
    wait_for("the first letter", SECONDS, || {
        there(&nodes).remove("BEFORE")
    });
    nodes.practice.process.kill();
    nodes.to_practice.break_connections();
    with_new_keys(&root, &nodes.practice.folder);
    // Under a directory that names other keys it does not even start.
    nodes.practice.process.start_only();
    assert!(!nodes.practice.process.end(30).success());
    assert!(nodes.practice.process.log().contains("with other keys"));
    let sign = [
        "directory",
        "sign",
        "--steward",
        "steward",
        "--keep",
        "A99998/card.json",
    ];
    run(&root, &sign);
    put(&root, &nodes.practice.folder);
    nodes.practice.process.start();
    for id in ["HELD1", "HELD2"] {
        send(&nodes, id);
    }
    let why = "SELECT last_error FROM parcel_peer WHERE peer = 'A99998' AND tries > 2";
    let why = wait_for("tries that failed", SECONDS, || {
        nodes.hospital.rows.texts(why).pop()
    });
    assert!(why[0].as_ref().unwrap().contains("certificate"), "{why:?}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        there(&nodes).len(),
        1,
        "nothing crosses to whom nobody vouches for"
    );
    let sent = nodes.hospital.rows.parcels(true);
    for id in ["HELD1", "HELD2"] {
        assert!(
            matches!(sent[id][0].state.as_str(), "waiting" | "accepted"),
            "{sent:?}"
        );
    }

    put(&root, &nodes.hospital.folder);
    wait_for("what was held", SECONDS, || {
        let (there, sent) = (there(&nodes), nodes.hospital.rows.parcels(true));
        let is_over = ["HELD1", "HELD2"].iter().all(|id| {
            there
                .get(*id)
                .is_some_and(|rows| rows.len() == 1 && rows[0].taken_in)
                && sent[*id][0].state == "delivered"
        });
        is_over.then_some(())
    });
    assert_eq!(there(&nodes).len(), 3);
}
