//! F04: the disk fails under a sync, which `strace` says to the process in the disk's place.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::client::message::{AMINA, letter};
use crate::client::mllp::{Sender, code};
use crate::node::neighbourhood::{HOSPITAL, Neighbourhood, PRACTICE, Site, wait_for};

const BEFORE: usize = 5;

/// Every sync of some files fails while this is there, as if the disk had.
struct FailingSyncs(Child);

impl FailingSyncs {
    /// `None` where processes may not be traced.
    fn of(process: u32, files: &[&Path]) -> Option<FailingSyncs> {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg("/dev/null");
        strace.args(["-e", "trace=fsync,fdatasync"]);
        strace.args(["-e", "inject=fsync,fdatasync:error=EIO"]);
        for file in files {
            strace.arg("-P").arg(file);
        }
        strace.args(["-p", &process.to_string()]);
        let started = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut failing = FailingSyncs(started.ok()?);
        let traced = wait_for("strace", 20, || {
            if failing.0.try_wait().unwrap().is_some() {
                return Some(false);
            }
            all_traced(process).then_some(true)
        });
        traced.then_some(failing)
    }
}

impl Drop for FailingSyncs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn all_traced(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.flatten().all(|thread| {
        let text = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let tracer = text.lines().find_map(|it| it.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}

fn skipped() {
    eprintln!("\n*** SKIPPED: no strace here, or it may not trace processes ***\n");
}

/// A letter's acknowledgement, if one came.
fn sent(site: &Site, id: &str) -> Option<String> {
    let mut sender = Sender::connect(site.mllp).ok()?;
    let answer = sender.send(&letter(HOSPITAL, PRACTICE, id, AMINA)).ok()?;
    Some(code(&answer).to_owned())
}

/// The node says what happened, and has ended by itself.
fn assert_ended(site: &mut Site) {
    assert!(!site.process.end(20).success());
    let log = site.process.log();
    assert!(log.contains("the disk failed under the store"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn f04_after_a_failed_sync_of_the_journal_nothing_is_acknowledged_and_nothing_acknowledged_is_lost()
{
    let mut nodes = Neighbourhood::start();
    let site = &mut nodes.hospital;
    let mut acknowledged = Vec::new();
    for number in 0..BEFORE {
        let id = format!("BEFORE{number}");
        assert_eq!(sent(site, &id).as_deref(), Some("AA"));
        acknowledged.push(id);
    }
    let journal = ["handover.sqlite-ahead", "handover.sqlite-ahead2"];
    let [first, second] = journal.map(|name| site.folder.join(name));
    let Some(failing) = FailingSyncs::of(site.process.id(), &[&first, &second]) else {
        return skipped();
    };
    for again in 0..3 {
        let answer = sent(site, "FAILED");
        assert_ne!(answer.as_deref(), Some("AA"), "at try {again}");
    }
    assert_ended(site);
    drop(failing);
    site.process.start();
    assert_eq!(sent(site, "FAILED").as_deref(), Some("AA"));
    acknowledged.push("FAILED".to_owned());
    assert_sent_once(site, &acknowledged);
}

#[test]
fn f04_after_a_failed_sync_of_the_tables_nothing_is_acknowledged_and_nothing_acknowledged_is_lost()
{
    let mut nodes = Neighbourhood::start();
    let site = &mut nodes.hospital;
    let put = |site: &Site, id: &str| {
        let patient = json!({ "resourceType": "Patient", "id": id, "active": true });
        let path = format!("/fhir/Patient/{id}");
        let answer = site.client().send_json("PUT", &path, &patient);
        answer.ok().map(|answer| answer.status)
    };
    assert_eq!(sent(site, "BEFORE").as_deref(), Some("AA"));
    for number in 0..BEFORE {
        assert_eq!(put(site, &format!("before-{number}")), Some(201));
    }
    let log = site.folder.join("handover.sqlite-wal");
    let Some(failing) = FailingSyncs::of(site.process.id(), &[&log]) else {
        return skipped();
    };
    for again in 0..3 {
        let status = put(site, "failed");
        assert!(
            status.is_none_or(|status| status >= 500),
            "{again}: {status:?}"
        );
    }
    // The journal's own syncs would succeed; it is told.
    assert_ne!(sent(site, "AFTER").as_deref(), Some("AA"));
    assert_ended(site);
    drop(failing);
    site.process.start();
    for number in 0..BEFORE {
        let path = format!("/fhir/Patient/before-{number}");
        assert_eq!(site.client().get(&path).unwrap().status, 200, "{path}");
    }
    assert!(put(site, "failed").is_some_and(|status| status < 300));
    assert_eq!(sent(site, "AFTER").as_deref(), Some("AA"));
    assert_sent_once(site, &["BEFORE".to_owned(), "AFTER".to_owned()]);
}

/// Every acknowledged letter is one parcel.
fn assert_sent_once(site: &Site, acknowledged: &[String]) {
    wait_for("every acknowledged letter as a parcel", 30, || {
        let parcels = site.rows.parcels(true);
        let there = acknowledged.iter().all(|id| parcels.contains_key(id));
        there.then_some(())
    });
    for (id, rows) in site.rows.parcels(true) {
        assert_eq!(rows.len(), 1, "{id}: {rows:?}");
    }
    site.rows.assert_sound();
}
