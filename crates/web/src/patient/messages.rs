//! `/messages`: what the patient and their practice write to each other. Nothing of it is sent by mail or text message.

use std::sync::Arc;

use access::{Interaction, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::messages::{MessageWrite, Post, SUBJECT_CHARS_MAX, TEXT_CHARS_MAX, Thread, Writer};
use store::{Effect, Job};

use crate::conversation;
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{self, Fault};
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, see_other};
use crate::patient::access_log;
use crate::patient::appointments::text;
use crate::patient::record::views::Texts;
use crate::visit::Visit;

/// `patient/messages.jinja`
#[derive(Serialize)]
pub struct List {
    pub t: Texts,
    pub lang: &'static str,
    pub place: String,
    pub rows: Vec<Row>,
}

#[derive(Serialize)]
pub struct Row {
    pub href: String,
    pub subject: String,
    pub when: String,
    pub unread: Option<String>,
}

/// `patient/message.jinja`: a conversation, or a new one.
#[derive(Serialize)]
pub struct One {
    pub t: Texts,
    pub lang: &'static str,
    pub place: String,
    pub action: String,
    pub is_new: bool,
    pub done: Option<&'static str>,
    pub errors: Vec<Fault>,
    pub subject: String,
    pub subject_error: Option<&'static str>,
    pub words: String,
    pub words_error: Option<&'static str>,
    pub posts: Vec<PostRow>,
    /// After how many hours the practice is reminded.
    pub reminded: String,
}

#[derive(Serialize)]
pub struct PostRow {
    pub mine: bool,
    pub who: String,
    pub when: String,
    pub text: String,
    /// When the other side opened it, or that it has not.
    pub opened: String,
}

/// Messages go between a patient and their practice.
fn at_practice(node: &Node) -> Result<(), Problem> {
    match node.site.is_practice() {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::NotFound,
            "Messages are written to the GP practice.",
        )),
    }
}

fn whose(visit: &Visit) -> Result<(&str, &str), Problem> {
    match &visit.known()?.who {
        Who::Patient { patient, name, .. } => Ok((patient, name)),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This page is the patient's own. Staff find messages in their own menu.",
        )),
    }
}

/// How many messages the patient has not opened; nothing where there are none to write to.
pub(super) async fn unread(node: &Node, visit: &Visit) -> Result<Option<u32>, Problem> {
    if !node.site.is_practice() || visit.acting().is_some() {
        return Ok(None);
    }
    let (patient, _) = whose(visit)?;
    let scope = visit.scope(node, Interaction::Messages, "").await?;
    let threads = node.store.threads_of(&scope, patient).await?;
    Ok(Some(threads.iter().map(|it| it.unread_patient).sum()))
}

/// What is said of so many.
pub(super) fn unread_words(unread: u32, language: Language) -> String {
    match unread {
        0 => text(language, "messages-no-new").to_owned(),
        1 => text(language, "messages-one-new").to_owned(),
        many => language.tell("messages-new", &[("count", &many.to_string())]),
    }
}

/// `GET /messages`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    let (patient, _) = whose(&visit)?;
    let scope = visit.scope(&node, Interaction::Messages, "").await?;
    let language = tongue.language;
    let threads = node.store.threads_of(&scope, patient).await?;
    let row = |it: &Thread| Row {
        href: format!("/messages/{}", it.id),
        subject: it.subject.clone(),
        when: language.when(it.last_at),
        unread: (it.unread_patient > 0).then(|| unread_words(it.unread_patient, language)),
    };
    let view = List {
        t: language.texts(),
        lang: language.code(),
        place: node.site.name.clone(),
        rows: threads.iter().map(row).collect(),
    };
    let title = text(language, "messages");
    let page = Page::new("patient/messages.jinja", title, view).under("/messages");
    Ok(page.said_in(language).answer(&node.site, &visit))
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
    fn of(fields: &Fields, is_new: bool, language: Language) -> Typed {
        let error = |words: &str, most: usize, empty| match words.chars().count() {
            0 => Some(text(language, empty)),
            many if many > most => Some(text(language, "messages-too-long")),
            _ => None,
        };
        let (subject, words) = (fields.text("subject"), fields.text("words"));
        let subject_error = error(subject, SUBJECT_CHARS_MAX, "messages-say-about");
        Typed {
            subject_error: subject_error.filter(|_| is_new),
            words_error: error(words, TEXT_CHARS_MAX, "messages-write-it"),
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

/// `GET /messages/new`
pub async fn form(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    whose(&visit)?;
    visit.scope(&node, Interaction::Messages, "").await?;
    Ok(show(&node, &visit, tongue, None, (&Typed::default(), None)))
}

fn show(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    thread: Option<&(Thread, Vec<Post>)>,
    (typed, done): (&Typed, Option<&'static str>),
) -> Response {
    let language = tongue.language;
    let errors = typed.faults();
    let is_faulty = !errors.is_empty();
    let posts = thread.map_or(&[][..], |(_, posts)| posts);
    let subject = thread.map(|(thread, _)| thread.subject.clone());
    let title = match &subject {
        Some(subject) => subject.clone(),
        None => text(language, "messages-new-title").to_owned(),
    };
    let view = One {
        t: language.texts(),
        lang: language.code(),
        place: node.site.name.clone(),
        action: match thread {
            Some((thread, _)) => format!("/messages/{}", thread.id),
            None => "/messages/new".to_owned(),
        },
        is_new: thread.is_none(),
        done,
        errors,
        subject: subject.unwrap_or_else(|| typed.subject.clone()),
        subject_error: typed.subject_error,
        words: typed.words.clone(),
        words_error: typed.words_error,
        posts: posts.iter().map(|it| post(node, it, language)).collect(),
        reminded: language.tell(
            "messages-reminded",
            &[
                ("place", &node.site.name),
                ("hours", &node.messages_unopened_hours.to_string()),
            ],
        ),
    };
    let page = Page::new("patient/message.jinja", title, view).under("/messages");
    let page = page.said_in(language).with_faults(is_faulty);
    page.answer(&node.site, visit)
}

fn post(node: &Node, post: &Post, language: Language) -> PostRow {
    let opened = match (post.by_patient, post.opened_at) {
        (false, _) => String::new(),
        (true, 0) => language.tell("messages-unopened", &[("place", &node.site.name)]),
        (true, at) => language.tell("messages-opened", &[("when", &language.when(at))]),
    };
    PostRow {
        mine: post.by_patient,
        who: match post.by_patient {
            true => text(language, "messages-you").to_owned(),
            false => {
                let name = access_log::named(node, &post.who, Some(&post.role));
                format!("{name}, {}", node.site.name)
            }
        },
        when: language.when(post.at),
        text: post.text.clone(),
        opened,
    }
}

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Said {
    #[serde(default)]
    done: String,
}

/// `GET /messages/{id}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let thread = read(&node, &visit, &id).await?;
    if thread.0.unread_patient > 0 {
        let scope = visit.scope(&node, Interaction::WriteMessage, "").await?;
        let opened = MessageWrite::Opened {
            id: id.clone(),
            by_patient: true,
        };
        let job = Job::effect(Effect::Message(opened));
        node.store.commit(&scope, job).await?;
    }
    let done = (said.done == "sent").then_some(text(tongue.language, "messages-sent"));
    let typed = (&Typed::default(), done);
    Ok(show(&node, &visit, tongue, Some(&thread), typed))
}

async fn read(node: &Node, visit: &Visit, id: &str) -> Result<(Thread, Vec<Post>), Problem> {
    at_practice(node)?;
    whose(visit)?;
    let scope = visit.scope(node, Interaction::Messages, "").await?;
    let found = node.store.thread(&scope, id).await?;
    found.ok_or_else(|| Problem::new(Kind::NotFound, "There is no such conversation of yours."))
}

/// `POST /messages/new`
pub async fn begin(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    fields: Fields,
) -> Result<Response, Refusal> {
    at_practice(&node)?;
    whose(&visit)?;
    let typed = Typed::of(&fields, true, tongue.language);
    if !typed.faults().is_empty() {
        visit.scope(&node, Interaction::Messages, "").await?;
        return Ok(show(&node, &visit, tongue, None, (&typed, None)));
    }
    let id = uuid::Uuid::new_v4().to_string();
    let (patient, name) = whose(&visit)?;
    let write = MessageWrite::Begin {
        id: id.clone(),
        patient: patient.to_owned(),
        subject: typed.subject,
        writer: writer(name),
        text: typed.words,
    };
    conversation::write(&node, &visit, (&id, patient), write).await?;
    Ok(see_other(&format!("/messages/{id}?done=sent")))
}

/// `POST /messages/{id}`
pub async fn add(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let thread = read(&node, &visit, &id).await?;
    let typed = Typed::of(&fields, false, tongue.language);
    if !typed.faults().is_empty() {
        return Ok(show(&node, &visit, tongue, Some(&thread), (&typed, None)));
    }
    let (patient, name) = whose(&visit)?;
    let write = MessageWrite::Add {
        id: id.clone(),
        patient: patient.to_owned(),
        writer: writer(name),
        text: typed.words,
    };
    conversation::write(&node, &visit, (&id, patient), write).await?;
    Ok(see_other(&format!("/messages/{id}?done=sent")))
}

fn writer(name: &str) -> Writer {
    Writer {
        by_patient: true,
        name: name.to_owned(),
        role: String::new(),
    }
}
