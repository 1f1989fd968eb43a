//! `/staff/tasks`: work to do, given to a person or a team, from a letter or about a patient. What is to be done is a FHIR Task
//! (<https://hl7.org/fhir/R4/task.html>); whose it is and until when stands in a row beside it, written in the same commit.

pub(crate) mod asked;
mod begin;
pub(crate) mod booking;
mod resource;

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::prescriptions::written;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::questionnaire;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value;
use store::desk::{DeskWrite, Task, TaskCounts, TaskList, TaskState, TaskWas, Whose};
use store::{Effect, Expect, Job, Reading, Release};

use super::views::{TaskLine, TaskPage, TaskRow, Tasks};
use super::whose::{self, People};
use super::{account, is_theirs, me};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label, Person, Tab};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::record::{self, json};
use crate::staff::NOT_SHOWN;
use crate::staff::rules::acts;
use crate::visit::Visit;
use begin::due;
pub use begin::{begin, new};

/// The longest text of a task, in characters.
const TEXT_CHARS_MAX: usize = 2_000;
const DAY: Millis = 86_400_000;

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    done: String,
    #[serde(default)]
    patient: String,
    letter: Option<i64>,
}

/// The first millisecond (UTC) of the day that it is in the UK.
pub(crate) fn today(now: Millis) -> Millis {
    let day = words::there(now).map(|it| it.date().to_string());
    let span = day.as_deref().and_then(fhir::date::span);
    span.map_or(now - now.rem_euclid(DAY), |it| it.low)
}

/// A day as forms have it.
fn day_of(at: Millis) -> String {
    let text = fhir::date::instant(at);
    text.get(..10).unwrap_or_default().to_owned()
}

fn due_label(task: &Task, now: Millis) -> Label {
    let today = today(now);
    let (text, colour) = match task.state {
        TaskState::Done => ("Done", "green"),
        TaskState::NotDone => ("Not done", "orange"),
        TaskState::Open if task.due < today => ("Overdue", "red"),
        TaskState::Open if task.due < today + DAY => ("Due today", "yellow"),
        TaskState::Open => ("Open", "blue"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

/// A task beside its letter.
pub(crate) fn line(task: &Task, now: Millis) -> TaskLine {
    TaskLine {
        href: format!("/staff/tasks/{}", task.id),
        whose: whose::said(&task.person, &task.team),
        due: words::day(&day_of(task.due)),
        label: due_label(task, now),
    }
}

/// `GET /staff/tasks`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::Tasks, "Task").await?;
    let me = account(&visit);
    let counts = node.store.task_counts(&scope, me, today(visit.now)).await?;
    let (word, list) = match asked.show.as_str() {
        "all" => ("all", TaskList::Open),
        "over" => ("over", TaskList::Over),
        _ => ("mine", TaskList::Mine(me)),
    };
    let (found, more) = node.store.tasks(&scope, &list).await?;
    let rows = found.iter().map(|it| row(&node, &scope, it, visit.now));
    let rows = join_all(rows).await.into_iter();
    let view = Tasks {
        done: done(&asked.done),
        tabs: tabs(&counts, word),
        rows: rows.collect::<Result<_, Problem>>()?,
        empty: match word {
            "all" => "No task is open.",
            "over" => "No task has been done yet.",
            _ => "No task is yours, your teams’ or nobody’s.",
        },
        more,
        overdue: match counts.overdue {
            0 => None,
            1 => Some("1 is overdue.".to_owned()),
            more => Some(format!("{more} are overdue.")),
        },
    };
    let page = Page::new("staff/tasks.jinja", "Tasks", view).under("/staff/tasks");
    Ok(page.answer(&node.site, &visit))
}

fn tabs(counts: &TaskCounts, word: &str) -> Vec<Tab> {
    let tab = |of: &'static str, text, count| Tab {
        text,
        href: format!("/staff/tasks?show={of}"),
        count,
        current: of == word,
    };
    vec![
        tab("mine", "Mine, my teams’ and nobody’s", Some(counts.mine)),
        tab("all", "All open", Some(counts.open)),
        tab("over", "Over", None),
    ]
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "made" => "The task is on the list.",
        "give" => "Given on.",
        "done" => "Done, and off the list.",
        "not-done" => "Recorded as not done, with the reason.",
        "undone" => "Undone: the task that the rule made is off the list.",
        "booked" => "Booked, and the task is done. The patient sees the appointment on their page.",
        "asked" => {
            "Asked for. The task stays open until the appointment is confirmed; then press Done."
        }
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// The Task and the Patient, as far as the scope shows them.
async fn loaded(
    node: &Node,
    scope: &Scope,
    task: &Task,
) -> Result<Option<(Value, u64, record::Patient)>, Problem> {
    let Reading::Found(version) = node.store.read(scope, "Task", &task.id).await? else {
        return Ok(None);
    };
    let Reading::Found(patient) = node.store.read(scope, "Patient", &task.patient).await? else {
        return Ok(None);
    };
    let who = record::patient(&json(&patient)?);
    Ok(Some((json(&version)?, version.version, who)))
}

fn person(who: &record::Patient) -> Person {
    Person::new(
        &who.name,
        who.birth_date.as_deref(),
        who.nhs_number.as_deref(),
    )
}

async fn row(node: &Node, scope: &Scope, task: &Task, now: Millis) -> Result<TaskRow, Problem> {
    let found = loaded(node, scope, task).await?;
    let over = task.state != TaskState::Open;
    Ok(TaskRow {
        href: found.is_some().then(|| format!("/staff/tasks/{}", task.id)),
        what: match &found {
            Some((task, ..)) => resource::what(task).to_owned(),
            None => "Withheld from you".to_owned(),
        },
        patient: match &found {
            Some((.., who)) => person(who),
            None => Person::new(NOT_SHOWN, None, None),
        },
        whose: whose::said(&task.person, &task.team),
        due: words::day(&day_of(task.due)),
        label: due_label(task, now),
        urgent: task.urgent,
        by: if over { &task.state_by } else { &task.made_by }.clone(),
        when: words::moment(if over { task.state_at } else { task.made_at }, now),
        letter: (task.pid != 0 && found.is_some()).then(|| format!("/staff/item/{}", task.pid)),
        overdue: !over && task.due < today(now),
    })
}

fn fault(text: &'static str, href: &'static str) -> Fault {
    Fault {
        text,
        href: href.into(),
    }
}

/// Whose a task is, as its Task names them.
fn owner(people: &People, whose: &Whose) -> resource::Owner {
    let person = people
        .colleagues
        .iter()
        .find(|it| it.account == whose.account);
    let team = people.teams.iter().find(|it| it.id == whose.team);
    resource::Owner {
        account: whose.account,
        person: person.map(|it| it.name.clone()).unwrap_or_default(),
        team: whose.team.clone(),
        team_name: team.map(|it| it.name.clone()).unwrap_or_default(),
    }
}

fn job(
    node: &Node,
    scope: &Scope,
    (task, was): (&Task, TaskWas),
    (made, expect): (&Value, Expect),
) -> Result<Job, Problem> {
    let target = Target {
        ty: "Task".into(),
        id: Some(task.id.clone()),
        patient: Some(task.patient.clone()),
        ..Target::default()
    };
    Ok(Job {
        changes: vec![written(
            made,
            &node.site.organisation,
            (expect, Release::Keep),
        )?],
        effects: vec![Effect::Desk(DeskWrite::Task {
            task: Box::new(task.clone()),
            was,
        })],
        traces: vec![scope.trace(Interaction::WorkTask, Outcome::Success, target)],
        ..Job::default()
    })
}

/// `GET /staff/tasks/{id}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let said = Said {
        done: done(&asked.done),
        ..Said::default()
    };
    show(&node, &visit, &id, said).await
}

/// What the page of one task says beside the task.
#[derive(Default)]
struct Said {
    done: Option<Done>,
    refused: Option<String>,
    note: String,
    why: String,
    why_error: Option<&'static str>,
    due_error: Option<&'static str>,
}

fn gone() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is no such task here, or it is withheld from you.",
    )
}

async fn show(node: &Node, visit: &Visit, id: &str, said: Said) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Tasks, "Task").await?;
    let task = node.store.task(&scope, id).await?;
    let (resource, _, who) = loaded(node, &scope, &task).await?.ok_or_else(gone)?;
    let people = People::of(node, &scope).await?;
    let act = node.store.rule_act_of_task(&scope, id).await?;
    let errors = [
        said.why_error.map(|it| fault(it, "#why")),
        said.due_error.map(|it| fault(it, "#due")),
    ];
    let view = TaskPage {
        done: said.done,
        errors: errors.into_iter().flatten().collect(),
        refused: said.refused,
        what: resource::what(&resource).to_owned(),
        patient: person(&who),
        record: format!("/staff/patient/{}", task.patient),
        letter: (task.pid != 0).then(|| format!("/staff/item/{}", task.pid)),
        answer: questionnaire::ask(&resource)
            .map(|_| format!("/staff/questionnaires/tasks/{id}/answer")),
        book: exchange::rules::to_book(&resource).map(|_| format!("/staff/slots?task={id}")),
        whose: whose::said(&task.person, &task.team),
        due: words::day(&day_of(task.due)),
        due_day: day_of(task.due),
        label: due_label(&task, visit.now),
        urgent: task.urgent,
        made: task.made_by.clone(),
        made_at: words::moment(task.made_at, visit.now),
        notes: resource::notes(&resource, visit.now),
        open: task.state == TaskState::Open,
        action: format!("/staff/tasks/{id}"),
        version: task.version,
        choices: people.groups(
            account(visit),
            &whose::word(&task.whose),
            "Nobody in particular",
        ),
        note: said.note,
        why: said.why,
        why_error: said.why_error,
        due_error: said.due_error,
        rules: acts::marks(act.as_slice(), "task", visit.now),
    };
    let faulty = !view.errors.is_empty() || view.refused.is_some();
    let title = format!("Task for {}", who.name);
    let page = Page::new("staff/task.jinja", title, view).under("/staff/tasks");
    Ok(page.with_faults(faulty).answer(&node.site, visit))
}

/// `POST /staff/tasks/{id}`: given on, done, or not done and why.
pub async fn step(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::WorkTask, "Task").await?;
    let mut task = node.store.task(&scope, &id).await?;
    let (mut resource, version, _) = loaded(&node, &scope, &task).await?.ok_or_else(gone)?;
    let mut said = Said {
        note: fields.text("note").to_owned(),
        why: fields.text("why").to_owned(),
        ..Said::default()
    };
    let what = fields.text("do").to_owned();
    let note = match what.as_str() {
        "give" => match due(fields.text("due"), visit.now) {
            Ok(due) => {
                task.due = due;
                task.whose = whose::parse(fields.text("to"))?;
                String::new()
            }
            // What is overdue may be handed on as it is.
            Err(_) if fields.text("due") == day_of(task.due) => {
                task.whose = whose::parse(fields.text("to"))?;
                String::new()
            }
            Err(fault) => {
                said.due_error = Some(fault);
                return show(&node, &visit, &id, said).await;
            }
        },
        "done" if questionnaire::ask(&resource).is_some() => {
            said.refused = Some(
                "This task is done by answering the questionnaire. Nothing was recorded."
                    .to_owned(),
            );
            return show(&node, &visit, &id, said).await;
        }
        "done" => {
            task.state = TaskState::Done;
            said.note.clone()
        }
        "not-done" if said.why.is_empty() => {
            said.why_error = Some("Enter why it was not done");
            return show(&node, &visit, &id, said).await;
        }
        "not-done" => {
            task.state = TaskState::NotDone;
            said.why.clone()
        }
        _ => return Err(Problem::new(Kind::Value, "There is no such button.").into()),
    };
    if note.chars().count() > TEXT_CHARS_MAX {
        said.refused =
            Some("Write less: at most 2,000 characters. Nothing was recorded.".to_owned());
        return show(&node, &visit, &id, said).await;
    }
    let by = me(&visit)?.who;
    task.state_by.clone_from(&by);
    let people = People::of(&node, &scope).await?;
    let owner = owner(&people, &task.whose);
    let told = (by.as_str(), note.as_str());
    resource::step(&mut resource, &task, &owner, told, visit.now);
    let was = TaskWas::At(fields.text("version").parse().unwrap_or_default());
    let expect = Expect::Version(version);
    let job = job(&node, &scope, (&task, was), (&resource, expect))?;
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other(&match what.as_str() {
            "give" => format!("/staff/tasks/{id}?done=give"),
            what => format!("/staff/tasks?done={what}"),
        })),
        Err(problem) if is_theirs(&problem) => {
            let now = node.store.task(&scope, &id).await?;
            said.refused = Some(match problem.kind {
                Kind::Conflict => format!(
                    "{} changed this task on {}, before you. Nothing of what you did just now was recorded.",
                    now.state_by,
                    words::moment(now.state_at, visit.now).full
                ),
                _ => problem.message.to_string(),
            });
            show(&node, &visit, &id, said).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The day that was typed, as `2026-05-03`, if something can be due then.
///
/// # Errors
/// What is wrong with it, for the page.
pub(crate) fn due_day(text: &str, now: Millis) -> Result<String, &'static str> {
    due(text, now).map(day_of)
}
