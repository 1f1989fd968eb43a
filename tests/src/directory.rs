//! The network's directory while nodes run: two stewards sign it, and one member's file is enough for it to reach
//! all of them.

use std::fs;
use std::path::Path;

use crate::node::neighbourhood::{Neighbourhood, PRACTICE, wait_for};
use crate::node::process::run;

/// Gives both nodes two stewards, both of whom must sign, and starts them.
fn two_stewards() -> Neighbourhood {
    let mut nodes = Neighbourhood::set_up(None);
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    run(&root, &["directory", "steward", "--folder", "other"]);
    let public = |folder: &str| fs::read_to_string(root.join(folder).join("steward.pub")).unwrap();
    let keys = format!("{}\n{}\n", public("steward"), public("other"));
    fs::write(root.join("stewards.pub"), &keys).unwrap();
    countersign(&root);
    for site in [&nodes.hospital, &nodes.practice] {
        fs::write(site.folder.join("steward.pub"), &keys).unwrap();
        let settings = site.folder.join("handover.toml");
        let text = fs::read_to_string(&settings).unwrap();
        let text = text.replace("[exchange]\n", "[exchange]\nsignatures_needed = 2\n");
        assert!(text.contains("signatures_needed"));
        fs::write(settings, text).unwrap();
        put(&root, &site.folder);
    }
    nodes.practice.process.start();
    nodes.hospital.process.start();
    nodes
}

/// Puts the signed directory into a node's place.
fn put(root: &Path, folder: &Path) {
    fs::copy(root.join("directory.jws"), folder.join("directory.new")).unwrap();
    fs::rename(folder.join("directory.new"), folder.join("directory.jws")).unwrap();
}

fn countersign(root: &Path) {
    let with = ["directory", "countersign", "--steward", "other"];
    run(
        root,
        &[&with[..], &["--steward-key", "stewards.pub"]].concat(),
    );
}

#[test]
fn a_newer_directory_needs_all_its_signatures_and_spreads_without_a_restart() {
    let nodes = two_stewards();
    let root = nodes.hospital.folder.parent().unwrap().to_owned();
    let alarms = || {
        nodes
            .hospital
            .rows
            .texts("SELECT what FROM audit_alarm WHERE kind = 'directory'")
    };
    assert_eq!(alarms(), Vec::<Vec<Option<String>>>::new());
    let with = ["directory", "sign", "--steward", "steward", "--keep"];
    run(&root, &[&with[..], &["--days", "80"]].concat());
    put(&root, &nodes.hospital.folder);
    let alarm = wait_for("the alarm", 60, || alarms().pop());
    let alarm = alarm[0].clone().unwrap();
    assert!(
        alarm.contains("1 of the network's stewards have signed it, and 2 must have"),
        "{alarm}"
    );
    countersign(&root);
    put(&root, &nodes.hospital.folder);
    // The practice takes it from the hospital, and keeps it for its next start.
    let show = ["directory", "show", "--signatures-needed", "2"];
    wait_for("the practice's directory", 60, || {
        run(&nodes.practice.folder, &show)
            .contains("Version 2,")
            .then_some(())
    });
    wait_for("the alarm's end", 60, || alarms().is_empty().then_some(()));
    let told = "SELECT query FROM audit WHERE query LIKE 'directory-version=2%'";
    let lines = wait_for("the log's line", 60, || {
        nodes.practice.rows.texts(told).pop()
    });
    assert_eq!(lines[0].as_deref(), Some("directory-version=2&from=RZZ98"));

    // Who is struck off is refused from then on, by whoever has that version.
    let with = ["directory", "sign", "--steward", "steward", "--keep"];
    run(&root, &[&with[..], &["--strike", PRACTICE]].concat());
    countersign(&root);
    put(&root, &nodes.hospital.folder);
    wait_for("the hospital's directory", 60, || {
        let told = "SELECT query FROM audit WHERE query LIKE 'directory-version=3%'";
        nodes.hospital.rows.texts(told).pop()
    });
    let listed = run(&nodes.hospital.folder, &show);
    assert!(!listed.contains(PRACTICE), "{listed}");
}
