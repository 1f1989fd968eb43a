//! `GET Appointment/{id}` and `GET Patient/{id}/Appointment`
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/appointments_use_case_retrieve_a_patients_appointments.html>).

use std::sync::Arc;

use access::Scope;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::gp_connect::{self, BookedBy, Call, Refusal, Trouble, Visit, bundle, local_day, uk_day};
use fhir::search::Search;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use store::{Reading, Version};

use super::answer::{Refused, answer};
use super::caller::{Brought, admit};
use super::patient;
use crate::node::Node;
use crate::record;

/// Appointments of one patient that are looked through.
const LOOKED_MAX: u32 = 500;

/// An appointment that is still to come, or was earlier today.
pub(super) async fn read(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    brought: Brought,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &brought, &[Call::ReadAppointment]).await?;
    let visit = find(&node, &admitted.scope, &id).await?;
    Ok(told(StatusCode::OK, &visit))
}

/// An appointment with its version as `ETag`.
pub(super) fn told(status: StatusCode, visit: &Visit) -> Response {
    let mut response = answer(status, &gp_connect::appointment(visit));
    if let Ok(tag) = HeaderValue::try_from(format!("W/\"{}\"", visit.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The first moment of today.
fn today(now: Millis) -> Millis {
    uk_day(&local_day(now)).map_or(now, |it| it.low)
}

/// The appointment, as far as the caller's scope reaches and unless it was before today.
pub(super) async fn find(node: &Node, scope: &Scope, id: &str) -> Result<Visit, Refused> {
    let nothing = || {
        Refusal::new(
            Trouble::NoRecordFound,
            "There is no such appointment to come.",
        )
    };
    let Reading::Found(version) = node.store.read(scope, "Appointment", id).await? else {
        return Err(nothing().into());
    };
    let visit = visit(node, &version)?.filter(|it| it.starts >= today(node.store.now()));
    visit.ok_or_else(|| nothing().into())
}

/// What GP Connect tells of an R4 Appointment; nothing of one without a time or a patient.
fn visit(node: &Node, version: &Version) -> Result<Option<Visit>, Refused> {
    let known = record::json(version)?;
    let text = |place: &str| {
        let text = known.pointer(place).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    // GP Connect tells times to the second.
    let second = |at: Millis| at.div_euclid(1000).saturating_mul(1000);
    let at = |name: &str| date::span(&text(name)).map(|span| second(span.low));
    let list = |name: &str| {
        known
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let reference = |it: &Value, place: &str, before: &str| {
        let reference = it.pointer(place).and_then(Value::as_str);
        let id = reference.and_then(|it| it.strip_prefix(before));
        id.map(str::to_owned)
    };
    let patient = list("participant").find_map(|it| reference(it, "/actor/reference", "Patient/"));
    let (Some(starts), Some(patient)) = (at("/start"), patient) else {
        return Ok(None);
    };
    Ok(Some(Visit {
        id: version.id.clone(),
        version: version.version,
        status: match text("/status").as_str() {
            // STU3 does not know these.
            "checked-in" => "arrived".into(),
            "waitlist" => "pending".into(),
            status => status.to_owned(),
        },
        starts,
        ends: at("/end").unwrap_or(starts),
        created: at("/created").unwrap_or(version.last_updated),
        patient,
        location: node.site.organisation.to_string(),
        slots: list("slot")
            .filter_map(|it| reference(it, "/reference", "Slot/"))
            .collect(),
        kind: text("/serviceType/0/text"),
        practitioner: None,
        description: text("/reasonCode/0/text"),
        comment: text("/comment"),
        cancelled: text("/cancelationReason/text"),
        booked_by: BookedBy::of(&known),
    }))
}

/// A patient's appointments from one day to another, the cancelled too.
pub(super) async fn list(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    brought: Brought,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &brought, &[Call::PatientAppointments]).await?;
    let (from, until) = days(&brought.parameters, node.store.now())?;
    patient::find(&node, &admitted.scope, &id).await?;
    let search = Search::all("Appointment", LOOKED_MAX).within_patient(&id);
    let found = node.store.search(&admitted.scope, &search).await?;
    let mut visits = Vec::new();
    for version in &found.entries {
        visits.extend(visit(&node, version)?);
    }
    visits.retain(|it| (from..until).contains(&it.starts) && it.patient == id);
    visits.sort_by_key(|it| it.starts);
    let visits = visits.iter().map(gp_connect::appointment);
    Ok(answer(StatusCode::OK, &bundle(visits)))
}

/// The span of days that is asked for.
fn days(parameters: &[(String, String)], now: Millis) -> Result<(Millis, Millis), Refusal> {
    let wrong = |words: &str| Refusal::new(Trouble::InvalidParameter, words);
    let starts: Vec<&str> = parameters
        .iter()
        .filter(|(name, _)| name == "start")
        .map(|(_, value)| value.as_str())
        .collect();
    let day = |prefix: &str| {
        let mut found = starts.iter().filter_map(|it| it.strip_prefix(prefix));
        found.next().and_then(uk_day)
    };
    let (Some(from), Some(until), 2) = (day("ge"), day("le"), starts.len()) else {
        return Err(wrong(
            "start stands there twice, with ge and with le, each a whole date without a time.",
        ));
    };
    if from.low < today(now) {
        return Err(wrong("Appointments in the past cannot be asked for."));
    }
    if from.low >= until.high {
        return Err(wrong("The first day is not after the last."));
    }
    Ok((from.low, until.high))
}
