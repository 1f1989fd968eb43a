//! The worker: keeps the registry as the jobs say, and does one step after the other.

use std::time::Duration;

use access::{Scope, SystemPurpose};
use fhir::definitions::Definitions;
use fhir::problem::Problem;
use fhir::search::{Custom, Registry, extract};

use super::{EVERYTHING, Indexed, Place, Reindex, ReindexState, ReindexWrite, TIMES};
use crate::resources::body;
use crate::sql::Sql;
use crate::store::{Store, Weak};
use crate::words::UNKNOWN;
use crate::write::{Effect, Job};

/// How often the worker looks for jobs, and a process for parameters that another one was given.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Resources in one step.
const AT_ONCE: i64 = 100;

/// Starts the worker, which ends with the store.
pub(crate) fn start(store: Weak) {
    tokio::spawn(async move {
        let mut seen: Option<Vec<(i64, ReindexState)>> = None;
        loop {
            let Some(store) = store.upgrade() else { return };
            if let Err(problem) = look(&store, &mut seen).await {
                tracing::warn!(?problem, "reindexing waits");
            }
            drop(store);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

/// Makes the registry what the jobs say, before anything is written.
pub(crate) async fn begin(store: &Store) -> Result<(), Problem> {
    let jobs = store.reindexing().await?;
    let registry = registry(store, &jobs).await?;
    store.set_registry(registry);
    Ok(())
}

async fn look(store: &Store, seen: &mut Option<Vec<(i64, ReindexState)>>) -> Result<(), Problem> {
    let now = store.reindex_states().await?;
    if seen.as_ref() != Some(&now) {
        let jobs = store.reindexing().await?;
        let registry = registry(store, &jobs).await?;
        store.set_registry(registry);
        *seen = Some(now);
        // What was on its way under the registry of before is written by the next look, here and,
        // since they look as often, in other processes.
        return Ok(());
    }
    let Some((number, _)) = now.iter().find(|(_, state)| state.is_open()) else {
        return Ok(());
    };
    let job = store.reindex_job(*number).await?;
    let Some(job) = job.filter(|job| job.state.is_open()) else {
        return Ok(());
    };
    if job.state == ReindexState::Waiting {
        // Other processes look as often as this one; by then they index by it as well.
        tokio::time::sleep(LOOK_EVERY * if store.is_shared() { 4 } else { 1 }).await;
    }
    work(store, &job).await
}

/// R4's parameters and those of the jobs, each under its job's number.
async fn registry(store: &Store, jobs: &[Reindex]) -> Result<Registry, Problem> {
    let mut registry = Registry::r4();
    if store.has_text_search()
        && let Some(row) = store.rows(&Sql::new(TIMES)).await?.first()
    {
        registry.set_texts(row.int(0)?);
    }
    for job in jobs {
        let is_done = job.state == ReindexState::Done;
        if job.name == EVERYTHING {
            registry.set_behind(!is_done);
        } else if job.state != ReindexState::Refused
            && let Ok(Some(custom)) = custom(store, job).await?
        {
            registry.add(&custom, is_done);
        }
    }
    Ok(registry)
}

/// The parameter of a job's resource; the inner error is the reason why it is none.
async fn custom(store: &Store, job: &Reindex) -> Result<Result<Option<Custom>, Problem>, Problem> {
    const BODY: &str = "SELECT v.body FROM place p \
         JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
         JOIN ver v ON v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver \
         WHERE p.ty = $1 AND p.id = $2 AND r.del = 0";
    let id = job
        .name
        .strip_prefix("SearchParameter/")
        .unwrap_or_default();
    let ty = store.word("SearchParameter").await?;
    let rows = store.rows(&Sql::new(BODY).with(ty).with(id)).await?;
    let Some(row) = rows.first() else {
        return Ok(Ok(None));
    };
    let bytes = body::decompress(row.bytes(0)?)?;
    let resource = body::parse(&bytes)?;
    Ok(Custom::read(&resource, job.number))
}

/// Does a job to its end.
async fn work(store: &Store, job: &Reindex) -> Result<(), Problem> {
    let number = job.number;
    let (parameter, types) = if job.name == EVERYTHING {
        (None, Definitions::r4().resources())
    } else {
        match custom(store, job).await? {
            Ok(Some(custom)) => {
                let types = custom.types.iter().map(|(ty, _)| *ty).collect();
                (Some(custom), types)
            }
            Ok(None) => return write(store, ReindexWrite::Done { number }).await,
            Err(problem) => {
                let problem = problem.message;
                return write(store, ReindexWrite::Refuse { number, problem }).await;
            }
        }
    };
    if job.state == ReindexState::Waiting {
        let total = total(store, &types).await?;
        write(store, ReindexWrite::Begin { number, total }).await?;
    }
    let mut place = job.place;
    while let Some(ty) = usize::try_from(place.ty).ok().and_then(|at| types.get(at)) {
        store.let_others_first().await;
        let resources = batch(store, ty, place.rid, parameter.as_ref()).await?;
        let to = match resources.last() {
            Some(last) => Place {
                ty: place.ty,
                rid: last.rid,
            },
            None => Place {
                ty: place.ty + 1,
                rid: 0,
            },
        };
        let from = place;
        place = to;
        let step = ReindexWrite::Step {
            number,
            from,
            to,
            resources,
        };
        write(store, step).await?;
    }
    write(store, ReindexWrite::Done { number }).await
}

async fn write(store: &Store, write: ReindexWrite) -> Result<(), Problem> {
    let scope = Scope::system(SystemPurpose::Reindex);
    let job = Job::effect(Effect::Reindex(write));
    store.commit(&scope, job).await.map(drop)
}

async fn total(store: &Store, types: &[&str]) -> Result<i64, Problem> {
    let mut total = 0;
    for ty in types {
        let number = store.word(ty).await?;
        if number == UNKNOWN {
            continue;
        }
        let sql = Sql::new("SELECT COUNT(*) FROM res WHERE ty = $1 AND del = 0").with(number);
        if let Some(row) = store.rows_apart(sql).await?.first() {
            total += row.int(0)?;
        }
    }
    Ok(total)
}

/// The next resources of a type, with the entries that they are to have.
async fn batch(
    store: &Store,
    ty: &str,
    after: i64,
    parameter: Option<&Custom>,
) -> Result<Vec<Indexed>, Problem> {
    const NEXT: &str = "SELECT r.shard, r.rid, r.ver, v.body FROM res r CROSS JOIN ver v \
         WHERE r.ty = $1 AND r.rid > $2 AND r.del = 0 \
         AND v.shard = r.shard AND v.rid = r.rid AND v.ver = r.ver ORDER BY r.rid LIMIT $3";
    let number = store.word(ty).await?;
    if number == UNKNOWN {
        return Ok(Vec::new());
    }
    let sql = Sql::new(NEXT).with(number).with(after).with(AT_ONCE);
    let mut resources = Vec::new();
    let own = store.registry();
    for row in store.rows_apart(sql).await? {
        let bytes = body::decompress(row.bytes(3)?)?;
        let resource = body::parse(&bytes)?;
        let entries = match parameter {
            Some(custom) => custom.extract(ty, &resource),
            None => {
                let mut entries = extract(ty, &resource);
                entries.extend(own.extract_own(ty, &resource));
                entries
            }
        };
        resources.push(Indexed {
            ty: ty.to_string(),
            shard: row.int(0)?,
            rid: row.int(1)?,
            version: row.int(2)?,
            entries,
        });
    }
    Ok(resources)
}
