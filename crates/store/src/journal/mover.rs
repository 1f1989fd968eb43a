//! The thread that moves: batches of the journal into the tables, through the one writer, in order.

use std::sync::Arc;
use std::time::Duration;

use super::handing::{Gathered, Handing, Limits};
use super::pending::Pending;
use crate::write::Write;
use crate::writer::{Load, Writer};

/// What it gathers while messages are among it: somebody waits for them to be mapped.
const PROMPT: Limits = Limits {
    entries: 1024,
    wait: Duration::from_millis(20),
};
/// The same while many wait for their acknowledgements: rows that share a commit share the pages of
/// the indexes that they dirty. Other writes wait for that commit, some 200 ms.
const PRESSED: Limits = Limits {
    entries: 16_384,
    wait: Duration::from_millis(750),
};
/// What it gathers of lines of the log, which nobody waits for here: each move syncs the tables' own log,
/// and whoever's line is being kept in that moment waits for that too.
const AT_LEISURE: Limits = Limits {
    entries: 4096,
    wait: Duration::from_millis(500),
};
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
            (true, _) => PRESSED,
            (false, true) => PROMPT,
            (false, false) => AT_LEISURE,
        };
        while let Some(gathered) = self.handing.take(limits) {
            let moved = gathered.batches.is_empty() || self.move_all(&gathered);
            if !moved {
                break;
            }
            for flush in gathered.flushes {
                let _ = flush.send(());
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

impl Drop for Mover {
    fn drop(&mut self) {
        self.handing.close();
        self.pending.end();
    }
}
