//! Indexing what is there already: by a search parameter that a SearchParameter resource brings, and
//! anew after a version of the node that makes more of R4's own. The work is a row of `reindex`,
//! written in the commit that makes it necessary, and goes on where it was after a crash. Until it
//! is done a search by the parameter is refused, since it would find too few.

mod own;
mod work;

use std::collections::HashMap;

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::search::{EXTRACTION, Entry};

use super::index::{At, IndexRows};
use super::prepared::each_word;
use crate::database::Tx;
use crate::failure;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::words;
use crate::write::Change;

pub(crate) use own::Shared;
pub(crate) use work::{begin, start};

/// What a job is called that indexes everything by R4's own parameters.
const EVERYTHING: &str = "everything";

/// A change of a job.
#[derive(Debug)]
pub enum ReindexWrite {
    /// Index everything anew.
    Everything,
    /// It has begun, with so many resources to look at.
    Begin { number: i64, total: i64 },
    /// Rows of some resources, and where the work goes on.
    Step {
        number: i64,
        from: Place,
        to: Place,
        resources: Vec<Indexed>,
    },
    /// There is nothing more to look at.
    Done { number: i64 },
    /// It cannot be done, and this is why.
    Refuse { number: i64, problem: String },
}

/// Where the work stands: the type, by its place in the job's list, and the last row looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) ty: i64,
    pub(crate) rid: i64,
}

/// A resource as it was read, and the entries that it is to have.
#[derive(Debug)]
pub struct Indexed {
    pub(crate) ty: String,
    pub(crate) shard: i64,
    pub(crate) rid: i64,
    pub(crate) version: i64,
    pub(crate) entries: Vec<Entry>,
}

/// A job, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reindex {
    /// `SearchParameter/<id>`, or `everything`.
    pub name: String,
    pub state: ReindexState,
    /// Resources looked at, and how many there were when it began.
    pub done: u64,
    pub total: u64,
    pub changed_at: Millis,
    /// Why it was refused.
    pub problem: Option<String>,
    pub(crate) number: i64,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReindexState {
    Waiting,
    Running,
    Done,
    Refused,
}

impl ReindexState {
    fn of(code: i64) -> ReindexState {
        match code {
            0 => ReindexState::Waiting,
            1 => ReindexState::Running,
            2 => ReindexState::Done,
            _ => ReindexState::Refused,
        }
    }

    pub(crate) fn is_open(self) -> bool {
        matches!(self, ReindexState::Waiting | ReindexState::Running)
    }
}

// All of them, without a bound: a job that is done stays for as long as its parameter is searched by,
// and the registry holds every parameter. With a bound the later ones would never be worked on.
const JOBS: &str = "SELECT number, name, state, next_type, next_rid, done, total, changed_at, \
     problem FROM reindex ORDER BY number";
const STATES: &str = "SELECT number, state FROM reindex ORDER BY number";
const ONE: &str = "SELECT number, name, state, next_type, next_rid, done, total, changed_at, \
     problem FROM reindex WHERE number = $1";

impl Store {
    /// The jobs, oldest first: what is indexed, how far it is, and what was refused. Nothing of a
    /// patient stands in them.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn reindexing(&self) -> Result<Vec<Reindex>, Problem> {
        let rows = self.rows_apart(Sql::new(JOBS)).await?;
        rows.iter().map(job).collect()
    }

    /// The numbers of the jobs, oldest first, and their states: what is looked at again and again.
    pub(crate) async fn reindex_states(&self) -> Result<Vec<(i64, ReindexState)>, Problem> {
        let rows = self.rows(&Sql::new(STATES)).await?;
        let state = |row: &Row| Ok((row.int(0)?, ReindexState::of(row.int(1)?)));
        rows.iter().map(state).collect()
    }

    /// The job of that number, if it is still there.
    pub(crate) async fn reindex_job(&self, number: i64) -> Result<Option<Reindex>, Problem> {
        let rows = self.rows(&Sql::new(ONE).with(number)).await?;
        rows.first().map(job).transpose()
    }
}

fn job(row: &Row) -> Result<Reindex, Problem> {
    let count = |column| Ok::<u64, Problem>(u64::try_from(row.int(column)?).unwrap_or_default());
    let problem = row.text(8)?;
    Ok(Reindex {
        number: row.int(0)?,
        name: row.text(1)?.to_string(),
        state: ReindexState::of(row.int(2)?),
        place: Place {
            ty: row.int(3)?,
            rid: row.int(4)?,
        },
        done: count(5)?,
        total: count(6)?,
        changed_at: row.int(7)?,
        problem: (!problem.is_empty()).then(|| problem.to_string()),
    })
}

const FORGET: &str = "DELETE FROM reindex WHERE name = $1";
const ASK: &str = "INSERT INTO reindex (name, state, next_type, next_rid, done, total, changed_at, \
     problem) VALUES ($1, 0, 0, 0, 0, 0, $2, '')";

/// Asks for the work that changes of SearchParameters bring, in their own commit.
pub(crate) async fn asked_by(
    tx: &mut Tx<'_>,
    now: Millis,
    changes: &[Change],
) -> Result<(), Problem> {
    for change in changes {
        let ("SearchParameter", id) = change.names() else {
            continue;
        };
        let name = format!("SearchParameter/{id}");
        match change {
            Change::Put { .. } => ask(tx, now, &name).await?,
            Change::Delete { .. } => {
                tx.execute(&Sql::new(FORGET).with(name)).await?;
            }
            Change::Release { .. } | Change::Veil { .. } => {}
        }
    }
    Ok(())
}

async fn ask(tx: &mut Tx<'_>, now: Millis, name: &str) -> Result<(), Problem> {
    tx.execute(&Sql::new(FORGET).with(name)).await?;
    tx.execute(&Sql::new(ASK).with(name).with(now)).await?;
    Ok(())
}

/// Asks for everything to be indexed anew, unless that is under way.
async fn anew(tx: &mut Tx<'_>, now: Millis) -> Result<(), Problem> {
    const OPEN: &str = "SELECT number FROM reindex WHERE name = $1 AND state IN (0, 1)";
    if tx.row(&Sql::new(OPEN).with(EVERYTHING)).await?.is_some() {
        let message = "Everything is being indexed anew already.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    ask(tx, now, EVERYTHING).await
}

/// When a store is opened: asks for everything to be indexed anew if an older version did it, or
/// without the words that it now is to be found by. A store without resources has nothing to catch
/// up with.
pub(crate) async fn catch_up(
    tx: &mut Tx<'_>,
    now: Millis,
    text_search: bool,
) -> Result<(), Problem> {
    const KNOWN: &str = "SELECT next FROM counter WHERE name = 'extraction'";
    const NOTE: &str = "INSERT INTO counter (name, next) VALUES ('extraction', $1) \
         ON CONFLICT (name) DO UPDATE SET next = excluded.next";
    let known = tx.row(&Sql::new(KNOWN)).await?;
    let known = known.map_or(Ok(1), |row| row.int(0))?;
    let has_more_words = words_begin(tx, text_search).await?;
    if known >= i64::from(EXTRACTION) && !has_more_words {
        return Ok(());
    }
    let some = tx.row(&Sql::new("SELECT rid FROM place LIMIT 1")).await?;
    if some.is_some() {
        ask(tx, now, EVERYTHING).await?;
    }
    let known = known.max(i64::from(EXTRACTION));
    tx.execute(&Sql::new(NOTE).with(known)).await?;
    Ok(())
}

/// The counter of the times that words began to be indexed; below nothing while they are not.
const TIMES: &str = "SELECT next FROM counter WHERE name = 'words'";

/// Whether words are indexed from now on that were not before. What stands in the index from an
/// earlier time is never found again: it was not kept up to date.
async fn words_begin(tx: &mut Tx<'_>, text_search: bool) -> Result<bool, Problem> {
    const NOTE: &str = "INSERT INTO counter (name, next) VALUES ('words', $1) \
         ON CONFLICT (name) DO UPDATE SET next = excluded.next";
    let times = tx.row(&Sql::new(TIMES)).await?;
    let times = times.map_or(Ok(0), |row| row.int(0))?;
    let now = match (text_search, times) {
        (true, times) if times <= 0 => 1 - times,
        (false, times) if times > 0 => -times,
        _ => return Ok(false),
    };
    tx.execute(&Sql::new(NOTE).with(now)).await?;
    Ok(text_search)
}

/// Applies a change of a job inside the writer's transaction.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &ReindexWrite,
) -> Result<(), Problem> {
    let sql = match write {
        ReindexWrite::Everything => return anew(tx, now).await,
        ReindexWrite::Begin { number, total } => Sql::new(
            "UPDATE reindex SET state = 1, total = $1, changed_at = $2 WHERE number = $3 \
             AND state = 0",
        )
        .with(*total)
        .with(now)
        .with(*number),
        ReindexWrite::Done { number } => {
            Sql::new("UPDATE reindex SET state = 2, changed_at = $1 WHERE number = $2")
                .with(now)
                .with(*number)
        }
        ReindexWrite::Refuse { number, problem } => Sql::new(
            "UPDATE reindex SET state = 3, changed_at = $1, problem = $2 WHERE number = $3",
        )
        .with(now)
        .with(problem)
        .with(*number),
        ReindexWrite::Step {
            number,
            from,
            to,
            resources,
        } => {
            let moved = step(tx, now, *number, (*from, *to), resources.len()).await?;
            // Another process was faster, or the job is gone.
            return match moved {
                true => index(tx, resources).await,
                false => Ok(()),
            };
        }
    };
    tx.execute(&sql).await?;
    Ok(())
}

async fn step(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (from, to): (Place, Place),
    count: usize,
) -> Result<bool, Problem> {
    let sql = Sql::new(
        "UPDATE reindex SET next_type = $1, next_rid = $2, done = done + $3, changed_at = $4 \
         WHERE number = $5 AND next_type = $6 AND next_rid = $7 AND state = 1",
    );
    let count = i64::try_from(count).unwrap_or_default();
    let sql = sql.with(to.ty).with(to.rid).with(count).with(now);
    let sql = sql.with(number).with(from.ty).with(from.rid);
    Ok(tx.execute(&sql).await? > 0)
}

/// Writes the rows of resources that are still as they were read: one that was changed since has
/// been indexed with the change.
async fn index(tx: &mut Tx<'_>, resources: &[Indexed]) -> Result<(), Problem> {
    const CURRENT: &str = "SELECT ver, del FROM res WHERE shard = $1 AND rid = $2";
    let asked: Vec<Sql<'_>> = resources
        .iter()
        .map(|it| Sql::new(CURRENT).with(it.shard).with(it.rid))
        .collect();
    let current = tx.rows_each(&asked).await?;
    let mut kept = Vec::with_capacity(resources.len());
    for (resource, rows) in resources.iter().zip(current) {
        if let Some(row) = rows.first()
            && row.int(0)? == resource.version
            && !row.flag(1)?
        {
            kept.push(resource);
        }
    }
    let known = interned(tx, &kept).await?;
    let word = |word: &str| {
        let number = known.get(word).copied();
        number.ok_or_else(|| failure::internal("a word was not reserved"))
    };
    let mut rows = IndexRows::default();
    let mut buffer = String::new();
    for resource in kept {
        let at = At {
            rid: resource.rid,
            shard: resource.shard,
        };
        for entry in &resource.entries {
            let param = word(words::parameter(&mut buffer, &resource.ty, entry.code))?;
            rows.push(param, entry, at, word)?;
        }
    }
    let lists: Vec<_> = rows.into_lists().collect();
    tx.insert_each(&lists).await
}

/// The numbers of all words that the rows need, made in one order, so that two processes do not wait
/// for each other in a ring.
async fn interned(
    tx: &mut Tx<'_>,
    resources: &[&Indexed],
) -> Result<HashMap<String, i64>, Problem> {
    let mut wanted = Vec::new();
    for resource in resources {
        each_word(&resource.ty, &resource.entries, |word| {
            wanted.push(word.to_string());
        });
        wanted.sort_unstable();
        wanted.dedup();
    }
    let mut known = HashMap::with_capacity(wanted.len());
    for word in wanted {
        let number = words::intern(tx, &word).await?;
        known.insert(word, number);
    }
    Ok(known)
}
