//! Connections for reading.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::database::{postgres, sqlite};
use crate::failure;
use crate::row::{Cell, Row};
use crate::sql::Sql;

/// Steps of SQLite that a search may take on the thread that serves: about a millisecond. What is
/// longer begins again on a thread of its own.
pub(crate) const STEPS_AT_ONCE: i32 = 20_000;

/// Steps after which another way of reading is taken: some ten milliseconds.
const STEPS_TRIED: i32 = 300_000;

/// A bounded set of SQLite connections; who finds none waits.
#[derive(Debug)]
pub(crate) struct Connections {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Connections {
    fn open(path: &Path, count: usize) -> Result<Arc<Connections>, Problem> {
        let idle = (0..count.max(1))
            .map(|_| sqlite::open_reader(path))
            .collect::<Result<Vec<_>, _>>()?;
        let permits = Arc::new(Semaphore::new(idle.len()));
        Ok(Arc::new(Connections {
            idle: Mutex::new(idle),
            permits,
        }))
    }

    async fn lend(self: &Arc<Self>) -> Result<Lent, Problem> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|error| failure::internal("closed").because(error))?;
        let connection = self.idle.lock().pop();
        Ok(Lent {
            connection: connection
                .ok_or_else(|| failure::internal("no idle connection"))?
                .into(),
            home: self.clone(),
            _permit: permit,
        })
    }
}

/// A connection on loan; it goes back when dropped.
struct Lent {
    connection: Option<Connection>,
    home: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.home.idle.lock().push(connection);
        }
    }
}

impl Lent {
    fn connection(&self) -> Result<&Connection, Problem> {
        let connection = self.connection.as_ref();
        connection.ok_or_else(|| failure::internal("no connection"))
    }

    fn rows_within(&self, sql: &Sql<'_>, steps: i32) -> Result<Option<Vec<Row>>, Problem> {
        sqlite::rows_within(self.connection()?, sql, steps)
    }

    fn rows(&self, sql: &Sql<'_>) -> Result<Vec<Row>, Problem> {
        sqlite::rows(self.connection()?, sql)
    }
}

/// Where reads go.
#[derive(Clone, Debug)]
pub(crate) enum Readers {
    Sqlite {
        /// For reads of a row or a few, answered on the caller's own thread.
        points: Arc<Connections>,
        /// For searches, on threads of their own.
        searches: Arc<Connections>,
        search_seconds_max: u64,
    },
    Postgres(deadpool_postgres::Pool),
}

impl Readers {
    pub(crate) fn sqlite(
        path: &Path,
        count: usize,
        search_seconds_max: u64,
    ) -> Result<Readers, Problem> {
        Ok(Readers::Sqlite {
            points: Connections::open(path, count)?,
            searches: Connections::open(path, count)?,
            search_seconds_max,
        })
    }

    /// A read of a row or a few.
    pub(crate) async fn rows(&self, sql: &Sql<'_>) -> Result<Vec<Row>, Problem> {
        match self {
            Readers::Sqlite { points, .. } => points.lend().await?.rows(sql),
            Readers::Postgres(pool) => {
                let client = pool.get().await.map_err(failure::pool)?;
                postgres::rows(&client, sql).await
            }
        }
    }

    /// A read of rows that are most likely few: at once if it is short, else as `rows_apart`.
    pub(crate) async fn rows_soon(&self, sql: Sql<'static>) -> Result<Vec<Row>, Problem> {
        match self.rows_within(&sql, STEPS_AT_ONCE).await? {
            Some(rows) => Ok(rows),
            None => self.rows_apart(sql).await,
        }
    }

    /// The rows, if SQLite finds them within so many steps.
    async fn rows_within(&self, sql: &Sql<'_>, steps: i32) -> Result<Option<Vec<Row>>, Problem> {
        match self {
            Readers::Sqlite { points, .. } => points.lend().await?.rows_within(sql, steps),
            Readers::Postgres(_) => self.rows(sql).await.map(Some),
        }
    }

    /// The rows, if they are found within some ten milliseconds; PostgreSQL finds its own way, and
    /// always ends.
    pub(crate) async fn rows_tried(&self, sql: Sql<'static>) -> Result<Option<Vec<Row>>, Problem> {
        match self {
            Readers::Sqlite { .. } => self.rows_if_quick(sql, STEPS_TRIED).await,
            Readers::Postgres(_) => self.rows(&sql).await.map(Some),
        }
    }

    /// The rows, if SQLite finds them within so many steps. PostgreSQL, which cannot be told when to
    /// leave it, is not asked.
    pub(crate) async fn rows_if_quick(
        &self,
        sql: Sql<'static>,
        steps: i32,
    ) -> Result<Option<Vec<Row>>, Problem> {
        let Readers::Sqlite { searches, .. } = self else {
            return Ok(None);
        };
        if steps <= STEPS_AT_ONCE {
            return self.rows_within(&sql, steps).await;
        }
        let lent = searches.lend().await?;
        let work = move || lent.rows_within(&sql, steps);
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| {
            Err(Problem::new(Kind::Exception, "The store failed.").because(error))
        })
    }

    /// A read that may take longer: off the threads that serve, and ended after a while.
    pub(crate) async fn rows_apart(&self, sql: Sql<'static>) -> Result<Vec<Row>, Problem> {
        match self {
            Readers::Sqlite {
                searches,
                search_seconds_max,
                ..
            } => {
                let lent = searches.lend().await?;
                let interrupt = lent.connection()?.get_interrupt_handle();
                let work = tokio::task::spawn_blocking(move || lent.rows(&sql));
                ended_after(*search_seconds_max, work, || interrupt.interrupt()).await
            }
            Readers::Postgres(_) => self.rows(&sql).await,
        }
    }

    /// As `rows_apart`, each row made into something while it is at hand. The caller keeps the rows
    /// few enough to be quick: nothing ends it.
    pub(crate) async fn mapped_apart<T: Send + 'static, const N: usize>(
        &self,
        sql: Sql<'static>,
        each: impl FnMut(&[Cell<'_>; N]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<Vec<T>, Problem> {
        match self {
            Readers::Sqlite { searches, .. } => {
                let lent = searches.lend().await?;
                let work = move || sqlite::mapped(lent.connection()?, &sql, each);
                tokio::task::spawn_blocking(work)
                    .await
                    .map_err(|error| failure::internal("a read failed").because(error))?
            }
            Readers::Postgres(pool) => {
                let client = pool.get().await.map_err(failure::pool)?;
                postgres::mapped(&client, &sql, each).await
            }
        }
    }
}

/// Waits for the work; interrupts it once after so many seconds, which makes it answer soon.
async fn ended_after(
    seconds: u64,
    work: impl Future<Output = Result<Result<Vec<Row>, Problem>, tokio::task::JoinError>>,
    interrupt: impl Fn(),
) -> Result<Vec<Row>, Problem> {
    let mut work = std::pin::pin!(work);
    let limit = Duration::from_secs(seconds.max(1));
    let done = match tokio::time::timeout(limit, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            interrupt();
            work.await
        }
    };
    done.unwrap_or_else(|error| {
        Err(Problem::new(Kind::Exception, "The store failed.").because(error))
    })
}
