//! Putting a copy back: into a new file, or into a schema that is not there yet. Never over anything.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use fhir::problem::{Kind, Problem};

use super::rows::RowsIn;
use super::{Record, RecordKind};
use crate::database::postgres;
use crate::failure;
use crate::settings::{Database, Settings};
use crate::store::Store;

/// A file that is being put back.
#[derive(Debug)]
pub struct FileBack(File);

impl FileBack {
    /// Makes the file, readable by its owner only.
    ///
    /// # Errors
    /// `Duplicate` if there is one already: nothing is overwritten.
    pub fn create(path: &Path) -> Result<FileBack, Problem> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(path);
        opened.map(FileBack).map_err(|error| {
            let message = format!("{} cannot be made, or is there already.", path.display());
            let kind = match error.kind() {
                std::io::ErrorKind::AlreadyExists => Kind::Duplicate,
                _ => Kind::NoStore,
            };
            Problem::new(kind, message).because(error)
        })
    }

    /// Writes a piece to its place.
    ///
    /// # Errors
    /// The disk's.
    pub fn put(&self, record: &Record) -> Result<(), Problem> {
        self.0
            .write_all_at(&record.bytes, record.at)
            .map_err(unwritten)
    }

    /// Gives the file its length, and makes it durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn end(self, bytes: Option<u64>) -> Result<(), Problem> {
        if let Some(bytes) = bytes {
            self.0.set_len(bytes).map_err(unwritten)?;
        }
        self.0.sync_all().map_err(unwritten)
    }
}

fn unwritten(error: std::io::Error) -> Problem {
    Problem::new(Kind::NoStore, "What is restored cannot be written.").because(error)
}

/// A schema in PostgreSQL that is being put back.
pub struct RowsBack(RowsIn);

impl RowsBack {
    /// Makes the schema and its tables, and begins a transaction.
    ///
    /// # Errors
    /// `Duplicate` if the schema holds anything; those of the database.
    pub async fn begin(settings: Settings) -> Result<RowsBack, Problem> {
        let Database::Postgres { url, schema } = settings.database.clone() else {
            return Err(failure::internal("no schema to restore into"));
        };
        let pool = postgres::pool(&url, &schema, 1, 24 * 3600)?;
        let client = pool.get().await.map_err(failure::pool)?;
        let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = $1";
        let row = client
            .query_one(tables, &[&schema])
            .await
            .map_err(failure::postgres)?;
        if row.try_get::<_, i64>(0).map_err(failure::postgres)? > 0 {
            let message = format!("The schema {schema} is there already; nothing is overwritten.");
            return Err(Problem::new(Kind::Duplicate, message));
        }
        Store::open(settings).await?.close().await;
        RowsIn::begin(client).await.map(RowsBack)
    }

    /// Takes a piece of a table in.
    ///
    /// # Errors
    /// `BusinessRule` for a table that this version does not know; those of the database.
    pub async fn take(&mut self, record: Record) -> Result<(), Problem> {
        debug_assert_eq!(record.kind, RecordKind::Rows);
        self.0.take(record).await
    }

    /// Makes it last.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn end(self) -> Result<(), Problem> {
        self.0.end().await
    }
}

/// The lead of the names of schemas that a drill makes, and that alone are dropped.
const SCRATCH: &str = "drill_";

/// A name for a schema that a drill restores into.
pub fn scratch_schema() -> String {
    format!("{SCRATCH}{}", uuid::Uuid::new_v4().simple())
}

/// Drops a schema that a drill made; no other.
///
/// # Errors
/// Those of the database.
pub async fn drop_scratch(url: &str, schema: &str) -> Result<(), Problem> {
    if !schema.starts_with(SCRATCH) {
        return Ok(());
    }
    let pool = postgres::pool(url, schema, 1, 3600)?;
    let client = pool.get().await.map_err(failure::pool)?;
    let text = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
    client.batch_execute(&text).await.map_err(failure::postgres)
}
