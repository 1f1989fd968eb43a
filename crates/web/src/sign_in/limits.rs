//! How often one may try to sign in: by account and by address, so that neither guessing at one
//! account nor trying many from one place gets far. Kept in memory: a restart forgets it.

use std::collections::HashMap;

use fhir::date::Millis;
use parking_lot::Mutex;

/// Failures allowed within the window, for one account whether it exists or not.
const PER_ACCOUNT: u32 = 10;
/// Failures allowed within the window, from one address: a whole practice may share one.
const PER_ADDRESS: u32 = 100;
/// The window, in milliseconds.
const WINDOW: Millis = 15 * 60 * 1000;
/// The most accounts and addresses counted at a time.
const COUNTED_MAX: usize = 20_000;

/// Counts failures.
#[derive(Default)]
pub struct Limits(Mutex<HashMap<String, Count>>);

struct Count {
    since: Millis,
    failures: u32,
}

impl Limits {
    /// Counts an attempt as failed, before it is tried, and says whether it may be tried at all:
    /// counted first, many at once cannot slip through together.
    pub fn admit(&self, login: &str, address: &str, now: Millis) -> bool {
        let mut counts = self.0.lock();
        make_room(&mut counts, now);
        // An address that has had its turns adds no further accounts to the table.
        count(&mut counts, format!("n {address}"), PER_ADDRESS, now)
            && count(&mut counts, format!("a {login}"), PER_ACCOUNT, now)
    }

    /// The same where nobody has said yet who they are: by address only.
    pub fn admit_from(&self, address: &str, now: Millis) -> bool {
        let mut counts = self.0.lock();
        make_room(&mut counts, now);
        count(&mut counts, format!("n {address}"), PER_ADDRESS, now)
    }

    /// Takes back what `admit` counted, since the attempt was right after all.
    pub fn forgive(&self, login: &str, address: &str) {
        self.0.lock().remove(&format!("a {login}"));
        self.forgive_from(address);
    }

    /// Takes back what `admit_from` counted.
    pub fn forgive_from(&self, address: &str) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(&format!("n {address}")) {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

/// Counts one more failure and says whether it was still within `most`.
fn count(counts: &mut HashMap<String, Count>, key: String, most: u32, now: Millis) -> bool {
    let fresh = Count {
        since: now,
        failures: 0,
    };
    let count = counts.entry(key).or_insert(fresh);
    if now.saturating_sub(count.since) >= WINDOW || now < count.since {
        *count = Count {
            since: now,
            failures: 0,
        };
    }
    let admitted = count.failures < most;
    count.failures = count.failures.saturating_add(1);
    admitted
}

/// Keeps the table within its bound: what is over goes, and if all is fresh the older half, so that
/// nobody can shut everybody out by filling it.
fn make_room(counts: &mut HashMap<String, Count>, now: Millis) {
    if counts.len() + 2 <= COUNTED_MAX {
        return;
    }
    counts.retain(|_, count| now.saturating_sub(count.since) < WINDOW);
    if counts.len() + 2 > COUNTED_MAX {
        let mut began: Vec<Millis> = counts.values().map(|count| count.since).collect();
        let half = began.len() / 2;
        let (_, middle, _) = began.select_nth_unstable(half);
        let middle = *middle;
        let mut spared = half;
        counts.retain(|_, count| {
            let keep = count.since > middle || (count.since == middle && spared > 0);
            spared = spared.saturating_sub(usize::from(keep));
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_guess_at_an_account_is_not_tried_from_anywhere() {
        let limits = Limits::default();
        for guess in 0..10 {
            assert!(limits.admit("ann", &format!("10.0.0.{guess}"), 1_000));
        }
        assert!(!limits.admit("ann", "10.9.9.9", 2_000));
        assert!(limits.admit("ann", "10.9.9.9", 1_000 + WINDOW));
    }

    #[test]
    fn one_address_cannot_try_account_after_account() {
        let limits = Limits::default();
        for guess in 0..100 {
            assert!(limits.admit(&format!("user{guess}"), "10.0.0.1", 0));
        }
        assert!(!limits.admit("another", "10.0.0.1", 0));
        assert!(limits.admit("someone", "10.0.0.2", 0));
    }

    #[test]
    fn who_gets_it_right_starts_afresh() {
        let limits = Limits::default();
        for _ in 0..50 {
            assert!(limits.admit("ann", "10.0.0.1", 0));
            limits.forgive("ann", "10.0.0.1");
        }
    }

    #[test]
    fn nobody_can_shut_everybody_out_by_trying_very_many_names() {
        let limits = Limits::default();
        for guess in 0..30_000 {
            limits.admit(&format!("made-up-{guess}"), "10.0.0.1", 0);
        }
        assert!(limits.0.lock().len() < 200);
        for guess in 0..30_000 {
            limits.admit(&format!("made-up-{guess}"), &format!("host-{guess}"), 5);
        }
        assert!(limits.0.lock().len() <= COUNTED_MAX);
        assert!(limits.admit("ann", "10.0.0.2", 6));
    }
}
