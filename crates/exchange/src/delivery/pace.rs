//! How much one request to a neighbour carries: as much as its line takes in a few seconds, so that
//! over a thin one a request still ends in its time, and what is urgent waits for little.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use access::Ods;
use parking_lot::Mutex;

use crate::transport::Failure;
use crate::wire::{INLINE_BYTES_IN_ALL_MAX, PIECE_BYTES_MAX};

/// What is sent first to a neighbour of whose line nothing is known: 8 seconds at 64 kbit/s.
const BYTES_AT_FIRST: usize = 64 << 10;
const BYTES_MIN: usize = 8 << 10;
/// A request that took longer is followed by a smaller one, one that took less by a larger one.
const SLOW: Duration = Duration::from_secs(4);
const QUICK: Duration = Duration::from_secs(1);

/// Bytes at once for each neighbour, as its last requests went. Forgotten with the process.
#[derive(Default)]
pub(crate) struct Paces(Mutex<HashMap<Ods, usize>>);

impl Paces {
    /// Bytes of a piece of content.
    pub(crate) fn piece(&self, peer: &Ods) -> usize {
        self.0.lock().get(peer).copied().unwrap_or(BYTES_AT_FIRST)
    }

    /// Bytes of all contents that go inline in one request.
    pub(crate) fn contents(&self, peer: &Ods) -> u64 {
        match self.piece(peer) {
            PIECE_BYTES_MAX => INLINE_BYTES_IN_ALL_MAX,
            bytes => bytes as u64,
        }
    }

    /// Waits for a request that carries so many bytes, and learns from how long it took.
    pub(crate) async fn timed<T>(
        &self,
        peer: &Ods,
        bytes: usize,
        sending: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let outcome = sending.await;
        let broke_off = matches!(&outcome, Err(failure) if failure.status.is_none());
        self.learn(peer, bytes, began.elapsed(), broke_off);
        outcome
    }

    fn learn(&self, peer: &Ods, bytes: usize, took: Duration, broke_off: bool) {
        let mut all = self.0.lock();
        let now = all.entry(peer.clone()).or_insert(BYTES_AT_FIRST);
        if took > SLOW {
            *now = (*now).min(bytes.max(BYTES_MIN)) / 2;
        } else if took < QUICK && !broke_off && bytes.saturating_mul(2) >= *now {
            *now = now.saturating_mul(2);
        }
        *now = (*now).clamp(BYTES_MIN, PIECE_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f11_requests_shrink_with_a_slow_line_and_grow_with_a_quick_one() {
        let peer = Ods::parse("A81001").unwrap();
        let paces = Paces::default();
        assert_eq!(paces.piece(&peer), BYTES_AT_FIRST);
        for _ in 0..10 {
            let bytes = paces.piece(&peer);
            paces.learn(&peer, bytes, Duration::from_millis(50), false);
        }
        assert_eq!(paces.piece(&peer), PIECE_BYTES_MAX);
        assert_eq!(paces.contents(&peer), INLINE_BYTES_IN_ALL_MAX);
        // A small request says nothing of what more would take.
        paces.learn(&peer, 100, Duration::from_millis(50), false);
        // At 8 kB/s, until a request takes seconds and no longer.
        for _ in 0..10 {
            let bytes = paces.piece(&peer);
            let took = Duration::from_millis(bytes as u64 / 8);
            paces.learn(&peer, bytes, took, took > Duration::from_secs(30));
        }
        let settled = paces.piece(&peer);
        assert!((BYTES_MIN..=32 << 10).contains(&settled), "{settled}");
        assert_eq!(paces.contents(&peer), settled as u64);
        // One that could not be reached at all says nothing of the line either.
        paces.learn(&peer, settled, Duration::from_millis(1), true);
        assert_eq!(paces.piece(&peer), settled);
    }
}
