//! `/staff/patients`: who somebody is, as PDS has it: by NHS number with name and date of birth, or by name, date of
//! birth and postcode. A number alone finds nobody.

use std::sync::Arc;

use access::Interaction;
use axum::extract::State;
use axum::response::Response;
use exchange::pds::{Found, Likeness, Looked, Wanted, said};
use fhir::problem::Problem;
use serde::Serialize;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record;
use crate::visit::Visit;

/// `staff/patients.jinja`
#[derive(Default, Serialize)]
pub struct View {
    /// Whether PDS is asked from here.
    pub on: bool,
    pub errors: Vec<Fault>,
    pub nhs_number: String,
    pub family: String,
    pub given: String,
    pub birth_date: String,
    pub postcode: String,
    pub nhs_number_error: Option<String>,
    pub family_error: Option<String>,
    pub birth_date_error: Option<String>,
    /// Whether PDS was asked.
    pub asked: bool,
    pub notes: Vec<String>,
    pub people: Vec<Person>,
}

/// Somebody whom PDS has.
#[derive(Serialize)]
pub struct Person {
    pub name: String,
    pub born: String,
    pub nhs_number: String,
    pub practice: String,
    pub lives: String,
    pub score: String,
    /// Their pages here.
    pub here: Vec<String>,
}

/// `GET /staff/patients`
pub async fn page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    visit.scope(&node, Interaction::Match, "Patient").await?;
    Ok(show(&node, &visit, View::default()))
}

/// `POST /staff/patients`: asks PDS.
pub async fn find(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Match, "Patient").await?;
    let wanted = Wanted {
        nhs_number: fields.text("nhs_number").to_owned(),
        family: fields.text("family").to_owned(),
        given: fields.text("given").to_owned(),
        birth_date: fields.text("birth_date").to_owned(),
        postcode: fields.text("postcode").to_owned(),
    };
    let mut view = View {
        nhs_number: wanted.nhs_number.clone(),
        family: wanted.family.clone(),
        given: wanted.given.clone(),
        birth_date: wanted.birth_date.clone(),
        postcode: wanted.postcode.clone(),
        ..View::default()
    };
    if let Err(problem) = wanted.check() {
        fault(&mut view, &problem);
        return Ok(show(&node, &visit, view));
    }
    let exchange = node.exchange.as_ref();
    let pds = exchange.and_then(|it| it.pds().map(|pds| (it.clone(), pds.clone())));
    let Some((exchange, pds)) = pds else {
        return Ok(show(&node, &visit, view));
    };
    view.asked = true;
    match Box::pin(exchange.look_up(&scope, &pds, &wanted)).await? {
        Looked::Silent(why) => view.notes.push(format!(
            "PDS could not be asked: this is not an answer that there is nobody. {why}"
        )),
        Looked::Refused(why) => view
            .notes
            .push(format!("PDS does not take this question. {why}")),
        Looked::Found(found) => {
            notes(&mut view, &found);
            view.people = found.people.iter().map(person).collect();
        }
    }
    Ok(show(&node, &visit, view))
}

fn notes(view: &mut View, found: &Found) {
    let mut note = |text: &str| view.notes.push(text.to_owned());
    if found.other_person {
        note(
            "PDS has this number for somebody whose name or date of birth is another. It is not shown whose.",
        );
    } else if found.people.is_empty() && !found.too_many {
        note("PDS has nobody like this. Restricted patients are not found by a postcode.");
    }
    if found.too_many {
        note("More people are like this than PDS tells. Say more.");
    }
    if found.replaced {
        note("PDS has replaced this number by the one below.");
    }
}

fn person(it: &Likeness) -> Person {
    let who = record::patient(&it.said);
    let practice = said::practice(&it.said).unwrap_or_default().to_owned();
    let (practice, lives) = match it.is_restricted {
        true => (
            "Withheld: restricted".to_owned(),
            "Withheld: restricted".to_owned(),
        ),
        false => (practice, record::whereabouts(&it.said).join("; ")),
    };
    Person {
        name: who.name.clone(),
        born: who
            .birth_date
            .as_deref()
            .map(words::day)
            .unwrap_or_default(),
        nhs_number: words::nhs_number(&it.nhs_number),
        practice,
        lives,
        score: format!("{:.0} %", it.score * 100.0),
        here: it
            .here
            .iter()
            .map(|id| format!("/staff/patient/{id}"))
            .collect(),
    }
}

fn fault(view: &mut View, problem: &Problem) {
    let field = problem.expression.as_deref().unwrap_or("family");
    let text = problem.message.to_string();
    let href = match field {
        "nhs_number" => "#nhs_number",
        "birth_date" => "#birth_date",
        _ => "#family",
    };
    view.errors.push(Fault {
        text: "Nobody was looked for: see the field",
        href: href.into(),
    });
    match href {
        "#nhs_number" => view.nhs_number_error = Some(text),
        "#birth_date" => view.birth_date_error = Some(text),
        _ => view.family_error = Some(text),
    }
}

fn show(node: &Node, visit: &Visit, mut view: View) -> Response {
    view.on = node.exchange.as_ref().is_some_and(|it| it.pds().is_some());
    let faulty = !view.errors.is_empty();
    let page = Page::new("staff/patients.jinja", "Find a patient", view).under("/staff/patients");
    page.with_faults(faulty).answer(&node.site, visit)
}
