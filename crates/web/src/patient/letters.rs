//! `GET /record/letters`: all letters that are released to the patient.

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES};
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::node::Node;
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
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
    let language = visit.reads();
    let mut not_shown = not_shown(&node, more && next.is_none(), language);
    let heading = match visit.acting() {
        Some(_) => {
            not_shown.insert(0, language.say(NOT_FOR_PROXIES).to_owned());
            "Letters"
        }
        None => "Your letters",
    };
    let view = views::Letters {
        heading: language.say(heading),
        letters: shown.map(|it| it.view(&node, language)).collect(),
        not_shown,
        older: next.map(|page| format!("/record/letters?page={page}")),
        newest: (asked.page > 0).then(|| "/record/letters".to_owned()),
    };
    let page = Page::new("patient/letters.jinja", heading, view).under("/record");
    Ok(page.answer(&node.site, &visit))
}

fn not_shown(node: &Node, more: bool, language: Language) -> Vec<String> {
    let days = node.release_after_days.to_string();
    let with = [("place", &*node.site.name), ("days", &*days)];
    let ids = [
        "letters-filed",
        "letters-held-back",
        "letters-elsewhere",
        "letters-rest",
    ];
    let cut = more.then_some("letters-cut");
    let ids = cut.into_iter().chain(ids);
    ids.map(|id| language.tell(id, &with)).collect()
}
