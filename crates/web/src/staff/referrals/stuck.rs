//! Referrals and steps of them that do not get on by themselves, on the work list.

use std::sync::Arc;

use access::Scope;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::Problem;
use store::Effect;
use store::referrals::{ReferralWrite, StuckBars, StuckReferral};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::{views, worklist};
use crate::visit::Visit;

/// The group of the work list.
pub(in crate::staff) async fn group(
    node: &Node,
    scope: &Scope,
    now: Millis,
) -> Result<views::Group, Problem> {
    let stuck = node
        .store
        .stuck_referrals(scope, worklist::ROWS_MAX)
        .await?;
    let by_bars = node.store.stuck_bars(scope, worklist::ROWS_MAX).await?;
    let mut rows: Vec<views::Work> = stuck.iter().map(|it| row(node, it, now)).collect();
    rows.extend(by_bars.iter().map(|it| message(node, it, now)));
    let empty =
        "Every referral, question and decision has been delivered and taken in, or is on its way.";
    let title = "Referrals that do not get on";
    Ok(worklist::group("referrals", title, rows, empty))
}

fn row(node: &Node, stuck: &StuckReferral, now: Millis) -> views::Work {
    let other = (node.organisation_name)(&stuck.other);
    let (what, text, next, action) = match stuck.inward {
        true => (
            format!("Referral from {other}"),
            "Not taken in",
            "Say under Referrals, Unmatched, whose it is, or return it. If it is an answer or a decision, try it again."
                .to_owned(),
            Link {
                text: "Try again",
                href: format!("/staff/worklist/referrals/{}/take", stuck.pid),
            },
        ),
        false => (
            format!("Referral to {other}"),
            "Undeliverable",
            format!("Ask {other} whether its node is running, then send again. Nobody there has it."),
            Link {
                text: "Send again",
                href: format!("/staff/worklist/referrals/{}/again", stuck.pid),
            },
        ),
    };
    views::Work {
        when: words::moment(stuck.since, now),
        what,
        href: None,
        state: Label {
            text,
            colour: Some("red"),
        },
        why: match stuck.reason.as_str() {
            "" => "No reason was given.".to_owned(),
            reason => reason.to_owned(),
        },
        next,
        actions: vec![action],
    }
}

/// A message of BaRS that was given up.
fn message(node: &Node, stuck: &StuckBars, now: Millis) -> views::Work {
    let other = (node.organisation_name)(&stuck.other);
    let what = match stuck.event.as_str() {
        "servicerequest-response" => "Decision about a referral, by BaRS, to",
        "booking-request" => "Booking or cancellation of one, by BaRS, to",
        _ => "Referral or change of one, by BaRS, to",
    };
    views::Work {
        when: words::moment(stuck.since, now),
        what: format!("{what} {other}"),
        href: None,
        state: Label {
            text: "Undeliverable",
            colour: Some("red"),
        },
        why: stuck.reason.clone(),
        next: format!(
            "Tell {other} by telephone: nobody there is known to have it. Whoever runs the node sees whether [bars] is right; then send again."
        ),
        actions: vec![Link {
            text: "Send again",
            href: format!("/staff/worklist/bars/{}/again", stuck.id),
        }],
    }
}

/// `POST /staff/worklist/bars/{id}/again`
pub async fn bars_again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let row = format!("bars-message={id}");
    let write = Effect::Referral(ReferralWrite::BarsAgain { id });
    worklist::decide(&node, &visit, row, write).await?;
    Ok(see_other("/staff/worklist?done=referral-again"))
}

/// `POST /staff/worklist/referrals/{pid}/again`
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = Effect::Referral(ReferralWrite::SendAgain { pid });
    worklist::decide(&node, &visit, format!("referral-parcel={pid}"), write).await?;
    Ok(see_other("/staff/worklist?done=referral-again"))
}

/// `POST /staff/worklist/referrals/{pid}/take`
pub async fn take(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = Effect::Referral(ReferralWrite::TakeAgain { pid });
    worklist::decide(&node, &visit, format!("referral-parcel={pid}"), write).await?;
    Ok(see_other("/staff/worklist?done=referral-taken"))
}
