//! `handover check` against a node of ours, where it finds nothing, and against the same node behind a door that has one
//! fault at a time, where it names the requirement that is broken and no other.

mod door;
mod fhir;
mod fhir_faults;
mod hl7v2;
mod mesh;
mod report;
mod smart_faults;
mod written_faults;

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::setting::{handover, root};

/// Checkers that run side by side.
const SIDE_BY_SIDE: usize = 3;

/// What a run came to.
pub struct Checked {
    pub code: i32,
    pub said: String,
    pub folder: TempDir,
}

impl Checked {
    pub fn report(&self) -> Value {
        let path = self.folder.path().join("report.json");
        let text = std::fs::read_to_string(&path);
        let text = text.unwrap_or_else(|cause| panic!("{cause}: {}", self.said));
        serde_json::from_str(&text).unwrap()
    }

    pub fn html(&self) -> PathBuf {
        self.folder.path().join("report.html")
    }

    /// The requirements with that verdict.
    pub fn with(&self, verdict: &str) -> BTreeSet<String> {
        let report = self.report();
        let results = report["results"].as_array().unwrap();
        let found = results.iter().filter(|it| it["verdict"] == verdict);
        found
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What stands of one requirement.
    pub fn of(&self, id: &str) -> Value {
        let report = self.report();
        let results = report["results"].as_array().unwrap();
        let found = results.iter().find(|it| it["id"] == id);
        found.unwrap_or_else(|| panic!("no {id}")).clone()
    }

    /// All that is not met, with what was seen.
    pub fn told(&self) -> String {
        let faults = self.with("not-met");
        let told = faults.iter().map(|id| format!("{:#}\n", self.of(id)));
        told.collect()
    }
}

/// Requirements that no fault here breaks, and why.
const UNBROKEN: [(&str, &str); 5] = [
    (
        "tls-used",
        "every node of a test is on this machine, which is spared",
    ),
    (
        "tls-version",
        "the server in use here offers nothing else; exchange::probe has a test of its own",
    ),
    ("tls-old-refused", "as above"),
    (
        "mesh-listed",
        "a message that never comes is waited for half a minute",
    ),
    (
        "hl7-connects",
        "a system cannot be made here that takes one connection only",
    ),
];

#[test]
fn every_requirement_is_broken_by_a_fault() {
    let read = |folder: &str, end: &str| -> String {
        let files = std::fs::read_dir(root().join(folder)).unwrap();
        let paths = files.map(|it| it.unwrap().path());
        let wanted = paths.filter(|path| path.extension().is_some_and(|it| it == end));
        wanted
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    };
    let tables = read("crates/handover/src/commands/check/requirements", "toml");
    let tests = read("tests/src/check", "rs");
    let ids: Vec<&str> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'))
        .collect();
    assert!(ids.len() > 100, "{} requirements", ids.len());
    for id in ids {
        let broken = tests.contains(&format!("\"{id}\""));
        let spared = UNBROKEN.iter().any(|(it, _)| *it == id);
        assert!(broken || spared, "{id}: no fault breaks it");
    }
}

/// Runs the checker to its end.
pub fn check(arguments: &[&str]) -> Checked {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(handover())
        .arg("check")
        .args(arguments)
        .arg("--out")
        .arg(folder.path())
        .output()
        .unwrap();
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    Checked {
        code: output.status.code().unwrap_or(-1),
        said: String::from_utf8_lossy(&said).into_owned(),
        folder,
    }
}

/// A file that only its owner may read.
pub fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// Holds that each fault's run names what it breaks and nothing else. `run` gives what is not met, and what was seen.
pub fn each<F: Sync>(
    faults: &[F],
    named: impl Fn(&F) -> (&'static str, &'static [&'static str]) + Sync,
    run: impl Fn(&F) -> Checked + Sync,
) {
    let next = AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let (name, breaks) = named(fault);
                    let checked = run(fault);
                    let expected: BTreeSet<String> =
                        breaks.iter().map(|it| (*it).to_owned()).collect();
                    let found = match checked.folder.path().join("report.json").exists() {
                        true => checked.with("not-met"),
                        false => BTreeSet::from([format!("no report: {}", checked.said)]),
                    };
                    if found != expected || checked.code != 1 {
                        let told = format!(
                            "{name}: expected {expected:?}, found {found:?} ({})",
                            checked.code
                        );
                        wrong.lock().unwrap().push(told);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
