//! What a client may take of a listener: its connections, and its time.

use std::time::Duration;

/// How long a client may take to send its request's head, once it has begun, and the TLS handshake.
const HEAD_SECONDS_MAX: u64 = 15;
/// How long a connection may stay open without a request.
const IDLE_SECONDS_MAX: u64 = 120;
/// How long a client may pause within a request's body, and in reading an answer.
const PAUSE_SECONDS_MAX: u64 = 30;
/// How long a body may be waited for at any rate, and the bytes that must have come for each second
/// of waiting beyond: a line of 64 kbit/s carries eight times as much.
const GRACE_SECONDS: u64 = 30;
const BODY_BYTES_A_SECOND_MIN: u64 = 1024;

/// The bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; who comes then waits until one ends.
    pub connections_max: usize,
    /// From the first byte of a request's head to its last, and for the TLS handshake.
    pub head: Duration,
    /// Without a request.
    pub idle: Duration,
    /// Within a body, and in reading an answer.
    pub pause: Duration,
    /// Waiting for a body, whatever its rate.
    pub grace: Duration,
    /// Bytes for each second of waiting beyond that.
    pub body_bytes_a_second_min: u64,
}

impl Limits {
    /// The node's own, for so many connections.
    pub fn of(connections_max: usize) -> Limits {
        Limits {
            connections_max: connections_max.max(1),
            head: Duration::from_secs(HEAD_SECONDS_MAX),
            idle: Duration::from_secs(IDLE_SECONDS_MAX),
            pause: Duration::from_secs(PAUSE_SECONDS_MAX),
            grace: Duration::from_secs(GRACE_SECONDS),
            body_bytes_a_second_min: BODY_BYTES_A_SECOND_MIN,
        }
    }

    /// How long a connection may stay open without a request while `free` places are left: those who
    /// only hold one give way as soon as there are few.
    pub(super) fn idle_with(&self, free: usize) -> Duration {
        let scarce = free < self.connections_max / 8;
        if scarce {
            self.idle.min(self.head)
        } else {
            self.idle
        }
    }

    /// How long a body of which `bytes` have come may have been waited for.
    pub(super) fn body(&self, bytes: u64) -> Duration {
        let millis = bytes.saturating_mul(1000) / self.body_bytes_a_second_min.max(1);
        self.grace.saturating_add(Duration::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_earns_time_by_its_bytes_and_an_idle_connection_loses_it_when_places_are_few() {
        let limits = Limits::of(1000);
        assert_eq!(limits.body(0).as_secs(), 30);
        assert_eq!(limits.body(10 * 1024).as_secs(), 40);
        assert!(limits.body(u64::MAX) > limits.body(1 << 40));
        assert_eq!(limits.idle_with(1000), limits.idle);
        assert_eq!(limits.idle_with(10), limits.head);
    }
}
