//! Copies of the whole database, for backups. On SQLite a full copy is the database's pages as one
//! moment has them, and what follows are the pages that changed since, read from the write-ahead log:
//! the cost is that of what changed, not of what there is. On PostgreSQL a full copy is every table
//! under one snapshot; what lies between two of them is for PostgreSQL's own archiving of its log.
//!
//! Invariant: what was acknowledged before a copy began is in it: the journal is moved first, or goes
//! along. Invariant: between two copies of one copier no change of a page is missed: a reading
//! transaction is held open, so that the write-ahead log is not begun again over frames unread.

mod head;
mod pages;
mod restore;
mod rows;
mod wal;

use std::time::Duration;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::database::postgres;
use crate::failure;
use crate::journal::Journal;
use crate::settings::Database;
use crate::store::Store;

pub(crate) use head::apply;
pub use head::{CopyHead, CopyWrite};
pub use restore::{FileBack, RowsBack, drop_scratch, scratch_schema};

/// How long the journal may take to be moved into the tables.
const FLUSH_WAIT: Duration = Duration::from_secs(60);

/// What a piece of a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Bytes of the database's file, from that place on.
    Pages,
    /// A whole file, or its part from that place on. Names are those of the folder that is restored.
    File,
    /// Rows of the table that `name` says, with its columns, in PostgreSQL's binary form for `COPY`;
    /// the parts of one table follow one another.
    Rows,
}

/// A piece of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub kind: RecordKind,
    pub name: String,
    /// The first byte's place in its file.
    pub at: u64,
    pub bytes: Vec<u8>,
}

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// All that was acknowledged before this time is in the copy.
    pub at: Millis,
    /// How long the database's file is then; 0 on PostgreSQL.
    pub database_bytes: u64,
}

/// Takes copies of one store, one after another.
#[derive(Debug)]
pub struct Copier {
    store: Store,
    kind: Source,
}

#[derive(Debug)]
enum Source {
    /// Behind a lock, since a connection belongs to one thread at a time.
    Pages(Mutex<Option<Box<pages::Pages>>>),
    Rows(deadpool_postgres::Pool),
}

impl Store {
    /// A copier of this store.
    ///
    /// # Errors
    /// `NoStore` if the database cannot be opened once more.
    pub fn copier(&self) -> Result<Copier, Problem> {
        let kind = match self.database() {
            Database::Sqlite(path) => {
                let pages = Box::new(pages::Pages::open(path)?);
                Source::Pages(Mutex::new(Some(pages)))
            }
            Database::Postgres { url, schema } => {
                Source::Rows(postgres::pool(url, schema, 1, 24 * 3600)?)
            }
        };
        Ok(Copier {
            store: self.clone(),
            kind,
        })
    }
}

impl Copier {
    /// Whether `changes` can follow a full copy.
    pub fn can_follow(&self) -> bool {
        matches!(self.kind, Source::Pages(_))
    }

    /// `sqlite` or `postgres`.
    pub fn database(&self) -> &'static str {
        match self.kind {
            Source::Pages(_) => "sqlite",
            Source::Rows(_) => "postgres",
        }
    }

    /// Whether so much has been written since the last copy that the next should not wait.
    pub fn is_pressing(&self) -> bool {
        match &self.kind {
            Source::Pages(pages) => {
                let pages = pages.lock();
                pages.as_ref().is_some_and(|pages| pages.is_pressing())
            }
            Source::Rows(_) => false,
        }
    }

    /// Copies everything, piece by piece, into `out`.
    ///
    /// # Errors
    /// Those of the database; `Transient` if nobody takes the pieces.
    pub async fn full(&mut self, out: mpsc::Sender<Record>) -> Result<Taken, Problem> {
        self.trace().await?;
        let at = self.store.now();
        let flushed = self.flush().await?;
        if let Source::Rows(pool) = &self.kind {
            let client = pool.get().await.map_err(failure::pool)?;
            rows::copy_out(&client, &out).await?;
            return Ok(Taken {
                at,
                database_bytes: 0,
            });
        }
        let database_bytes = self
            .with_pages(move |pages| {
                if !flushed {
                    pages.copy_journal(&out)?;
                }
                pages.full(&out)
            })
            .await?;
        Ok(Taken { at, database_bytes })
    }

    /// Copies the pages that changed since the last copy that was kept. `None` if only a full copy can
    /// follow.
    ///
    /// # Errors
    /// As `full`.
    pub async fn changes(&mut self, out: mpsc::Sender<Record>) -> Result<Option<Taken>, Problem> {
        if !self.can_follow() {
            return Ok(None);
        }
        let at = self.store.now();
        if !self.flush().await? {
            return Ok(None);
        }
        let copied = self.with_pages(move |pages| pages.changes(&out)).await?;
        Ok(copied.map(|database_bytes| Taken { at, database_bytes }))
    }

    /// The last copy is where it should be: what it held need not be copied again.
    pub fn keep(&mut self) {
        if let Source::Pages(pages) = &mut self.kind
            && let Some(pages) = pages.get_mut()
        {
            pages.keep();
        }
    }

    /// That everything was copied stands in the log before it is.
    async fn trace(&self) -> Result<(), Problem> {
        let scope = Scope::system(SystemPurpose::KeepCopies);
        let target = Target {
            ty: "Store".into(),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Export, Outcome::Success, target);
        self.store.traced(vec![line]).await
    }

    /// Moves the journal into the tables; `false` if another process has it.
    async fn flush(&self) -> Result<bool, Problem> {
        if !self.store.has_journal() {
            return Ok(!self.can_follow());
        }
        let late = |_| {
            let message = "The journal could not be moved into the tables in time.";
            Problem::new(Kind::Transient, message)
        };
        let flushed = tokio::time::timeout(FLUSH_WAIT, self.store.caught_up()).await;
        flushed.map_err(late).map(|()| true)
    }

    /// Works on the file, on a thread where that may take its time.
    async fn with_pages<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut pages::Pages) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let Source::Pages(place) = &mut self.kind else {
            return Err(failure::internal("no file to copy"));
        };
        let place = place.get_mut();
        let mut pages = match place.take() {
            Some(pages) => pages,
            // The work before was given up while it ran.
            None => match self.store.database() {
                Database::Sqlite(path) => Box::new(pages::Pages::open(path)?),
                Database::Postgres { .. } => return Err(failure::internal("no file to copy")),
            },
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut pages);
            (pages, done)
        });
        let (pages, done) = done
            .await
            .map_err(|error| failure::internal("copying stopped").because(error))?;
        *place = Some(pages);
        done
    }
}

/// Hands a piece on; whoever takes them is waited for.
fn send(out: &mpsc::Sender<Record>, record: Record) -> Result<(), Problem> {
    out.blocking_send(record).map_err(|_| nobody())
}

fn nobody() -> Problem {
    Problem::new(Kind::Transient, "Nobody takes the copy any more.")
}

/// The names that the journal's files have in a copy.
fn journal_files(database: &std::path::Path) -> [(std::path::PathBuf, &'static str); 2] {
    let [first, second] = Journal::paths(database);
    [(first, "store-ahead"), (second, "store-ahead2")]
}
