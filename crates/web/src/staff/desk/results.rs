//! `GET /staff/patient/{id}/results`: what was measured, by test and unit, with its trend. What is out of the ordinary is so by
//! the laboratory's own range or word, and figures of different units are never in one line.

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::Search;
use store::Reading;

use super::views::{Head, Results, Test, TestRow};
use crate::node::Node;
use crate::page::Page;
use crate::page::parts::Person;
use crate::page::problem::Refusal;
use crate::page::trend::{self, Point, Range};
use crate::record::{self, json};
use crate::staff::{care, person};
use crate::visit::Visit;
use read::Measured;

/// Observations read of one patient, and figures of one test that are listed.
const READ_MAX: u32 = 1_000;
const ROWS_MAX: usize = 40;

/// What stands above a page about one patient, of whom this type of resource is shown.
///
/// # Errors
/// `NotFound` if there is no such patient for the reader; `Forbidden` for who knows them.
pub async fn head(node: &Node, scope: &Scope, id: &str, ty: Option<&str>) -> Result<Head, Problem> {
    care::check(id)?;
    person::refuse_barred(node, scope, id).await?;
    let Reading::Found(version) = node.store.read(scope, "Patient", id).await? else {
        let message =
            "There is no such patient here, or nobody has recorded that you care for them.";
        return Err(Problem::new(Kind::NotFound, message));
    };
    let who = record::patient(&json(&version)?);
    let withheld = node.store.withheld_of(scope, id, ty).await?;
    Ok(Head {
        patient: Person::new(
            &who.name,
            who.birth_date.as_deref(),
            who.nhs_number.as_deref(),
        ),
        record: format!("/staff/patient/{id}"),
        withheld: withheld.count.saturating_sub(withheld.sealed),
        sealed: withheld.sealed,
        emergency: format!("/staff/emergency-access/{id}"),
        unseal: format!("/staff/unseal/{id}"),
        timeline: format!("/staff/patient/{id}/timeline"),
        results: format!("/staff/patient/{id}/results"),
        task: format!("/staff/tasks/new?patient={id}"),
        letter: node
            .exchange
            .is_some()
            .then(|| format!("/staff/letters/new?patient={id}")),
    })
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Read, "Observation").await?;
    let head = head(&node, &scope, &id, Some("Observation")).await?;
    let search = Search::all("Observation", READ_MAX).within_patient(&id);
    let found = node.store.search(&scope, &search).await?;
    let mut measured: Vec<Measured> = Vec::new();
    for version in &found.entries {
        measured.extend(read::all(&json(version)?));
    }
    let title = format!("Results of {}", head.patient.name);
    let view = Results {
        head,
        tests: tests(measured),
        more: found.next.is_some(),
    };
    Ok(Page::new("staff/results.jinja", title, view).answer(&node.site, &visit))
}

/// Each test in each unit, the one that was measured last first.
fn tests(measured: Vec<Measured>) -> Vec<Test> {
    let mut groups: BTreeMap<(String, String), Vec<Measured>> = BTreeMap::new();
    for it in measured {
        let key = (it.key.clone(), it.unit.clone());
        groups.entry(key).or_default().push(it);
    }
    let mut groups: Vec<Vec<Measured>> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by_key(|it| std::cmp::Reverse(it.at));
    }
    let newest = |it: &Vec<Measured>| it.first().and_then(|it| it.at);
    groups.sort_by_key(|it| std::cmp::Reverse(newest(it)));
    groups
        .iter()
        .enumerate()
        .map(|(number, group)| test(number, group))
        .collect()
}

fn test(number: usize, group: &[Measured]) -> Test {
    let first = group.first();
    let name = first.map_or(String::new(), |it| it.name.clone());
    let unit = first.map_or(String::new(), |it| it.unit.clone());
    let drawn: Vec<&Measured> = group.iter().filter(|it| it.is_drawn()).collect();
    let points: Vec<Point> = drawn
        .iter()
        .filter_map(|it| {
            Some(Point {
                at: it.at?,
                value: it.figure?,
                abnormal: it.flag.is_some(),
            })
        })
        .collect();
    let (range, note) = range(&drawn);
    Test {
        drawing: trend::draw(&format!("test{number}"), (&name, &unit), &points, range),
        note,
        rows: group.iter().take(ROWS_MAX).map(row).collect(),
        more: group.len().saturating_sub(ROWS_MAX),
        name,
        unit,
    }
}

/// The range that all figures have, if they have the same.
fn range(drawn: &[&Measured]) -> (Option<Range>, Option<&'static str>) {
    let ranges: Vec<Option<Range>> = drawn.iter().map(|it| it.range).collect();
    match ranges.first() {
        Some(Some(first)) if ranges.iter().all(|it| *it == Some(*first)) => (Some(*first), None),
        Some(_) if ranges.iter().any(Option::is_some) => (
            None,
            Some(
                "The laboratories’ ranges differ, so that none is drawn: each figure’s own is in the table.",
            ),
        ),
        _ => (None, None),
    }
}

fn row(it: &Measured) -> TestRow {
    TestRow {
        when: it.when.clone(),
        value: it.value.clone(),
        usual: it.usual.clone(),
        flag: it.flag.clone(),
        status: it.status.clone(),
        by: it.by.clone(),
    }
}

/// A concept in words.
pub fn name(concept: &serde_json::Value) -> String {
    read::name(concept)
}

/// What was measured, in words; empty where nothing was.
pub fn said(resource: &serde_json::Value) -> String {
    let all = read::all(resource);
    let said: Vec<&str> = all.iter().map(|it| it.value.as_str()).collect();
    said.join(", ")
}
