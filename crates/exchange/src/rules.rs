//! Rules on events (`docs/rules.md`): a worker judges what happened by each rule that is on, and does what the rule says in one commit
//! with the note that it did; a person tries a rule out, and undoes what one did.
//!
//! Invariant: a rule does nothing but by a version that a person switched on. Invariant: what a rule does is marked as done by it, and
//! is done once. Invariant: a rule files only what `store::parcels` and `asks` let it, and acts on nothing.

pub mod asks;
mod make;
pub mod undo;
pub mod weigh;

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::rule::{Rule, Step, StepKind};
use serde_json::Value;
use store::parcels::{Left, State};
use store::rules::{ActState, Happened, NewAct, RuleWrite, UNDO_MILLIS};
use store::{Effect, Job, Reading};
use tokio::sync::watch;

use crate::exchange::Exchange;
use crate::forms;
use crate::taking_in::passes;
use crate::workers::wait;
use make::Making;
pub use make::to_book;
use weigh::{Occasion, Planned, Subject, Weighed};

/// Events judged in one go, one after the other: they are in the order in which they happened.
const AT_ONCE: u32 = 20;
/// How often an event is tried that meets another change, and how soon again.
const TRIES: u32 = 5;
const AGAIN_MILLIS: Millis = 2_000;
const DAY: Millis = 86_400_000;

/// The rule that a PlanDefinition is, in one of its versions.
///
/// # Errors
/// `NotFound` where the scope shows none; those of `Rule::read`.
pub async fn read(
    store: &store::Store,
    scope: &Scope,
    id: &str,
    version: Option<u64>,
) -> Result<(Rule, u64), Problem> {
    let reading = match version {
        Some(version) => store.vread(scope, "PlanDefinition", id, version).await?,
        None => store.read(scope, "PlanDefinition", id).await?,
    };
    let Reading::Found(found) = reading else {
        return Err(Problem::new(Kind::NotFound, "There is no such rule here."));
    };
    let resource: Value = serde_json::from_slice(&found.body).map_err(|error| {
        Problem::new(Kind::Exception, "A stored rule does not read.").because(error)
    })?;
    let mut rule = Rule::read(&resource)?;
    id.clone_into(&mut rule.id);
    Ok((rule, found.version))
}

pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let mut changed = exchange.store.parcels_changed();
    while !*stopped.borrow() {
        changed.mark_unchanged();
        let more = match Box::pin(exchange.follow_rules()).await {
            Ok(count) => count > 0,
            Err(problem) => {
                tracing::error!(?problem, "what happened could not be judged by the rules");
                false
            }
        };
        if !more {
            wait(&mut stopped, &mut changed, exchange.settings.poll_millis).await;
        }
    }
}

impl Exchange {
    /// Judges what waits; gives how many events it has settled. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store. A rule that cannot judge or do something does not hold up the rest: it stands on the work list.
    pub async fn follow_rules(&self) -> Result<usize, Problem> {
        let scope = Scope::system(SystemPurpose::FollowRules);
        let now = self.store.now();
        let today = now - now.rem_euclid(DAY);
        if self.store.rules_to_sweep(today).await? {
            self.write_rule(&scope, RuleWrite::Overdue { today })
                .await?;
        }
        let events = self.store.rule_events(&scope, now, AT_ONCE).await?;
        let mut settled = 0;
        for event in &events {
            settled += usize::from(self.settle_event(&scope, event, now).await?);
        }
        Ok(settled)
    }

    /// Judges one event by its rule; gives whether that settled it.
    async fn settle_event(
        &self,
        scope: &Scope,
        event: &Happened,
        now: Millis,
    ) -> Result<bool, Problem> {
        let seq = event.seq;
        match Box::pin(self.follow(scope, event, now)).await {
            Ok(()) => Ok(true),
            Err(problem) if passes(&problem) => Err(problem),
            Err(problem) if problem.came_between() && event.tries < TRIES => {
                let next_try = now.saturating_add(AGAIN_MILLIS);
                let write = RuleWrite::Later { seq, next_try };
                self.write_rule(scope, write).await.map(|()| false)
            }
            Err(problem) => {
                tracing::warn!(
                    ?problem,
                    rule = event.rule,
                    key = event.key,
                    "a rule could not be followed"
                );
                let reason = problem.to_string();
                let write = RuleWrite::Stuck { seq, reason };
                self.write_rule(scope, write).await.map(|()| true)
            }
        }
    }

    async fn write_rule(&self, scope: &Scope, write: RuleWrite) -> Result<(), Problem> {
        let job = Job::effect(Effect::Rule(write));
        self.store.commit(scope, job).await.map(|_| ())
    }

    async fn follow(&self, scope: &Scope, event: &Happened, now: Millis) -> Result<(), Problem> {
        let settled = RuleWrite::Settled { seq: event.seq };
        let Some(version) = event.version else {
            return self.write_rule(scope, settled).await;
        };
        // Whoever retires or deletes a rule stops it; whoever changes it does not, until somebody switches the change on.
        let current = read(&self.store, scope, &event.rule, None).await;
        match current {
            Ok((rule, _)) if rule.retired => return self.write_rule(scope, settled).await,
            Err(problem) if problem.kind == Kind::NotFound => {
                return self.write_rule(scope, settled).await;
            }
            // What it is by now may be no rule at all: what is in force is what was switched on.
            Ok(_) | Err(_) => {}
        }
        let (rule, _) = read(&self.store, scope, &event.rule, Some(version)).await?;
        let occasion = Occasion {
            event: event.event,
            resource: event.resource.clone(),
            pid: event.pid,
        };
        let weighed = weigh::weigh(&self.store, scope, &rule, &occasion, now).await?;
        let Weighed::Steps(planned, subject) = weighed else {
            return self.write_rule(scope, settled).await;
        };
        let over = |letter: &store::parcels::RuleLetter| {
            !matches!(letter.state, State::Delivered | State::Opened)
        };
        if subject.letter.as_ref().is_some_and(over) {
            return self.write_rule(scope, settled).await;
        }
        let done = self
            .store
            .rule_steps_done(scope, &event.rule, &event.key)
            .await?;
        let planned: Vec<Planned> = planned
            .into_iter()
            .filter(|it| !done.contains(&it.step.number))
            .collect();
        if planned.is_empty() {
            return self.write_rule(scope, settled).await;
        }
        let job = self
            .rule_job(scope, (&rule, version), event, (planned, *subject), now)
            .await?;
        self.store.commit(scope, job).await.map(|_| ())
    }

    /// All that the rule does about an event, in one job with the note that it did.
    async fn rule_job(
        &self,
        scope: &Scope,
        (rule, version): (&Rule, u64),
        event: &Happened,
        (planned, subject): (Vec<Planned>, Subject),
        now: Millis,
    ) -> Result<Job, Problem> {
        let steps = planned.iter().filter(|it| it.left.is_none());
        check_asked(&self.store, steps.map(|it| &it.step)).await?;
        let teams = self.store.teams(scope).await?;
        let making = Making {
            rule,
            key: &event.key,
            subject: &subject,
            event: (event.event, event.resource.as_str()),
            teams: &teams,
            organisation: self.organisation(),
            now,
        };
        let mut job = Job::default();
        let mut acts = Vec::new();
        let mut files = None;
        for it in &planned {
            acts.push(take(it, &making, event.pid, (&mut job, &mut files))?);
        }
        let did = RuleWrite::Did {
            seq: event.seq,
            tries: event.tries,
            rule: rule.id.clone(),
            version,
            title: rule.title.clone(),
            key: event.key.clone(),
            acts,
        };
        job.effects.insert(0, Effect::Rule(did));
        if let (Some(step), Some(letter)) = (files, &subject.letter) {
            let about = (
                rule.id.as_str(),
                rule.title.as_str(),
                event.key.as_str(),
                step,
            );
            let until = now.saturating_add(UNDO_MILLIS);
            // Before the letter becomes somebody's work by the same rule, which would keep it from being filed.
            let rest = job.effects.split_off(1);
            self.store
                .add_filing(scope, &mut job, letter, about, until)
                .await?;
            job.effects.extend(rest);
        }
        let target = Target {
            ty: "PlanDefinition".into(),
            id: Some(rule.id.clone()),
            patient: (!subject.patient.is_empty()).then(|| subject.patient.clone()),
            query: Some(format!("rule={} version={version} event={}", rule.id, event.key).into()),
            ..Target::default()
        };
        job.traces
            .push(scope.trace(Interaction::System, Outcome::Success, target));
        Ok(job)
    }
}

/// Whether all can be asked that these steps ask by.
///
/// # Errors
/// Those of `forms::askable`.
pub async fn check_asked(
    store: &store::Store,
    steps: impl Iterator<Item = &Step>,
) -> Result<(), Problem> {
    for step in steps.filter(|it| it.kind == StepKind::Ask) {
        forms::askable(store, &step.questionnaire).await?;
    }
    Ok(())
}

/// Adds one step to the job; what is noted of it. A letter that is to be filed is named in `files`, once.
fn take(
    it: &Planned,
    making: &Making<'_>,
    pid: i64,
    (job, files): (&mut Job, &mut Option<u16>),
) -> Result<NewAct, Problem> {
    let step = &it.step;
    let mut act = NewAct {
        step: step.number,
        kind: step.kind,
        patient: making.subject.patient.clone(),
        pid,
        task: String::new(),
        state: ActState::Done,
        note: String::new(),
    };
    let twice = step.kind == StepKind::File && files.is_some();
    match it.left.or(twice.then_some(Left::Touched)) {
        Some(left) => {
            act.state = ActState::Left;
            left.code().clone_into(&mut act.note);
        }
        None => match step.kind {
            StepKind::File => *files = Some(step.number),
            StepKind::Route => job.effects.push(making.route(step)?),
            _ => act.task = making.task(step, job)?,
        },
    }
    Ok(act)
}
