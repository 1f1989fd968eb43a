//! `GET /record/letters`: all letters that are released to the patient.

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES};
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::node::Node;
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::patient::{letters, views};
use crate::visit::Visit;

/// Letters on one page.
const PAGE: usize = 30;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    page: usize,
}

/// The list of letters.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    visit
        .scope(&node, Interaction::Record, "DocumentReference")
        .await?;
    let (found, more) = letters(&node, &visit).await?;
    let start = asked.page.saturating_mul(PAGE);
    let shown = found.iter().skip(start).take(PAGE);
    let next = (found.len() > start.saturating_add(PAGE)).then(|| asked.page + 1);
    let mut not_shown = not_shown(&node, more && next.is_none());
    let (heading, title) = match visit.acting() {
        Some(_) => {
            not_shown.insert(0, NOT_FOR_PROXIES.to_owned());
            ("Letters", "Letters")
        }
        None => ("Your letters", "Your letters"),
    };
    let view = views::Letters {
        heading,
        letters: shown.map(|it| it.view(&node)).collect(),
        not_shown,
        older: next.map(|page| format!("/record/letters?page={page}")),
        newest: (asked.page > 0).then(|| "/record/letters".to_owned()),
    };
    let page = Page::new("patient/letters.jinja", title, view).under("/record");
    Ok(page.answer(&node.site, &visit))
}

fn not_shown(node: &Node, more: bool) -> Vec<String> {
    let (practice, days) = (&node.site.name, node.release_after_days);
    let mut sentences = vec![
        format!(
            "A letter appears here when {practice} has filed it, or at the latest {days} days \
             after it came in."
        ),
        "Some letters are held back: those that tell something about another person, or that \
         could do serious harm. You can ask the practice about this."
            .to_owned(),
        format!("Letters that were not sent to {practice} through this service are not here."),
        "Test results, medicines and the rest of your record are under Your record.".to_owned(),
    ];
    if more {
        let oldest = "You have so many letters that the oldest are not listed. Ask the practice.";
        sentences.insert(0, oldest.to_owned());
    }
    sentences
}
