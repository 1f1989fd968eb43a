//! `/staff/glossary`: in which plain words patients are told of clinical terms, in English and Welsh.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::search::fold;
use serde::{Deserialize, Serialize};
use store::patient_app::{Explained, PatientAppWrite, WORDS_CHARS_MAX};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault};
use crate::page::problem::Refusal;
use crate::page::words::Moment;
use crate::page::{Page, see_other, words};
use crate::patient::record::plain::OWN;
use crate::visit::Visit;

/// `staff/glossary.jinja`
#[derive(Serialize)]
pub struct Glossary {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub term: String,
    pub english: String,
    pub welsh: String,
    pub term_error: Option<&'static str>,
    pub english_error: Option<&'static str>,
    pub welsh_error: Option<&'static str>,
    pub rows: Vec<Row>,
}

#[derive(Serialize)]
pub struct Row {
    pub term: String,
    pub english: String,
    pub welsh: String,
    /// Who wrote it; `None` for our own words.
    pub by: Option<String>,
    pub at: Option<Moment>,
    pub change: String,
}

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    /// The term that is to be changed.
    #[serde(default)]
    term: String,
    #[serde(default)]
    done: String,
}

/// What was typed.
#[derive(Default)]
struct Typed {
    term: String,
    english: String,
    welsh: String,
    is_sent: bool,
}

impl Typed {
    fn error(&self, text: &str, empty: &'static str) -> Option<&'static str> {
        match text.chars().count() {
            _ if !self.is_sent => None,
            0 if empty.is_empty() => None,
            0 => Some(empty),
            many if many > WORDS_CHARS_MAX => Some("Write up to 300 characters"),
            _ => None,
        }
    }

    fn errors(&self) -> [(&'static str, Option<&'static str>); 3] {
        let one = self.english.is_empty() != self.welsh.is_empty();
        let missing = match one {
            true => "Write it in both languages, or in neither to take our own words out",
            false => "",
        };
        [
            ("#term", self.error(&self.term, "Write the clinical term")),
            ("#english", self.error(&self.english, missing)),
            ("#welsh", self.error(&self.welsh, missing)),
        ]
    }
}

/// `GET /staff/glossary`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let mut typed = Typed {
        term: asked.term,
        ..Typed::default()
    };
    let known = node.store.glossary().await?;
    let own = OWN.iter().find(|it| it.0 == typed.term);
    match (known.get(&typed.term), own) {
        (Some(known), _) => {
            typed.english.clone_from(&known.english);
            typed.welsh.clone_from(&known.welsh);
        }
        (None, Some((_, english, welsh))) => {
            typed.english = (*english).to_owned();
            typed.welsh = (*welsh).to_owned();
        }
        (None, None) => {}
    }
    let done = asked.done == "kept";
    show(&node, &visit, &typed, done).await
}

async fn show(node: &Node, visit: &Visit, typed: &Typed, done: bool) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::KeepGlossary, "").await?;
    node.store.may_explain(&scope)?;
    let known = node.store.glossary().await?;
    let row = |it: &Explained| Row {
        term: it.term.clone(),
        english: it.english.clone(),
        welsh: it.welsh.clone(),
        by: Some(it.by.clone()),
        at: Some(words::moment(it.at, visit.now)),
        change: change(&it.term),
    };
    let mut rows: Vec<Row> = known.values().map(row).collect();
    let own = OWN.iter().filter(|it| !known.contains_key(it.0));
    rows.extend(own.map(|(term, english, welsh)| Row {
        term: (*term).to_owned(),
        english: (*english).to_owned(),
        welsh: (*welsh).to_owned(),
        by: None,
        at: None,
        change: change(term),
    }));
    let errors = typed.errors();
    let faults: Vec<Fault> = errors
        .iter()
        .filter_map(|(href, error)| {
            Some(Fault {
                text: (*error)?,
                href: (*href).into(),
            })
        })
        .collect();
    let [(_, term_error), (_, english_error), (_, welsh_error)] = errors;
    let is_faulty = !faults.is_empty();
    let view = Glossary {
        done: done.then_some(Done {
            text: "Kept. Patients read these words from now on.",
            href: None,
            link: None,
        }),
        errors: faults,
        term: typed.term.clone(),
        english: typed.english.clone(),
        welsh: typed.welsh.clone(),
        term_error,
        english_error,
        welsh_error,
        rows,
    };
    let page = Page::new("staff/glossary.jinja", "Plain words", view).with_faults(is_faulty);
    Ok(page.answer(&node.site, visit))
}

fn change(term: &str) -> String {
    let term = percent_encoding::utf8_percent_encode(term, percent_encoding::NON_ALPHANUMERIC);
    format!("/staff/glossary?term={term}#english")
}

/// `POST /staff/glossary`
pub async fn keep(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let text = |name: &str| fields.text(name).to_owned();
    let term = fields.text("term");
    let typed = Typed {
        // A code stands as it is, a word in folded letters.
        term: match term.contains('|') {
            true => term.to_owned(),
            false => fold(term),
        },
        english: text("english"),
        welsh: text("welsh"),
        is_sent: true,
    };
    if typed.errors().iter().any(|(_, error)| error.is_some()) {
        return show(&node, &visit, &typed, false).await;
    }
    let scope = visit.scope(&node, Interaction::KeepGlossary, "").await?;
    node.store.may_explain(&scope)?;
    let target = Target {
        query: Some(format!("term={}", typed.term).into()),
        ..Target::default()
    };
    let line = scope.trace(Interaction::KeepGlossary, Outcome::Success, target);
    let job = Job {
        traces: vec![line],
        ..Job::effect(Effect::PatientApp(PatientAppWrite::Explain {
            term: typed.term,
            english: typed.english,
            welsh: typed.welsh,
            by: scope.agent().name.clone(),
        }))
    };
    node.store.commit(&scope, job).await?;
    Ok(see_other("/staff/glossary?done=kept"))
}
