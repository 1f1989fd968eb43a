//! The one writer. It takes what waits in its queue, applies all of it inside one transaction, each
//! job under a savepoint, commits once, and only then answers. While it waits for the disk the next
//! batch gathers, so that the batches grow with the load.

mod batch;
mod checkpoint;
mod core;
mod load;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::database::{Tx, at_once, sqlite};
use crate::dialect::Dialect;
use crate::failure;
use crate::store::throttled;
use crate::write::{Committed, Write};

use self::checkpoint::Checkpoints;
pub(crate) use self::core::Core;
pub(crate) use self::load::Load;

/// Writes that share one commit at most.
const BATCH_MAX: usize = 512;
/// Rows' worth of changes that share one commit, after which no further write joins.
const WEIGHT_MAX: usize = 4096;

/// How long the last checkpoint waits for other processes.
const CLOSE_WAIT: Duration = Duration::from_millis(50);

/// How often `calm` looks.
const CALM_STEP: Duration = Duration::from_millis(10);

pub(crate) type Answer = oneshot::Sender<Result<Committed, Problem>>;

/// A write in the queue, with where its answer goes.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) write: Write,
    pub(crate) answer: Answer,
}

#[derive(Debug)]
enum Item {
    Write(Box<Queued>),
    Stop(oneshot::Sender<()>),
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Item>>>,
    load: Arc<Load>,
}

impl Writer {
    /// Starts a writer on a thread of its own.
    pub(crate) fn sqlite(
        mut connection: rusqlite::Connection,
        mut core: Core,
        waiting_max: usize,
    ) -> Result<Writer, Problem> {
        let (queue, mut waiting) = mpsc::channel(waiting_max.max(1));
        let load = core.load.clone();
        let mut checkpoints = Checkpoints::start(&connection, &core.fault)?;
        let pressed = core.load.clone();
        let work = move || {
            let mut stops = Vec::new();
            let mut holds_many = false;
            while let Some(first) = waiting.blocking_recv() {
                let batch = gather(first, &mut waiting, &mut stops);
                let mut tx = Tx::Sqlite(&mut connection);
                let done = at_once(async {
                    batch::run(&mut core, &mut tx, Dialect::Sqlite, batch).await;
                    Ok(())
                });
                if let Err(problem) = done {
                    tracing::error!(?problem, "a batch was given up");
                }
                checkpoints.after_batch(&connection);
                if pressed.is_pressing() != holds_many {
                    holds_many = !holds_many;
                    sqlite::hold_pages(&connection, holds_many);
                }
                if !stops.is_empty() {
                    waiting.close();
                }
            }
            checkpoints.stop();
            // Leaves one plain file behind, unless another process reads it: while this waits for that one,
            // nobody could write.
            let _ = connection.busy_timeout(CLOSE_WAIT);
            let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            drop(connection);
            for stop in stops {
                let _ = stop.send(());
            }
        };
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(work)
            .map_err(|error| failure::internal("no thread for the writer").because(error))?;
        Ok(Writer {
            queue: Mutex::new(Some(queue)),
            load,
        })
    }

    /// Starts a writer as a task.
    pub(crate) fn postgres(
        pool: deadpool_postgres::Pool,
        mut core: Core,
        waiting_max: usize,
    ) -> Writer {
        let (queue, mut waiting) = mpsc::channel(waiting_max.max(1));
        let load = core.load.clone();
        tokio::spawn(async move {
            let mut stops = Vec::new();
            while let Some(first) = waiting.recv().await {
                let batch = gather(first, &mut waiting, &mut stops);
                match pool.get().await {
                    Ok(client) => {
                        let mut tx = Tx::Postgres(&client);
                        batch::run(&mut core, &mut tx, Dialect::Postgres, batch).await;
                    }
                    Err(error) => batch::refuse(batch, &failure::pool(error)),
                }
                if !stops.is_empty() {
                    waiting.close();
                }
            }
            for stop in stops {
                let _ = stop.send(());
            }
        });
        Writer {
            queue: Mutex::new(Some(queue)),
            load,
        }
    }

    /// Queues a write and waits until it is committed or refused.
    pub(crate) async fn write(&self, write: Write) -> Result<Committed, Problem> {
        let (answer, answered) = oneshot::channel();
        let queued = Item::Write(Box::new(Queued { write, answer }));
        let queue = self.queue.lock().clone().ok_or_else(stopped)?;
        queue.try_send(queued).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => throttled(),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        answered.await.map_err(|_| stopped())?
    }

    /// As `write`, on a plain thread, which waits for a place in the queue.
    pub(crate) fn write_blocking(&self, write: Write) -> Result<Committed, Problem> {
        let (answer, answered) = oneshot::channel();
        let queued = Item::Write(Box::new(Queued { write, answer }));
        let queue = self.queue.lock().clone().ok_or_else(stopped)?;
        queue.blocking_send(queued).map_err(|_| stopped())?;
        drop(queue);
        answered.blocking_recv().map_err(|_| stopped())?
    }

    /// Whether it takes no more writes.
    pub(crate) fn is_stopped(&self) -> bool {
        self.queue.lock().is_none()
    }

    /// Whether many wait for their answers just now.
    pub(crate) fn is_pressed(&self) -> bool {
        self.load.is_pressing()
    }

    /// Waits until nobody presses, or for so long; whether nobody does.
    pub(crate) async fn calm(&self, at_most: Duration) -> bool {
        let end = Instant::now() + at_most;
        while self.load.is_pressing() {
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(CALM_STEP).await;
        }
        true
    }

    /// Lets the writer finish what waits, and waits for that.
    pub(crate) async fn stop(&self) {
        let queue = self.queue.lock().take();
        let Some(queue) = queue else { return };
        let (stop, stopped) = oneshot::channel();
        if queue.send(Item::Stop(stop)).await.is_ok() {
            drop(queue);
            let _ = stopped.await;
        }
    }
}

fn stopped() -> Problem {
    Problem::new(Kind::Transient, "The store is closed.")
}

/// The first write and what else waits, up to a bound.
fn gather(
    first: Item,
    waiting: &mut mpsc::Receiver<Item>,
    stops: &mut Vec<oneshot::Sender<()>>,
) -> Vec<Queued> {
    let mut batch = Vec::new();
    let mut weight = 0;
    let mut next = Some(first);
    while let Some(item) = next {
        match item {
            Item::Stop(stop) => stops.push(stop),
            Item::Write(queued) => {
                weight += queued.write.weight();
                batch.push(*queued);
            }
        }
        if batch.len() >= BATCH_MAX || weight >= WEIGHT_MAX {
            break;
        }
        next = waiting.try_recv().ok();
    }
    batch
}
