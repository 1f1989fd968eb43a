//! What the keeper hands to the mover. The mover is woken only when there is something for it to do: each
//! time that it is, a thread that somebody waits for has to stand back on a small machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::part::Place;
use super::record::{Batch, Entry};

/// After so many entries the mover looks whether there are enough.
const LOOKED_AT_EVERY: usize = 1024;

/// How much is moved together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From so many entries on no more is waited for.
    pub(super) entries: usize,
    /// How long is waited for more, from the first on.
    pub(super) wait: Duration,
}

/// A batch that is on disk.
#[derive(Debug)]
pub(super) enum Handed {
    Held(Arc<Batch>),
    /// Many come, and memory is not to grow with them: where it stands.
    InFile {
        index: i64,
        place: Place,
    },
}

/// What is gathered, and moved in order.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) batches: Vec<Handed>,
    pub(super) flushes: Vec<oneshot::Sender<()>>,
    /// Set once nothing more will come.
    pub(super) ended: bool,
    entries: usize,
    /// How many of the entries are messages.
    messages: usize,
    /// Whether somebody waits for room.
    hurry: bool,
    /// When the first came.
    since: Option<Instant>,
    /// Set once nobody takes any more.
    closed: bool,
}

/// Filled by the keeper, emptied by the mover. What it holds has the bound of the journal's files.
#[derive(Debug, Default)]
pub(super) struct Handing {
    state: Mutex<Gathered>,
    changed: Condvar,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.flushes.is_empty()
    }

    fn is_urgent(&self) -> bool {
        self.hurry || self.ended || !self.flushes.is_empty()
    }
}

impl Handing {
    /// Hands over a batch that is on disk at that place, with what it holds or without.
    pub(super) fn batch(&self, batch: Batch, place: Place, is_held: bool) {
        let is_message = |entry: &&Entry| matches!(entry, Entry::Message { .. });
        let messages = batch.entries.iter().filter(is_message).count();
        let entries = batch.entries.len();
        let handed = match is_held {
            true => Handed::Held(Arc::new(batch)),
            false => Handed::InFile {
                index: batch.index,
                place,
            },
        };
        self.hand(handed, entries, messages);
    }

    fn hand(&self, handed: Handed, entries: usize, messages: usize) {
        let mut state = self.state.lock();
        if state.closed {
            // The next process finds it in the file.
            return;
        }
        let first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        let before = state.entries;
        state.entries += entries;
        state.batches.push(handed);
        let sooner = messages > 0 && state.messages == 0;
        state.messages += messages;
        // The mover looks how many there are now and then; not for each.
        let many = before / LOOKED_AT_EVERY != state.entries / LOOKED_AT_EVERY;
        if first || sooner || many {
            self.changed.notify_one();
        }
    }

    /// Answers once all that was handed over before is in the tables, or nothing is moved any more.
    pub(super) fn flush(&self, answer: oneshot::Sender<()>) {
        let mut state = self.state.lock();
        if !state.closed {
            state.flushes.push(answer);
            self.changed.notify_one();
        }
    }

    /// Somebody waits for room.
    pub(super) fn hurry(&self) {
        self.state.lock().hurry = true;
        self.changed.notify_one();
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.changed.notify_one();
    }

    /// Nobody takes any more; who waits is told so.
    pub(super) fn close(&self) {
        let closed = Gathered {
            closed: true,
            ..Gathered::default()
        };
        *self.state.lock() = closed;
    }

    /// Waits until there is enough by those limits (which depend on how many messages are among it) or
    /// it is asked for; `None` once nothing is left and nothing more will come.
    pub(super) fn take(&self, limits: impl Fn(usize) -> Limits) -> Option<Gathered> {
        let mut state = self.state.lock();
        loop {
            if state.ended && state.is_empty() {
                return None;
            }
            let Limits { entries, wait } = limits(state.messages);
            let enough = state.is_urgent() || state.entries >= entries;
            match state.since.map(|since| since + wait) {
                _ if enough => break,
                Some(end) if end <= Instant::now() => break,
                Some(end) => {
                    self.changed.wait_until(&mut state, end);
                }
                None => self.changed.wait(&mut state),
            }
        }
        let ended = state.ended;
        let rest = Gathered {
            ended,
            ..Gathered::default()
        };
        Some(std::mem::replace(&mut *state, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn hand(handing: &Handing, index: i64, entries: usize) {
        let batch = Batch {
            index,
            entries: (0..entries).map(|_| Entry::Lines(Vec::new())).collect(),
        };
        handing.hand(Handed::Held(Arc::new(batch)), entries, 0);
    }

    fn limits(entries: usize, wait: Duration) -> impl Fn(usize) -> Limits {
        move |_| Limits { entries, wait }
    }

    fn numbers(gathered: &Gathered) -> Vec<i64> {
        let number = |handed: &Handed| match handed {
            Handed::Held(batch) => batch.index,
            Handed::InFile { index, .. } => *index,
        };
        gathered.batches.iter().map(number).collect()
    }

    #[test]
    fn what_is_enough_is_taken_at_once_and_what_is_not_is_waited_for() {
        let handing = Handing::default();
        hand(&handing, 1, 2);
        hand(&handing, 2, 2);
        let taken = handing.take(limits(4, LONG)).unwrap();
        assert_eq!(numbers(&taken), [1, 2]);
        hand(&handing, 3, 1);
        let taken = handing.take(limits(4, Duration::from_millis(1))).unwrap();
        assert_eq!(numbers(&taken), [3]);
    }

    #[test]
    fn who_waits_for_the_tables_or_for_room_is_not_kept_waiting() {
        let handing = Arc::new(Handing::default());
        hand(&handing, 1, 1);
        let (answer, _answered) = oneshot::channel();
        handing.flush(answer);
        let taken = handing.take(limits(4, LONG)).unwrap();
        assert_eq!((numbers(&taken), taken.flushes.len()), (vec![1], 1));
        hand(&handing, 2, 1);
        let other = handing.clone();
        let mover = std::thread::spawn(move || other.take(limits(4, LONG)));
        handing.hurry();
        assert_eq!(numbers(&mover.join().unwrap().unwrap()), [2]);
    }

    #[test]
    fn the_last_is_taken_before_the_end_and_after_it_nobody_waits() {
        let handing = Handing::default();
        hand(&handing, 1, 1);
        handing.end();
        let taken = handing.take(limits(4, LONG)).unwrap();
        assert!(taken.ended);
        assert_eq!(numbers(&taken), [1]);
        assert!(handing.take(limits(4, LONG)).is_none());
        handing.close();
        let (answer, mut answered) = oneshot::channel();
        handing.flush(answer);
        assert!(answered.try_recv().is_err(), "answered by its end");
    }
}
