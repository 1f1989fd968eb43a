//! The thread that moves: batches of the journal into the tables, through the one writer, in order.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, mpsc::TryRecvError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::pending::Pending;
use super::record::Batch;
use crate::write::Write;
use crate::writer::{Load, Writer};

/// Entries that are moved in one commit at most; a batch more where one is longer.
const ENTRIES_MAX: usize = 1024;
/// The same while many wait for their acknowledgements: rows that share a commit share the pages of
/// the indexes that they dirty. Other writes wait for that commit, some 100 ms.
const ENTRIES_MAX_PRESSED: usize = 8192;
/// How long it gathers when nobody asks for what is in the journal.
const GATHER: Duration = Duration::from_millis(20);
/// How long it gathers while many wait for their acknowledgements.
const GATHER_PRESSED: Duration = Duration::from_millis(500);
/// How long it waits after the tables could not be written.
const PAUSE: Duration = Duration::from_secs(1);

/// What the keeper hands over.
pub(super) enum Handed {
    Batch(Arc<Batch>),
    /// Answered once all before it is in the tables.
    Flush(oneshot::Sender<()>),
    /// Somebody waits for room.
    Hurry,
}

pub(super) struct Mover {
    pub(super) writer: Arc<Writer>,
    pub(super) load: Arc<Load>,
    pub(super) pending: Arc<Pending>,
}

/// What is moved together.
#[derive(Default)]
struct Gathered {
    batches: Vec<Arc<Batch>>,
    entries: usize,
    flushes: Vec<oneshot::Sender<()>>,
    hurry: bool,
    ended: bool,
}

impl Gathered {
    fn add(&mut self, handed: Handed) {
        match handed {
            Handed::Batch(batch) => {
                self.entries += batch.entries.len();
                self.batches.push(batch);
            }
            Handed::Flush(answer) => self.flushes.push(answer),
            Handed::Hurry => self.hurry = true,
        }
    }

    fn is_enough(&self, entries_max: usize) -> bool {
        self.entries >= entries_max || !self.flushes.is_empty() || self.hurry || self.ended
    }
}

impl Mover {
    /// Works until the keeper is gone and all it handed over is moved (or cannot be: then the file
    /// has it, and the next start moves it).
    pub(super) fn run(self, handed: &Receiver<Handed>) {
        loop {
            let Ok(first) = handed.recv() else { break };
            let gathered = self.gather(first, handed);
            let moved = gathered.batches.is_empty() || self.move_all(&gathered);
            if !moved {
                break;
            }
            for flush in gathered.flushes {
                let _ = flush.send(());
            }
        }
        self.pending.end();
    }

    fn gather(&self, first: Handed, handed: &Receiver<Handed>) -> Gathered {
        let mut gathered = Gathered::default();
        let begun = Instant::now();
        gathered.add(first);
        loop {
            let (entries_max, at_most) = match self.load.is_pressing() {
                true => (ENTRIES_MAX_PRESSED, GATHER_PRESSED),
                false => (ENTRIES_MAX, GATHER),
            };
            // What is there already, then what comes in time.
            match handed.try_recv() {
                Ok(more) if gathered.entries < entries_max => gathered.add(more),
                Ok(more) => {
                    gathered.add(more);
                    return gathered;
                }
                Err(TryRecvError::Disconnected) => {
                    gathered.ended = true;
                    return gathered;
                }
                Err(TryRecvError::Empty) if gathered.is_enough(entries_max) => return gathered,
                Err(TryRecvError::Empty) => {
                    match handed.recv_timeout(at_most.saturating_sub(begun.elapsed())) {
                        Ok(more) => gathered.add(more),
                        Err(RecvTimeoutError::Timeout) => return gathered,
                        Err(RecvTimeoutError::Disconnected) => gathered.ended = true,
                    }
                }
            }
        }
    }

    /// Moves, and tries again while the writer may yet succeed.
    fn move_all(&self, gathered: &Gathered) -> bool {
        loop {
            let write = Write::Journal(super::NODE.into(), gathered.batches.clone());
            match self.writer.write_blocking(write) {
                Ok(_) => {
                    self.pending.moved(&gathered.batches);
                    return true;
                }
                Err(problem) => {
                    self.pending.stuck(&problem);
                    tracing::error!(?problem, "the journal could not be moved into the tables");
                    if gathered.ended || self.writer.is_stopped() {
                        return false;
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }
}
