//! `/staff/privacy`: the privacy officer's list of relationships that were claimed and records that
//! were opened.

use std::sync::Arc;

use access::{Interaction, Outcome, Target, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::care::{CareWrite, ItemState, PrivacyItem};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Label};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::views;
use crate::visit::Visit;

/// After so long an item that nobody has worked is late, in milliseconds: seven days.
const LATE: Millis = 7 * 86_400_000;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// `GET /staff/privacy`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::AccessLog, "").await?;
    let items = node.store.privacy_items(&scope).await?;
    let me = account(&visit)?.0;
    let is_late = |item: &&PrivacyItem| late(item, visit.now);
    let view = views::Privacy {
        done: (asked.done == "worked").then_some(Done {
            text: "Noted.",
            href: None,
            link: None,
        }),
        late: items.iter().filter(is_late).count(),
        rows: items.iter().map(|item| row(item, me, visit.now)).collect(),
    };
    let page = Page::new("staff/privacy.jinja", "Privacy", view).under("/staff/privacy");
    Ok(page.answer(&node.site, &visit))
}

/// `POST /staff/privacy/{number}`
pub async fn work(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::AccessLog, "").await?;
    let state = ItemState::from_code(fields.text("state"))
        .filter(|state| *state != ItemState::Open)
        .ok_or_else(|| Problem::new(Kind::Value, "Choose what becomes of the item."))?;
    let write = CareWrite::Work {
        number,
        organisation: node.site.organisation.to_string(),
        state,
        outcome: fields.text("outcome").to_owned(),
        officer: account(&visit)?,
    };
    let target = Target {
        query: Some(format!("privacy item {number}: {}", state.code()).into()),
        ..Target::default()
    };
    let job = Job {
        effects: vec![Effect::Care(write)],
        traces: vec![scope.trace(Interaction::AccessLog, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    Ok(see_other("/staff/privacy?done=worked"))
}

fn account(visit: &Visit) -> Result<(i64, String), Problem> {
    match &visit.known()?.who {
        Who::Staff { account, name, .. } => Ok((*account, name.clone())),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        )),
    }
}

fn late(item: &PrivacyItem, now: Millis) -> bool {
    !item.state.is_done() && now.saturating_sub(item.at) > LATE
}

fn row(item: &PrivacyItem, me: i64, now: Millis) -> views::PrivacyRow {
    let (state, colour) = match item.state {
        _ if late(item, now) => ("Late", "red"),
        ItemState::Open => ("Open", "blue"),
        ItemState::Queried => ("Queried", "yellow"),
        ItemState::Escalated => ("Escalated", "orange"),
        ItemState::Confirmed => ("Confirmed", "green"),
        ItemState::Closed => ("Closed", "grey"),
    };
    // The activity codes of the national role-based access model.
    let what = match item.kind.as_str() {
        "self-claimed" => "Relationship claimed (B0016)",
        "unseal" => "Sealed items opened (B0083)",
        "whereabouts" => "Restricted whereabouts seen",
        "whereabouts-team" => "Restricted whereabouts released to a team",
        "own-record" => "Own record opened",
        "familiar-record" => "Record of family or a colleague opened",
        "proxy-granted" => "Somebody may act for the patient",
        "proxy-confirmed" => "Who acts for the patient confirmed",
        "proxy-ended" => "Somebody acts for the patient no more",
        "online-paused" => "Online access paused",
        "online-resumed" => "Online access resumed",
        "use-shown" => "The patient's own use shown again",
        _ => "Emergency access (B0015)",
    };
    views::PrivacyRow {
        when: words::moment(item.at, now),
        what,
        who: format!("{}, {}", item.name, item.role.replace('-', " ")),
        patient: item.patient.clone(),
        why: match item.code.as_str() {
            "" => item.reason.clone(),
            code => format!("{}: {}", code.replace('-', " "), item.reason),
        },
        state: Label {
            text: state,
            colour: Some(colour),
        },
        outcome: match item.outcome.as_str() {
            "" => String::new(),
            outcome => format!("{outcome} ({})", item.worked_by),
        },
        action: (!item.state.is_done() && item.account != me)
            .then(|| format!("/staff/privacy/{}", item.number)),
        number: item.number,
    }
}
