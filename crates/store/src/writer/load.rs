//! How hard the writer is pressed by those who wait for an answer.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::write::Write;
use crate::writer::Queued;

/// So many small writes within a window, 2,000 a second, are more than can be worked off beside it in any case: what
/// nobody waits for makes room. Below, it goes on beside them.
const PRESSING_MIN: usize = 100;
const WINDOW: Duration = Duration::from_millis(50);
/// How long that is remembered.
const REMEMBERED: Duration = Duration::from_millis(150);

/// When there were last many writes without resources (messages received, sign-ins).
#[derive(Debug, Default)]
pub(crate) struct Load {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    window: Option<Instant>,
    /// Small writes in the window.
    count: usize,
    pressed: Option<Instant>,
}

impl Load {
    /// A commit held those.
    pub(crate) fn note(&self, batch: &[Queued]) {
        let small = batch.iter().filter(|queued| match &queued.write {
            Write::Job(_, job) => job.changes.is_empty(),
            Write::Journal(..) | Write::Trace(_) => false,
        });
        self.add(small.count());
    }

    /// So many that somebody waits for were written together.
    pub(crate) fn add(&self, count: usize) {
        if count > 0 {
            self.add_at(count, Instant::now());
        }
    }

    fn add_at(&self, count: usize, now: Instant) {
        let mut state = self.state.lock();
        if state.window.is_none_or(|since| now - since > WINDOW) {
            state.window = Some(now);
            state.count = 0;
        }
        state.count += count;
        if state.count >= PRESSING_MIN {
            state.pressed = Some(now);
        }
    }

    /// Whether it has just been pressed.
    pub(crate) fn is_pressing(&self) -> bool {
        let pressed = self.state.lock().pressed;
        pressed.is_some_and(|at| at.elapsed() < REMEMBERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_how_many_come_in_a_time_that_presses() {
        let load = Load::default();
        let begin = Instant::now();
        // Eight together from a slow disk, every 10 ms.
        for turn in 0..100 {
            load.add_at(8, begin + Duration::from_millis(10 * turn));
        }
        assert!(!load.is_pressing());
        for turn in 0..10 {
            load.add_at(10, begin + Duration::from_millis(1100 + turn));
        }
        assert!(load.is_pressing());
    }
}
