//! The work list's groups about prescriptions: what EPS did not take, and statuses that fit nothing here.

use std::sync::Arc;

use access::Scope;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::Effect;
use store::prescriptions::{EpsKind, EpsStuck, PrescriptionWrite, StuckStatus};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::views;
use crate::staff::worklist::{decide, group};
use crate::visit::Visit;

/// The two groups.
pub(super) async fn groups(
    node: &Node,
    scope: &Scope,
    count_max: u32,
    now: Millis,
) -> Result<[views::Group; 2], Problem> {
    let messages = node.store.eps_work_list(scope, count_max).await?;
    let statuses = node.store.statuses_unmatched(scope, count_max).await?;
    Ok([
        group(
            "eps",
            "Messages to EPS that are not getting through",
            messages.iter().map(|it| message(it, now)).collect(),
            "EPS has taken every message about a prescription, or none was to be sent.",
        ),
        group(
            "statuses",
            "Statuses of prescriptions that fit nothing here",
            statuses.iter().map(|it| status(node, it, now)).collect(),
            "Every status that a pharmacy told has been matched to its request.",
        ),
    ])
}

fn message(stuck: &EpsStuck, now: Millis) -> views::Work {
    let what = match stuck.kind {
        EpsKind::Order => "Prescription",
        EpsKind::Notification => "Dispense notification of prescription",
        EpsKind::Return => "Return of prescription",
        EpsKind::Release => "Fetching prescriptions",
        EpsKind::Cancel => "Cancellation of prescription",
    };
    let address = format!("/staff/worklist/eps/{}", stuck.number);
    let link = |text, what: &str| Link {
        text,
        href: format!("{address}/{what}"),
    };
    let (state, colour, next) = match (stuck.refused, stuck.kind) {
        (true, EpsKind::Release) => (
            "Refused",
            "red",
            "Ask whoever runs this node what the log says. Send again puts the same question, which EPS answers the same, when prescriptions are fetched next.".to_owned(),
        ),
        (true, _) => (
            "Refused",
            "red",
            "Find out with EPS what is wrong, then send the same message again, or settle it and prescribe anew."
                .to_owned(),
        ),
        (false, EpsKind::Release) => (
            "Waiting",
            "yellow",
            "Fetch again on the dispensing page.".to_owned(),
        ),
        (false, _) => {
            let at = words::moment(stuck.next_try, now).short;
            let next = format!("Nothing yet: the same message is sent again at {at}.");
            ("Waiting", "yellow", next)
        }
    };
    views::Work {
        when: words::moment(stuck.since, now),
        what: format!("{what} {}", stuck.subject).trim().to_owned(),
        href: None,
        state: Label {
            text: state,
            colour: Some(colour),
        },
        why: stuck.reason.clone(),
        next,
        actions: match stuck.refused {
            true => vec![link("Send again", "again"), link("Settled", "settled")],
            false => Vec::new(),
        },
    }
}

fn status(node: &Node, stuck: &StuckStatus, now: Millis) -> views::Work {
    let address = format!("/staff/worklist/status/{}", stuck.pid);
    let link = |text, what: &str| Link {
        text,
        href: format!("{address}/{what}"),
    };
    views::Work {
        when: words::moment(stuck.since, now),
        what: format!(
            "Status of prescription {} from {}",
            stuck.subject,
            (node.organisation_name)(&stuck.sender)
        ),
        href: None,
        state: Label {
            text: "Unmatched",
            colour: Some("red"),
        },
        why: stuck.reason.clone(),
        next: "Ask the pharmacy whose prescription it is. Try again once the record here is put right.".to_owned(),
        actions: vec![link("Try again", "again"), link("Settled", "settled")],
    }
}

/// `POST /staff/worklist/eps/{number}/again`: the same bytes go again.
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = PrescriptionWrite::Again { number };
    done(
        &node,
        &visit,
        format!("eps-message={number}"),
        write,
        "eps-again",
    )
    .await
}

/// `POST /staff/worklist/eps/{number}/settled`
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = PrescriptionWrite::Settled { number };
    done(
        &node,
        &visit,
        format!("eps-message={number}"),
        write,
        "off-list",
    )
    .await
}

/// `POST /staff/worklist/status/{pid}/again`
pub async fn status_again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = PrescriptionWrite::StatusAgain { pid };
    done(
        &node,
        &visit,
        format!("parcel={pid}"),
        write,
        "status-again",
    )
    .await
}

/// `POST /staff/worklist/status/{pid}/settled`
pub async fn status_settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = PrescriptionWrite::StatusSettled { pid };
    done(&node, &visit, format!("parcel={pid}"), write, "off-list").await
}

async fn done(
    node: &Node,
    visit: &Visit,
    row: String,
    write: PrescriptionWrite,
    said: &str,
) -> Result<Response, Refusal> {
    decide(node, visit, row, Effect::Prescription(write)).await?;
    Ok(see_other(&format!("/staff/worklist?done={said}")))
}
