//! A copy of a PostgreSQL schema: every table under one snapshot, in the binary form of `COPY`
//! (<https://www.postgresql.org/docs/current/sql-copy.html>).

use bytes::Bytes;
use deadpool_postgres::Client;
use fhir::problem::{Kind, Problem};
use futures_util::{SinkExt, TryStreamExt};
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio_postgres::CopyInSink;

use super::{Record, RecordKind, nobody};
use crate::citus;
use crate::failure;

/// Bytes in one piece of a copy, about.
const PIECE_BYTES: usize = 256 << 10;

/// Sends every table's rows, as one moment has them.
pub(super) async fn copy_out(client: &Client, out: &mpsc::Sender<Record>) -> Result<(), Problem> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0";
    client
        .batch_execute(begin)
        .await
        .map_err(failure::postgres)?;
    let copied = copy_tables(client, out).await;
    client
        .batch_execute("ROLLBACK")
        .await
        .map_err(failure::postgres)?;
    copied
}

async fn copy_tables(client: &Client, out: &mpsc::Sender<Record>) -> Result<(), Problem> {
    for table in citus::tables() {
        let Some(name) = with_columns(client, table).await? else {
            // A step that only a newer schema has.
            continue;
        };
        let (table, columns) = parts(&name)?;
        let text = format!("COPY (SELECT {columns} FROM {table}) TO STDOUT (FORMAT binary)");
        let stream = client.copy_out(&text).await.map_err(failure::postgres)?;
        let mut stream = std::pin::pin!(stream);
        let (mut at, mut bytes) = (0, Vec::new());
        loop {
            let more = stream.try_next().await.map_err(failure::postgres)?;
            let is_end = more.is_none();
            bytes.extend_from_slice(&more.unwrap_or_default());
            if bytes.len() >= PIECE_BYTES || is_end {
                let record = Record {
                    kind: RecordKind::Rows,
                    name: name.clone(),
                    at,
                    bytes: std::mem::take(&mut bytes),
                };
                at += record.bytes.len() as u64;
                out.send(record).await.map_err(|_| nobody())?;
            }
            if is_end {
                break;
            }
        }
    }
    Ok(())
}

/// `table(column, column)`.
async fn with_columns(client: &Client, table: &str) -> Result<Option<String>, Problem> {
    let columns = "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
    let rows = client
        .query(columns, &[&table])
        .await
        .map_err(failure::postgres)?;
    let columns: Vec<String> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(failure::postgres)?;
    Ok((!columns.is_empty()).then(|| format!("{table}({})", columns.join(","))))
}

/// Table and columns of a record's name, which become part of a statement.
fn parts(name: &str) -> Result<(&str, &str), Problem> {
    let is_name = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        !text.is_empty() && text.bytes().all(plain)
    };
    let split = name.strip_suffix(')').and_then(|name| name.split_once('('));
    split
        .filter(|(table, columns)| {
            citus::tables().any(|known| known == *table) && columns.split(',').all(is_name)
        })
        .ok_or_else(|| {
            let message =
                format!("The copy holds rows of {name}, which this version does not know.");
            Problem::new(Kind::BusinessRule, message)
        })
}

/// Takes rows in, table after table, inside one transaction.
pub(super) struct RowsIn {
    client: Client,
    now: Option<(String, Pin<Box<CopyInSink<Bytes>>>)>,
}

impl RowsIn {
    /// Empties the tables, which a new schema has filled with what it begins with.
    pub(super) async fn begin(client: Client) -> Result<RowsIn, Problem> {
        let tables: Vec<&str> = citus::tables()
            .filter(|name| *name != "migration")
            .collect();
        let text = format!(
            "BEGIN; SET LOCAL statement_timeout = 0; TRUNCATE {}",
            tables.join(", ")
        );
        client
            .batch_execute(&text)
            .await
            .map_err(failure::postgres)?;
        Ok(RowsIn { client, now: None })
    }

    pub(super) async fn take(&mut self, record: Record) -> Result<(), Problem> {
        let (table, columns) = parts(&record.name)?;
        // The new schema has its own.
        if table == "migration" {
            return Ok(());
        }
        if self
            .now
            .as_ref()
            .is_none_or(|(name, _)| *name != record.name)
        {
            self.end_table().await?;
            let text = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
            let sink = self
                .client
                .copy_in(&text)
                .await
                .map_err(failure::postgres)?;
            self.now = Some((record.name.clone(), Box::pin(sink)));
        }
        let Some((_, sink)) = &mut self.now else {
            return Ok(());
        };
        sink.send(Bytes::from(record.bytes))
            .await
            .map_err(failure::postgres)
    }

    async fn end_table(&mut self) -> Result<(), Problem> {
        let Some((_, mut sink)) = self.now.take() else {
            return Ok(());
        };
        sink.as_mut()
            .finish()
            .await
            .map(|_| ())
            .map_err(failure::postgres)
    }

    /// Sets the numbers that come next, and commits.
    pub(super) async fn end(mut self) -> Result<(), Problem> {
        self.end_table().await?;
        let numbered = "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) \
             FROM information_schema.columns \
             WHERE table_schema = current_schema() AND is_identity = 'YES'";
        let rows = self
            .client
            .query(numbered, &[])
            .await
            .map_err(failure::postgres)?;
        for row in rows {
            let (table, column): (String, String) = (
                row.try_get(0).map_err(failure::postgres)?,
                row.try_get(1).map_err(failure::postgres)?,
            );
            parts(&format!("{table}({column})"))?;
            let text = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), \
                 (SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}), false)"
            );
            self.client
                .batch_execute(&text)
                .await
                .map_err(failure::postgres)?;
        }
        self.client
            .batch_execute("COMMIT")
            .await
            .map_err(failure::postgres)
    }
}
