//! `GET /record/results/{id}`: one result, and how those of its kind went.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::fold;

use super::entries::Entry;
use super::plain::Plain;
use super::trend::{self, Series};
use super::{Placed, Teller, gather, marks, row, views};
use crate::node::Node;
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::patient::appointments::text;
use crate::patient::questions;
use crate::visit::Visit;

/// Results that are no numbers, listed at most.
const OTHERS_MAX: usize = 60;

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let scope = visit
        .scope(&node, Interaction::Record, "Observation")
        .await?;
    let (found, is_cut) = gather::of_type(&node, &scope, "Observation").await?;
    let one = found
        .iter()
        .find(|it| it.entry.id == id)
        .ok_or_else(|| Problem::new(Kind::NotFound, "There is no such result for you here."))?;
    let plain = Plain::read(&node).await?;
    let questions = questions::asked(&node, &visit).await?;
    let teller = Teller {
        node: &node,
        language,
        plain: &plain,
        questions: &questions,
        may_ask: visit.acting().is_none(),
    };
    let placed = Placed {
        entry: &one.entry,
        key: one.entry.key(),
        from: node.site.name.clone(),
        is_here: true,
    };
    let of_kind: Vec<&Entry> = found
        .iter()
        .map(|it| &it.entry)
        .filter(|it| is_same(it, &one.entry))
        .collect();
    let series = trend::series(of_kind.iter().copied());
    let drawn = |entry: &Entry| {
        let mut all = series.iter().flat_map(|it| &it.entries);
        all.any(|it| it.id == entry.id)
    };
    let mut others: Vec<&Entry> = of_kind.iter().copied().filter(|it| !drawn(it)).collect();
    others.sort_by_key(|it| std::cmp::Reverse(it.at));
    let figure = |it: &&Entry| figure(it, &id, language);
    let row = row(&teller, &placed);
    let title = row.title.clone();
    let view = views::ResultPage {
        t: language.texts(),
        lang: language.code(),
        trends: series
            .iter()
            .enumerate()
            .map(|(number, it)| told(number, it, &title, &id, language))
            .collect(),
        units_differ: series.len() > 1,
        cut: is_cut || others.len() > OTHERS_MAX,
        others: others.iter().take(OTHERS_MAX).map(figure).collect(),
        row,
    };
    let page = Page::new("patient/result.jinja", title, view).under("/record");
    Ok(page.said_in(language).answer(&node.site, &visit))
}

/// Whether two results are of the same kind: by a code that both have, else by their names.
fn is_same(a: &Entry, b: &Entry) -> bool {
    if a.codes.iter().any(|it| b.codes.contains(it)) {
        return true;
    }
    let uncoded = a.codes.is_empty() || b.codes.is_empty();
    uncoded && !a.term.is_empty() && fold(&a.term) == fold(&b.term)
}

fn figure(entry: &Entry, current: &str, language: Language) -> views::Figure {
    let result = entry.result.as_ref();
    let range = result.and_then(|it| it.range.as_ref());
    views::Figure {
        href: format!("/record/results/{}", entry.id),
        date: entry
            .at
            .map(|at| language.date(at).short)
            .unwrap_or_default(),
        value: result.map(|it| it.said.clone()).unwrap_or_default(),
        range: range.map(|it| it.said.clone()).unwrap_or_default(),
        marks: marks(entry, language),
        current: entry.id == current,
    }
}

fn told(
    number: usize,
    series: &Series<'_>,
    title: &str,
    current: &str,
    language: Language,
) -> views::Trend {
    let unit = match series.unit.as_str() {
        "" => text(language, "trend-no-unit"),
        unit => unit,
    };
    let day = |entry: Option<&&Entry>| {
        let at = entry.and_then(|it| it.at);
        at.map(|at| language.date(at).short).unwrap_or_default()
    };
    let (first, last) = (day(series.entries.first()), day(series.entries.last()));
    let value = |entry: Option<&&Entry>| {
        let result = entry.and_then(|it| it.result.as_ref());
        result.map(|it| it.said.clone()).unwrap_or_default()
    };
    let count = series.entries.len().to_string();
    let (from, to) = (value(series.entries.first()), value(series.entries.last()));
    let range = trend::range(series).map(|it| it.said.clone());
    let mut description = language.tell(
        "trend-description",
        &[
            ("count", &count),
            ("first", &first),
            ("from", &from),
            ("last", &last),
            ("to", &to),
        ],
    );
    if let Some(range) = range {
        description.push(' ');
        description.push_str(&language.tell("trend-range", &[("range", &range)]));
    }
    views::Trend {
        number,
        heading: language.tell("trend-heading", &[("unit", unit)]),
        title: language.tell("trend-title", &[("what", title), ("unit", unit)]),
        description,
        drawing: trend::draw(series),
        first,
        last,
        figures: series
            .entries
            .iter()
            .rev()
            .map(|it| figure(it, current, language))
            .collect(),
        cut: series.is_cut,
    }
}
