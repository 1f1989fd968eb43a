//! Subscribers that cannot be told, on the work list: where they are and why, never of whom.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::Job;
use store::subscriptions::{Sub, SubState};

use crate::fhir::subscriptions::set;
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::views;
use crate::visit::Visit;

/// The rows of those that fail or were given up.
pub async fn stuck(node: &Node, now: Millis) -> Result<Vec<views::Work>, Problem> {
    let subs = node.store.subs().await?;
    let stuck = subs.iter().filter(|sub| match sub.state {
        SubState::Error => true,
        SubState::Requested | SubState::Active => sub.tries > 0,
        SubState::Off => false,
    });
    Ok(stuck.take(100).map(|sub| row(sub, now)).collect())
}

fn row(sub: &Sub, now: Millis) -> views::Work {
    // The query may name a patient.
    let host = sub
        .endpoint
        .split('/')
        .take(3)
        .collect::<Vec<_>>()
        .join("/");
    let address = format!("/staff/worklist/subscriptions/{}", sub.id);
    let (state, next) = match sub.state {
        SubState::Error => (
            ("Given up", "red"),
            "Put right what is wrong there, then tell again; or switch it off.".to_string(),
        ),
        _ => (
            ("Trying", "yellow"),
            format!(
                "Nothing yet: the next try is at {}.",
                words::moment(sub.next_try, now).short
            ),
        ),
    };
    views::Work {
        when: words::moment(sub.told_at.max(sub.next_try.min(now)), now),
        what: match host.is_empty() {
            true => format!("{} by websocket", sub.ty),
            false => format!("{} to {host}", sub.ty),
        },
        href: None,
        state: Label {
            text: state.0,
            colour: Some(state.1),
        },
        why: sub
            .error
            .clone()
            .unwrap_or_else(|| "No reason was given.".into()),
        next,
        actions: vec![
            Link {
                text: "Tell again",
                href: format!("{address}/again"),
            },
            Link {
                text: "Switch off",
                href: format!("{address}/off"),
            },
        ],
    }
}

/// `POST …/again`
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    decide(&node, &visit, &id, SubState::Requested).await?;
    Ok(see_other("/staff/worklist?done=again"))
}

/// `POST …/off`
pub async fn off(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    decide(&node, &visit, &id, SubState::Off).await?;
    Ok(see_other("/staff/worklist?done=off"))
}

async fn decide(node: &Node, visit: &Visit, id: &str, state: SubState) -> Result<(), Refusal> {
    let scope = visit.scope(node, Interaction::WorkList, "").await?;
    if node.store.sub(id).await?.is_none() {
        return Err(Problem::new(Kind::NotFound, "There is no such subscription.").into());
    }
    let target = Target {
        ty: "Subscription".into(),
        id: Some(id.to_string()),
        query: Some(format!("state={}", state.code()).into()),
        ..Target::default()
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::WorkList, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    set(node, id, state, None).await?;
    Ok(())
}
