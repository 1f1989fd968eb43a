//! Lines of the audit log for which PostgreSQL has no room: in a file of this process's own, whose room was
//! taken when it started, until PostgreSQL has some again. What they tell of may be shown meanwhile.
//!
//! Invariant: what was kept is in the file or in the table, on disk, and in the table once: the mark of how
//! far has been moved is set in the same transaction.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::AuditEntry;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use tokio::sync::Mutex;

use super::file::Failed;
use super::part::Part;
use super::record::{Batch, Entry};
use crate::failure;

/// Files are named by this and a number that no other has: processes that share a folder share none.
const NAME: &str = "trace-reserve-";

#[derive(Debug)]
pub(crate) struct TraceReserve {
    /// The mark's name, and the file's.
    pub(crate) name: Arc<str>,
    held: Arc<Mutex<Held>>,
    /// Whether it holds what is not in the table, to be known without waiting for who keeps.
    some: AtomicBool,
}

#[derive(Debug)]
struct Held {
    part: Part,
    /// The number of the last batch.
    last: i64,
    bytes_max: u64,
    frame: Vec<u8>,
    /// The disk failed under it, and nobody knows what it holds.
    failed: bool,
}

impl TraceReserve {
    /// Takes a file of that folder that no process has, or makes one, and its room.
    ///
    /// # Errors
    /// `NoStore` if there is no room, or the file cannot be read.
    pub(crate) fn open(folder: &Path, bytes_max: u64) -> Result<TraceReserve, Problem> {
        // The parent of a file that is named alone is empty, and an empty path is no folder.
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let fresh = folder.join(format!("{NAME}{}", uuid::Uuid::new_v4().simple()));
        for path in left(folder).into_iter().chain([fresh]) {
            let mut part = Part::open(&path)?;
            if !part.lock()? {
                continue;
            }
            let last = part.go_on()?;
            part.reserve(bytes_max)
                .map_err(|error| Failed::Unwritten(error).problem())?;
            let name = path.file_name().and_then(|name| name.to_str());
            return Ok(TraceReserve {
                name: name.unwrap_or_default().into(),
                some: AtomicBool::new(false),
                held: Arc::new(Mutex::new(Held {
                    part,
                    last,
                    bytes_max,
                    frame: Vec::new(),
                    failed: false,
                })),
            });
        }
        Err(failure::internal("no file for the reserve"))
    }

    /// Before anything is kept: all up to that batch is in the table. What is kept from now on has a number
    /// behind it, even where the file's own beginning was torn.
    pub(crate) async fn begin_after(&self, moved: i64) {
        let mut held = self.held.lock().await;
        held.last = held.last.max(moved);
        self.note_moved(&mut held, moved);
    }

    fn note_moved(&self, held: &mut Held, moved: i64) {
        let some = held.last > moved;
        if !some {
            held.part.restart();
        }
        self.some.store(some, Ordering::Release);
    }

    /// Keeps lines; on disk when this returns.
    ///
    /// # Errors
    /// `NoStore` when the reserve is used up, or its disk failed.
    pub(crate) async fn keep(&self, lines: Vec<AuditEntry>, now: Millis) -> Result<(), Problem> {
        let mut held = self.held.clone().lock_owned().await;
        self.some.store(true, Ordering::Release);
        let keeping = tokio::task::spawn_blocking(move || held.keep(lines, now));
        keeping
            .await
            .map_err(|error| failure::internal("keeping ended").because(error))?
    }

    /// What is not in the table, whose mark says `moved`.
    ///
    /// # Errors
    /// As `Part::read_all`.
    pub(crate) async fn unmoved(&self, moved: i64) -> Result<Vec<Arc<Batch>>, Problem> {
        let held = self.held.clone().lock_owned().await;
        let reading = tokio::task::spawn_blocking(move || held.part.read_all());
        let batches = reading
            .await
            .map_err(|error| failure::internal("reading ended").because(error))??;
        let unmoved = batches.into_iter().filter(|it| it.index > moved);
        Ok(unmoved.map(Arc::new).collect())
    }

    /// Whether there may be something in it that is not in the table.
    pub(crate) fn holds_some(&self) -> bool {
        self.some.load(Ordering::Acquire)
    }

    /// All up to that batch is in the table.
    pub(crate) async fn moved(&self, upto: i64) {
        let mut held = self.held.lock().await;
        self.note_moved(&mut held, upto);
    }
}

impl Held {
    fn keep(&mut self, mut lines: Vec<AuditEntry>, now: Millis) -> Result<(), Problem> {
        let length: u64 = lines.iter().map(|line| line_bytes(line) as u64).sum();
        if self.failed || self.part.used() + length > self.bytes_max {
            return Err(failure::full());
        }
        lines.iter_mut().for_each(|line| line.at = now);
        let index = self.last + 1;
        let kept = self
            .part
            .append(index, &[Entry::Lines(lines)], &mut self.frame);
        if let Err(failed) = kept {
            self.failed = matches!(failed, Failed::Unsynced(_));
            return Err(failed.problem());
        }
        self.last = index;
        Ok(())
    }
}

/// At least what a line takes in the file.
fn line_bytes(line: &AuditEntry) -> usize {
    512 + line.target.query.as_ref().map_or(0, |query| query.len())
}

/// The files of that folder, in an order that does not change.
fn left(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(NAME))
    };
    let mut paths: Vec<_> = entries.map(|it| it.path()).filter(named).collect();
    paths.sort();
    paths
}

/// Why a node serves without it.
pub(crate) fn no_folder() -> Problem {
    Problem::new(Kind::NoStore, "There is no folder for the reserve.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> AuditEntry {
        let target = access::Target {
            id: Some(id.to_owned()),
            ..access::Target::default()
        };
        let scope = access::Scope::system(access::SystemPurpose::MapMessages);
        scope.trace(access::Interaction::Read, access::Outcome::Success, target)
    }

    async fn ids(reserve: &TraceReserve, moved: i64) -> Vec<String> {
        let batches = reserve.unmoved(moved).await.unwrap();
        let lines = batches.iter().flat_map(|batch| &batch.entries);
        let id = |entry: &Entry| match entry {
            Entry::Lines(lines) => lines[0].target.id.clone().unwrap(),
            Entry::Message { .. } => unreachable!(),
        };
        lines.map(id).collect()
    }

    #[tokio::test]
    async fn p29_what_the_reserve_holds_is_there_for_the_next_process_until_it_was_moved() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = TraceReserve::open(folder.path(), 1 << 20).unwrap();
        assert!(!reserve.holds_some());
        for id in ["a", "b", "c"] {
            reserve.keep(vec![line(id)], 1).await.unwrap();
        }
        let name = reserve.name.clone();
        drop(reserve);
        let reserve = TraceReserve::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(reserve.name, name);
        reserve.begin_after(0).await;
        assert!(reserve.holds_some());
        assert_eq!(ids(&reserve, 0).await, ["a", "b", "c"]);
        assert_eq!(ids(&reserve, 2).await, ["c"]);
        reserve.keep(vec![line("d")], 1).await.unwrap();
        reserve.moved(3).await;
        assert!(reserve.holds_some(), "what came meanwhile is not given up");
        assert_eq!(ids(&reserve, 3).await, ["d"]);
        reserve.moved(4).await;
        assert!(!reserve.holds_some());
        reserve.keep(vec![line("e")], 1).await.unwrap();
        assert_eq!(ids(&reserve, 4).await, ["e"]);
    }

    #[tokio::test]
    async fn p29_what_is_kept_after_a_torn_beginning_is_behind_the_mark() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = TraceReserve::open(folder.path(), 1 << 20).unwrap();
        for id in ["a", "b"] {
            reserve.keep(vec![line(id)], 1).await.unwrap();
        }
        reserve.moved(2).await;
        reserve.keep(vec![line("c")], 1).await.unwrap();
        reserve.held.lock().await.part.tear();
        drop(reserve);
        let reserve = TraceReserve::open(folder.path(), 1 << 20).unwrap();
        reserve.begin_after(2).await;
        assert!(!reserve.holds_some());
        reserve.keep(vec![line("d")], 1).await.unwrap();
        assert!(reserve.holds_some());
        assert_eq!(ids(&reserve, 2).await, ["d"]);
    }

    #[tokio::test]
    async fn p29_the_reserve_has_an_end_and_each_process_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let first = TraceReserve::open(folder.path(), 4096).unwrap();
        let second = TraceReserve::open(folder.path(), 4096).unwrap();
        assert_ne!(first.name, second.name);
        let mut kept = 0;
        let refused = loop {
            match first.keep(vec![line("a")], 1).await {
                Ok(()) => kept += 1,
                Err(problem) => break problem,
            }
        };
        assert!((4..=64).contains(&kept), "{kept}");
        assert_eq!(refused.kind, Kind::NoStore);
        second.keep(vec![line("b")], 1).await.unwrap();
    }

    #[tokio::test]
    async fn p29_all_that_a_full_reserve_holds_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = TraceReserve::open(folder.path(), 2 << 20).unwrap();
        let mut kept = 0;
        let mut long = line("a");
        long.target.query = Some("x".repeat(1500).into());
        while reserve.keep(vec![long.clone()], 1).await.is_ok() {
            kept += 1;
        }
        drop(reserve);
        let reserve = TraceReserve::open(folder.path(), 2 << 20).unwrap();
        reserve.begin_after(0).await;
        assert!(reserve.holds_some());
        assert_eq!(reserve.unmoved(0).await.unwrap().len(), kept);
    }
}
