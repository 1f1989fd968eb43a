//! `/prescriptions`: what a patient may order and why not the rest, the order, and how far each item is.

pub mod pharmacy;
pub mod views;
pub mod words;

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::prescriptions::order::{self, Ask};
use exchange::prescriptions::task::{Item as Asked, Step, Taken};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::repeats::{self, Item, State as Due};
use fhir::search::Search;
use serde::Deserialize;
use serde_json::Value;
use store::Reading;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Fault, Label};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other};
use crate::record::json;
use crate::visit::Visit;
use words::{Words, with};

/// Resources of one type looked through at most, in steps of a page.
const RESOURCES_MAX: usize = 1_000;
const PAGE: u32 = 200;
/// Orders that are over and still listed.
const BEFORE_MAX: usize = 20;

/// What is here of one patient's medicines.
pub struct Medicines {
    pub items: Vec<Item>,
    /// The patient's Tasks, as they are.
    pub tasks: Vec<Value>,
    /// Their MedicationRequests.
    pub requests: Vec<Value>,
    /// Whether another system holds them and did not answer: what may be ordered is then not known.
    pub is_silent: bool,
    /// The patient's NHS number, where another system holds them.
    pub there: Option<String>,
}

impl Medicines {
    /// What the scope shows of the patient's.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(
        node: &Node,
        scope: &Scope,
        patient: &str,
        now: Millis,
    ) -> Result<Medicines, Problem> {
        let tasks = all(node, scope, "Task", patient).await?;
        let there = node.exchange.as_ref().filter(|it| it.has_medicines_there());
        if let Some(exchange) = there {
            let number = number_of(node, scope, patient).await?;
            let told = match &number {
                Some(number) => {
                    let person = "The patient's own page";
                    Box::pin(exchange.medicines_there(number, person))
                        .await
                        .ok()
                }
                // Without a number nobody can be asked.
                None => None,
            };
            let is_silent = told.is_none();
            let requests = told.unwrap_or_default();
            return Ok(Medicines {
                items: repeats::items(&requests, &tasks, now),
                tasks,
                requests,
                is_silent,
                there: number,
            });
        }
        let requests = all(node, scope, "MedicationRequest", patient).await?;
        Ok(Medicines {
            items: repeats::items(&requests, &tasks, now),
            tasks,
            requests,
            is_silent: false,
            there: None,
        })
    }

    /// How many can be ordered, in words; or that it is not known.
    fn due_said(&self, words: &Words) -> String {
        match (self.is_silent, self.due().count()) {
            (true, _) => words.silent.to_owned(),
            (false, 0) => words.none_due.to_owned(),
            (false, 1) => words.one_due.to_owned(),
            (false, many) => with(words.many_due, &many.to_string()),
        }
    }

    /// The Tasks by which something was asked for.
    pub(crate) fn orders_as_tasks(&self) -> Vec<Value> {
        let asks = self.tasks.iter().filter(|it| repeats::is_order(it));
        asks.cloned().collect()
    }

    fn due(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|it| it.is_due())
    }

    /// The orders, the newest first, each with its items.
    fn orders(&self) -> Vec<(String, Vec<Asked>)> {
        let asks = self.tasks.iter().filter(|it| repeats::is_order(it));
        let mut orders: Vec<(String, Vec<Asked>)> = Vec::new();
        for item in asks.filter_map(Asked::read) {
            match orders.iter_mut().find(|(order, _)| *order == item.order) {
                Some((_, items)) => items.push(item),
                None => orders.push((item.order.clone(), vec![item])),
            }
        }
        let asked = |items: &[Asked]| items.iter().map(Asked::asked_at).max();
        orders.sort_by(|a, b| asked(&b.1).cmp(&asked(&a.1)).then_with(|| a.0.cmp(&b.0)));
        orders
    }
}

async fn all(node: &Node, scope: &Scope, ty: &str, patient: &str) -> Result<Vec<Value>, Problem> {
    let mut search = Search::all(ty, PAGE).within_patient(patient);
    let mut found = Vec::new();
    loop {
        let page = node.store.search(scope, &search).await?;
        for version in &page.entries {
            found.push(json(version)?);
        }
        search.after = page.next;
        if search.after.is_none() || found.len() >= RESOURCES_MAX {
            return Ok(found);
        }
    }
}

/// The patient's NHS number, as the record here has it.
async fn number_of(node: &Node, scope: &Scope, patient: &str) -> Result<Option<String>, Problem> {
    let read = node.store.read(scope, "Patient", patient).await?;
    Ok(match read {
        Reading::Found(version) => crate::record::patient(&json(&version)?).nhs_number,
        _ => None,
    })
}

/// The patient whose medicines are at hand: one's own, or of whom one acts for; and who asks, for people.
fn whose(visit: &Visit) -> Result<(String, String), Problem> {
    match (&visit.known()?.who, visit.acting()) {
        (Who::Patient { name, .. }, Some(acting)) => Ok((
            acting.patient.clone(),
            format!("{name}, for {}", acting.name),
        )),
        (Who::Patient { patient, name, .. }, None) => Ok((patient.clone(), name.clone())),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This page is the patient's own.",
        )),
    }
}

/// Medicines are ordered at a practice and nowhere else.
fn at_practice(node: &Node) -> Result<(), Problem> {
    match node.site.is_practice() {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::NotFound,
            "Repeat medicines are ordered at the GP practice.",
        )),
    }
}

/// What the home page says of it: how many can be ordered, and where to.
pub(super) async fn tile(node: &Node, visit: &Visit) -> Result<Option<views::Tile>, Problem> {
    if !node.site.is_practice() {
        return Ok(None);
    }
    let scope = match visit
        .scope(node, Interaction::Record, "MedicationRequest")
        .await
    {
        Ok(scope) => scope,
        // Who acts for somebody may not be shown medicines.
        Err(problem) if problem.message == NOT_FOR_PROXIES => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let (patient, _) = whose(visit)?;
    let medicines = Medicines::read(node, &scope, &patient, visit.now).await?;
    let words = Words::of(visit.tongue());
    let href = match medicines.due().count() {
        0 => "/prescriptions",
        _ => "/prescriptions/order",
    };
    let text = medicines.due_said(words);
    Ok(Some(views::Tile {
        href,
        heading: words.prescriptions,
        text,
        lang: visit.tongue().code(),
    }))
}

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Said {
    #[serde(default)]
    done: String,
}

/// `GET /prescriptions`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    let (patient, _) = whose(&visit)?;
    let scope = visit
        .scope(&node, Interaction::Record, "MedicationRequest")
        .await?;
    let medicines = Medicines::read(&node, &scope, &patient, visit.now).await?;
    let tongue = visit.tongue();
    let words = Words::of(tongue);
    let (under_way, over): (Vec<_>, Vec<_>) = medicines
        .orders()
        .into_iter()
        .partition(|(_, items)| items.iter().any(|it| !it.step().is_end()));
    let row = |(order, items): &(String, Vec<Asked>)| row(order, items, tongue);
    let due: Vec<views::Medicine> = medicines.due().map(|it| medicine(it, tongue)).collect();
    let due_said = medicines.due_said(words);
    let view = views::List {
        words,
        done: (said.done == "already").then_some(words.done_already),
        due_said,
        due,
        others: others(&medicines, tongue),
        under_way: under_way.iter().map(row).collect(),
        before: over.iter().take(BEFORE_MAX).map(row).collect(),
        notes: notes(&node, &visit, words),
        pharmacy: chosen(&node, &scope, &patient, words).await?,
        here: "/prescriptions".to_owned(),
    };
    let page = Page::new("patient/prescriptions.jinja", words.prescriptions, view);
    Ok(page
        .under("/prescriptions")
        .said_in(tongue)
        .answer(&node.site, &visit))
}

/// What is not due, each with the reason.
fn others(medicines: &Medicines, tongue: Language) -> Vec<views::Medicine> {
    let others = medicines.items.iter().filter(|it| !it.is_due());
    others.map(|it| medicine(it, tongue)).collect()
}

/// What the reader must know beside the list.
fn notes(node: &Node, visit: &Visit, words: &'static Words) -> Vec<&'static str> {
    let mut notes = vec![words.held_back];
    if visit.acting().is_some() {
        notes.push(NOT_FOR_PROXIES);
    }
    if node.has_eps {
        notes.push(words.stand_in);
    }
    notes
}

async fn chosen(
    node: &Node,
    scope: &Scope,
    patient: &str,
    words: &Words,
) -> Result<String, Problem> {
    // Where a restricted patient collects their medicines tells where they are (P13).
    if node.store.keeps_whereabouts(patient).await? {
        return Ok(words.restricted_pharmacy.to_owned());
    }
    let pharmacy = node.store.nominated_pharmacy(scope, patient).await?;
    Ok(match pharmacy {
        Some(ods) => with(words.your_pharmacy, &(node.organisation_name)(&ods)),
        None => words.no_pharmacy.to_owned(),
    })
}

fn medicine(item: &Item, tongue: Language) -> views::Medicine {
    let words = Words::of(tongue);
    let on = |at: Millis| tongue.date(at).short;
    // A day that is over is told by its last moment.
    let until = |at: Millis| tongue.date(at.saturating_sub(1)).short;
    let (why, order) = match &item.state {
        Due::Due => (None, None),
        Due::TooEarly(from) => (Some(with(words.early, &on(*from))), None),
        Due::ReviewNeeded(by) => (Some(with(words.review, &until(*by))), None),
        Due::NoneLeft => (Some(words.none_left.to_owned()), None),
        Due::Stopped => (Some(words.stopped.to_owned()), None),
        Due::Labelled => (Some(words.labelled.to_owned()), None),
        Due::AskedFor(order) => {
            let href = format!("/prescriptions/{order}");
            (Some(words.asked_for.to_owned()), Some(href))
        }
    };
    views::Medicine {
        id: item.id.clone(),
        name: item.name.clone(),
        dose: item.dose.clone(),
        quantity: item.quantity.clone(),
        last: item.last_issued.map(|at| with(words.took_last, &on(at))),
        left: item
            .left
            .filter(|_| item.is_due())
            .map(|left| with(words.left, &left.to_string())),
        why,
        order,
    }
}

fn row(order: &str, items: &[Asked], tongue: Language) -> views::OrderRow {
    let words = Words::of(tongue);
    let names: Vec<&str> = items.iter().map(|it| it.name.as_str()).collect();
    let mut steps: Vec<Step> = items.iter().map(Asked::step).collect();
    steps.sort_unstable();
    steps.dedup();
    let asked = items.iter().map(Asked::asked_at).max().unwrap_or(0);
    views::OrderRow {
        href: format!("/prescriptions/{order}"),
        title: with(words.asked_on, &tongue.date(asked).short),
        names: names.join(", "),
        states: steps.into_iter().map(|it| label(it, tongue)).collect(),
    }
}

fn label(step: Step, tongue: Language) -> Label {
    let colour = match step {
        Step::Asked | Step::Printed | Step::WithPractice => "blue",
        Step::Asking => "yellow",
        Step::Approved | Step::WithEps | Step::WithPharmacy => "aqua-green",
        Step::EpsRefused | Step::Returned | Step::PartReady | Step::Owed => "yellow",
        Step::Ready | Step::Collected => "green",
        Step::Refused | Step::NotSupplied => "orange",
        Step::Cancelling | Step::NotCancelled => "yellow",
        Step::Withdrawn | Step::Cancelled => "grey",
    };
    Label {
        text: words::step(step, tongue),
        colour: Some(colour),
    }
}

/// `GET /prescriptions/order`: all that is due, ticked.
pub async fn form(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    show_form(&node, &visit, false).await
}

async fn show_form(node: &Node, visit: &Visit, is_faulty: bool) -> Result<Response, Refusal> {
    at_practice(node)?;
    let (patient, _) = whose(visit)?;
    let scope = visit
        .scope(node, Interaction::Record, "MedicationRequest")
        .await?;
    let medicines = Medicines::read(node, &scope, &patient, visit.now).await?;
    let tongue = visit.tongue();
    let words = Words::of(tongue);
    let faults = is_faulty.then(|| Fault {
        text: words.choose_one,
        href: "#items".into(),
    });
    let view = views::Order {
        words,
        errors: faults.into_iter().collect(),
        due: medicines
            .due()
            .take(order::ITEMS_MAX)
            .map(|it| medicine(it, tongue))
            .collect(),
        others: others(&medicines, tongue),
        nothing: match medicines.is_silent {
            true => words.silent,
            false => words.nothing_to_order,
        },
        notes: notes(node, visit, words),
        pharmacy: chosen(node, &scope, &patient, words).await?,
        here: "/prescriptions/order".to_owned(),
    };
    let page = Page::new("patient/order.jinja", words.order_heading, view);
    Ok(page
        .under("/prescriptions")
        .said_in(tongue)
        .with_faults(is_faulty)
        .answer(&node.site, visit))
}

/// `POST /prescriptions/order`: asks for what is ticked and due. The same form again asks for nothing.
pub async fn place(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    let (patient, by) = whose(&visit)?;
    let scope = visit
        .scope(&node, Interaction::OrderMedicines, "Task")
        .await?;
    let ticked: Vec<&str> = fields.each("item").collect();
    if ticked.is_empty() {
        return show_form(&node, &visit, true).await;
    }
    let medicines = Medicines::read(&node, &scope, &patient, visit.now).await?;
    let chosen: Vec<&Item> = medicines
        .due()
        .filter(|it| ticked.contains(&it.id.as_str()))
        .collect();
    if medicines.is_silent {
        // Nothing is asked for that nobody can say may be asked for.
        return show_form(&node, &visit, false).await;
    }
    if chosen.is_empty() {
        return Ok(see_other("/prescriptions?done=already"));
    }
    let pharmacy = node.store.nominated_pharmacy(&scope, &patient).await?;
    let ask = Ask {
        patient: &patient,
        by: &by,
        pharmacy: pharmacy.as_deref(),
        practice: &node.site.organisation,
        now: visit.now,
        there: medicines.there.as_deref(),
        named: "",
    };
    let (order, job) = order::order(&ask, &chosen, &medicines.tasks)?;
    let done = match (&medicines.there, chosen.len() < ticked.len()) {
        (Some(_), _) => "there",
        (None, true) => "part",
        (None, false) => "asked",
    };
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other(&format!("/prescriptions/{order}?done={done}"))),
        // Another tab, or the same form, was quicker.
        Err(problem) if matches!(problem.kind, Kind::Duplicate | Kind::NotFound) => {
            Ok(see_other("/prescriptions?done=already"))
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `GET /prescriptions/{id}`: one order, each item with its steps.
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    let (patient, _) = whose(&visit)?;
    let scope = visit.scope(&node, Interaction::Record, "Task").await?;
    // What was asked for is here, whoever holds the medicines.
    let asked = Medicines {
        items: Vec::new(),
        tasks: all(&node, &scope, "Task", &patient).await?,
        requests: Vec::new(),
        is_silent: false,
        there: None,
    };
    let mut orders = asked.orders().into_iter();
    let Some((order, items)) = orders.find(|(order, _)| *order == id) else {
        let message = "There is no such order of yours here.";
        return Err(Problem::new(Kind::NotFound, message).into());
    };
    let tongue = visit.tongue();
    let words = Words::of(tongue);
    let asked = items.iter().map(Asked::asked_at).max().unwrap_or(0);
    let title = with(words.order_of, &tongue.date(asked).short);
    let pharmacy = items.first().map_or("", |it| it.pharmacy.as_str());
    let view = views::One {
        words,
        done: match said.done.as_str() {
            "asked" => Some(words.done_asked),
            "part" => Some(words.done_part),
            "there" => Some(words.done_there),
            _ => None,
        },
        title: title.clone(),
        pharmacy: match pharmacy {
            "" => chosen(&node, &scope, &patient, words).await?,
            ods => with(words.your_pharmacy, &(node.organisation_name)(ods)),
        },
        numbers: numbers(&items, words),
        items: items.iter().map(|it| tracked(it, tongue)).collect(),
        notes: match (
            node.has_eps,
            items.iter().any(|it| it.step() == Step::Printed),
        ) {
            (true, _) => vec![words.stand_in],
            (false, true) => vec![words.no_eps],
            (false, false) => Vec::new(),
        },
        here: format!("/prescriptions/{order}"),
    };
    let page = Page::new("patient/prescription.jinja", title, view);
    Ok(page
        .under("/prescriptions")
        .said_in(tongue)
        .answer(&node.site, &visit))
}

/// The numbers by which a pharmacy finds what it has not fetched yet.
fn numbers(items: &[Asked], words: &Words) -> Vec<String> {
    let open = items.iter();
    let open = open.filter(|it| matches!(it.step(), Step::WithEps | Step::Returned));
    let mut numbers: Vec<String> = open
        .map(|it| with(words.number, &it.prescription))
        .collect();
    numbers.dedup();
    numbers
}

fn tracked(item: &Asked, tongue: Language) -> views::Tracked {
    let words = Words::of(tongue);
    let step = |it: &Taken| {
        let said = match it.step {
            Step::PartReady | Step::Owed => words.owed,
            _ => words.reason,
        };
        // Of the practice's and the pharmacy's staff no names: who looked is the access log's to say.
        views::StepTaken {
            what: words::step(it.step, tongue),
            when: tongue.date(it.at),
            note: (!it.reason.is_empty()).then(|| with(said, &it.reason)),
        }
    };
    views::Tracked {
        name: item.name.clone(),
        dose: item.dose.clone(),
        quantity: item.quantity.clone(),
        state: label(item.step(), tongue),
        steps: item.steps.iter().map(step).collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
