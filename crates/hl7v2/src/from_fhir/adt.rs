//! Patients and visits: ADT.

use super::segment::{Writer, components, part, repetitions};
use super::values::{addresses, cx, dtm, dtm_at, identifiers, names, shown, telecoms};
use super::{Around, Change, Envelope, list, text};
use serde_json::Value;

/// The event and the structure of its message.
pub(super) fn event(change: Change<'_>) -> Option<(&'static str, &'static str)> {
    if text(change.now, "/resourceType") == Some("Patient") {
        return Some(of_patient(change));
    }
    let status = |value: &Value| text(value, "/status").map(str::to_owned);
    let (now, before) = (status(change.now)?, change.before.and_then(status));
    let is_new = before.as_ref() != Some(&now);
    let inpatient = matches!(
        text(change.now, "/class/code"),
        Some("IMP" | "ACUTE" | "NONAC" | "SS" | "OBSENC")
    );
    match (now.as_str(), is_new) {
        ("planned", true) => Some(("A05", "ADT_A05")),
        ("arrived" | "triaged" | "in-progress", true) if before.as_deref() == Some("finished") => {
            Some(("A13", "ADT_A01"))
        }
        ("arrived" | "triaged" | "in-progress", true) if inpatient => Some(("A01", "ADT_A01")),
        ("arrived" | "triaged" | "in-progress", true) => Some(("A04", "ADT_A01")),
        ("finished", true) => Some(("A03", "ADT_A03")),
        ("cancelled" | "entered-in-error", true) => Some(("A11", "ADT_A09")),
        ("cancelled" | "entered-in-error" | "unknown", _) => None,
        _ => Some(("A08", "ADT_A01")),
    }
}

/// A person is added, changed, or has given their number up for another's.
fn of_patient(change: Change<'_>) -> (&'static str, &'static str) {
    let replaced = replaced_by(change.now);
    let news = replaced.is_some() && change.before.and_then(replaced_by) != replaced;
    match change.before {
        _ if news => ("A40", "ADT_A39"),
        None => ("A28", "ADT_A05"),
        Some(_) => ("A31", "ADT_A05"),
    }
}

/// The patient (`Patient/…`) who took this one's place.
pub(super) fn replaced_by(patient: &Value) -> Option<&str> {
    let is_it = |link: &&Value| text(link, "/type") == Some("replaced-by");
    let link = list(patient, "link").iter().find(is_it)?;
    text(link, "/other/reference")
}

pub(super) fn write(
    writer: &mut Writer,
    trigger: &str,
    resource: &Value,
    around: &Around,
    envelope: &Envelope,
) {
    let recorded = crate::time::dtm(envelope.sent_at);
    writer.segment("EVN", &[(1, part(trigger)), (2, recorded)]);
    if trigger == "A40" {
        // The one that stays stands in PID, the number that is given up in MRG.
        let stays = around.other.as_ref().unwrap_or(&around.patient);
        pid(writer, stays, envelope);
        let given_up = numbers(resource, envelope);
        writer.segment("MRG", &[(1, given_up), (7, names(resource))]);
        return;
    }
    pid(writer, &around.patient, envelope);
    if text(resource, "/resourceType") == Some("Encounter") {
        pv1(writer, resource);
    } else {
        // ADT asks for a visit; there is none.
        writer.segment("PV1", &[(1, "1".to_owned()), (2, "N".to_owned())]);
    }
}

/// PID, and PD1 where the practice is known.
pub(super) fn pid(writer: &mut Writer, patient: &Value, envelope: &Envelope) {
    let sex = match text(patient, "/gender") {
        Some("male") => "M",
        Some("female") => "F",
        Some("other") => "O",
        Some(_) => "U",
        None => "",
    };
    let died = match (
        text(patient, "/deceasedDateTime"),
        patient.get("deceasedBoolean"),
    ) {
        (Some(_), _) => "Y",
        (None, Some(Value::Bool(true))) => "Y",
        (None, Some(Value::Bool(false))) => "N",
        _ => "",
    };
    let fields = [
        (1, "1".to_owned()),
        (3, numbers(patient, envelope)),
        (5, names(patient)),
        (7, dtm_at(patient, "/birthDate")),
        (8, sex.to_owned()),
        (11, addresses(patient)),
        (13, telecoms(patient, false)),
        (14, telecoms(patient, true)),
        (29, dtm_at(patient, "/deceasedDateTime")),
        (30, died.to_owned()),
    ];
    writer.segment("PID", &fields);
    if let Some(ods) = fhir::practice::code_beside(patient) {
        let practice = components(&[ods, "", "", "", "", "", "", "", "ODS"]);
        writer.segment("PD1", &[(4, practice)]);
    }
}

/// Whatever numbers the patient has; where none is a local one, the number here too.
fn numbers(patient: &Value, envelope: &Envelope) -> String {
    let nhs = crate::to_fhir::names::NHS_NUMBER;
    let identifiers_here = list(patient, "identifier");
    let has_own = identifiers_here
        .iter()
        .any(|it| text(it, "/system") != Some(nhs) && it.get("value").is_some());
    let own = match (has_own, text(patient, "/id")) {
        (false, Some(id)) => components(&[id, "", "", &envelope.organisation, "PI"]),
        _ => String::new(),
    };
    repetitions([identifiers(patient), own].into_iter())
}

fn pv1(writer: &mut Writer, encounter: &Value) {
    let class = match text(encounter, "/class/code") {
        Some("IMP" | "ACUTE" | "NONAC" | "SS" | "OBSENC") => "I",
        Some("EMER") => "E",
        Some("PRENC") => "P",
        Some("AMB" | "HH" | "VR" | "FLD") => "O",
        _ => "U",
    };
    let place = |status: &str| {
        let places = list(encounter, "location").iter();
        let mut places = places.filter(|it| text(it, "/status").unwrap_or("active") == status);
        let place = places.next().map(|it| shown(it.get("location")));
        part(place.unwrap_or_default())
    };
    let person = |kind: &str| {
        let is_kind = |it: &&Value| {
            let types = list(it, "type").iter();
            let mut codes = types.flat_map(|ty| list(ty, "coding"));
            codes.any(|c| text(c, "/code") == Some(kind))
        };
        let found = list(encounter, "participant").iter().find(is_kind);
        components(&["", found.map_or("", |it| shown(it.get("individual")))])
    };
    let visit = list(encounter, "identifier").first().map(cx);
    let visit = visit.or(text(encounter, "/id").map(part));
    let at = |pointer: &str| text(encounter, pointer).map(dtm).unwrap_or_default();
    let fields = [
        (1, "1".to_owned()),
        (2, class.to_owned()),
        (3, place("active")),
        (6, place("completed")),
        (7, person("ATND")),
        (8, person("REF")),
        (9, person("CON")),
        (17, person("ADM")),
        (19, visit.unwrap_or_default()),
        (44, at("/period/start")),
        (45, at("/period/end")),
    ];
    writer.segment("PV1", &fields);
}
