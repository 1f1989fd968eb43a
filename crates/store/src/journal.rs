//! The journal: two files beside a SQLite database, to which is only ever appended what someone waits
//! for and what cannot be refused: lines of the audit log, and HL7 v2 messages that are new. A batch
//! of them costs one short write and one `fdatasync`, where the same rows dirty a page of an index
//! each. They are moved into the tables behind, many at a time.
//!
//! Invariant: what was answered is in the journal or in the tables, on disk. Invariant: a batch is
//! moved once, whatever stops in between: the mark of how far has been moved is set in the same
//! transaction. Invariant: the files, and what is in memory of them, have a bound.

mod file;
mod handing;
mod keeper;
mod known;
mod mover;
mod part;
mod pending;
mod record;
#[cfg(test)]
mod tests;
mod trace_reserve;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use access::AuditEntry;
use fhir::problem::{Kind, Problem};
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::database::{Tx, at_once, sqlite};
use crate::failure;
use crate::fault::Fault;
use crate::hl7_inbox::{self, Keeping};
use crate::sql::Sql;
use crate::store::throttled;
use crate::writer::{Load, Writer};
use crate::{audit, hl7_inbox::Kept};

pub(crate) use file::File;
pub(crate) use part::zeros;
pub(crate) use record::Batch;
use record::Entry;
pub(crate) use trace_reserve::{TraceReserve, no_folder};

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is on disk.
    Kept,
    /// Its id is known: what is to be done about it is the writer's business.
    Known,
}

/// What waits for the keeper.
enum Item {
    Put {
        entry: Entry,
        answer: oneshot::Sender<Result<Taken, Problem>>,
    },
    /// Answered once all that was put before is in the tables.
    Flush(oneshot::Sender<()>),
}

/// The way to the journal.
#[derive(Debug)]
pub(crate) struct Journal {
    queue: parking_lot::Mutex<Option<mpsc::Sender<Item>>>,
    threads: parking_lot::Mutex<Vec<JoinHandle<()>>>,
    known: Arc<known::Known>,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Item::Put { .. } => "Put",
            Item::Flush(_) => "Flush",
        })
    }
}

/// What a journal is started with.
pub(crate) struct Start {
    /// Read up to its end, and moved.
    pub(crate) file: File,
    /// The database's file.
    pub(crate) database: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) writer: Arc<Writer>,
    pub(crate) load: Arc<Load>,
    pub(crate) fault: Arc<Fault>,
    pub(crate) waiting_max: usize,
}

impl Journal {
    /// The journal's file of that database.
    pub(crate) fn path(database: &Path) -> PathBuf {
        let mut name = database.as_os_str().to_owned();
        name.push("-ahead");
        PathBuf::from(name)
    }

    /// Both files of the journal of that database.
    pub(crate) fn paths(database: &Path) -> [PathBuf; 2] {
        let first = Journal::path(database);
        let second = File::second(&first);
        [first, second]
    }

    /// Starts the threads: one that keeps, one that moves, and one that soon ends.
    pub(crate) fn start(start: Start) -> Result<Journal, Problem> {
        let (queue, waiting) = mpsc::channel(start.waiting_max.max(1));
        let handing = Arc::new(handing::Handing::default());
        let pending = Arc::new(pending::Pending::default());
        let known = Arc::new(known::Known::default());
        let keeper = keeper::Keeper::open(&start, known.clone(), pending.clone(), handing.clone())?;
        let reader = sqlite::open_reader(&start.database)?;
        let mover = mover::Mover {
            writer: start.writer,
            load: start.load,
            pending,
            handing,
        };
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.into());
            let spawned = thread.spawn(work);
            spawned.map_err(|error| failure::internal("no thread").because(error))
        };
        let ids = known.clone();
        let threads = vec![
            spawn(
                "journal-keeper",
                Box::new(move || keeper.run(start.file, waiting)),
            )?,
            spawn("journal-mover", Box::new(move || mover.run()))?,
            spawn("journal-known", Box::new(move || ids.read(&reader)))?,
        ];
        Ok(Journal {
            queue: parking_lot::Mutex::new(Some(queue)),
            threads: parking_lot::Mutex::new(threads),
            known,
        })
    }

    /// Keeps lines of the audit log; on disk when this returns.
    pub(crate) async fn lines(&self, lines: Vec<AuditEntry>) -> Result<(), Problem> {
        self.put(Entry::Lines(lines)).await.map(|_| ())
    }

    /// Keeps a message that can be taken, unless its id is known; on disk when this says `Kept`.
    pub(crate) async fn message(&self, keeping: Arc<Keeping>) -> Result<Taken, Problem> {
        self.put(Entry::Message { at: 0, keeping }).await
    }

    async fn put(&self, entry: Entry) -> Result<Taken, Problem> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.lock().clone().ok_or_else(closed)?;
        queue
            .try_send(Item::Put { entry, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => throttled(),
                mpsc::error::TrySendError::Closed(_) => closed(),
            })?;
        answered.await.map_err(|_| closed())?
    }

    /// Returns once all that was kept before is in the tables (or the journal is closed: then the
    /// next opening moves it).
    pub(crate) async fn caught_up(&self) {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.lock().clone();
        if let Some(queue) = queue
            && queue.send(Item::Flush(answer)).await.is_ok()
        {
            drop(queue);
            let _ = answered.await;
        }
    }

    /// Lets both threads finish what waits.
    pub(crate) async fn stop(&self) {
        drop(self.queue.lock().take());
        self.known.end();
        let threads = std::mem::take(&mut *self.threads.lock());
        let join = move || {
            for thread in threads {
                let _ = thread.join();
            }
        };
        let _ = tokio::task::spawn_blocking(join).await;
    }
}

/// Batches that share a commit when they are moved at the start.
const RECOVERED_TOGETHER: usize = 64;

/// Moves what a stopped process left in the journal, before anything else is written.
///
/// # Errors
/// Those of the database and of the file.
pub(crate) fn recover(file: &mut File, tx: &mut Tx<'_>) -> Result<(), Problem> {
    let moved = at_once(mark(tx, NODE))?;
    let moved = moved.ok_or_else(|| failure::internal("no mark of the journal"))?;
    let mut upto = moved;
    let mut batches = file.read_all()?;
    batches.retain(|batch| batch.index > moved);
    for some in batches.chunks(RECOVERED_TOGETHER) {
        at_once(async {
            tx.batch("BEGIN IMMEDIATE").await?;
            let done = apply(tx, NODE, some).await;
            tx.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })
                .await?;
            done
        })?;
        upto = some.last().map_or(upto, |batch| batch.index);
    }
    if upto > moved {
        tracing::info!(
            batches = upto - moved,
            "moved what the journal held when the node stopped"
        );
    }
    file.restart(upto);
    Ok(())
}

/// The name of the mark of a SQLite database's journal.
pub(crate) const NODE: &str = "node";

/// Writes batches' rows, and how far this is. Inside a transaction.
///
/// # Errors
/// `Conflict` if they are not the next ones: another process has moved them.
pub(crate) async fn apply<B: std::borrow::Borrow<Batch>>(
    tx: &mut Tx<'_>,
    name: &str,
    batches: &[B],
) -> Result<(), Problem> {
    let (Some(first), Some(last)) = (batches.first(), batches.last()) else {
        return Ok(());
    };
    if name != NODE {
        let new = "INSERT INTO journal (name, moved) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING";
        tx.execute(&Sql::new(new).with(name)).await?;
    }
    let step = Sql::new("UPDATE journal SET moved = $1 WHERE name = $2 AND moved = $3");
    let step = step
        .with(last.borrow().index)
        .with(name)
        .with(first.borrow().index - 1);
    if tx.execute(&step).await? != 1 {
        let message = "The journal has been moved by another process.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let (mut lines, mut messages) = (Vec::new(), Vec::new());
    for entry in batches.iter().flat_map(|batch| &batch.borrow().entries) {
        match entry {
            Entry::Lines(some) => lines.extend(some),
            Entry::Message { at, keeping } => messages.push((*at, &**keeping)),
        }
    }
    hl7_inbox::keep_moved(tx, &messages).await?;
    audit::write(tx, 0, &lines).await
}

/// How far the journal of that name has been moved; `None` if nothing of it has.
///
/// # Errors
/// Those of the database.
pub(crate) async fn mark(tx: &mut Tx<'_>, name: &str) -> Result<Option<i64>, Problem> {
    let row = tx.row(&marked(name)).await?;
    row.map(|row| row.int(0)).transpose()
}

/// The statement that asks how far has been moved under that name.
pub(crate) fn marked(name: &str) -> Sql<'_> {
    Sql::new("SELECT moved FROM journal WHERE name = $1").with(name)
}

/// What a message is answered that the journal keeps.
pub(crate) fn kept(keeping: &Keeping) -> Option<hl7_inbox::Hl7Done> {
    let ack = keeping.accepted()?.to_vec();
    Some(hl7_inbox::Hl7Done::Kept {
        number: None,
        kept: Kept::New,
        ack,
    })
}

fn closed() -> Problem {
    Problem::new(Kind::Transient, "The store is closed.")
}
