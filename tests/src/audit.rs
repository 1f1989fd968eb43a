//! The commands of the audit log, on nodes as engineers set them up.

use std::path::Path;
use std::process::{Command, Output};

use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, patient, wait_for};
use crate::setting::handover;

fn audit(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, .. } = Command::new(handover())
        .current_dir(folder)
        .arg("audit")
        .args(arguments)
        .output()
        .unwrap();
    (status.success(), String::from_utf8(stdout).unwrap())
}

#[test]
fn a21_verify_names_what_was_altered_in_the_database_and_who_answers_who_looked() {
    let nodes = Neighbourhood::start();
    nodes.register_patient();
    let folder = &nodes.practice.folder;
    wait_for("a checkpoint that the hospital signed", 60, || {
        let (sound, told) = audit(folder, &["verify"]);
        assert!(sound, "{told}");
        told.contains(&format!("those that {PRACTICE} and {HOSPITAL} signed"))
            .then_some(())
    });
    let number = patient()["identifier"][0]["value"]
        .as_str()
        .unwrap()
        .to_owned();
    let (found, told) = audit(folder, &["who", &number]);
    assert!(found && told.contains("create Patient/"), "{told}");
    assert!(told.contains("Test, system"), "{told}");
    // The question before is in the next answer.
    let (_, told) = audit(folder, &["who", &number, "--json"]);
    assert!(told.contains("\"purpose\":\"answer-who-looked\""), "{told}");
    let database = rusqlite::Connection::open(folder.join("handover.sqlite")).unwrap();
    database
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    let altered: i64 = database
        .query_row(
            "SELECT seq FROM audit WHERE interaction = 'create' ORDER BY seq LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let alter = "UPDATE audit SET name = 'Somebody else' WHERE seq = ?1";
    database.execute(alter, [altered]).unwrap();
    let (sound, told) = audit(folder, &["verify", "--offline"]);
    assert!(!sound, "{told}");
    assert!(
        told.contains(&format!("WRONG: Line {altered} was altered.")),
        "{told}"
    );
}
