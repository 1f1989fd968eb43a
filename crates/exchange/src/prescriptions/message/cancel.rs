//! The message that cancels one item of a prescription (`prescription-order-update`), and what EPS says to it.

use fhir::members::{each, set, text};
use serde_json::{Value, json};

use super::super::task::{ITEM_NUMBER, OUTCOMES};
use super::{bundle, entry, header, urn};

const WHY: &str = "https://fhir.nhs.uk/CodeSystem/medicationrequest-status-reason";
const RESPONSIBLE: &str =
    "https://fhir.nhs.uk/StructureDefinition/Extension-DM-ResponsiblePractitioner";

/// Why an item can be cancelled: EPS's codes and what it calls them.
pub const REASONS: [(&str, &str); 9] = [
    ("0001", "Prescribing Error"),
    ("0002", "Clinical contra-indication"),
    ("0003", "Change to medication treatment regime"),
    ("0004", "Clinical grounds"),
    ("0005", "At the Patient's request"),
    ("0006", "At the Pharmacist's request"),
    ("0007", "Notification of Death"),
    ("0008", "Patient deducted - other reason"),
    ("0009", "Patient deducted - registered with new practice"),
];

/// What EPS calls that reason.
pub fn reason(code: &str) -> Option<&'static str> {
    let mut all = REASONS.into_iter();
    all.find(|(known, _)| *known == code).map(|(_, name)| name)
}

/// One item that is to be cancelled.
#[derive(Clone, Copy, Debug)]
pub struct Cancellation<'c> {
    /// Names the message.
    pub id: &'c str,
    /// EPS's number of the item.
    pub item: &'c str,
    /// Why: one of `REASONS`.
    pub code: &'c str,
    /// Who cancels, who need not be who prescribed.
    pub who: &'c str,
}

/// The message, made of the one by which the item was prescribed; `None` if the item is not in that.
pub fn cancellation(order: &Value, cancel: &Cancellation<'_>) -> Option<Value> {
    let of = |ty: &'static str| {
        each(order, "/entry").filter(move |it| text(it, "/resource/resourceType") == ty)
    };
    let is_item = |it: &&Value| {
        let mut numbers = each(it, "/resource/identifier");
        numbers.any(|it| text(it, "/system") == ITEM_NUMBER && text(it, "/value") == cancel.item)
    };
    let item = of("MedicationRequest").find(is_item)?;
    let (patient, role) = (of("Patient").next()?, of("PractitionerRole").next()?);
    let (prescriber, practice) = (of("Practitioner").next()?, of("Organization").next()?);
    let sender = of("MessageHeader").next()?;
    let sender = text(sender, "/resource/sender/identifier/value");

    let mut request = item.get("resource")?.clone();
    set(&mut request, "status", "cancelled".into());
    let why = json!({ "coding": [{
        "system": WHY, "code": cancel.code, "display": reason(cancel.code)?,
    }] });
    set(&mut request, "statusReason", why);
    let mut people = vec![role.clone(), prescriber.clone()];
    let mut by = text(role, "/fullUrl").to_string();
    if text(prescriber, "/resource/name/0/text") != cancel.who {
        by = urn(&format!("{}/role", cancel.id));
        let person = urn(&format!("{}/practitioner", cancel.id));
        let mut own = role.get("resource")?.clone();
        set(&mut own, "practitioner", json!({ "reference": person }));
        let named = json!({ "resourceType": "Practitioner", "name": [{ "text": cancel.who }] });
        people.extend([entry(&by, own), entry(&person, named)]);
        let prescribed = json!({ "reference": text(role, "/fullUrl") });
        let mut extensions: Vec<Value> = each(&request, "/extension").cloned().collect();
        extensions.push(json!({ "url": RESPONSIBLE, "valueReference": prescribed }));
        set(&mut request, "extension", Value::Array(extensions));
        set(&mut request, "requester", json!({ "reference": by }));
    }

    let mut head = header(
        "prescription-order-update",
        "Prescription Order Update",
        sender,
    );
    let cancels = json!({ "coding": [{
        "system": "https://fhir.nhs.uk/CodeSystem/message-reason-prescription",
        "code": "cancel",
        "display": "Cancel",
    }] });
    set(&mut head, "reason", cancels);
    let focus = [text(item, "/fullUrl"), &by, text(patient, "/fullUrl")];
    let focus = focus.map(|url| json!({ "reference": url }));
    set(&mut head, "focus", json!(focus));
    let mut entries = vec![
        entry(&urn(&format!("{}/header", cancel.id)), head),
        entry(text(item, "/fullUrl"), request),
        patient.clone(),
    ];
    entries.extend(people);
    entries.push(practice.clone());
    Some(bundle(cancel.id, entries))
}

/// What EPS said to a cancellation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Such as `R-0001`.
    pub code: String,
    /// EPS's own words.
    pub words: String,
}

impl Outcome {
    /// The outcome of an answer; `None` where it says none.
    pub fn read(answer: &Value) -> Option<Outcome> {
        let of = |coding: &Value| {
            let code = text(coding, "/code");
            (text(coding, "/system") == OUTCOMES && !code.is_empty()).then(|| Outcome {
                code: code.chars().take(20).collect(),
                words: text(coding, "/display").chars().take(200).collect(),
            })
        };
        if text(answer, "/resourceType") == "OperationOutcome" {
            let mut codings = each(answer, "/issue").flat_map(|it| each(it, "/details/coding"));
            return codings.find_map(of);
        }
        let requests = each(answer, "/entry")
            .filter_map(|it| it.get("resource"))
            .filter(|it| text(it, "/resourceType") == "MedicationRequest");
        let mut statuses = requests
            .flat_map(|it| each(it, "/extension"))
            .flat_map(|it| each(it, "/extension"))
            .filter(|it| text(it, "/url") == "status");
        statuses.find_map(|it| it.get("valueCoding").and_then(of))
    }

    /// The item is cancelled, now or before.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.code.as_str(), "R-0001" | "R-0006")
    }

    /// It is not, but will be should the pharmacy give it back undispensed.
    pub fn is_marked(&self) -> bool {
        is_mark(&self.code)
    }

    /// Whether it is about the item, and not about the message, which EPS then did not take.
    pub fn is_final(&self) -> bool {
        let about_item = ["R-0004", "R-0005", "R-0007", "R-0010"];
        self.is_cancelled() || self.is_marked() || about_item.contains(&self.code.as_str())
    }

    /// For people to read: what it means for them, and what EPS called it.
    pub fn say(&self) -> String {
        let means = match self.code.as_str() {
            "R-0002" | "R-0003" => {
                "The pharmacy has it, and can still supply it: ring the pharmacy. It is cancelled only if the pharmacy gives it back."
            }
            "R-0004" => "The pharmacy has supplied it already.",
            "R-0005" => "The prescription has expired.",
            "R-0007" => "Another prescriber has asked for it to be cancelled.",
            "R-0008" => "The national service does not know this prescription.",
            "R-0009" => "The national service cancels nothing at present.",
            "R-0010" => "The pharmacy has said already that it does not supply it.",
            _ => return self.words.clone(),
        };
        format!("{means} (EPS {}: {})", self.code, self.words)
    }
}

/// Whether that code of EPS's marks an item, which is cancelled should the pharmacy give it back undispensed.
pub fn is_mark(code: &str) -> bool {
    matches!(code, "R-0002" | "R-0003")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{published, sent};
    use super::*;

    fn cancel(who: &str) -> Value {
        let item = {
            let order = sent();
            let of = |it: &&Value| text(it, "/resource/resourceType") == "MedicationRequest";
            let request = each(&order, "/entry").find(of).unwrap().clone();
            text(&request, "/resource/identifier/0/value").to_string()
        };
        let cancel = Cancellation {
            id: "0cb82cfa-76c8-4fb2-a08e-bf0e326e5487",
            item: &item,
            code: "0002",
            who,
        };
        cancellation(&sent(), &cancel).unwrap()
    }

    fn types(message: &Value) -> Vec<&str> {
        each(message, "/entry")
            .map(|it| text(it, "/resource/resourceType"))
            .collect()
    }

    /// Every reference that is to something in the message finds it.
    fn holds_together(message: &Value) {
        fn references(value: &Value, into: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (name, value) in members {
                        match (name.as_str(), value.as_str()) {
                            ("reference", Some(it)) => into.push(it.to_string()),
                            _ => references(value, into),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|it| references(it, into)),
                _ => {}
            }
        }
        let mut named = Vec::new();
        references(message, &mut named);
        for reference in named.iter().filter(|it| it.starts_with("urn:uuid:")) {
            let mut entries = each(message, "/entry");
            assert!(
                entries.any(|it| text(it, "/fullUrl") == reference),
                "{reference} is not in the message"
            );
        }
    }

    #[test]
    fn a_cancellation_says_what_the_published_one_says() {
        let prescriber = {
            let order = sent();
            let mut all = each(&order, "/entry");
            let found = all.find(|it| text(it, "/resource/resourceType") == "Practitioner");
            text(found.unwrap(), "/resource/name/0/text").to_string()
        };
        let own = cancel(&prescriber);
        holds_together(&own);
        let all = [
            "MessageHeader",
            "MedicationRequest",
            "Patient",
            "PractitionerRole",
            "Practitioner",
            "Organization",
        ];
        assert_eq!(types(&own), all);
        if let Some(theirs) =
            published("spec/prescribing/prescription-order-update/repeat-primary-example-req.json")
        {
            assert_eq!(types(&theirs), all);
            for place in [
                "/resourceType",
                "/type",
                "/id",
                "/entry/0/resource/eventCoding",
                "/entry/0/resource/reason",
                "/entry/1/resource/status",
                "/entry/1/resource/statusReason",
            ] {
                assert!(own.pointer(place).is_some(), "{place}");
                assert_eq!(own.pointer(place), theirs.pointer(place), "{place}");
            }
            let members = |message: &Value, at: usize| {
                let found = message.pointer(&format!("/entry/{at}/resource")).unwrap();
                let names = found.as_object().unwrap().keys().cloned();
                names.collect::<std::collections::BTreeSet<String>>()
            };
            let missing: Vec<String> = members(&theirs, 0)
                .difference(&members(&own, 0))
                .cloned()
                .collect();
            assert!(missing.is_empty(), "the header lacks {missing:?}");
            let focus = |message: &Value| {
                message["entry"][0]["resource"]["focus"]
                    .as_array()
                    .unwrap()
                    .len()
            };
            assert_eq!(focus(&own), focus(&theirs));
        }
    }

    #[test]
    fn who_cancels_what_another_prescribed_is_named_beside_them() {
        let message = cancel("Dr Ann Other");
        holds_together(&message);
        let request = &message["entry"][1]["resource"];
        let extensions = request["extension"].as_array().unwrap();
        assert!(extensions.iter().any(|it| it["url"] == RESPONSIBLE));
        let names: Vec<&str> = each(&message, "/entry")
            .map(|it| text(it, "/resource/name/0/text"))
            .filter(|it| !it.is_empty())
            .collect();
        assert!(
            names.contains(&"Dr Ann Other") && names.len() == 2,
            "{names:?}"
        );
        let cancel = Cancellation {
            id: "c",
            item: "none",
            code: "0002",
            who: "x",
        };
        assert!(cancellation(&sent(), &cancel).is_none());
    }

    #[test]
    fn the_published_answers_are_read_by_their_codes() {
        let folder = "spec/errors/prescription-order-update";
        for (file, code, is_cancelled, is_final) in [
            ("R-0002-Cancellation", "R-0002", false, true),
            ("R-0003-Cancellation", "R-0003", false, true),
            ("R-0004-Cancellation", "R-0004", false, true),
            ("R-0005-Cancellation", "R-0005", false, true),
            ("R-0006-Cancellation", "R-0006", true, true),
            ("R-0007-Cancellation", "R-0007", false, true),
            ("R-0008-Cancellation", "R-0008", false, false),
            ("R-0009-Cancellation", "R-0009", false, false),
            ("R-0010-Cancellation", "R-0010", false, true),
            ("R-5000-Cancellation", "R-5000", false, false),
            ("R-5888-Cancellation", "R-5888", false, false),
        ] {
            let Some(answer) = published(&format!("{folder}/{file}.json")) else {
                return;
            };
            let read = Outcome::read(&answer).unwrap_or_else(|| panic!("{file}"));
            assert_eq!(read.code, code);
            assert_eq!(
                (read.is_cancelled(), read.is_final()),
                (is_cancelled, is_final),
                "{file}"
            );
            assert!(!read.say().is_empty(), "{file}");
        }
        let done =
            published("spec/prescribing/prescription-order-update/repeat-primary-example-res.json");
        assert_eq!(Outcome::read(&done.unwrap()).unwrap().code, "R-0001");
        assert!(Outcome::read(&json!({ "resourceType": "OperationOutcome" })).is_none());
    }
}
