//! Subscriptions at work (<https://hl7.org/fhir/R4/subscription.html>): who is to be told of a
//! change is found with the same search and under the same scope as if the subscriber asked, and
//! each is told in order, again and again until it works or is given up for a person to see.
//!
//! What was committed is told, whatever happens to the process: changes and events are rows. A
//! subscriber may be told of the same event twice, never of none.

pub mod asked;
pub mod binding;
mod looking_back;
mod notice;
pub mod socket;
mod sockets;
mod tell;
mod turns;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::{Interaction, Scope, SystemPurpose};
use exchange::backoff::Backoff;
use exchange::outgoing::Outgoing;
use fhir::date::Millis;
use fhir::json::{Json, Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::search::Registry;
use futures_util::future::try_join_all;
use store::subscriptions::{Changed, NewEvent, Sub, SubState, SubWrite};
use store::{Change, Effect, Expect, Job, Prepared, Reading, Release};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::operations::bulk_worker::{matching, scope_of};
use crate::node::Node;

/// How often it is looked what has changed.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After how many looks old events are forgotten: about every hour.
const TIDY_EVERY: u32 = 7200;
/// Changes looked at in one go.
const CHANGES_AT_ONCE: u32 = 200;
/// Subscribers that changes are looked at for at a time.
const LOOKED_AT_ONCE: usize = 8;
/// How long it is waited for those who are being told, when the node stops.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often changes are looked at for one subscriber where that fails.
const LOOKS_MAX: u32 = 3;
/// Events that wait for a subscriber in error, or without a websocket, at most; then it is switched
/// off.
const WAITING_MAX: u32 = 10_000;
/// How long events that were told can still be asked for.
const KEPT_MILLIS: i64 = 7 * 86_400_000;

/// Why a subscription is off whose `end` has come.
const ENDED: &str = "Its end has come.";

/// The channel of those who open a websocket.
const WEBSOCKET: &str = "websocket";

/// What a node's subscriptions may do.
pub struct Subscriptions {
    /// The client for endpoints; without one nobody is told of anything.
    pub outgoing: Option<Outgoing>,
    /// Failures in a row after which a subscriber is given up.
    pub failures_max: u32,
    pub backoff: Backoff,
    /// Events in one answer to `$events`, at most, and after how many bytes of resources it ends.
    pub(crate) events_max: u32,
    pub(crate) events_bytes_max: usize,
    pub(crate) sockets: sockets::Sockets,
    pub(crate) turns: Arc<turns::Turns>,
}

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        Subscriptions {
            outgoing: None,
            failures_max: 10,
            backoff: Backoff {
                first_millis: 1000,
                cap_millis: 600_000,
            },
            events_max: 500,
            events_bytes_max: 32 << 20,
            sockets: Default::default(),
            turns: Default::default(),
        }
    }
}

/// Tells subscribers until told to stop.
pub async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let mut looks = 0_u32;
    let mut telling = JoinSet::new();
    loop {
        if looks.is_multiple_of(TIDY_EVERY) {
            tidy(&node).await;
        }
        looks = looks.wrapping_add(1);
        while telling.try_join_next().is_some() {}
        tokio::select! {
            () = async { round(&node, &mut telling).await; tokio::time::sleep(LOOK_EVERY).await } => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    node.subscriptions.sockets.close();
    let told = async { while telling.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_WITHIN, told).await;
}

/// Looks at what has changed, then tells everybody what is due, and waits for that.
pub async fn work(node: &Arc<Node>) {
    let mut telling = JoinSet::new();
    round(node, &mut telling).await;
    while telling.join_next().await.is_some() {}
}

/// Looks at what has changed, and begins the turns of those for whom something is due: one who takes
/// long keeps nobody waiting.
pub(crate) async fn round(node: &Arc<Node>, telling: &mut JoinSet<()>) {
    if let Err(problem) = look(node).await {
        tracing::error!(?problem, "changes could not be looked at for subscribers");
    }
    let subs = match node.store.subs().await {
        Ok(subs) => subs,
        Err(problem) => {
            tracing::error!(?problem, "subscriptions could not be read");
            return;
        }
    };
    let now = node.store.now();
    for sub in subs {
        if has_ended(&sub, now) {
            end(node, &sub).await;
            continue;
        }
        let is_due = match sub.state {
            SubState::Requested => sub.next_try <= now,
            SubState::Active => sub.next_try <= now && is_there(node, &sub),
            SubState::Error | SubState::Off => false,
        };
        if !is_due || node.subscriptions.turns.is_pausing(&sub.id, now) {
            continue;
        }
        if let Some(turn) = node.subscriptions.turns.begin(&sub.id, sub.tries > 0) {
            let node = node.clone();
            telling.spawn(async move { told(&node, &turn, &sub.id).await });
        }
    }
}

/// Whether its `end` has come, and it is to be switched off for that.
fn has_ended(sub: &Sub, now: Millis) -> bool {
    sub.state != SubState::Off && sub.ends_at.is_some_and(|end| end <= now)
}

/// Switches off what has ended, whether or not anything happens that it would be told of.
async fn end(node: &Node, sub: &Sub) {
    if let Err(problem) = set(node, &sub.id, SubState::Off, Some(ENDED)).await {
        tracing::error!(
            ?problem,
            subscription = sub.id,
            "a subscription that has ended could not be switched off"
        );
    }
}

/// Whether somebody can be told: a websocket is opened by the subscriber.
fn is_there(node: &Node, sub: &Sub) -> bool {
    sub.channel != WEBSOCKET || node.subscriptions.sockets.is_bound(&sub.id)
}

async fn told(node: &Node, turn: &turns::Turn, id: &str) {
    let begun = Instant::now();
    let outcome = async {
        // As it is now: since it was listed, somebody else may have had a turn for it.
        match node.store.sub(id).await? {
            Some(sub) if matches!(sub.state, SubState::Requested | SubState::Active) => {
                tell::due(node, sub).await
            }
            _ => Ok(()),
        }
    };
    match outcome.await {
        Ok(()) => turn.was_had(),
        Err(problem) => {
            tracing::error!(
                ?problem,
                subscription = id,
                "a subscriber could not be served; their turn comes after a pause"
            );
            turn.came_to_nothing(node.store.now(), &node.subscriptions.backoff);
        }
    }
    turn.took(begun.elapsed());
}

/// Forgets events that were told long ago.
async fn tidy(node: &Node) {
    let before = node.store.now() - KEPT_MILLIS;
    if let Err(problem) = write(node, SubWrite::Tidy { before }).await {
        tracing::error!(?problem, "old events could not be dropped");
    }
}

async fn write(node: &Node, write: SubWrite) -> Result<(), Problem> {
    let scope = Scope::system(SystemPurpose::Subscriptions);
    let job = Job::effect(Effect::Sub(write));
    node.store.commit(&scope, job).await.map(|_| ())
}

/// Finds out who is to be told of each change, and writes that down instead of the change.
async fn look(node: &Node) -> Result<(), Problem> {
    loop {
        let changes = node.store.sub_changes(CHANGES_AT_ONCE).await?;
        if changes.is_empty() {
            return Ok(());
        }
        let mut events = Vec::new();
        let subs = node.store.subs().await?;
        for some in subs.chunks(LOOKED_AT_ONCE) {
            let looking: Vec<_> = some
                .iter()
                .map(|sub| looked_if_on(node, sub, &changes))
                .collect();
            for found in try_join_all(looking).await? {
                events.extend(found);
            }
        }
        // In the order of the changes, whoever is told.
        events.sort_by_key(|(seq, _)| *seq);
        let looked = SubWrite::Looked {
            changes: changes.iter().map(|change| change.seq).collect(),
            events: events.into_iter().map(|(_, event)| event).collect(),
        };
        match write(node, looked).await {
            // Another process was faster.
            Err(problem) if problem.kind == Kind::Conflict => {}
            outcome => outcome?,
        }
    }
}

async fn looked_if_on(
    node: &Node,
    sub: &Sub,
    changes: &[Changed],
) -> Result<Vec<(i64, NewEvent)>, Problem> {
    match sub.state == SubState::Off || is_over(node, sub).await? {
        true => Ok(Vec::new()),
        false => looked_for(node, sub, changes).await,
    }
}

/// Switches off what has ended, or has waited for too long.
async fn is_over(node: &Node, sub: &Sub) -> Result<bool, Problem> {
    let reason = if has_ended(sub, node.store.now()) {
        ENDED
    } else if sub.events >= u64::from(WAITING_MAX)
        && (sub.state == SubState::Error || !is_there(node, sub))
    {
        let all = 0..=u64::MAX;
        let waiting = node
            .store
            .sub_events(&sub.id, all, true, WAITING_MAX)
            .await?;
        if waiting.len() < usize::try_from(WAITING_MAX).unwrap_or(usize::MAX) {
            return Ok(false);
        }
        "Too many events waited for it; some are missing. Ask for what changed by a search."
    } else {
        return Ok(false);
    };
    set(node, &sub.id, SubState::Off, Some(reason)).await?;
    Ok(true)
}

/// As `events_for`. What does not work for one subscriber may not hold up all others: it is tried
/// again a few times, then they are in error, and can see there that something is missing.
async fn looked_for(
    node: &Node,
    sub: &Sub,
    changes: &[Changed],
) -> Result<Vec<(i64, NewEvent)>, Problem> {
    for _ in 1..LOOKS_MAX {
        match events_for(node, sub, changes).await {
            Err(problem) if is_passing(&problem) => tokio::time::sleep(LOOK_EVERY).await,
            done => return done,
        }
    }
    match events_for(node, sub, changes).await {
        Err(problem) => {
            tracing::error!(
                ?problem,
                subscription = sub.id,
                "changes were not looked at"
            );
            let reason = "Changes could not be looked at for it; events may be missing. Ask for what changed by a search.";
            in_error(node, sub, reason).await?;
            Ok(Vec::new())
        }
        done => done,
    }
}

/// Sets a subscription in error, unless it is that for the same reason: each time is a version.
async fn in_error(node: &Node, sub: &Sub, reason: &str) -> Result<(), Problem> {
    if sub.state == SubState::Error && sub.error.as_deref() == Some(reason) {
        return Ok(());
    }
    set(node, &sub.id, SubState::Error, Some(reason)).await
}

/// Which of the changes this subscriber is told of: what they would find if they searched.
async fn events_for(
    node: &Node,
    sub: &Sub,
    changes: &[Changed],
) -> Result<Vec<(i64, NewEvent)>, Problem> {
    if !changes.iter().any(|change| sub.is_of(change)) {
        return Ok(Vec::new());
    }
    let query = match sub.whole_query() {
        Ok(query) => query,
        Err(problem) => {
            in_error(node, sub, &problem.message).await?;
            return Ok(Vec::new());
        }
    };
    let scope = match scope_of(node, sub.account, (Interaction::Subscribe, &sub.id)).await {
        Ok(scope) => scope,
        Err(problem) if matches!(problem.kind, Kind::Forbidden | Kind::Suppressed) => {
            in_error(node, sub, &problem.message).await?;
            return Ok(Vec::new());
        }
        Err(problem) => return Err(problem),
    };
    let of: Vec<&Changed> = changes.iter().filter(|it| sub.is_of(it)).collect();
    let found = match &sub.says {
        Some(topic) if topic.looks_back() => {
            looking_back::told_of(node, sub, topic, &scope, &of).await
        }
        _ => found(node, &scope, (&sub.ty, &query), &of).await,
    };
    let found = match found {
        Ok(found) => found,
        // A parameter that is not there any more, or a search that takes too long.
        Err(problem) if !is_passing(&problem) => {
            in_error(node, sub, &problem.message).await?;
            return Ok(Vec::new());
        }
        Err(problem) => return Err(problem),
    };
    let changes = of.into_iter().filter(|it| found.contains(&it.seq));
    let event = |change: &Changed| {
        let event = NewEvent {
            sub: sub.id.clone(),
            ty: change.ty.clone(),
            id: change.id.clone(),
            version: change.version,
            at: change.at,
        };
        (change.seq, event)
    };
    Ok(changes.map(event).collect())
}

/// What was just changed is indexed whole, however far the others are: while an older store is indexed anew, subscribers go
/// on hearing of it.
fn of_changes(node: &Node) -> Registry {
    let mut registry = (*node.store.registry()).clone();
    registry.set_behind(false);
    registry
}

/// Which of these changes are of what a search finds.
async fn found(
    node: &Node,
    scope: &Scope,
    query: (&str, &str),
    changes: &[&Changed],
) -> Result<HashSet<i64>, Problem> {
    let ids: HashSet<&str> = changes.iter().map(|change| change.id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let found = matching(node, &of_changes(node), scope, query, &ids).await?;
    let is_found = |change: &&&Changed| found.contains(&change.id);
    Ok(changes.iter().filter(is_found).map(|it| it.seq).collect())
}

fn is_passing(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Throttled | Kind::Transient | Kind::NoStore | Kind::Exception
    )
}

/// Sets a subscription's state, in the row that the work goes by and in the Subscription itself, at
/// once.
pub async fn set(
    node: &Node,
    id: &str,
    state: SubState,
    error: Option<&str>,
) -> Result<(), Problem> {
    let scope = Scope::system(SystemPurpose::Subscriptions);
    let mut job = Job::effect(Effect::Sub(SubWrite::Set {
        id: id.to_string(),
        state,
        error: error.map(str::to_string),
    }));
    if let Reading::Found(found) = node.store.read(&scope, "Subscription", id).await? {
        let resource = parse(&found.body, &Limits::default())?;
        let changed = with_state(&resource, state, error);
        match Prepared::new(&changed, id, &node.site.organisation) {
            Ok(resource) => job.changes.push(Change::Put {
                resource,
                expect: Expect::Version(found.version),
                release: Release::Keep,
            }),
            // One from before, that would not be taken today: its row alone is set.
            Err(problem) => {
                tracing::error!(
                    ?problem,
                    subscription = id,
                    "a Subscription was left as it is"
                );
            }
        }
    }
    match node.store.commit(&scope, job).await {
        // Somebody is changing it: that settles its state anew.
        Err(problem) if problem.kind == Kind::Conflict => Ok(()),
        outcome => outcome.map(|_| ()),
    }
}

fn with_state<'a>(resource: &Json<'a>, state: SubState, error: Option<&'a str>) -> Json<'a> {
    let members = resource.as_object().unwrap_or_default().iter();
    let kept = members.filter(|(name, _)| name != "status" && name != "error");
    let mut members: Vec<_> = kept.cloned().collect();
    members.push(("status".into(), Json::String(state.code().into())));
    if let Some(error) = error {
        members.push(("error".into(), Json::String(error.into())));
    }
    Json::Object(members)
}
