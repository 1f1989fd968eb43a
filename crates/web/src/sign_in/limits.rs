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
        if counts.len() >= COUNTED_MAX {
            counts.retain(|_, count| now.saturating_sub(count.since) < WINDOW);
            // Full of fresh ones: somebody is trying very many. Nobody new gets in for now.
            if counts.len() >= COUNTED_MAX {
                return false;
            }
        }
        let keys = [
            (format!("a {login}"), PER_ACCOUNT),
            (format!("n {address}"), PER_ADDRESS),
        ];
        let mut admitted = true;
        for (key, most) in keys {
            let count = counts.entry(key).or_insert(Count {
                since: now,
                failures: 0,
            });
            if now.saturating_sub(count.since) >= WINDOW || now < count.since {
                *count = Count {
                    since: now,
                    failures: 0,
                };
            }
            admitted &= count.failures < most;
            count.failures = count.failures.saturating_add(1);
        }
        admitted
    }

    /// Takes back what `admit` counted, since the attempt was right after all.
    pub fn forgive(&self, login: &str, address: &str) {
        let mut counts = self.0.lock();
        counts.remove(&format!("a {login}"));
        if let Some(count) = counts.get_mut(&format!("n {address}")) {
            count.failures = count.failures.saturating_sub(1);
        }
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
}
