//! The thread that moves: batches of the journal into the tables, through the one writer, in order.
//!
//! While tens of thousands of messages a second come it waits: each row that is moved takes as much from the machine as a
//! message's acknowledgement. What has come meanwhile stands in the journal, and not in memory; a burst is moved behind
//! its end, and one that does not end each time that the journal is about full.

use std::sync::Arc;
use std::time::Duration;

use fhir::problem::Problem;

use super::handing::{Handed, Handing, Limits};
use super::pending::Pending;
use super::record::{Batch, Entry};
use crate::write::Write;
use crate::writer::{Load, Writer};

/// What it gathers while messages are among it: somebody waits for them to be mapped.
const PROMPT: Limits = Limits {
    entries: 1024,
    wait: Duration::from_millis(20),
};
/// The same while many wait for their acknowledgements.
const PRESSED: Limits = Limits {
    entries: 131_072,
    wait: Duration::from_secs(3),
};
/// Fewer messages than these are moved at once, whatever else presses: one that is urgent may be among them.
const MESSAGES_PRESSED: usize = 64;
/// What it gathers of lines of the log, which nobody waits for here: each move syncs the tables' own log,
/// and whoever's line is being kept in that moment waits for that too.
const AT_LEISURE: Limits = Limits {
    entries: 4096,
    wait: Duration::from_millis(500),
};
/// What shares a transaction: rows that share a commit share the pages of the indexes that they dirty. Other writes wait
/// for that commit, some 200 ms.
const STEP_ENTRIES: usize = 16_384;
const STEP_BYTES: usize = 16 << 20;
/// How long it waits after the tables could not be written.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Mover {
    pub(super) writer: Arc<Writer>,
    pub(super) load: Arc<Load>,
    pub(super) pending: Arc<Pending>,
    pub(super) handing: Arc<Handing>,
}

impl Mover {
    /// Works until the keeper is gone and all it handed over is moved (or cannot be: then the file
    /// has it, and the next start moves it).
    pub(super) fn run(self) {
        let limits = |messages| match (self.load.is_pressing(), messages) {
            (true, MESSAGES_PRESSED..) => PRESSED,
            (_, 1..) => PROMPT,
            (_, 0) => AT_LEISURE,
        };
        while let Some(gathered) = self.handing.take(limits) {
            if !self.move_all(gathered.batches, gathered.ended) {
                break;
            }
            for flush in gathered.flushes {
                let _ = flush.send(());
            }
        }
    }

    /// Moves them, some at a time; whether all are moved.
    fn move_all(&self, handed: Vec<Handed>, ended: bool) -> bool {
        let mut handed = handed.into_iter().peekable();
        while handed.peek().is_some() {
            let (mut step, mut entries, mut bytes) = (Vec::new(), 0, 0);
            while entries < STEP_ENTRIES && bytes < STEP_BYTES {
                let Some(next) = handed.next() else { break };
                let Some(batch) = self.until_done(ended, || held(&next)) else {
                    return false;
                };
                entries += batch.entries.len();
                bytes += batch.entries.iter().map(Entry::bytes).sum::<usize>();
                step.push(batch);
            }
            let moved = self.until_done(ended, || {
                let write = Write::Journal(super::NODE.into(), step.clone());
                self.writer.write_blocking(write).map(|_| ())
            });
            if moved.is_none() {
                return false;
            }
            self.pending.moved(&step);
        }
        true
    }

    /// Tries again while it may yet succeed; `None` if it cannot any more.
    fn until_done<T>(&self, ended: bool, work: impl Fn() -> Result<T, Problem>) -> Option<T> {
        loop {
            let problem = match work() {
                Ok(done) => return Some(done),
                Err(problem) => problem,
            };
            self.pending.stuck(&problem);
            tracing::error!(?problem, "the journal could not be moved into the tables");
            if ended || self.writer.is_stopped() {
                return None;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// With what it holds.
fn held(handed: &Handed) -> Result<Arc<Batch>, Problem> {
    match handed {
        Handed::Held(batch) => Ok(batch.clone()),
        Handed::InFile { index, place } => place.read(*index).map(Arc::new),
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        self.handing.close();
        self.pending.end();
    }
}
