//! What follows from what PDS says of a patient here: nothing, unless number, birth date and name agree.

use access::NhsNumber;
use fhir::json::{self, Limits};
use fhir::matching::{Grade, Traits, compare};
use fhir::members::{each, set, text};
use fhir::problem::Problem;
use fhir::whereabouts::CONFIDENTIALITY;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::pds::TraceState;

use super::said;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judged {
    pub state: TraceState,
    /// For people: which things differ, never their values.
    pub reason: String,
    /// The Patient with what was taken over, if anything was.
    pub changed: Option<Value>,
}

/// The NHS number of a Patient that is in use: ten digits that check each other.
pub(super) fn number(patient: &Value) -> Option<NhsNumber> {
    let mut all = each(patient, "/identifier")
        .filter(|it| text(it, "/system") == NhsNumber::SYSTEM && text(it, "/use") != "old");
    NhsNumber::parse(text(all.next()?, "/value")).ok()
}

/// A digest of what a question to PDS rests on: number, birth date and names. `None` if one of them is missing, or
/// the record is not in use: such a patient is not asked about.
pub(super) fn identity(patient: &Value) -> Option<String> {
    let number = number(patient)?;
    let birth_date = text(patient, "/birthDate");
    let mut names: Vec<String> = each(patient, "/name")
        .map(|it| format!("{} {}", text(it, "/family"), text(it, "/given/0")))
        .map(|it| fhir::search::fold(&it))
        .filter(|it| !it.trim().is_empty())
        .collect();
    names.sort_unstable();
    let is_in_use = patient.get("active") != Some(&Value::Bool(false));
    if birth_date.is_empty() || names.is_empty() || !is_in_use {
        return None;
    }
    let all = format!("{}\n{birth_date}\n{}", number.digits(), names.join("\n"));
    let digest = Sha256::digest(all.as_bytes());
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn traits(patient: &Value) -> Result<Traits, Problem> {
    let text = patient.to_string();
    let mut traits = Traits::of(&json::parse(text.as_bytes(), &Limits::default())?);
    // Where somebody lives or can be rung changes, and says nothing against who they are.
    traits.postcodes.clear();
    traits.telecoms.clear();
    Ok(traits)
}

/// How well PDS's person agrees with the one here: PDS itself stands for the number that it was asked about.
///
/// # Errors
/// If one of them does not read.
pub(super) fn agreement(ours: &Value, pds: &Value, asked: &str) -> Result<(f64, Grade), Problem> {
    let (mut ours, mut theirs) = (traits(ours)?, traits(pds)?);
    let number = vec![(NhsNumber::SYSTEM.to_string(), asked.to_string())];
    ours.identifiers = number.clone();
    theirs.identifiers = number;
    Ok(compare(&ours, &theirs))
}

/// What differs between the two, in words, without a value.
pub(super) fn differences(ours: &Value, pds: &Value) -> Vec<&'static str> {
    let mut differences = Vec::new();
    let names = |person: &Value, part: &str| -> Vec<String> {
        each(person, "/name")
            .map(|it| fhir::search::fold(text(it, part)))
            .filter(|it| !it.is_empty())
            .collect()
    };
    let differ = |part: &str| {
        let (here, there) = (names(ours, part), names(pds, part));
        !here.iter().any(|it| there.contains(it))
    };
    if text(ours, "/birthDate") != text(pds, "/birthDate") {
        differences.push("date of birth");
    }
    if differ("/family") {
        differences.push("family name");
    }
    if differ("/given/0") {
        differences.push("given name");
    }
    let genders = (text(ours, "/gender"), text(pds, "/gender"));
    if genders.0 != genders.1 && !genders.0.is_empty() && !genders.1.is_empty() {
        differences.push("gender");
    }
    differences
}

/// Judges an answer about `asked`. `practice` is what is known here of the patient's practice; `elsewhere` whether
/// another record here carries the number that PDS gives instead.
///
/// # Errors
/// If one of the two does not read.
pub(super) fn judge(
    ours: &Value,
    pds: &Value,
    asked: &NhsNumber,
    (practice, elsewhere): (Option<&str>, bool),
) -> Result<Judged, Problem> {
    let judged = |state, reason: String| Judged {
        state,
        reason,
        changed: None,
    };
    let (_, grade) = agreement(ours, pds, asked.digits())?;
    if grade != Grade::Certain {
        let what = differences(ours, pds).join(", ");
        let reason =
            format!("PDS has this number for somebody else, or differently: {what} differ.");
        return Ok(judged(TraceState::Differs, reason));
    }
    let mut changed = ours.clone();
    let new = text(pds, "/id");
    if new != asked.digits() {
        let Ok(new) = NhsNumber::parse(new) else {
            let reason = "PDS gave a number that is none.".to_string();
            return Ok(judged(TraceState::Refused, reason));
        };
        if elsewhere {
            let reason = "PDS has replaced this number by one that another record here carries: \
                          are both the same person's?";
            return Ok(judged(TraceState::Superseded, reason.to_string()));
        }
        renumber(&mut changed, asked, &new);
    }
    take_over(&mut changed, pds, practice);
    let is_changed = &changed != ours;
    Ok(Judged {
        state: TraceState::Matched,
        reason: String::new(),
        changed: is_changed.then_some(changed),
    })
}

/// The number that PDS has now stands first; the one that it replaced stays, as an old one.
pub(super) fn renumber(patient: &mut Value, asked: &NhsNumber, new: &NhsNumber) {
    let mut identifiers: Vec<Value> = each(patient, "/identifier").cloned().collect();
    for identifier in &mut identifiers {
        let is_it = text(identifier, "/system") == NhsNumber::SYSTEM
            && NhsNumber::parse(text(identifier, "/value")).ok().as_ref() == Some(asked);
        if is_it {
            set(identifier, "use", "old".into());
        }
    }
    let new = json!({ "system": NhsNumber::SYSTEM, "value": new.digits() });
    identifiers.insert(0, new);
    set(patient, "identifier", Value::Array(identifiers));
}

/// Only what is not there is filled in; the flag of a restricted patient is set and never lifted.
fn take_over(patient: &mut Value, pds: &Value, practice: Option<&str>) {
    let is_restricted = said::is_restricted(pds);
    if let (None, Some(known), false) = (practice, said::practice(pds), is_restricted)
        && patient.get("generalPractitioner").is_none()
    {
        let reference = said::practice_reference(known);
        set(patient, "generalPractitioner", json!([reference]));
    }
    let is_alive =
        patient.get("deceasedDateTime").is_none() && patient.get("deceasedBoolean").is_none();
    if let (true, Some(at)) = (is_alive, said::died(pds)) {
        set(patient, "deceasedDateTime", at.into());
    }
    if is_restricted && !said::is_restricted(patient) {
        let mut meta = patient.get("meta").cloned().unwrap_or_else(|| json!({}));
        let mut labels: Vec<Value> = each(&meta, "/security").cloned().collect();
        let code = each(pds, "/meta/security")
            .map(|it| text(it, "/code"))
            .find(|it| fhir::whereabouts::RESTRICTED.contains(it))
            .unwrap_or("R");
        labels.push(json!({ "system": CONFIDENTIALITY, "code": code }));
        set(&mut meta, "security", Value::Array(labels));
        set(patient, "meta", meta);
    }
}

#[cfg(test)]
mod tests;
