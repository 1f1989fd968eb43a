//! <https://hl7.org/fhir/R4/patient-operation-everything.html> and
//! <https://hl7.org/fhir/R4/encounter-operation-everything.html>: a record as one streamed Bundle.
//!
//! What the record refers to comes along (practitioners, organisations, medicines) unless it is
//! about another patient. A record that took another's place (a merge) comes with what stands under that
//! one, as far as the caller may read both.

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Reach, Scope, Target};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::span;
use fhir::definitions::Definitions;
use fhir::problem::{Kind, Problem};
use store::bulk::{Cursor, Walk, Within};

use super::parameters::as_query;
use super::stream::{self, Addresses, Again};
use crate::failure::Failure;
use crate::fhir::ask::{Announced, Ask, Asked};
use crate::fhir::check_known;
use crate::fhir::query::joined;
use crate::node::Node;

/// Resources a page, at most.
const COUNT_MAX: u32 = 1000;

/// `GET Patient/[id]/$everything`.
pub async fn patient(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    of_patient(&node, &ask, id).await
}

/// `POST Patient/[id]/$everything`, with Parameters or with none.
pub async fn patient_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    of_patient(&node, &Arc::new(as_query(&ask, &body)?), id).await
}

async fn of_patient(node: &Arc<Node>, ask: &Asked, id: String) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Everything, "Patient").await?;
    check_known(&id)?;
    let within = Within::Patients(vec![id.clone()]);
    instance(node, ask, &scope, ("Patient", id), within).await
}

/// `GET Encounter/[id]/$everything`.
pub async fn encounter(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    of_encounter(&node, &ask, id).await
}

/// `POST Encounter/[id]/$everything`, with Parameters or with none.
pub async fn encounter_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    of_encounter(&node, &Arc::new(as_query(&ask, &body)?), id).await
}

async fn of_encounter(node: &Arc<Node>, ask: &Asked, id: String) -> Result<Response, Failure> {
    let scope = ask
        .scope(node, Interaction::Everything, "Encounter")
        .await?;
    check_known(&id)?;
    let within = Within::Encounter {
        id: id.clone(),
        patients: Vec::new(),
    };
    instance(node, ask, &scope, ("Encounter", id), within).await
}

/// `GET Patient/$everything`: the caller's own record; for the organisation's systems, of everybody
/// whom the organisation knows.
pub async fn patients(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    of_patients(&node, &ask).await
}

/// `POST Patient/$everything`, with Parameters or with none.
pub async fn patients_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    of_patients(&node, &Arc::new(as_query(&ask, &body)?)).await
}

pub(crate) async fn of_patients(node: &Arc<Node>, ask: &Asked) -> Result<Response, Failure> {
    let scope = ask.scope(node, Interaction::Everything, "Patient").await?;
    if let Reach::Compartment { patient, .. } = scope.reach() {
        let own = patient.clone();
        let within = Within::Patients(vec![own.clone()]);
        return instance(node, ask, &scope, ("Patient", own), within).await;
    }
    // Everybody's record at once is an export in another form.
    let scope = ask.scope(node, Interaction::Export, "Patient").await?;
    let within = Within::Types {
        only_patients: true,
    };
    let mut walk = asked(ask, within)?;
    if walk.types.is_empty() {
        walk.types = fhir::compartment::types();
    }
    let target = Target {
        ty: "Patient".into(),
        query: Some(query(ask, true).into()),
        ..Target::default()
    };
    let walker = node
        .store
        .walk(&scope, Interaction::Everything, target, walk)
        .await?;
    let addresses = addresses(node, ask, "Patient");
    let again = Again::of(node, ask, (Interaction::Export, "Patient"));
    Ok(stream::bundle(walker, again, addresses).await?)
}

async fn instance(
    node: &Arc<Node>,
    ask: &Asked,
    scope: &Scope,
    (ty, id): (&'static str, String),
    within: Within,
) -> Result<Response, Failure> {
    let walk = asked(ask, within)?;
    let mut addresses = addresses(node, ask, &format!("{ty}/{id}"));
    addresses.told = scope.shows().map(|_| NOT_FOR_PROXIES);
    let again = Again::of(node, ask, (Interaction::Everything, ty));
    let target = Target {
        ty: ty.into(),
        id: Some(id),
        query: Some(query(ask, true).into()),
        ..Target::default()
    };
    let walker = node
        .store
        .walk_from(scope, Interaction::Everything, target, walk)
        .await?;
    Ok(stream::bundle(walker, again, addresses).await?)
}

fn asked(ask: &Ask, within: Within) -> Result<Walk, Problem> {
    let mut walk = Walk {
        with_referenced: true,
        follows_merges: true,
        ..Walk::all(within)
    };
    for (name, value) in &ask.query {
        let wrong = || Problem::new(Kind::Value, format!("{name} does not read."));
        match name.as_str() {
            "_since" => walk.since = Some(span(value).ok_or_else(wrong)?.low),
            "start" => walk.care.from = Some(span(value).ok_or_else(wrong)?.low),
            "end" => walk.care.before = Some(span(value).ok_or_else(wrong)?.high),
            "_type" => add_types(value, &mut walk.types)?,
            "_count" => {
                let count = value.parse().ok().filter(|count: &u32| *count > 0);
                walk.count = Some(count.ok_or_else(wrong)?.min(COUNT_MAX));
            }
            "_cursor" => walk.after = Cursor::parse(value).ok_or_else(wrong)?,
            _ => {
                let message = "$everything takes start, end, _since, _type and _count.";
                return Err(Problem::new(Kind::NotSupported, message));
            }
        }
    }
    Ok(walk)
}

/// Adds the resource types between commas, each once: what is named twice is not given twice.
///
/// # Errors
/// `Value` for what is no type of R4.
pub fn add_types(value: &str, types: &mut Vec<String>) -> Result<(), Problem> {
    for ty in value.split(',') {
        if !Definitions::r4().is_resource(ty) {
            let message = "_type names a resource type that FHIR R4 does not have.";
            return Err(Problem::new(Kind::Value, message));
        }
        if !types.iter().any(|known| known == ty) {
            types.push(ty.to_string());
        }
    }
    Ok(())
}

fn addresses(node: &Node, ask: &Ask, subject: &str) -> Addresses {
    let base_url = node.site.fhir_url();
    let operation = format!("{base_url}/{subject}/$everything?");
    let own = format!("{operation}{}", query(ask, true));
    let without = query(ask, false);
    let joint = if without.is_empty() { "" } else { "&" };
    Addresses {
        base_url,
        own: own.trim_end_matches('?').to_string(),
        next: format!("{operation}{without}{joint}"),
        told: None,
    }
}

fn query(ask: &Ask, with_cursor: bool) -> String {
    let pairs = ask.query.iter();
    let pairs = pairs.filter(|(name, _)| with_cursor || name != "_cursor");
    let pairs: Vec<(String, String)> = pairs.cloned().collect();
    joined(&pairs).unwrap_or_default()
}
