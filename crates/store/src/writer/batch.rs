//! One batch: begin, apply, commit, answer.

use fhir::problem::Problem;

use crate::audit;
use crate::database::Tx;
use crate::dialect::Dialect;
use crate::failure;
use crate::resources;
use crate::sql::Sql;
use crate::write::{Committed, Write, apply_effect};
use crate::writer::{Core, Queued};

/// Runs a batch to its end and answers each of its writes.
pub(crate) async fn run(core: &mut Core, tx: &mut Tx<'_>, dialect: Dialect, batch: Vec<Queued>) {
    if batch.is_empty() {
        return;
    }
    if let Some(problem) = &core.broken {
        return refuse(batch, problem);
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
                core.broken = Some(problem.clone());
            }
            refuse(batch, &problem);
        }
    }
}

/// Answers all of a batch with the same problem.
pub(crate) fn refuse(batch: Vec<Queued>, problem: &Problem) {
    for queued in batch {
        let _ = queued.answer.send(Err(problem.clone()));
    }
}

fn answer(core: &mut Core, batch: Vec<Queued>, results: Vec<Result<Committed, Problem>>) {
    core.committed();
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

async fn transact(
    core: &mut Core,
    tx: &mut Tx<'_>,
    dialect: Dialect,
    batch: &[Queued],
) -> Result<Vec<Result<Committed, Problem>>, Problem> {
    let begin = match dialect {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    };
    tx.batch(begin).await?;
    core.reserve(tx, batch).await?;
    let mut results = Vec::with_capacity(batch.len());
    for queued in batch {
        results.push(match &queued.write {
            Write::Trace(_) => Ok(Committed::default()),
            // Alone, its error undoes the transaction itself.
            Write::Job(..) if batch.len() == 1 => Ok(apply(core, tx, &queued.write).await?),
            Write::Job(..) => under_savepoint(core, tx, &queued.write).await?,
        });
    }
    let mut lines = Vec::new();
    for queued in batch {
        if let Write::Trace(traces) = &queued.write {
            lines.extend(traces);
        }
    }
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
    let Write::Job(scope, job) = write else {
        return Ok(Committed::default());
    };
    let now = core.now();
    let (written, changed) = resources::apply(core, tx, scope, &job.changes).await?;
    let mut done = Vec::with_capacity(job.effects.len());
    for effect in &job.effects {
        done.push(apply_effect(tx, now, effect).await?);
    }
    let lines: Vec<_> = changed.iter().chain(&job.traces).collect();
    audit::write(tx, now, &lines).await?;
    Ok(Committed { written, done })
}
