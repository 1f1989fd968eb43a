//! What a resource of a record says, as far as patients are shown it: a clinical term, what is known beside it, and when.

use exchange::ask::names;
use fhir::date::{self, Millis};
use serde_json::Value;

use crate::patient::record::results::{self, Result};

/// A section of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its word in addresses and ids of texts.
    pub code: &'static str,
    pub types: &'static [&'static str],
}

/// All of them, in the order of the page; letters have pages of their own.
pub const SECTIONS: [Section; 7] = [
    Section {
        code: "results",
        types: &["Observation", "DiagnosticReport"],
    },
    Section {
        code: "medicines",
        types: &["MedicationRequest", "MedicationStatement"],
    },
    Section {
        code: "allergies",
        types: &["AllergyIntolerance"],
    },
    Section {
        code: "problems",
        types: &["Condition"],
    },
    Section {
        code: "vaccinations",
        types: &["Immunization"],
    },
    Section {
        code: "procedures",
        types: &["Procedure"],
    },
    Section {
        code: "letters",
        types: &["DocumentReference"],
    },
];

/// Referrals: asked for in a question of their own, and not taken along as entries of the record.
pub const REFERRALS: Section = Section {
    code: "referrals",
    types: &["ServiceRequest"],
};

/// The sections of the page.
pub fn shown() -> impl Iterator<Item = &'static Section> + Clone {
    SECTIONS.iter().chain(std::iter::once(&REFERRALS))
}

/// A code with its system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub system: String,
    pub code: String,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub ty: String,
    pub id: String,
    /// In clinical words.
    pub term: String,
    pub codes: Vec<Code>,
    /// A dose, a reaction, a conclusion.
    pub details: Vec<String>,
    /// FHIR's word for how it stands; may be empty.
    pub status: String,
    /// When it happened, as far as told.
    pub at: Option<Millis>,
    /// Of an Observation: what was measured.
    pub result: Option<Result>,
    /// By what it is the same as another organisation's: its business identifiers, each with what tells apart those
    /// that bear one.
    pub names: Vec<String>,
    /// The ODS code of who holds it, where that is another organisation.
    pub source: Option<String>,
}

impl Entry {
    /// Reads a resource.
    pub fn read(resource: &Value) -> Entry {
        let text = |at: &str| {
            let text = resource.pointer(at).and_then(Value::as_str);
            text.map(str::trim).unwrap_or_default().to_owned()
        };
        let concept = concept_of(resource);
        let ty = text("/resourceType");
        let is_result = ty == "Observation";
        Entry {
            id: text("/id"),
            term: term(resource, concept),
            codes: codes(concept),
            details: details(resource),
            status: status(resource),
            at: at(resource),
            result: is_result.then(|| results::read(resource)),
            names: names(resource),
            source: None,
            ty,
        }
    }

    /// Its page, if there is one.
    pub fn address(&self) -> Option<String> {
        match (&self.source, self.ty.as_str()) {
            (Some(source), _) => Some(format!("/record/there?from={source}&entry={}", self.key())),
            (None, "DocumentReference") => Some(format!("/record/letters/{}", self.id)),
            (None, "Observation") => Some(format!("/record/results/{}", self.id)),
            (None, "ServiceRequest") => Some(format!("/referrals/{}", self.id)),
            _ => None,
        }
    }

    /// Whether both are the same thing, by a business identifier and by what they are of.
    pub fn is_same(&self, other: &Entry) -> bool {
        self.ty == other.ty && self.names.iter().any(|it| other.names.contains(it))
    }

    /// Whether it was taken back as a mistake.
    pub fn is_error(&self) -> bool {
        self.status == "entered-in-error"
    }

    /// Its name in addresses of this node.
    pub fn key(&self) -> String {
        format!("{}~{}", self.ty, self.id)
    }
}

fn concept_of(resource: &Value) -> &Value {
    let places = ["code", "medicationCodeableConcept", "vaccineCode", "type"];
    let found = places.iter().map(|name| &resource[*name]);
    let mut found = found.filter(|it| it.is_object());
    found.next().unwrap_or(&Value::Null)
}

/// The words of a concept: its text, else what a code of it is called, else that code.
pub fn words(concept: &Value) -> Option<String> {
    let text = |value: &Value| {
        let text = value.as_str().map(str::trim).filter(|it| !it.is_empty());
        text.map(str::to_owned)
    };
    let codings = || concept["coding"].as_array().into_iter().flatten();
    text(&concept["text"])
        .or_else(|| codings().find_map(|it| text(&it["display"])))
        .or_else(|| codings().find_map(|it| text(&it["code"])))
}

fn term(resource: &Value, concept: &Value) -> String {
    let text = |at: &str| {
        let text = resource.pointer(at).and_then(Value::as_str);
        text.filter(|it| !it.trim().is_empty()).map(str::to_owned)
    };
    // A letter is called as its writer called it.
    text("/description")
        .filter(|_| resource["resourceType"] == "DocumentReference")
        .or_else(|| words(concept))
        .or_else(|| text("/medicationReference/display"))
        .unwrap_or_default()
}

fn codes(concept: &Value) -> Vec<Code> {
    let codings = concept["coding"].as_array().into_iter().flatten();
    let code = |it: &Value| {
        Some(Code {
            system: it["system"].as_str().unwrap_or_default().to_owned(),
            code: it["code"].as_str()?.to_owned(),
        })
    };
    codings.filter_map(code).collect()
}

fn details(resource: &Value) -> Vec<String> {
    let text = |at: &str| {
        let text = resource.pointer(at).and_then(Value::as_str);
        text.map(str::trim)
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
    };
    let mut details = Vec::new();
    for at in [
        "/dosageInstruction/0/text",
        "/dosage/0/text",
        "/conclusion",
        "/reaction/0/description",
    ] {
        details.extend(text(at));
    }
    let manifestations = resource.pointer("/reaction/0/manifestation");
    let manifestations = manifestations.and_then(Value::as_array);
    details.extend(manifestations.into_iter().flatten().filter_map(words));
    if resource["resourceType"] == "ServiceRequest" {
        // Its notes are what organisations said to each other.
        details.extend(resource.pointer("/reasonCode/0").and_then(words));
        details.extend(text("/performer/0/display"));
        return details;
    }
    for note in resource["note"].as_array().into_iter().flatten() {
        details.extend(note["text"].as_str().map(str::to_owned));
    }
    details
}

/// The first code of a concept that is a state.
fn state(concept: &Value) -> Option<String> {
    let code = concept.pointer("/coding/0/code").and_then(Value::as_str);
    code.map(str::to_owned)
}

fn status(resource: &Value) -> String {
    let verified = state(&resource["verificationStatus"]);
    let error = verified.clone().filter(|it| it == "entered-in-error");
    let status = || resource["status"].as_str().map(str::to_owned);
    let stands = || state(&resource["clinicalStatus"]).or_else(status);
    let refuted = verified.filter(|it| it == "refuted");
    error.or(refuted).or_else(stands).unwrap_or_default()
}

/// When it happened.
pub fn at(resource: &Value) -> Option<Millis> {
    let places = [
        "/effectiveDateTime",
        "/effectivePeriod/start",
        "/onsetDateTime",
        "/authoredOn",
        "/occurrenceDateTime",
        "/performedDateTime",
        "/performedPeriod/start",
        "/recordedDate",
        "/date",
        "/issued",
    ];
    let mut found = places
        .iter()
        .filter_map(|at| resource.pointer(at)?.as_str());
    found.find_map(|text| date::span(text).map(|it| it.low))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_told_by_its_text_then_its_codes() {
        let entry = Entry::read(&json!({"resourceType": "Condition", "id": "c",
            "code": {"coding": [{"system": "s", "code": "1", "display": "Essential hypertension"}]},
            "clinicalStatus": {"coding": [{"code": "active"}]}, "onsetDateTime": "2019"}));
        assert_eq!(entry.term, "Essential hypertension");
        assert_eq!(
            (entry.status.as_str(), entry.key().as_str()),
            ("active", "Condition~c")
        );
        assert!(entry.at.is_some() && entry.result.is_none());
        let bare = Entry::read(&json!({"resourceType": "Condition"}));
        assert_eq!((bare.term.as_str(), bare.at), ("", None));
    }

    #[test]
    fn what_was_entered_in_error_or_refuted_says_so() {
        let with = |code: &str| {
            Entry::read(&json!({"resourceType": "AllergyIntolerance",
                "clinicalStatus": {"coding": [{"code": "active"}]},
                "verificationStatus": {"coding": [{"code": code}]}}))
            .status
        };
        assert_eq!(with("entered-in-error"), "entered-in-error");
        assert_eq!(with("refuted"), "refuted");
        assert_eq!(with("confirmed"), "active");
    }
}
