//! A task is begun: from a letter that came in, or about a patient.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::desk::{Task, TaskState, TaskWas};
use store::parcels::Shown;
use store::{Expect, Reading};

use super::{Asked, DAY, TEXT_CHARS_MAX, day_of, fault, job, owner, person, resource, today};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::record::{self, json};
use crate::staff::desk::views::TaskNew;
use crate::staff::desk::whose::{self, People};
use crate::staff::desk::{account, attempt, me, new_attempt};
use crate::staff::{care, subject};
use crate::visit::Visit;

/// Tasks are due within so many days.
const AHEAD_DAYS: Millis = 3_660;

/// Whom a task is about, and the letter that it comes of.
struct About {
    patient: String,
    who: record::Patient,
    letter: Option<(i64, String, String)>,
}

async fn about(
    node: &Node,
    visit: &Visit,
    (patient, letter): (&str, Option<i64>),
) -> Result<About, Problem> {
    let gone = || {
        Problem::new(
            Kind::NotFound,
            "There is no such patient or letter here, or it is withheld from you.",
        )
    };
    let (patient, letter) = match letter {
        Some(pid) => {
            let scope = visit
                .scope(node, Interaction::Item, "DocumentReference")
                .await?;
            let item = node.store.item(&scope, pid).await?;
            let made = &item.letter.made;
            let (Some(patient), Some(document), Shown::Whole, true) = (
                &made.patient,
                &made.document,
                item.letter.shown,
                item.inward,
            ) else {
                return Err(gone());
            };
            let letter = (pid, document.clone(), subject(&item.letter));
            (patient.clone(), Some(letter))
        }
        None => (patient.to_owned(), None),
    };
    care::check(&patient)?;
    let scope = visit.scope(node, Interaction::Read, "Patient").await?;
    let Reading::Found(version) = node.store.read(&scope, "Patient", &patient).await? else {
        return Err(gone());
    };
    Ok(About {
        who: record::patient(&json(&version)?),
        patient,
        letter,
    })
}

/// `GET /staff/tasks/new?letter=…` or `?patient=…`
pub async fn new(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let about = about(&node, &visit, (&asked.patient, asked.letter)).await?;
    let typed = Typed {
        due: day_of(today(visit.now) + DAY),
        ..Typed::default()
    };
    form(&node, &visit, &about, typed).await
}

/// What was typed into the form, and what is wrong with it.
#[derive(Default)]
struct Typed {
    what: String,
    due: String,
    to: String,
    urgent: bool,
    attempt: Option<String>,
    what_error: Option<&'static str>,
    due_error: Option<&'static str>,
}

async fn form(
    node: &Node,
    visit: &Visit,
    about: &About,
    typed: Typed,
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Tasks, "Task").await?;
    let people = People::of(node, &scope).await?;
    let errors = [
        typed.what_error.map(|it| fault(it, "#what")),
        typed.due_error.map(|it| fault(it, "#due")),
    ];
    let view = TaskNew {
        errors: errors.into_iter().flatten().collect(),
        patient: person(&about.who),
        patient_id: about.patient.clone(),
        letter: about
            .letter
            .as_ref()
            .map(|(pid, ..)| pid.to_string())
            .unwrap_or_default(),
        subject: about.letter.as_ref().map(|(.., subject)| subject.clone()),
        back: match &about.letter {
            Some((pid, ..)) => format!("/staff/item/{pid}"),
            None => format!("/staff/patient/{}", about.patient),
        },
        attempt: typed.attempt.unwrap_or_else(new_attempt),
        what: typed.what,
        what_error: typed.what_error,
        due: typed.due,
        due_error: typed.due_error,
        urgent: typed.urgent,
        whose: people.groups(account(visit), &typed.to, "Nobody in particular"),
    };
    let faulty = !view.errors.is_empty();
    let page = Page::new("staff/task-new.jinja", "New task", view).under("/staff/tasks");
    Ok(page.with_faults(faulty).answer(&node.site, visit))
}

/// The day that was typed, if a task can be due then.
pub(super) fn due(text: &str, now: Millis) -> Result<Millis, &'static str> {
    let day = text.parse::<jiff::civil::Date>().ok();
    let day = day.and_then(|it| fhir::date::span(&it.to_string()));
    let day = day.ok_or("Enter the day by which it is to be done, such as 2026-03-31")?;
    let today = today(now);
    match day.low {
        low if low < today => Err("The day by which it is to be done is over"),
        low if low > today + AHEAD_DAYS * DAY => Err("The day is more than ten years ahead"),
        low => Ok(low),
    }
}

fn what_fault(text: &str) -> Option<&'static str> {
    match text.chars().count() {
        0 => Some("Enter what is to be done"),
        count if count > TEXT_CHARS_MAX => Some("What is to be done is more than 2,000 characters"),
        _ => None,
    }
}

/// `POST /staff/tasks/new`: the same form twice makes one task.
pub async fn begin(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::WorkTask, "Task").await?;
    let id = attempt(fields.text("attempt"))?;
    let pid = fields.text("letter").parse().ok();
    let about = about(&node, &visit, (fields.text("patient"), pid)).await?;
    let what = fields.text("what").replace("\r\n", "\n");
    let due = due(fields.text("due"), visit.now);
    let what_error = what_fault(&what);
    let (Ok(due), None) = (due, what_error) else {
        let typed = Typed {
            what_error,
            due_error: due.err(),
            due: fields.text("due").to_owned(),
            to: fields.text("to").to_owned(),
            urgent: fields.text("urgent") == "yes",
            attempt: Some(id),
            what,
        };
        return form(&node, &visit, &about, typed).await;
    };
    let by = me(&visit)?.who;
    let whose = whose::parse(fields.text("to"))?;
    let task = Task {
        id: id.clone(),
        patient: about.patient.clone(),
        pid: pid.unwrap_or_default(),
        whose,
        person: String::new(),
        team: String::new(),
        due,
        urgent: fields.text("urgent") == "yes",
        state: TaskState::Open,
        made_at: visit.now,
        made_by: by.clone(),
        state_at: visit.now,
        state_by: by,
        version: 1,
    };
    let document = about
        .letter
        .as_ref()
        .map(|(_, document, _)| document.as_str());
    let people = People::of(&node, &scope).await?;
    let made = resource::new(&task, &what, document, &owner(&people, &task.whose));
    let job = job(
        &node,
        &scope,
        (&task, TaskWas::Nothing),
        (&made, Expect::Absent),
    )?;
    match node.store.commit(&scope, job).await {
        Ok(_) => {}
        // The same form was sent twice: the first has made it.
        Err(problem) if problem.kind == Kind::Conflict => {}
        Err(problem) => return Err(problem.into()),
    }
    Ok(see_other(&match pid {
        Some(pid) => format!("/staff/item/{pid}?done=task"),
        None => "/staff/tasks?done=made".to_owned(),
    }))
}
