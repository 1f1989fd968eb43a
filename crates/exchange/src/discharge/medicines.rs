//! Medicines on admission against those at discharge: a first list, of which a clinician says what became of each.

use std::collections::BTreeMap;

use fhir::members::{each, text};
use fhir::search::fold;
use serde_json::Value;

use super::{Fate, MEDICINES_MAX, Medicine};

/// One medicine of the record: what a MedicationStatement or MedicationRequest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub name: String,
    pub dose: String,
    /// Whether it is taken, as far as the record says.
    pub is_active: bool,
    /// Why it was stopped or given.
    pub reason: String,
}

impl Taken {
    /// Reads either resource; `None` for one that names no medicine, or was entered in error.
    pub fn read(resource: &Value) -> Option<Taken> {
        let name = name(resource)?;
        let status = text(resource, "/status");
        if matches!(
            status,
            "entered-in-error" | "draft" | "not-taken" | "unknown"
        ) {
            return None;
        }
        let dose = each(resource, "/dosageInstruction").chain(each(resource, "/dosage"));
        let dose: Vec<&str> = dose.map(|it| text(it, "/text")).collect();
        let reason = each(resource, "/reasonCode").map(concept);
        let why = resource.get("statusReason");
        let why = why.into_iter().flat_map(|it| match it {
            Value::Array(all) => all.iter().map(concept).collect(),
            one => vec![concept(one)],
        });
        let reason: Vec<String> = why.chain(reason).filter(|it| !it.is_empty()).collect();
        Some(Taken {
            name,
            dose: dose.join("; "),
            is_active: matches!(status, "active" | "intended"),
            reason: reason.join("; "),
        })
    }
}

fn name(resource: &Value) -> Option<String> {
    let named = concept(resource.get("medicationCodeableConcept")?);
    (!named.is_empty()).then_some(named)
}

/// A concept in words; empty if it has none.
pub fn concept(concept: &Value) -> String {
    let own = text(concept, "/text");
    if !own.is_empty() {
        return own.trim().to_owned();
    }
    let mut shown = each(concept, "/coding").map(|it| text(it, "/display"));
    let shown = shown.find(|it| !it.is_empty());
    shown.unwrap_or_default().trim().to_owned()
}

/// What the two lists say together, by name: `before` are MedicationStatements, `now` MedicationRequests. What they leave
/// open stays open: a clinician must say what became of it.
pub fn compare(before: &[Taken], now: &[Taken]) -> Vec<Medicine> {
    let mut names: BTreeMap<String, (Option<&Taken>, Option<&Taken>)> = BTreeMap::new();
    for taken in before {
        let entry = names.entry(fold(&taken.name)).or_default();
        // An active one says more than one that has ended.
        if entry.0.is_none_or(|it| !it.is_active) {
            entry.0 = Some(taken);
        }
    }
    for taken in now {
        let entry = names.entry(fold(&taken.name)).or_default();
        if entry.1.is_none_or(|it| !it.is_active) {
            entry.1 = Some(taken);
        }
    }
    let medicines = names.into_values().filter_map(|both| match both {
        (Some(before), Some(now)) => Some(both_known(before, now)),
        (Some(before), None) if before.is_active => Some(medicine(before, Fate::Open)),
        (None, Some(now)) if now.is_active => Some(medicine(now, Fate::Started)),
        // What had ended before, and what was begun and ended in hospital, changes nothing at home.
        _ => None,
    });
    medicines.take(MEDICINES_MAX).collect()
}

fn both_known(before: &Taken, now: &Taken) -> Medicine {
    match (before.is_active, now.is_active) {
        (true, true) if fold(&before.dose) == fold(&now.dose) => Medicine {
            reason: String::new(),
            ..medicine(now, Fate::Continued)
        },
        (true, true) => medicine(now, Fate::Changed),
        (_, false) => medicine(now, Fate::Stopped),
        (false, true) => medicine(now, Fate::Started),
    }
}

fn medicine(taken: &Taken, fate: Fate) -> Medicine {
    Medicine {
        name: taken.name.clone(),
        dose: taken.dose.clone(),
        fate,
        reason: taken.reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn taken(name: &str, dose: &str, is_active: bool) -> Taken {
        Taken {
            name: name.into(),
            dose: dose.into(),
            is_active,
            reason: String::new(),
        }
    }

    #[test]
    fn two_lists_say_what_was_started_changed_stopped_and_continued_and_leave_open_what_they_do_not()
     {
        let before = [
            taken("Aspirin 75mg", "one a day", true),
            taken("Ramipril", "10mg", true),
            taken("Amoxicillin", "500mg", true),
            taken("Simvastatin", "40mg", true),
            taken("Long ago", "", false),
        ];
        let now = [
            taken("ASPIRIN 75mg", "One a day", true),
            taken("Ramipril", "5mg", true),
            taken("Amoxicillin", "500mg", false),
            taken("Doxycycline", "100mg", true),
            taken("In hospital only", "", false),
        ];
        let found = compare(&before, &now);
        let fates: Vec<(&str, Fate)> = found.iter().map(|it| (it.name.as_str(), it.fate)).collect();
        assert_eq!(
            fates,
            [
                ("Amoxicillin", Fate::Stopped),
                ("ASPIRIN 75mg", Fate::Continued),
                ("Doxycycline", Fate::Started),
                ("Ramipril", Fate::Changed),
                ("Simvastatin", Fate::Open),
            ]
        );
        assert_eq!(found[3].dose, "5mg");
    }

    #[test]
    fn a_medicine_is_read_of_either_resource_with_why_it_was_stopped() {
        let request = Taken::read(&json!({
            "resourceType": "MedicationRequest", "status": "stopped",
            "statusReason": {"text": "Rash"},
            "medicationCodeableConcept": {"coding": [{"display": "Amoxicillin"}]},
            "dosageInstruction": [{"text": "500mg"}, {"text": "three times a day"}],
        }));
        let request = request.unwrap();
        assert_eq!(
            (request.name.as_str(), request.dose.as_str()),
            ("Amoxicillin", "500mg; three times a day")
        );
        assert!(!request.is_active);
        assert_eq!(request.reason, "Rash");
        let statement = Taken::read(&json!({
            "resourceType": "MedicationStatement", "status": "active",
            "medicationCodeableConcept": {"text": "Aspirin"}, "dosage": [{"text": "75mg"}],
        }));
        assert!(statement.unwrap().is_active);
        for other in [
            json!({"status": "active"}),
            json!({"status": "entered-in-error", "medicationCodeableConcept": {"text": "X"}}),
        ] {
            assert_eq!(Taken::read(&other), None);
        }
    }
}
