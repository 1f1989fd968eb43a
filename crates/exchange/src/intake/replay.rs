//! Messages out of the raw store, mapped anew when the mapping has changed: first tried, then done.
//!
//! Invariant: what newer messages said and what others did since is not written over, and done twice it changes nothing the second
//! time. Invariant: letters, results and withdrawals are not sent again.

mod counts;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use access::{Interaction, Outcome, Target};
use fhir::date::{Millis, Span};
use fhir::problem::{Kind, Problem};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hl7v2::to_fhir::said::{self, Said, Stands};
use hl7v2::to_fhir::{Made, Mapped};
use serde_json::Value;
use store::hl7_inbox::{Hl7Write, Selection, Waiting};
use store::parcels::{Large, ParcelWrite};
use store::{Change, Effect, Expect, HistoryQuery, Job, Past, Reading, Release, Store};
use tokio::sync::watch;

pub use counts::{Counts, Replayed};

use super::apply::{TRIES_MAX, same_patient, unwritable, will_pass};
use super::older::reference;
use super::post::{Post, kept};
use super::{AT_ONCE, Intake, Plan, Queue, READ_BYTES_MAX, READ_MAX};
use crate::{Letter, Mappings};

/// Which messages are mapped anew, and whether that is only tried.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    pub selection: Selection,
    /// Only messages that name a patient by this identifier (a repetition of PID-3).
    pub identifier: Option<String>,
    /// The most messages that are looked at.
    pub at_most: u64,
    /// Whether it is done; else it is told what would be.
    pub go: bool,
}

/// What a try has changed so far, by `Type/id`: the resource and when its elements were said.
type Tried = Mutex<HashMap<String, (Value, String)>>;

/// How one resource is here.
struct Here {
    now: Option<Value>,
    then: Option<Value>,
    is_own: bool,
    is_between: bool,
    expect: Expect,
}

/// What comes of one message.
#[derive(Default)]
struct Step {
    job: Job,
    /// As `Tried` has it.
    tried: Vec<(String, Value, String)>,
    /// The ids of the Binaries that it changes.
    binaries: Vec<String>,
    told: Replayed,
}

impl Intake {
    /// A worker that maps anew what was mapped, by these mappings, and sends nothing.
    pub fn anew(store: Store, mappings: Arc<Mappings>) -> Intake {
        let organisation = store.organisation().clone();
        Intake::new(store, organisation, Arc::new(Nowhere)).with(mappings)
    }

    /// Maps messages anew that were mapped, from the newest to the oldest, those about one patient one after another; `told` hears
    /// how far it is after each batch.
    ///
    /// # Errors
    /// Those of the store that will pass: what was done is done, and it can be begun again.
    pub async fn replay(
        &self,
        replay: &Replay,
        stop: &watch::Receiver<bool>,
        mut told: impl FnMut(&Replayed),
    ) -> Result<Replayed, Problem> {
        let tried = Tried::default();
        let mut all = Replayed::default();
        let mut selection = replay.selection.clone();
        while !*stop.borrow() {
            self.store.let_others_first().await;
            let left = replay.at_most.saturating_sub(all.examined);
            let count = READ_MAX.min(u32::try_from(left).unwrap_or(READ_MAX)).max(1);
            let reading = (count, READ_BYTES_MAX);
            let found = self
                .store
                .hl7_mapped(&self.scope, &selection, reading)
                .await?;
            let Some(last) = found.last().map(|it| it.number) else {
                return Ok(all);
            };
            if left == 0 {
                all.is_more = true;
                return Ok(all);
            }
            selection.before = Some(last);
            all.examined += found.len() as u64;
            let mapped_at = found.iter().map(|it| (it.number, it.mapped_at)).collect();
            let meant = found.into_iter().filter(|it| replay.means(&it.body));
            let waiting = meant.map(|it| Waiting {
                number: it.number,
                received_at: it.received_at,
                body: it.body,
                mapped_before: true,
                late: false,
            });
            let plans = self.plans(waiting.collect()).await?;
            let tried = (!replay.go).then_some(&tried);
            self.replay_all(plans, &mapped_at, tried, &mut all).await?;
            // Only now: all of the batch is done.
            all.last = Some(last);
            told(&all);
        }
        all.is_more = true;
        Ok(all)
    }

    /// A batch: each as soon as those before it about the same patients are done; a try one after another.
    async fn replay_all(
        &self,
        plans: Vec<Plan>,
        mapped_at: &HashMap<i64, Millis>,
        tried: Option<&Tried>,
        all: &mut Replayed,
    ) -> Result<(), Problem> {
        let at_once = if tried.is_some() { 1 } else { AT_ONCE };
        let mut queue = Queue::of(plans);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < at_once {
                let Some((place, plan)) = queue.next() else {
                    break;
                };
                let mapped_at = mapped_at.get(&plan.waiting.number).copied();
                running.push(async move {
                    let done = self.replay_one(&plan, mapped_at.unwrap_or_default(), tried);
                    (done.await, place, plan)
                });
            }
            let Some((done, place, plan)) = running.next().await else {
                return Ok(());
            };
            all.add(done?);
            queue.done(place, &plan);
        }
    }

    async fn replay_one(
        &self,
        plan: &Plan,
        mapped_at: Millis,
        tried: Option<&Tried>,
    ) -> Result<Replayed, Problem> {
        let number = plan.waiting.number;
        let mapped = match &plan.mapped {
            Ok(mapped) => mapped,
            Err(problem) => return self.refused(plan, problem).await,
        };
        for _ in 0..TRIES_MAX {
            let mut step = match self.step(plan, mapped, mapped_at, tried).await {
                Ok(step) => step,
                Err(problem) if will_pass(&problem) => return Err(problem),
                Err(problem) => return self.refused(plan, &problem).await,
            };
            let changes = !step.job.changes.is_empty() || !step.job.effects.is_empty();
            match tried {
                Some(tried) => {
                    let mut tried = tried.lock().unwrap_or_else(|it| it.into_inner());
                    for (name, resource, said) in step.tried {
                        tried.insert(name, (resource, said));
                    }
                    step.job = Job::default();
                }
                None if changes => {
                    let again = Hl7Write::Again { number };
                    step.job.effects.push(Effect::Hl7(again));
                }
                None => {}
            }
            step.job.traces.push(self.looked(plan));
            match self.store.commit(&self.scope, step.job).await {
                Ok(_) => return Ok(step.told),
                Err(problem) if will_pass(&problem) => return Err(problem),
                Err(problem) if !matches!(problem.kind, Kind::Conflict | Kind::Duplicate) => {
                    return self.refused(plan, &problem).await;
                }
                // Somebody changed a resource between.
                Err(_) => {}
            }
        }
        let message = "Its resources were being changed each time it was to be mapped anew.";
        self.refused(plan, &Problem::new(Kind::Conflict, message))
            .await
    }

    /// Everything that the message changes, against what is here now.
    async fn step(
        &self,
        plan: &Plan,
        mapped: &Mapped,
        mapped_at: Millis,
        tried: Option<&Tried>,
    ) -> Result<Step, Problem> {
        let at = mapped.at.arriving(plan.waiting.number);
        let names: Vec<String> = mapped.resources.iter().map(reference).collect();
        let said = self.store.hl7_said(&self.scope, &names).await?;
        let own_at = self.own_at(mapped).await?;
        let older = self.older_results(plan, mapped).await?;
        let mut step = Step::default();
        step.told.messages = 1;
        for (made, name) in mapped.resources.iter().zip(&names) {
            let is_result = matches!(made.ty.as_str(), "Observation" | "DiagnosticReport");
            if older && is_result {
                step.told.newer(made, &["all of it".to_owned()]);
                continue;
            }
            let Some(mut here) = self.here(plan, made, (mapped_at, own_at)).await? else {
                step.told.others(made, &["all of it".to_owned()]);
                continue;
            };
            let mut before = said.get(name).cloned().unwrap_or_default();
            if let Some((now, said)) = tried_of(tried, name) {
                here.now = Some(now);
                (here.is_own, here.is_between) = (false, false);
                before = said;
            }
            self.meet_again(&mut step, made, (here, before), at)?;
        }
        step.told.changed = u64::from(!step.job.changes.is_empty());
        for (binary, apart) in &mapped.apart {
            if step.binaries.contains(binary) {
                step.job.effects.push(Effect::Parcel(ParcelWrite::Large {
                    binary: binary.clone(),
                    large: kept(apart, &self.organisation),
                }));
            }
        }
        self.left(mapped, &names, &mut step.told).await?;
        Ok(step)
    }

    /// One resource of the message.
    fn meet_again(
        &self,
        step: &mut Step,
        made: &Made,
        (here, before): (Here, String),
        at: said::Moment,
    ) -> Result<(), Problem> {
        made.may_meet(here.now.as_ref())?;
        let stands = here.now.as_ref().map(|now| Stands {
            now,
            then: here.then.as_ref(),
            is_own: here.is_own,
            is_between: here.is_between,
        });
        let again = said::again(made, stands.as_ref(), &Said::read(&before), at);
        step.told.newer(made, &again.met.overtaken);
        step.told.others(made, &again.kept);
        let after = again.met.resource.as_ref();
        step.told.count(&made.ty, here.now.as_ref(), after);
        let said = again.met.said.write();
        let name = reference(made);
        let is_said_anew = again.met.said != Said::read(&before);
        let Some(result) = after.or(here.now.as_ref()) else {
            return Ok(());
        };
        if after.is_some() || is_said_anew {
            let tried = (name.clone(), result.clone(), said.clone());
            step.tried.push(tried);
        }
        if let Some(after) = after {
            if made.ty == "Binary" {
                step.binaries.push(made.id.clone());
            }
            step.job.changes.push(Change::Put {
                resource: self.prepared(after, &made.id)?,
                expect: here.expect,
                release: Release::Keep,
            });
        }
        if is_said_anew {
            step.job.effects.push(Effect::Hl7(Hl7Write::Said {
                reference: name,
                before,
                said,
            }));
        }
        Ok(())
    }

    /// How a resource is here; `None` if somebody deleted it.
    async fn here(
        &self,
        plan: &Plan,
        made: &Made,
        (mapped_at, own_at): (Millis, Option<Millis>),
    ) -> Result<Option<Here>, Problem> {
        let version = match self.store.read(&self.scope, &made.ty, &made.id).await? {
            Reading::Found(version) => version,
            Reading::Deleted { .. } => return Ok(None),
            Reading::Absent => {
                return Ok(Some(Here {
                    now: None,
                    then: None,
                    is_own: false,
                    is_between: false,
                    expect: Expect::Absent,
                }));
            }
        };
        let now: Value = serde_json::from_slice(&version.body).map_err(unwritable)?;
        same_patient(made, &now)?;
        let then = match version.last_updated <= mapped_at {
            true => Some(now.clone()),
            false => self.stood(made, mapped_at).await?,
        };
        let written = version.last_updated;
        let is_by_message = own_at == Some(written);
        Ok(Some(Here {
            now: Some(now),
            then,
            is_own: is_by_message && version.version == 1,
            is_between: !is_by_message && plan.waiting.received_at < written && written < mapped_at,
            expect: Expect::Version(version.version),
        }))
    }

    /// How a resource stood at that time.
    async fn stood(&self, made: &Made, at: Millis) -> Result<Option<Value>, Problem> {
        let query = HistoryQuery {
            ty: Some(made.ty.clone()),
            id: Some(made.id.clone()),
            at: Some(Span {
                low: at,
                high: at.saturating_add(1),
            }),
            count: 1,
            ..HistoryQuery::default()
        };
        let page = self.store.past(&self.scope, &query).await?;
        let first = page.unwrap_or_default().entries.into_iter().next();
        match first {
            Some(Past::Version(version)) => serde_json::from_slice(&version.body)
                .map(Some)
                .map_err(unwritable),
            _ => Ok(None),
        }
    }

    /// When what the message says was written first: its Provenance came in that commit.
    async fn own_at(&self, mapped: &Mapped) -> Result<Option<Millis>, Problem> {
        let Some(made) = provenance(mapped) else {
            return Ok(None);
        };
        let reading = self.store.vread(&self.scope, &made.ty, &made.id, 1).await?;
        Ok(match reading {
            Reading::Found(version) => Some(version.last_updated),
            _ => None,
        })
    }

    /// Whether what is here of the message's results was given later by the laboratory.
    async fn older_results(&self, plan: &Plan, mapped: &Mapped) -> Result<bool, Problem> {
        let reports = mapped.resources.iter();
        for report in reports.filter(|it| it.ty == "DiagnosticReport") {
            if self.is_overtaken(plan, report).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes what the message made by the mapping before, and makes no more: it stays.
    async fn left(
        &self,
        mapped: &Mapped,
        names: &[String],
        told: &mut Replayed,
    ) -> Result<(), Problem> {
        let Some(made) = provenance(mapped) else {
            return Ok(());
        };
        let Reading::Found(here) = self.store.read(&self.scope, &made.ty, &made.id).await? else {
            return Ok(());
        };
        let here: Value = serde_json::from_slice(&here.body).map_err(unwritable)?;
        let targets = here.get("target").and_then(Value::as_array);
        let targets = targets.into_iter().flatten();
        let targets = targets.filter_map(|it| it.get("reference")?.as_str());
        for target in targets.filter(|it| !names.iter().any(|name| name == it)) {
            let Some((ty, id)) = target.split_once('/') else {
                continue;
            };
            if let Reading::Found(_) = self.store.read(&self.scope, ty, id).await? {
                told.left(target);
            }
        }
        Ok(())
    }

    /// A message that this mapping does not take: what is here of it stays.
    async fn refused(&self, plan: &Plan, problem: &Problem) -> Result<Replayed, Problem> {
        let mut job = Job::default();
        job.traces.push(self.looked(plan));
        self.store.commit(&self.scope, job).await?;
        let reason = match &problem.expression {
            Some(place) => format!("{place}: {}", problem.message),
            None => problem.message.clone(),
        };
        Ok(Replayed::refusal(plan.waiting.number, reason))
    }

    /// The log's line: the node has read a message again.
    fn looked(&self, plan: &Plan) -> access::AuditEntry {
        let target = Target {
            query: Some(format!("hl7-replay={}", plan.waiting.number).into()),
            patient: plan.patients().next().map(str::to_owned),
            ..Target::default()
        };
        self.scope
            .trace(Interaction::System, Outcome::Success, target)
    }
}

/// Letters are not sent again.
struct Nowhere;

impl Post for Nowhere {
    fn send(&self, _: Letter, _: &[(String, Large)]) -> Result<Effect, Problem> {
        Err(Problem::new(
            Kind::NotSupported,
            "A message that is mapped anew sends nothing.",
        ))
    }
}

impl Replay {
    /// Whether a message names the patient who is meant.
    fn means(&self, body: &[u8]) -> bool {
        let Some(wanted) = &self.identifier else {
            return true;
        };
        let Ok(message) = hl7v2::parse(body) else {
            return false;
        };
        let patients = message.segments().filter(|it| it.name() == "PID");
        let mut numbers = patients.flat_map(|it| it.field(3).repetitions());
        numbers.any(|it| it.component(1).text().trim() == wanted)
    }
}

fn provenance(mapped: &Mapped) -> Option<&Made> {
    mapped.resources.iter().find(|it| it.ty == "Provenance")
}

fn tried_of(tried: Option<&Tried>, name: &str) -> Option<(Value, String)> {
    let tried = tried?.lock().unwrap_or_else(|it| it.into_inner());
    tried.get(name).cloned()
}
