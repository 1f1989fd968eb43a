//! `GET /record/letters/{id}`: a released letter with its journey, and its parts as files.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use store::Reading;
use store::parcels::{Event, RECALLED, State as Parcel};

use crate::node::Node;
use crate::page::Page;
use crate::page::content::{attachment, part};
use crate::page::parts::{self, Content, Step};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::patient::views;
use crate::record::{self, Letter};
use crate::visit::Visit;

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Record, "DocumentReference")
        .await?;
    let letter = read(&node, &scope, &id).await?;
    let language = visit.reads();
    let mut content = Vec::new();
    for (number, (_, title)) in letter.attachments.iter().enumerate() {
        let href = format!("/record/letters/{id}/content/{number}");
        content.push(match fetch(&node, &scope, &letter, number).await {
            Ok(found) => said(part(&found, title, href), language),
            Err(problem) if problem.kind == Kind::NotFound => Content {
                missing: Some(
                    language
                        .say("This part of the letter is not released to you. Ask your practice."),
                ),
                ..Content::default()
            },
            Err(problem) => return Err(problem.into()),
        });
    }
    let events = node.store.journey(&scope, &id).await?;
    let from = letter
        .from
        .as_deref()
        .unwrap_or(language.say("a sender who is not named"));
    let view = views::LetterPage {
        title: letter.title.clone(),
        from: (node.organisation_name)(from),
        author: letter.author.clone(),
        dated: letter.dated.map(|at| language.date(at)),
        notice: notice(&letter, &events).map(|text| language.say(text)),
        content,
        journey: events
            .iter()
            .map(|event| step(&node, event, (visit.now, language)))
            .collect(),
    };
    let title = view.title.clone();
    let page = Page::new("patient/letter.jinja", title, view).under("/record");
    Ok(page.answer(&node.site, &visit))
}

/// A step as the patient reads it: which organisation, not which member of its staff. Who looked at
/// a record, by name, is the access log's to say. An outcome or a reason is shown.
fn step(node: &Node, event: &Event, (now, language): (Millis, Language)) -> Step {
    let who = (node.organisation_name)(&event.organisation);
    let told = is_taken_back(event) || event.state == Some(Parcel::ActedOn);
    let note = (told && !event.note.is_empty()).then(|| event.note.clone());
    let step = parts::step(event, language.moment(event.at, now), Some(who), note);
    Step {
        what: language.say(step.what),
        ..step
    }
}

/// A part with the words around it in that language.
fn said(part: Content, language: Language) -> Content {
    Content {
        title: language.say_of(&part.title),
        kind: language.say(part.kind),
        ..part
    }
}

/// Whether the step says that the sender wants the letter back, whether or not it could be stopped.
fn is_taken_back(event: &Event) -> bool {
    event.state == Some(Parcel::Withdrawn) || event.event == RECALLED
}

fn notice(letter: &Letter, events: &[Event]) -> Option<&'static str> {
    if events.iter().any(is_taken_back) {
        return Some("The sender has withdrawn this letter. Ask your practice what holds instead.");
    }
    if letter.replaced {
        return Some("A newer letter replaces this one.");
    }
    (!letter.is_current).then_some("This letter no longer holds. Ask your practice.")
}

/// `GET /record/letters/{id}/content/{number}`: one part, as a file.
pub async fn file(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path((id, number)): Path<(String, usize)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::Record, "DocumentReference")
        .await?;
    let letter = read(&node, &scope, &id).await?;
    let found = fetch(&node, &scope, &letter, number).await?;
    Ok(attachment((&node, &scope), &headers, found))
}

async fn read(node: &Node, scope: &Scope, id: &str) -> Result<Letter, Problem> {
    match node.store.read(scope, "DocumentReference", id).await? {
        Reading::Found(version) => Ok(record::letter(&record::json(&version)?)),
        Reading::Deleted { .. } | Reading::Absent => Err(no_letter()),
    }
}

async fn fetch(
    node: &Node,
    scope: &Scope,
    letter: &Letter,
    number: usize,
) -> Result<record::Content, Problem> {
    let (binary, _) = letter.attachments.get(number).ok_or_else(no_letter)?;
    let found = record::content(node, scope, binary).await?;
    found.ok_or_else(no_letter)
}

fn no_letter() -> Problem {
    Problem::new(Kind::NotFound, "There is no such letter for you here.")
}
