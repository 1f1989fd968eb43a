//! The work behind bulk jobs, done in the name of the account that started each: what the account
//! may not (any more) is not done.

use std::sync::Arc;
use std::time::Duration;

use access::{Caller, Interaction, Purpose, Scope, SystemPurpose, Target, Who, decide_for};
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use store::bulk::{BulkJob, BulkState, BulkWrite, Cursor, Key, Walker};
use store::{Effect, Job};
use tokio::sync::{Notify, watch};

use super::{export, import};
use crate::fhir::query;
use crate::node::Node;

/// How often it is looked whether another process left work, and what has expired.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a step is tried again that failed for the moment.
const TRIES_MAX: u32 = 8;
const WAIT_FIRST: Duration = Duration::from_millis(200);
/// Ids asked of a filter at once.
const IDS_AT_ONCE: usize = 200;

/// What a node's bulk jobs may take.
#[derive(Debug)]
pub struct Bulk {
    /// Jobs of one account under way, at most.
    pub jobs_a_caller_max: u32,
    /// How long a job and its files are kept.
    pub keep_hours: u32,
    /// The longest import, in bytes.
    pub import_bytes_max: u64,
    pub(crate) wake: Notify,
}

impl Default for Bulk {
    fn default() -> Bulk {
        Bulk {
            jobs_a_caller_max: 3,
            keep_hours: 24,
            import_bytes_max: 4 << 30,
            wake: Notify::new(),
        }
    }
}

/// Works on bulk jobs until told to stop. What is left unfinished is taken up again.
pub async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    loop {
        let working = async {
            work(&node).await;
            tokio::select! {
                () = node.bulk.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        };
        tokio::select! {
            () = working => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Works off the jobs that there are, one after the other, and drops those that have expired.
pub async fn work(node: &Node) {
    match node.store.bulk_jobs_expired().await {
        Ok(expired) => {
            for job in expired {
                write(node, BulkWrite::Remove { id: job.id }).await;
            }
        }
        Err(problem) => tracing::error!(?problem, "expired bulk jobs could not be looked for"),
    }
    let jobs = match node.store.bulk_jobs_open().await {
        Ok(jobs) => jobs,
        Err(problem) => {
            tracing::error!(?problem, "bulk jobs could not be looked for");
            return;
        }
    };
    for job in jobs {
        let id = job.id.clone();
        let Err(problem) = finish(node, job).await else {
            continue;
        };
        // Cancelled, or another process does it.
        if problem.kind == Kind::Conflict {
            continue;
        }
        tracing::warn!(?problem, job = id, "a bulk job failed");
        let reason = problem.message.clone();
        write(node, BulkWrite::Fail { id, reason }).await;
    }
}

async fn write(node: &Node, write: BulkWrite) {
    let scope = Scope::system(SystemPurpose::BulkJobs);
    let job = Job::effect(Effect::Bulk(write));
    if let Err(problem) = node.store.commit(&scope, job).await {
        tracing::error!(?problem, "a bulk job could not be noted");
    }
}

async fn finish(node: &Node, job: BulkJob) -> Result<(), Problem> {
    match job.kind.as_str() {
        "export" => export(node, job).await,
        _ => import::finish(node, job).await,
    }
}

/// The account's scope, decided anew: it may have been closed, or its role changed.
pub async fn scope_of(
    node: &Node,
    account: i64,
    (interaction, request_id): (Interaction, &str),
) -> Result<Scope, Problem> {
    let Some(account) = node.store.account(account).await? else {
        let message = "The account that started it is closed.";
        return Err(Problem::new(Kind::Forbidden, message));
    };
    let who = account.who();
    let purpose = match &who {
        Who::Patient { .. } => Purpose::PatientRequest,
        _ => Purpose::DirectCare,
    };
    let caller = Caller {
        who,
        request_id: request_id.into(),
        granted: None,
    };
    let now = node.store.now();
    let standing = node.store.standing(&caller.who, now).await?;
    decide_for(&caller, interaction, "Bundle", purpose, (&standing, now))
}

async fn export(node: &Node, job: BulkJob) -> Result<(), Problem> {
    let request: export::Request = serde_json::from_str(&job.request)
        .map_err(|error| Problem::new(Kind::Exception, "The job does not read.").because(error))?;
    let scope = scope_of(node, job.account, (Interaction::Export, &job.id)).await?;
    let after = Cursor::parse(&job.cursor).unwrap_or_default();
    let target = Target {
        query: Some(format!("bulk job {}", job.id).into()),
        ..Target::default()
    };
    let walk = request.walk(after);
    let mut walker = node
        .store
        .walk(&scope, Interaction::Export, target, walk)
        .await?;
    let mut from = job.cursor.clone();
    loop {
        node.store.let_others_first().await;
        let step = patiently(&mut walker).await?;
        let is_end = step.is_none();
        let mut keys = step.unwrap_or_default();
        if !request.filters.is_empty() {
            keys = filtered(node, &scope, &request, keys).await?;
        }
        let to = walker.cursor().to_string();
        let state = match is_end {
            true => BulkState::Done,
            false => BulkState::Accepted,
        };
        let advance = BulkWrite::Advance {
            id: job.id.clone(),
            from,
            to: to.clone(),
            state,
            done: keys.len() as u64,
            keys,
            bad: Vec::new(),
        };
        let system = Scope::system(SystemPurpose::BulkJobs);
        node.store
            .commit(&system, Job::effect(Effect::Bulk(advance)))
            .await?;
        if is_end {
            return Ok(());
        }
        from = to;
    }
}

/// The next step of a walk, tried again while the store has too much to do.
async fn patiently(walker: &mut Walker) -> Result<Option<Vec<Key>>, Problem> {
    let mut wait = WAIT_FIRST;
    for _ in 1..TRIES_MAX {
        match walker.next_keys().await {
            Err(problem) if matches!(problem.kind, Kind::Throttled | Kind::Transient) => {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            outcome => return outcome,
        }
    }
    walker.next_keys().await
}

/// Of the types that have filters, what one of them matches.
async fn filtered(
    node: &Node,
    scope: &Scope,
    request: &export::Request,
    keys: Vec<Key>,
) -> Result<Vec<Key>, Problem> {
    let (asked, mut kept): (Vec<Key>, Vec<Key>) = keys
        .into_iter()
        .partition(|key| request.filters.iter().any(|(ty, _)| *ty == key.ty));
    for some in asked.chunk_by(|a, b| a.ty == b.ty) {
        for some in some.chunks(IDS_AT_ONCE) {
            let Some(first) = some.first() else { continue };
            let ids: Vec<&str> = some.iter().map(|key| key.id.as_str()).collect();
            let mut found = std::collections::HashSet::new();
            for (_, text) in request.filters.iter().filter(|(ty, _)| *ty == first.ty) {
                found.extend(matching(node, scope, (&first.ty, text), &ids).await?);
            }
            kept.extend(some.iter().filter(|key| found.contains(&key.id)).cloned());
        }
    }
    Ok(kept)
}

/// Which of these resources a search finds, under the scope.
pub async fn matching(
    node: &Node,
    scope: &Scope,
    (ty, text): (&str, &str),
    ids: &[&str],
) -> Result<Vec<String>, Problem> {
    let limits = Limits {
        values_max: IDS_AT_ONCE.max(Limits::default().values_max),
        ..node.fhir.bounds.of_search()
    };
    let mut pairs = query::pairs(text)?;
    pairs.push(("_id".to_string(), ids.join(",")));
    let mut search = Search::parse_with(
        &node.store.registry(),
        ty,
        &pairs,
        &node.site.fhir_url(),
        &limits,
    )?;
    search.count = u32::try_from(IDS_AT_ONCE).unwrap_or(u32::MAX).max(1000);
    let page = node.store.search(scope, &search).await?;
    let found = page.entries.into_iter().filter(|it| it.ty == ty);
    Ok(found.map(|version| version.id).collect())
}
