//! Moves SQLite's write-ahead log into the file of the database while the writer goes on: by itself SQLite
//! does so inside the commit that makes the log long, and all who wait for that commit wait for it too.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use fhir::problem::Problem;
use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::database::sqlite;
use crate::failure;
use crate::fault::Fault;

const PAGE_BYTES: u64 = 4096;
/// Pages that gather before they are moved.
const PAGES_AT_ONCE: i32 = 2000;
/// From so many on they are moved however much is being written: before, a pause is waited for, since what is moved is
/// read and written once more, beside whoever is waiting for a commit.
const PAGES_WITHOUT_PAUSE: i32 = 24_000;
/// From so many on the writer moves what is left by itself: only if all is moved between two commits does
/// SQLite begin the log again, and under load something always comes.
const PAGES_MAX: i32 = 32_000;
/// Nothing was written for so long: a pause.
const PAUSE: Duration = Duration::from_millis(20);
/// Pauses that are waited for at most: then it is moved all the same.
const PAUSES_MAX: u32 = 50;

thread_local! {
    /// Pages in the log behind the last commit of this thread.
    static LOGGED: Cell<i32> = const { Cell::new(0) };
}

/// Belongs to the writer's thread.
pub(crate) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    mover: Option<JoinHandle<()>>,
    /// Pages in the log when the mover was last woken.
    looked_at: i32,
    /// Pages in the log now, for the mover.
    logged: Arc<AtomicI32>,
    /// The database's file.
    path: PathBuf,
    fault: Arc<Fault>,
}

impl Checkpoints {
    /// Takes over from SQLite on the writer's connection.
    ///
    /// # Errors
    /// If there is no second connection or no thread to be had.
    pub(crate) fn start(writer: &Connection, fault: &Arc<Fault>) -> Result<Checkpoints, Problem> {
        let path = PathBuf::from(writer.path().unwrap_or_default());
        let connection = sqlite::open_writer(&path)?;
        writer.wal_hook(Some(note));
        let (wake, woken) = sync_channel(1);
        let logged = Arc::new(AtomicI32::new(0));
        let (at_fault, at_logged) = (fault.clone(), logged.clone());
        let mover = std::thread::Builder::new()
            .name("store-mover".into())
            .spawn(move || work(&connection, &woken, &at_logged, &at_fault))
            .map_err(|error| failure::internal("no thread for the log").because(error))?;
        Ok(Checkpoints {
            wake: Some(wake),
            mover: Some(mover),
            looked_at: 0,
            logged,
            path,
            fault: fault.clone(),
        })
    }

    /// Looks how long the log is, after a batch and on the writer's own thread.
    pub(crate) fn after_batch(&mut self, writer: &Connection) {
        let logged = LOGGED.get();
        self.logged.store(logged, Ordering::Relaxed);
        if logged < self.looked_at {
            // It was begun again.
            self.looked_at = 0;
        }
        let is_long = logged - self.looked_at >= PAGES_AT_ONCE;
        if logged >= PAGES_MAX || is_long && is_tight(&self.path, logged) {
            move_pages(writer, &self.fault);
        } else if is_long {
            self.looked_at = logged;
            // If it is at work it looks again afterwards.
            let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
        }
    }

    /// Waits until the mover has ended.
    pub(crate) fn stop(mut self) {
        drop(self.wake.take());
        if let Some(mover) = self.mover.take() {
            let _ = mover.join();
        }
    }
}

fn note(_: &Wal, pages: i32) -> rusqlite::Result<()> {
    LOGGED.set(pages);
    Ok(())
}

/// Whether the disk has less room than `pages` could need in the file: the log would grow into the room without which
/// it cannot be made short again. What cannot be asked counts as room.
fn is_tight(path: &Path, pages: i32) -> bool {
    let Ok(disk) = rustix::fs::statvfs(path) else {
        return false;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    free < u64::try_from(pages).unwrap_or(0).saturating_mul(PAGE_BYTES)
}

fn work(connection: &Connection, woken: &Receiver<()>, logged: &AtomicI32, fault: &Fault) {
    while woken.recv().is_ok() {
        wait_for_pause(logged);
        move_pages(connection, fault);
    }
}

/// Until nothing was written for a while, or too much has gathered.
fn wait_for_pause(logged: &AtomicI32) {
    for _ in 0..PAUSES_MAX {
        let before = logged.load(Ordering::Relaxed);
        if before >= PAGES_WITHOUT_PAUSE {
            return;
        }
        std::thread::sleep(PAUSE);
        if logged.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// Moves as many pages as readers allow, and waits for nobody.
fn move_pages(connection: &Connection, fault: &Fault) {
    let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    let Err(problem) = moved.map_err(failure::sqlite) else {
        return;
    };
    if failure::is_disk_fault(&problem) {
        tracing::error!(
            ?problem,
            "the disk failed as the write-ahead log was moved; nothing more is written"
        );
        fault.set(&problem);
    } else {
        // A full disk, for one: the log holds all of it and grows until there is room.
        tracing::warn!(?problem, "the write-ahead log was not moved");
    }
}
