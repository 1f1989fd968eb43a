//! `/staff/worklist/messages/{number}`: an HL7 v2 message as it came, and what to do about it.

use std::sync::Arc;

use access::{Interaction, NhsNumber};
use axum::extract::{Path, State};
use axum::response::Response;
use store::Effect;
use store::hl7_inbox::Hl7Write;

use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::views;
use crate::staff::worklist::{self, message_actions, message_state, sees_letters};
use crate::visit::Visit;

/// The most of a message that a page shows, in characters.
const SHOWN_MAX: usize = 100_000;
/// The longest identifier that is looked up.
const IDENTIFIER_MAX: usize = 64;

/// The page. A message holds patient data: what it says is shown to those who may see the records of
/// whom it may be about, and its structure alone to engineers and to everybody else on the work list.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
) -> Result<Response, Refusal> {
    let interaction = match sees_letters(&visit) {
        true => Interaction::Item,
        false => Interaction::WorkList,
    };
    let scope = visit.scope(&node, interaction, "").await?;
    let raw = node.store.hl7_message(&scope, number, named).await?;
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
        masked: raw.is_masked,
        withheld: raw.withheld.iter().map(|patient| opens(patient)).collect(),
        restricted: raw.restricted.iter().map(|it| locates(it)).collect(),
        actions: message_actions(stuck, &format!("/staff/worklist/messages/{number}")),
    };
    let title = view.what.clone();
    let page = Page::new("staff/message.jinja", title, view).under("/staff/worklist");
    Ok(page.answer(&node.site, &visit))
}

/// Where a record is opened that is withheld.
fn opens(patient: &str) -> views::Opens {
    views::Opens {
        relationship: format!("/staff/relationship/{patient}"),
        emergency: format!("/staff/emergency-access/{patient}"),
    }
}

fn locates(patient: &str) -> String {
    format!("/staff/whereabouts/{patient}")
}

/// What may name a patient in a message: the identifiers of its PID and MRG segments, and whatever else
/// reads as an NHS number, since what could not be mapped may have it anywhere.
fn named(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let mut found = Vec::new();
    for segment in text.split(['\r', '\n']) {
        let between = segment.chars().nth(3).filter(|it| !it.is_alphanumeric());
        let of_patient = segment.starts_with("PID") || segment.starts_with("MRG");
        if let (true, Some(between)) = (of_patient, between) {
            // PID-2 to PID-4 and MRG-1: each repetition's first component.
            let fields = segment.split(between).skip(1).take(4);
            let codes = fields.flat_map(|field| field.split('~'));
            let codes = codes.filter_map(|code| code.split(['^', '&']).next());
            found.extend(codes.map(str::trim).map(str::to_owned));
        }
        let numbers = segment.split(|letter: char| !letter.is_ascii_digit() && letter != ' ');
        let numbers = numbers.filter_map(|digits| NhsNumber::parse(digits.trim()).ok());
        found.extend(numbers.map(|number| number.digits().to_owned()));
    }
    found.retain(|code| !code.is_empty() && code.len() <= IDENTIFIER_MAX);
    found.sort_unstable();
    found.dedup();
    found
}

/// A message's segments, one a line; what is not text shows as �, and a document that is kept beside it in words.
fn lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let shown = hl7v2::apart::in_words(&shown);
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
    let row = format!("hl7-message={number}");
    worklist::decide(node, visit, row, Effect::Hl7(write)).await
}
