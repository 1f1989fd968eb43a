//! A25: every live file of a node is encrypted by somebody else.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Copied, INTO_FOLDER, command, delivered, head};
use crate::node::look::Rows;
use crate::node::neighbourhood::{HOSPITAL, PRACTICE, wait_for};
use crate::node::process::Process;

/// From the command to the node's first answer.
const BACK_SECONDS_MAX: u64 = 60;

/// Overwrites every file below a folder with noise.
fn encrypt_all(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += encrypt_all(&path);
            continue;
        }
        let length = path.metadata().unwrap().len().clamp(64, 1 << 20);
        let noise: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        std::fs::write(&path, noise).unwrap();
        count += 1;
    }
    count
}

fn hl7_ids(rows: &Rows) -> Vec<String> {
    let rows = rows.texts("SELECT control_id FROM hl7_message ORDER BY control_id");
    rows.into_iter().filter_map(|row| row[0].clone()).collect()
}

#[test]
fn a25_with_every_live_file_encrypted_the_node_is_back_to_its_last_minute() {
    let mut it = Copied::start(None, INTO_FOLDER);
    for number in 0..20 {
        it.send(&format!("RANSOM{number}"));
    }
    wait_for("the letters' receipts", 60, || {
        (delivered(&it.nodes.hospital) == 20).then_some(())
    });
    wait_for(
        "a checkpoint that the practice signed, in a copy",
        90,
        || {
            let offline = ["drill", "--key", "../safe/offline.key", "--offline"];
            let (_, told) = command(&it.nodes.hospital.folder, &offline);
            told.contains(&format!("{HOSPITAL} and {PRACTICE} signed"))
                .then_some(())
        },
    );
    let (sound, told) = command(
        &it.nodes.hospital.folder,
        &["drill", "--key", "../safe/offline.key"],
    );
    assert!(sound, "{told}");
    for expected in [
        "Merkle root of the first",
        "Time that would be lost now:",
        "The drill succeeded.",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    // Some letters are acknowledged and wait when the last copy is taken; they are delivered after it.
    it.nodes.to_practice.cut();
    for number in 20..30 {
        it.send(&format!("RANSOM{number}"));
    }
    it.wait_for_copy();
    let acknowledged = hl7_ids(&it.nodes.hospital.rows);
    assert_eq!(acknowledged.len(), 30);
    // The way to the copies is gone: what happens now is lost.
    let away = it.root.join("copies-away");
    std::fs::rename(it.copies(), &away).unwrap();
    it.nodes.to_practice.mend();
    wait_for("the letters that waited at the practice", 90, || {
        (it.nodes.practice.rows.parcels(false).len() == 30).then_some(())
    });
    it.send("LOST1");
    // What was looked at since is in what the practice witnessed, and in no copy.
    let mut client = it.nodes.hospital.client();
    for _ in 0..5 {
        assert_eq!(
            client.get("/fhir/Patient?family=nobody").unwrap().status,
            200
        );
    }
    wait_for(
        "the practice's signature under more than was copied",
        60,
        || {
            let lines = it
                .nodes
                .hospital
                .rows
                .number("SELECT CAST(COUNT(*) AS TEXT) FROM audit");
            let seen = "SELECT CAST(COALESCE(MAX(size), 0) AS TEXT) FROM audit_witnessed";
            (lines > 5 && it.nodes.practice.rows.number(seen) >= lines).then_some(())
        },
    );
    let last_copy = head(&it.nodes.hospital).unwrap();
    it.nodes.hospital.process.kill();
    assert!(encrypt_all(&it.nodes.hospital.folder) > 8);

    let began = Instant::now();
    let (back, told) = restore(&it, &away);
    assert!(told.contains("The state to restore is that of"), "{told}");
    let rows = Rows::Sqlite(back.join("handover.sqlite"));
    assert_eq!(
        hl7_ids(&rows),
        acknowledged,
        "nothing from before the last copy is lost"
    );
    rows.assert_sound();
    let pages = it.nodes.hospital.pages;
    it.nodes.hospital.rows = rows;
    std::fs::rename(&away, it.copies()).unwrap();
    it.nodes.hospital.process = Process::new(&back, &["serve", "--config", "handover.toml"], pages);
    it.nodes.hospital.process.start();
    println!("back after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(BACK_SECONDS_MAX));
    // The letters that the restored node believes to be waiting are sent once more, and known.
    wait_for("every letter delivered", 120, || {
        (delivered(&it.nodes.hospital) == 30).then_some(())
    });
    let received = it.nodes.practice.rows.parcels(false);
    assert!(
        received.values().all(|rows| rows.len() == 1),
        "{received:?}"
    );
    // Its neighbours find out that it is older than it was (F14), so that people do.
    let alarm = "SELECT kind FROM audit_alarm WHERE kind IN ('own-log', 'neighbour-log')";
    wait_for(
        "an alarm about the log that is shorter than it was",
        90,
        || {
            let sites = [&it.nodes.hospital, &it.nodes.practice];
            sites
                .iter()
                .any(|site| !site.rows.texts(alarm).is_empty())
                .then_some(())
        },
    );
    // And it is copied again, in a chain that names the last object before.
    wait_for("a copy of the restored node", 60, || {
        (head(&it.nodes.hospital)? > last_copy).then_some(())
    });
    it.nodes.hospital.process.interrupt();
    let (sound, told) = command(&back, &["backup", "verify", "--key", "../safe/offline.key"]);
    assert!(sound, "{told}");
}

/// Brings the hospital back from a folder of copies, on nothing but the secret key.
fn restore(it: &Copied, copies: &Path) -> (PathBuf, String) {
    let copies = copies.to_str().unwrap();
    let mut arguments = vec!["restore", "--from", copies, "--key", "safe/offline.key"];
    arguments.extend(["--folder", "back"]);
    let mut dry = arguments.clone();
    dry.push("--dry-run");
    let (sound, told) = command(&it.root, &dry);
    assert!(sound && told.contains("nothing was written"), "{told}");
    assert!(!it.root.join("back").exists());
    let (sound, told) = command(&it.root, &arguments);
    assert!(sound, "{told}");
    let (again, refused) = command(&it.root, &arguments);
    assert!(!again && refused.contains("is not empty"), "{refused}");
    (it.root.join("back"), told)
}

#[test]
fn a_state_of_the_past_is_restored_as_it_was_then() {
    let it = Copied::start(None, INTO_FOLDER);
    it.send("EARLY");
    it.wait_for_copy();
    let early = head(&it.nodes.hospital).unwrap();
    it.send("LATE");
    it.wait_for_copy();
    let to = time(early);
    let arguments = ["restore", "--from", "copies", "--key", "safe/offline.key"];
    let (sound, told) = command(
        &it.root,
        &[&arguments[..], &["--folder", "then", "--to", &to]].concat(),
    );
    assert!(sound, "{told}");
    let rows = Rows::Sqlite(it.root.join("then/handover.sqlite"));
    assert_eq!(hl7_ids(&rows), ["EARLY"]);
    let (sound, told) = command(
        &it.root,
        &[
            &arguments[..],
            &["--folder", "before", "--to", "2020-01-01T00:00:00Z"],
        ]
        .concat(),
    );
    assert!(!sound && told.contains("no copy of that time"), "{told}");
}

fn time(millis: i64) -> String {
    fhir::date::instant(millis)
}

#[test]
fn a_node_on_postgresql_is_copied_whole_and_comes_back_in_another_schema() {
    let Some(url) = store::testing::postgres_url() else {
        return;
    };
    let it = Copied::start(Some(&url), INTO_FOLDER);
    for number in 0..5 {
        it.send(&format!("ROWS{number}"));
    }
    wait_for("the letters' receipts", 60, || {
        (delivered(&it.nodes.hospital) == 5).then_some(())
    });
    let folder = it.nodes.hospital.folder.clone();
    // Once a checkpoint is signed, there is something to compare with.
    wait_for("a drill that succeeds", 90, || {
        let (sound, told) = command(&folder, &["backup", "now"]);
        assert!(sound, "{told}");
        let (sound, told) = command(&folder, &["drill", "--key", "../safe/offline.key"]);
        (sound && told.contains("Merkle root")).then_some(())
    });
    let schema = format!("t_{}", uuid::Uuid::new_v4().simple());
    let arguments = ["restore", "--from", "copies", "--key", "safe/offline.key"];
    let rest = [
        "--folder",
        "back",
        "--postgres",
        "RZZ98/postgres.url",
        "--schema",
        &schema,
    ];
    let (sound, told) = command(&it.root, &[&arguments[..], &rest[..]].concat());
    assert!(sound, "{told}");
    let rows = Rows::Postgres {
        url: url.clone(),
        schema: schema.clone(),
    };
    assert_eq!(hl7_ids(&rows), hl7_ids(&it.nodes.hospital.rows));
    assert_eq!(rows.parcels(true), it.nodes.hospital.rows.parcels(true));
    let (again, told) = command(
        &it.root,
        &[&arguments[..], &["--folder", "b2"], &rest[2..]].concat(),
    );
    assert!(!again && told.contains("is there already"), "{told}");
}
