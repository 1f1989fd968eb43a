//! What the writer knows between batches.

use std::collections::HashMap;
use std::sync::Arc;

use fhir::date::Millis;
use fhir::problem::Problem;
use fhir::search::Registry;

use crate::clock::Clock;
use crate::database::Tx;
use crate::failure;
use crate::fault::Fault;
use crate::reserve::Reserve;
use crate::resources::{Cache, Shared};
use crate::settings::Settings;
use crate::sql::Sql;
use crate::words::{self, Words};
use crate::write::{Change, Job, Write};
use crate::writer::{Load, Queued};

/// Row numbers taken from the counter at once, so that several processes can share one schema and
/// the counter is rarely touched.
const RIDS_AT_ONCE: i64 = 4096;

#[derive(Debug)]
pub(crate) struct Core {
    clock: Clock,
    words: Arc<Words>,
    registry: Shared,
    pub(crate) cache: Option<Arc<Cache>>,
    /// Words made or found in the batch at hand; remembered for all once it is committed.
    fresh: HashMap<String, i64>,
    next_rid: i64,
    end_rid: i64,
    /// Whether the disk failed, here or under the journal.
    pub(crate) fault: Arc<Fault>,
    /// Whether it is a job that is being applied: an error is then likely to be the job's own.
    pub(crate) in_jobs: bool,
    /// The types that subscriptions watch; `None` until the batch at hand asks.
    pub(crate) watched: Option<Vec<String>>,
    /// The types that systems are told of by HL7 v2.
    pub(crate) hl7_told: Vec<String>,
    /// The address of the node's FHIR door; empty if there is none.
    pub(crate) fhir_url: String,
    pub(crate) load: Arc<Load>,
    /// Room for opening records in emergencies when there is none left.
    pub(crate) reserve: Option<Reserve>,
}

impl Core {
    pub(crate) fn new(clock: Clock, words: Arc<Words>, cache: Option<Arc<Cache>>) -> Core {
        Core {
            clock,
            words,
            registry: Shared::default(),
            cache,
            fresh: HashMap::new(),
            next_rid: 0,
            end_rid: 0,
            fault: Arc::default(),
            in_jobs: false,
            watched: None,
            hl7_told: Vec::new(),
            fhir_url: String::new(),
            load: Arc::default(),
            reserve: None,
        }
    }

    /// The writer and the readers know the same search parameters.
    pub(crate) fn with_registry(mut self, registry: &Shared) -> Core {
        self.registry = registry.clone();
        self
    }

    /// Takes over what the settings say to the writer.
    pub(crate) fn heed(&mut self, settings: &Settings) {
        self.hl7_told.clone_from(&settings.hl7_told);
        self.fhir_url.clone_from(&settings.fhir_url);
    }

    /// The search parameters that resources are indexed by.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.now()
    }

    /// Whether the batch's error came from one of its jobs, so that the others may still succeed.
    pub(crate) fn may_try_again(&self) -> bool {
        self.in_jobs
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Takes the words and row numbers that a batch will need, outside any savepoint: what a job
    /// that is undone has taken stays taken.
    pub(crate) async fn reserve(
        &mut self,
        tx: &mut Tx<'_>,
        batch: &[Queued],
    ) -> Result<(), Problem> {
        let mut wanted: Vec<String> = Vec::new();
        let mut puts: i64 = 0;
        for job in batch.iter().filter_map(job) {
            for change in &job.changes {
                if let Change::Put { resource, .. } = change {
                    puts += 1;
                    resource.each_word(|word| {
                        if self.words.known(word).is_none() && !self.fresh.contains_key(word) {
                            wanted.push(word.to_string());
                        }
                    });
                }
            }
        }
        // In one order, so that two processes that make the same words do not wait for each other
        // in a ring.
        wanted.sort_unstable();
        wanted.dedup();
        for word in wanted {
            let id = words::intern(tx, &word).await?;
            self.fresh.insert(word, id);
        }
        if self.end_rid - self.next_rid < puts {
            let count = puts.max(RIDS_AT_ONCE);
            let sql =
                Sql::new("UPDATE counter SET next = next + $1 WHERE name = 'rid' RETURNING next");
            let row = tx.row(&sql.with(count)).await?;
            self.end_rid = row.ok_or_else(|| failure::internal("no counter"))?.int(0)?;
            self.next_rid = self.end_rid - count;
        }
        Ok(())
    }

    /// The number of a word that `reserve` has seen to.
    pub(crate) fn word(&self, word: &str) -> Result<i64, Problem> {
        let known = self
            .words
            .known(word)
            .or_else(|| self.fresh.get(word).copied());
        known.ok_or_else(|| failure::internal("a word was not reserved"))
    }

    /// Looks up words that stand in rows, so that `word` knows them.
    pub(crate) async fn learn(
        &mut self,
        tx: &mut Tx<'_>,
        words: Vec<String>,
    ) -> Result<(), Problem> {
        for word in words {
            if self.words.known(&word).is_none() && !self.fresh.contains_key(&word) {
                let id = words::find(tx, &word).await?;
                self.fresh.insert(word, id.unwrap_or(words::UNKNOWN));
            }
        }
        Ok(())
    }

    /// The number of a word that may be in no row.
    pub(crate) async fn word_if_any(
        &self,
        tx: &mut Tx<'_>,
        word: &str,
    ) -> Result<Option<i64>, Problem> {
        let known = self
            .words
            .known(word)
            .or_else(|| self.fresh.get(word).copied());
        match known {
            Some(id) => Ok(Some(id)),
            None => words::find(tx, word).await,
        }
    }

    /// A row number of the reserved ones.
    pub(crate) fn rid(&mut self) -> Result<i64, Problem> {
        if self.next_rid >= self.end_rid {
            return Err(failure::internal("a row number was not reserved"));
        }
        let rid = self.next_rid;
        self.next_rid += 1;
        Ok(rid)
    }

    pub(crate) fn committed(&mut self) {
        if !self.fresh.is_empty() {
            let fresh = self.fresh.drain();
            self.words
                .remember(fresh.filter(|(_, id)| *id != words::UNKNOWN));
        }
    }

    /// Forgets what was taken in a transaction that is undone.
    pub(crate) fn undone(&mut self) {
        self.fresh.clear();
        self.next_rid = 0;
        self.end_rid = 0;
    }
}

fn job(queued: &Queued) -> Option<&Job> {
    match &queued.write {
        Write::Job(_, job) => Some(job),
        Write::Journal(..) | Write::Trace(_) => None,
    }
}
