//! The HL7 v2 worker: takes kept messages in the order of arrival, maps them to FHIR, and in one
//! commit each writes the resources, ends the message's waiting and accepts its letter as a parcel.
//!
//! Invariant: a message has its effect once, wherever the process stops. Invariant: messages about
//! one patient are applied in the order in which they came, each after the one before is durable. Invariant: what cannot be mapped or sent
//! stands on the work list with the reason and the next step.

mod apply;
mod older;
mod post;
mod replay;
mod results;
#[cfg(test)]
mod tests;
mod undone;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use access::{Ods, Scope, SystemPurpose};
use fhir::problem::{Kind, Problem};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hl7v2::time::Zone;
use hl7v2::to_fhir::{Context, Mapped, Mapping, Unidentified};
use store::Store;
use store::hl7_inbox::Waiting;
use tokio::sync::{Notify, watch};

pub use post::Post;
pub use replay::{Counts, Replay, Replayed};

use crate::Mappings;

/// Messages read from the inbox at once, and about how many bytes of them.
const READ_MAX: u32 = 256;
const READ_BYTES_MAX: usize = 32 << 20;
/// Messages read at once while more come than could be mapped beside them in any case.
const READ_PRESSED: u32 = 64;
/// Messages (about different patients) that are applied at once.
const AT_ONCE: usize = 48;
/// Readings that go on where the one before ended, before one looks from the oldest again.
const ON_END_MAX: u32 = 8;
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
    sends_results: bool,
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
            sends_results: false,
        }
    }

    /// The same worker, which maps by these mappings.
    #[must_use]
    pub fn with(mut self, mappings: Arc<Mappings>) -> Intake {
        self.mappings = mappings;
        self
    }

    /// The same worker, which sends final results to the patients' practices, or does not.
    #[must_use]
    pub fn sending_results(mut self, sends_results: bool) -> Intake {
        self.sends_results = sends_results;
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
        let mut plans = self.next(0).await?;
        let mut on_end = 0;
        while !plans.is_empty() && !*stop.borrow() {
            let last = plans.iter().map(|plan| plan.waiting.number).max();
            on_end += 1;
            if on_end < ON_END_MAX {
                // The next ones are read and mapped while these are applied.
                let next = self.next(last.unwrap_or_default());
                let (applied, next) = tokio::join!(self.apply_all(plans, stop), next);
                applied?;
                plans = next?;
            } else {
                self.apply_all(plans, stop).await?;
                plans = Vec::new();
            }
            if plans.is_empty() {
                // What was put back to be mapped again has an older number.
                plans = self.next(0).await?;
                on_end = 0;
            }
        }
        Ok(())
    }

    /// Those that wait after that number, mapped.
    async fn next(&self, after: i64) -> Result<Vec<Plan>, Problem> {
        // Senders wait for their acknowledgements; nobody waits for the mapping. It is behind by
        // what a burst brings, and goes on in small steps should the burst not end.
        let at_most = match self.store.let_others_first().await {
            true => READ_MAX,
            false => READ_PRESSED,
        };
        let waiting = self
            .store
            .hl7_waiting(&self.scope, after, at_most, READ_BYTES_MAX)
            .await?;
        match waiting.is_empty() {
            true => Ok(Vec::new()),
            false => self.plans(waiting).await,
        }
    }

    /// Applies all: each as soon as those before it about the same patients are done.
    async fn apply_all(
        &self,
        plans: Vec<Plan>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Problem> {
        let mut queue = Queue::of(plans);
        let mut applied = FuturesUnordered::new();
        loop {
            while applied.len() < AT_ONCE && !*stop.borrow() {
                let Some((place, plan)) = queue.next() else {
                    break;
                };
                applied.push(async move { (self.apply(&plan).await, place, plan) });
            }
            let Some((outcome, place, plan)) = applied.next().await else {
                return Ok(());
            };
            outcome?;
            queue.done(place, &plan);
        }
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
        Ok(message) => hl7v2::to_fhir::map_to_keep(mapping, &message, context),
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

/// Messages in the order in which they came, of which those can be begun whose patients no earlier one
/// is about.
struct Queue {
    /// By place in the order.
    plans: Vec<Option<Plan>>,
    /// The places that wait for each patient, the one that is first in front.
    lines: HashMap<String, VecDeque<usize>>,
    /// The places that can be begun.
    ready: VecDeque<usize>,
}

impl Queue {
    fn of(plans: Vec<Plan>) -> Queue {
        let mut lines: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (place, plan) in plans.iter().enumerate() {
            for patient in plan.patients() {
                let line = lines.entry(patient.to_owned()).or_default();
                if line.back() != Some(&place) {
                    line.push_back(place);
                }
            }
        }
        let mut queue = Queue {
            plans: plans.into_iter().map(Some).collect(),
            lines,
            ready: VecDeque::new(),
        };
        queue.ready = (0..queue.plans.len())
            .filter(|place| queue.is_first(*place))
            .collect();
        queue
    }

    /// Whether it is first in the line of each of its patients.
    fn is_first(&self, place: usize) -> bool {
        let plan = self.plans.get(place).and_then(Option::as_ref);
        plan.is_some_and(|plan| {
            plan.patients().all(|patient| {
                let first = self.lines.get(patient).and_then(VecDeque::front);
                first == Some(&place)
            })
        })
    }

    /// The next that can be begun, with its place.
    fn next(&mut self) -> Option<(usize, Plan)> {
        let place = self.ready.pop_front()?;
        Some((place, self.plans.get_mut(place)?.take()?))
    }

    /// It is done: who stood behind it moves up.
    fn done(&mut self, place: usize, plan: &Plan) {
        for patient in plan.patients() {
            let Some(line) = self.lines.get_mut(patient) else {
                continue;
            };
            let next = match line.front() {
                Some(first) if *first == place => {
                    line.pop_front();
                    line.front().copied()
                }
                _ => None,
            };
            let ready = next.filter(|place| self.is_first(*place) && !self.ready.contains(place));
            self.ready.extend(ready);
        }
    }
}
