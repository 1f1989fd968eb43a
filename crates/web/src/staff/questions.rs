//! `/staff/access-queries`: what patients ask about entries of their record (for clinicians and clerks), and why somebody
//! looked (for the privacy officer). The answer is read by the patient, here or at their own practice.

use std::sync::Arc;

use access::{Interaction, Role, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::questions::{self, Step};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::Reading;
use store::questions::{About, Question, QuestionList, QuestionState};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label, Tab};
use crate::page::problem::Refusal;
use crate::page::words::Moment;
use crate::page::{Page, see_other, words};
use crate::visit::Visit;

/// Rows of one list at most.
const ROWS_MAX: u32 = 100;

/// `staff/questions.jinja`
#[derive(Serialize)]
pub struct List {
    pub done: Option<Done>,
    pub heading: &'static str,
    pub tabs: Vec<Tab>,
    pub rows: Vec<Row>,
    pub full: bool,
    pub empty: &'static str,
}

#[derive(Serialize)]
pub struct Row {
    pub href: Option<String>,
    pub who: String,
    pub title: String,
    pub from: String,
    pub since: Moment,
    pub state: Label,
}

/// `staff/question.jinja`
#[derive(Serialize)]
pub struct One {
    pub errors: Vec<Fault>,
    pub heading: &'static str,
    pub who: String,
    pub from: String,
    pub title: String,
    pub question: String,
    pub asked: Moment,
    pub state: Label,
    /// The record, for who may see it.
    pub record: Option<String>,
    /// Where it is answered, while it is open.
    pub action: Option<String>,
    pub version: i64,
    pub words: String,
    pub error: Option<&'static str>,
    pub answer: Option<String>,
    pub answered: String,
}

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    done: String,
}

/// Which questions the reader answers.
fn answers(visit: &Visit) -> About {
    match visit.caller().map(|it| &it.who) {
        Some(Who::Staff {
            role: Role::PrivacyOfficer,
            ..
        }) => About::Look,
        _ => About::Entry,
    }
}

async fn scope(node: &Node, visit: &Visit, changes: bool) -> Result<Scope, Problem> {
    let interaction = match (answers(visit), changes) {
        (About::Look, _) => Interaction::AccessLog,
        (About::Entry, false) => Interaction::RecordQuestions,
        (About::Entry, true) => Interaction::AnswerQuestion,
    };
    visit.scope(node, interaction, "").await
}

/// Whether the reader is shown what a question is about. The privacy officer sees the log, and asks for no entry.
async fn is_shown(node: &Node, scope: &Scope, question: &Question) -> Result<bool, Problem> {
    if question.about == About::Look {
        return Ok(true);
    }
    if !found(node, scope, "Patient", &question.patient).await? {
        return Ok(false);
    }
    match question.subject.split_once('/') {
        Some((ty, id)) => found(node, scope, ty, id).await,
        None => Ok(false),
    }
}

async fn found(node: &Node, scope: &Scope, ty: &str, id: &str) -> Result<bool, Problem> {
    let is_sound = fhir::resource::check_id(id).is_ok()
        && fhir::definitions::Definitions::r4().is_resource(ty);
    if !is_sound {
        return Ok(false);
    }
    let read = node.store.read(scope, ty, id).await?;
    Ok(matches!(read, Reading::Found(_)))
}

fn heading(about: About) -> &'static str {
    match about {
        About::Entry => "Patients’ questions about their record",
        About::Look => "Patients’ questions about who looked",
    }
}

/// `GET /staff/access-queries`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit, false).await?;
    let (list, is_over) = match asked.show.as_str() {
        "answered" => (QuestionList::Answered, true),
        _ => (QuestionList::Open, false),
    };
    let found = node.store.questions(&scope, list, ROWS_MAX).await?;
    let mut rows = Vec::new();
    for question in &found {
        let is_shown = is_shown(&node, &scope, question).await?;
        rows.push(row(&node, question, is_shown, visit.now));
    }
    let tab = |text, show: &str, current| Tab {
        text,
        href: format!("/staff/access-queries?show={show}"),
        count: None,
        current,
    };
    let view = List {
        done: (asked.done == "answered").then_some(Done {
            text: "Answered. The patient reads it where they asked.",
            href: None,
            link: None,
        }),
        heading: heading(answers(&visit)),
        tabs: vec![
            tab("Open", "open", !is_over),
            tab("Answered", "answered", is_over),
        ],
        full: rows.len() >= ROWS_MAX as usize,
        rows,
        empty: match is_over {
            true => "Nothing has been answered yet.",
            false => "No question waits for an answer.",
        },
    };
    let page = Page::new("staff/questions.jinja", "Patients’ questions", view);
    Ok(page
        .under("/staff/access-queries")
        .answer(&node.site, &visit))
}

const NOT_SHOWN: &str = "Not shown to you: the entry is withheld or is not here any more. A colleague who is shown it can answer.";

fn from(node: &Node, question: &Question) -> String {
    match question.other.as_str() {
        "" => "Here".to_owned(),
        ods => (node.organisation_name)(ods),
    }
}

fn row(node: &Node, question: &Question, is_shown: bool, now: Millis) -> Row {
    Row {
        href: is_shown.then(|| format!("/staff/access-queries/{}", question.id)),
        who: match is_shown {
            true => question.asked_by.clone(),
            false => "Withheld".to_owned(),
        },
        title: match is_shown {
            true => question.title.clone(),
            false => NOT_SHOWN.to_owned(),
        },
        from: from(node, question),
        since: words::moment(question.asked_at, now),
        state: state(question.state),
    }
}

fn state(state: QuestionState) -> Label {
    let (text, colour) = match state {
        QuestionState::Waiting => ("New", "blue"),
        QuestionState::Opened => ("Opened", "aqua-green"),
        QuestionState::Answered => ("Answered", "green"),
        QuestionState::Unknown => ("Nobody on record", "grey"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

async fn read(node: &Node, visit: &Visit, id: &str) -> Result<Question, Problem> {
    let gone = || Problem::new(Kind::NotFound, "There is no such question for you here.");
    let scope = scope(node, visit, false).await?;
    let question = node.store.question(&scope, id).await?.ok_or_else(gone)?;
    if !is_shown(node, &scope, &question).await? {
        return Err(Problem::new(Kind::NotFound, NOT_SHOWN));
    }
    Ok(question)
}

/// `GET /staff/access-queries/{id}`: opening it is told to the patient.
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let question = read(&node, &visit, &id).await?;
    if question.state == QuestionState::Waiting {
        let scope = scope(&node, &visit, true).await?;
        let exchange = node.exchange.as_deref();
        let step = questions::step(&node.store, exchange, &scope, &id, &Step::Open);
        match Box::pin(step).await {
            // Somebody else was quicker.
            Err(problem) if problem.kind == Kind::Conflict => {}
            done => done?,
        }
    }
    let question = read(&node, &visit, &id).await?;
    Ok(show(&node, &visit, &question, ("", None)))
}

fn show(
    node: &Node,
    visit: &Visit,
    question: &Question,
    (typed, error): (&str, Option<&'static str>),
) -> Response {
    let is_entry = question.about == About::Entry;
    let fault = error.map(|text| Fault {
        text,
        href: "#words".into(),
    });
    let view = One {
        errors: fault.into_iter().collect(),
        heading: heading(question.about),
        who: question.asked_by.clone(),
        from: from(node, question),
        title: question.title.clone(),
        question: question.question.clone(),
        asked: words::moment(question.asked_at, visit.now),
        state: state(question.state),
        record: is_entry.then(|| format!("/staff/patient/{}", question.patient)),
        action: question
            .state
            .is_open()
            .then(|| format!("/staff/access-queries/{}", question.id)),
        version: question.version,
        words: typed.to_owned(),
        error,
        answer: (!question.answer.is_empty()).then(|| question.answer.clone()),
        answered: match question.answered_at {
            0 => String::new(),
            at => format!(
                "{}, {}",
                question.answered_by,
                words::moment(at, visit.now).full
            ),
        },
    };
    let page = Page::new("staff/question.jinja", "A patient’s question", view);
    let page = page.under("/staff/access-queries");
    page.with_faults(error.is_some()).answer(&node.site, visit)
}

/// `POST /staff/access-queries/{id}`
pub async fn answer(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let question = read(&node, &visit, &id).await?;
    let typed = fields.text("words");
    let error = match typed.chars().count() {
        0 => Some("Write the answer"),
        many if many > store::questions::TEXT_CHARS_MAX => Some("Write up to 2,000 characters"),
        _ => None,
    };
    if error.is_some() {
        return Ok(show(&node, &visit, &question, (typed, error)));
    }
    let scope = scope(&node, &visit, true).await?;
    let step = Step::Answer {
        text: typed.to_owned(),
        version: fields.text("version").parse().unwrap_or(0),
    };
    let exchange = node.exchange.as_deref();
    Box::pin(questions::step(&node.store, exchange, &scope, &id, &step)).await?;
    Ok(see_other("/staff/access-queries?done=answered"))
}
