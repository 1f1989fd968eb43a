//! What is in the journal and not yet in the tables.

use std::collections::HashSet;
use std::time::{Duration, Instant};

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
    /// The number of the last batch that is in the tables.
    last: i64,
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

    /// These batches are in the tables. After the commit: an id that is no longer here is found there.
    pub(super) fn moved(&self, batches: &[std::sync::Arc<Batch>]) {
        let mut state = self.state.lock();
        for entry in batches.iter().flat_map(|batch| &batch.entries) {
            if let Entry::Message { keeping, .. } = entry {
                state.ids.remove(keeping.id());
            }
        }
        state.stuck = None;
        state.last = batches.last().map_or(state.last, |last| last.index);
        self.moved.notify_all();
    }

    /// The tables could not be written.
    pub(super) fn stuck(&self, problem: &Problem) {
        self.state.lock().stuck = Some(problem.clone());
        self.moved.notify_all();
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

    /// The number of the last batch that is in the tables.
    pub(super) fn last_moved(&self) -> i64 {
        self.state.lock().last
    }

    /// Waits until that batch has been moved.
    ///
    /// # Errors
    /// Why the tables cannot be written, at once; `Transient` if nothing will be moved any more;
    /// `Throttled` after that time.
    pub(super) fn wait_for(&self, batch: i64, at_most: Duration) -> Result<(), Problem> {
        let end = Instant::now() + at_most;
        let mut state = self.state.lock();
        while state.last < batch {
            if let Some(problem) = &state.stuck {
                return Err(problem.clone());
            }
            if state.ended {
                return Err(super::closed());
            }
            if self.moved.wait_until(&mut state, end).timed_out() {
                return Err(crate::store::throttled());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use fhir::problem::Kind;

    use super::*;

    #[test]
    fn who_waits_for_room_is_told_why_there_is_none() {
        let pending = Pending::default();
        let waited = pending.wait_for(1, Duration::from_millis(1));
        assert_eq!(waited.unwrap_err().kind, Kind::Throttled);
        let full = Problem::new(Kind::NoStore, "There is no space left to store this.");
        pending.stuck(&full);
        let waited = pending.wait_for(1, Duration::from_secs(3600));
        assert_eq!(waited.unwrap_err().kind, Kind::NoStore);
        pending.moved(&[std::sync::Arc::new(Batch {
            index: 1,
            entries: Vec::new(),
        })]);
        assert!(pending.wait_for(1, Duration::from_millis(1)).is_ok());
    }
}
