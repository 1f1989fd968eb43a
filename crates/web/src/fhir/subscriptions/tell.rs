//! Telling one subscriber what is due.

use access::{Interaction, Scope};
use bytes::Bytes;
use exchange::outgoing::Call;
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use http::Method;
use store::Version;
use store::subscriptions::{Event, Sub, SubState, SubWrite};

use super::notice::{self, FULL, Focus, Notice};
use super::{WEBSOCKET, set, write};
use crate::fhir::format::{FHIR_JSON, FHIR_XML};
use crate::fhir::operations::bulk_worker::scope_of;
use crate::fhir::{edge, query};
use crate::node::Node;

/// Events told in one go; others get their turn before the next.
const EVENTS_AT_ONCE: u32 = 50;

/// Why a subscriber was not told.
enum Untold {
    /// A websocket that nobody has open: they are told once they have.
    Nobody,
    Failed(String),
}

/// Tells a subscriber what waits for them, in order; stops at the first that does not get through.
///
/// # Errors
/// What passes by itself: nothing is counted against the subscriber then.
pub async fn due(node: &Node, sub: Sub) -> Result<(), Problem> {
    let reason = match told(node, &sub).await {
        Ok(Ok(()) | Err(Untold::Nobody)) => return Ok(()),
        Ok(Err(Untold::Failed(reason))) => reason,
        Err(problem) if passes(&problem) => return Err(problem),
        // It would be so at each try, for ever, and keep all that follows from being told: counted as
        // an endpoint's failures are, until a person sees it.
        Err(problem) => {
            tracing::warn!(
                ?problem,
                subscription = sub.id,
                "a notification could not be made"
            );
            problem.message
        }
    };
    failed(node, &sub, reason).await
}

/// Whether it lies with the store as a whole, and passes, and not with what is to be told.
fn passes(problem: &Problem) -> bool {
    let kinds = [
        Kind::Throttled,
        Kind::Transient,
        Kind::NoStore,
        Kind::Timeout,
    ];
    kinds.contains(&problem.kind) || problem.came_between()
}

async fn told(node: &Node, sub: &Sub) -> Result<Result<(), Untold>, Problem> {
    if sub.state == SubState::Requested {
        if scope(node, sub).await?.is_none() {
            return Ok(Ok(()));
        }
        // A websocket's handshake is with its binding.
        if !sub.topic.is_empty() && sub.channel != WEBSOCKET {
            let call = notified(node, sub, Notice::Handshake, &[], &[]).await?;
            if let Err(untold) = send(node, sub, call).await {
                return Ok(Err(untold));
            }
            note(node, sub, 0).await?;
        }
        set(node, &sub.id, SubState::Active, None).await?;
    }
    let all = 0..=u64::MAX;
    let events = node
        .store
        .sub_events(&sub.id, all, true, EVENTS_AT_ONCE)
        .await?;
    let quiet = events.is_empty();
    let mut is_pinged = false;
    for event in events {
        // Decided anew for each: what they may see, and whether they still may.
        let Some(scope) = scope(node, sub).await? else {
            return Ok(Ok(()));
        };
        // One ping is for all that has happened until then.
        let is_known = is_pinged && sub.channel == WEBSOCKET && sub.topic.is_empty();
        if !is_known && let Some(call) = call(node, sub, &scope, &event).await? {
            if let Err(untold) = send(node, sub, call).await {
                return Ok(Err(untold));
            }
            is_pinged = true;
        }
        note(node, sub, event.number).await?;
    }
    let heartbeat = i64::from(sub.heartbeat_seconds) * 1000;
    let silent = node.store.now().saturating_sub(sub.told_at);
    if quiet && sub.state == SubState::Active && heartbeat > 0 && silent >= heartbeat {
        let call = notified(node, sub, Notice::Heartbeat, &[], &[]).await?;
        if let Err(untold) = send(node, sub, call).await {
            return Ok(Err(untold));
        }
        note(node, sub, 0).await?;
    }
    Ok(Ok(()))
}

/// The subscriber's scope as of now; without one, the subscription is in error.
async fn scope(node: &Node, sub: &Sub) -> Result<Option<Scope>, Problem> {
    match scope_of(node, sub.account, (Interaction::Subscribe, &sub.id)).await {
        Ok(scope) => Ok(Some(scope)),
        Err(problem) if matches!(problem.kind, Kind::Forbidden | Kind::Suppressed) => {
            set(node, &sub.id, SubState::Error, Some(&problem.message)).await?;
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// Notes that all was told up to that number.
async fn note(node: &Node, sub: &Sub, number: u64) -> Result<(), Problem> {
    let id = sub.id.clone();
    write(node, SubWrite::Told { id, number }).await
}

/// Counts a try that failed; after so many in a row the subscription is in error.
async fn failed(node: &Node, sub: &Sub, reason: String) -> Result<(), Problem> {
    // As it is now: what got through before has set the count back, and somebody may have switched it
    // off.
    let Some(sub) = node.store.sub(&sub.id).await? else {
        return Ok(());
    };
    if !matches!(sub.state, SubState::Requested | SubState::Active) {
        return Ok(());
    }
    let tries = sub.tries.saturating_add(1);
    if tries >= node.subscriptions.failures_max {
        return set(node, &sub.id, SubState::Error, Some(&reason)).await;
    }
    let next_try = node.subscriptions.backoff.next_try(node.store.now(), tries);
    let failed = SubWrite::Failed {
        id: sub.id,
        reason,
        next_try,
    };
    write(node, failed).await
}

/// A body of that media type; none has none.
fn post(sub: &Sub, (body, media_type): (Bytes, &str)) -> Call {
    Call {
        method: Method::POST,
        url: sub.endpoint.clone(),
        headers: headers(sub, media_type),
        body,
    }
}

/// A notification of the backport.
async fn notified(
    node: &Node,
    sub: &Sub,
    notice: Notice,
    events: &[(&Event, Focus)],
    more: &[Version],
) -> Result<Call, Problem> {
    let bundle = notice::bundle(node, sub, notice, events, more);
    Ok(post(sub, written(node, sub, bundle.into()).await?))
}

/// A resource in the format that the subscriber asked for, and its media type.
///
/// # Errors
/// What `edge::in_xml` finds.
pub async fn written(
    node: &Node,
    sub: &Sub,
    json: Bytes,
) -> Result<(Bytes, &'static str), Problem> {
    match sub.is_in_xml() {
        false => Ok((json, FHIR_JSON)),
        true => Ok((edge::in_xml(node, json, false).await?.into(), FHIR_XML)),
    }
}

fn headers(sub: &Sub, content_type: &str) -> Vec<(String, String)> {
    let own = sub.headers.lines().filter_map(|line| line.split_once(':'));
    let mut headers: Vec<(String, String)> = own
        .filter(|(name, _)| !name.trim().eq_ignore_ascii_case("content-type"))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    if !content_type.is_empty() {
        headers.push(("content-type".into(), content_type.into()));
    }
    headers
}

/// What is sent for an event; nothing where the subscriber may not see the resource any more. Each
/// resource that leaves is read in their name, and leaves its line in the log.
async fn call(
    node: &Node,
    sub: &Sub,
    scope: &Scope,
    event: &Event,
) -> Result<Option<Call>, Problem> {
    let reading = node.store.read(scope, &event.ty, &event.id).await?;
    let focus = Focus::of(sub, reading);
    if matches!(focus, Focus::Hidden) {
        return Ok(None);
    }
    if sub.channel == WEBSOCKET && sub.topic.is_empty() {
        return Ok(Some(post(sub, (format!("ping {}", sub.id).into(), ""))));
    }
    if !sub.topic.is_empty() || sub.content == "id-only" {
        let more = more(node, sub, scope, event).await?;
        let call = notified(node, sub, Notice::Event, &[(event, focus)], &more).await?;
        return Ok(Some(call));
    }
    if sub.content == "empty" {
        return Ok(Some(post(sub, (Bytes::new(), ""))));
    }
    // Only topics tell of deletions.
    let Focus::Found(body) = focus else {
        return Ok(None);
    };
    let (body, media_type) = written(node, sub, body).await?;
    let base = sub.endpoint.trim_end_matches('/');
    Ok(Some(Call {
        method: Method::PUT,
        url: format!("{base}/{}/{}", event.ty, event.id),
        headers: headers(sub, media_type),
        body,
    }))
}

/// What the topic says is told besides, as far as the subscriber may see it.
async fn more(
    node: &Node,
    sub: &Sub,
    scope: &Scope,
    event: &Event,
) -> Result<Vec<Version>, Problem> {
    let shape = sub.says.as_ref().map(|topic| topic.shape.as_str());
    let Some(shape) = shape.filter(|shape| !shape.is_empty() && sub.content == FULL) else {
        return Ok(Vec::new());
    };
    let mut pairs = query::pairs(shape)?;
    pairs.push(("_id".to_string(), event.id.clone()));
    let search = Search::parse(&event.ty, &pairs, &node.site.fhir_url(), &Limits::default())
        .map_err(unfound)?;
    let page = node.store.search(scope, &search).await.map_err(unfound)?;
    let found = page.entries.into_iter().chain(page.included);
    let others = found.filter(|it| it.ty != event.ty || it.id != event.id);
    Ok(others.collect())
}

/// Why what the topic says is told besides is not to be had, for whoever looks after the subscription.
fn unfound(problem: Problem) -> Problem {
    if passes(&problem) {
        return problem;
    }
    let message = match problem.kind {
        Kind::TooCostly => {
            "What its topic tells besides (notificationShape) is too much, or takes too long to find. Change the topic, or subscribe with id-only.".to_string()
        }
        _ => format!(
            "What its topic tells besides (notificationShape) cannot be found: {}",
            problem.message
        ),
    };
    Problem::new(problem.kind, message).because(problem)
}

async fn send(node: &Node, sub: &Sub, call: Call) -> Result<(), Untold> {
    if sub.channel == WEBSOCKET {
        let text = String::from_utf8_lossy(&call.body).into_owned();
        return match node.subscriptions.sockets.say(&sub.id, text).await {
            true => Ok(()),
            false => Err(Untold::Nobody),
        };
    }
    let Some(outgoing) = &node.subscriptions.outgoing else {
        let message = "This node sends nothing to subscribers.";
        return Err(Untold::Failed(message.into()));
    };
    match outgoing.send(call).await.map_err(Untold::Failed)? {
        200..=299 => Ok(()),
        status => Err(Untold::Failed(format!("The subscriber answered {status}."))),
    }
}
