//! `POST /staff/prescriptions/{order}/cancel`: a named prescriber asks EPS to cancel an item of what was sent to it.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::prescriptions::cancel::Cancel;
use exchange::prescriptions::message::cancel::REASONS;
use exchange::prescriptions::task::{Item, Step};
use fhir::problem::{Kind, Problem};
use fhir::repeats::ORDER_CODE;
use store::Reading;

use super::{Typed, load, look_again, order_for, settle, show, views};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::words;
use crate::patient::prescriptions::words::step;
use crate::record;
use crate::visit::Visit;

/// Orders under way that are listed.
const UNDER_WAY_MAX: usize = 15;

/// Asks for it.
pub async fn cancel(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(order): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (scope, request) = order_for(&node, &visit, Interaction::Prescribe, &order).await?;
    let Some(exchange) = &node.exchange else {
        let message = "This node is not connected to EPS.";
        return Err(Problem::new(Kind::NotSupported, message).into());
    };
    let Some(before) = request.decided_before(fields.text("item")) else {
        return look_again(&node, &visit, &order).await;
    };
    let name = scope.agent().name.clone();
    let cancel = Cancel {
        prescriber: &name,
        code: fields.text("why"),
        words: fields.text("words"),
        now: visit.now,
    };
    match exchange.cancel_item(&before, &cancel).await {
        Ok(job) => settle(&node, &visit, (&scope, job), (&order, "cancelling")).await,
        Err(problem) if matches!(problem.kind, Kind::Required | Kind::TooLong) => {
            let typed = Typed {
                fault: Some(("cancel", problem.message)),
                ..Typed::default()
            };
            show(&node, &visit, &order, typed).await
        }
        Err(problem) if problem.kind == Kind::BusinessRule => {
            look_again(&node, &visit, &order).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// What the form offers: the reasons that EPS has.
pub(super) fn reasons() -> Vec<views::Reason> {
    let all = REASONS.into_iter();
    all.map(|(code, name)| views::Reason { code, name })
        .collect()
}

/// What came of asking, for the prescriber; nothing where the item's own step says it.
pub(super) fn outcome(item: &Item) -> Option<String> {
    let last = item.cancelling()?;
    match last.step {
        Step::NotCancelled => Some(format!("Not cancelled. {}", last.reason)),
        _ => None,
    }
}

/// What was approved and is not done, the newest first: from there it is cancelled.
pub(super) async fn under_way(node: &Node, scope: &Scope) -> Result<Vec<views::UnderWay>, Problem> {
    let mut all = Vec::new();
    for status in ["accepted", "in-progress"] {
        let (found, _, _) = load::tasks(node, scope, (ORDER_CODE, status)).await?;
        all.extend(found.into_iter().map(|(_, item)| item));
    }
    all.sort_by_key(|it| std::cmp::Reverse(it.asked_at()));
    let mut rows: Vec<views::UnderWay> = Vec::new();
    let mut orders: Vec<String> = Vec::new();
    for item in all {
        if orders.contains(&item.order) {
            continue;
        }
        if rows.len() >= UNDER_WAY_MAX {
            break;
        }
        let Reading::Found(version) = node.store.read(scope, "Patient", &item.patient).await?
        else {
            continue;
        };
        let patient = record::patient(&record::json(&version)?);
        rows.push(views::UnderWay {
            href: format!("/staff/prescriptions/{}", item.order),
            patient: patient.name,
            name: item.name.clone(),
            what: step(item.step(), Language::English),
            asked: words::date(item.asked_at()),
        });
        orders.push(item.order);
    }
    Ok(rows)
}
