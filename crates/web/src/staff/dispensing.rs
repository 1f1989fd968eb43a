//! `/staff/dispensing`: the pharmacy's queue. Prescriptions are fetched from EPS; what became of each item is
//! told to EPS, the practice and, over it, the patient.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::Exchange;
use exchange::prescriptions::number::is_sound;
use exchange::prescriptions::pharmacy::Act;
use exchange::prescriptions::task::{DISPENSE_CODE, Item, Step};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::Reading;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Label, Person};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::prescriptions::words::step as step_words;
use crate::record::{self, json};
use crate::staff::prescriptions::{load, views};
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// Items of one form.
const ITEMS_MAX: usize = 60;

/// The exchange of a pharmacy's node.
fn at_pharmacy(node: &Node) -> Result<&Arc<Exchange>, Problem> {
    let exchange = node.exchange.as_ref().filter(|_| node.site.is_pharmacy());
    exchange.ok_or_else(|| {
        let message = "Prescriptions are dispensed at a pharmacy.";
        Problem::new(Kind::NotFound, message)
    })
}

/// `GET /staff/dispensing`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    show(&node, &visit, &asked.done, None).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    done: &str,
    error: Option<String>,
) -> Result<Response, Refusal> {
    at_pharmacy(node)?;
    let scope = visit
        .scope(node, Interaction::Prescriptions, "Task")
        .await?;
    let (tasks, withheld, more) = load::tasks(node, &scope, (DISPENSE_CODE, "in-progress")).await?;
    let mut groups: Vec<Vec<Item>> = Vec::new();
    for (_, item) in tasks
        .into_iter()
        .filter(|(_, it)| it.step() != Step::Returned)
    {
        let same = |group: &&mut Vec<Item>| group.first().is_some_and(|it| it.order == item.order);
        match groups.iter_mut().find(same) {
            Some(group) => group.push(item),
            None => groups.push(vec![item]),
        }
    }
    let mut prescriptions = Vec::new();
    for group in &groups {
        prescriptions.extend(prescription(node, visit, &scope, group).await?);
    }
    let is_faulty = error.is_some();
    let view = views::Dispensing {
        done: said(done),
        error,
        prescriptions,
        withheld,
        more,
        connected: node.has_eps,
    };
    let page = Page::new("staff/dispensing.jinja", "Dispensing", view);
    Ok(page
        .under("/staff/dispensing")
        .with_faults(is_faulty)
        .answer(&node.site, visit))
}

fn said(done: &str) -> Option<Done> {
    let text = match done {
        "none" => "Nothing new is waiting at EPS for this pharmacy.",
        "fetched" => "Prescriptions were fetched.",
        "unread" => {
            "Prescriptions were fetched. What could not be taken in stands on the work list."
        }
        "noted" => "Noted. The practice and EPS are told.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

async fn prescription(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    items: &[Item],
) -> Result<Option<views::Prescription>, Problem> {
    let Some(first) = items.first() else {
        return Ok(None);
    };
    let patient = match node.store.read(scope, "Patient", &first.patient).await? {
        Reading::Found(version) => {
            let who = record::patient(&json(&version)?);
            Person::new(
                &who.name,
                who.birth_date.as_deref(),
                who.nhs_number.as_deref(),
            )
        }
        _ => Person::new("Not shown to you", None, None),
    };
    let all = |step: Step| items.iter().all(|it| it.step() == step);
    Ok(Some(views::Prescription {
        number: first.order.clone(),
        patient,
        practice: (node.organisation_name)(&first.practice),
        came: words::moment(first.asked_at(), visit.now),
        items: items.iter().map(dispensed).collect(),
        can_return: all(Step::WithPharmacy),
    }))
}

fn dispensed(item: &Item) -> views::Dispensed {
    let step = item.step();
    let colour = match step {
        Step::Ready => "green",
        Step::PartReady | Step::Owed => "yellow",
        _ => "blue",
    };
    views::Dispensed {
        task: item.id.clone(),
        name: item.name.clone(),
        dose: item.dose.clone(),
        quantity: item.quantity.clone(),
        state: Label {
            text: step_words(step, Language::English),
            colour: Some(colour),
        },
        note: item.reason().to_owned(),
        can_ready: matches!(step, Step::WithPharmacy | Step::PartReady | Step::Owed),
        can_part: step == Step::WithPharmacy,
        can_refuse: matches!(step, Step::WithPharmacy | Step::Owed),
        can_collect: matches!(step, Step::Ready | Step::PartReady),
    }
}

/// `POST /staff/dispensing/fetch`: all that waits for this pharmacy, or one by its number.
pub async fn fetch(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let exchange = at_pharmacy(&node)?;
    let scope = visit.scope(&node, Interaction::Dispense, "Task").await?;
    let number = fields.text("number").to_ascii_uppercase();
    if !number.is_empty() && !is_sound(&number) {
        let said = "The number is not right. It is like 628738-A83008-7EFE6P.".to_owned();
        return show(&node, &visit, "", Some(said)).await;
    }
    let number = (!number.is_empty()).then_some(number.as_str());
    let fetched = Box::pin(exchange.fetch_prescriptions(&scope, number)).await;
    match fetched {
        Ok(fetched) => {
            let done = match (fetched.prescriptions, fetched.unread) {
                (0, 0) => "none",
                (_, 0) => "fetched",
                _ => "unread",
            };
            Ok(see_other(&format!("/staff/dispensing?done={done}")))
        }
        Err(problem)
            if matches!(
                problem.kind,
                Kind::Transient | Kind::Processing | Kind::NotSupported
            ) =>
        {
            show(&node, &visit, "", Some(problem.message)).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /staff/dispensing/act`: one thing done with one item, or with all of a prescription that it fits.
pub async fn act(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let exchange = at_pharmacy(&node)?;
    let scope = visit.scope(&node, Interaction::Dispense, "Task").await?;
    let reason = fields.text("reason").to_owned();
    let act = match fields.text("act") {
        "ready" => Act::Ready,
        "part" => Act::Part { owed: reason },
        "not-supplied" => Act::NotSupplied { reason },
        "collected" => Act::Collected,
        "return" => Act::Return { reason },
        _ => return Err(Problem::new(Kind::Value, "The form says nothing to do.").into()),
    };
    let tasks: Vec<String> = fields.each("item").map(str::to_owned).collect();
    if tasks.is_empty() || tasks.len() > ITEMS_MAX {
        return Err(Problem::new(Kind::Value, "The form names no item, or too many.").into());
    }
    match Box::pin(exchange.dispense(&scope, &tasks, &act)).await {
        Ok(()) => Ok(see_other("/staff/dispensing?done=noted")),
        Err(problem)
            if matches!(
                problem.kind,
                Kind::Required | Kind::TooLong | Kind::BusinessRule | Kind::Conflict
            ) =>
        {
            let said = match problem.kind {
                Kind::Conflict => "Somebody else was quicker. Look at the list again.".to_owned(),
                _ => problem.message,
            };
            show(&node, &visit, "", Some(said)).await
        }
        Err(problem) => Err(problem.into()),
    }
}
