//! The messages of the Electronic Prescription Service
//! (<https://digital.nhs.uk/developer/api-catalogue/electronic-prescription-service-fhir>), shaped as its
//! published examples.

pub mod cancel;

use fhir::date::{self, Millis};
use fhir::members::{each, set, text};
use serde_json::{Value, json};

use super::number::uuid;
use super::task::{ITEM_NUMBER, ODS, ORDER_NUMBER, Step};

const EVENT: &str = "https://fhir.nhs.uk/CodeSystem/message-event";
const RFC_4122: &str = "https://tools.ietf.org/html/rfc4122";
const PRESCRIPTION_ID: &str = "https://fhir.nhs.uk/StructureDefinition/Extension-DM-PrescriptionId";
/// Prescriptions of one answer, and items of one, at most.
const PRESCRIPTIONS_MAX: usize = 100;
const ITEMS_MAX: usize = 60;

/// Who prescribes. What EPS asks further of a prescriber (the GMC number, the role profile of their
/// smartcard) this node does not know: see decision 0171.
#[derive(Clone, Debug)]
pub struct Prescriber<'p> {
    pub name: &'p str,
}

/// A prescription to be sent.
#[derive(Clone, Debug)]
pub struct Prescription<'p> {
    /// Its short number.
    pub number: &'p str,
    pub practice: &'p str,
    pub practice_name: &'p str,
    pub prescriber: Prescriber<'p>,
    pub patient: &'p Value,
    /// The pharmacy's ODS code and name, if the patient chose one.
    pub pharmacy: Option<(&'p str, &'p str)>,
    /// The number of each item, and its MedicationRequest as stored here.
    pub items: &'p [(String, Value)],
    pub at: Millis,
}

fn urn(name: &str) -> String {
    format!("urn:uuid:{}", uuid(name))
}

fn organisation(ods: &str) -> Value {
    json!({ "identifier": { "system": ODS, "value": ods } })
}

/// The message of a prescription, unsigned.
pub fn order(prescription: &Prescription<'_>) -> Value {
    let number = prescription.number;
    let name = |what: &str| urn(&format!("{number}/{what}"));
    let items = prescription.items.iter();
    let requests: Vec<Value> = items
        .map(|(item, request)| {
            entry(
                &format!("urn:uuid:{item}"),
                item_request(prescription, item, request),
            )
        })
        .collect();
    let mut focus: Vec<Value> = prescription
        .items
        .iter()
        .map(|(item, _)| json!({ "reference": format!("urn:uuid:{item}") }))
        .collect();
    for what in ["role", "patient"] {
        focus.push(json!({ "reference": name(what) }));
    }
    let mut header = header(
        "prescription-order",
        "Prescription Order",
        prescription.practice,
    );
    set(&mut header, "focus", Value::Array(focus));
    if let Some((ods, pharmacy)) = prescription.pharmacy {
        let mut receiver = organisation(ods);
        set(&mut receiver, "display", pharmacy.into());
        let endpoint = format!("https://directory.spineservices.nhs.uk/STU3/Organization/{ods}");
        let destination = json!([{ "endpoint": endpoint, "receiver": receiver }]);
        set(&mut header, "destination", destination);
    }
    let role = json!({
        "resourceType": "PractitionerRole",
        "practitioner": { "reference": name("practitioner") },
        "organization": { "reference": name("organisation") },
        "code": [{ "coding": [{
            "system": "https://fhir.nhs.uk/CodeSystem/NHSDigital-SDS-JobRoleCode",
            "code": "R8000",
            "display": "Clinical Practitioner Access Role",
        }] }],
    });
    let practitioner = json!({
        "resourceType": "Practitioner",
        "name": [{ "text": prescription.prescriber.name }],
    });
    let practice = json!({
        "resourceType": "Organization",
        "identifier": [{ "system": ODS, "value": prescription.practice }],
        "type": [{ "coding": [{
            "system": "https://fhir.nhs.uk/CodeSystem/organisation-role",
            "code": "76",
            "display": "GP PRACTICE",
        }] }],
        "name": prescription.practice_name,
    });
    let mut entries = vec![entry(&name("header"), header)];
    entries.extend(requests);
    entries.push(entry(&name("patient"), patient(prescription)));
    entries.push(entry(&name("role"), role));
    entries.push(entry(&name("practitioner"), practitioner));
    entries.push(entry(&name("organisation"), practice));
    bundle(&uuid(&format!("{number}/message")), entries)
}

fn entry(url: &str, resource: Value) -> Value {
    json!({ "fullUrl": url, "resource": resource })
}

fn bundle(id: &str, entries: Vec<Value>) -> Value {
    json!({
        "resourceType": "Bundle",
        "id": id,
        "identifier": { "system": RFC_4122, "value": id },
        "type": "message",
        "entry": entries,
    })
}

fn header(event: &str, display: &str, sender: &str) -> Value {
    json!({
        "resourceType": "MessageHeader",
        "eventCoding": { "system": EVENT, "code": event, "display": display },
        "sender": organisation(sender),
        "source": {
            "endpoint": format!("https://directory.spineservices.nhs.uk/STU3/Organization/{sender}"),
        },
    })
}

/// One item as EPS has it: its references are to what is in the message.
fn item_request(prescription: &Prescription<'_>, item: &str, stored: &Value) -> Value {
    let number = prescription.number;
    let name = |what: &str| urn(&format!("{number}/{what}"));
    let mut request = stored.clone();
    if let Some(request) = request.as_object_mut() {
        request.remove("id");
        request.remove("meta");
    }
    let plan = text(stored, "/basedOn/0/reference");
    let based = json!([{ "identifier": { "system": ITEM_NUMBER, "value": uuid(plan) } }]);
    set(&mut request, "basedOn", based);
    let identifier = json!([{ "system": ITEM_NUMBER, "value": item }]);
    set(&mut request, "identifier", identifier);
    let long = json!({
        "url": PRESCRIPTION_ID,
        "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/prescription",
            "value": uuid(&format!("{number}/prescription")),
        },
    });
    let group = json!({ "extension": [long], "system": ORDER_NUMBER, "value": number });
    set(&mut request, "groupIdentifier", group);
    let kind = json!([{
        "url": "https://fhir.nhs.uk/StructureDefinition/Extension-DM-PrescriptionType",
        "valueCoding": {
            "system": "https://fhir.nhs.uk/CodeSystem/prescription-type",
            "code": "0101",
            "display": "Primary Care Prescriber - Medical Prescriber",
        },
    }]);
    set(&mut request, "extension", kind);
    let community = json!([{ "coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/medicationrequest-category",
        "code": "community",
        "display": "Community",
    }] }]);
    set(&mut request, "category", community);
    set(
        &mut request,
        "subject",
        json!({ "reference": name("patient") }),
    );
    set(
        &mut request,
        "requester",
        json!({ "reference": name("role") }),
    );
    let mut supply = request
        .get("dispenseRequest")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let site = if prescription.pharmacy.is_some() {
        "P1"
    } else {
        "0004"
    };
    let preference = json!([{
        "url": "https://fhir.nhs.uk/StructureDefinition/Extension-DM-PerformerSiteType",
        "valueCoding": {
            "system": "https://fhir.nhs.uk/CodeSystem/dispensing-site-preference",
            "code": site,
        },
    }]);
    set(&mut supply, "extension", preference);
    let start = date::date(prescription.at);
    set(&mut supply, "validityPeriod", json!({ "start": start }));
    set(&mut request, "dispenseRequest", supply);
    set(
        &mut request,
        "substitution",
        json!({ "allowedBoolean": false }),
    );
    request
}

/// The patient with what EPS asks for, and nothing else of the record.
fn patient(prescription: &Prescription<'_>) -> Value {
    let stored = prescription.patient;
    let mut patient = json!({ "resourceType": "Patient" });
    let numbers = each(stored, "/identifier")
        .filter(|it| text(it, "/system") == access::NhsNumber::SYSTEM)
        .cloned();
    set(&mut patient, "identifier", Value::Array(numbers.collect()));
    for name in ["name", "gender", "birthDate", "address"] {
        if let Some(value) = stored.get(name) {
            set(&mut patient, name, value.clone());
        }
    }
    let practice = json!([organisation(prescription.practice)]);
    set(&mut patient, "generalPractitioner", practice);
    patient
}

/// The same message with the prescriber's signature, as `$prepare` asked for it.
pub fn signed(draft: &Value, signature: &str, timestamp: &str) -> Value {
    let mut bundle = draft.clone();
    let url_of = |ty: &str| {
        let mut entries = each(draft, "/entry");
        let found = entries.find(|it| text(it, "/resource/resourceType") == ty);
        found.map_or("", |it| text(it, "/fullUrl"))
    };
    let role = json!({ "reference": url_of("PractitionerRole") });
    let requests = each(draft, "/entry")
        .filter(|it| text(it, "/resource/resourceType") == "MedicationRequest");
    let target: Vec<Value> = requests
        .map(|it| json!({ "reference": text(it, "/fullUrl") }))
        .collect();
    let provenance = json!({
        "resourceType": "Provenance",
        "target": target,
        "recorded": timestamp,
        "agent": [{ "who": role }],
        "signature": [{
            "type": [{ "system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1" }],
            "when": timestamp,
            "who": role,
            "data": signature,
        }],
    });
    let url = urn(&format!("{}/provenance", text(draft, "/id")));
    let mut entries: Vec<Value> = each(draft, "/entry").cloned().collect();
    entries.push(entry(&url, provenance));
    set(&mut bundle, "entry", Value::Array(entries));
    bundle
}

/// What a pharmacy asks for: all that is waiting for it, or one prescription by its number. `id` names
/// the request: asked again, it is answered the same.
pub fn release(id: &str, (pharmacy, name): (&str, &str), number: Option<&str>) -> Value {
    let mut asked = json!({
        "resourceType": "Parameters",
        "id": id,
        "parameter": [
            { "name": "owner", "resource": {
                "resourceType": "Organization",
                "identifier": [{ "system": ODS, "value": pharmacy }],
                "active": true,
                "type": [{ "coding": [{
                    "system": "https://fhir.nhs.uk/CodeSystem/organisation-role",
                    "code": "182",
                    "display": "PHARMACY",
                }] }],
                "name": name,
            } },
            { "name": "status", "valueCode": "accepted" },
        ],
    });
    if let Some(number) = number
        && let Some(all) = asked.get_mut("parameter").and_then(Value::as_array_mut)
    {
        let identifier = json!({ "system": ORDER_NUMBER, "value": number });
        all.push(json!({ "name": "group-identifier", "valueIdentifier": identifier }));
    }
    asked
}

/// A prescription that came from EPS.
#[derive(Clone, Debug, PartialEq)]
pub struct Released {
    pub number: String,
    pub practice: String,
    /// The prescriber's name; empty where the message does not say it.
    pub prescriber: String,
    pub patient: Value,
    /// The number of each item, and its MedicationRequest.
    pub items: Vec<(String, Value)>,
}

/// The prescriptions of an answer to `release`; what does not read is named by its number, or by nothing.
pub fn released(answer: &Value) -> Vec<Result<Released, String>> {
    let mut parameters = each(answer, "/parameter");
    let passed = parameters.find(|it| text(it, "/name") == "passedPrescriptions");
    let messages = passed
        .into_iter()
        .flat_map(|it| each(it, "/resource/entry"));
    let messages = messages.filter_map(|it| it.get("resource"));
    messages.take(PRESCRIPTIONS_MAX).map(prescription).collect()
}

fn prescription(message: &Value) -> Result<Released, String> {
    let of = |ty: &'static str| {
        each(message, "/entry")
            .filter_map(|it| it.get("resource"))
            .filter(move |it| text(it, "/resourceType") == ty)
    };
    let mut number = String::new();
    let mut items = Vec::new();
    for request in of("MedicationRequest").take(ITEMS_MAX) {
        let mut identifiers = each(request, "/identifier");
        let item = identifiers.find(|it| text(it, "/system") == ITEM_NUMBER);
        let item = item.map_or("", |it| text(it, "/value"));
        number = text(request, "/groupIdentifier/value").to_string();
        if item.is_empty() || number.is_empty() {
            return Err(number);
        }
        items.push((item.to_string(), request.clone()));
    }
    let sender = |it: &Value| text(it, "/sender/identifier/value").to_string();
    let practices = of("Patient").map(|it| text(it, "/generalPractitioner/0/identifier/value"));
    let practice = practices.map(str::to_string).find(|it| !it.is_empty());
    let practice = practice.or_else(|| of("MessageHeader").map(sender).next());
    match (of("Patient").next(), practice) {
        (Some(patient), Some(practice)) if !items.is_empty() => Ok(Released {
            number,
            practice,
            prescriber: of("Practitioner").next().map_or(String::new(), name),
            patient: patient.clone(),
            items,
        }),
        _ => Err(number),
    }
}

/// A person's name in words.
fn name(person: &Value) -> String {
    let words = text(person, "/name/0/text");
    if !words.is_empty() {
        return words.to_string();
    }
    let parts = ["/name/0/prefix/0", "/name/0/given/0", "/name/0/family"];
    let parts = parts.map(|place| text(person, place));
    let parts: Vec<&str> = parts.into_iter().filter(|it| !it.is_empty()).collect();
    parts.join(" ")
}

/// What a pharmacy tells of one item.
#[derive(Clone, Debug)]
pub struct Told<'t> {
    pub item: &'t str,
    pub prescription: &'t str,
    pub step: Step,
    pub reason: &'t str,
    pub medicine: &'t str,
    pub nhs_number: &'t str,
}

/// The message that tells what was dispensed of an item; `id` names it.
pub fn notification(id: &str, (pharmacy, who): (&str, &str), told: &Told<'_>, at: Millis) -> Value {
    let (status, code, display) = match told.step {
        Step::PartReady => ("in-progress", "0003", "Item dispensed - partial"),
        Step::NotSupplied => ("stopped", "0002", "Item not dispensed"),
        _ => ("completed", "0001", "Item fully dispensed"),
    };
    let (overall, words) = match told.step {
        Step::PartReady => ("0003", "With Dispenser - Active"),
        Step::NotSupplied => ("0007", "Not Dispensed"),
        _ => ("0006", "Dispensed"),
    };
    let url = urn(&format!("{id}/dispense"));
    let mut dispense = json!({
        "resourceType": "MedicationDispense",
        "extension": [{
            "url": "https://fhir.nhs.uk/StructureDefinition/Extension-EPS-TaskBusinessStatus",
            "valueCoding": {
                "system": "https://fhir.nhs.uk/CodeSystem/EPS-task-business-status",
                "code": overall,
                "display": words,
            },
        }],
        "identifier": [{
            "system": "https://fhir.nhs.uk/Id/prescription-dispense-item-number",
            "value": uuid(&format!("{id}/item")),
        }],
        "status": status,
        "medicationCodeableConcept": { "text": told.medicine },
        "subject": { "identifier": {
            "system": access::NhsNumber::SYSTEM, "value": told.nhs_number,
        } },
        "performer": [{ "actor": { "display": who } }],
        "authorizingPrescription": [{
            "identifier": { "system": ITEM_NUMBER, "value": told.item },
        }],
        "type": { "coding": [{
            "system": "https://fhir.nhs.uk/CodeSystem/medicationdispense-type",
            "code": code,
            "display": display,
        }] },
        "whenPrepared": date::instant(at),
    });
    if !told.reason.is_empty() {
        let reason = json!({ "text": told.reason });
        set(&mut dispense, "statusReasonCodeableConcept", reason);
    }
    let mut header = header("dispense-notification", "Dispense Notification", pharmacy);
    set(&mut header, "focus", json!([{ "reference": url }]));
    let reason = json!({ "coding": [{
        "system": "https://fhir.nhs.uk/CodeSystem/message-reason-prescription",
        "code": "notification",
        "display": "Notification",
    }] });
    set(&mut header, "reason", reason);
    let response = json!({ "identifier": told.prescription, "code": "ok" });
    set(&mut header, "response", response);
    let head = urn(&format!("{id}/header"));
    bundle(id, vec![entry(&head, header), entry(&url, dispense)])
}

/// The Task by which a pharmacy gives a prescription back undispensed.
pub fn returned(id: &str, pharmacy: &str, (number, reason): (&str, &str), at: Millis) -> Value {
    json!({
        "resourceType": "Task",
        "id": id,
        "identifier": [{ "system": RFC_4122, "value": id }],
        "status": "rejected",
        "statusReason": { "text": reason },
        "intent": "order",
        "code": { "coding": [{
            "system": "http://hl7.org/fhir/CodeSystem/task-code",
            "code": "fulfill",
            "display": "Fulfill the focal request",
        }] },
        "groupIdentifier": { "system": ORDER_NUMBER, "value": number },
        "authoredOn": date::instant(at),
        "requester": organisation(pharmacy),
    })
}

#[cfg(test)]
mod tests;
