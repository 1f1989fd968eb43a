//! The bytes of chunks, in rows of at most 1 MiB.

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{MeshDone, PIECE_BYTES};
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;

/// A chunk whose bytes are in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// What its bytes are kept under.
    pub upload: String,
    /// Bytes as they came.
    pub size: u64,
    /// Bytes of the content, unpacked.
    pub plain: u64,
    /// SHA-256 of the content, unpacked, in hexadecimal digits.
    pub sha256: String,
}

fn shard(upload: &str) -> i64 {
    crate::shard::of(upload.as_bytes())
}

pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Adds rows of bytes from the part `first` on; `Rows` tells how many.
pub(super) async fn pieces(
    tx: &mut Tx<'_>,
    now: Millis,
    upload: &str,
    first: i64,
    bytes: &[u8],
) -> Result<MeshDone, Problem> {
    if first == 0 {
        let begun = Sql::new(
            "INSERT INTO mesh_upload (upload, begun_at) VALUES ($1, $2) \
             ON CONFLICT (upload) DO NOTHING",
        );
        tx.execute(&begun.with(upload).with(now)).await?;
    }
    append(tx, upload, first, bytes).await.map(MeshDone::Rows)
}

pub(super) async fn append(
    tx: &mut Tx<'_>,
    upload: &str,
    first: i64,
    bytes: &[u8],
) -> Result<u64, Problem> {
    let mut rows = 0;
    for (part, piece) in (first..).zip(bytes.chunks(PIECE_BYTES)) {
        let sql =
            Sql::new("INSERT INTO mesh_piece (shard, upload, part, bytes) VALUES ($1, $2, $3, $4)");
        let sql = sql.with(shard(upload)).with(upload).with(part).with(piece);
        rows += tx.execute(&sql).await?;
    }
    Ok(rows)
}

pub(super) async fn drop_pieces(tx: &mut Tx<'_>, upload: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM mesh_piece WHERE upload = $1 AND shard = $2");
    tx.execute(&sql.with(upload).with(shard(upload))).await?;
    Ok(())
}

pub(super) async fn drop_upload(tx: &mut Tx<'_>, upload: &str) -> Result<MeshDone, Problem> {
    drop_pieces(tx, upload).await?;
    belongs(tx, upload).await.map(MeshDone::Rows)
}

/// The bytes belong to a chunk from now on.
pub(super) async fn belongs(tx: &mut Tx<'_>, upload: &str) -> Result<u64, Problem> {
    let sql = Sql::new("DELETE FROM mesh_upload WHERE upload = $1");
    tx.execute(&sql.with(upload)).await
}

/// Notes a chunk; what was there of the same number goes.
pub(super) async fn place(
    tx: &mut Tx<'_>,
    (number, chunk): (i64, i64),
    stored: &Stored,
) -> Result<(), Problem> {
    let before = Sql::new("SELECT upload FROM mesh_chunk WHERE message = $1 AND chunk = $2");
    for row in tx.rows(&before.with(number).with(chunk)).await? {
        drop_pieces(tx, row.text(0)?).await?;
    }
    let gone = Sql::new("DELETE FROM mesh_chunk WHERE message = $1 AND chunk = $2");
    tx.execute(&gone.with(number).with(chunk)).await?;
    let sql = Sql::new(
        "INSERT INTO mesh_chunk (message, chunk, upload, size, plain) VALUES ($1, $2, $3, $4, $5)",
    )
    .with(number)
    .with(chunk)
    .with(stored.upload.as_str())
    .with(int(stored.size))
    .with(int(stored.plain));
    tx.execute(&sql).await?;
    belongs(tx, &stored.upload).await.map(|_| ())
}

/// Drops a message's content; what is written on it stays.
pub(super) async fn forget(tx: &mut Tx<'_>, number: i64) -> Result<(), Problem> {
    let sql = Sql::new("SELECT upload FROM mesh_chunk WHERE message = $1");
    for row in tx.rows(&sql.with(number)).await? {
        drop_pieces(tx, row.text(0)?).await?;
    }
    let sql = Sql::new("UPDATE mesh_message SET kept = 0 WHERE number = $1");
    tx.execute(&sql.with(number)).await.map(|_| ())
}

impl Store {
    /// One row's worth of a chunk's bytes, the first behind `after` (-1 for the very first), and where
    /// it stands; `None` behind the last. For a mailbox, whose message it must have been told to be,
    /// and for the node's own workers.
    ///
    /// # Errors
    /// `Forbidden` for any other scope; those of the database.
    pub async fn mesh_piece(
        &self,
        scope: &Scope,
        upload: &str,
        after: i64,
    ) -> Result<Option<(i64, Vec<u8>)>, Problem> {
        if !matches!(scope.reach(), Reach::Everything | Reach::Mailbox(_)) {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT part, bytes FROM mesh_piece WHERE upload = $1 AND part > $2 AND shard = $3 \
             ORDER BY part LIMIT 1",
        )
        .with(upload.to_string())
        .with(after)
        .with(shard(upload));
        let rows = self.rows_apart(sql).await?;
        let piece = |row: &crate::row::Row| Ok((row.int(0)?, row.bytes(1)?.to_vec()));
        rows.first().map(piece).transpose()
    }
}

pub(super) fn forbidden() -> Problem {
    Problem::new(Kind::Forbidden, "This is for a mailbox's own system.")
}
