//! What the stand-in of EPS holds: prescriptions, who has each, and which messages it has answered.

use fhir::members::text;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Prescriptions and messages at most: it is for trying out.
const PRESCRIPTIONS_MAX: usize = 5_000;
const MESSAGES_MAX: usize = 50_000;
const PASSED_MAX: usize = 50;

/// Why something is not taken, in a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

/// All that it holds.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Shelf {
    stand_in: String,
    key: String,
    prescriptions: BTreeMap<String, Prescription>,
    /// By a message's own name.
    answered: BTreeMap<String, Answered>,
}

#[derive(Serialize, Deserialize)]
struct Prescription {
    message: Value,
    /// The pharmacy that is to have it; any if empty.
    pharmacy: String,
    released_to: String,
    /// Those that gave it back.
    given_back_by: Vec<String>,
    /// The last that was told of each item, by its number.
    items: BTreeMap<String, String>,
    /// Items that are cancelled, and those that will be once they are given back.
    #[serde(default)]
    cancelled: BTreeSet<String>,
    #[serde(default)]
    marked: BTreeSet<String>,
    order: usize,
}

#[derive(Serialize, Deserialize)]
struct Answered {
    /// Of the message's bytes.
    digest: String,
    times: u64,
    answer: Value,
}

impl Shelf {
    /// From its file: what is on it, and the key.
    pub(super) fn read(text: &str) -> Result<(Shelf, Vec<u8>), String> {
        let shelf: Shelf = serde_json::from_str(text).map_err(|cause| cause.to_string())?;
        let key = STANDARD.decode(&shelf.key);
        let key = key.map_err(|cause| cause.to_string())?;
        Ok((shelf, key))
    }

    pub(super) fn with_key(mut self, pkcs8: &[u8]) -> Shelf {
        self.stand_in = "A stand-in of EPS: nothing in it is a lawful prescription.".to_owned();
        self.key = STANDARD.encode(pkcs8);
        self
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What was answered to that message before. `Err` if it was another under the same name.
    fn before(&mut self, name: &str, digest: &str) -> Result<Option<Value>, Refusal> {
        let Some(answered) = self.answered.get_mut(name) else {
            if self.answered.len() >= MESSAGES_MAX {
                return Err(Refusal("The stand-in is full.".to_owned()));
            }
            return Ok(None);
        };
        if answered.digest != digest {
            return Err(Refusal("Another message came under this name.".to_owned()));
        }
        answered.times += 1;
        Ok(Some(answered.answer.clone()))
    }

    fn answer(&mut self, name: &str, digest: String, answer: Value) -> Value {
        let answered = Answered {
            digest,
            times: 1,
            answer: answer.clone(),
        };
        self.answered.insert(name.to_owned(), answered);
        answer
    }

    /// `$process-message`.
    pub(super) fn process(
        &mut self,
        event: &str,
        message: Value,
        body: &[u8],
    ) -> Result<Value, Refusal> {
        let name = text(&message, "/identifier/value").to_owned();
        if name.is_empty() {
            return Err(Refusal("The message has no identifier.".to_owned()));
        }
        let digest = digest(body);
        if let Some(answer) = self.before(&name, &digest)? {
            return Ok(answer);
        }
        match event {
            "prescription-order" => self.order(message)?,
            "dispense-notification" => self.notify(&message)?,
            "prescription-order-update" => {
                let answer = self.cancel(&message)?;
                return Ok(self.answer(&name, digest, answer));
            }
            _ => return Err(Refusal("This event is not known here.".to_owned())),
        }
        Ok(self.answer(&name, digest, informed()))
    }

    fn order(&mut self, message: Value) -> Result<(), Refusal> {
        let mut items = BTreeMap::new();
        let mut number = String::new();
        for request in resources(&message, "MedicationRequest") {
            number = text(request, "/groupIdentifier/value").to_owned();
            let item = text(request, "/identifier/0/value").to_owned();
            items.insert(item, "to be dispensed".to_owned());
        }
        if number.is_empty() || items.keys().any(String::is_empty) {
            return Err(Refusal("An item has no number.".to_owned()));
        }
        if self.prescriptions.contains_key(&number) {
            let message = "A prescription of this number is here.";
            return Err(Refusal(message.to_owned()));
        }
        if self.prescriptions.len() >= PRESCRIPTIONS_MAX {
            return Err(Refusal("The stand-in is full.".to_owned()));
        }
        let header = resources(&message, "MessageHeader").next();
        let receiver = "/destination/0/receiver/identifier/value";
        let prescription = Prescription {
            pharmacy: header.map_or("", |it| text(it, receiver)).to_owned(),
            released_to: String::new(),
            given_back_by: Vec::new(),
            cancelled: BTreeSet::new(),
            marked: BTreeSet::new(),
            items,
            order: self.prescriptions.len(),
            message,
        };
        self.prescriptions.insert(number, prescription);
        Ok(())
    }

    /// A prescriber cancels one item: what becomes of it, with EPS's codes.
    fn cancel(&mut self, message: &Value) -> Result<Value, Refusal> {
        let request = resources(message, "MedicationRequest").next();
        let unread = || Refusal("There is no item in it.".to_owned());
        let request = request.ok_or_else(unread)?;
        let reason = request.pointer("/statusReason/coding/0/code");
        if text(request, "/status") != "cancelled" || reason.is_none() {
            let message = "A cancellation has the status cancelled, and a reason.";
            return Err(Refusal(message.to_owned()));
        }
        let number = text(request, "/groupIdentifier/value");
        let item = text(request, "/identifier/0/value");
        let found = self.prescriptions.get_mut(number);
        let Some(found) = found.filter(|it| it.items.contains_key(item)) else {
            return Ok(unknown());
        };
        let told = found.items.get(item).map_or("", String::as_str);
        let is_released = !found.released_to.is_empty();
        let (code, words) = match told {
            _ if found.cancelled.contains(item) => {
                ("R-0006", "Prescription/item had already been cancelled")
            }
            "Item fully dispensed" => (
                "R-0004",
                "Prescription/item was not cancelled. Prescription has been dispensed.",
            ),
            "Item not dispensed" => (
                "R-0010",
                "Prescription/item was not cancelled. Prescription has been not dispensed.",
            ),
            "Item dispensed - partial" => (
                "R-0003",
                "Prescription/item was not cancelled. With dispenser active. Marked for cancellation",
            ),
            _ if is_released => (
                "R-0002",
                "Prescription/item was not cancelled. With dispenser. Marked for cancellation",
            ),
            _ => (DONE, "Prescription/item was cancelled"),
        };
        match code {
            DONE => found.cancelled.insert(item.to_owned()),
            "R-0002" | "R-0003" => found.marked.insert(item.to_owned()),
            _ => false,
        };
        Ok(response(message, request, (code, words)))
    }

    fn notify(&mut self, message: &Value) -> Result<(), Refusal> {
        let header = resources(message, "MessageHeader").next();
        let sender = header.map_or("", |it| text(it, "/sender/identifier/value"));
        for dispense in resources(message, "MedicationDispense") {
            let item = text(dispense, "/authorizingPrescription/0/identifier/value");
            let said = text(dispense, "/type/coding/0/display").to_owned();
            let mut all = self.prescriptions.values_mut();
            let found = all.find(|it| it.released_to == sender && it.items.contains_key(item));
            let Some(found) = found else {
                let message = "No item of that number was released to this pharmacy.";
                return Err(Refusal(message.to_owned()));
            };
            found.items.insert(item.to_owned(), said);
        }
        Ok(())
    }

    /// `Task/$release`: what is waiting for the pharmacy that asks. The same question again is answered the
    /// same.
    pub(super) fn release(&mut self, asked: &Value) -> Result<Value, Refusal> {
        let name = text(asked, "/id").to_owned();
        let parameter = |name: &str| {
            let all = asked.get("parameter").and_then(Value::as_array);
            let mut all = all.into_iter().flatten();
            all.find(|it| text(it, "/name") == name)
        };
        let owner = parameter("owner").map_or("", |it| text(it, "/resource/identifier/0/value"));
        let number = parameter("group-identifier");
        let number = number.map_or("", |it| text(it, "/valueIdentifier/value"));
        if name.is_empty() || owner.is_empty() {
            let message = "The question names no pharmacy, or not itself.";
            return Err(Refusal(message.to_owned()));
        }
        let digest = digest(asked.to_string().as_bytes());
        if let Some(answer) = self.before(&name, &digest)? {
            return Ok(answer);
        }
        let mut waiting: Vec<&mut Prescription> = self
            .prescriptions
            .iter_mut()
            .filter(|(of, it)| {
                let is_asked_for = !number.is_empty() && *of == number;
                let gave_back = it.given_back_by.iter().any(|by| by == owner);
                let is_theirs = it.pharmacy == owner && !gave_back;
                let is_left = it.items.keys().any(|item| !it.cancelled.contains(item));
                it.released_to.is_empty() && is_left && (is_theirs || is_asked_for)
            })
            .map(|(_, it)| it)
            .collect();
        waiting.sort_by_key(|it| it.order);
        let mut passed = Vec::new();
        for prescription in waiting.into_iter().take(PASSED_MAX) {
            prescription.released_to = owner.to_owned();
            passed.push(json!({ "resource": prescription.uncancelled() }));
        }
        let answer = json!({
            "resourceType": "Parameters",
            "parameter": [{
                "name": "passedPrescriptions",
                "resource": {
                    "resourceType": "Bundle",
                    "type": "searchset",
                    "total": passed.len(),
                    "entry": passed,
                },
            }],
        });
        Ok(self.answer(&name, digest, answer))
    }

    /// A pharmacy gives a prescription back.
    pub(super) fn give_back(&mut self, task: &Value, body: &[u8]) -> Result<Value, Refusal> {
        let name = text(task, "/id").to_owned();
        let digest = digest(body);
        if let Some(answer) = self.before(&name, &digest)? {
            return Ok(answer);
        }
        let from = text(task, "/requester/identifier/value");
        let number = text(task, "/groupIdentifier/value");
        let found = self.prescriptions.get_mut(number);
        let Some(found) = found.filter(|it| it.released_to == from) else {
            let message = "No prescription of that number was released to this pharmacy.";
            return Err(Refusal(message.to_owned()));
        };
        found.released_to.clear();
        found.given_back_by.push(from.to_owned());
        found.cancelled.append(&mut found.marked);
        Ok(self.answer(&name, digest, informed()))
    }

    /// What is on it: numbers and states, no person.
    pub(super) fn tell(&self) -> Value {
        let prescriptions = self.prescriptions.iter().map(|(number, it)| {
            json!({
                "number": number,
                "pharmacy": it.pharmacy,
                "releasedTo": it.released_to,
                "items": it.items,
                "cancelled": it.cancelled,
            })
        });
        let again = self.answered.values().filter(|it| it.times > 1).count();
        json!({
            "standIn": true,
            "prescriptions": prescriptions.collect::<Vec<Value>>(),
            "messages": self.answered.len(),
            "cameAgain": again,
        })
    }
}

impl Prescription {
    /// Its message without the items that are cancelled.
    fn uncancelled(&self) -> Value {
        let mut message = self.message.clone();
        let entries = message.get_mut("entry").and_then(Value::as_array_mut);
        if let Some(entries) = entries {
            entries.retain(|it| {
                text(it, "/resource/resourceType") != "MedicationRequest"
                    || !self
                        .cancelled
                        .contains(text(it, "/resource/identifier/0/value"))
            });
        }
        message
    }
}

/// EPS's code for an item that it has cancelled: every other is answered with 400.
const DONE: &str = "R-0001";
const OUTCOMES: &str = "https://fhir.nhs.uk/CodeSystem/medicationrequest-status-history";

/// The answer to a cancellation, shaped as the published ones.
fn response(message: &Value, request: &Value, (code, words): (&str, &str)) -> Value {
    let id = text(message, "/identifier/value");
    let head = json!({
        "resourceType": "MessageHeader",
        "eventCoding": {
            "system": "https://fhir.nhs.uk/CodeSystem/message-event",
            "code": "prescription-order-response",
            "display": "Prescription Order Response",
        },
        "source": { "name": "A stand-in of EPS" },
        "response": { "identifier": id, "code": "ok" },
    });
    let mut told = request.clone();
    let status = json!({
        "url": "https://fhir.nhs.uk/StructureDefinition/Extension-DM-PrescriptionStatusHistory",
        "extension": [{ "url": "status", "valueCoding": {
            "system": OUTCOMES, "code": code, "display": words,
        } }],
    });
    if let Some(told) = told.as_object_mut() {
        told.insert("extension".to_owned(), json!([status]));
        let status = if code == DONE { "cancelled" } else { "active" };
        told.insert("status".to_owned(), status.into());
    }
    json!({
        "resourceType": "Bundle",
        "type": "message",
        "identifier": { "system": "https://tools.ietf.org/html/rfc4122", "value": id },
        "entry": [{ "resource": head }, { "resource": told }],
    })
}

fn unknown() -> Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "error", "code": "not-found", "details": { "coding": [{
            "system": OUTCOMES, "code": "R-0008", "display": "Prescription/item not found",
        }] } }],
    })
}

/// Whether EPS answers with 400: to every cancellation that cancelled nothing.
pub(super) fn is_refusal(answer: &Value) -> bool {
    let outcome = exchange::prescriptions::message::cancel::Outcome::read(answer);
    outcome.is_some_and(|it| it.code != DONE)
}

fn informed() -> Value {
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{ "severity": "information", "code": "informational" }],
    })
}

/// The event of a message.
pub(super) fn event(message: &Value) -> String {
    let header = resources(message, "MessageHeader").next();
    let code = header.map_or("", |it| text(it, "/eventCoding/code"));
    code.to_owned()
}

/// The resources of that type in a message.
pub(super) fn resources<'m>(
    message: &'m Value,
    ty: &'static str,
) -> impl Iterator<Item = &'m Value> {
    let entries = message.get("entry").and_then(Value::as_array);
    let entries = entries.into_iter().flatten();
    let resources = entries.filter_map(|it| it.get("resource"));
    resources.filter(move |it| text(it, "/resourceType") == ty)
}

fn digest(body: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(body))
}
