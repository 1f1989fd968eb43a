//! `$status`
//! (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html>)
//! and `$events`
//! (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html>):
//! what a subscriber asks after, of the subscriptions that they may read.

use std::collections::HashSet;
use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use http::StatusCode;
use store::Reading;
use store::subscriptions::Sub;

use super::notice::{self, FULL, Focus};
use crate::failure::Failure;
use crate::fhir::ask::{Announced, Ask};
use crate::fhir::operations::parameters::as_query;
use crate::fhir::{absent, answer, check_known};
use crate::node::Node;

/// The operations' names and definitions.
pub const STATUS: (&str, &str) = (
    "status",
    "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status",
);
pub const EVENTS: (&str, &str) = (
    "events",
    "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events",
);

/// How much of a resource is told, the least first
/// (<https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/ValueSet-backport-content-value-set.html>).
pub const CONTENTS: [&str; 3] = ["empty", "id-only", FULL];
/// The states that may be asked for.
pub const STATES: [&str; 4] = ["requested", "active", "error", "off"];
/// Subscriptions named in one question, at most.
const IDS_MAX: usize = 100;
/// Subscriptions looked at in one go.
const PAGE: u32 = 1000;

/// `GET Subscription/[id]/$status`.
pub async fn status(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    status_of(&node, &ask, &id).await
}

/// `POST Subscription/[id]/$status`, with Parameters.
pub async fn status_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    status_of(&node, &as_query(&ask, &body)?, &id).await
}

/// `GET Subscription/$status?id=…&status=…`.
pub async fn statuses(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    statuses_of(&node, &ask).await
}

/// `POST Subscription/$status`, with Parameters.
pub async fn statuses_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    statuses_of(&node, &as_query(&ask, &body)?).await
}

/// `GET Subscription/[id]/$events`: what happened between two numbers, as far as the caller may see
/// it.
pub async fn events(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    events_of(&node, &ask, &id).await
}

/// `POST Subscription/[id]/$events`, with Parameters.
pub async fn events_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    events_of(&node, &as_query(&ask, &body)?, &id).await
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

async fn status_of(node: &Node, ask: &Ask, id: &str) -> Result<Response, Failure> {
    let sub = readable(node, ask, id).await?;
    // The definition has it that `id` and `status` count for nothing where one is asked after.
    Question::of(&ask.query)?;
    let bundle = notice::statuses(node, &[sub]);
    Ok(answer::json(StatusCode::OK, bundle.to_string()))
}

/// How all subscriptions stand that are asked after and that the caller may find, in the order of
/// their ids. What is not there, or not theirs to find, has no entry.
async fn statuses_of(node: &Node, ask: &Ask) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Search, "Subscription").await?;
    let question = Question::of(&ask.query)?;
    let mut pairs = Vec::new();
    if !question.ids.is_empty() {
        pairs.push(("_id".to_string(), question.ids.join(",")));
    }
    let (base_url, limits) = (node.site.fhir_url(), Limits::default());
    let mut search = Search::parse("Subscription", &pairs, &base_url, &limits)?;
    search.count = PAGE;
    let mut found: HashSet<String> = HashSet::new();
    loop {
        let page = node.store.search(&scope, &search).await?;
        found.extend(page.entries.into_iter().map(|version| version.id));
        search.after = page.next;
        if search.after.is_none() {
            break;
        }
    }
    let mut subs = match found.is_empty() {
        true => Vec::new(),
        false => node.store.subs().await?,
    };
    subs.retain(|sub| found.contains(&sub.id) && question.is_of(sub));
    let bundle = notice::statuses(node, &subs);
    Ok(answer::json(StatusCode::OK, bundle.to_string()))
}

/// Which subscriptions `$status` is asked about.
struct Question {
    ids: Vec<String>,
    states: Vec<String>,
}

impl Question {
    /// # Errors
    /// `NotSupported` for another parameter, `Value` for another state, `NotFound` for what cannot be
    /// an id, `TooCostly` for too many.
    fn of(query: &[(String, String)]) -> Result<Question, Problem> {
        let (mut ids, mut states): (Vec<String>, Vec<String>) = Default::default();
        for (name, value) in query {
            let values = value.split(',').map(str::to_string);
            match name.as_str() {
                "id" => ids.extend(values),
                "status" => states.extend(values),
                _ => {
                    let message = "$status takes id and status, each as often as wanted.";
                    return Err(Problem::new(Kind::NotSupported, message));
                }
            }
        }
        if ids.len() > IDS_MAX {
            let message = format!("$status is asked about at most {IDS_MAX} ids at once.");
            return Err(Problem::new(Kind::TooCostly, message));
        }
        for id in &ids {
            check_known(id)?;
        }
        if !states.iter().all(|it| STATES.contains(&it.as_str())) {
            let message = format!("status is one of {}.", STATES.join(", "));
            return Err(Problem::new(Kind::Value, message));
        }
        Ok(Question { ids, states })
    }

    fn is_of(&self, sub: &Sub) -> bool {
        let state = sub.state.code();
        self.states.is_empty() || self.states.iter().any(|it| it == state)
    }
}

/// Which events `$events` is asked for, and with how much of what they are about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Span {
    from: Option<u64>,
    to: Option<u64>,
    content: Option<&'static str>,
}

impl Span {
    /// # Errors
    /// `NotSupported` for another parameter, `Value` for what is no number, or no content.
    fn of(query: &[(String, String)]) -> Result<Span, Problem> {
        let mut span = Span::default();
        for (name, value) in query {
            let wrong = || Problem::new(Kind::Value, format!("{name} is a whole number."));
            let number = || value.parse::<u64>().map_err(|_| wrong());
            match name.as_str() {
                "eventsSinceNumber" => span.from = Some(number()?),
                "eventsUntilNumber" => span.to = Some(number()?),
                "content" => {
                    let known = CONTENTS.into_iter().find(|it| it == value);
                    let message = format!("content is one of {}.", CONTENTS.join(", "));
                    let known = known.ok_or_else(|| Problem::new(Kind::Value, message))?;
                    span.content = Some(known);
                }
                _ => {
                    let message = "$events takes eventsSinceNumber, eventsUntilNumber and content.";
                    return Err(Problem::new(Kind::NotSupported, message));
                }
            }
        }
        Ok(span)
    }

    /// How much is told under a subscription of that content: what is asked for, and never more than
    /// the subscription grants.
    fn content_of(&self, granted: &str) -> &'static str {
        let rank = |content: &str| CONTENTS.iter().position(|it| *it == content);
        let granted = rank(granted).unwrap_or_default();
        let asked = self.content.and_then(rank).unwrap_or(granted);
        CONTENTS.get(granted.min(asked)).copied().unwrap_or("empty")
    }

    /// Where the events from that number on are asked for, in the same way.
    fn url(&self, base_url: &str, id: &str, from: Option<u64>) -> String {
        let mut pairs: Vec<String> = Vec::new();
        pairs.extend(from.map(|number| format!("eventsSinceNumber={number}")));
        pairs.extend(self.to.map(|number| format!("eventsUntilNumber={number}")));
        pairs.extend(self.content.map(|content| format!("content={content}")));
        let address = format!("{base_url}/Subscription/{id}/$events");
        match pairs.is_empty() {
            true => address,
            false => format!("{address}?{}", pairs.join("&")),
        }
    }
}

async fn events_of(node: &Node, ask: &Ask, id: &str) -> Result<Response, Failure> {
    let mut sub = readable(node, ask, id).await?;
    let span = Span::of(&ask.query)?;
    sub.content = span.content_of(&sub.content).to_string();
    let numbers = span.from.unwrap_or_default()..=span.to.unwrap_or(u64::MAX);
    let most = node.subscriptions.events_max;
    let found = node
        .store
        .sub_events(id, numbers, false, most.saturating_add(1))
        .await?;
    let mut told = Vec::with_capacity(found.len());
    let (mut bytes, mut next) = (0_usize, None);
    for event in &found {
        let is_full = told.len() >= usize::try_from(most).unwrap_or(usize::MAX);
        if is_full || bytes >= node.subscriptions.events_bytes_max {
            next = Some(event.number);
            break;
        }
        let scope = ask.scope(node, Interaction::Read, &event.ty).await?;
        let reading = node.store.read(&scope, &event.ty, &event.id).await?;
        let focus = match Focus::of(&sub, reading) {
            // Only whether it may be seen counts: it is not held.
            Focus::Found(_) if sub.content != FULL => Focus::Found(Bytes::new()),
            focus => focus,
        };
        if let Focus::Found(body) = &focus {
            bytes = bytes.saturating_add(body.len());
        }
        told.push((event, focus));
    }
    let base_url = node.site.fhir_url();
    let mut links = vec![("self", span.url(&base_url, id, span.from))];
    if next.is_some() {
        links.push(("next", span.url(&base_url, id, next)));
    }
    let page = notice::page(node, &sub, &links, &told);
    Ok(answer::json(StatusCode::OK, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        crate::fhir::query::pairs(text).unwrap()
    }

    #[test]
    fn content_is_what_was_asked_for_and_no_more_than_was_granted() {
        for (granted, asked, told) in [
            (FULL, "", FULL),
            (FULL, "content=id-only", "id-only"),
            (FULL, "content=empty", "empty"),
            ("id-only", "content=full-resource", "id-only"),
            ("empty", "content=full-resource", "empty"),
            ("empty", "", "empty"),
        ] {
            let span = Span::of(&pairs(asked)).unwrap();
            assert_eq!(span.content_of(granted), told, "{granted} {asked}");
        }
        for wrong in [
            "content=all",
            "eventsSinceNumber=x",
            "eventsUntilNumber=-1",
            "frob=1",
        ] {
            assert!(Span::of(&pairs(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_next_page_is_asked_for_as_this_one_was() {
        let url = |text: &str, from| Span::of(&pairs(text)).unwrap().url("b", "s", from);
        assert_eq!(url("", None), "b/Subscription/s/$events");
        assert_eq!(
            url("", Some(7)),
            "b/Subscription/s/$events?eventsSinceNumber=7"
        );
        assert_eq!(
            url(
                "eventsSinceNumber=2&content=id-only&eventsUntilNumber=9",
                Some(7)
            ),
            "b/Subscription/s/$events?eventsSinceNumber=7&eventsUntilNumber=9&content=id-only"
        );
    }

    #[test]
    fn subscriptions_are_asked_after_by_ids_and_states() {
        let question = Question::of(&pairs("id=a&id=b,c&status=active,error")).unwrap();
        assert_eq!(question.ids, ["a", "b", "c"]);
        assert_eq!(question.states, ["active", "error"]);
        let many = vec![("id".to_string(), "a".to_string()); IDS_MAX + 1];
        assert!(Question::of(&many).is_err());
        for wrong in ["id=", "id=a/b", "status=frob", "url=x"] {
            assert!(Question::of(&pairs(wrong)).is_err(), "{wrong}");
        }
    }
}
