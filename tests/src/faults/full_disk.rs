//! F05: the disk is full.

use std::path::Path;
use std::process::Command;

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::look::Rows;
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

/// Twelve for the letters. What is given back is much more: where mapping lags behind, twelve hold more than a thousand
/// letters, and all that is made of them needs room.
const DISK_MIB: u32 = 192;
const BALLAST_BYTES: usize = 180 << 20;
const MESSAGES_MAX: usize = 4000;

/// A small file system in memory, gone when dropped.
pub struct SmallDisk<'p>(&'p Path);

impl SmallDisk<'_> {
    /// None where this process may not mount.
    pub fn mount(at: &Path, mib: u32) -> Option<SmallDisk<'_>> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"])
            .arg(at);
        mount
            .output()
            .is_ok_and(|output| output.status.success())
            .then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn f05_a_full_disk_acknowledges_nothing_and_recovers_when_there_is_room() {
    let mut nodes = Neighbourhood::set_up(None);
    let disk = nodes.hospital.folder.join("small");
    let Some(_mounted) = SmallDisk::mount(&disk, DISK_MIB) else {
        eprintln!("\n*** SKIPPED: this user may not mount a small file system ***\n");
        return;
    };
    let settings = nodes.hospital.folder.join("handover.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let small = text.replace("\"handover.sqlite\"", "\"small/handover.sqlite\"");
    std::fs::write(&settings, format!("{small}\n[audit]\nreserve_bytes = 0\n")).unwrap();
    nodes.hospital.process.start();
    // What an engineer could remove in need.
    std::fs::write(disk.join("ballast"), vec![0; BALLAST_BYTES]).unwrap();
    let acknowledged = fill(&nodes);
    println!("{} letters until the disk was full", acknowledged.len());
    std::fs::remove_file(disk.join("ballast")).unwrap();
    wait_for("an acknowledgement once there is room", 30, || {
        let message = letter(HOSPITAL, PRACTICE, "ROOM1", AMINA);
        let answer = Sender::connect(nodes.hospital.mllp)
            .and_then(|mut sender| sender.send(&message))
            .ok()?;
        (code(&answer) == "AA").then_some(())
    });
    let rows = Rows::Sqlite(disk.join("handover.sqlite"));
    let wanted = acknowledged.len() + 1;
    wait_for("every acknowledged letter as a parcel", 60, || {
        (rows.parcels(true).len() >= wanted).then_some(())
    });
    let parcels = rows.parcels(true);
    assert!(
        acknowledged
            .iter()
            .all(|id| parcels.get(id).is_some_and(|rows| rows.len() == 1))
    );
}

/// Sends letters until one is refused, and gives those that were acknowledged.
fn fill(nodes: &Neighbourhood) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut sender = Sender::connect(nodes.hospital.mllp).unwrap();
    let padding = "It goes on. ".repeat(400);
    for number in 0..MESSAGES_MAX {
        let id = format!("FULL{number}");
        let message = letter(HOSPITAL, PRACTICE, &id, AMINA).replace("Dear colleague", &padding);
        match sender.send(&message) {
            Ok(answer) if code(&answer) == "AA" => acknowledged.push(id),
            Ok(answer) => {
                assert!(["AE", "AR"].contains(&code(&answer)), "{answer}");
                return acknowledged;
            }
            Err(_) => return acknowledged,
        }
    }
    panic!("{MESSAGES_MAX} letters and the disk was not full");
}
