//! The one place that reads the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use fhir::date::Millis;

/// Where the node gets its time from: the system, or a hand that tests move.
#[derive(Clone, Debug)]
pub struct Clock(Hand);

#[derive(Clone, Debug)]
enum Hand {
    System,
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Clock {
        Clock(Hand::System)
    }

    /// A clock that stands still until it is advanced. Clones share the hand.
    pub fn fixed(at: Millis) -> Clock {
        Clock(Hand::Fixed(Arc::new(AtomicI64::new(at))))
    }

    /// Moves a fixed clock by so many milliseconds, back too; the system's clock does not move.
    pub fn advance(&self, by: Millis) {
        if let Hand::Fixed(at) = &self.0 {
            at.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// Now, in milliseconds since the Unix epoch.
    pub fn now(&self) -> Millis {
        match &self.0 {
            Hand::Fixed(at) => at.load(Ordering::SeqCst),
            Hand::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                let millis = since.map(|since| since.as_millis()).unwrap_or_default();
                i64::try_from(millis).unwrap_or(i64::MAX)
            }
        }
    }
}
