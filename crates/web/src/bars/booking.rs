//! Bookings: `booking-request` of `$process-message`, and `GET /Appointment`.

use std::sync::Arc;

use access::{Interaction, NhsNumber};
use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use exchange::booking::BarsBooking;
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Search};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Value, json};
use store::Reading;

use super::message::{self, Message};
use super::{answer, refused, scope, told};
use crate::node::Node;
use crate::record;

/// Appointments in one answer at most.
const APPOINTMENTS_MAX: u32 = 200;
const REASON_CHARS_MAX: usize = exchange::booking::REASON_CHARS_MAX;

/// Reads a booking, or its cancellation.
///
/// # Errors
/// `Required`, `Value` for what it lacks, with the place.
pub(super) fn read(
    message: &Message,
    bytes: &[u8],
    (request_id, correlation_id): (String, String),
) -> Result<BarsBooking, Problem> {
    let focus = text(message.header(), "/focus/0/reference");
    let asked = message.find(focus);
    if text(asked, "/resourceType") != "Appointment" {
        let what = "The focus of the message is no Appointment in it.";
        return Err(Problem::new(Kind::Value, what).at("MessageHeader.focus"));
    }
    let cancelled = match text(asked, "/status") {
        "booked" => false,
        "cancelled" | "entered-in-error" => true,
        _ => {
            let what = "An appointment is asked for as booked or cancelled.";
            return Err(Problem::new(Kind::Value, what).at("Appointment.status"));
        }
    };
    let patients = each(asked, "/participant")
        .map(|it| message.of(it, "/actor/reference"))
        .find(|it| text(it, "/resourceType") == "Patient");
    let slot = text(asked, "/slot/0/reference");
    // By the id that the search gave: as a reference to this node, or to a copy of the Slot in the message.
    let slot = match message.find(slot) {
        Value::Null => slot.rsplit('/').next().unwrap_or_default(),
        copy => text(copy, "/id"),
    };
    let (sender, _) = message::sender(message, message.header())?;
    let reason = text(asked, "/description").chars();
    Ok(BarsBooking {
        sender,
        message: message.id()?,
        digest: message::digest(bytes),
        request_id,
        correlation_id,
        asked_as: message::required(
            &message::first(&[
                text(asked, "/identifier/0/value"),
                text(asked, "/id"),
                focus.rsplit(':').next().unwrap_or_default(),
            ]),
            "Appointment.id",
        )?,
        cancelled,
        slot: match cancelled {
            true => String::new(),
            false => message::required(slot, "Appointment.slot")?,
        },
        named: message::named(patients.unwrap_or(&Value::Null))?,
        reason: reason.take(REASON_CHARS_MAX).collect(),
    })
}

/// `GET /Appointment/{id}`
pub(super) async fn one(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    match Box::pin(read_one(&node, &parts, &id)).await {
        Ok(resource) => answer(StatusCode::OK, &parts.headers, &resource),
        Err(problem) => refused(&parts.headers, &problem),
    }
}

async fn read_one(node: &Node, parts: &Parts, id: &str) -> Result<Value, Problem> {
    told(&parts.headers)?;
    let scope = scope(node, parts, Interaction::Read, "Appointment").await?;
    match node.store.read(&scope, "Appointment", id).await? {
        Reading::Found(version) => record::json(&version),
        _ => Err(Problem::new(
            Kind::NotFound,
            "There is no such appointment here.",
        )),
    }
}

/// `GET /Appointment?patient:identifier=…`
pub(super) async fn of_patient(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let query = query.unwrap_or_default();
    match Box::pin(all_of(&node, &parts, &query)).await {
        Ok(bundle) => answer(StatusCode::OK, &parts.headers, &bundle),
        Err(problem) => refused(&parts.headers, &problem),
    }
}

async fn all_of(node: &Node, parts: &Parts, query: &str) -> Result<Value, Problem> {
    told(&parts.headers)?;
    let scope = scope(node, parts, Interaction::Search, "Appointment").await?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let asked = pairs.find(|(name, _)| name == "patient:identifier");
    let number = asked.and_then(|(_, it)| {
        let (system, value) = it.split_once('|')?;
        let number = NhsNumber::parse(value).ok()?;
        (system == NhsNumber::SYSTEM).then_some(number)
    });
    let number = number.ok_or_else(|| {
        let what = "The parameter patient:identifier is needed: https://fhir.nhs.uk/Id/nhs-number| and the NHS number.";
        Problem::new(Kind::Required, what).at("patient:identifier")
    })?;
    let mut search = Search::all("Patient", 10);
    let clause = Clause::identifier(NhsNumber::SYSTEM, number.digits());
    search.clauses.push(clause);
    let patients = node.store.search(&scope, &search).await?;
    let base = format!("{}/bars/FHIR/R4", node.site.base_url);
    let mut entries = Vec::new();
    for patient in patients.entries.iter().filter(|it| it.ty == "Patient") {
        let search = Search::all("Appointment", APPOINTMENTS_MAX).within_patient(&patient.id);
        for version in &node.store.search(&scope, &search).await?.entries {
            entries.push(json!({
                "fullUrl": format!("{base}/Appointment/{}", version.id),
                "resource": record::json(version)?,
                "search": { "mode": "match" },
            }));
        }
    }
    Ok(json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": entries.len(),
        "link": [{ "relation": "self", "url": format!("{base}/Appointment") }],
        "entry": entries,
    }))
}
