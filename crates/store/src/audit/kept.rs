//! Checkpoints of this node's log and of neighbours', and alarms: rows and their writes.

use access::merkle::Hash;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::tree::Tile;
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Own checkpoints that no neighbour signed are kept for so many.
const UNSIGNED_KEPT: i64 = 4096;
/// A neighbour's checkpoints are kept for so many.
const WITNESSED_KEPT: i64 = 4096;
/// The most rows that are read at once.
const ROWS_MAX: u32 = 100_000;

/// A signed checkpoint: the log had `size` lines, and this was its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub size: u64,
    pub at: Millis,
    /// The number of its last line; 0 where that is not known.
    pub last_seq: i64,
    pub root: Hash,
    /// As signed (<https://c2sp.org/tlog-checkpoint>).
    pub note: String,
}

/// A neighbour's signature under a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    pub size: u64,
    /// ODS code.
    pub witness: String,
    pub at: Millis,
    /// The signature's line.
    pub line: String,
}

/// What a person must know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// `own-log`, `neighbour-log`, or `backup` for copies that are late.
    pub kind: String,
    /// Whose log, or who told: an ODS code.
    pub about: String,
    pub first_at: Millis,
    pub last_at: Millis,
    /// One or two plain sentences.
    pub what: String,
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum AuditWrite {
    /// The tree has grown. `LockError` if it is not of that size any more.
    Grow {
        from: u64,
        size: u64,
        last_seq: i64,
        tiles: Vec<Tile>,
    },
    /// A checkpoint of this node's log.
    Signed(Checkpoint),
    /// A neighbour signed one.
    Cosigned(Cosignature),
    /// This node signed a neighbour's, having seen no other than `old` before (0 for none).
    /// `LockError` if it has.
    Witnessed {
        origin: String,
        old: u64,
        checkpoint: Checkpoint,
    },
    /// A neighbour's log was accepted anew by a person: what was seen of it is forgotten.
    Forget { origin: String },
    Alarm {
        kind: &'static str,
        about: String,
        what: String,
    },
    /// A person has seen to it.
    Settle { kind: String, about: String },
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &AuditWrite) -> Result<(), Problem> {
    match write {
        AuditWrite::Grow {
            from,
            size,
            last_seq,
            tiles,
        } => grow(tx, *from, (*size, *last_seq), tiles).await,
        AuditWrite::Signed(checkpoint) => signed(tx, checkpoint).await,
        AuditWrite::Cosigned(it) => {
            let sql = Sql::new(
                "INSERT INTO audit_cosignature (size, witness, at, line) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (size, witness) DO NOTHING",
            );
            let sql = sql.with(number(it.size)).with(it.witness.as_str());
            tx.execute(&sql.with(it.at).with(it.line.as_str())).await?;
            Ok(())
        }
        AuditWrite::Witnessed {
            origin,
            old,
            checkpoint,
        } => witnessed(tx, origin, *old, checkpoint).await,
        AuditWrite::Forget { origin } => {
            let sql = Sql::new("DELETE FROM audit_witnessed WHERE origin = $1");
            tx.execute(&sql.with(origin.as_str())).await?;
            Ok(())
        }
        AuditWrite::Alarm { kind, about, what } => {
            let sql = Sql::new(
                "INSERT INTO audit_alarm (kind, about, first_at, last_at, what) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, about) \
                 DO UPDATE SET last_at = excluded.last_at, what = excluded.what",
            );
            let sql = sql.with(*kind).with(about.as_str()).with(now).with(now);
            tx.execute(&sql.with(what.as_str())).await?;
            Ok(())
        }
        AuditWrite::Settle { kind, about } => {
            let sql = Sql::new("DELETE FROM audit_alarm WHERE kind = $1 AND about = $2");
            tx.execute(&sql.with(kind.as_str()).with(about.as_str()))
                .await?;
            Ok(())
        }
    }
}

async fn grow(
    tx: &mut Tx<'_>,
    from: u64,
    (size, last_seq): (u64, i64),
    tiles: &[Tile],
) -> Result<(), Problem> {
    let step = Sql::new(
        "UPDATE audit_tree SET size = $1, last_seq = $2 WHERE name = 'node' AND size = $3",
    );
    let step = step.with(number(size)).with(last_seq).with(number(from));
    if tx.execute(&step).await? != 1 {
        return Err(taken());
    }
    let tiles: Vec<Sql<'_>> = tiles
        .iter()
        .map(|(level, at, hashes)| {
            let sql = Sql::new(
                "INSERT INTO audit_tile (level, number, hashes) VALUES ($1, $2, $3) \
                 ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes",
            );
            sql.with(*level).with(number(*at)).with(hashes.as_slice())
        })
        .collect();
    tx.execute_each(&tiles).await
}

async fn signed(tx: &mut Tx<'_>, it: &Checkpoint) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO audit_checkpoint (size, at, last_seq, root, note) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (size) DO NOTHING",
    );
    let sql = sql.with(number(it.size)).with(it.at).with(it.last_seq);
    tx.execute(&sql.with(&it.root[..]).with(it.note.as_str()))
        .await?;
    let tidy = Sql::new(
        "DELETE FROM audit_checkpoint WHERE size < (SELECT COALESCE(MIN(size), 0) FROM \
         (SELECT size FROM audit_checkpoint ORDER BY size DESC LIMIT $1) newest) \
         AND NOT EXISTS (SELECT 1 FROM audit_cosignature c WHERE c.size = audit_checkpoint.size)",
    );
    tx.execute(&tidy.with(UNSIGNED_KEPT)).await?;
    Ok(())
}

async fn witnessed(
    tx: &mut Tx<'_>,
    origin: &str,
    old: u64,
    it: &Checkpoint,
) -> Result<(), Problem> {
    let newest = Sql::new("SELECT COALESCE(MAX(size), 0) FROM audit_witnessed WHERE origin = $1")
        .with(origin);
    let newest = tx.row(&newest).await?.map_or(Ok(0), |row| row.int(0))?;
    if newest != number(old) {
        return Err(taken());
    }
    let sql = Sql::new(
        "INSERT INTO audit_witnessed (origin, size, at, root, note) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (origin, size) DO NOTHING",
    );
    let sql = sql.with(origin).with(number(it.size)).with(it.at);
    tx.execute(&sql.with(&it.root[..]).with(it.note.as_str()))
        .await?;
    let tidy = Sql::new(
        "DELETE FROM audit_witnessed WHERE origin = $1 AND size < (SELECT COALESCE(MIN(size), 0) FROM \
         (SELECT size FROM audit_witnessed WHERE origin = $2 ORDER BY size DESC LIMIT $3) newest)",
    );
    tx.execute(&tidy.with(origin).with(origin).with(WITNESSED_KEPT))
        .await?;
    Ok(())
}

fn taken() -> Problem {
    Problem::new(Kind::LockError, "Another process has done this.")
}

fn checkpoint(row: &Row) -> Result<Checkpoint, Problem> {
    Ok(Checkpoint {
        size: u64::try_from(row.int(0)?).unwrap_or(0),
        at: row.int(1)?,
        last_seq: row.int(2)?,
        // A hash of another length is nobody's.
        root: row.bytes(3)?.try_into().unwrap_or_default(),
        note: row.text(4)?.to_string(),
    })
}

impl Store {
    /// The node's newest checkpoint.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, Problem> {
        let sql = Sql::new(
            "SELECT size, at, last_seq, root, note FROM audit_checkpoint ORDER BY size DESC LIMIT 1",
        );
        self.rows(&sql).await?.first().map(checkpoint).transpose()
    }

    /// The node's own checkpoints, the newest 100,000, the oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, Problem> {
        let sql = Sql::new(
            "SELECT size, at, last_seq, root, note FROM audit_checkpoint ORDER BY size DESC LIMIT $1",
        );
        let rows = self.rows_apart(sql.with(ROWS_MAX)).await?;
        rows.iter().rev().map(checkpoint).collect()
    }

    /// What neighbours signed under the node's checkpoints, the newest 100,000.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn cosignatures(&self) -> Result<Vec<Cosignature>, Problem> {
        let sql = Sql::new(
            "SELECT size, witness, at, line FROM audit_cosignature ORDER BY size DESC LIMIT $1",
        );
        let rows = self.rows_apart(sql.with(ROWS_MAX)).await?;
        let one = |row: &Row| {
            Ok(Cosignature {
                size: u64::try_from(row.int(0)?).unwrap_or(0),
                witness: row.text(1)?.to_string(),
                at: row.int(2)?,
                line: row.text(3)?.to_string(),
            })
        };
        rows.iter().map(one).collect()
    }

    /// The newest size that each neighbour has signed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn cosigned_upto(&self, witness: &str) -> Result<u64, Problem> {
        let sql =
            Sql::new("SELECT COALESCE(MAX(size), 0) FROM audit_cosignature WHERE witness = $1");
        let rows = self.rows(&sql.with(witness)).await?;
        let size = rows.first().map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    /// The newest checkpoint of a neighbour's that this node signed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn witnessed(&self, origin: &str) -> Result<Option<Checkpoint>, Problem> {
        let sql = Sql::new(
            "SELECT size, at, 0, root, note FROM audit_witnessed WHERE origin = $1 \
             ORDER BY size DESC LIMIT 1",
        );
        let rows = self.rows(&sql.with(origin)).await?;
        rows.first().map(checkpoint).transpose()
    }

    /// Puts an alarm of that kind about this node onto the work list, or takes it off where there is nothing to say.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_alarm(&self, kind: &'static str, what: Option<String>) -> Result<(), Problem> {
        let about = self.organisation().to_string();
        self.write_audit(match what {
            Some(what) => AuditWrite::Alarm { kind, about, what },
            None => AuditWrite::Settle {
                kind: kind.into(),
                about,
            },
        })
        .await
    }

    /// What a person must know of about this node's log or a neighbour's.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, Problem> {
        let sql = Sql::new(
            "SELECT kind, about, first_at, last_at, what FROM audit_alarm ORDER BY first_at LIMIT 100",
        );
        let rows = self.rows(&sql).await?;
        let one = |row: &Row| {
            Ok(Alarm {
                kind: row.text(0)?.to_string(),
                about: row.text(1)?.to_string(),
                first_at: row.int(2)?,
                last_at: row.int(3)?,
                what: row.text(4)?.to_string(),
            })
        };
        rows.iter().map(one).collect()
    }
}
