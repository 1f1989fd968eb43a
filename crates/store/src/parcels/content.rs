//! Contents on their way: wanted, gathered in pieces, kept until nobody needs them.

use access::Ods;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Outgoing, PIECE_BYTES, ParcelDone, large};
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;

/// What a neighbour may have begun to send and not finished: a bound on what it can fill.
const UNFINISHED_MAX: i64 = 1000;

/// Pages of 500 contents that are looked through in one tidying.
const TIDY_PAGES_MAX: usize = 20;

/// How much of a content is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// In bytes.
    pub size: u64,
    pub held: u64,
    /// All is here and its digest has been checked.
    pub complete: bool,
}

/// Keeps the contents of a parcel that goes out, until it is delivered.
pub(crate) async fn keep(
    tx: &mut Tx<'_>,
    now: Millis,
    (outgoing, pid): (&Outgoing, i64),
) -> Result<(), Problem> {
    let sender = outgoing.parcel.sender.as_str();
    for (part, bytes) in outgoing.parcel.parts.iter().zip(&outgoing.contents) {
        // One without bytes is a large one that came in pieces before.
        if bytes.is_empty() {
            if !is_complete(tx, sender, &part.sha256).await? {
                let message = "A content of the letter is not whole here.";
                return Err(Problem::new(Kind::Incomplete, message));
            }
            continue;
        }
        place(tx, (now, pid), (sender, &part.sha256), bytes).await?;
    }
    Ok(())
}

/// Keeps contents (SHA-256 and bytes) of a parcel that goes again, and those that are still here: it is an
/// earlier one than those that needed them last.
pub(crate) async fn keep_again(
    tx: &mut Tx<'_>,
    now: Millis,
    (sender, pid): (&str, i64),
    contents: &[(String, Vec<u8>)],
) -> Result<(), Problem> {
    for (sha256, bytes) in contents {
        place(tx, (now, pid), (sender, sha256), bytes).await?;
    }
    let parts = Sql::new("SELECT DISTINCT sha256 FROM parcel_part WHERE pid = $1").with(pid);
    for row in tx.rows(&parts).await? {
        let sha256 = row.text(0)?;
        let sql = Sql::new(
            "UPDATE parcel_content SET since = $1 WHERE sender = $2 AND sha256 = $3 AND shard = $4 \
             AND since > $5",
        )
        .with(pid)
        .with(sender)
        .with(sha256)
        .with(shard(sha256))
        .with(pid);
        tx.execute(&sql).await?;
    }
    Ok(())
}

fn shard(sha256: &str) -> i64 {
    crate::shard::of(sha256.as_bytes())
}

/// The newest parcel: those that will need what is begun now come after it.
async fn newest(tx: &mut Tx<'_>) -> Result<i64, Problem> {
    let sql = Sql::new("SELECT COALESCE(MAX(pid), 0) FROM parcel");
    tx.row(&sql).await?.map_or(Ok(0), |row| row.int(0))
}

/// Whether it is new here. No parcel below `since` needs it.
async fn insert(
    tx: &mut Tx<'_>,
    (now, since): (Millis, i64),
    (sender, sha256): (&str, &str),
    size: u64,
) -> Result<bool, Problem> {
    let sql = Sql::new(
        "INSERT INTO parcel_content (shard, sender, sha256, size, held, complete, wanted_at, since) \
         VALUES ($1, $2, $3, $4, 0, 0, $5, $6) ON CONFLICT (sender, sha256, shard) DO NOTHING",
    )
    .with(shard(sha256))
    .with(sender)
    .with(sha256)
    .with(i64::try_from(size).unwrap_or(i64::MAX))
    .with(now)
    .with(since);
    Ok(tx.execute(&sql).await? == 1)
}

/// Notes contents that a signed manifest has named.
pub(crate) async fn want(
    tx: &mut Tx<'_>,
    now: Millis,
    sender: &Ods,
    (contents, bytes_max): (&[(String, u64)], u64),
) -> Result<ParcelDone, Problem> {
    let mut rows = 0;
    let at = (now, newest(tx).await?);
    for (sha256, size) in contents {
        let sender = sender.as_str();
        rows += match insert(tx, at, (sender, sha256), *size).await? {
            true => 1,
            false => resize(tx, sender, sha256, *size).await?,
        };
    }
    // Only what is new can be too much: what was begun may be finished, whatever the bound is now.
    if rows == 0 {
        return Ok(ParcelDone::Rows(0));
    }
    let sql = Sql::new(
        "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM parcel_content \
         WHERE sender = $1 AND complete = 0",
    )
    .with(sender.as_str());
    let (unfinished, bytes) = match tx.row(&sql).await? {
        Some(row) => (row.int(0)?, row.int(1)?),
        None => (0, 0),
    };
    // One alone always fits: it is within what a content may be.
    let is_too_much = unfinished > 1 && u64::try_from(bytes).unwrap_or_default() > bytes_max;
    if unfinished > UNFINISHED_MAX || is_too_much {
        let message = "Too many contents of this sender are unfinished; finish some first.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    Ok(ParcelDone::Rows(rows))
}

/// What was begun under another size begins anew: one of the two sizes was never that content's, and must not keep the right
/// one out. Gives how many rows that are.
async fn resize(tx: &mut Tx<'_>, sender: &str, sha256: &str, size: u64) -> Result<u64, Problem> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let sql = Sql::new(
        "UPDATE parcel_content SET size = $1, held = 0 WHERE sender = $2 AND sha256 = $3 \
         AND shard = $4 AND complete = 0 AND size <> $5",
    )
    .with(size)
    .with(sender)
    .with(sha256)
    .with(shard(sha256))
    .with(size);
    let rows = tx.execute(&sql).await?;
    if rows > 0 {
        drop_pieces(tx, sender, sha256).await?;
    }
    Ok(rows)
}

/// Adds bytes at the end of what is held.
pub(crate) async fn append(
    tx: &mut Tx<'_>,
    sender: &str,
    sha256: &str,
    start: u64,
    bytes: &[u8],
    complete: bool,
) -> Result<ParcelDone, Problem> {
    let start = i64::try_from(start).unwrap_or(i64::MAX);
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let sql = Sql::new(
        "UPDATE parcel_content SET held = held + $1, complete = $2 \
         WHERE sender = $3 AND sha256 = $4 AND held = $5 AND shard = $6 AND complete = 0",
    )
    .with(length)
    .with(complete)
    .with(sender)
    .with(sha256)
    .with(start)
    .with(shard(sha256));
    if tx.execute(&sql).await? != 1 {
        return Err(Problem::new(
            Kind::Conflict,
            "The content does not continue there.",
        ));
    }
    pieces(tx, (sender, sha256), start, bytes).await?;
    Ok(ParcelDone::Rows(1))
}

/// Puts a whole content of a parcel that came into its place.
pub(crate) async fn came(
    tx: &mut Tx<'_>,
    now: Millis,
    (sender, sha256): (&Ods, &str),
    bytes: &[u8],
) -> Result<ParcelDone, Problem> {
    let at = (now, newest(tx).await?);
    place(tx, at, (sender.as_str(), sha256), bytes).await
}

/// Puts a whole content into its place, unless all of it is there. No parcel below `since` needs it.
async fn place(
    tx: &mut Tx<'_>,
    (now, since): (Millis, i64),
    (sender, sha256): (&str, &str),
    bytes: &[u8],
) -> Result<ParcelDone, Problem> {
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let sql = Sql::new(
        "INSERT INTO parcel_content (shard, sender, sha256, size, held, complete, wanted_at, since) \
         VALUES ($1, $2, $3, $4, $4, 1, $5, $6) ON CONFLICT (sender, sha256, shard) DO NOTHING",
    )
    .with(shard(sha256))
    .with(sender)
    .with(sha256)
    .with(size)
    .with(now)
    .with(since);
    if tx.execute(&sql).await? == 0 {
        let sql = Sql::new(
            "UPDATE parcel_content SET size = $1, held = $1, complete = 1 WHERE sender = $2 \
             AND sha256 = $3 AND shard = $4 AND complete = 0",
        )
        .with(size)
        .with(sender)
        .with(sha256)
        .with(shard(sha256));
        if tx.execute(&sql).await? == 0 {
            return Ok(ParcelDone::Rows(0));
        }
        drop_pieces(tx, sender, sha256).await?;
    }
    pieces(tx, (sender, sha256), 0, bytes).await?;
    Ok(ParcelDone::Rows(1))
}

/// Inserts bytes from `start` on, in rows of a bounded length.
async fn pieces(
    tx: &mut Tx<'_>,
    (sender, sha256): (&str, &str),
    start: i64,
    bytes: &[u8],
) -> Result<(), Problem> {
    let mut at = start;
    for piece in bytes.chunks(PIECE_BYTES) {
        let sql = Sql::new(
            "INSERT INTO parcel_piece (shard, sender, sha256, start, bytes) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .with(shard(sha256))
        .with(sender)
        .with(sha256)
        .with(at)
        .with(piece);
        tx.execute(&sql).await?;
        at += i64::try_from(piece.len()).unwrap_or(0);
    }
    Ok(())
}

/// Forgets the bytes of a content that is not complete; it is still wanted.
pub(crate) async fn drop_held(
    tx: &mut Tx<'_>,
    sender: &str,
    sha256: &str,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel_content SET held = 0 WHERE sender = $1 AND sha256 = $2 AND shard = $3 \
         AND complete = 0",
    )
    .with(sender)
    .with(sha256)
    .with(shard(sha256));
    let rows = tx.execute(&sql).await?;
    if rows == 1 {
        drop_pieces(tx, sender, sha256).await?;
    }
    Ok(ParcelDone::Rows(rows))
}

/// Forgets a content that is not complete.
pub(crate) async fn abandon(
    tx: &mut Tx<'_>,
    sender: &str,
    sha256: &str,
) -> Result<ParcelDone, Problem> {
    if is_complete(tx, sender, sha256).await? {
        return Ok(ParcelDone::Rows(0));
    }
    forget(tx, sender, sha256).await?;
    Ok(ParcelDone::Rows(1))
}

async fn drop_pieces(tx: &mut Tx<'_>, sender: &str, sha256: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM parcel_piece WHERE sender = $1 AND sha256 = $2 AND shard = $3")
        .with(sender)
        .with(sha256)
        .with(shard(sha256));
    tx.execute(&sql).await.map(|_| ())
}

pub(crate) async fn is_complete(
    tx: &mut Tx<'_>,
    sender: &str,
    sha256: &str,
) -> Result<bool, Problem> {
    let sql = Sql::new(
        "SELECT complete FROM parcel_content WHERE sender = $1 AND sha256 = $2 AND shard = $3",
    )
    .with(sender)
    .with(sha256)
    .with(shard(sha256));
    tx.row(&sql).await?.map_or(Ok(false), |row| row.flag(0))
}

/// A parcel has arrived where it was to go: what of its contents no other parcel still needs is
/// dropped, since the resources hold it.
pub(crate) async fn release(tx: &mut Tx<'_>, pid: i64, sender: &str) -> Result<(), Problem> {
    let sql = Sql::new("SELECT DISTINCT sha256 FROM parcel_part WHERE pid = $1").with(pid);
    for row in tx.rows(&sql).await? {
        let sha256 = row.text(0)?;
        if !is_needed(tx, sender, sha256).await? {
            forget(tx, sender, sha256).await?;
        }
    }
    Ok(())
}

/// Whether a parcel here still has to be delivered or taken in with it, or a Binary stands for it.
async fn is_needed(tx: &mut Tx<'_>, sender: &str, sha256: &str) -> Result<bool, Problem> {
    let sql = Sql::new(
        "SELECT since FROM parcel_content WHERE sender = $1 AND sha256 = $2 AND shard = $3",
    )
    .with(sender)
    .with(sha256)
    .with(shard(sha256));
    let Some(row) = tx.row(&sql).await? else {
        return Ok(false);
    };
    let since = row.int(0)?;
    // The newest first: of a backlog those wait that came last.
    let sql = Sql::new(
        "SELECT 1 FROM parcel_part JOIN parcel ON parcel.pid = parcel_part.pid \
         AND parcel.shard = parcel_part.shard WHERE parcel_part.sha256 = $1 AND parcel.sender = $2 \
         AND parcel_part.pid >= $3 AND (parcel.due = 1 OR parcel.unmatched = 1 OR parcel.state = 'undeliverable' OR \
         parcel.kind = 'fax' AND parcel.state IN ('accepted', 'waiting') OR parcel.kind = 'itk3' AND \
         parcel.direction = 0 AND EXISTS (SELECT 1 FROM itk3_out i WHERE i.pid = parcel.pid \
         AND i.state NOT IN ('accepted', 'settled'))) ORDER BY parcel_part.pid DESC LIMIT 1",
    )
    .with(sha256)
    .with(sender)
    .with(since);
    if tx.row(&sql).await?.is_some() {
        return Ok(true);
    }
    large::is_kept(tx, sender, sha256).await
}

async fn forget(tx: &mut Tx<'_>, sender: &str, sha256: &str) -> Result<(), Problem> {
    drop_pieces(tx, sender, sha256).await?;
    let sql =
        Sql::new("DELETE FROM parcel_content WHERE sender = $1 AND sha256 = $2 AND shard = $3")
            .with(sender)
            .with(sha256)
            .with(shard(sha256));
    tx.execute(&sql).await.map(|_| ())
}

/// Forgets contents that were begun long ago and that no parcel here still needs.
pub(crate) async fn tidy(tx: &mut Tx<'_>, wanted_before: Millis) -> Result<ParcelDone, Problem> {
    let mut forgotten = 0;
    let mut after = (String::new(), String::new());
    // One page after another: contents that are still needed are not to keep the others from their turn.
    for _ in 0..TIDY_PAGES_MAX {
        let (sender, sha256) = &after;
        let sql = Sql::new(
            "SELECT sender, sha256 FROM parcel_content WHERE wanted_at < $1 AND sender >= $2 \
             AND (sender > $3 OR sha256 > $4) ORDER BY sender, sha256 LIMIT 500",
        )
        .with(wanted_before)
        .with(sender)
        .with(sender)
        .with(sha256);
        let rows = tx.rows(&sql).await?;
        let Some(last) = rows.last() else { break };
        after = (last.text(0)?.to_string(), last.text(1)?.to_string());
        for row in &rows {
            let (sender, sha256) = (row.text(0)?, row.text(1)?);
            if !is_needed(tx, sender, sha256).await? {
                forget(tx, sender, sha256).await?;
                forgotten += 1;
            }
        }
    }
    Ok(ParcelDone::Rows(forgotten))
}

impl Store {
    /// How much of a sender's content is here. `None`: it is not wanted. No patient is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn content_held(&self, sender: &Ods, sha256: &str) -> Result<Option<Held>, Problem> {
        let sql = Sql::new(
            "SELECT size, held, complete FROM parcel_content WHERE sender = $1 AND sha256 = $2 \
             AND shard = $3",
        )
        .with(sender.as_str())
        .with(sha256)
        .with(shard(sha256));
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let unsigned = |value: i64| u64::try_from(value).unwrap_or_default();
        Ok(Some(Held {
            size: unsigned(row.int(0)?),
            held: unsigned(row.int(1)?),
            complete: row.flag(2)?,
        }))
    }

    /// Where the piece begins that holds that byte: pieces are as long as they came.
    async fn piece_that_holds(&self, sender: &Ods, sha256: &str, at: i64) -> Result<i64, Problem> {
        if at == 0 {
            return Ok(0);
        }
        let sql = Sql::new(
            "SELECT COALESCE(MAX(start), 0) FROM parcel_piece WHERE sender = $1 AND sha256 = $2 \
             AND start <= $3 AND shard = $4",
        )
        .with(sender.to_string())
        .with(sha256.to_string())
        .with(at)
        .with(shard(sha256));
        let rows = self.rows_apart(sql).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    /// The bytes that are held of a sender's content, from `start` on: those of the piece that holds it and of the
    /// next, or all of them if `to_end`. For the node's workers, which name their purpose.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn content_bytes(
        &self,
        _scope: &access::Scope,
        sender: &Ods,
        sha256: &str,
        start: u64,
        to_end: bool,
    ) -> Result<Vec<u8>, Problem> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let first = self.piece_that_holds(sender, sha256, start).await?;
        let sql = Sql::new(
            "SELECT start, bytes FROM parcel_piece WHERE sender = $1 AND sha256 = $2 \
             AND start >= $3 AND shard = $4 ORDER BY start LIMIT $5",
        )
        .with(sender.to_string())
        .with(sha256.to_string())
        .with(first)
        .with(shard(sha256))
        .with(if to_end { i64::MAX } else { 2 });
        let mut bytes = Vec::new();
        for row in self.rows_apart(sql).await? {
            let skip = usize::try_from(start - row.int(0)?).unwrap_or(0);
            bytes.extend_from_slice(row.bytes(1)?.get(skip..).unwrap_or_default());
        }
        Ok(bytes)
    }
}
