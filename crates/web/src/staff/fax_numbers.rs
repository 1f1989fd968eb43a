//! `/staff/fax-numbers`: to which numbers faxes may go. One person asks for a change, another confirms it.

use std::sync::Arc;

use access::{Interaction, Ods, Outcome, Target};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::fax::number;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::fax::{FaxWrite, Numbered};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::staff::fax_in::tabs;
use crate::staff::{fax_views as views, worklist};
use crate::visit::Visit;

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 100;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// A form that did not pass: its fields, the field at fault, and what is wrong.
type Wrong<'a> = (&'a Fields, &'static str, String);

/// `GET /staff/fax-numbers`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    show(&node, &visit, done(&asked.done), None).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    done: Option<Done>,
    wrong: Option<Wrong<'_>>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Neighbours, "").await?;
    let account = worklist::me(visit)?.account;
    let numbers = node.store.fax_numbers(&scope).await?;
    let wrong = wrong.as_ref();
    let typed = |name: &str| {
        wrong
            .map_or("", |(fields, ..)| fields.text(name))
            .to_owned()
    };
    let fault = |field: &str| {
        wrong
            .filter(|(_, at, _)| *at == field)
            .map(|(.., text)| text)
    };
    let view = views::Numbers {
        tabs: tabs("numbers", None),
        errors: wrong
            .iter()
            .map(|(_, field, _)| Fault {
                text: "The number was not put onto the list: see the field",
                href: format!("#{field}").into(),
            })
            .collect(),
        done,
        rows: numbers.iter().map(|it| row(it, account)).collect(),
        number: typed("number"),
        ods: typed("ods"),
        name: typed("name"),
        number_error: fault("number").cloned(),
        ods_error: fault("ods").map(|_| "Enter the organisation’s ODS code, such as RZZ01"),
        name_error: fault("name").map(|_| "Enter its name, up to 100 characters"),
    };
    let page = Page::new("staff/fax-numbers.jinja", "Fax numbers", view).under("/staff/worklist");
    Ok(page.with_faults(wrong.is_some()).answer(&node.site, visit))
}

fn row(it: &Numbered, me: i64) -> views::NumberRow {
    let action = |word, text| views::NumberAction { word, text };
    let (text, colour) = match it.state.as_str() {
        "proposed" => ("To be confirmed", "yellow"),
        "ending" => ("Stopped, to be confirmed", "orange"),
        _ => ("In force", "green"),
    };
    let is_mine = it.asked_by == me;
    let actions = match (it.state.as_str(), is_mine) {
        ("proposed", true) => vec![action("refuse", "Take back")],
        ("proposed", false) => vec![action("confirm", "Confirm"), action("refuse", "Refuse")],
        ("ending", true) => vec![action("refuse", "Use it again")],
        ("ending", false) => vec![
            action("confirm", "Take it away"),
            action("refuse", "Use it again"),
        ],
        _ => vec![action("end", "Stop and take away")],
    };
    views::NumberRow {
        value: it.number.clone(),
        number: number::shown(&it.number),
        name: it.name.clone(),
        ods: it.ods.clone(),
        state: Label {
            text,
            colour: Some(colour),
        },
        by: match it.confirmed_who.as_str() {
            "" => format!("asked for by {}", it.asked_who),
            confirmed if it.state == "ending" => {
                format!("confirmed by {confirmed}, stopped by {}", it.asked_who)
            }
            confirmed => format!("asked for by {}, confirmed by {confirmed}", it.asked_who),
        },
        actions,
    }
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "add" => "The number waits for another person to confirm it. Nothing is sent there yet.",
        "confirm" => "Confirmed.",
        "refuse" => "The change is not made.",
        "end" => "Nothing is sent there from now on. Another person confirms that it goes.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// `POST /staff/fax-numbers`: does what the pressed button says.
pub async fn take(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Neighbours, "").await?;
    let by = worklist::me(&visit)?;
    let what = fields.text("do");
    let given = number::parse(fields.text("number"));
    let number = match given {
        Ok(number) => number,
        Err(problem) => {
            let wrong = (&fields, "number", problem.message);
            return show(&node, &visit, None, Some(wrong)).await;
        }
    };
    let row = format!("fax-number={number} {what}");
    let write = match what {
        "add" => {
            let (ods, name) = (fields.text("ods").to_uppercase(), fields.text("name"));
            if Ods::parse(&ods).is_err() {
                return show(&node, &visit, None, Some((&fields, "ods", String::new()))).await;
            }
            if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
                return show(&node, &visit, None, Some((&fields, "name", String::new()))).await;
            }
            let name = name.to_owned();
            FaxWrite::Propose {
                number,
                ods,
                name,
                by,
            }
        }
        "confirm" => FaxWrite::Confirm { number, by },
        "refuse" => FaxWrite::Refuse { number },
        "end" => FaxWrite::ProposeEnd { number, by },
        _ => return Err(Problem::new(Kind::Value, "There is no such button.").into()),
    };
    let target = Target {
        query: Some(row.into()),
        ..Target::default()
    };
    let mut job = Job::effect(Effect::Fax(write));
    job.traces
        .push(scope.trace(Interaction::Neighbours, Outcome::Success, target));
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other(&format!("/staff/fax-numbers?done={what}"))),
        Err(problem) if problem.kind == Kind::Duplicate => {
            show(
                &node,
                &visit,
                None,
                Some((&fields, "number", problem.message)),
            )
            .await
        }
        Err(problem) => Err(problem.into()),
    }
}
