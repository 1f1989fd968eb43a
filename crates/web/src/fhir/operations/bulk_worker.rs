//! The work behind bulk jobs, done in the name of the account that started each: what the account
//! may not (any more) is not done.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use access::{
    AuditEntry, Caller, Interaction, Outcome, Purpose, Scope, SystemPurpose, Target, Who,
    decide_for,
};
use exchange::backoff::Backoff;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Registry, Search};
use parking_lot::Mutex;
use store::bulk::{BulkJob, BulkState, BulkWrite, Cursor, Key, Walker};
use store::opt_out::Bar;
use store::{Effect, Job};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::{export, import};
use crate::fhir::query;
use crate::node::Node;

/// How often it is looked whether another process left work, and what has expired.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a step is tried again that failed for the moment.
const TRIES_MAX: u32 = 8;
const WAIT_FIRST: Duration = Duration::from_millis(200);
/// Jobs worked on side by side.
const JOBS_AT_ONCE: usize = 4;
/// Waits after failures that pass, while the job lives.
const BACKOFF: Backoff = Backoff {
    first_millis: 1000,
    cap_millis: 300_000,
};
/// How long a job is left to another process that was seen to work on it.
const LEFT_MILLIS: Millis = 5000;
/// How long it is waited for the steps under way, when the node stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);
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
    /// An answer about opt-outs counts for so many days.
    pub opt_out_days_max: u32,
    pub(crate) wake: Notify,
    going: Mutex<Going>,
}

/// What this process knows of jobs that are not done.
#[derive(Debug, Default)]
struct Going {
    /// Being worked on.
    busy: HashSet<String>,
    /// How often they failed for the moment, and when they are tried again.
    waiting: HashMap<String, (u32, Millis)>,
}

impl Default for Bulk {
    fn default() -> Bulk {
        Bulk {
            jobs_a_caller_max: 3,
            keep_hours: 24,
            import_bytes_max: 4 << 30,
            opt_out_days_max: 21,
            wake: Notify::new(),
            going: Mutex::default(),
        }
    }
}

/// Works on bulk jobs until told to stop. What is left unfinished is taken up again.
pub async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let mut working = JoinSet::new();
    loop {
        let rounds = async {
            round(&node, &mut working).await;
            tokio::select! {
                () = node.bulk.wake.notified() => {}
                Some(_) = working.join_next() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    let done = async { while working.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_WITHIN, done).await;
}

/// Works off the jobs that there are, and drops those that have expired.
pub async fn work(node: &Arc<Node>) {
    let mut working = JoinSet::new();
    round(node, &mut working).await;
    while working.join_next().await.is_some() {
        round(node, &mut working).await;
    }
}

/// Drops what has expired, and begins with jobs that nobody here works on, the oldest first.
pub(crate) async fn round(node: &Arc<Node>, working: &mut JoinSet<()>) {
    match node.store.bulk_jobs_expired().await {
        Ok(expired) => {
            for job in expired {
                node.bulk.going.lock().waiting.remove(&job.id);
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
    node.bulk.forget_all_but(&jobs);
    for job in jobs {
        if node.bulk.begin(&job.id, node.store.now()) {
            let node = node.clone();
            working.spawn(async move {
                let busy = Busy {
                    node,
                    id: job.id.clone(),
                };
                let outcome = finish(&busy.node, job).await;
                ended(&busy.node, &busy.id, outcome).await;
            });
        }
    }
}

/// A job that is being worked on, until this is dropped.
struct Busy {
    node: Arc<Node>,
    id: String,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.node.bulk.going.lock().busy.remove(&self.id);
    }
}

impl Bulk {
    /// Whether that job is to be begun with: if so, it is busy from now on.
    fn begin(&self, id: &str, now: Millis) -> bool {
        let mut going = self.going.lock();
        let waits = going.waiting.get(id).is_some_and(|(_, until)| *until > now);
        let may = going.busy.len() < JOBS_AT_ONCE && !waits;
        may && going.busy.insert(id.to_string())
    }

    /// Forgets the failures of jobs that are not there any more.
    fn forget_all_but(&self, jobs: &[BulkJob]) {
        let waiting = &mut self.going.lock().waiting;
        waiting.retain(|id, _| jobs.iter().any(|job| job.id == *id));
    }
}

/// What passes is tried again later, from where the job stands; what does not ends it.
pub(crate) async fn ended(node: &Node, id: &str, outcome: Result<(), Problem>) {
    let Err(problem) = outcome else {
        node.bulk.going.lock().waiting.remove(id);
        return;
    };
    match problem.kind {
        // Cancelled, or another process does it, which may end without having done it.
        Kind::Conflict => {
            let until = node.store.now() + LEFT_MILLIS;
            let mut going = node.bulk.going.lock();
            going.waiting.entry(id.to_string()).or_default().1 = until;
        }
        Kind::Throttled | Kind::Transient | Kind::NoStore => {
            let now = node.store.now();
            let mut going = node.bulk.going.lock();
            let waiting = going.waiting.entry(id.to_string()).or_default();
            waiting.0 = waiting.0.saturating_add(1);
            waiting.1 = BACKOFF.next_try(now, waiting.0).max(now + 1);
            tracing::warn!(?problem, job = id, tries = waiting.0, "a bulk job waits");
        }
        _ => {
            tracing::warn!(?problem, job = id, "a bulk job failed");
            let (id, reason) = (id.to_string(), problem.message);
            write(node, BulkWrite::Fail { id, reason }).await;
        }
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
        acting: None,
    };
    let now = node.store.now();
    let standing = node.store.standing(&caller.who, now).await?;
    decide_for(&caller, interaction, "Bundle", purpose, (&standing, now))
}

async fn export(node: &Node, job: BulkJob) -> Result<(), Problem> {
    let request = export::Request::of(&job)?;
    let disclosure = request.said.disclosure()?;
    let scope = scope_of(node, job.account, (Interaction::Export, &job.id)).await?;
    let scope = scope.for_disclosure(&disclosure);
    let bar = request.bar(node, &disclosure).await?;
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
    if let Some(bar) = &bar {
        walker = walker.barring(bar.clone());
    }
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
        let mut step = Job::effect(Effect::Bulk(advance));
        if let (Some(bar), true) = (&bar, is_end) {
            step.traces.push(counted(&scope, &job.id, bar));
        }
        node.store.commit(&system, step).await?;
        if is_end {
            return Ok(());
        }
        from = to;
    }
}

/// The line of the log that says of how many people an export was, and how many were left out:
/// counts, and nobody's number.
fn counted(scope: &Scope, job: &str, bar: &Bar) -> AuditEntry {
    let (patients, removed) = (bar.patients(), bar.removed());
    let (check, asked) = (bar.check(), fhir::date::instant(bar.check().sent_at));
    tracing::info!(job, patients, removed, "national data opt-outs were obeyed");
    let told = format!(
        "bulk job {job}: opt-outs by check {} of {asked}: {patients} patients checked, {removed} left out",
        check.number
    );
    let target = Target {
        query: Some(told.into()),
        ..Target::default()
    };
    scope.trace(Interaction::Export, Outcome::Success, target)
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
    let registry = node.store.registry();
    let (asked, mut kept): (Vec<Key>, Vec<Key>) = keys
        .into_iter()
        .partition(|key| request.filters.iter().any(|(ty, _)| *ty == key.ty));
    for some in asked.chunk_by(|a, b| a.ty == b.ty) {
        for some in some.chunks(IDS_AT_ONCE) {
            let Some(first) = some.first() else { continue };
            let ids: Vec<&str> = some.iter().map(|key| key.id.as_str()).collect();
            let mut found = std::collections::HashSet::new();
            for (_, text) in request.filters.iter().filter(|(ty, _)| *ty == first.ty) {
                let query = (&*first.ty, &**text);
                found.extend(matching(node, &registry, scope, query, &ids).await?);
            }
            kept.extend(some.iter().filter(|key| found.contains(&key.id)).cloned());
        }
    }
    Ok(kept)
}

/// Which of these resources a search finds, under the scope, with the parameters of that registry.
pub async fn matching(
    node: &Node,
    registry: &Registry,
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
    let mut search = Search::parse_with(registry, ty, &pairs, &node.site.fhir_url(), &limits)?;
    search.count = u32::try_from(IDS_AT_ONCE).unwrap_or(u32::MAX).max(1000);
    // Only whether each is found counts. In the order of making, which no change upsets, none is passed
    // over between two pages.
    search.sort.clear();
    search.includes.clear();
    let mut found = Vec::new();
    loop {
        // A page ends with its bytes, too, however few they are.
        let page = node.store.search(scope, &search).await?;
        let own = page.entries.into_iter().filter(|it| it.ty == ty);
        found.extend(own.map(|version| version.id));
        search.after = page.next;
        if search.after.is_none() {
            return Ok(found);
        }
    }
}
