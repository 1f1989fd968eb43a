//! Producers: systems of this organisation point at documents of theirs.

use std::sync::Arc;

use access::{Interaction, NhsNumber, Ods, Outcome, Scope, Target};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::members::text;
use fhir::search::{Clause, Search};
use http::StatusCode;
use serde_json::Value;
use store::ask::{AskWrite, DocumentPointer, LocateWrite, Located};
use store::{Effect, Job};

use super::answer::{Refused, done, give, json_of};
use super::consumer::{Asked, bundle, form, page_end};
use super::pointer::{changed, is_theirs, read as read_pointer, replaced, shown};
use super::{AT_ONCE, organisation};
use crate::fhir::ask::{Announced, Ask};
use crate::node::Node;

/// `POST /DocumentReference`
pub(super) async fn create(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Response {
    let answer = Box::pin(created(&node, &ask, &body, None)).await;
    give(&ask.headers, answer)
}

/// `PUT /DocumentReference`: creates one whose id the producer gives.
pub(super) async fn upsert(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Response {
    let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let id = text(&json, "/id").to_owned();
    let answer = Box::pin(put(&node, &ask, &id, &body)).await;
    give(&ask.headers, answer)
}

/// `PUT /DocumentReference/{id}`
pub(super) async fn update(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let answer = Box::pin(put(&node, &ask, &id, &body)).await;
    give(&ask.headers, answer)
}

/// `DELETE /DocumentReference/{id}`
pub(super) async fn delete(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Response {
    let answer = Box::pin(deleted(&node, &ask, &id)).await;
    give(&ask.headers, answer)
}

/// `GET /DocumentReference/{id}`
pub(super) async fn read(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Response {
    let answer = Box::pin(one(&node, &ask, &id)).await;
    give(&ask.headers, answer)
}

/// `GET /DocumentReference`: the producer's own.
pub(super) async fn search(State(node): State<Arc<Node>>, Announced(ask): Announced) -> Response {
    let answer = Box::pin(found(&node, &ask, &ask.query)).await;
    give(&ask.headers, answer)
}

/// `POST /DocumentReference/_search`
pub(super) async fn search_by_post(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Response {
    let answer = match form(&ask, &body) {
        Ok(pairs) => Box::pin(found(&node, &ask, &pairs)).await,
        Err(refused) => Err(refused),
    };
    give(&ask.headers, answer)
}

/// The organisation whose pointers these are: this node's own.
fn custodian(node: &Node, ask: &Ask) -> Result<Ods, Refused> {
    let custodian = organisation(&ask.visit, &ask.headers)?;
    if custodian == node.site.organisation {
        return Ok(custodian);
    }
    let said = "Pointers are made at the custodian's own node.";
    Err(Refused::of(StatusCode::FORBIDDEN, "ACCESS_DENIED", said))
}

async fn created(
    node: &Node,
    ask: &Ask,
    body: &[u8],
    id: Option<&str>,
) -> Result<Response, Refused> {
    let custodian = custodian(node, ask)?;
    let scope = ask
        .scope(node, Interaction::Create, "DocumentReference")
        .await?;
    let (value, mut pointer) = read_pointer(body, &custodian)?;
    let replaces = replaced(&value)?;
    pointer.id = match id {
        Some(id) => id.to_owned(),
        None => format!("{custodian}-{}", uuid::Uuid::new_v4()),
    };
    let code = match replaces.is_empty() {
        true => "RESOURCE_CREATED",
        false => "RESOURCE_SUPERSEDED",
    };
    let at = format!("{}/{}", PRODUCER, pointer.id);
    let write = LocateWrite::Create {
        pointer: Box::new(pointer.clone()),
        replaces,
    };
    commit(node, (&scope, Interaction::Create), &pointer, write).await?;
    Ok(done(StatusCode::CREATED, code, Some(&at)))
}

const PRODUCER: &str = "/record-locator/producer/FHIR/R4/DocumentReference";

async fn put(node: &Node, ask: &Ask, id: &str, body: &[u8]) -> Result<Response, Refused> {
    let custodian = custodian(node, ask)?;
    let (value, pointer) = read_pointer(body, &custodian)?;
    if !is_theirs(id, &custodian) || pointer.id != id {
        let said =
            "The id begins with the custodian's ODS code and a hyphen, and is that of the address.";
        return Err(Refused::of(
            StatusCode::BAD_REQUEST,
            "INVALID_RESOURCE_ID",
            said,
        ));
    }
    let scope = ask
        .scope(node, Interaction::Update, "DocumentReference")
        .await?;
    let Some(before) = node.store.document_pointer(&scope, (id, None)).await? else {
        return created(node, ask, body, Some(id)).await;
    };
    let known: Value = serde_json::from_str(&before.body).unwrap_or(Value::Null);
    if let Some(name) = changed(&known, &value) {
        let said = format!("An update leaves {name} as it is.");
        return Err(Refused::of(StatusCode::CONFLICT, "INVALID_VALUE", &said));
    }
    let pointer = DocumentPointer {
        version: before.version,
        ..pointer
    };
    let write = LocateWrite::Update {
        pointer: Box::new(pointer.clone()),
    };
    commit(node, (&scope, Interaction::Update), &pointer, write).await?;
    Ok(done(StatusCode::OK, "RESOURCE_UPDATED", None))
}

async fn deleted(node: &Node, ask: &Ask, id: &str) -> Result<Response, Refused> {
    let custodian = custodian(node, ask)?;
    let scope = ask
        .scope(node, Interaction::Delete, "DocumentReference")
        .await?;
    let found = node.store.document_pointer(&scope, (id, None)).await?;
    let found = found.filter(|it| it.custodian == custodian.as_str());
    let pointer = found.ok_or_else(|| {
        let said = "There is no such pointer.";
        Refused::of(StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND", said)
    })?;
    let write = LocateWrite::Delete {
        id: id.to_owned(),
        custodian: custodian.to_string(),
    };
    commit(node, (&scope, Interaction::Delete), &pointer, write).await?;
    Ok(done(StatusCode::OK, "RESOURCE_REMOVED", None))
}

async fn one(node: &Node, ask: &Ask, id: &str) -> Result<Response, Refused> {
    let custodian = custodian(node, ask)?;
    let scope = ask
        .scope(node, Interaction::Read, "DocumentReference")
        .await?;
    let found = node.store.document_pointer(&scope, (id, None)).await?;
    match found.filter(|it| it.custodian == custodian.as_str()) {
        Some(pointer) => Ok(json_of(StatusCode::OK, &shown(&pointer))),
        None => {
            let said = "There is no such pointer.";
            Err(Refused::of(
                StatusCode::NOT_FOUND,
                "RESOURCE_NOT_FOUND",
                said,
            ))
        }
    }
}

async fn found(node: &Node, ask: &Ask, pairs: &[(String, String)]) -> Result<Response, Refused> {
    let custodian = custodian(node, ask)?;
    let scope = ask
        .scope(node, Interaction::Search, "DocumentReference")
        .await?;
    let asked = Asked::read(pairs)?;
    let wanted = Located {
        nhs_number: asked.number.as_deref(),
        custodian: Some(custodian.as_str()),
        kinds: &asked.kinds,
        after: &asked.after,
        count: u32::try_from(AT_ONCE + 1).unwrap_or(u32::MAX),
    };
    let mut documents = node.store.document_pointers(&scope, &wanted, None).await?;
    let next = page_end(&mut documents, AT_ONCE);
    let entries: Vec<Value> = documents.iter().map(shown).collect();
    Ok(json_of(
        StatusCode::OK,
        &bundle(&entries, entries.len(), next),
    ))
}

/// Does it, with the line that names the pointer, and the patient if they are here.
async fn commit(
    node: &Node,
    (scope, interaction): (&Scope, Interaction),
    pointer: &DocumentPointer,
    write: LocateWrite,
) -> Result<(), Refused> {
    let mut search = Search::all("Patient", 2);
    let number = pointer.nhs_number.as_str();
    search
        .clauses
        .push(Clause::identifier(NhsNumber::SYSTEM, number));
    let own = Scope::system(access::SystemPurpose::KeepPointers);
    let page = node.store.search(&own, &search).await?;
    let people = page.entries.iter().filter(|it| it.ty == "Patient");
    let patients: Vec<String> = people.map(|it| it.id.clone()).collect();
    let target = Target {
        ty: "DocumentReference".into(),
        id: Some(pointer.id.clone()),
        patient: patients.first().cloned(),
        query: Some("pointer".into()),
        ..Target::default()
    };
    let mut effects = vec![Effect::Ask(AskWrite::Locate(write))];
    if !patients.is_empty() {
        // Their practices are told that something is held here, or is no more.
        effects.push(Effect::Ask(AskWrite::Located { patients }));
    }
    let job = Job {
        effects,
        traces: vec![scope.trace(interaction, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(scope, job).await?;
    Ok(())
}
