//! Medicines that the organisation's own system holds: the patient's page lists from it, and what is asked for here is
//! asked for there.
//!
//! Invariant: what is asked for is on the disk before that system is asked, and is asked for there once. Invariant: what
//! that system has not said it has is never shown as ordered.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use fhir::date::Millis;
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::repeats::GOOD_MILLIS;
use serde_json::Value;
use store::prescriptions::{OrderThere, PrescriptionWrite};
use store::{Effect, Expect, Job, Reading, Release};
use tokio::sync::watch;

use super::carry::scope;
use super::put;
use super::task::{self, Item, Step, Taken};
use crate::exchange::Exchange;
use crate::gp_connect::medicines::{Holder, InName, Order, identifier};
use crate::gp_connect::system::No;

/// Requests that are seen to in one go.
const AT_ONCE: u32 = 20;
const SECOND: Millis = 1_000;
/// After so many tries the wait grows no longer: a little over four minutes.
const DOUBLINGS_MAX: u32 = 8;
/// How often it is looked how a request stands there.
const LOOK_MILLIS: Millis = 5 * 60_000;
/// The kind of the alarm about requests that are not taken.
pub const ALARM: &str = "orders-there";
const ALREADY: &str = "It was asked for there already.";

impl Exchange {
    /// Whether another system of this organisation's holds the medicines.
    pub fn has_medicines_there(&self) -> bool {
        self.settings.medicines.is_some()
    }

    /// A patient has signed in by NHS login, whose ID token counts until then: with it that system's gateway is asked.
    pub fn patient_signed_in(&self, nhs_number: &str, id_token: &str, until: Millis) {
        if let Some(holder) = &self.settings.medicines {
            holder.signed_in(nhs_number, id_token, (until, self.store.now()));
        }
    }

    /// What allows a patient's repeat medicines, and their issues, as that system tells; or why it does not.
    pub async fn medicines_there(&self, number: &str, person: &str) -> Result<Vec<Value>, String> {
        let Some(holder) = &self.settings.medicines else {
            return Ok(Vec::new());
        };
        let name = InName {
            nhs_number: number,
            person,
            now: self.store.now(),
        };
        let told = Box::pin(holder.requests(name)).await;
        told.map_err(|no| {
            tracing::warn!(why = no.words(), "medicines could not be listed");
            no.words().to_string()
        })
    }

    /// Sees to the requests that are due; gives how many. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn carry_orders_there(&self) -> Result<usize, Problem> {
        let Some(holder) = self.settings.medicines.clone() else {
            return Ok(0);
        };
        let due = self.store.orders_there_due(&scope(), AT_ONCE).await?;
        for order in &due {
            match Box::pin(self.carry_there(&holder, order)).await {
                // Its Task was changed meanwhile: the next look sees to that.
                Err(problem) if problem.kind == Kind::Conflict => {}
                done => done?,
            }
        }
        if !due.is_empty() {
            let untaken = self.store.orders_untaken(&scope(), DOUBLINGS_MAX).await?;
            let what = (untaken > 0).then(|| {
                format!(
                    "{untaken} requests for medicines have not been taken by the organisation's own system; they are tried again. \
                     Patients read that they are not confirmed."
                )
            });
            self.store.set_alarm(ALARM, what).await?;
        }
        Ok(due.len())
    }

    async fn carry_there(&self, holder: &Holder, order: &OrderThere) -> Result<(), Problem> {
        let task = match self.store.read(&scope(), "Task", &order.id).await? {
            Reading::Found(version) => serde_json::from_slice::<Value>(&version.body).ok(),
            _ => None,
        };
        let read = task.as_ref().and_then(Item::read);
        let (Some(mut task), Some(item)) = (task, read) else {
            return self.keep_there(order, (None, OrderThere::NEVER)).await;
        };
        let asked_at = item.steps.first().map_or(0, |it| it.at);
        if self.store.now().saturating_sub(asked_at) > GOOD_MILLIS {
            // Nobody could be given anything for it any more.
            return self.keep_there(order, (None, OrderThere::NEVER)).await;
        }
        let name = InName {
            nhs_number: &order.nhs_number,
            person: &order.asked_by,
            now: self.store.now(),
        };
        let found = match order.remote.is_empty() {
            true => ask(holder, order, &item, name).await,
            false => look(holder, order, name).await,
        };
        let now = name.now;
        let (remote, step, reason) = match found {
            Ok(there) => {
                let remote = text(&there, "/id").to_string();
                (
                    remote,
                    standing(&there),
                    text(&there, "/statusReason/text").to_string(),
                )
            }
            Err(No::Refused(_, words)) if order.remote.is_empty() => {
                (String::new(), Step::Refused, words)
            }
            Err(no) => return self.later_there(order, no.words()).await,
        };
        let due_at = match step.is_end() {
            true => OrderThere::NEVER,
            false => now.saturating_add(LOOK_MILLIS),
        };
        let next = OrderThere {
            remote,
            tries: 0,
            due_at,
            last_error: String::new(),
            ..order.clone()
        };
        if item.step() == step && item.reason() == reason {
            return self.keep_there(&next, (None, due_at)).await;
        }
        let taken = Taken::new(step, now, "", reason);
        task::take(&mut task, &taken);
        let how = (Expect::Version(item.version), Release::Keep);
        let change = put(&task, self.organisation(), how)?;
        self.keep_there(&next, (Some((change, item.patient.clone())), due_at))
            .await
    }

    async fn later_there(&self, order: &OrderThere, why: &str) -> Result<(), Problem> {
        let tries = order.tries.saturating_add(1);
        let wait = SECOND << tries.min(DOUBLINGS_MAX);
        let next = OrderThere {
            tries,
            last_error: why.chars().take(300).collect(),
            ..order.clone()
        };
        let due_at = self.store.now().saturating_add(wait);
        self.keep_there(&next, (None, due_at)).await
    }

    async fn keep_there(
        &self,
        order: &OrderThere,
        (change, due_at): (Option<(store::Change, String)>, Millis),
    ) -> Result<(), Problem> {
        let row = OrderThere {
            due_at,
            ..order.clone()
        };
        let write = PrescriptionWrite::There(Box::new(row));
        let mut job = Job::effect(Effect::Prescription(write));
        if let Some((change, patient)) = change {
            job.changes.push(change);
            let target = Target {
                ty: "Task".into(),
                id: Some(order.id.clone()),
                patient: Some(patient),
                ..Target::default()
            };
            let line = scope().trace(Interaction::System, Outcome::Success, target);
            job.traces.push(line);
        }
        self.store.commit(&scope(), job).await.map(|_| ())
    }
}

/// Asks for it; what was asked for before, and its answer lost, is found by its name.
async fn ask(
    holder: &Holder,
    order: &OrderThere,
    item: &Item,
    name: InName<'_>,
) -> Result<Value, No> {
    let wanted = Order {
        identifier: &order.id,
        request: &item.request,
        pharmacy: &item.pharmacy,
    };
    match holder.order(wanted, name).await {
        Err(No::Refused(code, _)) if code == "DUPLICATE_REJECTED" => {
            let tasks = holder.tasks(name).await?;
            let own = tasks.into_iter().find(|it| identifier(it) == order.id);
            own.ok_or_else(|| No::Refused(code, ALREADY.into()))
        }
        other => other,
    }
}

async fn look(holder: &Holder, order: &OrderThere, name: InName<'_>) -> Result<Value, No> {
    let tasks = holder.tasks(name).await?;
    let own = tasks.into_iter().find(|it| text(it, "/id") == order.remote);
    own.ok_or_else(|| No::NotNow("It does not list the request any more.".into()))
}

/// How far a request there is: by its business status where that is one of ours, else by its status.
fn standing(there: &Value) -> Step {
    let code = text(there, "/businessStatus/coding/0/code");
    match (Step::from_code(code), text(there, "/status")) {
        (Some(step), _) if step != Step::Asked && step != Step::Asking => step,
        (_, "rejected" | "failed" | "entered-in-error") => Step::Refused,
        (_, "cancelled") => Step::Withdrawn,
        (_, "accepted" | "in-progress" | "completed") => Step::Printed,
        _ => Step::WithPractice,
    }
}

/// The worker, where there is such a system.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    if !exchange.has_medicines_there() {
        return;
    }
    let nap = std::time::Duration::from_millis(exchange.settings.poll_millis.max(1));
    while !*stopped.borrow() {
        if let Err(problem) = Box::pin(exchange.carry_orders_there()).await {
            tracing::error!(?problem, "requests for medicines could not be carried");
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}
