//! `/staff/worklist/messages/{number}`: an HL7 v2 message as it came, and what to do about it.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::extract::{Path, State};
use axum::response::Response;
use store::hl7_inbox::Hl7Write;
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::views;
use crate::staff::worklist::{message_actions, message_state};
use crate::visit::Visit;

/// The most of a message that a page shows, in characters.
const SHOWN_MAX: usize = 100_000;

/// The page. A message holds patient data: not for engineers.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Item, "").await?;
    let raw = node.store.hl7_message(&scope, number).await?;
    let stuck = &raw.stuck;
    let view = views::Message {
        what: format!("{} {}", stuck.kind.replace('^', " "), stuck.control_id),
        system: format!("{} at {}", stuck.application, stuck.facility),
        state: message_state(&stuck.state),
        received: words::moment(stuck.received_at, visit.now),
        why: stuck.reason.clone(),
        next: stuck.next_step.clone(),
        text: lines(&raw.body),
        answer: lines(&raw.ack),
        actions: message_actions(stuck, &format!("/staff/worklist/messages/{number}")),
    };
    let title = view.what.clone();
    let page = Page::new("staff/message.jinja", title, view).under("/staff/worklist");
    Ok(page.answer(&node.site, &visit))
}

/// A message's segments, one a line; what is not text shows as �.
fn lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    shown.replace("\r\n", "\n").replace('\r', "\n")
}

/// `POST …/replay`
pub async fn replay(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    decide(&node, &visit, number, Hl7Write::Replay { number }).await?;
    Ok(see_other("/staff/worklist?done=replayed"))
}

/// `POST …/settled`
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    decide(&node, &visit, number, Hl7Write::Settled { number }).await?;
    Ok(see_other("/staff/worklist?done=settled"))
}

async fn decide(node: &Node, visit: &Visit, number: i64, write: Hl7Write) -> Result<(), Refusal> {
    let scope = visit.scope(node, Interaction::WorkList, "").await?;
    let query = Some(format!("hl7-message={number}").into());
    let target = Target {
        query,
        ..Target::default()
    };
    let trace = scope.trace(Interaction::WorkList, Outcome::Success, target);
    let job = Job {
        effects: vec![Effect::Hl7(write)],
        traces: vec![trace],
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    Ok(())
}
