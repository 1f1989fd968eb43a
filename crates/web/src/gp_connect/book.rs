//! `POST Appointment` (<https://developer.nhs.uk/apis/gpconnect-1-2-7/appointments_use_case_book_an_appointment.html>)

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use exchange::booking::{self, Came, More, Wish, are_adjacent};
use fhir::gp_connect::{Call, PATH, Refusal, Trouble, Wanted, read_wanted};
use fhir::json::{self, Limits};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::answer::Refused;
use super::appointment::{find, told};
use super::caller::{Admitted, Brought, admit};
use super::patient;
use crate::node::Node;

/// Books a free slot, or several that are adjacent.
pub(super) async fn book(
    State(node): State<Arc<Node>>,
    brought: Brought,
    body: Bytes,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &brought, &[Call::Book]).await?;
    let wanted = read_wanted(&read(&brought, &body)?)?;
    let slots = check(&node, &admitted, &wanted).await?;
    let (slot, further) = match slots.as_slice() {
        [first, further @ ..] => (first.as_str(), further),
        [] => ("", &[][..]),
    };
    let attempt = uuid::Uuid::new_v4().to_string();
    let wish = Wish {
        patient: &wanted.patient,
        slot,
        reason: &wanted.description,
        attempt: &attempt,
        audience: admitted.audience,
    };
    let mut more: Map<String, Value> = wanted.booked_by.kept();
    if !wanted.comment.is_empty() {
        more.insert("comment".into(), wanted.comment.clone().into());
    }
    let more = More {
        members: Some(&more),
        further,
    };
    let came = match &node.exchange {
        Some(exchange) => {
            exchange
                .book_here_with(&admitted.scope, &wish, more)
                .await?
        }
        None => booking::book_with(&node.store, &admitted.scope, &wish, more).await?,
    };
    let (Came::Booked(id) | Came::Asked(id)) = came else {
        let words = "A slot is not free any more.";
        return Err(Refusal::new(Trouble::Duplicate, words).into());
    };
    let visit = find(&node, &admitted.scope, &id).await?;
    let mut response = told(StatusCode::CREATED, &visit);
    let there = format!("{}{PATH}/Appointment/{id}", node.site.base_url);
    if let Ok(there) = HeaderValue::try_from(there) {
        response.headers_mut().insert(header::LOCATION, there);
    }
    Ok(response)
}

/// The body as JSON.
pub(super) fn read(brought: &Brought, body: &[u8]) -> Result<Value, Refusal> {
    let kind = brought.headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !kind.contains("json") {
        let words = "Content-Type is application/fhir+json or application/fhir+xml.";
        return Err(Refusal::new(Trouble::UnsupportedMediaType, words));
    }
    let wrong = || {
        Refusal::new(
            Trouble::BadRequest,
            "The body is not JSON, or has a member twice.",
        )
    };
    // Strict as everywhere: serde_json would take the last of two members.
    json::parse(body, &Limits::default()).map_err(|_| wrong())?;
    serde_json::from_slice(body).map_err(|_| wrong())
}

/// That what is wanted is there, and fits: the slots in the order of their times.
async fn check(node: &Node, admitted: &Admitted, wanted: &Wanted) -> Result<Vec<String>, Refused> {
    let no = |trouble: Trouble, words: &str| Err(Refused(Refusal::new(trouble, words)));
    if wanted.booked_by.ods != admitted.organisation.as_str() {
        let words = "The booking organisation is another than the one that asks.";
        return no(Trouble::InvalidResource, words);
    }
    if wanted.location != node.site.organisation.as_str() {
        return no(
            Trouble::ReferenceNotFound,
            "There is no such Location here.",
        );
    }
    match patient::find(node, &admitted.scope, &wanted.patient).await {
        Err(Refused(it)) if it.trouble == Trouble::PatientNotFound => {
            return no(Trouble::ReferenceNotFound, "There is no such Patient here.");
        }
        found => found?,
    };
    let mut slots = Vec::new();
    for id in &wanted.slots {
        let slot = node.store.slot(&admitted.scope, id).await?;
        let Some(slot) = slot.filter(|it| it.audience >= admitted.audience) else {
            return no(Trouble::ReferenceNotFound, "There is no such Slot here.");
        };
        slots.push(slot);
    }
    slots.sort_by_key(|it| it.starts_at);
    if !are_adjacent(&slots) {
        let words = "Slots are booked together only where they are adjacent: of one schedule, each beginning when the one before it ends.";
        return no(Trouble::InvalidResource, words);
    }
    let starts = slots.first().map_or(0, |it| it.starts_at);
    let ends = slots.last().map_or(0, |it| it.ends_at);
    // GP Connect tells times to the second.
    let same = |a: i64, b: i64| a.div_euclid(1000) == b.div_euclid(1000);
    if !same(starts, wanted.starts) || !same(ends, wanted.ends) {
        let words = "start is that of the first slot, and end that of the last.";
        return no(Trouble::InvalidResource, words);
    }
    if starts <= node.store.now() {
        return no(Trouble::InvalidResource, "The slot has begun or is over.");
    }
    Ok(slots.into_iter().map(|it| it.id).collect())
}
