//! Notifications of the R5 backport
//! (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html>), and the Bundles that
//! its operations answer.

use bytes::Bytes;
use fhir::date;
use fhir::json::write_text;
use serde_json::{Value, json};
use store::subscriptions::{Event, Sub};
use store::{Reading, Version};

use crate::node::Node;

/// The content that is the resource itself.
pub const FULL: &str = "full-resource";

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
    written(node, sub, notice, &[], events, more)
}

/// The Bundle that answers `$events`. `links` are relations and addresses: what did not fit is
/// behind `next`.
pub fn page(
    node: &Node,
    sub: &Sub,
    links: &[(&str, String)],
    events: &[(&Event, Focus)],
) -> Vec<u8> {
    written(node, sub, Notice::Events, links, events, &[])
}

/// The Bundle that answers `$status`: how each of these subscriptions stands.
pub fn statuses(node: &Node, subs: &[Sub]) -> Value {
    let base_url = node.site.fhir_url();
    let entry = |sub: &Sub| {
        json!({
            "fullUrl": format!("urn:uuid:{}", uuid::Uuid::new_v4()),
            "resource": status_of(&base_url, sub, Notice::Status, &[]),
            "search": { "mode": "match" },
        })
    };
    let entries: Vec<Value> = subs.iter().map(entry).collect();
    let mut bundle = json!({
        "resourceType": "Bundle",
        "id": uuid::Uuid::new_v4().to_string(),
        "type": "searchset",
        "timestamp": date::instant(node.store.now()),
        "total": subs.len(),
    });
    if let (Some(bundle), false) = (bundle.as_object_mut(), entries.is_empty()) {
        bundle.insert("entry".into(), Value::Array(entries));
    }
    bundle
}

fn written(
    node: &Node,
    sub: &Sub,
    notice: Notice,
    links: &[(&str, String)],
    events: &[(&Event, Focus)],
    more: &[Version],
) -> Vec<u8> {
    let base_url = node.site.fhir_url();
    let status = status_of(&base_url, sub, notice, events);
    let own = json!({ "method": "GET", "url": format!("Subscription/{}/$status", sub.id) });
    let mut out = format!(
        "{{\"resourceType\":\"Bundle\",\"id\":\"{}\",\"type\":\"history\",\"timestamp\":\"{}\"",
        uuid::Uuid::new_v4(),
        date::instant(node.store.now()),
    )
    .into_bytes();
    if !links.is_empty() {
        let link = |(relation, url): &(&str, String)| json!({ "relation": relation, "url": url });
        let links: Vec<Value> = links.iter().map(link).collect();
        out.extend_from_slice(format!(",\"link\":{}", Value::Array(links)).as_bytes());
    }
    let first = format!(
        ",\"entry\":[{{\"fullUrl\":\"urn:uuid:{}\",\"resource\":{status},\"request\":{own},\
         \"response\":{{\"status\":\"200\"}}}}",
        uuid::Uuid::new_v4(),
    );
    out.extend_from_slice(first.as_bytes());
    for (event, focus) in events {
        let named = (event.ty.as_str(), event.id.as_str());
        match focus {
            Focus::Found(resource) if sub.content == FULL => {
                entry(&base_url, named, resource, &mut out);
            }
            Focus::Gone if sub.content != "empty" => deletion(&base_url, named, &mut out),
            _ => {}
        }
    }
    if sub.content == FULL {
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
