//! Adds copies to a chain.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::Clock;
use store::copies::{CopyHead, Record, Taken};
use tokio::sync::mpsc;

use super::content::{self, OBJECT_BYTES};
use super::manifest::{CopyKind, CopyManifest, chain_name};
use super::object;
use super::place::Place;
use super::seal::Recipient;
use crate::keys::Identity;

/// How often the same object is offered, and how long to wait in between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// Adds objects, one after another, to the chain that it began with its last full copy.
pub struct CopyWriter {
    place: Place,
    recipient: Recipient,
    identity: Arc<Identity>,
    clock: Clock,
    database: &'static str,
    /// Empty before the first full copy.
    chain: String,
    /// The last object that is where it should be; of an earlier process, at first.
    head: Option<CopyHead>,
    /// Called after each object, with the bytes of this copy so far.
    progress: fn(u64),
}

/// A copy that is being added.
struct Adding {
    kind: CopyKind,
    content: Vec<u8>,
    sent_bytes: u64,
}

impl CopyWriter {
    /// `head` is the last object of the chain before, to which the first new one is tied.
    pub fn new(
        place: Place,
        recipient: Recipient,
        identity: Arc<Identity>,
        (clock, database): (Clock, &'static str),
        head: Option<CopyHead>,
    ) -> CopyWriter {
        CopyWriter {
            place,
            recipient,
            identity,
            clock,
            database,
            chain: String::new(),
            head,
            progress: |_| {},
        }
    }

    /// Has each object of a copy told, with the copy's bytes so far.
    pub fn telling(mut self, progress: fn(u64)) -> CopyWriter {
        self.progress = progress;
        self
    }

    /// Adds a copy: the pieces that `copying` sends, and `more` before them. `None` if it has none to
    /// send. A full copy begins a chain; `head` gives what is where it should be then.
    ///
    /// # Errors
    /// Those of the place and of the store. What was added before stays; the next copy follows it.
    pub async fn add(
        &mut self,
        kind: CopyKind,
        more: Vec<Record>,
        copying: impl AsyncFnOnce(mpsc::Sender<Record>) -> Result<Option<Taken>, Problem>,
    ) -> Result<Option<Millis>, Problem> {
        if kind == CopyKind::Full {
            self.chain = chain_name(self.clock.now());
        }
        let (out, pieces) = mpsc::channel(4);
        let (taken, adding) = tokio::join!(copying(out), self.take(kind, more, pieces));
        // If the place failed, that is why the store found nobody to take its pieces.
        let adding = adding?;
        let Some(taken) = taken? else {
            return Ok(None);
        };
        self.offer(adding, Some(taken)).await?;
        Ok(Some(taken.at))
    }

    /// The last object that is where it should be.
    pub fn head(&self) -> Option<&CopyHead> {
        self.head.as_ref()
    }

    async fn take(
        &mut self,
        kind: CopyKind,
        more: Vec<Record>,
        mut pieces: mpsc::Receiver<Record>,
    ) -> Result<Adding, Problem> {
        let mut adding = Adding {
            kind,
            content: Vec::new(),
            sent_bytes: 0,
        };
        more.iter()
            .for_each(|piece| content::write(piece, &mut adding.content));
        while let Some(piece) = pieces.recv().await {
            content::write(&piece, &mut adding.content);
            if adding.content.len() >= OBJECT_BYTES {
                adding = self.offer(adding, None).await?;
            }
        }
        Ok(adding)
    }

    /// Makes an object of what was gathered, and adds it.
    async fn offer(&mut self, mut adding: Adding, ends: Option<Taken>) -> Result<Adding, Problem> {
        let follows = self.head.as_ref().filter(|head| head.chain == self.chain);
        let sequence = follows.map_or(0, |head| head.sequence + 1);
        let manifest = CopyManifest {
            organisation: self.identity.organisation().to_string(),
            chain: self.chain.clone(),
            sequence,
            kind: adding.kind,
            database: self.database.into(),
            made_at: self.clock.now(),
            taken_at: ends.map(|taken| taken.at),
            database_bytes: ends.map_or(0, |taken| taken.database_bytes),
            before: self.head.as_ref().map(|head| head.sha256.clone()),
            sha256: String::new(),
            bytes: 0,
            recipient: String::new(),
        };
        let (recipient, identity) = (self.recipient.clone(), self.identity.clone());
        let content = std::mem::take(&mut adding.content);
        let make = move || object::make(manifest, &content, &recipient, &identity.signing());
        let made = tokio::task::spawn_blocking(make).await.map_err(|cause| {
            Problem::new(Kind::Exception, "The work on copies stopped.").because(cause)
        })?;
        let (name, sha256, bytes) = made?;
        let bytes = Bytes::from(bytes);
        adding.sent_bytes += bytes.len() as u64;
        retried(async || self.place.add(&name, bytes.clone()).await).await?;
        let before = self.head.as_ref().map_or(0, |head| head.taken_at);
        self.head = Some(CopyHead {
            chain: self.chain.clone(),
            sequence,
            sha256,
            taken_at: ends.map_or(before, |taken| taken.at),
        });
        (self.progress)(adding.sent_bytes);
        Ok(adding)
    }
}

/// The same object, some times: a place that has it already takes it for the same.
async fn retried<F: Future<Output = Result<(), Problem>>>(
    mut work: impl FnMut() -> F,
) -> Result<(), Problem> {
    let mut tries = 0;
    loop {
        match work().await {
            Err(problem) if tries + 1 < TRIES => {
                tracing::info!(%problem, "a copy is offered again");
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}
