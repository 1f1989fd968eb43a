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

use super::message::{self, Message};
use super::{answer, change, found, refused, scope, told};
use crate::node::Node;
use crate::record;

/// Appointments, or referrals, in one answer at most.
const OF_PATIENT_MAX: u32 = 200;
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
    let (why, what) = (
        text(asked, "/cancelationReason/text"),
        text(asked, "/description"),
    );
    // Why it ends is more than why it was.
    let reason = if cancelled && !why.is_empty() {
        why
    } else {
        what
    };
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
        reason: reason.chars().take(REASON_CHARS_MAX).collect(),
    })
}

/// `GET /Appointment/{id}`
pub(super) async fn one(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    match Box::pin(found(&node, &parts, ("Appointment", &id))).await {
        Ok(current) => change::versioned(&parts.headers, &current),
        Err(problem) => refused(&parts.headers, &problem),
    }
}

/// `GET /Appointment?patient:identifier=…`
pub(super) async fn of_patient(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    every(&node, request, (query, "Appointment")).await
}

/// `GET /ServiceRequest?patient:identifier=…`
pub(super) async fn referrals_of(
    State(node): State<Arc<Node>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    every(&node, request, (query, "ServiceRequest")).await
}

async fn every(
    node: &Node,
    request: Request,
    (query, ty): (Option<String>, &'static str),
) -> Response {
    let (parts, _) = request.into_parts();
    let query = query.unwrap_or_default();
    match Box::pin(all_of(node, &parts, (&query, ty))).await {
        Ok(bundle) => answer(StatusCode::OK, &parts.headers, &bundle),
        Err(problem) => refused(&parts.headers, &problem),
    }
}

async fn all_of(
    node: &Node,
    parts: &Parts,
    (query, ty): (&str, &'static str),
) -> Result<Value, Problem> {
    told(&parts.headers)?;
    let scope = scope(node, parts, Interaction::Search, ty).await?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let asked =
        pairs.find(|(name, _)| name == "patient:identifier" || name == "subject:identifier");
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
        let search = Search::all(ty, OF_PATIENT_MAX).within_patient(&patient.id);
        for version in &node.store.search(&scope, &search).await?.entries {
            entries.push(json!({
                "fullUrl": format!("{base}/{ty}/{}", version.id),
                "resource": record::json(version)?,
                "search": { "mode": "match" },
            }));
        }
    }
    Ok(json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": entries.len(),
        "link": [{ "relation": "self", "url": format!("{base}/{ty}") }],
        "entry": entries,
    }))
}
