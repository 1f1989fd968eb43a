//! `/staff/patient/{id}/questionnaires`: what was asked about one patient, and asking.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::prescriptions::written;
use fhir::members::{set, text as at};
use fhir::problem::Kind;
use fhir::questionnaire::{self, Answerer, Form};
use serde_json::json;
use store::forms::AskList;
use store::{Expect, Job, Release};

use super::views::{OfPatient, Pick};
use super::{Asked, done, look, row, titles};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::questionnaires::load;
use crate::staff::desk::results::head;
use crate::staff::desk::tasks::due_day;
use crate::staff::desk::{attempt, me, new_attempt};
use crate::visit::Visit;

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    form: String,
    who: String,
    due: String,
    reason: String,
    attempt: Option<String>,
    form_error: Option<&'static str>,
    due_error: Option<&'static str>,
    reason_error: Option<&'static str>,
}

/// `GET /staff/patient/{id}/questionnaires`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    show(&node, &visit, (&id, &asked.done), Typed::default()).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    (id, word): (&str, &str),
    typed: Typed,
) -> Result<Response, Refusal> {
    let scope = look(node, visit).await?;
    let head = head(node, &scope, id, None).await?;
    let all = load::all(&node.store).await?;
    let titles = titles(&all);
    let (asks, more) = node.store.asks(&scope, &AskList::Of(id.to_owned())).await?;
    let mut rows = Vec::new();
    for ask in &asks {
        rows.push(row(node, &scope, ask, &titles, visit.now).await?);
    }
    let can_be_asked = all.iter().filter(|it| {
        at(&it.resource, "/status") == "active"
            && !at(&it.resource, "/url").is_empty()
            && Form::read(&it.resource).is_ok()
    });
    let pick = |value: String, text: String, chosen: &str| {
        let is_chosen = value == chosen;
        Pick {
            value,
            text,
            checked: is_chosen,
            selected: is_chosen,
        }
    };
    let forms = can_be_asked.map(|it| {
        let title = load::title(&it.resource).to_owned();
        pick(it.id.clone(), title, &typed.form)
    });
    let chosen = if typed.who == "staff" {
        "staff"
    } else {
        "patient"
    };
    let name = head.patient.name.clone();
    let view = OfPatient {
        done: done(word),
        errors: parts::faults([
            (typed.form_error, "#form"),
            (typed.due_error, "#due"),
            (typed.reason_error, "#reason"),
        ]),
        rows,
        more,
        action: format!("/staff/patient/{id}/questionnaires"),
        attempt: typed.attempt.unwrap_or_else(new_attempt),
        forms: forms.collect(),
        form_error: typed.form_error,
        who: vec![
            pick(
                "patient".into(),
                "The patient, on their own pages".into(),
                chosen,
            ),
            pick("staff".into(), "Staff, with the patient".into(), chosen),
        ],
        due: typed.due,
        due_error: typed.due_error,
        reason: typed.reason,
        reason_error: typed.reason_error,
        head,
    };
    let faulty = !view.errors.is_empty();
    let title = format!("Questionnaires of {name}");
    let page = Page::new("staff/patient-questionnaires.jinja", title, view);
    let page = page.under("/staff/questionnaires").with_faults(faulty);
    Ok(page.answer(&node.site, visit))
}

/// `POST /staff/patient/{id}/questionnaires`: asks. The same form twice asks once.
pub async fn ask(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::WorkTask, "Task").await?;
    // To who is not shown the patient there is no such patient.
    head(&node, &scope, &id, None).await?;
    let task = attempt(fields.text("attempt"))?;
    let mut typed = Typed {
        form: fields.text("form").to_owned(),
        who: fields.text("who").to_owned(),
        due: fields.text("due").to_owned(),
        reason: fields.text("reason").to_owned(),
        attempt: Some(task.clone()),
        ..Typed::default()
    };
    let form = load::by_id(&node.store, &typed.form).await;
    let form = form
        .ok()
        .filter(|(form, _)| form.status == "active" && !form.url.is_empty());
    if form.is_none() {
        typed.form_error = Some("Choose a questionnaire that can be asked");
    }
    let day = match typed.due.as_str() {
        "" => None,
        text => match due_day(text, visit.now) {
            Ok(day) => Some(day),
            Err(fault) => {
                typed.due_error = Some(fault);
                None
            }
        },
    };
    if typed.reason.chars().count() > REASON_CHARS_MAX {
        typed.reason_error = Some("Why you ask is more than 500 characters");
    }
    let faulty = typed.due_error.is_some() || typed.reason_error.is_some();
    let Some((form, _)) = form.filter(|_| !faulty) else {
        return show(&node, &visit, (&id, ""), typed).await;
    };
    let by = match typed.who.as_str() {
        "staff" => Answerer::Staff,
        _ => Answerer::Patient,
    };
    let patient = format!("Patient/{id}");
    let canonical = form.canonical();
    let mut made = questionnaire::task(
        &task,
        &patient,
        &canonical,
        by,
        &typed.reason,
        visit.now,
        day.as_deref(),
    );
    set(&mut made, "description", form.title.clone().into());
    set(
        &mut made,
        "requester",
        json!({ "display": me(&visit)?.who }),
    );
    let release = match by {
        Answerer::Patient => Release::At(visit.now),
        Answerer::Staff => Release::Keep,
    };
    let target = Target {
        ty: "Task".into(),
        id: Some(task.clone()),
        patient: Some(id.clone()),
        ..Target::default()
    };
    let job = Job {
        changes: vec![written(
            &made,
            &node.site.organisation,
            (Expect::Absent, release),
        )?],
        traces: vec![scope.trace(Interaction::WorkTask, Outcome::Success, target)],
        ..Job::default()
    };
    match node.store.commit(&scope, job).await {
        Ok(_) => {}
        // The same form was sent twice: the first has asked.
        Err(problem) if matches!(problem.kind, Kind::Conflict | Kind::Duplicate) => {}
        Err(problem) => return Err(problem.into()),
    }
    Ok(see_other(&format!(
        "/staff/patient/{id}/questionnaires?done=asked"
    )))
}
