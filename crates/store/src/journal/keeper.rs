//! The thread that keeps: takes what waits, writes it, makes it durable, answers all of it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir::problem::Problem;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::file::{Failed, File, Room};
use super::handing::Handing;
use super::known::Known;
use super::part::Place;
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
/// How long others are let come along, once somebody has: requests come in bursts, and whoever is late by less
/// than this would wait for the whole of this sync and then for one of their own.
const COMPANY_WAIT: Duration = Duration::from_micros(40);
/// From so many in one sync on there is always company, without waiting for it.
const COMPANY_MAX: usize = 16;

type Answer = oneshot::Sender<Result<Taken, Problem>>;

pub(super) struct Keeper {
    /// Finds messages that are in the tables.
    reader: Connection,
    clock: Clock,
    known: Arc<Known>,
    pending: Arc<Pending>,
    load: Arc<Load>,
    handing: Arc<Handing>,
    runtime: tokio::runtime::Handle,
    /// Whether the disk failed, here or under the tables.
    fault: Arc<Fault>,
}

/// What is to be kept together.
#[derive(Default)]
struct Gathered {
    puts: Vec<(Entry, Answer)>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Keeper {
    pub(super) fn open(
        start: &Start,
        known: Arc<Known>,
        pending: Arc<Pending>,
        handing: Arc<Handing>,
    ) -> Result<Keeper, Problem> {
        let path: &PathBuf = &start.database;
        Ok(Keeper {
            reader: sqlite::open_reader(path)?,
            clock: start.clock.clone(),
            known,
            pending,
            load: start.load.clone(),
            handing,
            runtime: tokio::runtime::Handle::current(),
            fault: start.fault.clone(),
        })
    }

    /// Works until nobody can put anything any more.
    pub(super) fn run(mut self, mut file: File, mut waiting: tokio::sync::mpsc::Receiver<Item>) {
        let mut before = 0;
        while let Some(first) = waiting.blocking_recv() {
            if (2..COMPANY_MAX).contains(&before) {
                let_come(COMPANY_WAIT);
            }
            let gathered = gather(first, &mut waiting);
            before = gathered.puts.len();
            self.keep(&mut file, gathered.puts);
            for flush in gathered.flushes {
                self.handing.flush(flush);
            }
        }
    }

    fn keep(&mut self, file: &mut File, puts: Vec<(Entry, Answer)>) {
        let puts = self.without_known(puts);
        if puts.is_empty() {
            return;
        }
        let (mut entries, answers): (Vec<Entry>, Vec<Answer>) = puts.into_iter().unzip();
        let now = self.clock.now();
        entries.iter_mut().for_each(|entry| entry.stamp(now));
        let place = match self.append(file, &entries) {
            Ok(place) => place,
            Err(problem) => {
                for entry in &entries {
                    if let Entry::Message { keeping, .. } = entry {
                        self.pending.drop_id(keeping.id());
                    }
                }
                self.answer(answers, &Err(problem));
                return;
            }
        };
        let messages = entries
            .iter()
            .filter(|e| matches!(e, Entry::Message { .. }));
        self.load.add(messages.count());
        let batch = Batch {
            index: file.last(),
            entries,
        };
        self.handing.batch(batch, place, !self.load.is_pressing());
        self.answer(answers, &Ok(Taken::Kept));
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

    fn append(&mut self, file: &mut File, entries: &[Entry]) -> Result<Place, Problem> {
        if let Some(problem) = self.fault.problem() {
            return Err(problem);
        }
        if let Room::After(batch) = file.make_room(self.pending.last_moved()) {
            // Whoever puts more waits for the tables; the queue before this thread has a bound.
            self.handing.hurry();
            self.pending.wait_for(batch, ROOM_WAIT)?;
            file.make_room(batch);
        }
        let began = Instant::now();
        let appended = file.append(entries);
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

impl Drop for Keeper {
    fn drop(&mut self) {
        self.handing.end();
    }
}

/// Lets the threads run that have something to put. Time this short cannot be slept.
fn let_come(at_most: Duration) {
    let end = Instant::now() + at_most;
    while Instant::now() < end {
        std::thread::yield_now();
    }
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
