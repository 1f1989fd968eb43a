//! One way to talk to both databases: `Tx` is an enum over the two drivers. On SQLite nothing ever
//! waits, so its futures are ready at the first poll and `at_once` runs them on a plain thread.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::future::Future;
use std::time::Instant;

use fhir::problem::{Kind, Problem};
use futures_util::FutureExt;

use crate::failure;
use crate::row::Row;
use crate::sql::{Bind, Sql};
use crate::table::Table;

/// A connection inside the writer's transaction, or one for reading.
pub(crate) enum Tx<'c> {
    Sqlite(&'c mut rusqlite::Connection),
    Postgres(&'c deadpool_postgres::Client),
}

impl Tx<'_> {
    /// Runs a statement; the number of rows it changed.
    pub(crate) async fn execute(&mut self, sql: &Sql<'_>) -> Result<u64, Problem> {
        match self {
            Tx::Sqlite(connection) => sqlite::execute(connection, sql),
            Tx::Postgres(client) => postgres::execute(client, sql).await,
        }
    }

    /// A change that finds its row where it was; otherwise the job is undone.
    ///
    /// # Errors
    /// `Conflict` with that message if it finds none; those of the database.
    pub(crate) async fn execute_once(
        &mut self,
        sql: &Sql<'_>,
        otherwise: &'static str,
    ) -> Result<(), Problem> {
        match self.execute(sql).await? {
            0 => Err(Problem::new(Kind::Conflict, otherwise)),
            _ => Ok(()),
        }
    }

    /// Runs a statement that gives rows.
    pub(crate) async fn rows(&mut self, sql: &Sql<'_>) -> Result<Vec<Row>, Problem> {
        match self {
            Tx::Sqlite(connection) => sqlite::rows(connection, sql),
            Tx::Postgres(client) => postgres::rows(client, sql).await,
        }
    }

    /// The first row of a statement, if it gives any.
    pub(crate) async fn row(&mut self, sql: &Sql<'_>) -> Result<Option<Row>, Problem> {
        Ok(self.rows(sql).await?.into_iter().next())
    }

    /// Many statements in a row; on PostgreSQL without waiting for each.
    pub(crate) async fn execute_each(&mut self, each: &[Sql<'_>]) -> Result<(), Problem> {
        match self {
            Tx::Sqlite(connection) => {
                for sql in each {
                    sqlite::execute(connection, sql)?;
                }
                Ok(())
            }
            Tx::Postgres(client) => postgres::execute_each(client, each).await,
        }
    }

    /// One statement once for each row of values, given as one flat list, `width` to a row; how many rows each changed.
    /// For many on SQLite, where the statement is then looked up once.
    pub(crate) async fn execute_rows(
        &mut self,
        text: &'static str,
        width: usize,
        values: &[Bind<'_>],
    ) -> Result<Vec<u64>, Problem> {
        match self {
            Tx::Sqlite(connection) => sqlite::execute_rows(connection, text, width, values),
            Tx::Postgres(client) => {
                let mut changed = Vec::new();
                for row in values.chunks(width) {
                    let sql = row
                        .iter()
                        .fold(Sql::new(text), |sql, value| sql.with(value.clone()));
                    changed.push(postgres::execute(client, &sql).await?);
                }
                Ok(changed)
            }
        }
    }

    /// The rows of many statements; on PostgreSQL without waiting for each.
    pub(crate) async fn rows_each(&mut self, each: &[Sql<'_>]) -> Result<Vec<Vec<Row>>, Problem> {
        match self {
            Tx::Sqlite(connection) => each
                .iter()
                .map(|sql| sqlite::rows(connection, sql))
                .collect(),
            Tx::Postgres(client) => postgres::rows_each(client, each).await,
        }
    }

    /// Inserts rows, given as one flat list of values, column by column and row by row. As many as
    /// there are: one prepared statement on SQLite, arrays on PostgreSQL.
    pub(crate) async fn insert_many(
        &mut self,
        table: &'static Table,
        values: &[Bind<'_>],
    ) -> Result<(), Problem> {
        if values.is_empty() {
            return Ok(());
        }
        match self {
            Tx::Sqlite(connection) => sqlite::insert_many(connection, table, values),
            Tx::Postgres(client) => postgres::insert_many(client, table, values).await,
        }
    }

    /// Inserts into several tables; on PostgreSQL without waiting for each.
    pub(crate) async fn insert_each(
        &mut self,
        each: &[(&'static Table, Vec<Bind<'_>>)],
    ) -> Result<(), Problem> {
        match self {
            Tx::Sqlite(connection) => {
                for (table, values) in each {
                    sqlite::insert_many(connection, table, values)?;
                }
                Ok(())
            }
            Tx::Postgres(client) => postgres::insert_each(client, each).await,
        }
    }

    /// Ends the statements that follow once that time has come (`TooCostly`), until `take_time`. An
    /// error may leave the transaction to be rolled back, which takes the bound away on PostgreSQL.
    pub(crate) async fn end_at(&mut self, end: Instant) -> Result<(), Problem> {
        match self {
            Tx::Sqlite(connection) => sqlite::end_at(connection, Some(end)),
            Tx::Postgres(client) => postgres::end_at(client, Some(end)).await,
        }
    }

    /// Takes the bound of `end_at` away.
    pub(crate) async fn take_time(&mut self) -> Result<(), Problem> {
        match self {
            Tx::Sqlite(connection) => sqlite::end_at(connection, None),
            Tx::Postgres(client) => postgres::end_at(client, None).await,
        }
    }

    /// A fixed text without values, such as `COMMIT`; it may hold several statements.
    pub(crate) async fn batch(&mut self, text: &str) -> Result<(), Problem> {
        match self {
            Tx::Sqlite(connection) => connection.execute_batch(text).map_err(failure::sqlite),
            Tx::Postgres(client) => client.batch_execute(text).await.map_err(failure::postgres),
        }
    }
}

/// Runs a future over SQLite, which is ready at once.
pub(crate) fn at_once<T>(future: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    future
        .now_or_never()
        .unwrap_or_else(|| Err(failure::internal("a future over SQLite had to wait")))
}
