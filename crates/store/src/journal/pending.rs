//! What is in the journal and not yet in the tables.

use std::collections::HashSet;

use fhir::problem::Problem;
use parking_lot::{Condvar, Mutex};

use super::record::{Batch, Entry};

/// Shared by the keeper, who adds, and the mover, who takes away.
#[derive(Debug, Default)]
pub(super) struct Pending {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Of messages.
    ids: HashSet<Vec<u8>>,
    batches: usize,
    /// Why nothing can be moved just now.
    stuck: Option<Problem>,
    /// Set once nothing is moved any more.
    ended: bool,
}

impl Pending {
    /// Adds a message's id; `false` if it is there.
    pub(super) fn add(&self, id: &[u8]) -> bool {
        self.state.lock().ids.insert(id.to_vec())
    }

    /// Takes an id away again whose message was not kept.
    pub(super) fn drop_id(&self, id: &[u8]) {
        self.state.lock().ids.remove(id);
    }

    /// One batch more is in the journal.
    pub(super) fn kept(&self) {
        self.state.lock().batches += 1;
    }

    /// These batches are in the tables. After the commit: an id that is no longer here is found there.
    pub(super) fn moved(&self, batches: &[std::sync::Arc<Batch>]) {
        let mut state = self.state.lock();
        for entry in batches.iter().flat_map(|batch| &batch.entries) {
            if let Entry::Message { keeping, .. } = entry {
                state.ids.remove(keeping.id());
            }
        }
        state.stuck = None;
        state.batches = state.batches.saturating_sub(batches.len());
        self.moved.notify_all();
    }

    /// The tables could not be written.
    pub(super) fn stuck(&self, problem: &Problem) {
        self.state.lock().stuck = Some(problem.clone());
    }

    /// Why the tables could not be written when it was last tried, if they could not.
    pub(super) fn why_stuck(&self) -> Option<Problem> {
        self.state.lock().stuck.clone()
    }

    /// Nothing is moved any more; who waits for room waits in vain.
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.moved.notify_all();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().batches == 0
    }

    /// Waits until all has been moved. `false` if that will not be.
    pub(super) fn wait_until_empty(&self) -> bool {
        let mut state = self.state.lock();
        while state.batches > 0 && !state.ended {
            self.moved.wait(&mut state);
        }
        state.batches == 0
    }
}
