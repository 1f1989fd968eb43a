//! The HL7 v2 worker: takes kept messages in the order of arrival, maps them to FHIR, and in one
//! commit each writes the resources, ends the message's waiting and accepts its letter as a parcel.
//!
//! Invariant: a message has its effect once, wherever the process stops. Invariant: messages about
//! one patient are applied in the order in which they came. Invariant: what cannot be mapped or sent
//! stands on the work list with the reason and the next step.

mod apply;
mod post;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use access::{Ods, Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use futures_util::future::join_all;
use hl7v2::time::Zone;
use hl7v2::to_fhir::{Context, Mapped, Mapping, Unidentified};
use store::Store;
use store::hl7_inbox::Waiting;
use tokio::sync::{Notify, watch};

pub use post::Post;

use crate::Mappings;

/// Messages read from the inbox at once, and about how many bytes of them.
const READ_MAX: u32 = 64;
const READ_BYTES_MAX: usize = 64 << 20;
/// Messages (about different patients) that are applied at once.
const AT_ONCE: usize = 16;
/// How long the worker sleeps when nothing wakes it.
const SLEEP: Duration = Duration::from_secs(1);
/// How long it waits after the store could not be written.
const PAUSE: Duration = Duration::from_secs(2);

/// The worker of one node.
pub struct Intake {
    store: Store,
    organisation: Ods,
    zone: Zone,
    post: Arc<dyn Post>,
    scope: Scope,
    mappings: Arc<Mappings>,
}

/// A message that was read, with what is to be done about it.
struct Plan {
    waiting: Waiting,
    mapped: Result<Mapped, Problem>,
}

impl Intake {
    /// A worker of that organisation's store; letters go to `post`.
    pub fn new(store: Store, organisation: Ods, post: Arc<dyn Post>) -> Intake {
        let scope = Scope::system(SystemPurpose::MapMessages);
        Intake {
            store,
            organisation,
            zone: Zone::London,
            post,
            scope,
            mappings: Arc::new(Mappings::built_in()),
        }
    }

    /// The same worker, which maps by these mappings.
    #[must_use]
    pub fn with(mut self, mappings: Arc<Mappings>) -> Intake {
        self.mappings = mappings;
        self
    }

    /// The same worker for senders whose times are in that zone where they name none.
    #[must_use]
    pub fn in_zone(mut self, zone: Zone) -> Intake {
        self.zone = zone;
        self
    }

    /// Works until `stop` says true; `arrivals` wakes it.
    pub async fn run(&self, arrivals: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        loop {
            let pause = match self.work_off(&stop).await {
                Ok(()) => SLEEP,
                Err(problem) => {
                    tracing::error!(%problem, "HL7 v2 messages wait: the store cannot be used");
                    PAUSE
                }
            };
            tokio::select! {
                () = crate::mllp::stopped(&mut stop) => return,
                () = arrivals.notified(), if pause == SLEEP => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Works until nothing waits.
    ///
    /// # Errors
    /// Those of the store that will pass; what waits, waits on.
    pub async fn work_off(&self, stop: &watch::Receiver<bool>) -> Result<(), Problem> {
        while !*stop.borrow() {
            // Senders wait for their acknowledgements; nobody waits for the mapping. It is behind by
            // what a burst brings, and goes on in small steps should the burst not end.
            self.store.let_others_first().await;
            let waiting = self
                .store
                .hl7_waiting(&self.scope, 0, READ_MAX, READ_BYTES_MAX)
                .await?;
            if waiting.is_empty() {
                break;
            }
            let mut plans = self.plans(waiting).await?;
            while !plans.is_empty() {
                let (now, later) = wave(plans);
                for outcome in join_all(now.iter().map(|plan| self.apply(plan))).await {
                    outcome?;
                }
                plans = later;
            }
        }
        Ok(())
    }

    /// Reads and maps messages, off the threads that serve.
    async fn plans(&self, waiting: Vec<Waiting>) -> Result<Vec<Plan>, Problem> {
        let (zone, organisation) = (self.zone, self.organisation.to_string());
        let mapping = self.mappings.current();
        let work = move || -> Vec<Plan> {
            let context = |received_at| Context {
                received_at,
                zone,
                organisation: organisation.clone(),
                unidentified: Unidentified::Refuse,
            };
            waiting
                .into_iter()
                .map(|waiting| Plan {
                    mapped: map(&mapping, &waiting.body, &context(waiting.received_at)),
                    waiting,
                })
                .collect()
        };
        tokio::task::spawn_blocking(work).await.map_err(|cause| {
            Problem::new(Kind::Transient, "Messages could not be mapped just now.").because(cause)
        })
    }
}

/// Maps one message. Should a fault of ours make that panic, it is this message that stops, not the
/// worker.
fn map(mapping: &Mapping, body: &[u8], context: &Context) -> Result<Mapped, Problem> {
    // What is read in between is only ever read, or made anew for the next message.
    let work = std::panic::AssertUnwindSafe(|| match hl7v2::parse(body) {
        Ok(message) => hl7v2::to_fhir::map_by(mapping, &message, context),
        Err(fault) => Err(Problem::new(Kind::Structure, fault.to_string())),
    });
    let mapped = std::panic::catch_unwind(work);
    mapped.unwrap_or_else(|_| {
        Err(Problem::new(
            Kind::Exception,
            "Mapping this message stopped at a fault of Handover's own.",
        ))
    })
}

impl Plan {
    /// The patients it is about.
    fn patients(&self) -> impl Iterator<Item = &str> {
        let made = self.mapped.iter().flat_map(|mapped| &mapped.resources);
        made.filter(|made| made.ty == "Patient")
            .map(|made| made.id.as_str())
    }
}

/// Those that can be applied at once, none about the same patient as one before it; and the rest,
/// in order.
fn wave(plans: Vec<Plan>) -> (Vec<Plan>, Vec<Plan>) {
    let mut patients: HashSet<String> = HashSet::new();
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for plan in plans {
        let free = !plan.patients().any(|patient| patients.contains(patient));
        patients.extend(plan.patients().map(str::to_owned));
        if free && now.len() < AT_ONCE {
            now.push(plan);
        } else {
            later.push(plan);
        }
    }
    (now, later)
}
