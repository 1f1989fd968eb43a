//! `GET /staff/patient/{id}/timeline`: what is held here of one patient, by the day on which it was, the newest first.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::questionnaire::TASK;
use fhir::search::{ALL_TYPES, Search};
use serde::Deserialize;
use serde_json::Value;

use super::results::{self, head};
use super::views::{Timeline, TimelineRow};
use crate::node::Node;
use crate::page::parts::{Label, Tab};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record::{self, json};
use crate::visit::Visit;

/// Resources read of one patient.
const READ_MAX: u32 = 1_000;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
}

/// What can be shown alone: its word, its name, and the types.
const KINDS: [(&str, &str, &[&str]); 7] = [
    ("letters", "Letters", &["DocumentReference", "Composition"]),
    ("results", "Results", &["Observation", "DiagnosticReport"]),
    (
        "medicines",
        "Medicines",
        &[
            "MedicationRequest",
            "MedicationStatement",
            "MedicationDispense",
        ],
    ),
    (
        "conditions",
        "Conditions and allergies",
        &["Condition", "AllergyIntolerance", "Procedure"],
    ),
    (
        "visits",
        "Visits and referrals",
        &["Encounter", "Appointment", "ServiceRequest"],
    ),
    (
        "questionnaires",
        "Questionnaires",
        &["QuestionnaireResponse"],
    ),
    (
        "others",
        "Vaccinations and tasks",
        &["Immunization", "Task"],
    ),
];

/// One thing that was.
struct Entry {
    at: Millis,
    day: String,
    kind: &'static str,
    word: &'static str,
    what: String,
    by: String,
    href: Option<String>,
    label: Option<Label>,
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Read, "Patient").await?;
    let head = head(&node, &scope, &id, None).await?;
    let search = Search::all(ALL_TYPES, READ_MAX).within_patient(&id);
    let found = node.store.search(&scope, &search).await?;
    let (mut entries, mut others, mut undated) = (Vec::new(), 0, 0);
    for version in &found.entries {
        let kind = KINDS
            .iter()
            .find(|(.., types)| types.contains(&&*version.ty));
        let Some(&(word, name, _)) = kind else {
            others += usize::from(!matches!(&*version.ty, "Patient" | "Binary" | "Provenance"));
            continue;
        };
        match entry(&node, &version.ty, &json(version)?, &id) {
            Some(entry) => entries.push(Entry {
                word,
                kind: name,
                ..entry
            }),
            None => undated += 1,
        }
    }
    let counts = counts(&entries);
    let word = KINDS
        .iter()
        .map(|(word, ..)| *word)
        .find(|word| *word == asked.show)
        .unwrap_or_default();
    let mut shown: Vec<Entry> = entries
        .into_iter()
        .filter(|it| word.is_empty() || it.word == word)
        .collect();
    shown.sort_by(|a, b| (b.at, &a.what).cmp(&(a.at, &b.what)));
    let title = format!("Timeline of {}", head.patient.name);
    let view = Timeline {
        tabs: tabs(&counts, word, &head.timeline),
        head,
        rows: shown.into_iter().map(row).collect(),
        more: found.next.is_some(),
        others,
        undated,
    };
    Ok(Page::new("staff/timeline.jinja", title, view).answer(&node.site, &visit))
}

fn counts(entries: &[Entry]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for it in entries {
        *counts.entry(it.word).or_default() += 1;
    }
    counts
}

fn tabs(counts: &BTreeMap<&'static str, u64>, open: &str, at: &str) -> Vec<Tab> {
    let all = Tab {
        text: "All",
        href: at.to_owned(),
        count: Some(counts.values().sum()),
        current: open.is_empty(),
    };
    let some = KINDS.iter().filter(|(word, ..)| counts.contains_key(word));
    let tabs = some.map(|&(word, text, _)| Tab {
        text,
        href: format!("{at}?show={word}"),
        count: counts.get(word).copied(),
        current: word == open,
    });
    std::iter::once(all).chain(tabs).collect()
}

fn row(it: Entry) -> TimelineRow {
    TimelineRow {
        day: it.day,
        kind: it.kind,
        what: it.what,
        by: it.by,
        href: it.href,
        label: it.label,
    }
}

/// Where each type says when it was.
const DATES: [&str; 16] = [
    "/effectiveDateTime",
    "/effectivePeriod/start",
    "/effectiveInstant",
    "/performedDateTime",
    "/performedPeriod/start",
    "/occurrenceDateTime",
    "/period/start",
    "/start",
    "/onsetDateTime",
    "/recordedDate",
    "/authoredOn",
    "/authored",
    "/dateAsserted",
    "/whenHandedOver",
    "/date",
    "/issued",
];

/// What one resource says; `None` if it says not when.
fn entry(node: &Node, ty: &str, resource: &Value, patient: &str) -> Option<Entry> {
    let text = |place: &str| resource.pointer(place).and_then(Value::as_str);
    let when = DATES.iter().find_map(|it| text(it))?;
    let at = date::span(when)?.low;
    let concept = |place: &str| {
        let found = resource.pointer(place);
        found.map(results::name).unwrap_or_default()
    };
    let letter = (ty == "DocumentReference").then(|| record::letter(resource));
    let what = match ty {
        "DocumentReference" => letter.as_ref().map(|it| it.title.clone()),
        "Observation" => {
            let said = results::said(resource);
            let named = concept("/code");
            Some(match said.is_empty() {
                true => named,
                false => format!("{named}: {said}"),
            })
        }
        "MedicationRequest" | "MedicationStatement" | "MedicationDispense" => {
            Some(concept("/medicationCodeableConcept"))
        }
        "Immunization" => Some(concept("/vaccineCode")),
        "Encounter" => Some(concept("/type/0")),
        "Appointment" => text("/description").map(str::to_owned),
        "Composition" => text("/title").map(str::to_owned),
        "QuestionnaireResponse" => Some("Answers to a questionnaire".to_owned()),
        "Task" => text("/description").map(str::to_owned),
        _ => Some(concept("/code")),
    };
    let by = letter
        .and_then(|it| it.from)
        .map(|it| (node.organisation_name)(&it))
        .or_else(|| text("/performer/0/display").map(str::to_owned))
        .or_else(|| text("/requester/display").map(str::to_owned))
        .or_else(|| text("/recorder/display").map(str::to_owned))
        .or_else(|| text("/author/display").map(str::to_owned));
    // What was handed in here is read where it was asked.
    let task = match (ty, text("/identifier/system")) {
        ("QuestionnaireResponse", Some(TASK)) => text("/identifier/value"),
        _ => None,
    };
    Some(Entry {
        at,
        day: words::day(when.get(..10).unwrap_or(when)),
        kind: "",
        word: "",
        what: what
            .filter(|it| !it.trim().is_empty())
            .unwrap_or_else(|| ty.to_owned()),
        by: by.unwrap_or_default(),
        href: match (ty, task) {
            ("Observation" | "DiagnosticReport", _) => {
                Some(format!("/staff/patient/{patient}/results"))
            }
            (_, task) => task.map(|it| format!("/staff/questionnaires/tasks/{it}")),
        },
        label: label(text("/status").unwrap_or_default()),
    })
}

fn label(status: &str) -> Option<Label> {
    let (text, colour) = match status {
        "entered-in-error" => ("Entered in error", "red"),
        "corrected" | "amended" => ("Corrected", "purple"),
        "preliminary" => ("Preliminary", "yellow"),
        "cancelled" | "revoked" | "stopped" | "not-done" => ("Ended", "grey"),
        "superseded" => ("Replaced", "grey"),
        _ => return None,
    };
    Some(Label {
        text,
        colour: Some(colour),
    })
}
