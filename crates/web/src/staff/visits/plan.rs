//! A visit is put on somebody's list, changed or cancelled: by a team lead, a clerk or the nurse.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::visits::{NewVisit, Visit as Row, VisitState, VisitWrite};
use store::{Effect, Expect, Job, Release};

use super::task::{self, Planned};
use super::{Asked, fault, gone, line, read_task, show_one, shown, time, views, writer};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::{care, person};
use crate::visit::Visit;

/// One text, in characters.
const TEXT_CHARS_MAX: usize = 1_000;

/// What was typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Typed {
    pub account: String,
    pub day: String,
    pub time: String,
    pub what: String,
    pub access: String,
    pub why: String,
}

const RESTRICTED: &str =
    "Where this patient lives is restricted: do not write here how one gets in. Tell who visits";

type Faults = Vec<(&'static str, &'static str)>;

impl Typed {
    pub(super) fn of(row: &Row, planned: &Planned) -> Typed {
        Typed {
            account: row.account.to_string(),
            day: row.day.clone(),
            time: time(row.at),
            what: planned.what.clone(),
            access: planned.access.clone(),
            why: String::new(),
        }
    }

    fn read(fields: &Fields) -> Typed {
        let lines = |name: &str| fields.text(name).replace("\r\n", "\n");
        Typed {
            account: fields.text("account").to_owned(),
            day: fields.text("day").to_owned(),
            time: fields.text("time").to_owned(),
            what: lines("what"),
            access: lines("access"),
            why: lines("why"),
        }
    }

    /// What is planned, or what is wrong with it.
    fn check(&self, clinicians: &[(i64, String)], restricted: bool) -> Result<Planned, Faults> {
        let mut faults = Faults::new();
        if restricted && !self.access.is_empty() {
            faults.push(("access", RESTRICTED));
        }
        let account = self.account.parse().unwrap_or(0);
        let nurse = clinicians.iter().find(|(number, _)| *number == account);
        if nurse.is_none() {
            faults.push(("account", "Choose who is to visit"));
        }
        let at = words::moment_of(&self.day, &self.time);
        if at.is_none() {
            faults.push(("day", "Enter day and time, such as 2026-11-29 and 09:30"));
        }
        if self.what.is_empty() {
            faults.push(("what", "Write what is to be done"));
        }
        for (field, text) in [("what", &self.what), ("access", &self.access)] {
            if text.chars().count() > TEXT_CHARS_MAX {
                faults.push((field, "This is longer than 1,000 characters"));
            }
        }
        match (nurse, at) {
            (Some((account, nurse)), Some(at)) if faults.is_empty() => Ok(Planned {
                what: self.what.clone(),
                access: self.access.clone(),
                at,
                account: *account,
                nurse: nurse.clone(),
            }),
            _ => Err(faults),
        }
    }
}

/// The fields of the form.
pub(super) async fn form(
    node: &Node,
    scope: &Scope,
    typed: &Typed,
    faults: &[(&'static str, &'static str)],
) -> Result<views::PlanFields, Problem> {
    let (clinicians, more) = node.store.clinicians(scope).await?;
    let error = |field: &str| {
        let found = faults.iter().find(|(at, _)| *at == field);
        found.map(|(_, said)| *said)
    };
    Ok(views::PlanFields {
        people: clinicians
            .into_iter()
            .map(|(number, name)| views::Choice {
                chosen: number.to_string() == typed.account,
                value: number.to_string(),
                text: name,
            })
            .collect(),
        more,
        account_error: error("account"),
        day: typed.day.clone(),
        time: typed.time.clone(),
        day_error: error("day"),
        what: typed.what.clone(),
        what_error: error("what"),
        access: typed.access.clone(),
        access_error: error("access"),
    })
}

/// `GET /staff/visits/new?patient=…`
pub async fn new(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::PlanVisit, "Task").await?;
    let (me, _) = writer(&visit)?;
    let typed = Typed {
        account: me.to_string(),
        day: super::day_or_today(&asked.day, visit.now)?,
        time: "09:00".to_owned(),
        ..Typed::default()
    };
    let attempt = uuid::Uuid::new_v4().to_string();
    ask(
        &node,
        &visit,
        &scope,
        (&asked.patient, &attempt),
        (&typed, &[]),
    )
    .await
}

async fn ask(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    (patient, attempt): (&str, &str),
    (typed, faults): (&Typed, &[(&'static str, &'static str)]),
) -> Result<Response, Refusal> {
    let who = whose(node, scope, patient).await?;
    let view = views::New {
        errors: faults.iter().map(|(at, text)| fault(at, text)).collect(),
        patient: who,
        patient_id: patient.to_owned(),
        attempt: attempt.to_owned(),
        form: form(node, scope, typed, faults).await?,
    };
    let page = Page::new("staff/visit-new.jinja", "Plan a visit", view).under("/staff/visits");
    Ok(page
        .with_faults(!faults.is_empty())
        .answer(&node.site, visit))
}

/// `POST /staff/visits/new`: the same form twice plans one visit.
pub async fn plan(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::PlanVisit, "Task").await?;
    let patient = fields.text("patient").to_owned();
    whose(&node, &scope, &patient).await?;
    let attempt = uuid::Uuid::parse_str(fields.text("attempt"))
        .map_err(|_| Problem::new(Kind::Value, "This form is not whole; open the page again."))?;
    let attempt = attempt.to_string();
    let typed = Typed::read(&fields);
    let (clinicians, _) = node.store.clinicians(&scope).await?;
    let restricted = node.store.keeps_whereabouts(&patient).await?;
    let planned = match typed.check(&clinicians, restricted) {
        Ok(planned) => planned,
        Err(faults) => {
            return ask(
                &node,
                &visit,
                &scope,
                (&patient, &attempt),
                (&typed, &faults),
            )
            .await;
        }
    };
    let (_, by) = writer(&visit)?;
    let task = planned.resource((&attempt, &patient), None, (&by, visit.now));
    let once = (Expect::Absent, Release::Keep);
    let change = exchange::prescriptions::written(&task, &node.site.organisation, once)?;
    let row = row_of(&planned, (&attempt, &patient), &typed.day);
    let job = Job {
        changes: vec![change],
        effects: vec![Effect::Visit(VisitWrite::Plan(Box::new(row)))],
        traces: vec![line(&scope, (&attempt, &patient), None)],
        ..Job::default()
    };
    match node.store.commit(&scope, job).await {
        Ok(_) => {}
        // The same form was sent twice: the first has planned it.
        Err(problem) if problem.kind == Kind::Conflict => {}
        Err(problem) => return Err(problem.into()),
    }
    Ok(see_other(&format!("/staff/visits/{attempt}?done=planned")))
}

/// The row of what is planned.
pub(super) fn row_of(planned: &Planned, (id, patient): (&str, &str), day: &str) -> NewVisit {
    NewVisit {
        id: id.to_owned(),
        patient: patient.to_owned(),
        account: planned.account,
        nurse: planned.nurse.clone(),
        day: day.to_owned(),
        at: planned.at,
    }
}

/// `POST /staff/visits/{id}/change`: as it was seen. What is taken along meanwhile is not changed by it: what comes back
/// of it waits for a decision.
pub async fn change(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    care::check(&id)?;
    let scope = visit.scope(&node, Interaction::PlanVisit, "Task").await?;
    let row = node.store.visit(&scope, &id).await?.ok_or_else(gone)?;
    whose(&node, &scope, &row.patient).await?;
    let (before, version) = read_task(&node, &scope, &id).await?.ok_or_else(gone)?;
    let cancels = fields.text("then") == "cancel";
    let typed = Typed::read(&fields);
    let (clinicians, _) = node.store.clinicians(&scope).await?;
    let restricted = node.store.keeps_whereabouts(&row.patient).await?;
    let checked = match cancels {
        true if typed.why.is_empty() => Err(vec![("why", "Write why the visit is cancelled")]),
        true => Ok(Planned {
            account: row.account,
            nurse: row.nurse.clone(),
            ..Planned::read(&before)
        }),
        false => typed.check(&clinicians, restricted),
    };
    let mut planned = match checked {
        Ok(planned) => planned,
        Err(faults) => {
            return Box::pin(show_one(
                &node,
                &visit,
                (&id, ""),
                Some((&typed, faults.as_slice())),
            ))
            .await;
        }
    };
    if cancels {
        planned.at = row.at;
    }
    let is_as_seen = fields.text("version") == version.to_string();
    if row.state != VisitState::Planned || !is_as_seen {
        return Ok(see_other(&format!("/staff/visits/{id}?done=moved")));
    }
    let (_, by) = writer(&visit)?;
    let mut task = planned.resource((&id, &row.patient), Some(before), (&by, visit.now));
    let state = match cancels {
        true => VisitState::Cancelled,
        false => VisitState::Planned,
    };
    task::stands(&mut task, state, if cancels { &typed.why } else { "" });
    let day = if cancels { &row.day } else { &typed.day };
    let seen = (Expect::Version(version), Release::Keep);
    let job = Job {
        changes: vec![exchange::prescriptions::written(
            &task,
            &node.site.organisation,
            seen,
        )?],
        effects: vec![Effect::Visit(VisitWrite::Change {
            visit: Box::new(row_of(&planned, (&id, &row.patient), day)),
            state,
        })],
        traces: vec![line(&scope, (&id, &row.patient), None)],
        ..Job::default()
    };
    let done = match node.store.commit(&scope, job).await {
        Ok(_) if cancels => "cancelled",
        Ok(_) => "changed",
        Err(problem) if problem.came_between() => "moved",
        Err(problem) => return Err(problem.into()),
    };
    Ok(see_other(&format!("/staff/visits/{id}?done={done}")))
}

/// The patient as the scope shows them.
async fn whose(
    node: &Node,
    scope: &Scope,
    patient: &str,
) -> Result<crate::page::parts::Person, Problem> {
    care::check(patient)?;
    person::refuse_barred(node, scope, patient).await?;
    let found = shown(node, scope, patient).await?;
    let message = "There is no such patient here, or nobody has recorded that you care for them. Open a visit \
         from the patient's page.";
    found
        .map(|it| it.person)
        .ok_or_else(|| Problem::new(Kind::NotFound, message))
}

/// The moment that is asked for.
pub(super) fn next_at(day: &str, time: &str) -> Option<Millis> {
    words::moment_of(day, time)
}
