//! Bulk jobs: durable, taken up again after a crash, dropped when they expire.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::files::Key;
use crate::database::Tx;
use crate::resources::body;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// A job, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkJob {
    /// Long and random: knowing it is not enough, though, its account must ask.
    pub id: String,
    /// `export` or `import`.
    pub kind: String,
    pub account: i64,
    pub request: String,
    pub state: BulkState,
    /// How far the work has come.
    pub cursor: String,
    /// Resources exported or taken in.
    pub done: u64,
    /// Lines that an import did not take in.
    pub refused: u64,
    /// Why it failed.
    pub reason: Option<String>,
    pub started_at: Millis,
    pub expires_at: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkState {
    /// An import whose lines are still coming in.
    Receiving,
    /// To be worked on.
    Accepted,
    Done,
    Failed,
}

impl BulkState {
    fn code(self) -> &'static str {
        match self {
            BulkState::Receiving => "receiving",
            BulkState::Accepted => "accepted",
            BulkState::Done => "done",
            BulkState::Failed => "failed",
        }
    }

    fn of(code: &str) -> BulkState {
        match code {
            "receiving" => BulkState::Receiving,
            "accepted" => BulkState::Accepted,
            "done" => BulkState::Done,
            _ => BulkState::Failed,
        }
    }
}

/// A line that an import did not take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    pub reason: String,
    /// As it came.
    pub body: Vec<u8>,
}

/// What the writer can do to these rows.
#[derive(Debug)]
pub enum BulkWrite {
    /// `Throttled` if the account has `open_max` jobs under way.
    Start {
        id: String,
        kind: &'static str,
        account: i64,
        request: String,
        state: BulkState,
        expires_at: Millis,
        open_max: u32,
    },
    /// Some lines of an import.
    Chunk {
        id: String,
        number: u32,
        first_line: u64,
        lines: Vec<u8>,
    },
    /// A step of the work. `Conflict`, and the whole job undone, if the bulk job is not at `from`
    /// any more: somebody else made this step, or it was cancelled.
    Advance {
        id: String,
        from: String,
        to: String,
        state: BulkState,
        done: u64,
        keys: Vec<Key>,
        bad: Vec<BadLine>,
    },
    Fail {
        id: String,
        reason: String,
    },
    /// The job and all that belongs to it.
    Remove {
        id: String,
    },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &BulkWrite) -> Result<(), Problem> {
    match write {
        BulkWrite::Start { .. } => start(tx, now, write).await,
        BulkWrite::Chunk {
            id,
            number,
            first_line,
            lines,
        } => {
            let sql = Sql::new(
                "INSERT INTO bulk_chunk (job, number, first_line, body) VALUES ($1, $2, $3, $4)",
            );
            let sql = sql
                .with(id.as_str())
                .with(*number)
                .with(signed(*first_line));
            tx.execute(&sql.with(body::compress(lines)?.as_slice()))
                .await?;
            // Renews the lease of one that is still coming in.
            let sql = Sql::new(
                "UPDATE bulk_job SET changed_at = $1 WHERE id = $2 AND state = 'receiving'",
            );
            if tx.execute(&sql.with(now).with(id.as_str())).await? == 0 {
                let message = "The import is not there any more.";
                return Err(Problem::new(Kind::Conflict, message));
            }
            Ok(())
        }
        BulkWrite::Advance { .. } => advance(tx, now, write).await,
        BulkWrite::Fail { id, reason } => {
            let sql = Sql::new(
                "UPDATE bulk_job SET state = 'failed', reason = $1, changed_at = $2 \
                 WHERE id = $3 AND state IN ('accepted', 'receiving')",
            );
            let sql = sql.with(reason.as_str()).with(now).with(id.as_str());
            tx.execute(&sql).await?;
            Ok(())
        }
        BulkWrite::Remove { id } => {
            for sql in [
                "DELETE FROM bulk_part WHERE job = $1",
                "DELETE FROM bulk_chunk WHERE job = $1",
                "DELETE FROM bulk_line WHERE job = $1",
                "DELETE FROM bulk_job WHERE id = $1",
            ] {
                tx.execute(&Sql::new(sql).with(id.as_str())).await?;
            }
            Ok(())
        }
    }
}

async fn start(tx: &mut Tx<'_>, now: Millis, write: &BulkWrite) -> Result<(), Problem> {
    let BulkWrite::Start {
        id,
        kind,
        account,
        request,
        state,
        expires_at,
        open_max,
    } = write
    else {
        return Ok(());
    };
    let open = Sql::new(
        "SELECT COUNT(*) FROM bulk_job WHERE account = $1 AND state IN ('accepted', 'receiving')",
    );
    let open = tx.row(&open.with(*account)).await?;
    if open.map_or(Ok(0), |row| row.int(0))? >= i64::from(*open_max) {
        let message = format!(
            "This account has {open_max} bulk jobs under way; wait for one to end, or cancel it."
        );
        return Err(Problem::new(Kind::Throttled, message));
    }
    let sql = Sql::new(
        "INSERT INTO bulk_job (id, kind, account, request, state, cursor, done, refused, \
         started_at, changed_at, expires_at) VALUES ($1, $2, $3, $4, $5, '', 0, 0, $6, $6, $7)",
    )
    .with(id.as_str())
    .with(*kind)
    .with(*account)
    .with(request.as_str())
    .with(state.code());
    tx.execute(&sql.with(now).with(*expires_at)).await?;
    Ok(())
}

async fn advance(tx: &mut Tx<'_>, now: Millis, write: &BulkWrite) -> Result<(), Problem> {
    let BulkWrite::Advance {
        id,
        from,
        to,
        state,
        done,
        keys,
        bad,
    } = write
    else {
        return Ok(());
    };
    let sql = Sql::new(
        "UPDATE bulk_job SET cursor = $1, state = $2, done = done + $3, refused = refused + $4, \
         changed_at = $5 WHERE id = $6 AND cursor = $7 AND state IN ('accepted', 'receiving')",
    )
    .with(to.as_str())
    .with(state.code())
    .with(signed(*done))
    .with(signed(bad.len() as u64))
    .with(now)
    .with(id.as_str())
    .with(from.as_str());
    if tx.execute(&sql).await? == 0 {
        let message = "The bulk job is not where this step begins.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    super::files::write(tx, id, keys).await?;
    for line in bad {
        let sql =
            Sql::new("INSERT INTO bulk_line (job, line, reason, body) VALUES ($1, $2, $3, $4)");
        let sql = sql.with(id.as_str()).with(signed(line.line));
        let sql = sql.with(line.reason.as_str());
        tx.execute(&sql.with(body::compress(&line.body)?.as_slice()))
            .await?;
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// How long an import may bring nothing: then who sent it is gone, and so is its place.
const RECEIVING_MILLIS_MAX: Millis = 30 * 60_000;

const JOB: &str = "SELECT id, kind, account, request, state, cursor, done, refused, reason, \
     started_at, expires_at FROM bulk_job WHERE ";

impl Store {
    /// A job by its id, whoever started it: the door asks for whom it is.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bulk_job(&self, id: &str) -> Result<Option<BulkJob>, Problem> {
        let mut sql = Sql::new(JOB);
        sql.push("id = ").bind(id.to_string());
        self.rows(&sql).await?.first().map(job).transpose()
    }

    /// Jobs to be worked on, the oldest first, at most 100.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bulk_jobs_open(&self) -> Result<Vec<BulkJob>, Problem> {
        let mut sql = Sql::new(JOB);
        sql.push("state = 'accepted' ORDER BY started_at LIMIT 100");
        self.rows(&sql).await?.iter().map(job).collect()
    }

    /// How many imports are coming in.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bulk_jobs_receiving(&self) -> Result<u64, Problem> {
        let sql = Sql::new("SELECT COUNT(*) FROM bulk_job WHERE state = 'receiving'");
        let rows = self.rows(&sql).await?;
        rows.first().map_or(Ok(0), |row| row.int(0).map(unsigned))
    }

    /// Jobs whose time is over, and imports that nothing came in for since long, at most 100.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bulk_jobs_expired(&self) -> Result<Vec<BulkJob>, Problem> {
        let mut sql = Sql::new(JOB);
        sql.push("expires_at <= ")
            .bind(self.now())
            .push(" OR (state = 'receiving' AND changed_at <= ")
            .bind(self.now() - RECEIVING_MILLIS_MAX)
            .push(") ORDER BY expires_at LIMIT 100");
        self.rows(&sql).await?.iter().map(job).collect()
    }

    /// Lines of an import: those of the chunk of that number, with the number of the first line.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bulk_chunk(
        &self,
        id: &str,
        number: u32,
    ) -> Result<Option<(u64, Vec<u8>)>, Problem> {
        let sql =
            Sql::new("SELECT first_line, body FROM bulk_chunk WHERE job = $1 AND number = $2");
        let rows = self
            .rows_apart(sql.with(id.to_string()).with(number))
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let lines = body::decompress(row.bytes(1)?)?;
        Ok(Some((unsigned(row.int(0)?), lines)))
    }

    /// Lines that an import did not take in, after that one, at most `count`.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn bulk_bad_lines(
        &self,
        id: &str,
        after: u64,
        count: u32,
    ) -> Result<Vec<BadLine>, Problem> {
        let sql = Sql::new(
            "SELECT line, reason, body FROM bulk_line WHERE job = $1 AND line > $2 \
             ORDER BY line LIMIT $3",
        );
        let sql = sql.with(id.to_string()).with(signed(after)).with(count);
        let rows = self.rows_apart(sql).await?;
        let line = |row: &Row| {
            Ok(BadLine {
                line: unsigned(row.int(0)?),
                reason: row.text(1)?.to_string(),
                body: body::decompress(row.bytes(2)?)?,
            })
        };
        rows.iter().map(line).collect()
    }
}

fn job(row: &Row) -> Result<BulkJob, Problem> {
    Ok(BulkJob {
        id: row.text(0)?.to_string(),
        kind: row.text(1)?.to_string(),
        account: row.int(2)?,
        request: row.text(3)?.to_string(),
        state: BulkState::of(row.text(4)?),
        cursor: row.text(5)?.to_string(),
        done: unsigned(row.int(6)?),
        refused: unsigned(row.int(7)?),
        reason: row.text_opt(8)?.map(str::to_string),
        started_at: row.int(9)?,
        expires_at: row.int(10)?,
    })
}
