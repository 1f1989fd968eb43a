//! The Task of one item (<https://hl7.org/fhir/R4/task.html>): at the practice what the patient asked for,
//! at the pharmacy what is to be dispensed. Its steps stand in it, oldest first, as in the status history of
//! Patient Facing Prescriptions.

use fhir::date::{self, Millis};
use fhir::repeats::{ORDER_CODE, TASK_CODES};
use serde_json::{Value, json};

use fhir::members::{each, set, text};

/// The naming systems of what EPS numbers, and of ODS codes.
pub const ITEM_NUMBER: &str = "https://fhir.nhs.uk/Id/prescription-order-item-number";
pub const ORDER_NUMBER: &str = "https://fhir.nhs.uk/Id/prescription-order-number";
pub const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// The code system of what EPS says to a cancellation.
pub const OUTCOMES: &str = "https://fhir.nhs.uk/CodeSystem/medicationrequest-status-history";
/// The code of a Task by which a pharmacy dispenses.
pub const DISPENSE_CODE: &str = "dispense";
/// The system of the orders' names.
pub const ORDER: &str = "urn:handover:order";
/// The naming system of what apps call their requests.
const APPS_NAME: &str = "https://tools.ietf.org/html/rfc4122";
const TRACKING: &str = "https://fhir.nhs.uk/CodeSystem/task-businessStatus-nppt";
const OWN: &str = "urn:handover:prescription-step";
const HISTORY: &str =
    "https://fhir.nhs.uk/StructureDefinition/Extension-DM-PrescriptionStatusHistory";
const STEP_WHO: &str = "urn:handover:who";
const STEP_REASON: &str = "urn:handover:reason";
const STEP_EPS: &str = "urn:handover:eps";
const STATUS_NUMBER: &str = "urn:handover:status-number";
const STATUS_FROM: &str = "urn:handover:status-from";
/// Steps kept of one item: the oldest after the first go.
const STEPS_MAX: usize = 60;

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The patient asked for it.
    Asked,
    /// The patient asked for it, and the organisation's own system has not said that it has it.
    Asking,
    /// The organisation's own system has it, and nobody has looked at it yet.
    WithPractice,
    /// The patient took it back before anybody looked at it.
    Withdrawn,
    /// The prescriber said no, with a reason.
    Refused,
    /// Approved where prescriptions do not go through EPS from here: the practice prints it, or sends it
    /// from its own system.
    Printed,
    /// Approved, on its way to EPS.
    Approved,
    /// EPS did not take it.
    EpsRefused,
    /// EPS has it, and the pharmacy can fetch it.
    WithEps,
    /// The pharmacy gave it back undispensed.
    Returned,
    WithPharmacy,
    PartReady,
    /// Part was collected, the rest is owed.
    Owed,
    Ready,
    NotSupplied,
    Collected,
    /// The prescriber cancels it, and EPS has not said yet what became of that.
    Cancelling,
    /// EPS did not cancel it: the step before it stands again, behind this one.
    NotCancelled,
    Cancelled,
}

/// All of them, with the word and the system of each, and the Task's status.
const STEPS: [(Step, &str, &str, &str); 19] = [
    (Step::Asked, OWN, "asked", "requested"),
    (Step::Asking, OWN, "not-confirmed", "requested"),
    (Step::WithPractice, OWN, "confirmed", "received"),
    (Step::Withdrawn, OWN, "withdrawn", "cancelled"),
    (Step::Refused, OWN, "refused", "rejected"),
    (Step::Printed, OWN, "approved-outside-eps", "completed"),
    (Step::Approved, OWN, "approved", "accepted"),
    (Step::EpsRefused, OWN, "not-taken-by-eps", "on-hold"),
    (
        Step::WithEps,
        TRACKING,
        "Prescriber Approved",
        "in-progress",
    ),
    (Step::Returned, OWN, "returned", "in-progress"),
    (Step::WithPharmacy, TRACKING, "With Pharmacy", "in-progress"),
    (
        Step::PartReady,
        TRACKING,
        "Ready to Collect - Partial",
        "in-progress",
    ),
    (
        Step::Owed,
        TRACKING,
        "With Pharmacy - Preparing Remainder",
        "in-progress",
    ),
    (Step::Ready, TRACKING, "Ready to Collect", "in-progress"),
    (Step::NotSupplied, TRACKING, "Not Dispensed", "failed"),
    (Step::Collected, TRACKING, "Collected", "completed"),
    (Step::Cancelling, OWN, "cancelling", "in-progress"),
    (Step::NotCancelled, OWN, "not-cancelled", "in-progress"),
    (
        Step::Cancelled,
        TRACKING,
        "Prescriber Cancelled",
        "cancelled",
    ),
];

impl Step {
    /// Its word on the wire and in Tasks.
    pub fn code(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Step, &'static str, &'static str, &'static str) {
        let mut rows = STEPS.into_iter();
        // The table has all of them; a test holds it.
        rows.find(|row| row.0 == self).unwrap_or(STEPS[0])
    }

    pub fn from_code(code: &str) -> Option<Step> {
        let mut rows = STEPS.into_iter();
        rows.find(|row| row.2 == code).map(|row| row.0)
    }

    /// Whether it is a pharmacy's to tell.
    pub fn is_pharmacys(self) -> bool {
        matches!(
            self,
            Step::Returned
                | Step::WithPharmacy
                | Step::PartReady
                | Step::Owed
                | Step::Ready
                | Step::NotSupplied
                | Step::Collected
        )
    }

    /// Whether it is about cancelling.
    pub fn is_cancelling(self) -> bool {
        matches!(
            self,
            Step::Cancelling | Step::NotCancelled | Step::Cancelled
        )
    }

    /// Whether a prescriber can still have it cancelled: EPS has it, or is being sent it.
    pub fn may_be_cancelled(self) -> bool {
        let is_open = self.is_pharmacys() && !self.is_end();
        is_open || matches!(self, Step::Approved | Step::WithEps)
    }

    /// Whether the Task's own words say that nothing more will come.
    pub fn is_end(self) -> bool {
        matches!(
            self.row().3,
            "completed" | "failed" | "rejected" | "cancelled"
        )
    }
}

/// One step that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub step: Step,
    pub at: Millis,
    /// A person or an organisation, for people to read.
    pub who: String,
    /// Why, or what is owed; empty for nothing.
    pub reason: String,
    /// The code by which EPS said it, one of `OUTCOMES`; empty where it is not EPS's word on a cancellation.
    pub eps: String,
}

impl Taken {
    /// A step that EPS says nothing of.
    pub fn new(step: Step, at: Millis, who: impl Into<String>, reason: impl Into<String>) -> Taken {
        Taken {
            step,
            at,
            who: who.into(),
            reason: reason.into(),
            eps: String::new(),
        }
    }
}

/// An item, as its Task tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub id: String,
    /// The Task's version; 0 if it is not stored yet.
    pub version: u64,
    /// The order that it was asked for in; at a pharmacy the prescription's number.
    pub order: String,
    /// The Patient's id here.
    pub patient: String,
    /// The id of the MedicationRequest that it is about.
    pub request: String,
    pub name: String,
    pub dose: String,
    pub quantity: String,
    /// EPS's number of the item, and of its prescription; empty before it is approved.
    pub number: String,
    pub prescription: String,
    /// ODS codes of the pharmacy and of the practice; empty where none is named.
    pub pharmacy: String,
    pub practice: String,
    /// The last status that was told of it, by its number, and by which pharmacy.
    pub told: i64,
    pub told_by: String,
    pub steps: Vec<Taken>,
}

impl Item {
    /// Reads a Task of this node's. `None` for any other Task.
    pub fn read(task: &Value) -> Option<Item> {
        let mut codes = each(task, "/code/coding");
        codes.find(|it| {
            text(it, "/system") == TASK_CODES
                && matches!(text(it, "/code"), ORDER_CODE | DISPENSE_CODE)
        })?;
        let identifier = |system: &str| {
            let mut all = each(task, "/identifier");
            let found = all.find(|it| text(it, "/system") == system);
            found.map_or(String::new(), |it| text(it, "/value").to_string())
        };
        let input = |name: &str| {
            let mut all = each(task, "/input");
            all.find(|it| text(it, "/type/text") == name)
        };
        let said = |name: &str| {
            input(name)
                .map_or("", |it| text(it, "/valueString"))
                .to_string()
        };
        let ods = |it: Option<&Value>| {
            it.map_or("", |it| text(it, "/valueReference/identifier/value"))
                .to_string()
        };
        let version = text(task, "/meta/versionId").parse().unwrap_or(0);
        let own = |place: &str, before: &str| {
            let reference = text(task, place).strip_prefix(before);
            reference.unwrap_or_default().to_string()
        };
        let extension = |url: &str| {
            let mut extensions = each(task, "/extension");
            extensions.find(|it| text(it, "/url") == url)
        };
        let told = extension(STATUS_NUMBER);
        let told_by = extension(STATUS_FROM).map_or("", |it| text(it, "/valueString"));
        Some(Item {
            id: text(task, "/id").to_string(),
            version,
            order: text(task, "/groupIdentifier/value").to_string(),
            patient: own("/for/reference", "Patient/"),
            request: own("/focus/reference", "MedicationRequest/"),
            name: text(task, "/description").to_string(),
            dose: said("dose"),
            quantity: said("quantity"),
            number: identifier(ITEM_NUMBER),
            prescription: identifier(ORDER_NUMBER),
            pharmacy: ods(input("pharmacy")),
            practice: ods(input("practice")),
            told: told
                .and_then(|it| it.get("valueInteger")?.as_i64())
                .unwrap_or(0),
            told_by: told_by.to_string(),
            steps: steps(task),
        })
    }

    /// How far it is.
    pub fn step(&self) -> Step {
        self.steps.last().map_or(Step::Asked, |it| it.step)
    }

    /// Why, or what is owed, as the last step says.
    pub fn reason(&self) -> &str {
        self.steps.last().map_or("", |it| it.reason.as_str())
    }

    /// What came last of cancelling it, if somebody did.
    pub fn cancelling(&self) -> Option<&Taken> {
        self.steps.iter().rfind(|it| it.step.is_cancelling())
    }

    /// Where it stands without regard to cancelling.
    pub fn before_cancelling(&self) -> Option<&Taken> {
        self.steps.iter().rfind(|it| !it.step.is_cancelling())
    }

    pub fn asked_at(&self) -> Millis {
        self.steps.first().map_or(0, |it| it.at)
    }
}

fn steps(task: &Value) -> Vec<Taken> {
    let part = |history: &Value, url: &str| {
        let mut parts = each(history, "/extension");
        parts.find(|it| text(it, "/url") == url).cloned()
    };
    let read = |history: &Value| {
        let status = part(history, "status")?;
        let said = |url: &str| {
            let found = part(history, url);
            found.map_or(String::new(), |it| text(&it, "/valueString").to_string())
        };
        let at = part(history, "statusDate")?;
        let eps = part(history, STEP_EPS);
        Some(Taken {
            step: Step::from_code(text(&status, "/valueCoding/code"))?,
            at: date::span(text(&at, "/valueDateTime"))?.low,
            who: said(STEP_WHO),
            reason: said(STEP_REASON),
            eps: eps.map_or(String::new(), |it| {
                text(&it, "/valueCoding/code").to_string()
            }),
        })
    };
    let histories = each(task, "/extension").filter(|it| text(it, "/url") == HISTORY);
    histories.filter_map(read).collect()
}

/// What a new Task says.
pub struct New<'n> {
    pub id: &'n str,
    /// `ORDER_CODE` or `DISPENSE_CODE`.
    pub code: &'static str,
    /// System and value of its group.
    pub group: (&'static str, &'n str),
    pub patient: &'n str,
    pub request: &'n str,
    pub name: &'n str,
    pub dose: &'n str,
    pub quantity: &'n str,
    /// Who asks for it, for people to read.
    pub requester: &'n str,
    pub pharmacy: Option<&'n str>,
    pub practice: Option<&'n str>,
}

/// A Task before its first step.
pub fn new(new: &New<'_>) -> Value {
    let said = |name: &str, value: &str| json!({ "type": { "text": name }, "valueString": value });
    let organisation = |name: &str, ods: &str| {
        json!({
            "type": { "text": name },
            "valueReference": { "identifier": { "system": ODS, "value": ods } },
        })
    };
    let mut input = Vec::new();
    let texts = [("dose", new.dose), ("quantity", new.quantity)];
    let texts = texts.iter().filter(|(_, value)| !value.is_empty());
    input.extend(texts.map(|(name, value)| said(name, value)));
    let organisations = [("pharmacy", new.pharmacy), ("practice", new.practice)];
    for (name, ods) in organisations {
        input.extend(ods.map(|ods| organisation(name, ods)));
    }
    let mut task = json!({
        "resourceType": "Task",
        "id": new.id,
        "groupIdentifier": { "system": new.group.0, "value": new.group.1 },
        "status": "requested",
        "intent": "order",
        "code": { "coding": [{ "system": TASK_CODES, "code": new.code }] },
        "description": new.name,
        "focus": { "reference": format!("MedicationRequest/{}", new.request) },
        "for": { "reference": format!("Patient/{}", new.patient) },
    });
    if !new.requester.is_empty() {
        set(&mut task, "requester", json!({ "display": new.requester }));
    }
    if !input.is_empty() {
        set(&mut task, "input", Value::Array(input));
    }
    task
}

/// Gives a Task the name that an app gave its request.
pub(crate) fn name(task: &mut Value, named: &str) {
    set(
        task,
        "identifier",
        json!([{ "system": APPS_NAME, "value": named }]),
    );
}

/// Takes a step: the Task's status and its history say so.
pub fn take(task: &mut Value, taken: &Taken) {
    let (_, system, code, status) = taken.step.row();
    let at = date::instant(taken.at);
    set(task, "status", status.into());
    let business = json!({ "coding": [{ "system": system, "code": code }] });
    set(task, "businessStatus", business);
    if task.get("authoredOn").is_none() {
        set(task, "authoredOn", at.clone().into());
    }
    set(task, "lastModified", at.clone().into());
    if let Some(task) = task.as_object_mut() {
        task.remove("statusReason");
    }
    let mut parts = vec![
        json!({ "url": "statusDate", "valueDateTime": at }),
        json!({ "url": "status", "valueCoding": { "system": system, "code": code } }),
    ];
    if !taken.who.is_empty() {
        parts.push(json!({ "url": STEP_WHO, "valueString": taken.who }));
    }
    if !taken.reason.is_empty() {
        parts.push(json!({ "url": STEP_REASON, "valueString": taken.reason }));
        set(task, "statusReason", json!({ "text": taken.reason }));
    }
    if !taken.eps.is_empty() {
        let coding = json!({ "system": OUTCOMES, "code": taken.eps });
        parts.push(json!({ "url": STEP_EPS, "valueCoding": coding }));
    }
    let step = json!({ "url": HISTORY, "extension": parts });
    let mut extensions: Vec<Value> = each(task, "/extension").cloned().collect();
    extensions.push(step);
    if extensions.len() > STEPS_MAX {
        extensions.remove(1);
    }
    set(task, "extension", Value::Array(extensions));
}

/// Notes the number of the last status that was told of it, and by which pharmacy.
pub fn told(task: &mut Value, number: i64, by: &str) {
    let own = [STATUS_NUMBER, STATUS_FROM];
    let others = each(task, "/extension").filter(|it| !own.contains(&text(it, "/url")));
    let mut extensions: Vec<Value> = others.cloned().collect();
    extensions.push(json!({ "url": STATUS_NUMBER, "valueInteger": number }));
    extensions.push(json!({ "url": STATUS_FROM, "valueString": by }));
    set(task, "extension", Value::Array(extensions));
}

/// Notes EPS's numbers of the item and its prescription.
pub fn numbered(task: &mut Value, item: &str, prescription: &str) {
    let identifiers = json!([
        { "system": ITEM_NUMBER, "value": item },
        { "system": ORDER_NUMBER, "value": prescription },
    ]);
    set(task, "identifier", identifiers);
}

/// Notes the MedicationRequest that came of it.
pub fn issued(task: &mut Value, request: &str) {
    let output = json!([{
        "type": { "text": "prescription" },
        "valueReference": { "reference": format!("MedicationRequest/{request}") },
    }]);
    set(task, "output", output);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Value {
        new(&New {
            id: "t1",
            code: ORDER_CODE,
            group: (ORDER, "o1"),
            patient: "jane",
            request: "m1",
            name: "Amlodipine 5mg tablets",
            dose: "One a day",
            quantity: "28 tablet",
            requester: "Jane",
            pharmacy: Some("FZZ01"),
            practice: None,
        })
    }

    #[test]
    fn a_task_tells_its_item_and_all_steps_again() {
        let mut task = made();
        let taken = |step, at, reason: &str| Taken::new(step, at, "Dr Bo", reason);
        let steps = vec![
            taken(Step::Asked, 1_000, ""),
            taken(Step::Approved, 2_000, ""),
            Taken {
                eps: "R-0002".into(),
                ..taken(Step::NotCancelled, 2_500, "The pharmacy has it.")
            },
            taken(Step::PartReady, 3_000, "14 tablets are owed"),
        ];
        for step in &steps {
            take(&mut task, step);
        }
        told(&mut task, 4, "FZZ02");
        told(&mut task, 5, "FZZ01");
        numbered(&mut task, "i1", "N1");
        issued(&mut task, "m2");
        let item = Item::read(&task).unwrap();
        assert_eq!(item.steps, steps);
        assert_eq!(
            (item.step(), item.reason()),
            (Step::PartReady, "14 tablets are owed")
        );
        assert_eq!((item.told, item.told_by.as_str()), (5, "FZZ01"));
        assert_eq!(item.asked_at(), 1_000);
        assert_eq!((item.order.as_str(), item.patient.as_str()), ("o1", "jane"));
        assert_eq!(
            (item.pharmacy.as_str(), item.practice.as_str()),
            ("FZZ01", "")
        );
        assert_eq!(
            (item.number.as_str(), item.prescription.as_str()),
            ("i1", "N1")
        );
        assert_eq!(item.request, "m1");
        assert_eq!(task["status"], "in-progress");
        let text = task.to_string();
        let json = fhir::json::parse(text.as_bytes(), &fhir::json::Limits::default()).unwrap();
        fhir::validate::validate(&json, fhir::definitions::Definitions::r4()).unwrap();
    }

    #[test]
    fn each_step_has_one_word_and_any_other_task_is_none_of_ours() {
        for (step, _, code, _) in STEPS {
            assert_eq!(Step::from_code(code), Some(step));
            assert_eq!(step.code(), code);
        }
        assert_eq!(Step::from_code("Lost"), None);
        assert_eq!(
            Item::read(&json!({"resourceType": "Task", "status": "draft"})),
            None
        );
        assert!(Step::Collected.is_end() && !Step::Ready.is_end());
    }

    #[test]
    fn a_task_never_grows_without_end() {
        let mut task = made();
        for at in 0..200 {
            take(&mut task, &Taken::new(Step::Asked, at, "", ""));
        }
        let item = Item::read(&task).unwrap();
        assert_eq!(item.steps.len(), STEPS_MAX);
        assert_eq!((item.asked_at(), item.steps.last().unwrap().at), (0, 199));
    }
}
