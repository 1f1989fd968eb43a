//! Appointments: SIU.

use super::adt::pid;
use super::segment::{Writer, components, part};
use super::values::{cwe, dtm_at, ei, ei_of, shown};
use super::{Around, Change, Envelope, list, text};
use serde_json::Value;

/// Booked, moved, changed, cancelled, deleted, or not attended.
pub(super) fn event(change: Change<'_>) -> Option<&'static str> {
    let status = |value: &Value| text(value, "/status").map(str::to_owned);
    let (now, before) = (status(change.now)?, change.before.and_then(status));
    let is_new = before.as_ref() != Some(&now);
    let held = |status: &str| matches!(status, "booked" | "arrived" | "checked-in" | "fulfilled");
    let start = |value: &Value| text(value, "/start").map(str::to_owned);
    match now.as_str() {
        "cancelled" if is_new && before.is_some() => Some("S15"),
        "entered-in-error" if is_new && before.is_some() => Some("S17"),
        "noshow" if is_new => Some("S26"),
        status if held(status) && !before.as_deref().is_some_and(held) => Some("S12"),
        status if held(status) && change.before.and_then(start) != start(change.now) => Some("S13"),
        status if held(status) => Some("S14"),
        _ => None,
    }
}

pub(super) fn write(
    writer: &mut Writer,
    appointment: &Value,
    around: &Around,
    envelope: &Envelope,
) {
    let id = text(appointment, "/id").unwrap_or_default();
    let placer = ei_of(appointment, "PLAC").unwrap_or_default();
    let filler = ei_of(appointment, "FILL")
        .or_else(|| list(appointment, "identifier").first().map(ei))
        .unwrap_or_else(|| components(&[id, &envelope.organisation]));
    let (start, end) = (dtm_at(appointment, "/start"), dtm_at(appointment, "/end"));
    let minutes = appointment.get("minutesDuration").map(Value::to_string);
    let minutes = minutes.unwrap_or_default();
    let unit = if minutes.is_empty() { "" } else { "M" };
    let status = match text(appointment, "/status") {
        Some("cancelled") => "Cancelled",
        Some("noshow") => "Noshow",
        Some("entered-in-error") => "Deleted",
        Some("fulfilled") => "Complete",
        Some("arrived" | "checked-in") => "Started",
        _ => "Booked",
    };
    let fields = [
        (1, placer),
        (2, filler),
        (6, cwe(appointment.get("cancelationReason"))),
        (7, cwe(list(appointment, "reasonCode").first())),
        (8, cwe(appointment.get("appointmentType"))),
        (9, minutes.clone()),
        (10, unit.to_owned()),
        (11, format!("^^^{start}^{end}")),
        (25, status.to_owned()),
    ];
    writer.segment("SCH", &fields);
    let said = text(appointment, "/comment").or(text(appointment, "/description"));
    if let Some(said) = said {
        writer.segment("NTE", &[(1, "1".to_owned()), (3, part(said))]);
    }
    pid(writer, &around.patient, envelope);
    writer.segment("RGS", &[(1, "1".to_owned())]);
    let service = cwe(list(appointment, "serviceType").first());
    if !service.is_empty() {
        let fields = [
            (1, "1".to_owned()),
            (3, service),
            (4, start),
            (7, minutes),
            (8, unit.to_owned()),
        ];
        writer.segment("AIS", &fields);
    }
    resources(writer, appointment);
}

/// Who and where: what is neither a patient nor a place is a person.
fn resources(writer: &mut Writer, appointment: &Value) {
    let actors = list(appointment, "participant").iter();
    let actors = actors.filter_map(|it| it.get("actor"));
    let named: Vec<&Value> = actors.filter(|it| !shown(Some(it)).is_empty()).collect();
    let is_of = |actor: &Value, ty: &str| {
        let reference = text(actor, "/reference").unwrap_or_default();
        reference.starts_with(ty) || text(actor, "/type") == Some(ty)
    };
    // A message's places stand before its people.
    let places = named.iter().filter(|it| is_of(it, "Location"));
    for (n, place) in (1..).zip(places) {
        writer.segment("AIL", &[(1, n.to_string()), (3, part(shown(Some(place))))]);
    }
    let people = named
        .iter()
        .filter(|it| !is_of(it, "Location") && !is_of(it, "Patient"));
    for (n, person) in (1..).zip(people) {
        let name = components(&["", shown(Some(person))]);
        writer.segment("AIP", &[(1, n.to_string()), (3, name)]);
    }
}
