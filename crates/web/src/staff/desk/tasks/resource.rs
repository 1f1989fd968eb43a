//! A task as a FHIR Task.

use fhir::date::{self, Millis};
use serde_json::{Value, json};
use store::desk::{Task, TaskState};

use crate::page::words;
use crate::staff::desk::views::TaskNote;

/// Work that people here give each other, as against requests for medicines.
const WORK: &str = "urn:handover:work";

/// Whose it is, with the names.
pub struct Owner {
    pub account: i64,
    pub person: String,
    pub team: String,
    pub team_name: String,
}

impl Owner {
    fn said(&self) -> String {
        super::whose::said(&self.person, &self.team_name)
    }

    fn reference(&self) -> Option<Value> {
        let (system, value) = match (self.account, self.team.as_str()) {
            (0, "") => return None,
            (0, team) => ("urn:handover:team", team.to_owned()),
            (account, _) => ("urn:handover:account", account.to_string()),
        };
        Some(json!({
            "identifier": { "system": system, "value": value },
            "display": self.said(),
        }))
    }
}

fn due(task: &Task) -> Value {
    let day = date::instant(task.due);
    json!({ "period": { "end": day.get(..10).unwrap_or_default() } })
}

/// A Task that was just made.
pub fn new(task: &Task, what: &str, document: Option<&str>, owner: &Owner) -> Value {
    let now = date::instant(task.made_at);
    let mut made = json!({
        "resourceType": "Task",
        "id": task.id,
        "status": "requested",
        "intent": "order",
        "priority": if task.urgent { "urgent" } else { "routine" },
        "code": { "coding": [{ "system": WORK, "code": "work" }] },
        "description": what,
        "for": { "reference": format!("Patient/{}", task.patient) },
        "authoredOn": now,
        "lastModified": now,
        "requester": { "display": task.made_by },
        "restriction": due(task),
    });
    if let Some(object) = made.as_object_mut() {
        if let Some(document) = document {
            let focus = json!({ "reference": format!("DocumentReference/{document}") });
            object.insert("focus".into(), focus);
        }
        if let Some(owner) = owner.reference() {
            object.insert("owner".into(), owner);
        }
    }
    made
}

/// What somebody did with it: its row says what it is now.
pub fn step(
    resource: &mut Value,
    task: &Task,
    owner: &Owner,
    (by, note): (&str, &str),
    now: Millis,
) {
    let Some(object) = resource.as_object_mut() else {
        return;
    };
    let at = date::instant(now);
    let text = match (task.state, note) {
        (TaskState::Open, _) => format!("Given to: {}", owner.said()),
        (TaskState::Done, "") => "Done.".to_owned(),
        (TaskState::Done, note) => format!("Done: {note}"),
        (TaskState::NotDone, note) => format!("Not done: {note}"),
    };
    let status = match task.state {
        TaskState::Open => "requested",
        TaskState::Done => "completed",
        TaskState::NotDone => "cancelled",
    };
    object.insert("id".into(), task.id.clone().into());
    object.insert("status".into(), status.into());
    object.insert("lastModified".into(), at.clone().into());
    object.insert("restriction".into(), due(task));
    match owner.reference() {
        Some(owner) => object.insert("owner".into(), owner),
        None => object.remove("owner"),
    };
    if task.state == TaskState::NotDone {
        object.insert("statusReason".into(), json!({ "text": note }));
    }
    let said = json!({ "authorString": by, "time": at, "text": text });
    match object.get_mut("note").and_then(Value::as_array_mut) {
        Some(notes) => notes.push(said),
        None => {
            object.insert("note".into(), json!([said]));
        }
    }
}

/// What is to be done.
pub fn what(resource: &Value) -> &str {
    resource["description"].as_str().unwrap_or_default()
}

/// What was done with it, the oldest first.
pub fn notes(resource: &Value, now: Millis) -> Vec<TaskNote> {
    let notes = resource["note"].as_array().into_iter().flatten();
    let note = |it: &Value| TaskNote {
        who: it["authorString"].as_str().unwrap_or_default().to_owned(),
        when: it["time"]
            .as_str()
            .and_then(date::span)
            .map(|span| words::moment(span.low, now).short)
            .unwrap_or_default(),
        text: it["text"].as_str().unwrap_or_default().to_owned(),
    };
    notes.map(note).collect()
}
