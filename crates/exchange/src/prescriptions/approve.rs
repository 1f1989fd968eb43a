//! A prescriber decides: what is approved is issued, and goes to EPS where that is set up.

use access::Ods;
use fhir::date::{self, Millis};
use fhir::members::set;
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};
use store::prescriptions::{EpsKind, EpsNew, PrescriptionWrite};
use store::{Effect, Expect, Expected, Job, Release};

use super::message::{self, Prescriber, Prescription};
use super::task::{self, Item, Step, Taken};
use super::{number, put};
use crate::letter::Letter;

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// The most of a medicine that can be prescribed at a time, in its unit.
const QUANTITY_MAX: f64 = 10_000.0;

/// One item before the prescriber, as it is stored.
#[derive(Clone, Debug)]
pub struct Before {
    pub task: Value,
    pub item: Item,
    /// The MedicationRequest that allows it, and its version.
    pub plan: Value,
    pub plan_version: u64,
}

/// The act.
#[derive(Clone, Debug)]
pub struct Approval<'a> {
    pub practice: &'a Ods,
    pub practice_name: &'a str,
    /// The prescriber's name.
    pub prescriber: &'a str,
    /// The Patient as stored here.
    pub patient: &'a Value,
    /// The pharmacy's ODS code and name.
    pub pharmacy: Option<(&'a str, &'a str)>,
    /// Whether prescriptions go through EPS from here.
    pub eps: bool,
    pub now: Millis,
    /// Random: the prescription's number follows from it.
    pub seed: [u8; 16],
}

/// The job that approves these items, each with a changed quantity if one is given, as one prescription.
///
/// # Errors
/// `Required` without items; `Value` for a quantity that is no number from 1 to 10,000; `BusinessRule` for
/// what was decided already.
pub fn approve(
    approval: &Approval<'_>,
    items: &[(Before, Option<String>)],
) -> Result<Job, Problem> {
    if items.is_empty() {
        return Err(Problem::new(Kind::Required, "Nothing is to be approved."));
    }
    let prescription = number::short(approval.practice.as_str(), &approval.seed);
    let mut job = Job::default();
    let mut issues = Vec::new();
    let mut tasks = Vec::new();
    for (before, quantity) in items {
        undecided(&before.item)?;
        // An issue would be a copy without its label.
        if fhir::repeats::is_labelled(&before.plan) {
            let message =
                "A medicine with a security label is prescribed in the practice's own system.";
            return Err(Problem::new(Kind::Value, message));
        }
        let issue = issue(approval, before, quantity.as_deref(), &prescription)?;
        let mut task = before.task.clone();
        let item_number = number::uuid(&format!("{}/{prescription}", before.item.id));
        task::numbered(&mut task, &item_number, &prescription);
        task::issued(&mut task, fhir::members::text(&issue, "/id"));
        let step = if approval.eps {
            Step::Approved
        } else {
            Step::Printed
        };
        let changed = quantity
            .as_ref()
            .map(|it| format!("Quantity changed to {it}"));
        let changed = changed.unwrap_or_default();
        let taken = Taken::new(step, approval.now, approval.prescriber, changed);
        task::take(&mut task, &taken);
        let as_seen = (Expect::Version(before.item.version), Release::Keep);
        job.changes.push(put(&task, approval.practice, as_seen)?);
        let once = (Expect::Absent, Release::At(approval.now));
        job.changes.push(put(&issue, approval.practice, once)?);
        job.expected.push(Expected::Version {
            ty: "MedicationRequest".into(),
            id: before.item.request.clone(),
            version: before.plan_version,
        });
        tasks.push(before.item.id.clone());
        issues.push((item_number, issue));
    }
    if approval.eps {
        job.effects
            .push(to_eps(approval, &prescription, tasks, &issues));
    }
    Ok(job)
}

fn to_eps(
    approval: &Approval<'_>,
    prescription: &str,
    tasks: Vec<String>,
    issues: &[(String, Value)],
) -> Effect {
    let message = message::order(&Prescription {
        number: prescription,
        practice: approval.practice.as_str(),
        practice_name: approval.practice_name,
        prescriber: Prescriber {
            name: approval.prescriber,
        },
        patient: approval.patient,
        pharmacy: approval.pharmacy,
        items: issues,
        at: approval.now,
    });
    let patient = fhir::members::text(approval.patient, "/id").to_string();
    Effect::Prescription(PrescriptionWrite::Queue(Box::new(EpsNew {
        key: format!("order-{prescription}"),
        kind: EpsKind::Order,
        subject: prescription.to_string(),
        patient,
        tasks,
        draft: message.to_string(),
    })))
}

/// The MedicationRequest of one issue: based on what allows it, and no authority for more.
fn issue(
    approval: &Approval<'_>,
    before: &Before,
    quantity: Option<&str>,
    prescription: &str,
) -> Result<Value, Problem> {
    let mut issue = before.plan.clone();
    if let Some(issue) = issue.as_object_mut() {
        for name in [
            "meta",
            "text",
            "extension",
            "identifier",
            "recorder",
            "note",
        ] {
            issue.remove(name);
        }
    }
    let id = Letter::parcel_id(&["issue", &before.item.id, prescription]);
    set(&mut issue, "id", id.into());
    set(&mut issue, "status", "active".into());
    set(&mut issue, "intent", "instance-order".into());
    let plan = format!("MedicationRequest/{}", before.item.request);
    set(&mut issue, "basedOn", json!([{ "reference": plan }]));
    set(&mut issue, "authoredOn", date::instant(approval.now).into());
    set(
        &mut issue,
        "requester",
        json!({ "display": approval.prescriber }),
    );
    let group = json!({ "system": task::ORDER_NUMBER, "value": prescription });
    set(&mut issue, "groupIdentifier", group);
    let mut supply = issue
        .get("dispenseRequest")
        .cloned()
        .unwrap_or_else(|| json!({}));
    if let Some(supply) = supply.as_object_mut() {
        for name in ["initialFill", "validityPeriod", "dispenseInterval"] {
            supply.remove(name);
        }
    }
    set(&mut supply, "numberOfRepeatsAllowed", json!(0));
    if let Some(quantity) = quantity {
        changed_quantity(&mut supply, quantity)?;
    }
    if let Some((ods, name)) = approval.pharmacy {
        let identifier = json!({ "system": task::ODS, "value": ods });
        let performer = json!({ "identifier": identifier, "display": name });
        set(&mut supply, "performer", performer);
    }
    set(&mut issue, "dispenseRequest", supply);
    Ok(issue)
}

fn changed_quantity(supply: &mut Value, quantity: &str) -> Result<(), Problem> {
    let wrong = || Problem::new(Kind::Value, "A quantity is a number from 1 to 10,000.");
    let number: f64 = quantity.parse().map_err(|_| wrong())?;
    let is_plain = quantity.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    if !is_plain || !(1.0..=QUANTITY_MAX).contains(&number) {
        return Err(wrong());
    }
    let mut changed = supply.get("quantity").cloned().unwrap_or_else(|| json!({}));
    let value: serde_json::Number = serde_json::from_str(quantity).map_err(|_| wrong())?;
    set(&mut changed, "value", Value::Number(value));
    set(supply, "quantity", changed);
    Ok(())
}

/// The job that refuses these items with a reason that the patient reads: what was asked, and what EPS
/// refused, of which all items of the prescription must be given.
///
/// # Errors
/// `Required` without items or a reason; `TooLong` for a reason of more than 500 characters;
/// `BusinessRule` for what was decided already.
pub fn refuse(
    practice: &Ods,
    prescriber: &str,
    reason: &str,
    (items, now): (&[Before], Millis),
) -> Result<Job, Problem> {
    if reason.trim().is_empty() || items.is_empty() {
        let message = "Say why, in words that the patient reads.";
        return Err(Problem::new(Kind::Required, message));
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        let message = "A reason has 500 characters at most.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    let mut job = Job::default();
    let mut abandoned: Vec<&str> = Vec::new();
    for before in items {
        let number = before.item.prescription.as_str();
        match before.item.step() {
            // It must not go after all when somebody sends it again from the work list.
            Step::EpsRefused if abandoned.contains(&number) => {}
            Step::EpsRefused => abandoned.push(number),
            _ => undecided(&before.item)?,
        }
        let mut task = before.task.clone();
        let taken = Taken::new(Step::Refused, now, prescriber, reason.trim());
        task::take(&mut task, &taken);
        let as_seen = (Expect::Version(before.item.version), Release::Keep);
        job.changes.push(put(&task, practice, as_seen)?);
    }
    for subject in abandoned {
        let subject = subject.to_string();
        let abandon = PrescriptionWrite::Abandon { subject };
        job.effects.push(Effect::Prescription(abandon));
    }
    Ok(job)
}

fn undecided(item: &Item) -> Result<(), Problem> {
    if item.step() == Step::Asked {
        return Ok(());
    }
    let message = "This was decided already.";
    Err(Problem::new(Kind::BusinessRule, message))
}

#[cfg(test)]
mod tests {
    use fhir::repeats::ORDER_CODE;

    use super::*;

    fn before() -> Before {
        let mut task = task::new(&task::New {
            id: "t1",
            code: ORDER_CODE,
            group: (task::ORDER, "o1"),
            patient: "jane",
            request: "m1",
            name: "Amlodipine 5mg tablets",
            dose: "",
            quantity: "28 tablet",
            requester: "Jane",
            pharmacy: None,
            practice: None,
        });
        let asked = Taken::new(Step::Asked, 1_000, "Jane", "");
        task::take(&mut task, &asked);
        Before {
            item: Item::read(&task).unwrap(),
            task,
            plan: json!({
                "resourceType": "MedicationRequest", "id": "m1", "status": "active",
                "intent": "plan", "subject": {"reference": "Patient/jane"},
                "medicationCodeableConcept": {"text": "Amlodipine 5mg tablets"},
                "courseOfTherapyType": {"coding": [{"code": "continuous"}]},
                "dispenseRequest": {"numberOfRepeatsAllowed": 5,
                    "quantity": {"value": 28, "unit": "tablet"}},
            }),
            plan_version: 3,
        }
    }

    fn approval<'a>(practice: &'a Ods, patient: &'a Value) -> Approval<'a> {
        Approval {
            practice,
            practice_name: "High Street",
            prescriber: "Dr Bo",
            patient,
            pharmacy: Some(("FZZ01", "Corner")),
            eps: true,
            now: 86_400_000,
            seed: [1; 16],
        }
    }

    #[test]
    fn what_is_issued_is_based_on_what_allows_it_and_allows_no_more() {
        let practice = Ods::parse("A81001").unwrap();
        let patient = json!({"resourceType": "Patient", "id": "jane"});
        let approval = approval(&practice, &patient);
        let made = issue(&approval, &before(), Some("14"), "N1").unwrap();
        assert_eq!(made["basedOn"][0]["reference"], "MedicationRequest/m1");
        assert_eq!(made["intent"], "instance-order");
        assert_eq!(made["dispenseRequest"]["numberOfRepeatsAllowed"], 0);
        assert_eq!(
            made["dispenseRequest"]["quantity"]["value"].to_string(),
            "14"
        );
        assert!(!fhir::repeats::is_repeat(&made));
        for wrong in ["0", "-1", "1e9", "many", "", "10001", "NaN"] {
            let problem = issue(&approval, &before(), Some(wrong), "N1").unwrap_err();
            assert_eq!(problem.kind, Kind::Value, "{wrong}");
        }
        let job = approve(&approval, &[(before(), None)]).unwrap();
        assert_eq!(
            (job.changes.len(), job.effects.len(), job.expected.len()),
            (2, 1, 1)
        );
        let mut labelled = before();
        labelled.plan["meta"] = json!({"security": [{"system": "urn:x", "code": "HIV"}]});
        let problem = approve(&approval, &[(labelled, None)]).unwrap_err();
        assert_eq!(problem.kind, Kind::Value);
        let outside = Approval {
            eps: false,
            ..approval
        };
        assert!(
            approve(&outside, &[(before(), None)])
                .unwrap()
                .effects
                .is_empty()
        );
    }

    #[test]
    fn nothing_is_decided_twice_or_refused_without_a_reason() {
        let practice = Ods::parse("A81001").unwrap();
        let refused = |reason: &str, before: Before| {
            refuse(&practice, "Dr Bo", reason, (&[before], 1)).map_err(|it| it.kind)
        };
        assert_eq!(refused(" ", before()).unwrap_err(), Kind::Required);
        assert_eq!(
            refused(&"x".repeat(501), before()).unwrap_err(),
            Kind::TooLong
        );
        assert_eq!(refused("See us first.", before()).unwrap().changes.len(), 1);
        let mut decided = before();
        let refusal = Taken::new(Step::Refused, 2, "", "");
        decided.item.steps.push(refusal);
        assert_eq!(
            refused("Again", decided.clone()).unwrap_err(),
            Kind::BusinessRule
        );
        let patient = json!({});
        let approval = approval(&practice, &patient);
        let problem = approve(&approval, &[(decided, None)]).unwrap_err();
        assert_eq!(problem.kind, Kind::BusinessRule);
    }
}
