//! `/staff/prescriptions`: what patients ask for, clean requests first, each beside what a prescriber must
//! see. A named prescriber approves, changes a quantity, or refuses with a reason.

pub mod cancel;
pub(in crate::staff) mod load;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Role, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::prescriptions::approve::{self, Approval, Before};
use exchange::prescriptions::task::{Item, Step};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label, Person};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::visit::Visit;
use load::{Allergies, Request};

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// Prescriptions are approved at a practice and nowhere else.
fn at_practice(node: &Node) -> Result<(), Problem> {
    match node.site.is_practice() {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::NotFound,
            "Requests for medicines are worked on at the GP practice.",
        )),
    }
}

/// The order as it is now, and the scope for what is done with it: how each page and act of one order begins.
async fn order_for(
    node: &Node,
    visit: &Visit,
    interaction: Interaction,
    order: &str,
) -> Result<(Scope, Request), Refusal> {
    at_practice(node)?;
    let scope = visit.scope(node, interaction, "Task").await?;
    let request = load::one(node, &scope, order, visit.now).await?;
    Ok((scope, request))
}

/// Whether the caller may decide. The decision itself is made anew for each act.
fn may_prescribe(visit: &Visit) -> bool {
    let who = visit.caller().map(|caller| &caller.who);
    matches!(
        who,
        Some(Who::Staff {
            role: Role::Clinician,
            ..
        })
    )
}

/// `GET /staff/prescriptions`
pub async fn queue(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    let scope = visit
        .scope(&node, Interaction::Prescriptions, "Task")
        .await?;
    let (requests, withheld, more) = load::queue(&node, &scope, visit.now).await?;
    let may = may_prescribe(&visit);
    let view = views::Queue {
        done: done(&asked),
        rows: requests.iter().map(|it| row(it, may, visit.now)).collect(),
        under_way: cancel::under_way(&node, &scope).await?,
        withheld,
        more,
        stand_in: node.has_eps,
        outside: !node.has_eps,
        may,
    };
    let page = Page::new("staff/prescriptions.jinja", "Prescriptions", view);
    Ok(page
        .under("/staff/prescriptions")
        .answer(&node.site, &visit))
}

fn done(asked: &Asked) -> Option<Done> {
    let text = match asked.done.as_str() {
        "approved" => "Approved. It is on its way to the prescription service.",
        "outside" => {
            "Approved. Print it, or send it from the practice's own system: this service does not send it."
        }
        "refused" => "Refused. The patient reads your reason.",
        "cancelling" => {
            "EPS is asked to cancel it. It is not cancelled until EPS has said so: look again here."
        }
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

fn row(request: &Request, may: bool, now: Millis) -> views::Row {
    views::Row {
        href: format!("/staff/prescriptions/{}", request.order),
        approve: (may && request.is_clean())
            .then(|| format!("/staff/prescriptions/{}/approve", request.order)),
        seen: request.seen(),
        patient: Person::new(
            &request.who.name,
            request.who.birth_date.as_deref(),
            request.who.nhs_number.as_deref(),
        ),
        asked: words::moment(request.asked_at(), now),
        items: request.items.iter().map(item).collect(),
        allergies: request.allergies.say(),
        allergy_mark: mark(&request.allergies),
        state: state(request),
        why: request.doubts().join(" "),
        besides: request.doubts_besides().join(" "),
    }
}

fn state(request: &Request) -> Label {
    match request.is_clean() {
        true => Label {
            text: "Clean",
            colour: Some("green"),
        },
        false => Label {
            text: "Look closer",
            colour: Some("yellow"),
        },
    }
}

fn mark(allergies: &Allergies) -> Option<Label> {
    let (text, colour) = match allergies {
        Allergies { withheld: 1.., .. } => ("Allergies withheld", "red"),
        Allergies { listed, .. } if !listed.is_empty() => ("Allergies", "orange"),
        _ => return None,
    };
    Some(Label {
        text,
        colour: Some(colour),
    })
}

fn item(item: &load::Asked) -> views::Item {
    let plan = item.plan.as_ref();
    let day = |at: Option<Millis>| at.map(words::date);
    views::Item {
        task: item.task.id.clone(),
        name: item.task.name.clone(),
        dose: item.task.dose.clone(),
        quantity: item.task.quantity.clone(),
        last: day(plan.and_then(|it| it.last_issued)),
        review: day(plan
            .and_then(|it| it.review_by)
            .map(|at| at.saturating_sub(1))),
        left: plan.and_then(|it| it.left).map(|left| left.to_string()),
        doubt: item.doubt(),
    }
}

/// What was typed into a form that did not pass.
#[derive(Default)]
struct Typed {
    reason: String,
    fault: Option<(&'static str, String)>,
}

/// `GET /staff/prescriptions/{order}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(order): Path<String>,
) -> Result<Response, Refusal> {
    show(&node, &visit, &order, Typed::default()).await
}

async fn show(node: &Node, visit: &Visit, order: &str, typed: Typed) -> Result<Response, Refusal> {
    let (_, request) = order_for(node, visit, Interaction::Prescriptions, order).await?;
    let (field, said) = match &typed.fault {
        Some((field, said)) => (*field, said.clone()),
        None => ("", String::new()),
    };
    let prescribes = may_prescribe(visit);
    let may = prescribes && !request.items.is_empty();
    let view = views::One {
        errors: match field {
            "" => Vec::new(),
            "reason" => vec![Fault {
                text: "Say why, in words that the patient reads",
                href: "#reason".into(),
            }],
            "cancel" => vec![Fault {
                text: "Choose why it is cancelled, and say no more than fits",
                href: "#why".into(),
            }],
            _ => vec![Fault {
                text: "Look at the request again before you decide",
                href: "#decide".into(),
            }],
        },
        said: (!said.is_empty()).then_some(said),
        reason: typed.reason,
        row: row(&request, may, visit.now),
        action: format!("/staff/prescriptions/{order}"),
        may,
        me: visit.caller().map(words::caller).unwrap_or_default(),
        record: format!("/staff/patient/{}", request.patient),
        requests_withheld: request.requests_withheld,
        pharmacy: request.pharmacy(node),
        stand_in: node.has_eps,
        decided: request
            .decided
            .iter()
            .map(|it| decided(it, (request.is_restricted, prescribes && node.has_eps)))
            .collect(),
        reasons: cancel::reasons(),
    };
    let title = format!("Prescription for {}", request.who.name);
    let page = Page::new("staff/prescription.jinja", title, view);
    Ok(page
        .under("/staff/prescriptions")
        .with_faults(!field.is_empty())
        .answer(&node.site, visit))
}

/// Of a restricted patient the pharmacy is not named.
fn decided(item: &Item, (is_restricted, may_cancel): (bool, bool)) -> views::Decided {
    let by = item.steps.last();
    let by = by.filter(|it| !(is_restricted && it.step.is_pharmacys()));
    views::Decided {
        name: item.name.clone(),
        what: crate::patient::prescriptions::words::step(
            item.step(),
            crate::page::tongue::Language::English,
        ),
        who: by.map_or(String::new(), |it| it.who.clone()),
        reason: item.reason().to_owned(),
        outcome: cancel::outcome(item),
        task: item.id.clone(),
        can_cancel: may_cancel && item.step().may_be_cancelled() && !item.number.is_empty(),
    }
}

/// `POST /staff/prescriptions/{order}/approve`: as it was seen, and no other.
pub async fn approve(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(order): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (scope, request) = order_for(&node, &visit, Interaction::Prescribe, &order).await?;
    if request.seen() != fields.text("seen") {
        return look_again(&node, &visit, &order).await;
    }
    let mut items = Vec::new();
    for before in request.before()? {
        let typed = fields
            .text(&format!("quantity-{}", before.item.id))
            .to_owned();
        let shown = before.plan.pointer("/dispenseRequest/quantity/value");
        let shown = shown.map_or(String::new(), ToString::to_string);
        items.push((
            before,
            (!typed.is_empty() && typed != shown).then_some(typed),
        ));
    }
    let pharmacy = request.pharmacy_code(&node, &scope).await?;
    let name = pharmacy.as_deref().map(|ods| (node.organisation_name)(ods));
    let approval = Approval {
        practice: &node.site.organisation,
        practice_name: &node.site.name,
        prescriber: &scope.agent().name,
        patient: &request.resource,
        pharmacy: pharmacy.as_deref().zip(name.as_deref()),
        eps: node.has_eps,
        now: visit.now,
        seed: rand::random(),
    };
    let job = match approve::approve(&approval, &items) {
        Ok(job) => job,
        Err(problem) if matches!(problem.kind, Kind::Value | Kind::Required) => {
            let fault = Some(("decide", problem.message));
            let typed = Typed {
                fault,
                ..Typed::default()
            };
            return show(&node, &visit, &order, typed).await;
        }
        Err(problem) if problem.kind == Kind::BusinessRule => {
            return look_again(&node, &visit, &order).await;
        }
        Err(problem) => return Err(problem.into()),
    };
    let done = if node.has_eps { "approved" } else { "outside" };
    settle(&node, &visit, (&scope, job), (&order, done)).await
}

/// `POST /staff/prescriptions/{order}/refuse`: one item, or all that are open.
pub async fn refuse(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(order): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (scope, request) = order_for(&node, &visit, Interaction::Prescribe, &order).await?;
    let only = fields.text("item");
    let reason = fields.text("reason").to_owned();
    let all = request.tasks_before();
    let chosen: Vec<Before> = all
        .into_iter()
        .filter(|it| only.is_empty() || it.item.id == only || goes_with(&request, only, it))
        .collect();
    if chosen.is_empty() {
        return look_again(&node, &visit, &order).await;
    }
    let name = scope.agent().name.clone();
    let at = (chosen.as_slice(), visit.now);
    let job = match approve::refuse(&node.site.organisation, &name, &reason, at) {
        Ok(job) => job,
        Err(problem) if matches!(problem.kind, Kind::Required | Kind::TooLong) => {
            let typed = Typed {
                reason,
                fault: Some(("reason", problem.message)),
            };
            return show(&node, &visit, &order, typed).await;
        }
        Err(problem) => return Err(problem.into()),
    };
    settle(&node, &visit, (&scope, job), (&order, "refused")).await
}

/// Whether an item is of the same prescription that EPS refused as the chosen one: it goes as a whole.
fn goes_with(request: &Request, chosen: &str, it: &Before) -> bool {
    let mut items = request.items.iter().map(|it| &it.task);
    let chosen = items.find(|item| item.id == chosen);
    it.item.step() == Step::EpsRefused
        && chosen.is_some_and(|item| {
            item.step() == Step::EpsRefused && item.prescription == it.item.prescription
        })
}

/// Commits a decision; what somebody else decided meanwhile is to be looked at again.
async fn settle(
    node: &Node,
    visit: &Visit,
    (scope, job): (&Scope, store::Job),
    (order, done): (&str, &str),
) -> Result<Response, Refusal> {
    match node.store.commit(scope, job).await {
        Ok(_) => Ok(see_other(&format!("/staff/prescriptions?done={done}"))),
        Err(problem) if matches!(problem.kind, Kind::Conflict | Kind::LockError) => {
            look_again(node, visit, order).await
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn look_again(node: &Node, visit: &Visit, order: &str) -> Result<Response, Refusal> {
    let said = "Something changed since you saw this request, or it was decided. Nothing was approved or refused \
                by what you pressed."
        .to_owned();
    let typed = Typed {
        fault: Some(("decide", said)),
        ..Typed::default()
    };
    show(node, visit, order, typed).await
}
