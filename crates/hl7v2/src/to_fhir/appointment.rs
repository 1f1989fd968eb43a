//! What an Appointment needs beyond the tables: its status by the event, its end by its length, and
//! what FHIR requires of each participant.

use super::Made;
use serde_json::{Value, json};

/// Completes the message's appointments.
pub fn complete(trigger: &str, made: &mut [Made]) {
    for appointment in made.iter_mut().filter(|m| m.ty == "Appointment") {
        status(trigger, appointment);
        end(&mut appointment.resource);
        participants(&mut appointment.resource);
    }
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
