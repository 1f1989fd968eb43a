//! `POST DocumentReference/[id]/$send`: sends a document that is here to another organisation, with its Binaries however
//! large they are. Parameters: `recipient`, an Identifier or a string with the ODS code, and `urgent`.
//!
//! The same version of a document goes to the same organisation once, however often it is asked for.

use std::sync::Arc;

use access::{Interaction, NhsNumber, Ods, Outcome, Scope, Target};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::manifest::Mark;
use exchange::{Exchange, Letter, LetterContent};
use fhir::json::Json;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde_json::{Value, json};
use store::parcels::{Large, ParcelDone};
use store::{Done, Job, Reading, Version};

use super::parameters::Parameters;
use crate::failure::Failure;
use crate::fhir::ask::Announced;
use crate::fhir::{absent, answer, check_known, deleted, format};
use crate::node::Node;
use crate::record;

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

pub async fn send(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask
        .scope(&node, Interaction::Update, "DocumentReference")
        .await?;
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    check_known(&id)?;
    let (to, urgent) = wished(&body)?;
    let exchange = node.exchange.as_ref().ok_or_else(|| {
        let message = "This node is in no network, so nothing can be sent from here.";
        Problem::new(Kind::NotSupported, message)
    })?;
    let version = current(&node, &scope, "DocumentReference", &id).await?;
    let sent = Box::pin(sent(&node, &scope, exchange, (&version, to, urgent))).await?;
    Ok(answer::json(StatusCode::OK, sent.to_string()))
}

/// To whom, and how soon.
fn wished(body: &[u8]) -> Result<(Ods, bool), Problem> {
    let given = Parameters::read(body)?;
    given.only(&["recipient", "urgent"])?;
    let message = "The one recipient is an ODS code: a string, or an Identifier.";
    let wrong = || Problem::new(Kind::Value, message).at("Parameters.parameter");
    let mut recipients = given.values("recipient");
    let (Some(recipient), None) = (recipients.next(), recipients.next()) else {
        return Err(wrong());
    };
    let code = recipient.as_str().or_else(|| recipient.text("value"));
    let to = Ods::parse(code.unwrap_or_default()).map_err(|_| wrong())?;
    let urgent = given
        .values("urgent")
        .any(|it| matches!(it, Json::Bool(true)));
    Ok((to, urgent))
}

async fn current(node: &Node, scope: &Scope, ty: &str, id: &str) -> Result<Version, Problem> {
    match node.store.read(scope, ty, id).await? {
        Reading::Found(version) => Ok(version),
        Reading::Deleted { .. } => Err(deleted()),
        Reading::Absent => Err(absent()),
    }
}

async fn sent(
    node: &Node,
    scope: &Scope,
    exchange: &Exchange,
    (version, to, urgent): (&Version, Ods, bool),
) -> Result<Value, Problem> {
    let document = record::json(version)?;
    let (whole, large) = contents(node, scope, &document).await?;
    let patient = document
        .pointer("/subject/reference")
        .and_then(Value::as_str);
    let message =
        "The document names no patient who is here (subject), without whom nobody can take it in.";
    let patient = patient.and_then(|it| it.strip_prefix("Patient/"));
    let patient = patient.ok_or_else(|| Problem::new(Kind::Required, message))?;
    let person = record::json(&current(node, scope, "Patient", patient).await?)?;
    let about = record::letter(&document);
    let number = record::patient(&person).nhs_number;
    let number = number.map(|it| NhsNumber::parse(&it)).transpose();
    let told = |place: &str| {
        person
            .pointer(place)
            .and_then(Value::as_str)
            .map(str::to_string)
    };
    let (id, seen) = (version.id.as_str(), version.version.to_string());
    let letter = Letter {
        id: Letter::parcel_id(&["fhir", id, &seen, to.as_str()]),
        to: to.clone(),
        // The same version gives the same text, so that it goes once.
        made_at: version.last_updated,
        title: about.title,
        author: about.author.unwrap_or_default(),
        urgent,
        marks: marks(&document),
        document_number: id.to_string(),
        replaces: None,
        nhs_number: number
            .map_err(|_| Problem::new(Kind::Value, "The patient's NHS number does not check."))?,
        birth_date: told("/birthDate"),
        family: told("/name/0/family").unwrap_or_default(),
        given: told("/name/0/given/0").unwrap_or_default(),
        contents: whole,
        patient: patient.to_string(),
        document: id.to_string(),
    };
    let parcel = letter.id.clone();
    let mut job = Job::effect(exchange.send_large_letter(letter, &large)?);
    let target = Target {
        ty: "DocumentReference".into(),
        id: Some(id.to_string()),
        version: Some(version.version),
        patient: Some(patient.to_string()),
        query: Some(format!("sent-to={to}").into()),
    };
    job.traces
        .push(scope.trace(Interaction::Update, Outcome::Success, target));
    let done = node.store.commit(scope, job).await?.done;
    let known = matches!(
        done.first(),
        Some(Done::Parcel(ParcelDone::Accepted { known: true, .. }))
    );
    Ok(json!({ "resourceType": "Parameters", "parameter": [
        { "name": "parcel", "valueString": parcel },
        { "name": "known", "valueBoolean": known },
    ] }))
}

/// The document's Binaries: those that are read whole, and those that are not.
async fn contents(
    node: &Node,
    scope: &Scope,
    document: &Value,
) -> Result<(Vec<LetterContent>, Vec<(String, Large)>), Problem> {
    let (mut whole, mut large) = (Vec::new(), Vec::new());
    for (binary, _) in record::letter(document).attachments {
        let found = record::content(node, scope, &binary).await?;
        let message = format!("The document's Binary/{binary} is not here.");
        let found = found.ok_or_else(|| Problem::new(Kind::NotFound, message))?;
        match found.large {
            Some(content) => large.push((found.content_type, content)),
            None => whole.push(LetterContent {
                content_type: found.content_type,
                bytes: found.bytes,
            }),
        }
    }
    Ok((whole, large))
}

/// What the document's labels keep from the patient's page.
fn marks(document: &Value) -> Vec<Mark> {
    let labels = document["securityLabel"].as_array().into_iter().flatten();
    let labels = labels.chain(
        document
            .pointer("/meta/security")
            .and_then(Value::as_array)
            .into_iter()
            .flatten(),
    );
    let restricted = |coding: &Value| {
        coding["system"] == CONFIDENTIALITY && (coding["code"] == "R" || coding["code"] == "V")
    };
    let mut codings = labels.flat_map(|label| match label["coding"].as_array() {
        Some(codings) => codings.iter().collect::<Vec<_>>(),
        None => vec![label],
    });
    match codings.any(restricted) {
        true => vec![Mark::SeriousHarm],
        false => Vec::new(),
    }
}
