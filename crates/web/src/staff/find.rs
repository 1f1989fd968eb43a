//! `/staff/patients`: who somebody is: among the records here, with how well each agrees with what was asked, and, where
//! PDS is set up, as PDS has it. A number alone finds nobody.

mod local;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::{Interaction, NhsNumber, Scope};
use axum::extract::State;
use axum::response::Response;
use exchange::pds::{Found, Likeness, Looked, Wanted, said};
use fhir::problem::{Kind, Problem};
use serde::Serialize;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Fault, Label};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record;
use crate::visit::Visit;

/// Letters of one field at most.
const TEXT_CHARS_MAX: usize = 80;

/// `staff/patients.jinja`
#[derive(Default, Serialize)]
pub struct View {
    /// Whether PDS is asked from here.
    pub on: bool,
    pub errors: Vec<Fault>,
    pub nhs_number: String,
    pub number: String,
    pub family: String,
    pub given: String,
    pub birth_date: String,
    pub postcode: String,
    pub nhs_number_error: Option<String>,
    pub number_error: Option<String>,
    pub family_error: Option<String>,
    pub birth_date_error: Option<String>,
    /// Whether the records here were searched.
    pub looked: bool,
    pub local: Vec<Local>,
    /// Whether more are like this than are shown.
    pub more: bool,
    /// Whether PDS was asked.
    pub asked: bool,
    pub notes: Vec<String>,
    pub people: Vec<Person>,
}

/// Somebody who has a record here.
#[derive(Serialize)]
pub struct Local {
    pub name: String,
    pub born: String,
    pub nhs_number: String,
    pub lives: String,
    pub score: String,
    pub grade: Label,
    pub agreed: Vec<Agreed>,
    /// Whether the record is in use no more: another took its place, or it was closed.
    pub closed: bool,
    pub href: String,
}

/// One thing that was asked for, and how it agrees.
#[derive(Serialize)]
pub struct Agreed {
    pub what: &'static str,
    pub how: &'static str,
    pub same: bool,
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

/// `POST /staff/patients`: looks here, then asks PDS.
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
    let number = fields.text("number").to_owned();
    let mut view = View {
        nhs_number: wanted.nhs_number.clone(),
        number: number.clone(),
        family: wanted.family.clone(),
        given: wanted.given.clone(),
        birth_date: wanted.birth_date.clone(),
        postcode: wanted.postcode.clone(),
        ..View::default()
    };
    if let Err(problem) = check(&wanted, &number) {
        fault(&mut view, &problem);
        return Ok(show(&node, &visit, view));
    }
    view.looked = true;
    let found = Box::pin(local::find(&node, &scope, &wanted, &number)).await?;
    (view.local, view.more) = found;
    ask_pds(&node, &scope, &wanted, &mut view).await?;
    Ok(show(&node, &visit, view))
}

/// # Errors
/// `Required` or `Value`, naming the field, for what nobody can be looked for by.
fn check(wanted: &Wanted, number: &str) -> Result<(), Problem> {
    let wrong = |kind, message: &'static str, field: &'static str| {
        Err(Problem::new(kind, message).at(field))
    };
    for (field, value) in [
        ("nhs_number", wanted.nhs_number.as_str()),
        ("number", number),
        ("family", &wanted.family),
        ("given", &wanted.given),
        ("postcode", &wanted.postcode),
    ] {
        if value.chars().count() > TEXT_CHARS_MAX || value.chars().any(char::is_control) {
            return wrong(Kind::Value, "This is too long.", field);
        }
    }
    let is_number = wanted.nhs_number.is_empty() || NhsNumber::parse(&wanted.nhs_number).is_ok();
    if !is_number {
        let message = "This is not an NHS number: a digit is wrong";
        return wrong(Kind::Value, message, "nhs_number");
    }
    let born = wanted.birth_date.as_str();
    if !born.is_empty() && (born.len() != 10 || fhir::date::span(born).is_none()) {
        let message = "Enter the date of birth as year, month and day";
        return wrong(Kind::Value, message, "birth_date");
    }
    let by_number = !wanted.nhs_number.is_empty() || !number.is_empty();
    match (by_number, wanted.family.is_empty(), born.is_empty()) {
        (true, true, true) => {
            let message =
                "A number alone finds nobody: enter the family name or the date of birth too";
            wrong(Kind::Required, message, "family")
        }
        (false, true, _) => wrong(Kind::Required, "Enter the family name", "family"),
        (false, _, true) => wrong(Kind::Required, "Enter the date of birth", "birth_date"),
        _ => Ok(()),
    }
}

/// Asks PDS, if it is set up. That it does not answer takes nothing from what was found here.
async fn ask_pds(
    node: &Node,
    scope: &Scope,
    wanted: &Wanted,
    view: &mut View,
) -> Result<(), Problem> {
    let exchange = node.exchange.as_ref();
    let pds = exchange.and_then(|it| it.pds().map(|pds| (it.clone(), pds.clone())));
    let Some((exchange, pds)) = pds else {
        return Ok(());
    };
    if wanted.family.is_empty() || wanted.birth_date.is_empty() {
        view.notes
            .push("PDS was not asked: it needs the family name and the date of birth.".to_owned());
        return Ok(());
    }
    view.asked = true;
    match Box::pin(exchange.look_up(scope, &pds, wanted)).await? {
        Looked::Silent(why) => view.notes.push(format!(
            "PDS could not be asked: this is not an answer that there is nobody. {why}"
        )),
        Looked::Refused(why) => view
            .notes
            .push(format!("PDS does not take this question. {why}")),
        Looked::Found(found) => {
            notes(view, &found);
            view.people = found.people.iter().map(person).collect();
        }
    }
    Ok(())
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
        true => (local::WITHHELD.to_owned(), local::WITHHELD.to_owned()),
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
        score: local::percent(it.score),
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
        "number" => "#number",
        "birth_date" => "#birth_date",
        _ => "#family",
    };
    view.errors.push(Fault {
        text: "Nobody was looked for: see the field",
        href: href.into(),
    });
    match href {
        "#nhs_number" => view.nhs_number_error = Some(text),
        "#number" => view.number_error = Some(text),
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
