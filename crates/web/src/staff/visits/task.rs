//! A visit as a Task (<https://hl7.org/fhir/R4/task.html>), and what was done on it as an Encounter, Observations and a
//! Provenance, each with the time when it happened and the time when it was synchronised.

use fhir::members::{each, set};
use std::collections::BTreeMap;

use fhir::date::{self, Millis};
use serde_json::{Value, json};
use store::visits::VisitState;

use super::entry::{OBSERVATIONS, Written};

const CODE: &str = "urn:handover:task";
const ACCOUNT: &str = "urn:handover:account";
const ENTRY: &str = "urn:handover:visit-entry";
const ACCESS: &str = "Getting in";
const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    pub what: String,
    /// How one gets in: a key safe, a dog.
    pub access: String,
    pub at: Millis,
    pub account: i64,
    pub nurse: String,
}

/// Who wrote what was written, who brought it, and when it is taken in.
pub struct Hands<'h> {
    pub author: &'h str,
    pub by: &'h str,
    pub now: Millis,
}

impl Planned {
    /// Reads it back; who and when stand in the row.
    pub fn read(task: &Value) -> Planned {
        let text = |place: &str| task.pointer(place).and_then(Value::as_str);
        let mut inputs = each(task, "/input");
        let access = inputs.find(|it| it.pointer("/type/text").is_some_and(|it| it == ACCESS));
        Planned {
            what: text("/description").unwrap_or_default().to_owned(),
            access: access
                .and_then(|it| it["valueString"].as_str())
                .unwrap_or_default()
                .to_owned(),
            at: text("/restriction/period/start")
                .and_then(date::span)
                .map_or(0, |it| it.low),
            account: 0,
            nurse: text("/owner/display").unwrap_or_default().to_owned(),
        }
    }

    /// The Task, over what was there.
    pub fn resource(
        &self,
        (id, patient): (&str, &str),
        before: Option<Value>,
        (by, now): (&str, Millis),
    ) -> Value {
        let mut task = before.map(bare).unwrap_or_else(|| {
            json!({
                "resourceType": "Task",
                "status": "requested",
                "intent": "order",
                "code": { "coding": [{ "system": CODE, "code": "visit", "display": "Visit at home" }] },
                "for": { "reference": format!("Patient/{patient}") },
                "authoredOn": date::instant(now),
                "requester": { "display": by },
            })
        });
        set(&mut task, "id", id.into());
        set(&mut task, "description", self.what.clone().into());
        set(&mut task, "lastModified", date::instant(now).into());
        let start = date::instant(self.at);
        set(
            &mut task,
            "restriction",
            json!({ "period": { "start": start } }),
        );
        let owner = json!({
            "identifier": { "system": ACCOUNT, "value": self.account.to_string() },
            "display": self.nurse,
        });
        set(&mut task, "owner", owner);
        let mut inputs: Vec<Value> = each(&task, "/input")
            .filter(|it| it.pointer("/type/text").is_none_or(|it| it != ACCESS))
            .cloned()
            .collect();
        if !self.access.is_empty() {
            inputs.push(json!({ "type": { "text": ACCESS }, "valueString": self.access }));
        }
        match inputs.is_empty() {
            true => unset(&mut task, "input"),
            false => set(&mut task, "input", inputs.into()),
        }
        task
    }
}

/// Says in a Task how the visit stands, and why.
pub fn stands(task: &mut Value, state: VisitState, why: &str) {
    let status = match state {
        VisitState::Planned => "requested",
        VisitState::Done => "completed",
        VisitState::NotDone => "failed",
        VisitState::Cancelled => "cancelled",
    };
    set(task, "status", status.into());
    match why {
        "" => unset(task, "statusReason"),
        why => set(task, "statusReason", json!({ "text": why })),
    }
}

/// What was written, put into the Task: how it stands now, the note, and what was made of it.
pub fn written_into(task: &mut Value, written: &Written, hands: &Hands<'_>) {
    stands(task, written.state(), &written.reason);
    set(task, "lastModified", date::instant(hands.now).into());
    if !written.note.is_empty() {
        let mut notes: Vec<Value> = each(task, "/note").cloned().collect();
        notes.push(json!({
            "authorString": hands.author,
            "time": date::instant(written.happened_at),
            "text": written.note,
        }));
        set(task, "note", notes.into());
    }
    if written.state() == VisitState::Done {
        let mut outputs: Vec<Value> = each(task, "/output").cloned().collect();
        outputs.push(json!({
            "type": { "text": "Visit" },
            "valueReference": { "reference": format!("Encounter/{}", written.id) },
        }));
        set(task, "output", outputs.into());
    }
}

/// What becomes of what was written, beside the Task `visit`: each resource is new, under an id that follows from the
/// entry's own.
pub fn made(written: &Written, (visit, patient): (&str, &str), hands: &Hands<'_>) -> Vec<Value> {
    let mut made = Vec::new();
    if written.state() == VisitState::Done {
        made.push(encounter(written, patient, hands));
        made.extend(observations(
            &written.observations,
            &Measuring {
                id: &written.id,
                patient,
                encounter: Some(&written.id),
                happened_at: written.happened_at,
                performer: hands.author,
                now: hands.now,
            },
        ));
    }
    let mut targets = vec![json!({ "reference": format!("Task/{visit}") })];
    for it in &made {
        let (ty, id) = (text(it, "resourceType"), text(it, "id"));
        targets.push(json!({ "reference": format!("{ty}/{id}") }));
    }
    let agent = |code: &str, who: &str| {
        json!({
            "type": { "coding": [{ "system": PARTICIPANT, "code": code }] },
            "who": { "display": who },
        })
    };
    made.push(json!({
        "resourceType": "Provenance",
        "id": written.id,
        "target": targets,
        "occurredDateTime": date::instant(written.happened_at),
        "recorded": date::instant(hands.now),
        "activity": { "text": "Written offline on a visit, and synchronised" },
        "agent": [agent("author", hands.author), agent("enterer", hands.by)],
        "entity": [{
            "role": "source",
            "what": { "identifier": { "system": ENTRY, "value": written.id }, "display": "Day pack" },
        }],
    }));
    made
}

fn encounter(written: &Written, patient: &str, hands: &Hands<'_>) -> Value {
    json!({
        "resourceType": "Encounter",
        "id": written.id,
        "identifier": [{ "system": ENTRY, "value": written.id }],
        "status": "finished",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "code": "HH",
            "display": "home health",
        },
        "subject": { "reference": format!("Patient/{patient}") },
        "participant": [{ "individual": { "display": hands.author } }],
        "period": { "start": date::instant(written.happened_at) },
    })
}

/// Of what, when and by whom something was measured.
pub struct Measuring<'m> {
    /// What the Observations' ids begin with.
    pub id: &'m str,
    pub patient: &'m str,
    pub encounter: Option<&'m str>,
    pub happened_at: Millis,
    pub performer: &'m str,
    pub now: Millis,
}

/// What was measured, as Observations.
pub fn observations(measured: &BTreeMap<String, f64>, of: &Measuring<'_>) -> Vec<Value> {
    let base = |name: &str, code: &str, display: &str| {
        let mut it = json!({
            "resourceType": "Observation",
            "id": format!("{}-{name}", of.id),
            "status": "final",
            "category": [{ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                "code": "vital-signs",
            }] }],
            "code": { "coding": [{ "system": LOINC, "code": code, "display": display }] },
            "subject": { "reference": format!("Patient/{}", of.patient) },
            "effectiveDateTime": date::instant(of.happened_at),
            "issued": date::instant(of.now),
            "performer": [{ "display": of.performer }],
        });
        if let Some(encounter) = of.encounter {
            let reference = format!("Encounter/{encounter}");
            set(&mut it, "encounter", json!({ "reference": reference }));
        }
        it
    };
    let quantity = |value: f64, unit: &str| json!({ "value": value, "unit": unit, "system": UCUM, "code": unit });
    let mut all = Vec::new();
    let value_of = |name: &str| measured.get(name).copied();
    if let (Some(upper), Some(lower)) = (value_of("systolic"), value_of("diastolic")) {
        let component = |code: &str, display: &str, value: f64| {
            json!({
                "code": { "coding": [{ "system": LOINC, "code": code, "display": display }] },
                "valueQuantity": quantity(value, "mm[Hg]"),
            })
        };
        let display = "Blood pressure panel with all children optional";
        let mut panel = base("blood-pressure", "85354-9", display);
        let parts = json!([
            component("8480-6", "Systolic blood pressure", upper),
            component("8462-4", "Diastolic blood pressure", lower),
        ]);
        set(&mut panel, "component", parts);
        all.push(panel);
    }
    for kind in OBSERVATIONS.iter().filter(|it| !it.code.is_empty()) {
        if let Some(value) = value_of(kind.name) {
            let mut one = base(kind.name, kind.code, kind.display);
            set(&mut one, "valueQuantity", quantity(value, kind.unit));
            all.push(one);
        }
    }
    all
}

/// A resource as it was read, without what the system writes anew.
pub fn bare(mut resource: Value) -> Value {
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
    resource
}

fn unset(value: &mut Value, name: &str) {
    if let Some(object) = value.as_object_mut() {
        object.remove(name);
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned() -> Planned {
        Planned {
            what: "Change the dressing".into(),
            access: "Key safe 1234".into(),
            at: 1_782_129_600_000,
            account: 7,
            nurse: "Nura Nurse".into(),
        }
    }

    #[test]
    fn a_plan_is_read_back_and_a_change_keeps_what_was_noted() {
        let by = ("Lee Lead", 1_782_000_000_000);
        let task = planned().resource(("v", "jane"), None, by);
        let read = Planned::read(&task);
        assert_eq!(
            (read.what.as_str(), read.access.as_str(), read.at),
            ("Change the dressing", "Key safe 1234", planned().at)
        );
        let mut noted = task;
        set(&mut noted, "note", json!([{ "text": "Dog" }]));
        let moved = Planned {
            access: String::new(),
            ..planned()
        };
        let task = moved.resource(("v", "jane"), Some(noted), by);
        assert_eq!(task["note"][0]["text"], "Dog");
        assert_eq!(task.get("input"), None);
    }

    #[test]
    fn what_was_written_says_when_it_happened_and_when_it_was_synchronised() {
        let written = Written::parse(
            r#"{"id":"0d6c3f4e-1111-4222-8333-444455556666","visit":"v","outcome":"done","reason":"",
            "happened":"2026-11-29T09:10:00.000Z","written":"2026-11-29T09:20:00.000Z",
            "observations":{"systolic":120,"diastolic":80,"pulse":72},"note":"Healing.","next":null}"#,
        )
        .unwrap();
        let hands = Hands {
            author: "Nura Nurse",
            by: "Lee Lead",
            now: 1_796_000_000_000,
        };
        let made = made(&written, ("v", "jane"), &hands);
        let types: Vec<&str> = made.iter().map(|it| text(it, "resourceType")).collect();
        assert_eq!(
            types,
            ["Encounter", "Observation", "Observation", "Provenance"]
        );
        assert_eq!(made[1]["component"][0]["valueQuantity"]["value"], 120.0);
        assert_eq!(made[2]["effectiveDateTime"], "2026-11-29T09:10:00.000Z");
        assert_eq!(made[2]["issued"], date::instant(hands.now));
        let provenance = &made[3];
        assert_eq!(provenance["occurredDateTime"], "2026-11-29T09:10:00.000Z");
        assert_eq!(provenance["recorded"], date::instant(hands.now));
        assert_eq!(provenance["agent"][0]["who"]["display"], "Nura Nurse");
        assert_eq!(provenance["agent"][1]["who"]["display"], "Lee Lead");
        assert_eq!(provenance["target"].as_array().unwrap().len(), 4);
        let mut task = planned().resource(("v", "jane"), None, ("Lee Lead", 0));
        written_into(&mut task, &written, &hands);
        assert_eq!(task["status"], "completed");
        assert_eq!(task["note"][0]["text"], "Healing.");
    }
}
