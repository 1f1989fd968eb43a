//! Who is who: the id of each resource, derived from how its sender names the thing, so that the
//! same thing in two messages is the same resource without any search.

use super::build::{Build, Draft};
use super::draft::NodeId;
use super::names::{self, NHS_NUMBER, identifier_system};
use super::{Context, Unidentified};
use crate::message::{Segment, Value};
use fhir::problem::{Kind, Problem};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// The ids of a message's resources, by root; a linked resource that nothing identifies has none.
pub type Ids = HashMap<NodeId, String>;

/// An id from the parts of a name: 32 hexadecimal digits of a SHA-256 over them, each preceded by
/// its length.
pub fn digest<T: AsRef<str>>(parts: &[T]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref().as_bytes();
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// Gives every draft and every linked resource its id.
pub fn identify(build: &Build<'_>, context: &Context, message_key: &str) -> Result<Ids, Problem> {
    let mut ids = Ids::new();
    let mut patient = None;
    for draft in build.of_type("Patient") {
        let id = match (patient_id(build, draft), context.unidentified) {
            (Err(_), Unidentified::StandApart) => digest(&["patient", "message", message_key]),
            (id, _) => id?,
        };
        patient = patient.or(Some(id.clone()));
        ids.insert(draft.root, id);
    }
    let patient = match (patient, context.unidentified) {
        (Some(patient), _) => patient,
        (None, Unidentified::StandApart) => digest(&["patient", "message", message_key]),
        (None, Unidentified::Refuse) => {
            let reason = "the message names no patient: the segment PID is missing";
            return Err(Problem::new(Kind::Required, reason).at("PID"));
        }
    };
    // In this order each finds the ids of what it belongs to.
    for draft in build.of_type("Encounter") {
        let whose = patient_of(build, draft, &ids).unwrap_or(&patient);
        let id = encounter_id(build, draft, whose, message_key);
        ids.insert(draft.root, id);
    }
    let mut taken = HashSet::new();
    for draft in &build.drafts {
        let ty = build.interpreter.arena.ty(draft.root);
        if NAMED_APART.contains(&ty) {
            continue;
        }
        let whose = patient_of(build, draft, &ids).unwrap_or(&patient);
        let id = keyed_id(build, draft, ty, whose, message_key);
        ids.insert(draft.root, apart(&mut taken, id));
    }
    for draft in build.of_type("DiagnosticReport") {
        let id = report_id(build, draft, &patient, message_key);
        ids.insert(draft.root, apart(&mut taken, id));
    }
    for draft in build.of_type("Observation") {
        let id = observation_id(build, draft, &ids, &patient, message_key);
        ids.insert(draft.root, apart(&mut taken, id));
    }
    for draft in build.of_type("DocumentReference") {
        let number = build.segment_of(draft, "TXA").map(|s| s.field(12).first());
        let id = document_id(&build.interpreter.facility, number, message_key);
        ids.insert(draft.root, id);
    }
    linked(build, &mut ids);
    Ok(ids)
}

/// The types whose ids have rules of their own; those of others are told by the tables' keys.
const NAMED_APART: [&str; 5] = [
    "Patient",
    "Encounter",
    "DiagnosticReport",
    "Observation",
    "DocumentReference",
];

/// The id of the patient whom a draft is about, as its links tell.
fn patient_of<'i>(build: &Build<'_>, draft: &Draft, ids: &'i Ids) -> Option<&'i String> {
    let arena = &build.interpreter.arena;
    let elements = ["subject", "patient", "beneficiary"];
    let root = elements
        .iter()
        .find_map(|element| arena.referred_by(draft.root, element))?;
    ids.get(&root)
}

/// An id by the first of the type's keys of which the message holds all fields; else by the message.
fn keyed_id(
    build: &Build<'_>,
    draft: &Draft,
    ty: &str,
    patient: &str,
    message_key: &str,
) -> String {
    let facility = &build.interpreter.facility;
    let keys = build.interpreter.tables.ours.keys.get(ty);
    let field = |place: &String| {
        let (segment, number) = place.split_once('-')?;
        let field = build
            .segment_of(draft, segment)?
            .field(number.parse().ok()?);
        let said = field.first().is_valued() && !field.first().is_null();
        said.then(|| field.raw().trim().to_owned())
    };
    for key in keys.into_iter().flatten() {
        let Some((name, fields)) = key.split_first() else {
            continue;
        };
        let texts: Option<Vec<String>> = fields.iter().map(field).collect();
        if let Some(texts) = texts {
            let mut parts = vec![ty, facility, patient, name];
            parts.extend(texts.iter().map(String::as_str));
            return digest(&parts);
        }
    }
    digest(&[ty, patient, "message", message_key])
}

/// The id of a document by its sender's number (TXA-12 or TXA-13), else by the message.
pub fn document_id(facility: &str, number: Option<Value<'_>>, message_key: &str) -> String {
    match number.and_then(|number| document_key(facility, number)) {
        Some([facility, number, namespace, universal]) => {
            digest(&["document", &facility, &number, &namespace, &universal])
        }
        None => digest(&["document", "message", message_key]),
    }
}

/// The same number as one text that people can read: `RXX01/D500^RXX01`. Two numbers that are alike
/// but of different departments or facilities give different texts.
pub fn document_number(facility: &str, number: Value<'_>) -> Option<String> {
    let escaped = |part: String| part.replace('%', "%25").replace('^', "%5E");
    let [facility, number, namespace, universal] = document_key(facility, number)?.map(escaped);
    let facility = facility.replace('/', "%2F");
    let text = format!("{facility}/{number}^{namespace}^{universal}");
    Some(text.trim_end_matches('^').to_owned())
}

/// Who numbers the document, and how: the facility, the number (EI.1), and who assigned it (EI.2,
/// EI.3). Departments of one hospital each count from 1, so that the number alone names nothing.
fn document_key(facility: &str, number: Value<'_>) -> Option<[String; 4]> {
    if !number.is_valued() || number.is_null() {
        return None;
    }
    let part = |n: u16| number.component(n).text().trim().to_owned();
    Some([facility.to_owned(), part(1), part(2), part(3)])
}

/// Keeps two things of one message apart that are named alike: the second gets a number.
fn apart(taken: &mut HashSet<String>, id: String) -> String {
    let mut apart = id.clone();
    let mut number = 1;
    while !taken.insert(apart.clone()) {
        number += 1;
        apart = digest(&[id.as_str(), &number.to_string()]);
    }
    apart
}

/// One identifier as sent: its system and value.
pub fn identifier(build: &Build<'_>, cx: Value<'_>) -> Option<(String, String)> {
    let value = cx.component(1).text().trim().to_owned();
    if value.is_empty() || cx.component(1).is_null() {
        return None;
    }
    let interpreter = &build.interpreter;
    let kind = cx.component(5).text();
    let system = identifier_system(
        interpreter.tables,
        cx.component(4),
        kind.trim(),
        &interpreter.facility,
    );
    Some((system, value))
}

/// A patient is who the sender's own number (PID-3) says. Never the NHS number alone: two people
/// under one NHS number by mistake must stay two, so with it goes the date of birth.
fn patient_id(build: &Build<'_>, draft: &Draft) -> Result<String, Problem> {
    let pid = build.segment_of(draft, "PID");
    let numbers = pid
        .iter()
        .flat_map(|pid| [3, 2].into_iter().flat_map(|n| pid.field(n).repetitions()));
    let born = pid
        .map(|pid| pid.value(7, 1).trim().to_owned())
        .unwrap_or_default();
    patient_known_by(build, numbers, &born)
}

/// The id of the patient who has these numbers (CX) and that date of birth.
pub fn patient_known_by<'v>(
    build: &Build<'_>,
    numbers: impl Iterator<Item = Value<'v>>,
    born: &str,
) -> Result<String, Problem> {
    let facility = &build.interpreter.facility;
    let sent: Vec<(String, String, String)> = numbers
        .filter_map(|cx| {
            let kind = cx.component(5).text().trim().to_owned();
            identifier(build, cx).map(|(system, value)| (kind, system, value))
        })
        .collect();
    let own = |kinds: &[&str]| {
        let mut own = sent.iter().filter(|(_, system, _)| system != NHS_NUMBER);
        own.find(|(kind, ..)| kinds.is_empty() || kinds.contains(&kind.as_str()))
    };
    if let Some((_, system, value)) = own(&["MR", "PI", "PT", "MRN"]).or_else(|| own(&[])) {
        return Ok(digest(&["patient", facility, system, value]));
    }
    let born = born.get(..8).unwrap_or_default();
    match sent.first() {
        Some((_, system, value)) if !born.is_empty() => {
            Ok(digest(&["patient", facility, system, value, born]))
        }
        Some(_) => Err(Problem::new(
            Kind::Required,
            "PID-3 holds an NHS number only and PID-7 no full date of birth: the patient cannot \
             be told from others",
        )
        .at("PID-7")),
        None => Err(Problem::new(Kind::Required, "PID-3 holds no patient identifier").at("PID-3")),
    }
}

/// A visit is known by its number (PV1-19, else PV1-50), which some senders count per patient;
/// without one by when it began, else it is this message's own.
fn encounter_id(build: &Build<'_>, draft: &Draft, patient: &str, message_key: &str) -> String {
    let Some(pv1) = build.segment_of(draft, "PV1") else {
        return digest(&["encounter", patient, "message", message_key]);
    };
    let number = [19, 50]
        .into_iter()
        .find_map(|n| identifier(build, pv1.field(n).first()));
    if let Some((system, value)) = number {
        return digest(&["encounter", patient, &system, &value]);
    }
    match pv1.value(44, 1).trim() {
        "" => digest(&["encounter", patient, "message", message_key]),
        began => digest(&["encounter", patient, "began", began]),
    }
}

/// A report is known by the filler's number of the order and the service, else the placer's.
fn report_id(build: &Build<'_>, draft: &Draft, patient: &str, message_key: &str) -> String {
    let facility = &build.interpreter.facility;
    let obr = build.segment_of(draft, "OBR");
    let orc = build.segment_of(draft, "ORC");
    let number = |field: u16| {
        let raw = |s: Option<Segment<'_>>| {
            let value = s?.field(field).first();
            value.is_valued().then(|| value.free_text().into_owned())
        };
        raw(obr).or_else(|| raw(orc))
    };
    let service = obr.map(|s| s.value(4, 1).into_owned()).unwrap_or_default();
    let (kind, number) = match (number(3), number(2)) {
        (Some(filler), _) => ("filler", filler),
        (None, Some(placer)) => ("placer", placer),
        (None, None) => ("message", message_key.to_owned()),
    };
    digest(&["report", facility, patient, kind, &number, &service])
}

/// A result is known by its own number (OBX-21), else by its report, code and sub-id; outside a
/// report by the patient, code and time.
fn observation_id(
    build: &Build<'_>,
    draft: &Draft,
    ids: &Ids,
    patient: &str,
    message_key: &str,
) -> String {
    let Some(obx) = build.segment_of(draft, "OBX") else {
        return digest(&["observation", patient, message_key]);
    };
    let text = |field: u16| obx.field(field).first().free_text().trim().to_owned();
    let facility = &build.interpreter.facility;
    if !text(21).is_empty() {
        return digest(&["observation", facility, patient, "OBX-21", &text(21)]);
    }
    let (code, system) = (obx.value(3, 1).into_owned(), obx.value(3, 3).into_owned());
    let report = draft.parent.and_then(|root| ids.get(&root));
    match (report, text(14).as_str()) {
        (Some(report), _) => digest(&["observation", report, &code, &system, &text(4)]),
        (None, "") => digest(&[
            "observation",
            patient,
            message_key,
            &code,
            &system,
            &text(4),
        ]),
        (None, time) => digest(&["observation", patient, &code, &system, &text(4), time]),
    }
}

/// Practitioners and organisations are known by their first identifier; its system names the
/// sender where the number is only the sender's.
fn linked(build: &Build<'_>, ids: &mut Ids) {
    let arena = &build.interpreter.arena;
    for root in arena.roots() {
        if ids.contains_key(root) || build.draft(*root).is_some() {
            continue;
        }
        if arena.ty(*root) == "Location" {
            if let Some(key) = location_key(build, *root) {
                ids.insert(*root, digest(&key));
            }
            continue;
        }
        let made = arena.render(*root, &|_| Json::Null).unwrap_or_default();
        let first = made.get("identifier").and_then(|i| i.get(0));
        let part = |name: &str| first.and_then(|i| i.get(name)).and_then(Json::as_str);
        if let (Some(system), Some(value)) = (part("system"), part("value")) {
            ids.insert(*root, named(arena.ty(*root), system, value));
        }
    }
}

/// A place is known by its own number and those of the places it is in: every ward has a bed 1.
fn location_key(build: &Build<'_>, root: NodeId) -> Option<Vec<String>> {
    let arena = &build.interpreter.arena;
    let mut key = vec!["Location".to_owned(), build.interpreter.facility.clone()];
    let mut at = Some(root);
    while let Some(place) = at.filter(|_| key.len() < 10) {
        let made = arena.render(place, &|_| Json::Null).unwrap_or_default();
        let number = made.pointer("/identifier/0/value").or(made.get("name"));
        key.push(number.and_then(Json::as_str)?.to_owned());
        at = arena.referred_by(place, "partOf");
    }
    Some(key)
}

/// The id of a practitioner or organisation of that identifier.
pub fn named(ty: &str, system: &str, value: &str) -> String {
    digest(&[ty, system, value])
}

/// The checked NHS number among a patient's identifiers: ten digits that pass modulus 11.
pub fn nhs_number(patient: &Json) -> Option<String> {
    let identifiers = patient.get("identifier")?.as_array()?;
    let of_nhs = identifiers
        .iter()
        .filter(|i| i.get("system").and_then(Json::as_str) == Some(names::NHS_NUMBER));
    of_nhs
        .filter_map(|i| i.get("value").and_then(Json::as_str))
        .find_map(checked_nhs_number)
}

fn checked_nhs_number(text: &str) -> Option<String> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .map(|c| c.to_digit(10))
        .collect::<Option<_>>()?;
    let (check, body) = digits.split_last()?;
    if body.len() != 9 {
        return None;
    }
    let sum: u32 = body.iter().zip((2..=10).rev()).map(|(d, w)| d * w).sum();
    let expected = match 11 - sum % 11 {
        11 => 0,
        n => n,
    };
    (expected == *check).then(|| {
        digits
            .iter()
            .filter_map(|d| char::from_digit(*d, 10))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_numbers_are_checked_by_modulus_11() {
        assert_eq!(
            checked_nhs_number("999 000 0018").as_deref(),
            Some("9990000018")
        );
        assert_eq!(checked_nhs_number("9990000019"), None);
        assert_eq!(checked_nhs_number("999000001"), None);
        assert_eq!(checked_nhs_number("99900000x8"), None);
    }

    #[test]
    fn parts_of_names_do_not_run_into_each_other() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
