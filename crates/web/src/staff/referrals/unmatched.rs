//! `/staff/referrals/unmatched/{pid}`: a referral of which nobody here has said whose it is. A person matches it, registers
//! the patient, or gives it back.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::manifest::ParcelText;
use exchange::referrals::Request;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::referrals::UnmatchedReferral;

use super::{ROWS_MAX, exchange, may_triage, urgency, views};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Fault, Label, Person};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::matching;
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Sought {
    #[serde(default)]
    find: String,
}

/// What it asks for, as far as it reads.
fn request(waiting: &UnmatchedReferral) -> Request {
    let text = ParcelText::parse(&waiting.text).ok();
    let referral = text.and_then(|it| it.referral);
    let request = referral.and_then(|it| it.request);
    request.unwrap_or_else(|| Request {
        service: "An answer or a decision".into(),
        urgency: "routine".into(),
        reason: "See the work list.".into(),
        question: String::new(),
        referrer: String::new(),
    })
}

fn person(waiting: &UnmatchedReferral) -> Person {
    let named = &waiting.named;
    let parts = [named.family.to_uppercase(), named.given.clone()];
    let parts: Vec<String> = parts.into_iter().filter(|it| !it.is_empty()).collect();
    let name = parts.join(", ");
    Person::new(
        &name,
        named.birth_date.as_deref(),
        named.nhs_number.as_deref(),
    )
}

/// The rows of the list.
pub(super) async fn rows(
    node: &Node,
    scope: &Scope,
    now: Millis,
) -> Result<Vec<views::Row>, Problem> {
    let found = node
        .store
        .referrals_unmatched(scope, None, ROWS_MAX)
        .await?;
    let row = |it: &UnmatchedReferral| {
        let request = request(it);
        views::Row {
            href: Some(format!("/staff/referrals/unmatched/{}", it.pid)),
            patient: person(it),
            service: request.service,
            other: (node.organisation_name)(&it.sender),
            urgency: urgency(&request.urgency),
            state: Label {
                text: "Unmatched",
                colour: Some("yellow"),
            },
            since: words::moment(it.came_at, now),
            detail: it.why.clone(),
            news: false,
        }
    };
    Ok(found.iter().map(row).collect())
}

/// `GET /staff/referrals/unmatched/{pid}`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    Query(sought): Query<Sought>,
) -> Result<Response, Refusal> {
    show(&node, &visit, pid, (&sought.find, "", None)).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    pid: i64,
    (find, reason, said): (&str, &str, Option<String>),
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(node, Interaction::Referrals, ty).await?;
    let waiting = node.store.referrals_unmatched(&scope, Some(pid), 1).await?;
    let waiting = waiting.into_iter().next().ok_or_else(|| {
        let message = "This referral does not wait for somebody to say whose it is.";
        Problem::new(Kind::NotFound, message)
    })?;
    let found = matching::for_named(node, visit, &waiting.named, Some(find)).await?;
    let request = request(&waiting);
    let named = &waiting.named;
    let view = views::Unmatched {
        errors: match &said {
            Some(_) => vec![Fault {
                text: "Nothing was done",
                href: "#reason".into(),
            }],
            None => Vec::new(),
        },
        patient: person(&waiting),
        other: (node.organisation_name)(&waiting.sender),
        came: words::moment(waiting.came_at, visit.now),
        why: waiting.why.clone(),
        urgency: urgency(&request.urgency),
        request: views::Request::of(&request),
        action: format!("/staff/referrals/unmatched/{pid}"),
        sought: find.to_owned(),
        candidates: found,
        can_register: named.nhs_number.is_some()
            && named.birth_date.is_some()
            && !named.family.is_empty(),
        can_return: may_triage(visit),
        reason: reason.to_owned(),
        said,
    };
    let faulty = view.said.is_some();
    let page = Page::new(
        "staff/referral-match.jinja",
        "Whose is this referral?",
        view,
    );
    let page = page.under("/staff/referrals").with_faults(faulty);
    Ok(page.answer(&node.site, visit))
}

/// `POST /staff/referrals/unmatched/{pid}/match`
pub async fn matched(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::MatchLetter, ty).await?;
    let patient = fields.text("patient");
    if patient.is_empty() {
        let said = Some("Choose the patient.".to_owned());
        return show(&node, &visit, pid, ("", "", said)).await;
    }
    exchange(&node)?
        .match_referral(&scope, pid, patient)
        .await?;
    Ok(see_other("/staff/referrals?show=to-triage&done=matched"))
}

/// `POST /staff/referrals/unmatched/{pid}/register`
pub async fn register(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::MatchLetter, ty).await?;
    exchange(&node)?.register_for_referral(&scope, pid).await?;
    Ok(see_other("/staff/referrals?show=to-triage&done=matched"))
}

/// The reason of a return: what was chosen, and what was written to it.
pub(super) fn reason(fields: &Fields) -> String {
    let chosen = match fields.text("why") {
        "not-ours" => "Not our patient.",
        "more" => "More information is needed.",
        "elsewhere" => "Another service does this.",
        "advice" => "No appointment is needed: see our advice.",
        _ => "",
    };
    let written = fields.text("words");
    match (chosen.is_empty(), written.is_empty()) {
        (true, _) => written.to_owned(),
        (false, true) => chosen.to_owned(),
        (false, false) => format!("{chosen} {written}"),
    }
}

/// `POST /staff/referrals/unmatched/{pid}/return`
pub async fn give_back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let ty = "ServiceRequest";
    let scope = visit.scope(&node, Interaction::TriageReferral, ty).await?;
    let words = reason(&fields);
    let done = exchange(&node)?.return_unmatched(&scope, pid, &words).await;
    match done {
        Ok(()) => Ok(see_other(
            "/staff/referrals?show=unmatched&done=unmatched-return",
        )),
        Err(problem) if matches!(problem.kind, Kind::Required | Kind::TooLong) => {
            let said = Some(problem.message.to_string());
            show(&node, &visit, pid, ("", fields.text("words"), said)).await
        }
        Err(problem) => Err(problem.into()),
    }
}
