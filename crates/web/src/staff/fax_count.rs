//! `GET /staff/fax-count`: faxes in a month by neighbour, so that a machine can be switched off with evidence.

use std::collections::HashMap;
use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::extract::{Query, State};
use axum::response::Response;
use exchange::fax::number;
use fhir::date::{self, Millis, Span};
use serde::Deserialize;
use store::Job;
use store::fax::Count;

use crate::node::Node;
use crate::page::Page;
use crate::page::parts::Link;
use crate::page::problem::Refusal;
use crate::staff::fax_in::tabs;
use crate::staff::fax_views as views;
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    month: String,
}

/// The month that a text names, in UTC.
fn month(text: &str) -> Option<Span> {
    (text.len() == 7).then(|| date::span(text)).flatten()
}

/// The month of a moment, such as "2026-11".
fn month_of(at: Millis) -> String {
    date::date(at).get(..7).unwrap_or_default().to_owned()
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Neighbours, "").await?;
    let this = month_of(visit.now);
    let asked_for = Some(asked.month.as_str()).filter(|it| !it.is_empty());
    let (named, span) = match (asked_for, asked_for.and_then(month)) {
        (Some(text), Some(span)) => (text.to_owned(), Some(span)),
        (Some(text), None) => (text.to_owned(), None),
        (None, _) => (this.clone(), month(&this)),
    };
    let counts = match span {
        Some(span) => node.store.fax_counts(&scope, span.low, span.high).await?,
        None => Vec::new(),
    };
    let numbers = node.store.fax_numbers(&scope).await?;
    let names: HashMap<String, String> = numbers.into_iter().map(|it| (it.ods, it.name)).collect();
    let target = Target {
        query: Some("fax-count".into()),
        ..Target::default()
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::Neighbours, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    let before = span.map_or(visit.now, |it| it.low) - 1;
    let view = views::Counts {
        tabs: tabs("count", None),
        month: named,
        error: span
            .is_none()
            .then_some("Enter a month as year and month, such as 2026-11"),
        rows: counts.iter().map(|it| row(&node, it, &names)).collect(),
        earlier: Link {
            text: "The month before",
            href: format!("/staff/fax-count?month={}", month_of(before)),
        },
    };
    let page = Page::new("staff/fax-count.jinja", "Faxes by month", view).under("/staff/worklist");
    Ok(page.with_faults(span.is_none()).answer(&node.site, &visit))
}

fn row(node: &Node, it: &Count, names: &HashMap<String, String>) -> views::CountRow {
    // The directory names its members; of all others it knows only the code.
    let in_directory = (node.organisation_name)(&it.ods);
    let has_node = !it.ods.is_empty() && in_directory != it.ods;
    views::CountRow {
        way: if it.inward { "In" } else { "Out" },
        number: match it.number.as_str() {
            "" => "no number".to_owned(),
            number => number::shown(number),
        },
        name: match (it.ods.as_str(), names.get(&it.ods)) {
            ("", _) => "Not on the list".to_owned(),
            (ods, Some(name)) => format!("{name} ({ods})"),
            (_, None) => in_directory,
        },
        faxes: it.faxes,
        pages: it.pages,
        failed: it.failed,
        has_node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_a_whole_month_and_nothing_else() {
        let span = month("2026-11").unwrap();
        assert_eq!(month_of(span.low), "2026-11");
        assert_eq!(month_of(span.high), "2026-12");
        for text in ["", "2026", "2026-13", "2026-11-01", "26-11xx"] {
            assert!(month(text).is_none(), "{text}");
        }
    }
}
