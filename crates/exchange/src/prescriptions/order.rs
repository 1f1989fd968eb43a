//! A patient asks: each item becomes a Task in the practice's store, all in one commit.

use access::Ods;
use fhir::date::Millis;
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::repeats::{self, Item, ORDER_CODE};
use serde_json::Value;
use store::prescriptions::{OrderThere, PrescriptionWrite};
use store::{Effect, Expect, Job, Release};

use super::put;
use super::task::{self, Step, Taken};
use crate::letter::Letter;

/// Items of one order at most.
pub const ITEMS_MAX: usize = 60;
/// Digits of an order's name.
const NAME_CHARS: usize = 24;

/// Who asks, for whom.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The Patient's id here.
    pub patient: &'a str,
    /// Who asks, for people to read.
    pub by: &'a str,
    /// The pharmacy that the patient chose, by its ODS code.
    pub pharmacy: Option<&'a str>,
    pub practice: &'a Ods,
    pub now: Millis,
    /// The patient's NHS number, where it goes on to the organisation's own system, which holds the medicines.
    pub there: Option<&'a str>,
    /// The name that an app gave its request; empty where a page asks.
    pub named: &'a str,
}

/// The order's name and the job that asks for these items. `tasks` are the patient's Tasks: each new one is
/// named by the one before it about the same medicine, so that of two who ask at the same time one finds
/// the other's and is refused as a `Duplicate`.
///
/// # Errors
/// `Required` without items; `TooLong` for more than 60.
pub fn order(ask: &Ask<'_>, chosen: &[&Item], tasks: &[Value]) -> Result<(String, Job), Problem> {
    if chosen.is_empty() {
        return Err(Problem::new(
            Kind::Required,
            "Choose at least one medicine.",
        ));
    }
    if chosen.len() > ITEMS_MAX {
        let message = "An order has 60 medicines at most.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    let ids: Vec<String> = chosen.iter().map(|item| name(item, tasks)).collect();
    let mut parts = vec!["order"];
    parts.extend(ids.iter().map(String::as_str));
    let order = Letter::parcel_id(&parts);
    let order = order.get(..NAME_CHARS).unwrap_or(&order).to_string();
    let mut job = Job::default();
    for (item, id) in chosen.iter().zip(&ids) {
        let mut task = task::new(&task::New {
            id,
            code: ORDER_CODE,
            group: (task::ORDER, &order),
            patient: ask.patient,
            request: &item.id,
            name: &item.name,
            dose: &item.dose,
            quantity: &item.quantity,
            requester: ask.by,
            pharmacy: ask.pharmacy,
            practice: None,
        });
        let step = match ask.there {
            Some(_) => Step::Asking,
            None => Step::Asked,
        };
        let asked = Taken::new(step, ask.now, ask.by, "");
        if !ask.named.is_empty() {
            task::name(&mut task, ask.named);
        }
        task::take(&mut task, &asked);
        let once = (Expect::Absent, Release::At(ask.now));
        job.changes.push(put(&task, ask.practice, once)?);
        if let Some(nhs_number) = ask.there {
            let order = OrderThere {
                id: id.clone(),
                nhs_number: nhs_number.to_string(),
                asked_by: ask.by.chars().take(200).collect(),
                remote: String::new(),
                tries: 0,
                due_at: ask.now,
                last_error: String::new(),
            };
            let write = PrescriptionWrite::There(Box::new(order));
            job.effects.push(Effect::Prescription(write));
        }
    }
    Ok((order, job))
}

/// The id of the next Task about that medicine.
fn name(item: &Item, tasks: &[Value]) -> String {
    let focus = format!("MedicationRequest/{}", item.id);
    let same = tasks
        .iter()
        .filter(|it| repeats::is_order(it) && text(it, "/focus/reference") == focus);
    let last = same.max_by_key(|it| (text(it, "/authoredOn"), text(it, "/id")));
    let before = last.map_or("", |it| text(it, "/id"));
    Letter::parcel_id(&["order-item", &item.id, before])
}

#[cfg(test)]
mod tests {
    use fhir::repeats::State;

    use super::*;

    fn item(id: &str) -> Item {
        Item {
            id: id.into(),
            name: "Amlodipine".into(),
            dose: String::new(),
            quantity: String::new(),
            last_issued: None,
            review_by: None,
            left: None,
            state: State::Due,
        }
    }

    #[test]
    fn the_same_ask_is_the_same_order_and_the_next_is_another() {
        let practice = Ods::parse("A81001").unwrap();
        let ask = Ask {
            patient: "jane",
            by: "Jane",
            pharmacy: None,
            practice: &practice,
            now: 1_000,
            there: None,
            named: "",
        };
        let (a, b) = (item("a"), item("b"));
        let (first, job) = order(&ask, &[&a, &b], &[]).unwrap();
        assert_eq!(job.changes.len(), 2);
        let later = Ask { now: 2_000, ..ask };
        assert_eq!(order(&later, &[&a, &b], &[]).unwrap().0, first);
        let task = task::new(&task::New {
            id: &name(&a, &[]),
            code: ORDER_CODE,
            group: (task::ORDER, &first),
            patient: "jane",
            request: "a",
            name: "",
            dose: "",
            quantity: "",
            requester: "",
            pharmacy: None,
            practice: None,
        });
        assert_ne!(order(&later, &[&a, &b], &[task]).unwrap().0, first);
        assert_eq!(order(&later, &[], &[]).unwrap_err().kind, Kind::Required);
    }
}
