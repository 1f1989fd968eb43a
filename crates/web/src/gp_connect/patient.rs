//! `GET Patient` and `GET Patient/{id}`
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/foundations_use_case_find_a_patient.html>): by whom a booking is for is
//! found, and that it is the one who is meant. No address, no telephone number.

use std::sync::Arc;

use access::{NhsNumber, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::gp_connect::{Call, NHS_NUMBER, Refusal, Trouble, bundle, patient_search};
use fhir::search::{Clause, Search};
use http::StatusCode;
use serde_json::{Value, json};
use store::{Reading, Version};

use super::answer::{Refused, answer};
use super::caller::{Brought, admit};
use crate::node::Node;
use crate::record;

/// The most people with one NHS number that are answered.
const PEOPLE_MAX: u32 = 10;

/// By NHS number. Whoever asks compares name and date of birth.
pub(super) async fn search(
    State(node): State<Arc<Node>>,
    brought: Brought,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &brought, &[Call::FindPatient]).await?;
    let number = patient_search(&brought.parameters)?;
    NhsNumber::parse(number)
        .map_err(|_| Refusal::new(Trouble::InvalidNhsNumber, "This is no NHS number."))?;
    let mut search = Search::all("Patient", PEOPLE_MAX);
    let by_number = Clause::identifier(NhsNumber::SYSTEM, number);
    search.clauses.push(by_number);
    let found = node.store.search(&admitted.scope, &search).await?;
    let people = found.entries.iter().map(|it| written(&node, it));
    let people: Result<Vec<Value>, _> = people.collect();
    Ok(answer(StatusCode::OK, &bundle(people?)))
}

/// By the id that it has here.
pub(super) async fn read(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    brought: Brought,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &brought, &[Call::ReadPatient]).await?;
    let version = find(&node, &admitted.scope, &id).await?;
    Ok(answer(StatusCode::OK, &written(&node, &version)?))
}

/// The patient, as far as the caller's scope reaches.
pub(super) async fn find(node: &Node, scope: &Scope, id: &str) -> Result<Version, Refused> {
    match node.store.read(scope, "Patient", id).await? {
        Reading::Found(version) => Ok(version),
        _ => Err(Refusal::new(Trouble::PatientNotFound, "There is no such patient here.").into()),
    }
}

fn written(node: &Node, version: &Version) -> Result<Value, Refused> {
    let known = record::json(version)?;
    let numbers = known.get("identifier").and_then(Value::as_array);
    let number = numbers
        .into_iter()
        .flatten()
        .find(|it| it.get("system").and_then(Value::as_str) == Some(NHS_NUMBER));
    let number = number.and_then(|it| it.get("value")).cloned();
    let names = known.get("name").and_then(Value::as_array);
    let names = names.into_iter().flatten().map(|name| {
        let mut kept = json!({});
        for member in ["use", "text", "family", "given", "prefix"] {
            if let (Some(value), Some(kept)) = (name.get(member), kept.as_object_mut()) {
                kept.insert(member.into(), value.clone());
            }
        }
        kept
    });
    let mut patient = json!({
        "resourceType": "Patient",
        "id": version.id,
        "meta": {
            "versionId": version.version.to_string(),
            "profile": ["https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-GPC-Patient-1"],
        },
        "identifier": [{ "system": NHS_NUMBER, "value": number }],
        "active": true,
        "name": names.collect::<Vec<Value>>(),
        "managingOrganization": { "reference": format!("Organization/{}", node.site.organisation) },
    });
    for member in ["gender", "birthDate"] {
        if let (Some(value), Some(patient)) = (known.get(member), patient.as_object_mut()) {
            patient.insert(member.into(), value.clone());
        }
    }
    Ok(patient)
}
