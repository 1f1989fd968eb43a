//! Notifications of the R5 backport
//! (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html>), and its operations
//! `$status` and `$events`.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use fhir::date;
use fhir::json::write_text;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde_json::{Value, json};
use store::subscriptions::{Event, Sub};
use store::{Reading, Version};

use crate::failure::Failure;
use crate::fhir::ask::{Announced, Ask};
use crate::fhir::{absent, answer, check_known};
use crate::node::Node;

/// The content that is the resource itself.
pub const FULL: &str = "full-resource";
/// Events in one answer, at most.
const EVENTS_MAX: u32 = 500;

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    Handshake,
    Heartbeat,
    Event,
    /// Asked for by `$status`.
    Status,
    /// Asked for by `$events`.
    Events,
}

impl Notice {
    fn code(self) -> &'static str {
        match self {
            Notice::Handshake => "handshake",
            Notice::Heartbeat => "heartbeat",
            Notice::Event => "event-notification",
            Notice::Status => "query-status",
            Notice::Events => "query-event",
        }
    }
}

/// What of an event's resource is told.
pub enum Focus {
    /// The subscriber may not see it, or not any more.
    Hidden,
    /// It was deleted, and the topic tells of that.
    Gone,
    Found(Bytes),
}

impl Focus {
    /// As it was read under the subscriber's scope.
    pub fn of(sub: &Sub, reading: Reading) -> Focus {
        let tells = sub.says.as_ref().is_some_and(|topic| topic.deletes);
        match reading {
            Reading::Found(found) => Focus::Found(found.body),
            Reading::Deleted { .. } if tells => Focus::Gone,
            Reading::Deleted { .. } | Reading::Absent => Focus::Hidden,
        }
    }
}

/// The Bundle of a notification: the subscription's status, then what the events are about and what
/// goes with it, as far as the subscription asks for it.
pub fn bundle(
    node: &Node,
    sub: &Sub,
    notice: Notice,
    events: &[(&Event, Focus)],
    more: &[Version],
) -> Vec<u8> {
    let base_url = node.site.fhir_url();
    let status = status_of(&base_url, sub, notice, events);
    let kind = match notice {
        Notice::Status => "searchset",
        _ => "history",
    };
    let own = json!({ "method": "GET", "url": format!("Subscription/{}/$status", sub.id) });
    let mut out = format!(
        "{{\"resourceType\":\"Bundle\",\"id\":\"{}\",\"type\":\"{kind}\",\"timestamp\":\"{}\",\
         \"entry\":[{{\"fullUrl\":\"urn:uuid:{}\",\"resource\":{status}",
        uuid::Uuid::new_v4(),
        date::instant(node.store.now()),
        uuid::Uuid::new_v4(),
    )
    .into_bytes();
    if notice != Notice::Status {
        let how = format!(",\"request\":{own},\"response\":{{\"status\":\"200\"}}");
        out.extend_from_slice(how.as_bytes());
    }
    out.push(b'}');
    for (event, focus) in events {
        let named = (event.ty.as_str(), event.id.as_str());
        match focus {
            Focus::Found(resource) if sub.content == "full-resource" => {
                entry(&base_url, named, resource, &mut out);
            }
            Focus::Gone if sub.content != "empty" => deletion(&base_url, named, &mut out),
            _ => {}
        }
    }
    if sub.content == "full-resource" {
        for it in more {
            entry(&base_url, (&it.ty, &it.id), &it.body, &mut out);
        }
    }
    out.extend_from_slice(b"]}");
    out
}

fn entry(base_url: &str, (ty, id): (&str, &str), resource: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b",{\"fullUrl\":");
    write_text(&format!("{base_url}/{ty}/{id}"), out);
    out.extend_from_slice(b",\"resource\":");
    out.extend_from_slice(resource);
    let how = format!(
        ",\"request\":{{\"method\":\"PUT\",\"url\":\"{ty}/{id}\"}},\"response\":{{\"status\":\"200\"}}}}"
    );
    out.extend_from_slice(how.as_bytes());
}

/// That a resource is not there any more.
fn deletion(base_url: &str, (ty, id): (&str, &str), out: &mut Vec<u8>) {
    out.extend_from_slice(b",{\"fullUrl\":");
    write_text(&format!("{base_url}/{ty}/{id}"), out);
    let how = format!(
        ",\"request\":{{\"method\":\"DELETE\",\"url\":\"{ty}/{id}\"}},\"response\":{{\"status\":\"200\"}}}}"
    );
    out.extend_from_slice(how.as_bytes());
}

fn status_of(base_url: &str, sub: &Sub, notice: Notice, events: &[(&Event, Focus)]) -> Value {
    let reference = json!({ "reference": format!("{base_url}/Subscription/{}", sub.id) });
    let mut parameters = vec![
        json!({ "name": "subscription", "valueReference": reference }),
        json!({ "name": "status", "valueCode": sub.state.code() }),
        json!({ "name": "type", "valueCode": notice.code() }),
        json!({ "name": "events-since-subscription-start", "valueString": sub.events.to_string() }),
    ];
    if !sub.topic.is_empty() {
        parameters.insert(1, json!({ "name": "topic", "valueCanonical": sub.topic }));
    }
    for (event, focus) in events {
        let mut part = vec![
            json!({ "name": "event-number", "valueString": event.number.to_string() }),
            json!({ "name": "timestamp", "valueInstant": date::instant(event.at) }),
        ];
        if sub.content != "empty" && !matches!(focus, Focus::Hidden) {
            let focus = json!({ "reference": format!("{base_url}/{}/{}", event.ty, event.id) });
            part.push(json!({ "name": "focus", "valueReference": focus }));
        }
        parameters.push(json!({ "name": "notification-event", "part": part }));
    }
    if let Some(error) = &sub.error {
        let error = json!({ "text": error });
        parameters.push(json!({ "name": "error", "valueCodeableConcept": error }));
    }
    json!({ "resourceType": "Parameters", "parameter": parameters })
}

/// The subscription, if the caller may read it.
async fn readable(node: &Node, ask: &Ask, id: &str) -> Result<Sub, Problem> {
    let scope = ask.scope(node, Interaction::Read, "Subscription").await?;
    check_known(id)?;
    let Reading::Found(_) = node.store.read(&scope, "Subscription", id).await? else {
        return Err(absent());
    };
    node.store.sub(id).await?.ok_or_else(absent)
}

/// `GET Subscription/[id]/$status`.
pub async fn status(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let sub = readable(&node, &ask, &id).await?;
    ask.no_query()?;
    let bundle = bundle(&node, &sub, Notice::Status, &[], &[]);
    Ok(answer::json(StatusCode::OK, bundle))
}

/// `GET Subscription/[id]/$events`: what happened between two numbers, as far as the caller may see
/// it.
pub async fn events(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let sub = readable(&node, &ask, &id).await?;
    let (mut from, mut to) = (0, u64::MAX);
    for (name, value) in &ask.query {
        let wrong = || Problem::new(Kind::Value, format!("{name} is a whole number."));
        match name.as_str() {
            "eventsSinceNumber" => from = value.parse().map_err(|_| wrong())?,
            "eventsUntilNumber" => to = value.parse().map_err(|_| wrong())?,
            _ => {
                let message = "$events takes eventsSinceNumber and eventsUntilNumber.";
                return Err(Problem::new(Kind::NotSupported, message).into());
            }
        }
    }
    let found = node
        .store
        .sub_events(&id, from..=to, false, EVENTS_MAX)
        .await?;
    let mut told = Vec::with_capacity(found.len());
    for event in &found {
        let scope = ask.scope(&node, Interaction::Read, &event.ty).await?;
        let reading = node.store.read(&scope, &event.ty, &event.id).await?;
        told.push((event, Focus::of(&sub, reading)));
    }
    let bundle = bundle(&node, &sub, Notice::Events, &told, &[]);
    Ok(answer::json(StatusCode::OK, bundle))
}
