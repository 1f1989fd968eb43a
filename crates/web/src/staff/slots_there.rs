//! `/staff/slots/there`: what is free in the diaries of others.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::booking::Offer;
use fhir::problem::Problem;
use serde::Deserialize;
use store::diary::BookingState;

use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, words};
use crate::patient::appointments::asks_system;
use crate::patient::appointments::choice::{SYSTEM, value};
use crate::staff::desk::tasks::booking::{ToBook, to_book};
use crate::staff::slot_views as views;
use crate::staff::slots::book_href;
use crate::visit::Visit;

/// What the address may say.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// The booking that somebody else had been faster with.
    #[serde(default)]
    taken: String,
    /// The task that the booking is for.
    #[serde(default)]
    task: String,
}

/// `GET /staff/slots/there`: what other organisations offer, and who did not answer.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Slots, "Slot").await?;
    let task = to_book(&node, &visit, &asked.task).await?;
    let task = task.as_ref().map(ToBook::id);
    let mut found = Vec::new();
    if let Some(exchange) = &node.exchange {
        if asks_system(&node) {
            let person = visit.caller().map(words::caller).unwrap_or_default();
            found.extend(exchange.free_in_system(&scope, &person).await?);
        }
        found.extend(exchange.free_there(&scope).await?);
    }
    let mut sources = Vec::new();
    for one in found {
        let holder = one.organisation.as_str();
        let (rows, silent) = match &one.offers {
            Ok(offers) => {
                let rows = offers.iter().map(|it| row(&node, (holder, it), task));
                (rows.collect(), None)
            }
            Err(why) => (Vec::new(), Some(why.clone())),
        };
        sources.push(views::ThereSource {
            name: (node.organisation_name)(holder),
            silent,
            rows,
        });
    }
    let taken = taken(&node, &scope, (&asked.taken, task)).await?;
    let is_taken = taken.is_some();
    let view = views::There { taken, sources };
    let page = Page::new("staff/slots-there.jinja", "Other organisations", view);
    let page = page.under("/staff/slots").with_faults(is_taken);
    Ok(page.answer(&node.site, &visit))
}

fn row(node: &Node, (holder, offer): (&str, &Offer), task: Option<&str>) -> views::ThereRow {
    let own = &node.site.organisation;
    let chosen = match holder == own.as_str() {
        true => value(own, SYSTEM, offer),
        false => value(own, holder, offer),
    };
    views::ThereRow {
        when: Language::English.when(offer.starts),
        kind: offer.kind.clone(),
        with: offer.with.clone(),
        book: book_href(&chosen, task),
    }
}

/// Of a booking whose slot somebody else had: what its holder told is free instead.
async fn taken(
    node: &Node,
    scope: &Scope,
    (id, task): (&str, Option<&str>),
) -> Result<Option<views::Taken>, Problem> {
    if id.is_empty() {
        return Ok(None);
    }
    let booking = node.store.booking(scope, id).await?;
    let booking = booking.filter(|it| it.state == BookingState::Taken);
    Ok(booking.map(|booking| {
        let offers: Vec<Offer> = serde_json::from_str(&booking.next).unwrap_or_default();
        let next = offers
            .iter()
            .map(|it| row(node, (&booking.holder, it), task));
        views::Taken {
            name: (node.organisation_name)(&booking.holder),
            when: Language::English.when(booking.starts_at),
            next: next.collect(),
        }
    }))
}
