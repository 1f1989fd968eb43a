//! `/record/query/{entry}`: "this looks wrong" about an entry of the record, and "why did you look?" about a line of the access
//! log. The question goes to the organisation that wrote the entry, or whose member looked; the answer is read here.

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Ods, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::questions::{self, NewQuestion};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::parcels::State as Parcel;
use store::questions::{About, Question, QuestionState, QuestionWrite, Way};
use store::{AuditFilter, Effect, Job, Reading};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Fault, Label, Step};
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, see_other};
use crate::patient::access_log;
use crate::patient::appointments::text;
use crate::patient::record::entries::Entry;
use crate::patient::record::gather::{self, Others};
use crate::patient::record::plain::Plain;
use crate::patient::record::views::Texts;
use crate::record::json;
use crate::visit::Visit;

/// How a line of the log is named in an address.
const LOOK: &str = "look";
/// The longest name of an entry in an address.
const KEY_BYTES_MAX: usize = 200;

/// `patient/query.jinja`
#[derive(Serialize)]
pub struct QueryPage {
    pub t: Texts,
    pub lang: &'static str,
    pub heading: &'static str,
    pub hint: String,
    pub back: &'static str,
    /// What it is about.
    pub title: String,
    pub place: String,
    pub action: String,
    pub done: Option<&'static str>,
    pub errors: Vec<Fault>,
    pub words: String,
    pub error: Option<&'static str>,
    /// What was asked about it before, newest first.
    pub asked: Vec<AskedRow>,
}

/// A question with its steps.
#[derive(Serialize)]
pub struct AskedRow {
    pub question: String,
    pub state: Label,
    pub steps: Vec<Step>,
    pub answer: Option<String>,
    pub answered_by: String,
}

/// What a patient asked before.
#[derive(Default)]
pub struct Asked(Vec<Question>);

impl Asked {
    /// The newest question about an entry, by its name in addresses.
    pub fn about(&self, key: &str) -> Option<&Question> {
        self.0.iter().find(|it| is_about(it, key))
    }
}

/// Whether a question is about what has that name in addresses.
fn is_about(question: &Question, key: &str) -> bool {
    let subject = question.subject.replace('/', "~");
    match question.about {
        About::Look => key.strip_prefix("look~") == Some(question.subject.as_str()),
        About::Entry if question.other.is_empty() => key == subject,
        About::Entry => {
            let rest = key.strip_prefix(question.other.as_str());
            rest.and_then(|it| it.strip_prefix('~')) == Some(subject.as_str())
        }
    }
}

/// What the patient who reads asked before; nothing for who acts for somebody.
///
/// # Errors
/// Those of the store.
pub async fn asked(node: &Node, visit: &Visit) -> Result<Asked, Problem> {
    let Who::Patient { patient, .. } = &visit.known()?.who else {
        return Ok(Asked::default());
    };
    if visit.acting().is_some() {
        return Ok(Asked::default());
    }
    let scope = visit.scope(node, Interaction::Record, "").await?;
    node.store.questions_of(&scope, patient).await.map(Asked)
}

/// What can be asked about.
struct Subject {
    about: About,
    to: Option<Ods>,
    subject: String,
    title: String,
}

impl Subject {
    fn place(&self, node: &Node) -> String {
        match &self.to {
            Some(ods) => (node.organisation_name)(ods.as_str()),
            None => node.site.name.clone(),
        }
    }
}

fn gone() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is nothing of that name in your record.",
    )
}

/// What has that name, if the patient is shown it.
async fn find(
    node: &Node,
    visit: &Visit,
    key: &str,
    language: Language,
) -> Result<Subject, Problem> {
    if visit.acting().is_some() {
        return Err(Problem::new(Kind::Suppressed, NOT_FOR_PROXIES));
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(gone());
    }
    let parts: Vec<&str> = key.split('~').collect();
    match parts.as_slice() {
        [LOOK, number] => look(node, visit, number).await,
        [ty, id] => {
            let scope = visit.scope(node, Interaction::Record, ty).await?;
            fhir::resource::check_id(id).map_err(|_| gone())?;
            let Reading::Found(version) = node.store.read(&scope, ty, id).await? else {
                return Err(gone());
            };
            let entry = Entry::read(&json(&version)?);
            subject(node, (None, &entry), language).await
        }
        [source, ty, id] => {
            let to = Ods::parse(source).map_err(|_| gone())?;
            let Others::Asked(shared) = gather::others(node, visit).await? else {
                return Err(gone());
            };
            let number = shared.sources.iter().position(|it| it.organisation == to);
            let number = number.ok_or_else(gone)?;
            let found = shared.items.iter().find(|it| {
                let is_named = it.ty == *ty && it.resource.get("id").is_some_and(|it| it == *id);
                is_named && it.sources.contains(&number)
            });
            let entry = Entry::read(&found.ok_or_else(gone)?.resource);
            subject(node, (Some(to), &entry), language).await
        }
        _ => Err(gone()),
    }
}

async fn subject(
    node: &Node,
    (to, entry): (Option<Ods>, &Entry),
    language: Language,
) -> Result<Subject, Problem> {
    let plain = Plain::read(node).await?;
    let mut title = entry.term.clone();
    if title.is_empty() {
        title = text(language, "entry-unnamed").to_owned();
    }
    if let Some(words) = plain.say(&entry.term, &entry.codes, language) {
        title = format!("{words} ({title})");
    }
    if let Some(result) = entry.result.as_ref().filter(|it| !it.said.is_empty()) {
        title = format!("{title}: {}", result.said);
    }
    if let Some(at) = entry.at {
        title = format!("{title}, {}", language.date(at).short);
    }
    Ok(Subject {
        about: About::Entry,
        to,
        subject: format!("{}/{}", entry.ty, entry.id),
        title,
    })
}

async fn look(node: &Node, visit: &Visit, number: &str) -> Result<Subject, Problem> {
    let seq: i64 = number.parse().map_err(|_| gone())?;
    let scope = visit
        .scope(node, Interaction::AccessLog, "AuditEvent")
        .await?;
    let filter = AuditFilter {
        patient: None,
        before: Some(seq.saturating_add(1)),
        count: 1,
    };
    let log = node.store.audit_page(&scope, &filter).await?;
    let entry = log.entries.first().filter(|it| it.seq == seq);
    let entry = entry.ok_or_else(gone)?;
    // Who is asked reads it in English; who asks, on the page, in their own language.
    let language = match visit.is_look() {
        true => visit.reads(),
        false => Language::English,
    };
    let name = |it: &str| {
        let called = access_log::named(node, it, entry.agent.role.as_deref());
        language.say_of(&called)
    };
    let (who, role) = access_log::who(node, ("", language), entry, name);
    let when = language.moment(entry.at, visit.now).full;
    let did = language.say_of(&access_log::did(&entry.interaction));
    let theirs = entry.agent.kind == access::AgentKind::Peer;
    let ods = entry.agent.organisation.as_deref().filter(|_| theirs);
    Ok(Subject {
        about: About::Look,
        to: ods.and_then(|it| Ods::parse(it).ok()),
        subject: seq.to_string(),
        title: format!("{who} ({role}): {did}. {when}"),
    })
}

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Said {
    #[serde(default)]
    done: String,
}

/// `GET /record/query/{entry}`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(key): Path<String>,
    Query(said): Query<Said>,
) -> Result<Response, Refusal> {
    let about = Box::pin(find(&node, &visit, &key, tongue.language)).await?;
    let done = (said.done == "asked").then_some(text(tongue.language, "query-done"));
    show(&node, &visit, tongue, (&key, &about), ("", None, done)).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (key, about): (&str, &Subject),
    (words, error, done): (&str, Option<&'static str>, Option<&'static str>),
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let Asked(questions) = asked(node, visit).await?;
    let of_this: Vec<Question> = questions
        .into_iter()
        .filter(|it| is_about(it, key))
        .collect();
    let mut rows = Vec::new();
    for question in &of_this {
        rows.push(row(node, question, language).await?);
    }
    read(node, visit, &of_this).await?;
    let is_look = about.about == About::Look;
    let heading = text(
        language,
        match is_look {
            true => "query-look",
            false => "query-entry",
        },
    );
    let place = about.place(node);
    let fault = error.map(|text| Fault {
        text,
        href: "#words".into(),
    });
    let view = QueryPage {
        t: language.texts(),
        lang: language.code(),
        heading,
        hint: language.tell("query-hint", &[("place", &place)]),
        back: if is_look { "/access-log" } else { "/record" },
        title: about.title.clone(),
        place,
        action: format!("/record/query/{key}"),
        done,
        errors: fault.into_iter().collect(),
        words: words.to_owned(),
        error,
        asked: rows,
    };
    let page = Page::new("patient/query.jinja", heading, view).said_in(language);
    let under = if is_look { "/access-log" } else { "/record" };
    let page = page.under(under).with_faults(error.is_some());
    Ok(page.answer(&node.site, visit))
}

/// Notes that the patient has read the answers.
async fn read(node: &Node, visit: &Visit, questions: &[Question]) -> Result<(), Problem> {
    let unread = |it: &&Question| it.state == QuestionState::Answered && it.read_at == 0;
    let effects: Vec<Effect> = questions
        .iter()
        .filter(unread)
        .map(|it| {
            Effect::Question(QuestionWrite::Read {
                id: it.id.clone(),
                patient: it.patient.clone(),
            })
        })
        .collect();
    if effects.is_empty() {
        return Ok(());
    }
    let scope = visit.scope(node, Interaction::AskAbout, "").await?;
    let job = Job {
        effects,
        ..Job::default()
    };
    node.store.commit(&scope, job).await.map(|_| ())
}

async fn row(node: &Node, question: &Question, language: Language) -> Result<AskedRow, Problem> {
    let parcel = node.store.question_parcel(question).await?;
    let lost = parcel == Some(Parcel::Undeliverable);
    let (id, colour) = match question.state {
        QuestionState::Waiting if lost => ("query-undelivered", "red"),
        QuestionState::Waiting if question.way == Way::Out && !is_there(parcel) => {
            ("query-on-the-way", "yellow")
        }
        QuestionState::Waiting => ("query-delivered", "blue"),
        QuestionState::Opened => ("query-opened", "blue"),
        QuestionState::Answered => ("query-answered", "green"),
        QuestionState::Unknown => ("query-unknown", "orange"),
    };
    let step = |id, at, who: Option<String>| Step {
        what: text(language, id),
        when: crate::page::words::Moment {
            short: language.when(at),
            ..crate::page::words::moment(at, at)
        },
        who,
        note: None,
    };
    let place = match question.other.as_str() {
        "" => node.site.name.clone(),
        ods => (node.organisation_name)(ods),
    };
    let mut steps = vec![step("query-step-asked", question.asked_at, None)];
    if question.opened_at > 0 {
        steps.push(step(
            "query-step-opened",
            question.opened_at,
            Some(place.clone()),
        ));
    }
    let by = match question.answered_by.as_str() {
        "" => place,
        name => {
            let role = Some(question.answered_role.as_str());
            format!("{}, {place}", access_log::named(node, name, role))
        }
    };
    if question.answered_at > 0 {
        let id = match question.state {
            QuestionState::Unknown => "query-unknown",
            _ => "query-step-answered",
        };
        steps.push(step(id, question.answered_at, Some(by.clone())));
    }
    Ok(AskedRow {
        question: question.question.clone(),
        state: Label {
            text: text(language, id),
            colour: Some(colour),
        },
        steps,
        answer: (!question.answer.is_empty()).then(|| question.answer.clone()),
        answered_by: by,
    })
}

fn is_there(parcel: Option<Parcel>) -> bool {
    !matches!(parcel, None | Some(Parcel::Accepted | Parcel::Waiting))
}

/// `POST /record/query/{entry}`
pub async fn ask(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(key): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let about = Box::pin(find(&node, &visit, &key, language)).await?;
    let words = fields.text("words");
    let error = match words.chars().count() {
        0 => Some("query-write"),
        many if many > store::questions::TEXT_CHARS_MAX => Some("query-too-long"),
        _ => None,
    };
    if let Some(error) = error {
        let said = (words, Some(text(language, error)), None);
        return show(&node, &visit, tongue, (&key, &about), said).await;
    }
    let Who::Patient { name, .. } = &visit.known()?.who else {
        return Err(gone().into());
    };
    let scope = visit.scope(&node, Interaction::AskAbout, "").await?;
    let new = NewQuestion {
        about: about.about,
        to: about.to,
        subject: about.subject,
        title: about.title,
        question: words.to_owned(),
        asked_by: name.clone(),
    };
    let exchange = node.exchange.as_deref();
    Box::pin(questions::ask(&node.store, exchange, &scope, new)).await?;
    Ok(see_other(&format!("/record/query/{key}?done=asked")))
}
