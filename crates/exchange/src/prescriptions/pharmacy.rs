//! At the pharmacy: prescriptions are fetched from EPS, and each item is dispensed, part-dispensed, not
//! supplied or given back. What is done here, the message to EPS and the parcel to the practice are one
//! commit.

mod taking;

use access::Scope;
use fhir::date;
use fhir::members::{each, set, text};
use fhir::problem::{Kind, Problem};
use fhir::repeats;
use serde_json::{Value, json};
use store::prescriptions::{EpsKind, EpsNew, PrescriptionWrite};
use store::{Effect, Expect, Job, Reading, Release};

use super::eps::Answer;
use super::message;
use super::status::{StatusItem, StatusText};
use super::task::{self, Item, Step, Taken};
use super::{number, put};
use crate::exchange::Exchange;
use crate::letter::Letter;
use crate::manifest::PatientNamed;
use crate::taking_in::passes;

/// The longest reason, or description of what is owed, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// What a pharmacist does with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// All of it (or of what was owed) is ready to be collected.
    Ready,
    /// Part of it is; what is owed is said.
    Part {
        owed: String,
    },
    NotSupplied {
        reason: String,
    },
    Collected,
    /// The prescription goes back to EPS, all items together.
    Return {
        reason: String,
    },
}

/// What came of fetching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Prescriptions that came now.
    pub prescriptions: usize,
    /// Those in the answer that could not be taken in: the question stands on the work list for them.
    pub unread: usize,
}

impl Exchange {
    /// Whether prescriptions go through EPS from here.
    pub fn has_eps(&self) -> bool {
        self.settings.eps.is_some()
    }

    /// Fetches what is waiting at EPS for this pharmacy, or the prescription of that number. The question is kept before it is asked and is
    /// asked again under its own name until its answer is taken in, so that nothing that EPS has handed
    /// over is lost on the way.
    ///
    /// # Errors
    /// `NotSupported` without EPS; `Transient` if it does not answer; `Processing` if it refuses; those of
    /// the store.
    pub async fn fetch_prescriptions(
        &self,
        scope: &Scope,
        number: Option<&str>,
    ) -> Result<Fetched, Problem> {
        let Some(eps) = self.settings.eps.clone() else {
            let message = "This node is not connected to EPS.";
            return Err(Problem::new(Kind::NotSupported, message));
        };
        let own = super::carry::scope();
        let mut fetched = Fetched::default();
        // One that was left open is asked first; then what is new since.
        for is_left in [true, false] {
            if is_left && self.open_question(&own).await?.is_none() {
                continue;
            }
            let question = self.question(&own, number).await?;
            let number = question.number;
            match eps
                .release(&question.key, &question.payload, self.store.now())
                .await
            {
                Answer::Taken(answer) => {
                    let came = Box::pin(self.take_prescriptions(scope, number, &answer)).await?;
                    fetched.prescriptions += came.prescriptions;
                    fetched.unread += came.unread;
                }
                Answer::NotNow(reason) => {
                    let later = PrescriptionWrite::Later {
                        number,
                        next_try: 0,
                        reason: reason.clone(),
                    };
                    let job = Job::effect(Effect::Prescription(later));
                    self.store.commit(&own, job).await?;
                    return Err(Problem::new(Kind::Transient, reason));
                }
                Answer::Refused(reason) => {
                    let refused = PrescriptionWrite::Refused {
                        number,
                        reason: reason.clone(),
                    };
                    let job = Job::effect(Effect::Prescription(refused));
                    self.store.commit(&own, job).await?;
                    return Err(Problem::new(Kind::Processing, reason));
                }
            }
        }
        Ok(fetched)
    }

    async fn open_question(
        &self,
        own: &Scope,
    ) -> Result<Option<store::prescriptions::EpsMessage>, Problem> {
        let release = Some(EpsKind::Release);
        let open = self.store.eps_waiting(own, release, 1).await?;
        Ok(open.into_iter().next())
    }

    /// The question to be asked: the one that is open, or a new one.
    async fn question(
        &self,
        own: &Scope,
        number: Option<&str>,
    ) -> Result<store::prescriptions::EpsMessage, Problem> {
        if let Some(open) = self.open_question(own).await? {
            return Ok(open);
        }
        let id = uuid::Uuid::new_v4().to_string();
        let pharmacy = self.organisation().as_str();
        let name = self.book.name(pharmacy);
        let new = EpsNew {
            key: format!("release-{id}"),
            kind: EpsKind::Release,
            subject: String::new(),
            patient: String::new(),
            tasks: Vec::new(),
            draft: message::release(&id, (pharmacy, &name), number).to_string(),
        };
        let queue = PrescriptionWrite::Queue(Box::new(new));
        let job = Job::effect(Effect::Prescription(queue));
        self.store.commit(own, job).await?;
        let open = self.open_question(own).await?;
        open.ok_or_else(|| Problem::new(Kind::Transient, "Somebody fetches at the same time."))
    }

    /// Puts what came into the store, in one commit with the end of the question. Where something does not
    /// read, the question goes onto the work list: asked again from there, it is answered the same.
    async fn take_prescriptions(
        &self,
        scope: &Scope,
        number: i64,
        answer: &Value,
    ) -> Result<Fetched, Problem> {
        let mut fetched = Fetched::default();
        let mut job = Job::default();
        let mut patients: Vec<String> = Vec::new();
        for came in message::released(answer) {
            let mut one = Job::default();
            let taken = match &came {
                Ok(came) => {
                    Box::pin(self.take_prescription(scope, came, &mut patients, &mut one)).await
                }
                Err(_) => Err(Problem::new(
                    Kind::Structure,
                    "A prescription does not read.",
                )),
            };
            match taken {
                Ok(is_new) => {
                    fetched.prescriptions += usize::from(is_new);
                    job.changes.extend(one.changes);
                    job.effects.extend(one.effects);
                }
                Err(problem) if passes(&problem) => return Err(problem),
                Err(problem) => {
                    tracing::error!(?problem, "a prescription from EPS was not taken in");
                    fetched.unread += 1;
                }
            }
        }
        let end = match fetched.unread {
            0 => PrescriptionWrite::Sent { number },
            unread => PrescriptionWrite::Refused {
                number,
                reason: format!(
                    "EPS answered, but {unread} of the prescriptions in its answer could not be taken in."
                ),
            },
        };
        job.effects.push(Effect::Prescription(end));
        self.store.commit(scope, job).await?;
        Ok(fetched)
    }

    /// Does that with these items, which are all of one prescription.
    ///
    /// # Errors
    /// `NotFound` for what is not here; `Required` without a reason where one is needed; `BusinessRule`
    /// where the act does not fit how far an item is; `Conflict` if somebody else was quicker.
    pub async fn dispense(
        &self,
        scope: &Scope,
        tasks: &[String],
        act: &Act,
    ) -> Result<(), Problem> {
        let reason = reason(act)?;
        let mut job = Job::default();
        let mut told = Vec::new();
        let mut about: Option<Item> = None;
        for id in tasks {
            let (mut task, item) = self.dispensing(scope, id).await?;
            if about.as_ref().is_some_and(|it| it.order != item.order) {
                let message = "These are of more than one prescription.";
                return Err(Problem::new(Kind::BusinessRule, message));
            }
            let step = next(item.step(), act)?;
            let (now, who) = (self.store.now(), scope.agent().name.as_str());
            let taken = Taken::new(step, now, who, reason.as_str());
            task::take(&mut task, &taken);
            let number = item.told + 1;
            task::told(&mut task, number, self.organisation().as_str());
            let as_read = (Expect::Version(item.version), Release::Keep);
            job.changes.push(put(&task, self.organisation(), as_read)?);
            told.push(StatusItem {
                item: item.number.clone(),
                number,
                status: step.code().to_string(),
                reason: reason.clone(),
            });
            if matches!(step, Step::Ready | Step::PartReady | Step::NotSupplied) {
                self.dispensed(scope, &item, (step, &reason), &mut job)
                    .await?;
            }
            about = Some(item);
        }
        let Some(about) = about else {
            return Err(Problem::new(Kind::Required, "Choose what it is about."));
        };
        if let Act::Return { reason } = act {
            self.give_back(&about, reason, &mut job);
        }
        let who = self.person_of(scope, &about.patient).await?;
        let status = StatusText {
            prescription: about.prescription.clone(),
            at: self.store.now(),
            items: told,
        };
        job.effects
            .extend(self.status_to(&about.practice, (&about.patient, who), status)?);
        self.store.commit(scope, job).await.map(|_| ())
    }

    async fn dispensing(&self, scope: &Scope, id: &str) -> Result<(Value, Item), Problem> {
        let gone = || Problem::new(Kind::NotFound, "There is no such prescription here.");
        let Reading::Found(version) = self.store.read(scope, "Task", id).await? else {
            return Err(gone());
        };
        let task: Value = serde_json::from_slice(&version.body).unwrap_or(Value::Null);
        let item = Item::read(&task).filter(|_| !repeats::is_order(&task));
        let mut item = item.ok_or_else(gone)?;
        item.version = version.version;
        Ok((task, item))
    }

    async fn person_of(&self, scope: &Scope, patient: &str) -> Result<PatientNamed, Problem> {
        match self.store.read(scope, "Patient", patient).await? {
            Reading::Found(version) => {
                let resource = serde_json::from_slice(&version.body).unwrap_or(Value::Null);
                Ok(named(&resource))
            }
            _ => Err(Problem::new(
                Kind::NotFound,
                "The prescription's patient is not shown to you.",
            )),
        }
    }

    /// The MedicationDispense, and the message that tells EPS.
    async fn dispensed(
        &self,
        scope: &Scope,
        item: &Item,
        (step, reason): (Step, &str),
        job: &mut Job,
    ) -> Result<(), Problem> {
        let who = self.person_of(scope, &item.patient).await?;
        let key = format!("dispense-{}-{}", item.number, item.told + 1);
        let message = message::notification(
            &number::uuid(&key),
            (self.organisation().as_str(), &scope.agent().name),
            &message::Told {
                item: &item.number,
                prescription: &item.prescription,
                step,
                reason,
                medicine: &item.name,
                nhs_number: who.nhs_number.as_deref().unwrap_or_default(),
            },
            self.store.now(),
        );
        let mut entries = each(&message, "/entry").filter_map(|it| it.get("resource"));
        if let Some(dispense) = entries.find(|it| text(it, "/resourceType") == "MedicationDispense")
        {
            let mut dispense = dispense.clone();
            set(&mut dispense, "id", Letter::parcel_id(&[&key]).into());
            let subject = json!({ "reference": format!("Patient/{}", item.patient) });
            set(&mut dispense, "subject", subject);
            let request = format!("MedicationRequest/{}", item.request);
            let request = json!([{ "reference": request }]);
            set(&mut dispense, "authorizingPrescription", request);
            let once = (Expect::Absent, Release::At(self.store.now()));
            job.changes.push(put(&dispense, self.organisation(), once)?);
        }
        job.effects.push(queue(
            EpsKind::Notification,
            &key,
            item,
            message.to_string(),
        ));
        Ok(())
    }

    fn give_back(&self, item: &Item, reason: &str, job: &mut Job) {
        let key = format!("return-{}-{}", item.prescription, item.told + 1);
        let message = message::returned(
            &number::uuid(&key),
            self.organisation().as_str(),
            (&item.prescription, reason),
            self.store.now(),
        );
        job.effects
            .push(queue(EpsKind::Return, &key, item, message.to_string()));
    }
}

fn queue(kind: EpsKind, key: &str, item: &Item, draft: String) -> Effect {
    Effect::Prescription(PrescriptionWrite::Queue(Box::new(EpsNew {
        key: key.to_string(),
        kind,
        subject: item.prescription.clone(),
        patient: item.patient.clone(),
        tasks: vec![item.id.clone()],
        draft,
    })))
}

/// Where an act leads from there.
fn next(from: Step, act: &Act) -> Result<Step, Problem> {
    let to = match (from, act) {
        (Step::WithPharmacy | Step::PartReady | Step::Owed, Act::Ready) => Step::Ready,
        (Step::WithPharmacy, Act::Part { .. }) => Step::PartReady,
        (Step::WithPharmacy | Step::Owed, Act::NotSupplied { .. }) => Step::NotSupplied,
        (Step::PartReady, Act::Collected) => Step::Owed,
        (Step::Ready, Act::Collected) => Step::Collected,
        (Step::WithPharmacy, Act::Return { .. }) => Step::Returned,
        _ => {
            let message = "This does not fit how far the item is. Look at it again.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
    };
    Ok(to)
}

/// The reason that goes with an act.
fn reason(act: &Act) -> Result<String, Problem> {
    let reason = match act {
        Act::Ready | Act::Collected => return Ok(String::new()),
        Act::Part { owed } => owed,
        Act::NotSupplied { reason } | Act::Return { reason } => reason,
    };
    let reason = reason.trim();
    if reason.is_empty() {
        let message = "Say why, or what is owed, in words that the patient reads.";
        return Err(Problem::new(Kind::Required, message));
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        let message = "A reason has 500 characters at most.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    Ok(reason.to_string())
}

/// Whom a Patient names.
fn named(patient: &Value) -> PatientNamed {
    let mut identifiers = each(patient, "/identifier");
    let number = identifiers.find(|it| text(it, "/system") == access::NhsNumber::SYSTEM);
    let digits = |it: &Value| text(it, "/value").replace(' ', "");
    let number = number
        .map(digits)
        .filter(|it| access::NhsNumber::parse(it).is_ok());
    let given: Vec<&str> = each(patient, "/name/0/given")
        .filter_map(Value::as_str)
        .collect();
    let born = text(patient, "/birthDate");
    let is_day = born.len() == 10 && date::span(born).is_some();
    PatientNamed {
        nhs_number: number,
        birth_date: is_day.then(|| born.to_string()),
        family: text(patient, "/name/0/family").to_string(),
        given: given.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasoned() -> [Act; 3] {
        let reason = || "No stock".to_string();
        [
            Act::Part { owed: reason() },
            Act::NotSupplied { reason: reason() },
            Act::Return { reason: reason() },
        ]
    }

    #[test]
    fn an_act_fits_how_far_the_item_is() {
        let all = [
            Step::Asked,
            Step::WithPharmacy,
            Step::PartReady,
            Step::Owed,
            Step::Ready,
            Step::NotSupplied,
            Step::Collected,
            Step::Returned,
        ];
        let [part, not, back] = reasoned();
        for (act, from) in [
            (
                &Act::Ready,
                &[Step::WithPharmacy, Step::PartReady, Step::Owed][..],
            ),
            (&part, &[Step::WithPharmacy]),
            (&not, &[Step::WithPharmacy, Step::Owed]),
            (&Act::Collected, &[Step::PartReady, Step::Ready]),
            (&back, &[Step::WithPharmacy]),
        ] {
            for step in all {
                let fits = next(step, act).is_ok();
                assert_eq!(fits, from.contains(&step), "{act:?} from {step:?}");
            }
        }
        assert_eq!(next(Step::PartReady, &Act::Collected).unwrap(), Step::Owed);
    }

    #[test]
    fn a_patient_reads_why() {
        for act in reasoned() {
            assert_eq!(reason(&act).unwrap(), "No stock");
        }
        let empty = Act::NotSupplied { reason: " ".into() };
        assert_eq!(reason(&empty).unwrap_err().kind, Kind::Required);
        let long = Act::Part {
            owed: "x".repeat(501),
        };
        assert_eq!(reason(&long).unwrap_err().kind, Kind::TooLong);
    }
}
