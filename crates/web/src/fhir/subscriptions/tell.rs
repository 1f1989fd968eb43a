//! Telling one subscriber what is due.

use access::{Interaction, Scope};
use bytes::Bytes;
use exchange::outgoing::Call;
use fhir::problem::Problem;
use http::Method;
use store::Reading;
use store::subscriptions::{Event, Sub, SubState, SubWrite};

use super::notice::{self, Notice};
use super::{set, write};
use crate::fhir::format::FHIR_JSON;
use crate::fhir::operations::bulk_worker::scope_of;
use crate::node::Node;

/// Events told in one go; others get their turn before the next.
const EVENTS_AT_ONCE: u32 = 50;

/// Tells a subscriber what waits for them, in order; stops at the first that does not get through.
pub async fn due(node: &Node, sub: Sub) -> Result<(), Problem> {
    let scope = match scope_of(node, sub.account, (Interaction::Subscribe, &sub.id)).await {
        Ok(scope) => scope,
        Err(problem) => {
            return set(node, &sub.id, SubState::Error, Some(&problem.message)).await;
        }
    };
    if sub.state == SubState::Requested {
        if !sub.topic.is_empty() {
            let body = notice::bundle(node, &sub, Notice::Handshake, &[]);
            if let Err(reason) = send(node, post(&sub, body)).await {
                return failed(node, &sub, reason).await;
            }
            let (id, number) = (sub.id.clone(), 0);
            write(node, SubWrite::Told { id, number }).await?;
        }
        set(node, &sub.id, SubState::Active, None).await?;
    }
    let all = 0..=u64::MAX;
    let events = node
        .store
        .sub_events(&sub.id, all, true, EVENTS_AT_ONCE)
        .await?;
    let quiet = events.is_empty();
    for event in events {
        if let Some(call) = call(node, &sub, &scope, &event).await?
            && let Err(reason) = send(node, call).await
        {
            return failed(node, &sub, reason).await;
        }
        let (id, number) = (sub.id.clone(), event.number);
        write(node, SubWrite::Told { id, number }).await?;
    }
    let heartbeat = i64::from(sub.heartbeat_seconds) * 1000;
    let silent = node.store.now().saturating_sub(sub.told_at);
    if quiet && sub.state == SubState::Active && heartbeat > 0 && silent >= heartbeat {
        let body = notice::bundle(node, &sub, Notice::Heartbeat, &[]);
        if let Err(reason) = send(node, post(&sub, body)).await {
            return failed(node, &sub, reason).await;
        }
        let (id, number) = (sub.id.clone(), 0);
        write(node, SubWrite::Told { id, number }).await?;
    }
    Ok(())
}

async fn failed(node: &Node, sub: &Sub, reason: String) -> Result<(), Problem> {
    let tries = sub.tries.saturating_add(1);
    if tries >= node.subscriptions.failures_max {
        return set(node, &sub.id, SubState::Error, Some(&reason)).await;
    }
    let next_try = node.subscriptions.backoff.next_try(node.store.now(), tries);
    let id = sub.id.clone();
    let failed = SubWrite::Failed {
        id,
        reason,
        next_try,
    };
    write(node, failed).await
}

fn post(sub: &Sub, body: Vec<u8>) -> Call {
    Call {
        method: Method::POST,
        url: sub.endpoint.clone(),
        headers: headers(sub, FHIR_JSON),
        body: body.into(),
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
    let Reading::Found(found) = node.store.read(scope, &event.ty, &event.id).await? else {
        return Ok(None);
    };
    if !sub.topic.is_empty() || sub.content == "id-only" {
        let event = (event, Some(found.body));
        let body = notice::bundle(node, sub, Notice::Event, &[event]);
        return Ok(Some(post(sub, body)));
    }
    if sub.content == "empty" {
        return Ok(Some(Call {
            headers: headers(sub, ""),
            ..post(sub, Vec::new())
        }));
    }
    let base = sub.endpoint.trim_end_matches('/');
    Ok(Some(Call {
        method: Method::PUT,
        url: format!("{base}/{}/{}", event.ty, event.id),
        headers: headers(sub, FHIR_JSON),
        body: Bytes::clone(&found.body),
    }))
}

async fn send(node: &Node, call: Call) -> Result<(), String> {
    let Some(outgoing) = &node.subscriptions.outgoing else {
        return Err("This node sends nothing to subscribers.".into());
    };
    match outgoing.send(call).await? {
        200..=299 => Ok(()),
        status => Err(format!("The subscriber answered {status}.")),
    }
}
