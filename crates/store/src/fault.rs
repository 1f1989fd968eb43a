//! What the store's threads tell each other when the disk has failed under a sync.
//!
//! After that nobody knows what the disk holds: the system may drop what it could not write and call
//! the next sync a success. So nothing more is written or acknowledged, by the journal or into the
//! tables, until a new process has read what is there.

use fhir::problem::Problem;
use tokio::sync::watch;

/// Set once, by whichever thread found out.
#[derive(Debug)]
pub(crate) struct Fault(watch::Sender<Option<Problem>>);

impl Default for Fault {
    fn default() -> Fault {
        Fault(watch::Sender::new(None))
    }
}

impl Fault {
    /// From now on every write is refused with this problem.
    pub(crate) fn set(&self, problem: &Problem) {
        self.0.send_if_modified(|found| {
            let first = found.is_none();
            found.get_or_insert_with(|| problem.clone());
            first
        });
    }

    /// What happened, if it did.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.0.borrow().clone()
    }

    /// Returns once the disk has failed.
    pub(crate) async fn happened(&self) -> Problem {
        let mut found = self.0.subscribe();
        loop {
            if let Some(problem) = found.borrow_and_update().clone() {
                return problem;
            }
            // The sender is `self`, and so is there as long as this waits.
            let _ = found.changed().await;
        }
    }
}
