//! `Patient/[id]/$shared-record`, an operation of our own: what other organisations hold of one patient, asked for now
//! in the name of the person whose token it is (`docs/protocol/exchange.md`, section 10). A searchset Bundle: the newest
//! first, each resource tagged with the ODS codes of who holds it; then one OperationOutcome that names each organisation
//! and what came of asking it, so that nobody who was silent or withheld something looks as if they held nothing.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::ask::{Closed, Item, SharedRecord, Source, SourceState};
use fhir::date::instant;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::fhir::ask::Announced;
use crate::fhir::{answer, check_known};
use crate::node::Node;
use crate::staff::person::refuse_barred;
use crate::staff::shared::asker;

/// What an organisation is named by.
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// Put on what is not of now: its source did not answer.
const STALE: &str = "urn:handover:shared-record";

/// `GET Patient/[id]/$shared-record`.
pub async fn of_patient(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Ask, "Patient").await?;
    ask.no_query()?;
    check_known(&id)?;
    refuse_barred(&node, &scope, &id).await?;
    let person = asker(&ask.visit)?;
    let Some(exchange) = &node.exchange else {
        let message = "This node asks no other organisations.";
        return Err(Problem::new(Kind::NotSupported, message).into());
    };
    let shared = exchange.shared_record(&scope, &id, person).await?;
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let masked = shared.is_restricted && !located.contains(&id);
    let bundle = bundle(&shared, (&id, masked), &node.site.fhir_url());
    Ok(answer::json(StatusCode::OK, bundle.to_string()))
}

/// `masked`: where the patient is treated tells where they are, so no organisation is named.
fn bundle(shared: &SharedRecord, (id, masked): (&str, bool), base_url: &str) -> Value {
    let items = shared
        .items
        .iter()
        .map(|item| entry(item, shared, (id, masked)));
    let mut entries: Vec<Value> = items.collect();
    entries.push(json!({
        "resource": { "resourceType": "OperationOutcome", "issue": issues(shared, masked) },
        "search": { "mode": "outcome" },
    }));
    json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "timestamp": instant(shared.asked_at),
        "total": shared.items.len(),
        "link": [{ "relation": "self", "url": format!("{base_url}/Patient/{id}/$shared-record") }],
        "entry": entries,
    })
}

fn entry(item: &Item, shared: &SharedRecord, (id, masked): (&str, bool)) -> Value {
    let mut resource = item.resource.clone();
    point_here(&mut resource, None, id);
    let sources = item.sources.iter().filter_map(|at| shared.sources.get(*at));
    let stale = sources.clone().all(Source::is_stale);
    let mut tags: Vec<Value> = sources
        .filter(|_| !masked)
        .map(|source| json!({ "system": ODS, "code": source.organisation.as_str() }))
        .collect();
    if stale {
        tags.push(json!({
            "system": STALE,
            "code": "as-of-before",
            "display": "Its source did not answer: this is what it said before",
        }));
    }
    if let Some(resource) = resource.as_object_mut() {
        let meta = resource.entry("meta").or_insert_with(|| json!({}));
        if let Some(meta) = meta.as_object_mut() {
            // The source's own tags are its own affair; ours say who it was.
            meta.insert("tag".into(), tags.into());
        }
    }
    json!({ "resource": resource, "search": { "mode": "match" } })
}

/// What refers to the patient refers to the one here; what refers to something else of its source's refers to nothing
/// here, where the same id may be another's, and says so.
fn point_here(value: &mut Value, at: Option<&str>, patient: &str) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|it| point_here(it, at, patient)),
        Value::Object(members) => {
            let elsewhere = members.get("reference").and_then(Value::as_str);
            let elsewhere = elsewhere.filter(|to| !to.contains(':') && !to.starts_with('#'));
            if let Some(to) = elsewhere.map(str::to_owned) {
                if matches!(at, Some("subject" | "patient")) && to.starts_with("Patient/") {
                    members.insert("reference".into(), format!("Patient/{patient}").into());
                } else {
                    members.remove("reference");
                    let told = || format!("{to}, in its source's own record").into();
                    members.entry("display").or_insert_with(told);
                }
            }
            for (name, member) in members {
                point_here(member, Some(name), patient);
            }
        }
        _ => {}
    }
}

fn issues(shared: &SharedRecord, masked: bool) -> Vec<Value> {
    if let Some(closed) = shared.closed {
        let (code, words) = match closed {
            Closed::Unwanted => (
                "suppressed",
                "The patient does not want other organisations' records seen here, so nobody was asked.",
            ),
            Closed::Unconfirmed => (
                "incomplete",
                "The patient's practice may have new wishes of theirs to tell and does not answer, so nobody was asked.",
            ),
            Closed::Unidentified => (
                "incomplete",
                "The record here lacks the NHS number, the date of birth or the family name, without which nobody is asked.",
            ),
        };
        return vec![issue("warning", code, words)];
    }
    let mut issues: Vec<Value> = shared
        .sources
        .iter()
        .flat_map(|source| of_source(source, masked))
        .collect();
    if shared.sources.is_empty() {
        let words = "Nobody is known to hold anything of this patient, so nobody was asked.";
        issues.push(issue("information", "informational", words));
    }
    if shared.is_cut {
        let words = "More organisations hold something of this patient than are asked at once.";
        issues.push(issue("warning", "incomplete", words));
    }
    for ty in &shared.without {
        let words = format!("{ty} was not asked for: the patient does not want it seen here.");
        issues.push(issue("warning", "suppressed", &words));
    }
    issues
}

fn of_source(source: &Source, masked: bool) -> Vec<Value> {
    let name = match masked {
        true => "An organisation (which one is restricted)",
        false => source.organisation.as_str(),
    };
    let first = match &source.state {
        SourceState::Answered => {
            let words = format!("{name} answered; {} of these are of it.", source.count);
            issue("information", "informational", &words)
        }
        SourceState::Unknown => {
            let words = format!("{name} does not know the patient.");
            issue("information", "informational", &words)
        }
        SourceState::Silent { why, copy_from } => {
            let shown = match copy_from {
                Some(at) => format!("What is shown of it is from {}.", instant(*at)),
                None => "What it holds is not shown.".to_owned(),
            };
            let words = format!("{name} did not answer: {why} {shown}");
            issue("warning", "timeout", &words)
        }
    };
    let withheld = source.withheld.iter().map(|ty| {
        let words = format!("{name} withholds {ty}; an emergency may open it.");
        issue("warning", "suppressed", &words)
    });
    let cut = source.cut.iter().map(|ty| {
        let words = format!("{name} holds more {ty} than it gave.");
        issue("warning", "incomplete", &words)
    });
    std::iter::once(first).chain(withheld).chain(cut).collect()
}

fn issue(severity: &str, code: &str, words: &str) -> Value {
    json!({ "severity": severity, "code": code, "diagnostics": words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refers_to_the_patient_refers_to_the_one_here_and_nothing_else_does() {
        let mut resource = json!({
            "resourceType": "Observation",
            "subject": { "reference": "Patient/there" },
            "performer": [
                { "reference": "Practitioner/7" },
                { "reference": "Practitioner/8", "display": "Dr A Bee" },
                { "reference": "#contained" },
                { "reference": "https://other.example/Practitioner/9" },
            ],
        });
        point_here(&mut resource, None, "here");
        assert_eq!(
            resource,
            json!({
                "resourceType": "Observation",
                "subject": { "reference": "Patient/here" },
                "performer": [
                    { "display": "Practitioner/7, in its source's own record" },
                    { "display": "Dr A Bee" },
                    { "reference": "#contained" },
                    { "reference": "https://other.example/Practitioner/9" },
                ],
            })
        );
    }
}
