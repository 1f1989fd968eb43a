//! When to try again: exponential, capped, with full jitter, so that many nodes that lost the same
//! neighbour do not all come back at once.

use fhir::date::Millis;

/// How long to wait after failures.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The longest wait after the first failure, in milliseconds; it doubles with each.
    pub first_millis: u64,
    /// The longest wait ever.
    pub cap_millis: u64,
}

impl Default for Backoff {
    /// 1 second, up to 1 minute.
    fn default() -> Backoff {
        Backoff {
            first_millis: 1000,
            cap_millis: 60_000,
        }
    }
}

impl Backoff {
    /// The longest wait after so many failures in a row.
    pub fn bound_millis(&self, tries: u32) -> u64 {
        let doubled = 1u64
            .checked_shl(tries.saturating_sub(1).min(40))
            .unwrap_or(u64::MAX);
        self.first_millis
            .saturating_mul(doubled)
            .min(self.cap_millis)
    }

    /// When to try again: anywhere between at once and the longest wait.
    pub fn next_try(&self, now: Millis, tries: u32) -> Millis {
        let wait = rand::random_range(0..=self.bound_millis(tries));
        now.saturating_add(Millis::try_from(wait).unwrap_or(Millis::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_cap_and_stays_within_its_bound() {
        let backoff = Backoff {
            first_millis: 100,
            cap_millis: 1000,
        };
        let bounds: Vec<u64> = (1..7).map(|tries| backoff.bound_millis(tries)).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.bound_millis(u32::MAX), 1000);
        let waits: Vec<Millis> = (0..200).map(|_| backoff.next_try(5, 3) - 5).collect();
        assert!(waits.iter().all(|wait| (0..=400).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < 200) && waits.iter().any(|wait| *wait > 200));
    }
}
