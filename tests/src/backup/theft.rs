//! A24: somebody has what the node has for its copies, or the place where they are.

use std::path::{Path, PathBuf};

use super::bucket::Bucket;
use super::{Copied, INTO_FOLDER, command, head};
use crate::node::neighbourhood::{HOSPITAL, wait_for};

/// All objects in a folder, in the order of their names.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(objects(&path)),
            false => all.push(path),
        }
    }
    all.sort();
    all
}

fn verify(it: &Copied, more: &[&str]) -> (bool, String) {
    let arguments = ["backup", "verify", "--key", "../safe/offline.key"];
    command(&it.nodes.hospital.folder, &[&arguments[..], more].concat())
}

#[test]
fn a24_what_is_altered_swapped_removed_or_cut_short_in_a_folder_is_named() {
    let mut it = Copied::start(None, INTO_FOLDER);
    for number in 0..4 {
        it.send(&format!("THEFT{number}"));
        it.wait_for_copy();
    }
    it.nodes.hospital.process.interrupt();
    let (sound, told) = verify(&it, &[]);
    assert!(
        sound && told.contains("Each is signed, whole, and in its place."),
        "{told}"
    );
    let all = objects(&it.copies());
    assert!(all.len() > 4, "{all:?}");
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let (second, third, last) = (&all[1], &all[2], all.last().unwrap());
    let kept = std::fs::read(second).unwrap();
    let canary = std::fs::read(&all[0]).unwrap();
    // Nothing of a patient or a key stands in the clear.
    for word in ["TESTER", "Amina", "PRIVATE KEY", "THEFT1"] {
        assert!(
            !canary.windows(word.len()).any(|it| it == word.as_bytes()),
            "{word}"
        );
    }

    let mut altered = kept.clone();
    *altered.last_mut().unwrap() ^= 1;
    std::fs::write(second, &altered).unwrap();
    let (sound, told) = verify(&it, &[]);
    assert!(
        !sound && told.contains(&name(second)) && told.contains("was altered"),
        "{told}"
    );

    std::fs::write(second, &kept[..kept.len() / 2]).unwrap();
    let (sound, told) = verify(&it, &[]);
    assert!(!sound && told.contains(&name(second)), "{told}");

    std::fs::write(second, std::fs::read(third).unwrap()).unwrap();
    let (sound, told) = verify(&it, &[]);
    assert!(!sound && told.contains(&name(second)), "{told}");

    std::fs::remove_file(second).unwrap();
    let (sound, told) = verify(&it, &[]);
    assert!(!sound && told.contains("object 1 is missing"), "{told}");
    // What is before the gap can still be restored.
    let arguments = [
        "restore",
        "--from",
        "copies",
        "--key",
        "safe/offline.key",
        "--folder",
        "gap",
    ];
    let (sound, told) = command(&it.root, &arguments);
    assert!(sound && told.contains("object 1 is missing"), "{told}");

    std::fs::write(second, &kept).unwrap();
    assert!(verify(&it, &[]).0);
    let end = std::fs::read(last).unwrap();
    std::fs::remove_file(last).unwrap();
    let (sound, told) = verify(&it, &[]);
    assert!(!sound && told.contains("it is not there"), "{told}");
    std::fs::write(last, end).unwrap();

    // Another key opens nothing; another signer is not believed.
    command(
        &it.nodes.practice.folder,
        &["backup", "key", "--out", "../safe/other.key"],
    );
    let other = std::fs::read_to_string(it.root.join("safe/other.key")).unwrap();
    let other = other.replace("A99998", HOSPITAL);
    std::fs::remove_file(it.root.join("safe/other.key")).unwrap();
    write_private(&it.root.join("safe/other.key"), &other);
    let arguments = [
        "restore",
        "--from",
        "copies",
        "--key",
        "safe/other.key",
        "--folder",
        "no",
    ];
    let (sound, told) = command(&it.root, &arguments);
    assert!(
        !sound && told.contains("was not signed by the node"),
        "{told}"
    );
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a24_a_stolen_credential_can_only_add_and_the_last_good_point_passes_the_drill() {
    let bucket = Bucket::start();
    let settings = format!(
        "s3_endpoint = \"http://{}\"\ns3_bucket = \"copies\"\ns3_private = true\n\
         s3_credentials = \"../safe/s3\"\n",
        bucket.address
    );
    let mut it = Copied::start_with(None, &settings, |root| {
        write_private(&root.join("safe/s3"), "ADDONLY\nnot-a-real-secret\n");
    });
    it.send("BUCKET1");
    it.wait_for_copy();
    // The thief has the node's credential: nothing can be taken away or replaced with it.
    let name = bucket.names().swap_remove(0);
    let before = bucket.object(&name);
    for (method, only_new) in [
        ("DELETE", false),
        ("PUT", false),
        ("PUT", true),
        ("POST", false),
    ] {
        let status = bucket.ask_as_thief(method, &name, only_new);
        assert!(status == 403 || status == 412, "{method}: {status}");
    }
    assert_eq!(bucket.object(&name), before);
    // What can be added in the node's name has no signature of the node's.
    let forged = name.replace("00000000", "99999999");
    assert_eq!(bucket.ask_as_thief("PUT", &forged, true), 200);
    wait_for("a checkpoint in a copy", 60, || {
        let drill = ["drill", "--key", "../safe/offline.key", "--offline"];
        let (_, told) = command(&it.nodes.hospital.folder, &drill);
        told.contains("Merkle root").then_some(())
    });
    let (sound, told) = verify(&it, &[]);
    assert!(
        !sound && told.contains(forged.rsplit('/').next().unwrap()),
        "{told}"
    );
    bucket.remove_by_its_owner(&forged);
    let drill = ["drill", "--key", "../safe/offline.key"];
    let (sound, told) = command(&it.nodes.hospital.folder, &drill);
    assert!(sound, "{told}");
    assert_eq!(
        bucket.refused_of_the_node(),
        0,
        "the node itself never asks for more"
    );
    it.nodes.hospital.process.interrupt();
}

#[test]
fn copies_that_do_not_arrive_are_loud_and_settled_by_the_next_that_does() {
    let it = Copied::start(None, &format!("{INTO_FOLDER}overdue_minutes = 2\n"));
    it.send("LOUD1");
    it.wait_for_copy();
    let away = it.root.join("away");
    std::fs::rename(it.copies(), &away).unwrap();
    let failed = || it.nodes.hospital.process.log().contains("a copy failed");
    wait_for("an error in the log", 30, || failed().then_some(()));
    let alarm = "SELECT what FROM audit_alarm WHERE kind = 'backup'";
    let rows = &it.nodes.hospital.rows;
    wait_for("the alarm", 180, || {
        (!rows.texts(alarm).is_empty()).then_some(())
    });
    let what = rows.texts(alarm)[0][0].clone().unwrap();
    assert!(
        what.contains("The last backup copy of this node is of"),
        "{what}"
    );
    let last = head(&it.nodes.hospital).unwrap();
    std::fs::rename(&away, it.copies()).unwrap();
    wait_for("a copy", 30, || {
        (head(&it.nodes.hospital)? > last).then_some(())
    });
    wait_for("the alarm's end", 10, || {
        rows.texts(alarm).is_empty().then_some(())
    });
}
