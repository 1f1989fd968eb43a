//! Whose turn it is to be told: each subscriber at most once at a time, so that the order stays; and
//! those who were slow, or could not be told, only among themselves, so that they keep nobody else
//! waiting, however many they are.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Subscribers told at a time, of those who are quick.
const QUICK_AT_ONCE: usize = 32;
/// And of those who are not.
const SLOW_AT_ONCE: usize = 16;
/// A turn that takes longer makes a subscriber slow until the next one.
pub const QUICK: Duration = Duration::from_secs(2);

/// The turns of all subscribers.
pub struct Turns {
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    told: HashSet<String>,
    slow: HashSet<String>,
}

/// A turn; over when it is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    id: String,
    _place: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Turns {
        Turns {
            quick: Arc::new(Semaphore::new(QUICK_AT_ONCE)),
            slow: Arc::new(Semaphore::new(SLOW_AT_ONCE)),
            kept: Mutex::default(),
        }
    }
}

impl Turns {
    /// A turn for that subscriber, unless they have one, or there is no place: then next time.
    pub fn begin(self: &Arc<Turns>, id: &str, fails: bool) -> Option<Turn> {
        let mut kept = self.kept.lock();
        if kept.told.contains(id) {
            return None;
        }
        let places = match fails || kept.slow.contains(id) {
            true => &self.slow,
            false => &self.quick,
        };
        let place = places.clone().try_acquire_owned().ok()?;
        kept.told.insert(id.to_string());
        Some(Turn {
            turns: self.clone(),
            id: id.to_string(),
            _place: place,
        })
    }
}

impl Turn {
    /// Notes how long it took.
    pub fn took(&self, time: Duration) {
        let mut kept = self.turns.kept.lock();
        match time > QUICK {
            true => kept.slow.insert(self.id.clone()),
            false => kept.slow.remove(&self.id),
        };
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.kept.lock().told.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_subscribers_take_no_place_from_quick_ones_and_nobody_has_two_turns() {
        let turns = Arc::new(Turns::default());
        let slow: Vec<Turn> = (0..100)
            .filter_map(|number| turns.begin(&format!("slow{number}"), true))
            .collect();
        assert_eq!(slow.len(), SLOW_AT_ONCE);
        let quick = turns.begin("quick", false).unwrap();
        assert!(turns.begin("quick", false).is_none());
        quick.took(QUICK * 2);
        drop(quick);
        // It was slow, so it waits with them.
        assert!(turns.begin("quick", false).is_none());
        drop(slow);
        let quick = turns.begin("quick", false).unwrap();
        quick.took(Duration::ZERO);
        drop(quick);
        let _slow: Vec<Turn> = (0..100)
            .filter_map(|number| turns.begin(&format!("slow{number}"), true))
            .collect();
        assert!(turns.begin("quick", false).is_some());
    }
}
