//! `/staff/handover-board`: the ambulances that are on their way to the emergency department, that wait, and that were taken
//! over; `/staff/handovers`: what a crew here has handed over, and who there has seen it.

pub mod form;
pub mod load;
pub mod matched;
pub mod one;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Role, Scope, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::Exchange;
use exchange::handovers::news2::{Risk, Total, score};
use exchange::handovers::{Observations, Sheet};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::handovers::{Board, Handover, HandoverState, Sent};
use store::parcels::State as Parcel;

use crate::node::Node;
use crate::page::parts::{Done, Label, Tab};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::visit::Visit;
use load::Loaded;
use views::Score;

/// Rows of one list.
const ROWS_MAX: u32 = 100;
const MINUTE: Millis = 60_000;
const DAY: Millis = 86_400_000;
/// Where boards are told of changes.
const EVENTS: &str = "/staff/sent/events";
/// What every page here is about.
pub(super) const TY: &str = "Encounter";

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub(super) done: String,
    /// The number of an older sheet.
    pub(super) sheet: Option<u32>,
}

/// Whether the caller may take over. The decision itself is made anew for each act.
fn may_take_over(visit: &Visit) -> bool {
    let who = visit.caller().map(|caller| &caller.who);
    matches!(
        who,
        Some(Who::Staff {
            role: Role::Clinician,
            ..
        })
    )
}

/// By which steps are sent.
///
/// # Errors
/// `NotSupported` on a node that is in no network.
fn exchange(node: &Node) -> Result<&Arc<Exchange>, Problem> {
    node.exchange.as_ref().ok_or_else(|| {
        let message = "This node is in no network, so nobody can be told from here: ring them.";
        Problem::new(Kind::NotSupported, message)
    })
}

/// When the day began in the UK.
fn day_began(now: Millis) -> Millis {
    let day = words::there(now).map(|it| it.date().to_string());
    let began = day.and_then(|day| words::moment_of(&day, "00:00"));
    began.unwrap_or_else(|| now.saturating_sub(DAY))
}

/// `GET /staff/handover-board`
pub async fn board(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Handovers, TY).await?;
    let open = node.store.handovers(&scope, Board::Open, ROWS_MAX).await?;
    let since = Board::Ended(day_began(visit.now));
    let ended = node.store.handovers(&scope, since, ROWS_MAX).await?;
    let full = [&open, &ended]
        .iter()
        .any(|it| it.len() >= ROWS_MAX as usize);
    let mut groups = [
        views::Group::new("Waiting", "No crew is waiting."),
        views::Group::new("Being handed over", "Nobody is being handed over."),
        views::Group::new("On their way", "No ambulance is on its way."),
        views::Group::new("Handed over today", "Nobody has been handed over today."),
        views::Group::new("Not coming", "Nobody was diverted or withdrawn today."),
    ];
    for handover in open.iter().chain(&ended) {
        let row = row(&node, &scope, handover, visit.now).await?;
        let at = match handover.state {
            HandoverState::Arrived => 0,
            HandoverState::Begun => 1,
            HandoverState::Coming => 2,
            HandoverState::Received => 3,
            HandoverState::Withdrawn => 4,
        };
        if let Some(group) = groups.get_mut(at) {
            group.rows.push(row);
        }
    }
    let count = node.store.handovers_open(&scope).await?;
    let view = views::List {
        done: done(&asked),
        heading: "Ambulances",
        tabs: tabs(count, true),
        events: EVENTS,
        here: "/staff/handover-board",
        may_hand_over: false,
        groups: groups.into(),
        full,
    };
    let page = Page::new("staff/handover-board.jinja", "Ambulances", view);
    Ok(page
        .under("/staff/handover-board")
        .answer(&node.site, &visit))
}

/// `GET /staff/handovers`
pub async fn sent(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Handovers, TY).await?;
    let list = Board::Sent(visit.now.saturating_sub(DAY));
    let found = node.store.handovers(&scope, list, ROWS_MAX).await?;
    let full = found.len() >= ROWS_MAX as usize;
    let mut group = views::Group::new("Handed over from here", "No crew here has written one yet.");
    for handover in &found {
        group
            .rows
            .push(row(&node, &scope, handover, visit.now).await?);
    }
    let count = node.store.handovers_open(&scope).await?;
    let view = views::List {
        done: done(&asked),
        heading: "Handovers",
        tabs: tabs(count, false),
        events: EVENTS,
        here: "/staff/handovers",
        may_hand_over: node.exchange.is_some(),
        groups: vec![group],
        full,
    };
    let page = Page::new("staff/handover-board.jinja", "Handovers", view);
    Ok(page
        .under("/staff/handover-board")
        .answer(&node.site, &visit))
}

fn tabs(count: u64, is_board: bool) -> Vec<Tab> {
    vec![
        Tab {
            text: "Coming here",
            href: "/staff/handover-board".to_owned(),
            count: Some(count),
            current: is_board,
        },
        Tab {
            text: "Sent by crews here",
            href: "/staff/handovers".to_owned(),
            count: None,
            current: !is_board,
        },
    ]
}

pub(super) fn done(asked: &Asked) -> Option<Done> {
    let text = match asked.done.as_str() {
        "sent" => "Sent. Nobody there has seen it before this page says so: ring a pre-alert.",
        "updated" => "Sent. It is not there before this page says so.",
        "arrived" => "The hospital is being told that you are there. The clock runs.",
        "withdrawn" => "The hospital is being told that you are not coming.",
        "diverted" => "Both hospitals are being told. This is the new handover.",
        "closed" => "The crew is being told that you do not wait any longer.",
        "begun" => "The crew is being told that you have begun.",
        "received" => {
            "Taken over in your name. The crew is being told, and the patient’s practice."
        }
        "matched" => "The handover is in this patient’s record now.",
        "moved" => {
            "The handover is in this patient’s record now, and marked as wrong in the other. The crew is being told."
        }
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

async fn row(
    node: &Node,
    scope: &Scope,
    handover: &Handover,
    now: Millis,
) -> Result<views::Row, Problem> {
    let loaded = load::one(node, scope, handover).await?;
    let sent = match handover.inward {
        true => None,
        false => node.store.handover_sent(handover).await?,
    };
    let receipts = match handover.inward {
        true => Vec::new(),
        false => node.store.handover_receipts(handover).await?,
    };
    let state = state(handover, sent.as_ref(), &receipts);
    let (waited, mark) = waited(handover, received(handover, &receipts), now);
    let sheet = loaded.as_ref().and_then(Loaded::sheet);
    Ok(views::Row {
        href: loaded
            .is_some()
            .then(|| format!("/staff/handovers/{}", handover.id)),
        who: loaded
            .as_ref()
            .map_or_else(|| super::NOT_SHOWN.to_owned(), |it| it.who(handover, now)),
        score: match &loaded {
            Some(_) => scored(sheet),
            None => Score::quiet("Withheld"),
        },
        pre_alert: handover.pre_alert,
        happened: match sheet {
            Some(sheet) => sheet.happened.chars().take(140).collect(),
            None => "Withheld".to_owned(),
        },
        other: match sheet {
            Some(sheet) if handover.inward && !sheet.crew.is_empty() => {
                format!(
                    "{}, {}",
                    sheet.crew,
                    (node.organisation_name)(&handover.other)
                )
            }
            _ => (node.organisation_name)(&handover.other),
        },
        due: due(handover, now),
        waited,
        mark,
        state,
        news: handover.news,
    })
}

/// When somebody took over, as far as this side knows.
fn received(handover: &Handover, receipts: &[store::handovers::Receipt]) -> Option<Millis> {
    if handover.state == HandoverState::Received {
        return Some(handover.ended_at);
    }
    let acted = receipts.iter().find(|it| it.state == Parcel::ActedOn);
    acted.map(|it| it.at)
}

/// When they are expected, and how late they are.
pub(super) fn due(handover: &Handover, now: Millis) -> String {
    if handover.arrived_at > 0 {
        let at = words::moment(handover.arrived_at, now).short;
        return format!("Arrived {at}");
    }
    if handover.due_at == 0 {
        return "Not said".to_owned();
    }
    let at = words::moment(handover.due_at, now).short;
    if handover.state != HandoverState::Coming {
        return at;
    }
    match (handover.due_at - now).div_euclid(MINUTE) {
        0.. => format!("{at}, in {} min", (handover.due_at - now) / MINUTE),
        _ => format!("{at}, {} min late", (now - handover.due_at) / MINUTE),
    }
}

/// How many minutes they waited, or wait, and how that is marked.
pub(super) fn waited(
    handover: &Handover,
    received: Option<Millis>,
    now: Millis,
) -> (String, Option<Label>) {
    if handover.arrived_at == 0 || handover.state == HandoverState::Withdrawn {
        return (String::new(), None);
    }
    let until = received.unwrap_or(now);
    let minutes = (until - handover.arrived_at).max(0) / MINUTE;
    let mark = match minutes {
        60.. => Some(("Over 60 min", "red")),
        30.. => Some(("Over 30 min", "orange")),
        15.. => Some(("Over 15 min", "yellow")),
        _ => None,
    };
    let mark = mark.map(|(text, colour)| Label {
        text,
        colour: Some(colour),
    });
    (format!("{minutes} min"), mark)
}

/// How it stands. "Seen" is only ever what the department's receipt says.
pub(super) fn state(
    handover: &Handover,
    sent: Option<&Sent>,
    receipts: &[store::handovers::Receipt],
) -> Label {
    let has = |state: Parcel| receipts.iter().any(|it| it.state == state);
    // Of the newest step: what was seen of an older one says nothing of it.
    let newest = |it: &&store::handovers::Receipt| it.step == handover.crew_told;
    let seen = receipts
        .iter()
        .filter(newest)
        .any(|it| it.state == Parcel::Opened);
    let (text, colour) = match (handover.inward, handover.state) {
        (_, HandoverState::Received) => ("Taken over", "green"),
        (false, _) if has(Parcel::ActedOn) => ("Taken over", "green"),
        (true, HandoverState::Withdrawn) => ("Not coming", "grey"),
        (true, HandoverState::Coming) => ("On its way", "blue"),
        (true, HandoverState::Arrived) => ("Waiting", "orange"),
        (true, HandoverState::Begun) => ("Being handed over", "aqua-green"),
        (false, _) => match sent.map(|it| it.state) {
            Some(Parcel::Undeliverable) => ("Undeliverable: ring them", "red"),
            Some(Parcel::Accepted | Parcel::Waiting) | None => ("Not yet delivered", "yellow"),
            Some(_) if handover.state == HandoverState::Withdrawn => ("Withdrawn", "grey"),
            Some(_) if handover.state == HandoverState::Begun => {
                ("Being handed over", "aqua-green")
            }
            Some(_) if seen => ("Seen", "blue"),
            Some(_) => ("Delivered, not seen", "yellow"),
        },
    };
    Label {
        text,
        colour: Some(colour),
    }
}

/// The score of the newest observations of a sheet, for a list.
pub(super) fn scored(sheet: Option<&Sheet>) -> Score {
    let Some(sheet) = sheet else {
        return Score::quiet("Not told");
    };
    match sheet.newest() {
        None => Score::quiet("No observations"),
        Some(newest) => of_set(newest, sheet),
    }
}

/// The score of one set. What is incomplete is never a number.
pub(super) fn of_set(set: &Observations, sheet: &Sheet) -> Score {
    let (text, colour) = match score(set, sheet.age_at(set.at)).total {
        Total::NotForChildren => ("Not for under 16".to_owned(), Some("blue")),
        Total::Incomplete { missing, .. } => (
            format!("Incomplete, {} missing", missing.len()),
            Some("yellow"),
        ),
        Total::Whole { points, risk } => match risk {
            Risk::High => (format!("{points} high"), Some("red")),
            Risk::Medium => (format!("{points} medium"), Some("orange")),
            Risk::LowMedium => (format!("{points}, with a 3"), Some("yellow")),
            Risk::Low => (format!("{points} low"), Some("white")),
        },
    };
    Score { text, colour }
}
