//! What an Appointment needs beyond the tables: its status by the event, its end by its length, and
//! what FHIR requires of each participant.

use super::{Made, Members};
use crate::header::Header;
use crate::message::Message;
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};

/// The segments of services and resources.
const RESOURCES: [&str; 4] = ["AIS", "AIG", "AIL", "AIP"];

/// Completes the message's appointments.
pub fn complete(trigger: &str, made: &mut [Made]) {
    for appointment in made.iter_mut().filter(|m| m.ty == "Appointment") {
        status(trigger, appointment);
        end(&mut appointment.resource);
        participants(&mut appointment.resource);
        appointment.members = members(trigger);
        if appointment.members.is_some() {
            // A service's time is its own; the appointment is moved by S13.
            let own = ["start", "end", "minutesDuration"].map(str::to_owned);
            appointment.only_if_new.extend(own);
        }
    }
}

/// What of a booking's services and participants a message tells by its event: some that come (S18), or are told otherwise (S19), or
/// that go, cancelled (S20), discontinued (S21) or deleted (S22). Others tell them all.
fn members(trigger: &str) -> Option<Members> {
    match trigger {
        "S18" | "S19" => Some(Members::Come),
        "S20" | "S21" | "S22" => Some(Members::Go),
        _ => None,
    }
}

/// Refuses a message whose segment action codes (HL7 table 0206) say other than its event: it would be read wrongly.
pub fn check_actions(header: &Header, message: &Message) -> Result<(), Problem> {
    let members = members(&header.trigger).filter(|_| header.message_type == "SIU");
    let Some(members) = members else {
        return Ok(());
    };
    let mut of_group = String::new();
    for segment in message.segments() {
        let own = segment.value(2, 1).trim().to_owned();
        if segment.name() == "RGS" {
            of_group = own;
            continue;
        }
        if !RESOURCES.contains(&segment.name()) {
            continue;
        }
        let action = if own.is_empty() { &of_group } else { &own };
        let fits = match members {
            // One that stays as it is (X) is there already.
            Members::Come => ["", "A", "U", "X"].contains(&action.as_str()),
            Members::Go => ["", "D"].contains(&action.as_str()),
        };
        if !fits {
            let trigger = &header.trigger;
            let message = format!(
                "the action {action} of a service or resource is not that of SIU^{trigger}, so nothing of the message was applied"
            );
            let place = format!("{}-2", segment.name());
            return Err(Problem::new(Kind::Value, message).at(place));
        }
    }
    Ok(())
}

/// SCH-25 says the status; without it the event does. An event that does not tell (a note about an
/// appointment) leaves it as it is here.
fn status(trigger: &str, appointment: &mut Made) {
    let status = match trigger {
        "S12" | "S13" | "S14" => "booked",
        "S15" | "S16" => "cancelled",
        "S17" => "entered-in-error",
        "S26" => "noshow",
        _ => return,
    };
    let filled = |name: &String| name == "status";
    if !appointment.only_if_new.iter().any(filled) {
        return;
    }
    appointment.only_if_new.retain(|name| name != "status");
    if let Value::Object(elements) = &mut appointment.resource {
        elements.insert("status".to_owned(), json!(status));
    }
}

/// An appointment that says how long it is, and not when it ends, ends so long after its start.
fn end(resource: &mut Value) {
    let minutes = resource.get("minutesDuration").and_then(Value::as_i64);
    let start = resource.get("start").and_then(Value::as_str);
    let start = start.and_then(fhir::date::span).map(|span| span.low);
    let (Some(minutes), Some(start)) = (minutes, start) else {
        return;
    };
    let end = start.saturating_add(minutes.saturating_mul(60_000));
    if let Value::Object(elements) = resource {
        let end = json!(crate::time::instant(end));
        elements.entry("end").or_insert(end);
    }
}

fn participants(resource: &mut Value) {
    let held = ["booked", "arrived", "checked-in", "fulfilled"];
    let is_held = resource
        .get("status")
        .and_then(Value::as_str)
        .is_some_and(|status| held.contains(&status));
    let status = if is_held { "accepted" } else { "needs-action" };
    let Value::Object(elements) = resource else {
        return;
    };
    let participants = elements.entry("participant").or_insert_with(|| json!([]));
    if let Value::Array(participants) = participants {
        // FHIR asks for a type or an actor; one that has neither is nobody.
        participants.retain(|p| p.get("actor").is_some() || p.get("type").is_some());
        for participant in participants.iter_mut().filter_map(Value::as_object_mut) {
            participant.entry("status").or_insert_with(|| json!(status));
        }
        if participants.is_empty() {
            let nobody = json!({"actor": {"display": "nobody named"}, "status": status});
            participants.push(nobody);
        }
    }
}
