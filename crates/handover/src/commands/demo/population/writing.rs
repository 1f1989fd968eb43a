//! Writes a person's history down as FHIR resources, each at the organisation that keeps it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Person, feed};

pub const HOSPITAL: &str = "RZZ01";
pub const MENTAL_HEALTH: &str = "RTZ01";
pub const COMMUNITY: &str = "RCZ01";
pub const SOCIAL_CARE: &str = "VZZ01";
/// Those whose own systems name their patients in HL7 v2 messages.
const NAMED_BY_HL7: [&str; 3] = [HOSPITAL, MENTAL_HEALTH, COMMUNITY];
/// The team to which crisis plans are sealed.
pub const CRISIS_TEAM: &str = "crisis-team";

const DAY_MS: i64 = 86_400_000;
const SNOMED: &str = "http://snomed.info/sct";
const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const HL7: &str = "http://terminology.hl7.org/CodeSystem";
const CONTINUOUS: &str = "Continuous long term therapy";
const REPEAT: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationRepeatInformation";

/// `YYYY-MM-DD` of a day since 1970.
pub fn day(days: i64) -> String {
    fhir::date::date(days * DAY_MS)
}

/// The moment of a day, in minutes since its midnight.
pub fn moment(days: i64, minutes: i64) -> String {
    fhir::date::instant(days * DAY_MS + minutes * 60_000)
}

/// A value that was measured: LOINC code and words, unit in words and in UCUM.
pub struct Measured {
    pub code: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
    pub ucum: &'static str,
}

pub const HBA1C: Measured = Measured {
    code: "59261-8",
    name: "HbA1c",
    unit: "mmol/mol",
    ucum: "mmol/mol",
};
pub const WEIGHT: Measured = Measured {
    code: "29463-7",
    name: "Body weight",
    unit: "kg",
    ucum: "kg",
};
pub const PEAK_FLOW: Measured = Measured {
    code: "33452-4",
    name: "Peak flow",
    unit: "L/min",
    ucum: "L/min",
};
pub const OXYGEN: Measured = Measured {
    code: "59408-5",
    name: "Oxygen saturation",
    unit: "%",
    ucum: "%",
};
pub const HAEMOGLOBIN: Measured = Measured {
    code: "718-7",
    name: "Haemoglobin",
    unit: "g/L",
    ucum: "g/L",
};

/// One person's resources, by the ODS code of who keeps them.
pub struct Writing<'a> {
    pub who: &'a Person,
    /// Days since 1970.
    pub today: i64,
    pub kept: BTreeMap<&'static str, Vec<Value>>,
    /// The ids of their Patient there.
    ids: BTreeMap<&'static str, String>,
    number: u32,
}

impl<'a> Writing<'a> {
    pub fn new(who: &'a Person, today: i64) -> Writing<'a> {
        let kept = BTreeMap::from([(who.practice, vec![who.patient(&who.id)])]);
        Writing {
            who,
            today,
            kept,
            ids: BTreeMap::new(),
            number: 0,
        }
    }

    /// The id of their Patient at an organisation: the one that its system's messages lead to, where it sends any.
    pub fn id_at(&mut self, at: &'static str) -> String {
        let who = self.who;
        let id = self.ids.entry(at).or_insert_with(|| {
            let named = NAMED_BY_HL7
                .contains(&at)
                .then(|| feed::patient_id(at, who));
            named.flatten().unwrap_or_else(|| who.id.clone())
        });
        id.clone()
    }

    /// Keeps a resource at an organisation, with an id and its subject; the id.
    fn keep(&mut self, at: &'static str, about: &str, mut resource: Value) -> String {
        self.number += 1;
        let id = format!("{}-{}", self.who.id, self.number);
        let patient = self.id_at(at);
        if let Some(members) = resource.as_object_mut() {
            members.insert("id".to_owned(), id.clone().into());
            if !about.is_empty() {
                let who = json!({ "reference": format!("Patient/{patient}") });
                members.insert(about.to_owned(), who);
            }
        }
        let who = self.who;
        let first = || vec![who.patient(&patient)];
        self.kept.entry(at).or_insert_with(first).push(resource);
        id
    }

    pub fn condition(&mut self, at: &'static str, text: &str, onset: i64, is_active: bool) {
        let state = if is_active { "active" } else { "resolved" };
        let mut condition = json!({
            "resourceType": "Condition",
            "clinicalStatus": { "coding": [{ "system": format!("{HL7}/condition-clinical"), "code": state }] },
            "verificationStatus": {
                "coding": [{ "system": format!("{HL7}/condition-ver-status"), "code": "confirmed" }],
            },
            "category": [{ "coding": [{
                "system": format!("{HL7}/condition-category"), "code": "problem-list-item",
            }] }],
            "code": { "text": text },
            "onsetDateTime": day(onset),
            "recordedDate": day(onset),
        });
        if !is_active && let Some(members) = condition.as_object_mut() {
            members.insert(
                "abatementDateTime".to_owned(),
                day((onset + 120).min(self.today)).into(),
            );
        }
        self.keep(at, "subject", condition);
    }

    /// A medicine on repeat at the practice.
    pub fn repeat(&mut self, text: &str, dose: &str, since: i64) {
        let days = || json!({ "value": 28, "unit": "day", "system": UCUM, "code": "d" });
        let medicine = json!({
            "resourceType": "MedicationRequest",
            "extension": [{ "url": REPEAT, "extension": [
                { "url": "authorisationExpiryDate", "valueDateTime": day(self.today + 200) },
            ] }],
            "status": "active",
            "intent": "plan",
            "medicationCodeableConcept": { "text": text },
            "authoredOn": day(since),
            "courseOfTherapyType": { "coding": [{
                "system": format!("{HL7}/medicationrequest-course-of-therapy"),
                "code": "continuous", "display": CONTINUOUS,
            }] },
            "dosageInstruction": [{ "text": dose }],
            "dispenseRequest": {
                "dispenseInterval": days(),
                "numberOfRepeatsAllowed": 11,
                "quantity": { "value": 28, "unit": "dose" },
                "expectedSupplyDuration": days(),
            },
        });
        self.keep(self.who.practice, "subject", medicine);
    }

    /// A course of a medicine that has ended.
    pub fn course(&mut self, text: &str, dose: &str, on: i64) {
        let medicine = json!({
            "resourceType": "MedicationRequest",
            "status": "completed",
            "intent": "order",
            "medicationCodeableConcept": { "text": text },
            "authoredOn": day(on),
            "dosageInstruction": [{ "text": dose }],
        });
        self.keep(self.who.practice, "subject", medicine);
    }

    pub fn result(&mut self, at: &'static str, what: &Measured, on: i64, value: i64) {
        let is_sign = what.code != HBA1C.code && what.code != HAEMOGLOBIN.code;
        let category = if is_sign { "vital-signs" } else { "laboratory" };
        let observation = json!({
            "resourceType": "Observation",
            "status": "final",
            "category": [{ "coding": [{
                "system": format!("{HL7}/observation-category"), "code": category,
            }] }],
            "code": { "coding": [{ "system": LOINC, "code": what.code }], "text": what.name },
            "effectiveDateTime": moment(on, 600),
            "valueQuantity": { "value": value, "unit": what.unit, "system": UCUM, "code": what.ucum },
        });
        self.keep(at, "subject", observation);
    }

    pub fn pressure(&mut self, on: i64, systolic: i64, diastolic: i64) {
        let part = |code: &str, name: &str, value: i64| {
            json!({
                "code": { "coding": [{ "system": LOINC, "code": code }], "text": name },
                "valueQuantity": { "value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]" },
            })
        };
        let observation = json!({
            "resourceType": "Observation",
            "status": "final",
            "category": [{ "coding": [{
                "system": format!("{HL7}/observation-category"), "code": "vital-signs",
            }] }],
            "code": { "coding": [{ "system": LOINC, "code": "85354-9" }], "text": "Blood pressure" },
            "effectiveDateTime": moment(on, 615),
            "component": [
                part("8480-6", "Systolic blood pressure", systolic),
                part("8462-4", "Diastolic blood pressure", diastolic),
            ],
        });
        self.keep(self.who.practice, "subject", observation);
    }

    pub fn immunization(&mut self, text: &str, on: i64) {
        let immunization = json!({
            "resourceType": "Immunization",
            "status": "completed",
            "vaccineCode": { "text": text },
            "occurrenceDateTime": day(on),
        });
        self.keep(self.who.practice, "patient", immunization);
    }

    /// An allergy, or that there is none known (`None`).
    pub fn allergy(&mut self, to: Option<&str>, on: i64) {
        let code = match to {
            Some(text) => json!({ "text": text }),
            None => json!({
                "coding": [{ "system": SNOMED, "code": "716186003", "display": "No known allergy" }],
                "text": "No known allergies",
            }),
        };
        let coded = |system: &str, code: &str| json!({ "coding": [{ "system": format!("{HL7}/{system}"), "code": code }] });
        let allergy = json!({
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": coded("allergyintolerance-clinical", "active"),
            "verificationStatus": coded("allergyintolerance-verification", "confirmed"),
            "code": code,
            "recordedDate": day(on),
        });
        self.keep(self.who.practice, "patient", allergy);
    }

    /// A stay (`IMP`), a visit (`AMB`) or an emergency (`EMER`) that has ended.
    pub fn encounter(&mut self, at: &'static str, class: &str, (from, to): (i64, i64), why: &str) {
        let encounter = json!({
            "resourceType": "Encounter",
            "status": "finished",
            "class": { "system": format!("{HL7}/v3-ActCode"), "code": class },
            "period": { "start": moment(from, 540), "end": moment(to, 900) },
            "reasonCode": [{ "text": why }],
        });
        self.keep(at, "subject", encounter);
    }

    /// A letter, at its author's and at the practice.
    pub fn letter(&mut self, from: &'static str, author: &str, title: &str, on: i64, text: &str) {
        let practice = self.who.practice;
        self.document(from, from, author, title, on, text);
        if from != practice {
            self.document(practice, from, author, title, on, text);
        }
    }

    fn document(
        &mut self,
        at: &'static str,
        from: &'static str,
        author: &str,
        title: &str,
        on: i64,
        text: &str,
    ) {
        let text = format!(
            "{title}\n\n{}, NHS number {}\n\n{text}\n",
            self.who.name(),
            self.who.nhs_number
        );
        let patient = self.id_at(at);
        let binary = json!({
            "resourceType": "Binary",
            "contentType": "text/plain",
            "securityContext": { "reference": format!("Patient/{patient}") },
            "data": STANDARD.encode(&text),
        });
        let binary = self.keep(at, "", binary);
        let document = json!({
            "resourceType": "DocumentReference",
            "status": "current",
            "docStatus": "final",
            "type": { "text": title },
            "date": moment(on, 960),
            "author": [{ "identifier": { "system": ODS, "value": from }, "display": author }],
            "custodian": { "identifier": { "system": ODS, "value": at } },
            "description": title,
            "content": [{ "attachment": {
                "contentType": "text/plain", "url": format!("Binary/{binary}"),
                "size": text.len(), "title": title,
            } }],
        });
        self.keep(at, "subject", document);
    }

    /// An appointment that was kept.
    pub fn appointment(&mut self, at: &'static str, on: i64, text: &str) {
        let patient = self.id_at(at);
        let appointment = json!({
            "resourceType": "Appointment",
            "status": "fulfilled",
            "description": text,
            "start": moment(on, 570),
            "end": moment(on, 580),
            "participant": [{
                "actor": { "reference": format!("Patient/{patient}") }, "status": "accepted",
            }],
        });
        self.keep(at, "", appointment);
    }

    /// What to do in a crisis: the team's, until somebody opens the record in an emergency.
    pub fn crisis_plan(&mut self, on: i64, sections: &[(&str, &str)]) {
        let label = |system: &str, code: &str| json!({ "system": system, "code": code });
        let activity = sections.iter().map(|(heading, text)| {
            json!({ "detail": { "code": { "text": heading }, "status": "in-progress", "description": text } })
        });
        let plan = json!({
            "resourceType": "CarePlan",
            "meta": { "security": [
                label("urn:handover:seal", "until-emergency"),
                label("urn:handover:workgroup", CRISIS_TEAM),
                label(&format!("{HL7}/v3-Confidentiality"), "R"),
            ] },
            "status": "active",
            "intent": "plan",
            "category": [{
                "coding": [label("urn:handover:care-plan", "crisis")], "text": "Crisis plan",
            }],
            "title": "Crisis plan",
            "created": moment(on, 700),
            "author": { "display": "Nell Firth, Anyshire Mental Health Trust" },
            "activity": activity.collect::<Value>(),
        });
        self.keep(MENTAL_HEALTH, "subject", plan);
    }
}
