//! Keeping: taking what waits, writing it, making it durable, answering all of it. A thread does it; where
//! nothing waits, whoever brings something does it themselves, which saves waking two threads.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use fhir::problem::Problem;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::file::{Failed, File, Room};
use super::known::Known;
use super::mover::Handed;
use super::pending::Pending;
use super::record::{Batch, Entry};
use super::{Item, Start, Taken};
use crate::clock::Clock;
use crate::database::sqlite;
use crate::fault::Fault;
use crate::hl7_inbox;
use crate::writer::Load;

/// What shares one sync at most.
const BATCH_MAX: usize = 512;
const BATCH_BYTES_MAX: usize = 4 << 20;
/// How long it waits for the mover when both files are full.
const ROOM_WAIT: Duration = Duration::from_secs(30);
/// So many messages in one sync mean that many senders are waiting.
const PRESSING_MIN: usize = 8;

type Answer = oneshot::Sender<Result<Taken, Problem>>;

#[derive(Debug)]
pub(super) struct Keeper {
    file: File,
    /// Finds messages that are in the tables.
    reader: Connection,
    clock: Clock,
    known: Arc<Known>,
    pending: Arc<Pending>,
    load: Arc<Load>,
    hand_over: mpsc::Sender<Handed>,
    runtime: tokio::runtime::Handle,
    /// Whether the disk failed, here or under the tables.
    fault: Arc<Fault>,
}

/// Where one at a time keeps; empty once the journal is closed.
pub(super) type Desk = parking_lot::Mutex<Option<Keeper>>;

/// What is to be kept together.
#[derive(Default)]
struct Gathered {
    puts: Vec<(Entry, Answer)>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Keeper {
    pub(super) fn open(
        start: Start,
        known: Arc<Known>,
        pending: Arc<Pending>,
        hand_over: mpsc::Sender<Handed>,
    ) -> Result<Keeper, Problem> {
        Ok(Keeper {
            file: start.file,
            reader: sqlite::open_reader(&start.database)?,
            clock: start.clock,
            known,
            pending,
            load: start.load,
            hand_over,
            runtime: tokio::runtime::Handle::current(),
            fault: start.fault,
        })
    }

    /// Keeps one entry that nothing waits before; on disk when this returns.
    pub(super) fn keep_one(&mut self, entry: Entry) -> Result<Taken, Problem> {
        let (answer, mut answered) = oneshot::channel();
        if let Some((answers, result)) = self.keep(vec![(entry, answer)]) {
            for answer in answers {
                let _ = answer.send(result.clone());
            }
        }
        answered.try_recv().map_err(|_| super::closed())?
    }

    /// Keeps what is new of it; gives those who are to be answered, and with what.
    fn keep(
        &mut self,
        puts: Vec<(Entry, Answer)>,
    ) -> Option<(Vec<Answer>, Result<Taken, Problem>)> {
        let puts = self.without_known(puts);
        if puts.is_empty() {
            return None;
        }
        let (mut entries, answers): (Vec<Entry>, Vec<Answer>) = puts.into_iter().unzip();
        let now = self.clock.now();
        entries.iter_mut().for_each(|entry| entry.stamp(now));
        if let Err(problem) = self.append(&entries) {
            for entry in &entries {
                if let Entry::Message { keeping, .. } = entry {
                    self.pending.drop_id(keeping.id());
                }
            }
            return Some((answers, Err(problem)));
        }
        let messages = entries
            .iter()
            .filter(|e| matches!(e, Entry::Message { .. }));
        if messages.count() >= PRESSING_MIN {
            self.load.press();
        }
        let batch = Batch {
            index: self.file.last(),
            entries,
        };
        // Who takes over is gone only when the process ends: the next one finds it in the file.
        let _ = self.hand_over.send(Handed::Batch(Arc::new(batch)));
        Some((answers, Ok(Taken::Kept)))
    }

    /// Answers from within the runtime, whose threads are then woken once for all.
    fn answer(&self, answers: Vec<Answer>, result: &Result<Taken, Problem>) {
        let result = result.clone();
        self.runtime.spawn(async move {
            for answer in answers {
                // Who has gone does not wait.
                let _ = answer.send(result.clone());
            }
        });
    }

    fn append(&mut self, entries: &[Entry]) -> Result<(), Problem> {
        if let Some(problem) = self.fault.problem() {
            return Err(problem);
        }
        if let Room::After(batch) = self.file.make_room(self.pending.last_moved()) {
            // Whoever puts more waits for the tables; the queue before this thread has a bound.
            let _ = self.hand_over.send(Handed::Hurry);
            self.pending.wait_for(batch, ROOM_WAIT)?;
            self.file.make_room(batch);
        }
        let began = Instant::now();
        let appended = self.file.append(entries);
        // For whoever measures: how long those wait who share a sync.
        tracing::debug!(
            entries = entries.len(),
            micros = began.elapsed().as_micros() as u64,
            "kept"
        );
        appended.map_err(|failed| {
            let problem = failed.problem();
            if matches!(failed, Failed::Unsynced(_)) {
                tracing::error!(
                    ?problem,
                    "the disk failed under the journal; nothing more is kept"
                );
                self.fault.set(&problem);
            }
            problem
        })
    }

    /// Answers for messages whose ids are known; gives the rest.
    fn without_known(&self, puts: Vec<(Entry, Answer)>) -> Vec<(Entry, Answer)> {
        // First what is on its way, then the tables: what leaves the one is by then in the other.
        let mut rest = Vec::with_capacity(puts.len());
        let mut doubtful = HashSet::new();
        // A message is not taken on that the tables have no room for: it would wait unseen.
        let stuck = self.pending.why_stuck();
        for (entry, answer) in puts {
            if let Entry::Message { keeping, .. } = &entry {
                if let Some(problem) = &stuck {
                    let _ = answer.send(Err(problem.clone()));
                    continue;
                }
                if !self.pending.add(keeping.id()) {
                    let _ = answer.send(Ok(Taken::Known));
                    continue;
                }
                if self.known.add(keeping.id()) {
                    doubtful.insert(rest.len());
                }
            }
            rest.push((entry, answer));
        }
        if doubtful.is_empty() {
            return rest;
        }
        // One snapshot for all, which costs less than one each.
        let _ = self.reader.execute_batch("BEGIN");
        let new = rest
            .into_iter()
            .enumerate()
            .filter_map(|(n, (entry, answer))| {
                let known = match doubtful.contains(&n) {
                    true => self.is_in_tables(&entry),
                    false => Ok(false),
                };
                if known == Ok(false) {
                    return Some((entry, answer));
                }
                if let Entry::Message { keeping, .. } = &entry {
                    self.pending.drop_id(keeping.id());
                }
                let _ = answer.send(known.map(|_| Taken::Known));
                None
            })
            .collect();
        let _ = self.reader.execute_batch("COMMIT");
        new
    }

    fn is_in_tables(&self, entry: &Entry) -> Result<bool, Problem> {
        let Entry::Message { keeping, .. } = entry else {
            return Ok(false);
        };
        let found = sqlite::rows(&self.reader, &hl7_inbox::by_id(keeping.id()))?;
        Ok(!found.is_empty())
    }
}

/// Works until nobody can put anything any more, then lets go of the files.
pub(super) fn run(desk: &Desk, mut waiting: tokio::sync::mpsc::Receiver<Item>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut keeper = desk.lock();
        let Some(keeper) = keeper.as_mut() else { break };
        // Only now: what came while another kept is kept with the rest.
        let gathered = gather(first, &mut waiting);
        if let Some((answers, result)) = keeper.keep(gathered.puts) {
            keeper.answer(answers, &result);
        }
        for flush in gathered.flushes {
            let _ = keeper.hand_over.send(Handed::Flush(flush));
        }
    }
    drop(desk.lock().take());
}

/// The first and what else waits, up to a bound.
fn gather(first: Item, waiting: &mut tokio::sync::mpsc::Receiver<Item>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(item) = next {
        match item {
            Item::Put { entry, answer } => {
                bytes += entry.bytes();
                gathered.puts.push((entry, answer));
            }
            Item::Flush(answer) => gathered.flushes.push(answer),
        }
        if gathered.puts.len() >= BATCH_MAX || bytes >= BATCH_BYTES_MAX {
            break;
        }
        next = waiting.try_recv().ok();
    }
    gathered
}
