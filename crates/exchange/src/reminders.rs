//! Patients are reminded, once, of a questionnaire that they have not answered by its day (`docs/questionnaires.md`): it stands on
//! their pages as not opened yet. Nothing leaves the node.

use std::sync::Arc;
use std::time::Duration;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::Problem;
use store::forms::FormWrite;
use store::{Effect, Job};
use tokio::sync::watch;

use crate::exchange::Exchange;

const DAY: Millis = 86_400_000;
/// How often it is looked who is to be reminded.
const EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let more = match Box::pin(exchange.remind_patients()).await {
            Ok(count) => count > 0,
            Err(problem) => {
                tracing::error!(?problem, "patients could not be reminded");
                false
            }
        };
        if !more {
            let _ = tokio::time::timeout(EVERY, stopped.wait_for(|stop| *stop)).await;
        }
    }
}

impl Exchange {
    /// Reminds those who are to be reminded now; gives how many were. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remind_patients(&self) -> Result<usize, Problem> {
        let scope = Scope::system(SystemPurpose::RemindPatients);
        let now = self.store.now();
        let today = now - now.rem_euclid(DAY);
        let mut reminded = 0;
        for ask in self.store.asks_to_remind(&scope, today).await? {
            let target = Target {
                ty: "Task".into(),
                id: Some(ask.task.clone()),
                patient: Some(ask.patient),
                ..Target::default()
            };
            let job = Job {
                traces: vec![scope.trace(Interaction::System, Outcome::Success, target)],
                ..Job::effect(Effect::Form(FormWrite::Remind { task: ask.task }))
            };
            match self.store.commit(&scope, job).await {
                Ok(_) => reminded += 1,
                // They have answered meanwhile.
                Err(problem) if problem.came_between() => {}
                Err(problem) => return Err(problem),
            }
        }
        Ok(reminded)
    }
}
