//! The SQLite half: opening, settings, binding, rows.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

use fhir::problem::{Kind, Problem};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement, StatementStatus, ToSql};

use crate::failure;
use crate::row::{Cell, Row};
use crate::sql::{Bind, Sql};
use crate::table::Table;

/// Statements kept prepared on each connection, and on that of the writer, whose are of all kinds.
const STATEMENTS_KEPT: usize = 64;
const STATEMENTS_WRITTEN: usize = 256;
/// How long a connection waits for another one's lock. Only one process has the file, so that this
/// is for the moments of opening and checkpointing.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// After how many steps of a statement it is looked whether its time is over.
const STEPS: i32 = 1000;

/// What every connection sets. FULL makes a commit wait for the disk: with NORMAL a power cut loses
/// acknowledged commits. The page cache is small, since the operating system has one too.
const SETTINGS: &str = "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; \
     PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";

/// Opens the writer's connection; makes the file if it is not there.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Problem> {
    let connection = open(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    )?;
    let journal: String = connection
        .query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))
        .map_err(failure::sqlite)?;
    if journal != "wal" {
        return Err(Problem::new(
            Kind::NoStore,
            "The file system of the store does not allow a write-ahead log.",
        ));
    }
    connection
        .execute_batch("PRAGMA cache_size=-8000; PRAGMA wal_autocheckpoint=2000; PRAGMA journal_size_limit=67108864;")
        .map_err(failure::sqlite)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_WRITTEN);
    Ok(connection)
}

/// Whether the writer's connection holds many pages, 32 MB instead of 8: while tens of thousands of messages a second
/// come, whose ids stand anywhere in their index, each page of it would be read back and written for every few of them.
pub(crate) fn hold_pages(connection: &Connection, many: bool) {
    let text = match many {
        true => "PRAGMA cache_size=-32000;",
        false => "PRAGMA cache_size=-8000; PRAGMA shrink_memory;",
    };
    // With the other number it does the same, more slowly.
    if let Err(error) = connection.execute_batch(text) {
        tracing::debug!(%error, "the page cache keeps its size");
    }
}

/// Writes what the write-ahead log holds into the database, synced, and begins the log anew. After a
/// sync that failed the log may be whole in the system's memory and not on the disk, where nothing would
/// write it again: what is added behind such a gap would be lost with it.
pub(crate) fn settle(connection: &Connection) -> Result<(), Problem> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(failure::sqlite)
}

/// Opens a connection that can only read.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Problem> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection
        .execute_batch("PRAGMA cache_size=-2000; PRAGMA query_only=ON;")
        .map_err(failure::sqlite)?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Problem> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failure::sqlite)?;
    connection
        .busy_timeout(BUSY_WAIT)
        .map_err(failure::sqlite)?;
    connection
        .execute_batch(SETTINGS)
        .map_err(failure::sqlite)?;
    // Without it a statement whose LIMIT is bound is made anew each time that it is run, for a plan by
    // that number: a third of what a search by patient and code took.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(failure::sqlite)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}

pub(crate) fn execute(connection: &Connection, sql: &Sql<'_>) -> Result<u64, Problem> {
    let mut statement = connection
        .prepare_cached(sql.text())
        .map_err(failure::sqlite)?;
    bind(&mut statement, sql.binds())?;
    let changed = statement.raw_execute().map_err(failure::sqlite)?;
    Ok(u64::try_from(changed).unwrap_or_default())
}

/// See `Tx::execute_rows`.
pub(crate) fn execute_rows(
    connection: &Connection,
    text: &str,
    width: usize,
    values: &[Bind<'_>],
) -> Result<Vec<u64>, Problem> {
    let mut statement = connection.prepare_cached(text).map_err(failure::sqlite)?;
    let mut each = Vec::with_capacity(values.len() / width);
    for row in values.chunks(width) {
        bind(&mut statement, row)?;
        let changed = statement.raw_execute().map_err(failure::sqlite)?;
        each.push(u64::try_from(changed).unwrap_or_default());
    }
    Ok(each)
}

pub(crate) fn rows(connection: &Connection, sql: &Sql<'_>) -> Result<Vec<Row>, Problem> {
    let mut statement = connection
        .prepare_cached(sql.text())
        .map_err(failure::sqlite)?;
    rows_of(&mut statement, sql)
}

fn rows_of(statement: &mut Statement<'_>, sql: &Sql<'_>) -> Result<Vec<Row>, Problem> {
    bind(statement, sql.binds())?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let (mut out, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failure::sqlite)? {
        let is_last = bytes >= sql.bytes_max();
        let mut cells = Vec::with_capacity(columns);
        for column in 0..columns {
            cells.push(cell(row.get_ref(column).map_err(failure::sqlite)?)?);
        }
        let row = Row(cells);
        bytes += row.bytes_held();
        out.push(row);
        if is_last {
            break;
        }
    }
    Ok(out)
}

/// The rows, if they are found within so many of SQLite's steps (some 20 to 50 ns each).
pub(crate) fn rows_within(
    connection: &Connection,
    sql: &Sql<'_>,
    steps: i32,
) -> Result<Option<Vec<Row>>, Problem> {
    let mut statement = connection
        .prepare_cached(sql.text())
        .map_err(failure::sqlite)?;
    // A statement that is kept counts on from its runs before, and would be ended early.
    statement.reset_status(StatementStatus::VmStep);
    connection
        .progress_handler(steps, Some(|| true))
        .map_err(failure::sqlite)?;
    let found = rows_of(&mut statement, sql);
    connection
        .progress_handler(0, None::<fn() -> bool>)
        .map_err(failure::sqlite)?;
    match found {
        Ok(rows) => Ok(Some(rows)),
        Err(problem) if problem.kind == Kind::TooCostly => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// As `rows`, each made into something while it is at hand, without a copy of its values.
pub(crate) fn mapped<T, const N: usize>(
    connection: &Connection,
    sql: &Sql<'_>,
    mut each: impl FnMut(&[Cell<'_>; N]) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let mut statement = connection
        .prepare_cached(sql.text())
        .map_err(failure::sqlite)?;
    bind(&mut statement, sql.binds())?;
    let mut rows = statement.raw_query();
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(failure::sqlite)? {
        let mut cells = [Cell::Null; N];
        for (column, cell) in cells.iter_mut().enumerate() {
            *cell = match row.get_ref(column).map_err(failure::sqlite)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(value) => Cell::Int(value),
                ValueRef::Text(value) | ValueRef::Blob(value) => Cell::Bytes(value),
                ValueRef::Real(_) => return Err(failure::internal("a real number")),
            };
        }
        out.push(each(&cells)?);
    }
    Ok(out)
}

/// Ends statements once that time has come.
pub(crate) fn end_at(connection: &Connection, end: Option<Instant>) -> Result<(), Problem> {
    let handler = end.map(|end| move || Instant::now() >= end);
    connection
        .progress_handler(STEPS, handler)
        .map_err(failure::sqlite)
}

pub(crate) fn insert_many(
    connection: &Connection,
    table: &'static Table,
    values: &[Bind<'_>],
) -> Result<(), Problem> {
    if values.is_empty() {
        return Ok(());
    }
    let width = table.columns().len();
    execute_rows(connection, table.insert_one(), width, values).map(|_| ())
}

fn bind(statement: &mut Statement<'_>, values: &[Bind<'_>]) -> Result<(), Problem> {
    debug_assert!(ascending(statement), "each $n must first appear after $n-1");
    for (number, value) in (1..).zip(values) {
        statement
            .raw_bind_parameter(number, value)
            .map_err(failure::sqlite)?;
    }
    Ok(())
}

fn ascending(statement: &Statement<'_>) -> bool {
    (1..=statement.parameter_count())
        .all(|number| statement.parameter_name(number) == Some(format!("${number}").as_str()))
}

impl ToSql for Bind<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Bind::Null => ToSqlOutput::Owned(Value::Null),
            Bind::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Bind::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Bind::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Bind::Bytes(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
        })
    }
}

fn cell(value: ValueRef<'_>) -> Result<Bind<'static>, Problem> {
    Ok(match value {
        ValueRef::Null => Bind::Null,
        ValueRef::Integer(value) => Bind::Int(value),
        ValueRef::Real(value) => Bind::Real(value),
        ValueRef::Text(value) => {
            let text = String::from_utf8(value.to_vec())
                .map_err(|error| failure::internal("text that is no UTF-8").because(error))?;
            Bind::Text(Cow::Owned(text))
        }
        ValueRef::Blob(value) => Bind::Bytes(Cow::Owned(value.to_vec())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f02_every_commit_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_writer(&folder.path().join("store.sqlite")).unwrap();
        let ask = |text: &str| -> String {
            connection
                .query_row(text, [], |row| row.get::<_, Value>(0))
                .map(|value| format!("{value:?}"))
                .unwrap()
        };
        assert_eq!(ask("PRAGMA synchronous"), "Integer(2)", "2 is FULL");
        assert_eq!(ask("PRAGMA journal_mode"), "Text(\"wal\")");
    }
}
