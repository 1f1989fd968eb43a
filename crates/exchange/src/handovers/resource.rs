//! A handover in the record: an Encounter for how it stands, an Observation for each thing measured (as the UK's vital signs
//! are coded, <https://hl7.org/fhir/R4/observation-vitalsigns.html>), and a Composition of what the crew says.
//!
//! Invariant: what was measured is written once, under an id of its own content; a later sheet writes no measurement over.

use access::Ods;
use fhir::date::{self, Millis};
use fhir::members::set;
use fhir::problem::Problem;
use serde_json::{Value, json};
use store::handovers::HandoverState;
use store::{Change, Expect, Release};

use super::DAY_MILLIS;
use super::news2::{self, Total};
use super::text::{Consciousness, Observations, Sheet};
use crate::discharge::division;
use crate::letter::Letter;
use crate::prescriptions::put;

const LOINC: &str = "http://loinc.org";
const SNOMED: &str = "http://snomed.info/sct";
const UCUM: &str = "http://unitsofmeasure.org";
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
/// The system of the identifier that both sides know a handover by.
const HANDOVER: &str = "urn:handover:ambulance";

/// What the resources are of.
pub(super) struct Of<'o> {
    /// The Encounter's id here.
    pub(super) id: &'o str,
    pub(super) asked_as: &'o str,
    pub(super) patient: &'o str,
    /// The crew's organisation and its name.
    pub(super) crew: (&'o Ods, &'o str),
    /// The department's, and its name.
    pub(super) department: (&'o Ods, &'o str),
    /// This organisation.
    pub(super) own: &'o Ods,
    pub(super) release: Release,
    pub(super) made_at: Millis,
    /// Whether it came in: then it is the department's visit, which ends with the taking over.
    pub(super) inward: bool,
}

/// All that is to be written of a handover that stands so. Of what was measured only what `known` has not.
pub(super) fn changes(
    of: &Of<'_>,
    sheet: &Sheet,
    (state, ended_at): (HandoverState, Millis),
    known: &[Observations],
) -> Result<Vec<Change>, Problem> {
    let mut made = vec![
        encounter(of, sheet, (state, ended_at)),
        composition(of, sheet),
    ];
    for set in sheet.observations.iter().filter(|it| !known.contains(it)) {
        made.extend(observations(of, sheet, set));
    }
    let change = |it: &Value| put(it, of.own, (Expect::Anything, of.release));
    made.iter().map(change).collect()
}

/// The same, all of it marked as entered in error: it stood in a wrong record.
pub(super) fn in_error(
    of: &Of<'_>,
    sheet: &Sheet,
    stands: (HandoverState, Millis),
) -> Result<Vec<Change>, Problem> {
    let mut made = vec![encounter(of, sheet, stands), composition(of, sheet)];
    for measured in &sheet.observations {
        made.extend(observations(of, sheet, measured));
    }
    let change = |mut it: Value| {
        set(&mut it, "status", "entered-in-error".into());
        put(&it, of.own, (Expect::Anything, Release::Keep))
    };
    made.into_iter().map(change).collect()
}

fn organisation((ods, name): (&Ods, &str)) -> Value {
    json!({
        "type": "Organization",
        "identifier": { "system": ODS_CODE, "value": ods.as_str() },
        "display": name,
    })
}

fn subject(of: &Of<'_>) -> Value {
    json!({ "reference": format!("Patient/{}", of.patient) })
}

/// <https://hl7.org/fhir/R4/encounter.html>
fn encounter(of: &Of<'_>, sheet: &Sheet, (state, ended_at): (HandoverState, Millis)) -> Value {
    let status = match state {
        HandoverState::Coming => "planned",
        HandoverState::Arrived => "arrived",
        HandoverState::Begun => "in-progress",
        HandoverState::Received => "finished",
        HandoverState::Withdrawn => "cancelled",
    };
    let mut made = json!({
        "resourceType": "Encounter",
        "id": of.id,
        "identifier": [{ "system": HANDOVER, "value": format!("{}/{}", of.crew.0, of.asked_as) }],
        "status": status,
        "class": { "system": ACT_CODE, "code": "EMER", "display": "emergency" },
        "subject": subject(of),
        "serviceProvider": organisation(of.department),
        "reasonCode": [{ "text": sheet.happened }],
    });
    let mut period = json!({});
    if let Some(at) = sheet.arrived_at {
        set(&mut period, "start", date::instant(at).into());
    }
    // A crew has no business with a record for ever: its part ends within a day.
    let within = sheet
        .arrived_at
        .unwrap_or(of.made_at)
        .saturating_add(DAY_MILLIS);
    let end = match (state.is_open(), of.inward) {
        (false, _) => Some(ended_at).filter(|it| *it > 0),
        (true, false) => Some(within),
        (true, true) => None,
    };
    if let Some(end) = end {
        set(&mut period, "end", date::instant(end).into());
    }
    if period != json!({}) {
        set(&mut made, "period", period);
    }
    made
}

/// <https://hl7.org/fhir/R4/composition.html>
fn composition(of: &Of<'_>, sheet: &Sheet) -> Value {
    let section = |(title, text): (&str, String)| {
        json!({
            "title": title,
            "text": { "status": "generated", "div": division(&text) },
        })
    };
    let told = sections(sheet).into_iter().filter(|it| !it.1.is_empty());
    json!({
        "resourceType": "Composition",
        "id": Letter::parcel_id(&["handover", of.id, "composition"]),
        "status": "preliminary",
        "type": { "text": "Ambulance handover" },
        "subject": subject(of),
        "encounter": { "reference": format!("Encounter/{}", of.id) },
        "date": date::instant(last_at(of, sheet)),
        "author": [organisation(of.crew)],
        "title": "Ambulance handover",
        "section": told.map(section).collect::<Value>(),
    })
}

/// The last time that a sheet tells of.
fn last_at(of: &Of<'_>, sheet: &Sheet) -> Millis {
    let measured = sheet.newest().map_or(0, |it| it.at);
    let arrived = sheet.arrived_at.unwrap_or_default();
    of.made_at.max(measured).max(arrived)
}

/// A moment for people to read.
pub(super) fn moment(at: Millis) -> String {
    let text = date::instant(at);
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// What the crew says in words, by headings; without what was measured.
pub(super) fn sections(sheet: &Sheet) -> Vec<(&'static str, String)> {
    let treatment = |it: &super::text::Treatment| format!("{}: {}", moment(it.at), it.what);
    let treatments: Vec<String> = sheet.treatments.iter().map(treatment).collect();
    vec![
        ("What happened", sheet.happened.clone()),
        ("What was found", sheet.found.clone()),
        ("Treatment and medicines given", treatments.join("\n")),
        ("Allergies as told", sheet.allergies.clone()),
    ]
}

fn quantity(value: impl Into<Value>, (unit, code): (&str, &str)) -> Value {
    json!({ "value": value.into(), "unit": unit, "system": UCUM, "code": code })
}

fn code((system, code, text): (&str, &str, &str)) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": text }], "text": text })
}

/// One Observation of a set.
struct Measured<'m> {
    of: &'m Of<'m>,
    at: Millis,
    /// What tells one set of a handover from another.
    set: String,
}

impl Measured<'_> {
    fn observation(&self, name: (&str, &str, &str), more: Value) -> Value {
        let mut made = json!({
            "resourceType": "Observation",
            "id": Letter::parcel_id(&["handover", self.of.id, &self.set, name.1]),
            "status": "final",
            "category": [{ "coding": [{
                "system": CATEGORY, "code": "vital-signs", "display": "Vital Signs",
            }] }],
            "code": code(name),
            "subject": subject(self.of),
            "encounter": { "reference": format!("Encounter/{}", self.of.id) },
            "effectiveDateTime": date::instant(self.at),
            "performer": [organisation(self.of.crew)],
        });
        if let Value::Object(more) = more {
            for (name, value) in more {
                set(&mut made, &name, value);
            }
        }
        made
    }
}

fn observations(of: &Of<'_>, sheet: &Sheet, it: &Observations) -> Vec<Value> {
    let measured = Measured {
        of,
        at: it.at,
        set: serde_json::to_string(it).unwrap_or_default(),
    };
    let mut made = Vec::new();
    if let Some(rate) = it.respiratory_rate {
        let value = json!({ "valueQuantity": quantity(rate, ("breaths/minute", "/min")) });
        made.push(measured.observation((LOINC, "9279-1", "Respiratory rate"), value));
    }
    if it.oxygen_saturation.is_some() || it.on_oxygen.is_some() {
        made.push(oxygen(&measured, it));
    }
    if it.systolic.is_some() || it.diastolic.is_some() {
        made.push(pressure(&measured, it));
    }
    if let Some(pulse) = it.pulse {
        let value = json!({ "valueQuantity": quantity(pulse, ("beats/minute", "/min")) });
        made.push(measured.observation((LOINC, "8867-4", "Heart rate"), value));
    }
    if let Some(level) = it.consciousness {
        let value = json!({ "valueCodeableConcept": consciousness(level) });
        let name = (LOINC, "67775-7", "Level of responsiveness");
        made.push(measured.observation(name, value));
    }
    if let Some(tenths) = it.temperature {
        let value = quantity(f64::from(tenths) / 10.0, ("degrees Celsius", "Cel"));
        let name = (LOINC, "8310-5", "Body temperature");
        made.push(measured.observation(name, json!({ "valueQuantity": value })));
    }
    // Only a whole score is one.
    let total = news2::score(it, sheet.age_at(it.at)).total;
    if let Total::Whole { points, .. } = total {
        let name = (
            SNOMED,
            "1104051000000101",
            "Royal College of Physicians NEWS2 total score",
        );
        made.push(measured.observation(name, json!({ "valueInteger": points })));
    }
    made
}

fn oxygen(measured: &Measured<'_>, it: &Observations) -> Value {
    let mut more = json!({});
    match it.oxygen_saturation {
        Some(percent) => set(&mut more, "valueQuantity", quantity(percent, ("%", "%"))),
        None => set(
            &mut more,
            "dataAbsentReason",
            json!({ "text": "not measured" }),
        ),
    }
    let mut components = vec![json!({
        "code": { "text": "NEWS2 scale of oxygen saturation" }, "valueInteger": it.scale,
    })];
    if let Some(on) = it.on_oxygen {
        components.push(json!({ "code": { "text": "Oxygen given" }, "valueBoolean": on }));
    }
    set(&mut more, "component", components.into());
    let name = (LOINC, "2708-6", "Oxygen saturation in Arterial blood");
    measured.observation(name, more)
}

fn pressure(measured: &Measured<'_>, it: &Observations) -> Value {
    let part = |name, value: Option<u32>| {
        let mut part = json!({ "code": code(name) });
        match value {
            Some(value) => set(
                &mut part,
                "valueQuantity",
                quantity(value, ("mmHg", "mm[Hg]")),
            ),
            None => set(
                &mut part,
                "dataAbsentReason",
                json!({ "text": "not measured" }),
            ),
        }
        part
    };
    let components = json!([
        part((LOINC, "8480-6", "Systolic blood pressure"), it.systolic),
        part((LOINC, "8462-4", "Diastolic blood pressure"), it.diastolic),
    ]);
    let name = (
        LOINC,
        "85354-9",
        "Blood pressure panel with all children optional",
    );
    measured.observation(name, json!({ "component": components }))
}

fn consciousness(level: Consciousness) -> Value {
    let (snomed, text) = match level {
        Consciousness::Alert => ("248234008", "Mentally alert"),
        Consciousness::Confusion => ("130987000", "Acute confusion"),
        Consciousness::Voice => ("300202002", "Responds to voice"),
        Consciousness::Pain => ("450847001", "Responds to pain"),
        Consciousness::Unresponsive => ("422768004", "Unresponsive"),
    };
    code((SNOMED, snomed, text))
}
