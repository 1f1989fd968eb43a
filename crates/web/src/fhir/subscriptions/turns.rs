//! Whose turn it is to be told: each subscriber at most once at a time, so that the order stays; and
//! those who were slow, or could not be told, only among themselves, so that they keep nobody else
//! waiting, however many they are. Where a turn came to nothing for a reason that passes, such as a
//! store that is out of reach, there is a pause; it is kept in memory, since it cannot be written down.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use exchange::backoff::Backoff;
use fhir::date::Millis;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Subscribers told at a time, of those who are quick.
const QUICK_AT_ONCE: usize = 32;
/// And of those who are not.
const SLOW_AT_ONCE: usize = 16;
/// A turn that takes longer makes a subscriber slow until the next one.
pub const QUICK: Duration = Duration::from_secs(2);
/// How long after its end a pause is remembered, so that the next one is longer.
const REMEMBERED_MILLIS: Millis = 3_600_000;

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
    pauses: HashMap<String, Pause>,
}

/// How often in a row turns came to nothing, and until when there is none.
#[derive(Default)]
struct Pause {
    times: u32,
    until: Millis,
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

    /// Whether that subscriber's turns came to nothing just before.
    pub fn is_pausing(&self, id: &str, now: Millis) -> bool {
        let kept = self.kept.lock();
        kept.pauses.get(id).is_some_and(|pause| pause.until > now)
    }
}

impl Turn {
    /// Notes that it came to nothing, for a reason that passes: the next one is after a pause, which
    /// grows from time to time.
    pub fn came_to_nothing(&self, now: Millis, backoff: &Backoff) {
        let mut kept = self.turns.kept.lock();
        kept.pauses
            .retain(|_, pause| pause.until.saturating_add(REMEMBERED_MILLIS) > now);
        let pause = kept.pauses.entry(self.id.clone()).or_default();
        pause.times = pause.times.saturating_add(1);
        pause.until = backoff.next_try(now, pause.times).max(now + 1);
    }

    /// Notes that it was had, whatever the subscriber answered.
    pub fn was_had(&self) {
        self.turns.kept.lock().pauses.remove(&self.id);
    }

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

    #[test]
    fn a_turn_that_came_to_nothing_is_followed_by_a_pause_that_grows() {
        let turns = Arc::new(Turns::default());
        let backoff = Backoff {
            first_millis: 1000,
            cap_millis: 60_000,
        };
        let turn = turns.begin("s", false).unwrap();
        let mut now = 5;
        for bound in [1000, 2000, 4000, 8000] {
            assert!(!turns.is_pausing("s", now));
            turn.came_to_nothing(now, &backoff);
            assert!(turns.is_pausing("s", now), "there is always some pause");
            now += bound;
            assert!(!turns.is_pausing("s", now), "it is at most {bound} long");
        }
        assert!(!turns.is_pausing("t", now));
        assert_eq!(turns.kept.lock().pauses["s"].times, 4);
        turn.was_had();
        assert!(turns.kept.lock().pauses.is_empty());
        // What is long past is forgotten with the next one's.
        turn.came_to_nothing(now, &backoff);
        let other = turns.begin("t", false).unwrap();
        other.came_to_nothing(now + 2 * REMEMBERED_MILLIS, &backoff);
        assert_eq!(turns.kept.lock().pauses.len(), 1);
    }
}
