//! Asking somebody to answer: a Task (<https://hl7.org/fhir/uv/sdc/task.html> has its code).

use serde_json::{Value, json};

use crate::date::{self, Millis};
use crate::members::{each, set, text};

/// The system and the code of such a Task.
pub const SDC_TASKS: &str = "http://hl7.org/fhir/uv/sdc/CodeSystem/temp";
pub const COMPLETE: &str = "complete-questionnaire";

/// Who is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    Patient,
    Staff,
}

/// The Task by which somebody is asked to answer a questionnaire about a patient. `due` is the day by which, as
/// `2026-05-03`.
pub fn task(
    id: &str,
    patient_reference: &str,
    canonical: &str,
    answered_by: Answerer,
    reason: &str,
    authored_on: Millis,
    due: Option<&str>,
) -> Value {
    let at = date::instant(authored_on);
    let mut task = json!({
        "resourceType": "Task",
        "id": id,
        "status": "requested",
        "intent": "order",
        "code": { "coding": [{ "system": SDC_TASKS, "code": COMPLETE }] },
        "for": { "reference": patient_reference },
        "authoredOn": at,
        "lastModified": at,
        "input": [{ "type": { "text": "questionnaire" }, "valueCanonical": canonical }],
    });
    if !reason.is_empty() {
        set(&mut task, "reasonCode", json!({ "text": reason }));
    }
    if answered_by == Answerer::Patient {
        set(
            &mut task,
            "owner",
            json!({ "reference": patient_reference }),
        );
    }
    if let Some(due) = due {
        set(
            &mut task,
            "restriction",
            json!({ "period": { "end": due } }),
        );
    }
    task
}

/// What such a Task asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The id of the Patient here.
    pub patient: String,
    pub canonical: String,
    pub by: Answerer,
    pub reason: String,
    /// FHIR's status of a Task.
    pub status: String,
    pub asked_at: Millis,
    /// The first moment of the day by which.
    pub due: Option<Millis>,
    /// The id of the response; empty before there is one.
    pub response: String,
}

/// Reads such a Task; `None` of any other, or of one that names no patient of this node or no questionnaire.
pub fn ask(task: &Value) -> Option<Ask> {
    let is_one = |it: &Value| text(it, "/system") == SDC_TASKS && text(it, "/code") == COMPLETE;
    if text(task, "/resourceType") != "Task" || !each(task, "/code/coding").any(is_one) {
        return None;
    }
    let patient = text(task, "/for/reference").strip_prefix("Patient/")?;
    let canonical = each(task, "/input")
        .map(|it| match text(it, "/valueCanonical") {
            "" => text(it, "/valueUri"),
            canonical => canonical,
        })
        .find(|it| !it.is_empty())?;
    let at = |place: &str| date::span(text(task, place)).map(|it| it.low);
    let response = each(task, "/output").find_map(|it| {
        text(it, "/valueReference/reference").strip_prefix("QuestionnaireResponse/")
    });
    Some(Ask {
        patient: patient.to_owned(),
        canonical: canonical.to_owned(),
        by: match text(task, "/owner/reference").strip_prefix("Patient/") {
            Some(owner) if owner == patient => Answerer::Patient,
            _ => Answerer::Staff,
        },
        reason: text(task, "/reasonCode/text").to_owned(),
        status: text(task, "/status").to_owned(),
        asked_at: at("/authoredOn").unwrap_or_default(),
        due: at("/restriction/period/end"),
        response: response.unwrap_or_default().to_owned(),
    })
}

impl Ask {
    /// Whether an answer is still waited for.
    pub fn is_open(&self) -> bool {
        matches!(
            self.status.as_str(),
            "requested" | "received" | "accepted" | "ready" | "in-progress" | "on-hold"
        )
    }
}
