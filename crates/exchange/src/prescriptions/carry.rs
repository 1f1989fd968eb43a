//! The worker that carries messages to EPS: prepared, signed, kept, and then sent until it is answered,
//! each time the same bytes.

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::prescriptions::{EpsKind, EpsMessage, PrescriptionWrite};
use store::{Effect, Expect, Job, Reading, Release};
use tokio::sync::watch;

use super::eps::{Answer, Eps};
use super::task::{self, Item, Step, Taken};
use super::{message, put};
use crate::exchange::Exchange;

/// Messages that are looked at in one go.
const AT_ONCE: u32 = 50;
/// After so many tries the wait grows no longer.
const DOUBLINGS_MAX: u32 = 6;
const SECOND: i64 = 1_000;

pub(crate) fn scope() -> Scope {
    Scope::system(SystemPurpose::CarryPrescriptions)
}

/// The worker, where EPS is set up.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let Some(eps) = exchange.settings.eps.clone() else {
        return;
    };
    let nap = std::time::Duration::from_millis(exchange.settings.poll_millis.max(1));
    while !*stopped.borrow() {
        if let Err(problem) = Box::pin(exchange.carry_to_eps(&eps)).await {
            tracing::error!(?problem, "messages to EPS could not be carried");
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

impl Exchange {
    /// Sends what is due; gives how many messages EPS has answered. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn carry_to_eps(&self, eps: &Eps) -> Result<usize, Problem> {
        let waiting = self.store.eps_waiting(&scope(), None, AT_ONCE).await?;
        let now = self.store.now();
        let mut answered = 0;
        for message in waiting.iter().filter(|it| it.next_try <= now) {
            match Box::pin(self.carry_message(eps, message)).await {
                Ok(is_answered) => answered += usize::from(is_answered),
                // A Task was changed meanwhile: the same bytes go again, and EPS knows them.
                Err(problem) if problem.kind == Kind::Conflict => {}
                Err(problem) => return Err(problem),
            }
        }
        Ok(answered)
    }

    /// Sends one message; gives whether EPS answered it.
    async fn carry_message(&self, eps: &Eps, message: &EpsMessage) -> Result<bool, Problem> {
        if message.kind == EpsKind::Cancel {
            return self.carry_cancellation(eps, message).await;
        }
        let now = self.store.now();
        let answer = match self.payload(eps, message).await? {
            Ok(payload) => match message.kind {
                EpsKind::Return => eps.give_back(&message.key, &payload, now).await,
                _ => eps.process(&message.key, &payload, now).await,
            },
            Err(answer) => answer,
        };
        let number = message.number;
        let (write, step, reason) = match answer {
            Answer::Taken(_) => (PrescriptionWrite::Sent { number }, Step::WithEps, ""),
            Answer::NotNow(reason) => {
                self.later(message, reason).await?;
                return Ok(false);
            }
            Answer::Refused(reason) => {
                tracing::warn!(message = number, "EPS refused a message");
                let write = PrescriptionWrite::Refused { number, reason };
                let said = "The national service did not take the prescription.";
                (write, Step::EpsRefused, said)
            }
        };
        let mut job = Job::effect(Effect::Prescription(write));
        if message.kind == EpsKind::Order {
            self.move_on(message, (step, reason), &mut job).await?;
        }
        let target = Target {
            patient: (!message.patient.is_empty()).then(|| message.patient.clone()),
            query: Some(format!("eps-message={number}").into()),
            ..Target::default()
        };
        let line = scope().trace(Interaction::System, Outcome::Success, target);
        job.traces.push(line);
        self.store.commit(&scope(), job).await?;
        Ok(true)
    }

    /// The bytes to be sent: those that were sent before, or, once, those that are signed now and kept
    /// before they are sent.
    async fn payload(
        &self,
        eps: &Eps,
        message: &EpsMessage,
    ) -> Result<Result<String, Answer>, Problem> {
        if !message.payload.is_empty() {
            return Ok(Ok(message.payload.clone()));
        }
        let draft: Value = serde_json::from_str(&message.draft).map_err(|cause| {
            Problem::new(Kind::Exception, "A prescription here does not read.").because(cause)
        })?;
        let now = self.store.now();
        let prepared = match eps.prepare(&message.draft, now).await {
            Ok(prepared) => prepared,
            Err(answer) => return Ok(Err(answer)),
        };
        let mut entries = fhir::members::each(&draft, "/entry");
        let prescriber = entries
            .find(|it| fhir::members::text(it, "/resource/resourceType") == "Practitioner")
            .map_or("", |it| fhir::members::text(it, "/resource/name/0/text"));
        let signature = match eps.sign_at_stand_in(&prepared, prescriber, now).await {
            Ok(signature) => signature,
            Err(answer) => return Ok(Err(answer)),
        };
        let signed = message::signed(&draft, &signature, &prepared.timestamp);
        let payload = signed.to_string();
        let keep = PrescriptionWrite::Signed {
            number: message.number,
            payload: payload.clone(),
        };
        let job = Job::effect(Effect::Prescription(keep));
        self.store.commit(&scope(), job).await?;
        Ok(Ok(payload))
    }

    pub(super) async fn later(&self, message: &EpsMessage, reason: String) -> Result<(), Problem> {
        let wait = SECOND << message.tries.min(DOUBLINGS_MAX);
        let write = PrescriptionWrite::Later {
            number: message.number,
            next_try: self.store.now().saturating_add(wait),
            reason,
        };
        let job = Job::effect(Effect::Prescription(write));
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    /// The items' next step, unless they are further already: a pharmacy may have fetched what EPS had
    /// although its answer was lost.
    async fn move_on(
        &self,
        message: &EpsMessage,
        (step, reason): (Step, &str),
        job: &mut Job,
    ) -> Result<(), Problem> {
        for id in &message.tasks {
            let Reading::Found(version) = self.store.read(&scope(), "Task", id).await? else {
                continue;
            };
            let mut task: Value = serde_json::from_slice(&version.body).unwrap_or(Value::Null);
            let Some(item) = Item::read(&task) else {
                continue;
            };
            if !matches!(item.step(), Step::Approved | Step::EpsRefused) || item.step() == step {
                continue;
            }
            let taken = Taken::new(step, self.store.now(), "EPS", reason);
            task::take(&mut task, &taken);
            let as_read = (Expect::Version(version.version), Release::Keep);
            job.changes.push(put(&task, self.organisation(), as_read)?);
        }
        Ok(())
    }
}
