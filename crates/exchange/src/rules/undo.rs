//! A person undoes what a rule did.

use access::{Interaction, Ods, Outcome, Scope, Target};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use fhir::rule::StepKind;
use serde_json::{Value, json};
use store::desk::{DeskWrite, TaskState, TaskWas, Whose};
use store::parcels::Shown;
use store::rules::{Act, RuleWrite};
use store::{Effect, Expect, Job, Reading, Release, Store};

pub use super::make::by;
use crate::prescriptions::put;

/// Acts that are undone together at most.
pub const TOGETHER_MAX: u32 = 200;

/// What undoing many came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    pub undone: u64,
    /// Those whose time is over, of which something else has become, or that are withheld.
    pub stay: u64,
    /// Whether there are more, to be undone by asking again.
    pub more: bool,
}

/// Undoes one act.
///
/// # Errors
/// `BusinessRule` if it cannot be undone any more, with why; `NotFound` or `Forbidden` where what it is about is withheld from the
/// caller.
pub async fn one(store: &Store, scope: &Scope, number: i64, now: Millis) -> Result<Act, Problem> {
    let act = store.rule_act(scope, number).await?;
    match act.kind {
        StepKind::File => store.unfile_by_rule(scope, &act).await?,
        StepKind::Route => unroute(store, scope, &act).await?,
        _ => cancel(store, scope, &act, now).await?,
    }
    Ok(act)
}

/// Undoes all that a rule did since then, as far as it can be.
///
/// # Errors
/// Those of the store.
pub async fn all(
    store: &Store,
    scope: &Scope,
    (rule, since): (&str, Millis),
    now: Millis,
) -> Result<Undone, Problem> {
    let acts = store.rule_acts(scope, (rule, since), TOGETHER_MAX).await?;
    let mut came = Undone {
        more: acts.len() >= TOGETHER_MAX as usize,
        ..Undone::default()
    };
    for act in acts
        .iter()
        .filter(|it| it.state == store::rules::ActState::Done)
    {
        match Box::pin(one(store, scope, act.number, now)).await {
            Ok(_) => came.undone += 1,
            Err(problem) if stays(&problem) => came.stay += 1,
            Err(problem) => return Err(problem),
        }
    }
    Ok(came)
}

/// Whether this one stays and the others go on.
fn stays(problem: &Problem) -> bool {
    let its = matches!(
        problem.kind,
        Kind::BusinessRule | Kind::NotFound | Kind::Forbidden
    );
    its || problem.came_between()
}

fn undone(scope: &Scope, act: &Act) -> Effect {
    Effect::Rule(RuleWrite::Undone {
        number: act.number,
        who: scope.agent().name.clone(),
    })
}

fn over(message: &'static str) -> Problem {
    Problem::new(Kind::BusinessRule, message)
}

async fn unroute(store: &Store, scope: &Scope, act: &Act) -> Result<(), Problem> {
    let weighed = store.weigh(scope, &[act.pid]).await?;
    let gone = || Problem::new(Kind::NotFound, "There is no such letter here.");
    let letter = &weighed.first().ok_or_else(gone)?.letter;
    if letter.shown != Shown::Whole {
        return Err(gone());
    }
    let assigned = store.assigned(scope, &[act.pid]).await?;
    let is_rules = |it: &store::desk::Assigned| it.by == by(&act.title) && it.at == act.at;
    if !assigned.get(&act.pid).is_some_and(is_rules) {
        return Err(over(
            "Somebody has given this letter to somebody since, so it stays as it is.",
        ));
    }
    let target = Target {
        ty: "DocumentReference".into(),
        id: letter.made.document.clone(),
        patient: letter.made.patient.clone(),
        query: Some(format!("parcel={} rule={}", act.pid, act.rule).into()),
        ..Target::default()
    };
    let job = Job {
        effects: vec![
            undone(scope, act),
            Effect::Desk(DeskWrite::Assign {
                pid: act.pid,
                to: Whose::default(),
                by: scope.agent().name.clone(),
            }),
        ],
        traces: vec![scope.trace(Interaction::KeepRules, Outcome::Success, target)],
        ..Job::default()
    };
    store.commit(scope, job).await.map(|_| ())
}

/// A task that nobody has worked on is cancelled.
async fn cancel(store: &Store, scope: &Scope, act: &Act, now: Millis) -> Result<(), Problem> {
    let gone = || {
        Problem::new(
            Kind::NotFound,
            "There is no such task here, or it is withheld from you.",
        )
    };
    let Reading::Found(found) = store.read(scope, "Task", &act.task).await? else {
        return Err(gone());
    };
    let mut resource: Value = serde_json::from_slice(&found.body).map_err(|error| {
        Problem::new(Kind::Exception, "A stored record does not read.").because(error)
    })?;
    if fhir::members::text(&resource, "/status") != "requested" {
        return Err(over(
            "Somebody has worked on this task since, so it stays as it is.",
        ));
    }
    let who = scope.agent().name.clone();
    let why = "Undone: it was made by a rule.";
    let note = json!([{ "authorString": who, "time": date::instant(now), "text": why }]);
    let mut set = |name, value| fhir::members::set(&mut resource, name, value);
    set("id", json!(act.task));
    set("status", json!("cancelled"));
    set("statusReason", json!({ "text": why }));
    set("lastModified", json!(date::instant(now)));
    set("note", note);
    let organisation: &Ods = store.organisation();
    let how = (Expect::Version(found.version), Release::Keep);
    let mut job = Job {
        changes: vec![put(&resource, organisation, how)?],
        effects: vec![undone(scope, act)],
        ..Job::default()
    };
    match store.task(scope, &act.task).await {
        Ok(mut task) if task.state == TaskState::Open => {
            let was = TaskWas::At(task.version);
            task.state = TaskState::NotDone;
            task.state_by = who;
            job.effects.push(Effect::Desk(DeskWrite::Task {
                task: Box::new(task),
                was,
            }));
        }
        Ok(_) => {
            return Err(over(
                "Somebody has worked on this task since, so it stays as it is.",
            ));
        }
        // What a patient is asked stands on no list of tasks here.
        Err(problem) if problem.kind == Kind::NotFound => {}
        Err(problem) => return Err(problem),
    }
    store.commit(scope, job).await.map(|_| ())
}
