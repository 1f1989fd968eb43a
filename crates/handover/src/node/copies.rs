//! Copies of the node while it serves: a full one, then what changed, again and again; and what is loud
//! when there has been none for too long.

mod files;
mod place;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use exchange::Identity;
use exchange::copies::{CopyKind, CopyWriter, Recipient};
use fhir::Problem;
use fhir::date::{self, Millis};
use store::Store;
use store::copies::Copier;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use files::{Files, OUTSIDE, SETTINGS, refuse_offline_key};
pub use place::{Found, Source, place};

use crate::config::Config;

/// How often it is looked whether a copy is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the last copy may take when the node stops.
const LAST_COPY_MAX: Duration = Duration::from_secs(20);
/// The kind of the alarm about copies that are overdue.
const ALARM: &str = "backup";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What takes copies.
pub struct Copies {
    store: Store,
    copier: Copier,
    writer: CopyWriter,
    files: Files,
    every_ms: i64,
    full_ms: i64,
    overdue_ms: i64,
    /// When the last copy, and the last full one, succeeded.
    last_at: Millis,
    full_at: Option<Millis>,
    /// When the last one was begun.
    tried_at: Option<Millis>,
    /// Whether the alarm may stand on the work list.
    is_alarmed: bool,
}

/// Copies under way.
pub struct Worker {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What `serve` prints of them.
pub fn told(config: &Config) -> String {
    match (&config.backup.folder, &config.backup.s3_endpoint) {
        (Some(folder), _) => folder.display().to_string(),
        (None, Some(endpoint)) => {
            let bucket = config.backup.s3_bucket.as_deref().unwrap_or_default();
            format!("{endpoint}/{bucket}")
        }
        (None, None) => "none; [backup] folder or s3_endpoint turns them on".into(),
    }
}

/// Opens what copies need, if they are on.
///
/// # Errors
/// Names the setting and the reason. That the place cannot be reached stops nothing: it is told aloud
/// until it can.
pub async fn open(
    config: &Config,
    store: &Store,
    identity: &Arc<Identity>,
) -> anyhow::Result<Option<Copies>> {
    if !config.backup.is_on() {
        return Ok(None);
    }
    Copies::open(config, store, identity).await.map(Some)
}

impl Copies {
    /// Opens what copies need.
    ///
    /// # Errors
    /// Names the setting and the reason.
    pub async fn open(
        config: &Config,
        store: &Store,
        identity: &Arc<Identity>,
    ) -> anyhow::Result<Copies> {
        let backup = &config.backup;
        let key = backup.key.display();
        let recipient = Recipient::open(&backup.key)
            .with_context(|| format!("backup.key: {key}; `handover backup key` makes one"))?;
        refuse_offline_key(config)?;
        let place = place(config, store.clock())?;
        let copier = store.copier()?;
        let head = store.copy_head().await?;
        let full_ms = i64::from(backup.full_hours) * HOUR_MS;
        // PostgreSQL has full copies only.
        let between_ms = if copier.can_follow() { 0 } else { full_ms };
        if !copier.can_follow() {
            tracing::warn!(
                hours = backup.full_hours,
                "copies of a PostgreSQL schema are full ones, so many hours apart; what lies between them \
                 needs PostgreSQL's own archiving of its log (docs/safety/backup.md)"
            );
        }
        let about = (store.clock().clone(), copier.database());
        Ok(Copies {
            last_at: head.as_ref().map_or(store.now(), |head| head.taken_at),
            writer: CopyWriter::new(place, recipient, identity.clone(), about, head),
            store: store.clone(),
            copier,
            files: Files::new(config),
            every_ms: i64::from(backup.every_seconds) * 1000,
            full_ms,
            overdue_ms: i64::from(backup.overdue_minutes) * MINUTE_MS + between_ms,
            full_at: None,
            tried_at: None,
            is_alarmed: true,
        })
    }

    /// Has each object told.
    #[must_use]
    pub fn telling(mut self, progress: fn(u64)) -> Copies {
        self.writer = self.writer.telling(progress);
        self
    }

    /// Starts taking copies.
    pub fn start(self) -> Worker {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(self.run(stopped));
        Worker { stop, task }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            if self.is_due() {
                self.take_one().await;
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        if self.copier.can_follow() {
            self.take_one().await;
        }
    }

    fn is_due(&self) -> bool {
        let now = self.store.now();
        let every_ms = match self.copier.can_follow() {
            true => self.every_ms,
            // After a failure it is tried again at the others' pace.
            false if self.full_at.is_some_and(|at| now < at + self.full_ms) => return false,
            false => self.every_ms,
        };
        self.tried_at
            .is_none_or(|at| now >= at + every_ms || now < at)
            || self.copier.is_pressing()
    }

    async fn take_one(&mut self) {
        self.tried_at = Some(self.store.now());
        match self.take().await {
            Ok(at) => {
                tracing::info!(taken_at = %date::instant(at), "a copy is where it should be");
                self.settle().await;
            }
            Err(problem) => self.complain(&problem).await,
        }
    }

    /// Takes a full copy if one is due, else what changed; when that is which was acknowledged before.
    ///
    /// # Errors
    /// Those of the store and of the place.
    pub async fn take(&mut self) -> Result<Millis, Problem> {
        let now = self.store.now();
        let follows = self
            .full_at
            .is_some_and(|at| now < at + self.full_ms && now >= at);
        if follows && let Some(at) = self.add(CopyKind::Changes).await? {
            return Ok(at);
        }
        self.full_at = None;
        let at = self.add(CopyKind::Full).await?.unwrap_or(now);
        self.full_at = Some(at);
        Ok(at)
    }

    async fn add(&mut self, kind: CopyKind) -> Result<Option<Millis>, Problem> {
        let is_full = kind == CopyKind::Full;
        let files = self.files.changed(is_full)?;
        let copier = &mut self.copier;
        let copying = async |out| match is_full {
            true => copier.full(out).await.map(Some),
            false => copier.changes(out).await,
        };
        let added = self.writer.add(kind, files, copying).await?;
        let Some(at) = added else {
            return Ok(None);
        };
        self.copier.keep();
        self.files.keep();
        self.last_at = at;
        if let Some(head) = self.writer.head() {
            self.store.set_copy_head(head.clone()).await?;
        }
        Ok(Some(at))
    }

    async fn complain(&mut self, problem: &Problem) {
        tracing::error!(%problem, last = %date::instant(self.last_at), "a copy failed");
        if self.store.now() - self.last_at < self.overdue_ms {
            return;
        }
        let what = format!(
            "The last backup copy of this node is of {}; none has succeeded since. {}",
            date::instant(self.last_at),
            problem.message
        );
        if let Err(problem) = self.store.set_alarm(ALARM, Some(what)).await {
            tracing::error!(%problem, "that copies are overdue could not be put on the work list");
        }
        self.is_alarmed = true;
    }

    async fn settle(&mut self) {
        if !self.is_alarmed {
            return;
        }
        self.is_alarmed = self.store.set_alarm(ALARM, None).await.is_err();
    }
}

impl Worker {
    /// Takes the last copy, unless that takes too long.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(LAST_COPY_MAX, &mut self.task)
            .await
            .is_err()
        {
            tracing::error!("the last copy did not end in time");
            self.task.abort();
        }
    }
}
