//! One batch: begin, apply, commit, answer.

use fhir::problem::Problem;

use crate::audit;
use crate::database::Tx;
use crate::dialect::Dialect;
use crate::failure;
use crate::hl7_out;
use crate::journal;
use crate::reserve::Reserve;
use crate::resources;
use crate::sql::Sql;
use crate::subscriptions;
use crate::write::{Committed, Write, apply_effect};
use crate::writer::{Core, Queued};

/// Runs a batch to its end and answers each of its writes.
pub(crate) async fn run(core: &mut Core, tx: &mut Tx<'_>, dialect: Dialect, batch: Vec<Queued>) {
    if batch.is_empty() {
        return;
    }
    if let Some(problem) = core.fault.problem() {
        return refuse(batch, &problem);
    }
    let batch = as_far_as_there_is_room(core, batch);
    if batch.is_empty() {
        return;
    }
    match transact(core, tx, dialect, &batch).await {
        Ok(results) => answer(core, batch, results),
        Err(problem) => {
            core.undone();
            // A commit that failed may have ended the transaction already.
            let _ = tx.batch("ROLLBACK").await;
            if failure::is_disk_fault(&problem) {
                tracing::error!(
                    ?problem,
                    "the disk failed under a commit; nothing more is written"
                );
                core.fault.set(&problem);
            }
            let full = failure::is_full(&problem);
            match &mut core.reserve {
                // Once: the next time it is given up already.
                Some(reserve) if full && !reserve.is_given_up() && batch.iter().any(is_vital) => {
                    reserve.give_up();
                    Box::pin(run(core, tx, dialect, batch)).await;
                }
                _ => refuse(batch, &problem),
            }
        }
    }
}

/// What may be written: all, or, while the disk is full and its reserve in use, what that is for. The
/// rest is refused.
fn as_far_as_there_is_room(core: &mut Core, batch: Vec<Queued>) -> Vec<Queued> {
    let reserve = core.reserve.as_mut().filter(|it| it.is_given_up());
    if reserve.is_none_or(Reserve::take_back) {
        return batch;
    }
    let (vital, rest) = batch.into_iter().partition(is_vital);
    refuse(rest, &failure::full());
    vital
}

fn is_vital(queued: &Queued) -> bool {
    queued.write.is_vital()
}

/// Answers all of a batch with the same problem.
pub(crate) fn refuse(batch: Vec<Queued>, problem: &Problem) {
    for queued in batch {
        let _ = queued.answer.send(Err(problem.clone()));
    }
}

fn answer(core: &mut Core, batch: Vec<Queued>, results: Vec<Result<Committed, Problem>>) {
    core.committed();
    core.load.note(&batch);
    if let Some(cache) = &core.cache {
        for result in results.iter().flatten() {
            for written in &result.written {
                cache.forget(&written.ty, &written.id);
            }
        }
    }
    for (queued, result) in batch.into_iter().zip(results) {
        let _ = queued.answer.send(result);
    }
}

/// How the jobs of a batch are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Not at all: one that fails undoes all. Savepoints cost about a third of a small job.
    Together,
    /// Each under a savepoint: one that fails undoes itself.
    Each,
}

/// Of processes that share a schema one at a time looks at conditions: what it sees is committed, and
/// what it makes is so before the next looks. Taken before any row, so that no two wait in a ring.
const TAKE_TURNS: &str =
    "SELECT pg_advisory_xact_lock(hashtext('handover conditions ' || current_schema()))";

/// Most batches hold no job that fails. One that does is undone and done again, each job under a
/// savepoint of its own: at most twice the work, whatever comes.
async fn transact(
    core: &mut Core,
    tx: &mut Tx<'_>,
    dialect: Dialect,
    batch: &[Queued],
) -> Result<Vec<Result<Committed, Problem>>, Problem> {
    match attempt(core, tx, dialect, batch, Apart::Together).await {
        Err(_) if core.may_try_again() && batch.len() > 1 => {
            core.undone();
            tx.batch("ROLLBACK").await?;
            attempt(core, tx, dialect, batch, Apart::Each).await
        }
        outcome => outcome,
    }
}

async fn attempt(
    core: &mut Core,
    tx: &mut Tx<'_>,
    dialect: Dialect,
    batch: &[Queued],
    apart: Apart,
) -> Result<Vec<Result<Committed, Problem>>, Problem> {
    let begin = match dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    };
    core.in_jobs = false;
    tx.batch(begin).await?;
    if dialect == Dialect::Postgres && batch.iter().any(|queued| queued.write.is_conditional()) {
        tx.batch(TAKE_TURNS).await?;
    }
    // Another process may have changed what is watched.
    core.watched = None;
    core.reserve(tx, batch).await?;
    core.in_jobs = true;
    let mut results = Vec::with_capacity(batch.len());
    let mut lines = Vec::new();
    for queued in batch {
        results.push(match (&queued.write, apart) {
            (Write::Trace(traces), _) => {
                lines.extend(traces.iter().flatten());
                Ok(Committed::default())
            }
            (_, Apart::Together) => Ok(apply(core, tx, &queued.write).await?),
            (_, Apart::Each) => under_savepoint(core, tx, &queued.write).await?,
        });
    }
    core.in_jobs = false;
    audit::write(tx, core.now(), &lines).await?;
    tx.batch("COMMIT").await?;
    Ok(results)
}

/// The outer error ends the batch; the inner one is the job's own answer.
async fn under_savepoint(
    core: &mut Core,
    tx: &mut Tx<'_>,
    write: &Write,
) -> Result<Result<Committed, Problem>, Problem> {
    tx.execute(&Sql::new("SAVEPOINT job")).await?;
    let result = apply(core, tx, write).await;
    if result.is_err() {
        tx.execute(&Sql::new("ROLLBACK TO SAVEPOINT job")).await?;
    }
    tx.execute(&Sql::new("RELEASE SAVEPOINT job")).await?;
    Ok(result)
}

async fn apply(core: &mut Core, tx: &mut Tx<'_>, write: &Write) -> Result<Committed, Problem> {
    let (scope, job) = match write {
        Write::Job(scope, job) => (scope, job),
        Write::Journal(name, batches) => {
            journal::apply(tx, name, batches).await?;
            return Ok(Committed::default());
        }
        Write::Trace(_) => return Ok(Committed::default()),
    };
    let now = core.now();
    resources::check_expected(core, tx, scope, &job.expected).await?;
    let (written, changed) = resources::apply(core, tx, scope, &job.changes).await?;
    subscriptions::note(core, tx, scope, &job.changes, &written).await?;
    hl7_out::note(core, tx, &job.effects, &written).await?;
    let mut done = Vec::with_capacity(job.effects.len());
    for effect in &job.effects {
        done.push(apply_effect(tx, now, effect).await?);
    }
    let lines: Vec<_> = changed.iter().chain(&job.traces).collect();
    audit::write(tx, now, &lines).await?;
    Ok(Committed { written, done })
}
