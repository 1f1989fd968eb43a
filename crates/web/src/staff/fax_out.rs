//! `/staff/worklist/faxes/{number}`: what to do about a letter that did not get through by fax.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use exchange::fax::number;
use fhir::date::Millis;
use store::Effect;
use store::fax::{FaxWrite, StuckFax};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::{views, worklist};
use crate::visit::Visit;

/// A letter by fax on the work list.
pub(super) fn row(node: &Node, fax: &StuckFax, sees_letters: bool, now: Millis) -> views::Work {
    let address = format!("/staff/worklist/faxes/{}", fax.number);
    let (text, colour) = match fax.state.as_str() {
        "unsure" => ("Perhaps sent", "orange"),
        "handed" => ("No word", "yellow"),
        _ => ("Not sent", "red"),
    };
    let action = |text, word: &str| Link {
        text,
        href: format!("{address}/{word}"),
    };
    let mut actions = vec![action("Send again", "again")];
    if fax.state != "failed" {
        actions.push(action("It was sent", "sent"));
    }
    actions.push(action("Settled", "settled"));
    let to = (node.organisation_name)(&fax.ods);
    let dialled = match fax.dialled.as_str() {
        "" => String::new(),
        dialled => format!(", {}", number::shown(dialled)),
    };
    views::Work {
        when: words::moment(fax.state_at, now),
        what: format!("Letter by fax to {to}{dialled}"),
        href: sees_letters.then(|| format!("/staff/sent/{}", fax.pid)),
        state: Label {
            text,
            colour: Some(colour),
        },
        why: fax.reason.clone(),
        next: fax.next_step.clone(),
        actions,
    }
}

/// `POST …/again`
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let who = worklist::me(&visit)?;
    decide(&node, &visit, number, FaxWrite::Again { number, who }).await?;
    Ok(see_other("/staff/worklist?done=fax-again"))
}

/// `POST …/sent`
pub async fn sent(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let who = worklist::me(&visit)?;
    decide(&node, &visit, number, FaxWrite::WasSent { number, who }).await?;
    Ok(see_other("/staff/worklist?done=fax-sent"))
}

/// `POST …/settled`
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let who = worklist::me(&visit)?;
    decide(&node, &visit, number, FaxWrite::Settled { number, who }).await?;
    Ok(see_other("/staff/worklist?done=fax-settled"))
}

async fn decide(node: &Node, visit: &Visit, number: i64, write: FaxWrite) -> Result<(), Refusal> {
    let row = format!("fax-out={number}");
    worklist::decide(node, visit, row, Effect::Fax(write)).await
}
