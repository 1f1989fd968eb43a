//! `GET /record/results/{id}`: one result, and how those of its kind went.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::fold;

use super::entries::Entry;
use super::gather::{Here, Others, There};
use super::plain::Plain;
use super::trend::{self, Series};
use super::{Placed, Teller, gather, marks, missing_of, row, views};
use crate::node::Node;
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::patient::appointments::text;
use crate::patient::questions;
use crate::visit::Visit;

/// Results that are no numbers, listed at most.
const OTHERS_MAX: usize = 60;

/// The page of one here.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Record, "Observation")
        .await?;
    let here = gather::of_type(&node, &scope, "Observation");
    let others = Box::pin(gather::others(&node, &visit));
    let ((found, is_cut), others) = tokio::try_join!(here, others)?;
    let one = found
        .iter()
        .find(|it| it.entry.id == id)
        .ok_or_else(|| Problem::new(Kind::NotFound, "There is no such result for you here."))?;
    let placed = Placed {
        entry: &one.entry,
        key: one.entry.key(),
        from: node.site.name.clone(),
    };
    let there = others.there();
    let all = Known {
        here: &found,
        there: &there,
        others: &others,
        is_cut,
    };
    show(&node, &visit, tongue, (&placed, &all)).await
}

/// What there is to be put beside each other.
pub(super) struct Known<'k> {
    pub here: &'k [Here],
    pub there: &'k [There],
    pub others: &'k Others,
    /// Whether there is more here than was looked through.
    pub is_cut: bool,
}

impl<'k> Known<'k> {
    /// The results of the same kind: of other organisations only those of a code that both have, and none that is here too.
    fn of_kind(&self, one: &Entry) -> Vec<&'k Entry> {
        let here = self.here.iter().map(|it| &it.entry);
        let here: Vec<&Entry> = here.filter(|it| is_same(it, one)).collect();
        let shares_code = |it: &&Entry| it.codes.iter().any(|code| one.codes.contains(code));
        let is_one = |it: &Entry| it.source == one.source && it.id == one.id;
        let there = self.there.iter().map(|it| &it.entry);
        let there = there.filter(|it| it.ty == "Observation");
        let there = there.filter(|it| shares_code(it) || is_one(it));
        let there = there.filter(|it| !here.iter().any(|known| known.is_same(it)));
        let there: Vec<&Entry> = there.collect();
        here.into_iter().chain(there).collect()
    }
}

/// The page of a result, here or elsewhere.
pub(super) async fn show(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (placed, known): (&Placed<'_>, &Known<'_>),
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let plain = Plain::read(node).await?;
    let questions = questions::asked(node, visit).await?;
    let teller = Teller {
        node,
        language,
        plain: &plain,
        questions: &questions,
        may_ask: visit.acting().is_none(),
    };
    let of_kind = known.of_kind(placed.entry);
    let series = trend::series(of_kind.iter().copied());
    let drawn = |entry: &Entry| {
        let mut all = series.iter().flat_map(|it| &it.entries);
        all.any(|it| is_it(it, entry))
    };
    let mut others: Vec<&Entry> = of_kind.iter().copied().filter(|it| !drawn(it)).collect();
    others.sort_by_key(|it| std::cmp::Reverse(it.at));
    let about = (node, placed.entry, language);
    let figure = |it: &&Entry| figure(it, about);
    let row = row(&teller, placed);
    let title = row.title.clone();
    let missing = match known.others {
        Others::Asked(shared) => missing_of(node, language, shared, &["Observation"]),
        Others::NotAsked(_) => Vec::new(),
    };
    let view = views::ResultPage {
        t: language.texts(),
        lang: language.code(),
        trends: series
            .iter()
            .enumerate()
            .map(|(number, it)| told(number, it, &title, about))
            .collect(),
        units_differ: series.len() > 1,
        cut: known.is_cut || others.len() > OTHERS_MAX,
        others: others.iter().take(OTHERS_MAX).map(figure).collect(),
        missing,
        row,
    };
    let page = Page::new("patient/result.jinja", title, view).under("/record");
    Ok(page.said_in(language).answer(&node.site, visit))
}

/// Whether it is that very entry.
fn is_it(a: &Entry, b: &Entry) -> bool {
    a.source == b.source && a.id == b.id
}

/// Whether two results are of the same kind: by a code that both have, else by their names.
fn is_same(a: &Entry, b: &Entry) -> bool {
    if a.codes.iter().any(|it| b.codes.contains(it)) {
        return true;
    }
    let uncoded = a.codes.is_empty() || b.codes.is_empty();
    uncoded && !a.term.is_empty() && fold(&a.term) == fold(&b.term)
}

/// What a page is about: the node, the result, and the language.
type Aimed<'a> = (&'a Node, &'a Entry, Language);

fn figure(entry: &Entry, (node, current, language): Aimed<'_>) -> views::Figure {
    let result = entry.result.as_ref();
    let range = result.and_then(|it| it.range.as_ref());
    views::Figure {
        href: entry.address().unwrap_or_default(),
        date: entry
            .at
            .map(|at| language.date(at).short)
            .unwrap_or_default(),
        value: result.map(|it| it.said.clone()).unwrap_or_default(),
        range: range.map(|it| it.said.clone()).unwrap_or_default(),
        marks: marks(entry, language),
        current: is_it(entry, current),
        place: match &entry.source {
            Some(source) => (node.organisation_name)(source),
            None => String::new(),
        },
    }
}

fn told(number: usize, series: &Series<'_>, title: &str, about: Aimed<'_>) -> views::Trend {
    let language = about.2;
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
            .map(|it| figure(it, about))
            .collect(),
        cut: series.is_cut,
    }
}
