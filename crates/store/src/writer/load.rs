//! How hard the writer is pressed by those who wait for an answer.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::write::Write;
use crate::writer::Queued;

/// So many small writes in one commit mean that many are waiting for their answers.
const PRESSING_MIN: usize = 8;
/// How long that is remembered.
const REMEMBERED: Duration = Duration::from_millis(150);

/// When a commit last held many writes without resources (messages received, sign-ins).
#[derive(Debug, Default)]
pub(crate) struct Load {
    at: Mutex<Option<Instant>>,
}

impl Load {
    pub(crate) fn note(&self, batch: &[Queued]) {
        let small = batch.iter().filter(|queued| match &queued.write {
            Write::Job(_, job) => job.changes.is_empty(),
            Write::Journal(..) | Write::Trace(_) => false,
        });
        if small.count() >= PRESSING_MIN {
            self.press();
        }
    }

    /// Many are waiting for their answers.
    pub(crate) fn press(&self) {
        *self.at.lock() = Some(Instant::now());
    }

    /// Whether it has just been pressed.
    pub(crate) fn is_pressing(&self) -> bool {
        let at = *self.at.lock();
        at.is_some_and(|at| at.elapsed() < REMEMBERED)
    }
}
