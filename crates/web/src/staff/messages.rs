//! `/staff/messages`: what patients write to the practice, and the answers. What nobody has opened for the set time stands on
//! the work list.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::Reading;
use store::messages::{MessageWrite, Post, TEXT_CHARS_MAX, Thread, ThreadList, Writer};

use crate::conversation::write;
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{self, Done, Fault, Label, Person, Tab};
use crate::page::problem::Refusal;
use crate::page::words::Moment;
use crate::page::{Page, see_other, words};
use crate::record;
use crate::staff::{care, views, worklist};
use crate::visit::Visit;

/// Rows of one list at most.
const ROWS_MAX: u32 = 100;
const HOUR: Millis = 3_600_000;

/// `staff/messages.jinja`
#[derive(Serialize)]
pub struct List {
    pub done: Option<Done>,
    pub tabs: Vec<Tab>,
    pub rows: Vec<Row>,
    pub full: bool,
    pub empty: &'static str,
}

#[derive(Serialize)]
pub struct Row {
    /// None where the patient is not shown to the reader.
    pub href: Option<String>,
    pub patient: Person,
    pub subject: String,
    pub unread: u32,
    pub since: Moment,
}

/// `staff/message-thread.jinja`
#[derive(Serialize)]
pub struct One {
    pub errors: Vec<Fault>,
    pub patient: Person,
    /// Where a new conversation with the patient is begun, or the record.
    pub record: String,
    pub subject: String,
    pub action: String,
    pub is_new: bool,
    pub words: String,
    pub words_error: Option<&'static str>,
    pub subject_error: Option<&'static str>,
    pub posts: Vec<PostRow>,
}

#[derive(Serialize)]
pub struct PostRow {
    pub who: String,
    pub when: Moment,
    pub text: String,
    pub by_patient: bool,
    pub opened: Option<Moment>,
}

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    done: String,
}

fn at_practice(node: &Node) -> Result<(), Problem> {
    match node.site.is_practice() {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::NotFound,
            "Patients write to their GP practice.",
        )),
    }
}

/// The patient, as far as the scope shows them.
async fn whose(node: &Node, scope: &Scope, patient: &str) -> Result<Option<Person>, Problem> {
    let Reading::Found(version) = node.store.read(scope, "Patient", patient).await? else {
        return Ok(None);
    };
    let who = record::patient(&record::json(&version)?);
    Ok(Some(Person::new(
        &who.name,
        who.birth_date.as_deref(),
        who.nhs_number.as_deref(),
    )))
}

/// `GET /staff/messages`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    let scope = visit.scope(&node, Interaction::Messages, "Patient").await?;
    let (list, is_all) = match asked.show.as_str() {
        "all" => (ThreadList::All, true),
        _ => (ThreadList::Waiting, false),
    };
    let counts = node.store.message_counts(&scope).await?;
    let threads = node.store.threads(&scope, list, ROWS_MAX).await?;
    let mut rows = Vec::new();
    for thread in &threads {
        rows.push(row(&node, &scope, thread, (is_all, visit.now)).await?);
    }
    let tab = |text, show: &str, count, current| Tab {
        text,
        href: format!("/staff/messages?show={show}"),
        count: Some(count),
        current,
    };
    let view = List {
        done: (asked.done == "sent").then_some(Done {
            text: "Sent. The patient reads it when they sign in; nothing was sent by mail or text message.",
            href: None,
            link: None,
        }),
        tabs: vec![
            tab("Not opened yet", "waiting", counts.waiting, !is_all),
            tab("All", "all", counts.all, is_all),
        ],
        full: rows.len() >= ROWS_MAX as usize,
        rows,
        empty: match is_all {
            true => "No patient has written to the practice yet.",
            false => "Every message has been opened.",
        },
    };
    let page = Page::new("staff/messages.jinja", "Messages", view).under("/staff/messages");
    Ok(page.answer(&node.site, &visit))
}

async fn row(
    node: &Node,
    scope: &Scope,
    thread: &Thread,
    (is_all, now): (bool, Millis),
) -> Result<Row, Problem> {
    let patient = whose(node, scope, &thread.patient).await?;
    let since = match is_all {
        true => thread.last_at,
        false => thread.waiting_since,
    };
    Ok(Row {
        href: patient
            .is_some()
            .then(|| format!("/staff/messages/{}", thread.id)),
        subject: match patient {
            Some(_) => thread.subject.clone(),
            None => "Not shown to you: this patient’s record is withheld".to_owned(),
        },
        patient: patient.unwrap_or_else(|| Person::new("Withheld", None, None)),
        unread: thread.unread_here,
        since: words::moment(since, now),
    })
}

fn gone() -> Problem {
    let message = "There is no such conversation here, or the patient’s record is withheld.";
    Problem::new(Kind::NotFound, message)
}

async fn read(
    node: &Node,
    visit: &Visit,
    id: &str,
) -> Result<(Person, Thread, Vec<Post>), Problem> {
    at_practice(node)?;
    let scope = visit.scope(node, Interaction::Messages, "Patient").await?;
    let (thread, posts) = node.store.thread(&scope, id).await?.ok_or_else(gone)?;
    let person = whose(node, &scope, &thread.patient).await?;
    Ok((person.ok_or_else(gone)?, thread, posts))
}

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    subject: String,
    words: String,
    subject_error: Option<&'static str>,
    words_error: Option<&'static str>,
}

impl Typed {
    fn of(fields: &Fields, is_new: bool) -> Typed {
        let (subject, words) = (fields.text("subject"), fields.text("words"));
        Typed {
            subject_error: match subject.chars().count() {
                _ if !is_new => None,
                0 => Some("Say what it is about"),
                many if many > store::messages::SUBJECT_CHARS_MAX => {
                    Some("Write up to 100 characters")
                }
                _ => None,
            },
            words_error: match words.chars().count() {
                0 => Some("Write the message"),
                many if many > TEXT_CHARS_MAX => Some("Write up to 4,000 characters"),
                _ => None,
            },
            subject: subject.to_owned(),
            words: words.to_owned(),
        }
    }

    fn faults(&self) -> Vec<Fault> {
        parts::faults([
            (self.subject_error, "#subject"),
            (self.words_error, "#words"),
        ])
    }
}

/// `GET /staff/messages/{id}`: opening it is told to the patient.
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (person, thread, posts) = read(&node, &visit, &id).await?;
    if thread.unread_here > 0 {
        let opened = MessageWrite::Opened {
            id: id.clone(),
            by_patient: false,
        };
        write(&node, &visit, (&id, &thread.patient), opened).await?;
    }
    Ok(show(
        &node,
        &visit,
        (person, &thread, &posts),
        &Typed::default(),
    ))
}

fn show(
    node: &Node,
    visit: &Visit,
    (patient, thread, posts): (Person, &Thread, &[Post]),
    typed: &Typed,
) -> Response {
    let errors = typed.faults();
    let is_faulty = !errors.is_empty();
    let now = visit.now;
    let post = |it: &Post| PostRow {
        who: match it.role.is_empty() {
            true => it.who.clone(),
            false => format!("{}, {}", it.who, it.role),
        },
        when: words::moment(it.at, now),
        text: it.text.clone(),
        by_patient: it.by_patient,
        opened: (it.opened_at > 0).then(|| words::moment(it.opened_at, now)),
    };
    let is_new = thread.id.is_empty();
    let title = match is_new {
        true => "Write to a patient",
        false => "Messages",
    };
    let view = One {
        errors,
        record: format!("/staff/patient/{}", thread.patient),
        subject: match is_new {
            true => typed.subject.clone(),
            false => thread.subject.clone(),
        },
        action: match is_new {
            true => format!("/staff/messages/to/{}", thread.patient),
            false => format!("/staff/messages/{}", thread.id),
        },
        is_new,
        patient,
        words: typed.words.clone(),
        words_error: typed.words_error,
        subject_error: typed.subject_error,
        posts: posts.iter().map(post).collect(),
    };
    let page = Page::new("staff/message-thread.jinja", title, view).under("/staff/messages");
    page.with_faults(is_faulty).answer(&node.site, visit)
}

/// `POST /staff/messages/{id}`
pub async fn answer(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (person, thread, posts) = read(&node, &visit, &id).await?;
    let typed = Typed::of(&fields, false);
    if !typed.faults().is_empty() {
        return Ok(show(&node, &visit, (person, &thread, &posts), &typed));
    }
    let add = MessageWrite::Add {
        id: id.clone(),
        patient: thread.patient.clone(),
        writer: writer(&visit),
        text: typed.words,
    };
    write(&node, &visit, (&id, &thread.patient), add).await?;
    Ok(see_other("/staff/messages?show=all&done=sent"))
}

/// A conversation that is not there yet.
fn unbegun(patient: &str) -> Thread {
    Thread {
        id: String::new(),
        patient: patient.to_owned(),
        subject: String::new(),
        begun_at: 0,
        last_at: 0,
        posts: 0,
        unread_here: 0,
        waiting_since: 0,
        unread_patient: 0,
    }
}

/// `GET /staff/messages/to/{patient}`
pub async fn form(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
) -> Result<Response, Refusal> {
    let person = addressee(&node, &visit, &patient).await?;
    let thread = unbegun(&patient);
    Ok(show(
        &node,
        &visit,
        (person, &thread, &[]),
        &Typed::default(),
    ))
}

async fn addressee(node: &Node, visit: &Visit, patient: &str) -> Result<Person, Problem> {
    at_practice(node)?;
    care::check(patient)?;
    let scope = visit.scope(node, Interaction::Messages, "Patient").await?;
    let person = whose(node, &scope, patient).await?;
    let message = "There is no such patient here, or their record is withheld.";
    person.ok_or_else(|| Problem::new(Kind::NotFound, message))
}

/// `POST /staff/messages/to/{patient}`
pub async fn begin(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let person = addressee(&node, &visit, &patient).await?;
    let typed = Typed::of(&fields, true);
    if !typed.faults().is_empty() {
        let thread = unbegun(&patient);
        return Ok(show(&node, &visit, (person, &thread, &[]), &typed));
    }
    let id = uuid::Uuid::new_v4().to_string();
    let begin = MessageWrite::Begin {
        id: id.clone(),
        patient: patient.clone(),
        subject: typed.subject,
        writer: writer(&visit),
        text: typed.words,
    };
    write(&node, &visit, (&id, &patient), begin).await?;
    Ok(see_other("/staff/messages?show=all&done=sent"))
}

fn writer(visit: &Visit) -> Writer {
    let agent = visit.caller().map(access::Caller::agent);
    Writer {
        by_patient: false,
        name: agent.as_ref().map(|it| it.name.clone()).unwrap_or_default(),
        role: agent
            .and_then(|it| it.role.clone())
            .unwrap_or_default()
            .into_owned(),
    }
}

/// The group of the work list: what nobody has opened for the set time. It names nobody.
pub(super) async fn group(
    node: &Node,
    scope: &Scope,
    now: Millis,
) -> Result<views::Group, Problem> {
    let hours = node.messages_unopened_hours;
    let before = now.saturating_sub(Millis::from(hours) * HOUR);
    let found = node
        .store
        .unopened_messages(scope, before, worklist::ROWS_MAX)
        .await?;
    let rows = found.iter().map(|it| views::Work {
        when: words::moment(it.since, now),
        what: match it.count {
            1 => "1 message of a patient".to_owned(),
            many => format!("{many} messages of a patient"),
        },
        href: Some("/staff/messages".to_owned()),
        state: Label {
            text: "Not opened",
            colour: Some("red"),
        },
        why: format!("Nobody has opened it for {hours} hours or more."),
        next: "Open it under Messages and answer, or ring the patient.".to_owned(),
        actions: Vec::new(),
    });
    let title = "Patients’ messages that nobody has opened";
    let empty = "Every message of a patient has been opened in time.";
    Ok(worklist::group(
        "patients-messages",
        title,
        rows.collect(),
        empty,
    ))
}
