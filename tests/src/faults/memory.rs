//! F15: the system has no memory left and ends the process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::client::http::Client;
use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, wait_for};

/// What the process may take beyond what it has.
const MORE_BYTES: u64 = 6 << 20;
/// Who asks for large answers meanwhile.
const CLIENTS: usize = 12;
const END_SECONDS: u64 = 60;

/// A group of processes with a bound on their memory; gone when dropped.
struct Bounded(PathBuf);

impl Bounded {
    /// Puts a process into it. `None` where this user may not.
    fn process(id: u32) -> Option<Bounded> {
        let name = format!("handover-test-{id}");
        let first = ["", "memory"].map(|kind| Path::new("/sys/fs/cgroup").join(kind).join(&name));
        first.into_iter().find_map(|folder| bounded(folder, id))
    }
}

/// By the second version of control groups, or the first.
fn bounded(folder: PathBuf, id: u32) -> Option<Bounded> {
    std::fs::create_dir(&folder).ok()?;
    let group = Bounded(folder);
    let limits = ["memory.max", "memory.limit_in_bytes"];
    let limit = limits
        .iter()
        .map(|name| group.0.join(name))
        .find(|it| it.exists())?;
    std::fs::write(limit, MORE_BYTES.to_string()).ok()?;
    // What it may page out to is no memory: without it, where the system counts that.
    for swap in ["memory.swap.max", "memory.swappiness"] {
        let _ = std::fs::write(group.0.join(swap), "0");
    }
    std::fs::write(group.0.join("cgroup.procs"), id.to_string()).ok()?;
    Some(group)
}

impl Drop for Bounded {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn f15_out_of_memory_the_process_is_ended_and_nothing_acknowledged_is_lost() {
    let mut nodes = Neighbourhood::start();
    let site = &mut nodes.hospital;
    let Some(group) = Bounded::process(site.process.id()) else {
        eprintln!("\n*** SKIPPED: no control group of memory can be made here ***\n");
        return;
    };
    let (pages, token, mllp) = (site.pages, site.token.clone(), site.mllp);
    let ended = AtomicBool::new(false);
    let acknowledged = thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (token, ended) = (&token, &ended);
            scope.spawn(move || press(&mut Client::with_token(pages, token), client, ended));
        }
        let letters = scope.spawn(|| letters(mllp, &ended));
        let status = site.process.end(END_SECONDS);
        ended.store(true, Ordering::SeqCst);
        assert!(!status.success(), "{status}");
        letters.join().unwrap()
    });
    drop(group);
    println!("{} letters until there was no memory", acknowledged.len());
    site.process.start();
    wait_for("every acknowledged letter as a parcel", 60, || {
        let parcels = site.rows.parcels(true);
        let there = acknowledged.iter().all(|id| parcels.contains_key(id));
        there.then_some(())
    });
    for (id, rows) in site.rows.parcels(true) {
        assert_eq!(rows.len(), 1, "{id}: {rows:?}");
    }
    site.rows.assert_sound();
}

/// Sends letters until the process has ended; those that were acknowledged.
fn letters(to: std::net::SocketAddr, ended: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if ended.load(Ordering::SeqCst) {
            break;
        }
        let id = format!("MEMORY{number}");
        let message = letter(HOSPITAL, PRACTICE, &id, AMINA);
        let sent = Sender::connect(to).and_then(|mut sender| sender.send(&message));
        if sent.is_ok_and(|answer| code(&answer) == "AA") {
            acknowledged.push(id);
        }
    }
    acknowledged
}

/// Large resources, one after another, until the process has ended.
fn press(client: &mut Client, number: usize, ended: &AtomicBool) {
    let text = "It takes room. ".repeat(60_000);
    let body = json!({ "resourceType": "Basic", "id": format!("large-{number}"), "code": { "text": text } });
    let path = format!("/fhir/Basic/large-{number}");
    while !ended.load(Ordering::SeqCst) {
        let _ = client.send_json("PUT", &path, &body);
    }
}
