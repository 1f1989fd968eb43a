//! A prescriber cancels an item of what was sent to EPS, which says what became of it: that is shown, to the prescriber and
//! the patient, and nothing is called cancelled before EPS has said so.

use access::{Interaction, Outcome as Logged, Target};
use fhir::date::Millis;
use fhir::members::{each, set, text};
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};
use store::prescriptions::{EpsKind, EpsMessage, EpsNew, PrescriptionWrite};
use store::{Change, Effect, Expect, Job, Reading, Release};

use super::approve::{Before, REASON_CHARS_MAX};
use super::carry::scope;
use super::eps::{Answer, Eps};
use super::message::cancel::{Cancellation, Outcome, cancellation, is_mark, reason};
use super::number;
use super::put;
use super::task::{self, Item, Step, Taken};
use crate::exchange::Exchange;

/// Who is told what EPS says.
const EPS: &str = "EPS";
/// What the words of a mark hold in a Task of before EPS's code stood in its steps. Such Tasks may still be here.
const MARKS: [&str; 2] = ["(EPS R-0002:", "(EPS R-0003:"];

/// What a prescriber asks for.
#[derive(Clone, Copy, Debug)]
pub struct Cancel<'c> {
    pub prescriber: &'c str,
    /// One of EPS's codes.
    pub code: &'c str,
    /// In the prescriber's words, which the patient reads; may be empty.
    pub words: &'c str,
    pub now: Millis,
}

impl Exchange {
    /// The job that asks EPS to cancel this item. Whether it is cancelled EPS says later.
    ///
    /// # Errors
    /// `Required` without one of EPS's reasons; `TooLong` for words of more than 500 characters; `BusinessRule` if it was not
    /// sent to EPS from here, or nothing can be cancelled any more.
    pub async fn cancel_item(&self, before: &Before, cancel: &Cancel<'_>) -> Result<Job, Problem> {
        let item = &before.item;
        let Some(why) = reason(cancel.code) else {
            return Err(Problem::new(Kind::Required, "Choose why it is cancelled."));
        };
        if cancel.words.chars().count() > REASON_CHARS_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "A reason has 500 characters at most.",
            ));
        }
        let not_here = || {
            let message = "This was not sent to the national service from here, or it cannot be cancelled any more.";
            Problem::new(Kind::BusinessRule, message)
        };
        if !item.step().may_be_cancelled() || item.number.is_empty() {
            return Err(not_here());
        }
        let order = self.store.eps_order(&scope(), &item.prescription).await?;
        let order: Value = serde_json::from_str(&order.ok_or_else(not_here)?).map_err(|cause| {
            Problem::new(Kind::Exception, "A prescription here does not read.").because(cause)
        })?;
        let earlier = item.steps.iter().filter(|it| it.step == Step::Cancelling);
        let key = format!("cancel-{}-{}", item.number, earlier.count());
        let id = number::uuid(&key);
        let asked = Cancellation {
            id: &id,
            item: &item.number,
            code: cancel.code,
            who: cancel.prescriber,
        };
        let message = cancellation(&order, &asked).ok_or_else(not_here)?;
        let mut task = before.task.clone();
        let why = match cancel.words.trim() {
            "" => why.to_string(),
            words => format!("{why}: {words}"),
        };
        let taken = Taken::new(Step::Cancelling, cancel.now, cancel.prescriber, why);
        task::take(&mut task, &taken);
        let as_seen = (Expect::Version(item.version), Release::Keep);
        let mut job = Job::change(put(&task, self.organisation(), as_seen)?);
        let new = EpsNew {
            key,
            kind: EpsKind::Cancel,
            subject: item.prescription.clone(),
            patient: item.patient.clone(),
            tasks: vec![item.id.clone()],
            draft: message.to_string(),
        };
        let queued = PrescriptionWrite::Queue(Box::new(new));
        job.effects.push(Effect::Prescription(queued));
        Ok(job)
    }

    /// Sends a cancellation; gives whether EPS answered it.
    pub(super) async fn carry_cancellation(
        &self,
        eps: &Eps,
        message: &EpsMessage,
    ) -> Result<bool, Problem> {
        let now = self.store.now();
        let number = message.number;
        let answer = eps.cancel(&message.key, &message.payload, now).await;
        let (write, outcome, said) = match answer {
            Answer::Taken(answer) => {
                let outcome = Outcome::read(&answer);
                let said = outcome.as_ref().map_or(String::new(), Outcome::say);
                (PrescriptionWrite::Sent { number }, outcome, said)
            }
            Answer::NotNow(why) => {
                self.later(message, why).await?;
                return Ok(false);
            }
            Answer::Refused(reason) => {
                tracing::warn!(message = number, "EPS refused a cancellation");
                let said = "The national service did not take the cancellation. The practice is looking at it.";
                (
                    PrescriptionWrite::Refused { number, reason },
                    None,
                    said.to_string(),
                )
            }
        };
        let mut job = Job::effect(Effect::Prescription(write));
        for id in &message.tasks {
            self.note_cancelling(id, (outcome.as_ref(), &said), &mut job)
                .await?;
        }
        let target = Target {
            patient: (!message.patient.is_empty()).then(|| message.patient.clone()),
            query: Some(format!("eps-message={number}").into()),
            ..Target::default()
        };
        let line = scope().trace(Interaction::System, Logged::Success, target);
        job.traces.push(line);
        self.store.commit(&scope(), job).await?;
        Ok(true)
    }

    /// Notes at the item what EPS said. Of a message that it did not take there is no outcome.
    async fn note_cancelling(
        &self,
        id: &str,
        (outcome, said): (Option<&Outcome>, &str),
        job: &mut Job,
    ) -> Result<(), Problem> {
        let Reading::Found(version) = self.store.read(&scope(), "Task", id).await? else {
            return Ok(());
        };
        let mut task: Value = serde_json::from_slice(&version.body).unwrap_or(Value::Null);
        let Some(item) = Item::read(&task).filter(|it| it.step() != Step::Cancelled) else {
            return Ok(());
        };
        let now = self.store.now();
        let by_eps = |step, reason: &str| Taken {
            eps: outcome.map_or(String::new(), |it| it.code.clone()),
            ..Taken::new(step, now, EPS, reason)
        };
        if outcome.is_some_and(Outcome::is_cancelled) {
            let why = item.cancelling().map_or("", |it| it.reason.as_str());
            task::take(&mut task, &by_eps(Step::Cancelled, why));
            job.changes.extend(self.cancelled_issue(&task, why).await?);
        } else {
            task::take(&mut task, &by_eps(Step::NotCancelled, said));
            // Where it stood, and what was said of that, stands again.
            if let Some(stood) = item.before_cancelling() {
                let again = Taken {
                    at: now,
                    ..stood.clone()
                };
                task::take(&mut task, &again);
            }
        }
        let as_read = (Expect::Version(version.version), Release::Keep);
        job.changes.push(put(&task, self.organisation(), as_read)?);
        Ok(())
    }

    /// The MedicationRequest of a cancelled item says so too.
    pub(super) async fn cancelled_issue(
        &self,
        task: &Value,
        why: &str,
    ) -> Result<Option<Change>, Problem> {
        let mut outputs = each(task, "/output").map(|it| text(it, "/valueReference/reference"));
        let id = outputs.find_map(|it| it.strip_prefix("MedicationRequest/"));
        let Some(id) = id else { return Ok(None) };
        let Reading::Found(version) = self.store.read(&scope(), "MedicationRequest", id).await?
        else {
            return Ok(None);
        };
        let mut issue: Value = serde_json::from_slice(&version.body).unwrap_or(Value::Null);
        set(&mut issue, "status", "cancelled".into());
        set(&mut issue, "statusReason", json!({ "text": why }));
        let as_read = (Expect::Version(version.version), Release::Keep);
        put(&issue, self.organisation(), as_read).map(Some)
    }
}

/// Whether EPS cancels it once the pharmacy gives it back, as it said when it did not.
pub(super) fn is_marked(item: &Item) -> bool {
    let last = item.cancelling();
    let not_cancelled = last.filter(|it| it.step == Step::NotCancelled);
    not_cancelled.is_some_and(|it| match it.eps.as_str() {
        "" => MARKS.iter().any(|mark| it.reason.contains(mark)),
        code => is_mark(code),
    })
}

/// The step that follows from giving back what was marked.
pub(super) fn cancelled_by_return(item: &Item, at: Millis) -> Taken {
    let asked = item.steps.iter().rfind(|it| it.step == Step::Cancelling);
    let why = asked.map_or("", |it| it.reason.as_str());
    Taken::new(Step::Cancelled, at, EPS, why)
}

#[cfg(test)]
mod tests {
    use fhir::repeats::ORDER_CODE;

    use super::*;

    /// An item that was not cancelled, and stands where it stood.
    fn item(reason: &str, eps: &str) -> Item {
        let mut task = task::new(&task::New {
            id: "t1",
            code: ORDER_CODE,
            group: (task::ORDER, "o1"),
            patient: "jane",
            request: "m1",
            name: "Amlodipine 5mg tablets",
            dose: "",
            quantity: "",
            requester: "Jane",
            pharmacy: Some("FZZ01"),
            practice: None,
        });
        for step in [
            Taken::new(Step::WithPharmacy, 1_000, "FZZ01", ""),
            Taken::new(Step::Cancelling, 2_000, "Dr Bo", "Prescribing Error"),
            Taken {
                eps: eps.into(),
                ..Taken::new(Step::NotCancelled, 3_000, EPS, reason)
            },
            Taken::new(Step::WithPharmacy, 3_000, "FZZ01", ""),
        ] {
            task::take(&mut task, &step);
        }
        Item::read(&task).unwrap()
    }

    fn said(code: &str) -> String {
        let outcome = Outcome {
            code: code.into(),
            words: "With dispenser".into(),
        };
        outcome.say()
    }

    #[test]
    fn what_eps_marked_is_told_by_its_code_whatever_the_words() {
        for code in ["R-0002", "R-0003"] {
            assert!(is_marked(&item("Other words.", code)), "{code}");
        }
        for code in ["R-0004", "R-0005", "R-0007", "R-0010"] {
            assert!(!is_marked(&item(&said("R-0002"), code)), "{code}");
        }
    }

    #[test]
    fn in_a_task_without_a_code_the_words_tell_what_eps_marked() {
        for code in ["R-0002", "R-0003"] {
            assert!(is_marked(&item(&said(code), "")), "{code}");
        }
        for code in ["R-0004", "R-0007"] {
            assert!(!is_marked(&item(&said(code), "")), "{code}");
        }
        assert!(!is_marked(&item("", "")));
    }
}
