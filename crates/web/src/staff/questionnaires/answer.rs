//! Staff answer a questionnaire, with the patient or from what they know, or change what was handed in.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::Problem;
use fhir::questionnaire::{self, Fault, Fields as FormFields};
use store::Reading;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Person;
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::appointments::text;
use crate::patient::questionnaires::hides;
use crate::questionnaires::gone;
use crate::questionnaires::hand_in::{self, HandedIn};
use crate::questionnaires::sheet::{Sheet, changes_copies};
use crate::questionnaires::views::{Check, FormPage, rows};
use crate::record::{self, json};
use crate::visit::Visit;

const LANGUAGE: Language = Language::English;

/// Whom it is about.
pub(super) async fn person(node: &Node, scope: &Scope, patient: &str) -> Result<Person, Problem> {
    let Reading::Found(version) = node.store.read(scope, "Patient", patient).await? else {
        return Err(gone());
    };
    let who = record::patient(&json(&version)?);
    Ok(Person::new(
        &who.name,
        who.birth_date.as_deref(),
        who.nhs_number.as_deref(),
    ))
}

fn here(id: &str) -> String {
    format!("/staff/questionnaires/tasks/{id}")
}

async fn load(node: &Node, visit: &Visit, id: &str) -> Result<(Scope, Sheet), Problem> {
    let scope = visit
        .scope(node, Interaction::AnswerQuestionnaire, "Task")
        .await?;
    let sheet = Sheet::load(node, visit, &scope, id).await?;
    Ok((scope, sheet))
}

/// Whether there is something to write: it is open, or was answered, as far as the reader is shown.
fn can_be_written(sheet: &Sheet) -> bool {
    sheet.ask.is_open() || sheet.response.is_some()
}

/// `GET /staff/questionnaires/tasks/{task}/answer`
pub async fn form(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (scope, sheet) = load(&node, &visit, &id).await?;
    if !can_be_written(&sheet) {
        return Ok(see_other(&format!("{}?done=before", here(&id))));
    }
    let person = person(&node, &scope, &sheet.ask.patient).await?;
    let fields = sheet.fields();
    Ok(show(&node, &visit, (&sheet, person), (&fields, &[], None)))
}

fn show(
    node: &Node,
    visit: &Visit,
    (sheet, person): (&Sheet, Person),
    (fields, faults, notice): (&FormFields, &[(usize, Fault)], Option<&'static str>),
) -> Response {
    let due = |it| format!("Due by {}.", words::date(it).short);
    let view = FormPage {
        due: sheet.ask.due.map(due),
        action: format!("{}/answer", here(&sheet.id)),
        back: here(&sheet.id),
        ..FormPage::of(sheet, (fields, faults), (notice, Some(person)), LANGUAGE)
    };
    let title = view.title.text.clone();
    let page = Page::new("questionnaire/form.jinja", title, view);
    let page = page.under("/staff/questionnaires");
    page.with_faults(!faults.is_empty())
        .answer(&node.site, visit)
}

/// `POST /staff/questionnaires/tasks/{task}/answer`
pub async fn write(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (scope, mut sheet) = load(&node, &visit, &id).await?;
    if !can_be_written(&sheet) {
        return Ok(see_other(&format!("{}?done=before", here(&id))));
    }
    let person = person(&node, &scope, &sheet.ask.patient).await?;
    if fields.text("of") != sheet.of {
        let fields = sheet.fields();
        let none: &[(usize, Fault)] = &[];
        let said = (&fields, none, Some("form-is-outdated"));
        return Ok(show(&node, &visit, (&sheet, person), said));
    }
    let own = sheet.posted(&fields);
    let read = sheet.read(&own);
    let draft = sheet.written(own.clone());
    sheet.keep(&node, &visit, &scope, &draft).await?;
    sheet.draft = Some(draft);
    Ok(match fields.text("do") {
        "save" => see_other(&format!("{}?done=saved", here(&id))),
        "update" => show(&node, &visit, (&sheet, person), (&own, &[], None)),
        copies if changes_copies(copies) => {
            show(&node, &visit, (&sheet, person), (&own, &[], None))
        }
        _ if !read.faults.is_empty() => {
            show(&node, &visit, (&sheet, person), (&own, &read.faults, None))
        }
        _ if hides(&sheet, &own, fields.text("shown")) => {
            let notice = Some("form-more-follow");
            show(&node, &visit, (&sheet, person), (&own, &[], notice))
        }
        _ => see_other(&format!("{}/check", here(&id))),
    })
}

/// `GET /staff/questionnaires/tasks/{task}/check`
pub async fn check(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (scope, sheet) = load(&node, &visit, &id).await?;
    let Some(draft) = &sheet.draft else {
        return Ok(see_other(&format!("{}/answer", here(&id))));
    };
    let person = person(&node, &scope, &sheet.ask.patient).await?;
    let read = sheet.read(&draft.fields);
    if !read.faults.is_empty() {
        let said = (&draft.fields, read.faults.as_slice(), None);
        return Ok(show(&node, &visit, (&sheet, person), said));
    }
    let answered = questionnaire::Answered {
        prefilled: sheet.unchanged(draft, &read.answers),
        answers: read.answers,
        ..questionnaire::Answered::default()
    };
    let view = Check {
        t: LANGUAGE.texts(),
        lang: LANGUAGE.code(),
        here: String::new(),
        title: sheet.form.title_in(LANGUAGE.code()).into(),
        person: Some(person),
        rows: rows(&sheet.form, &answered, (LANGUAGE, true)),
        action: format!("{}/check", here(&id)),
        back: format!("{}/answer", here(&id)),
        of: sheet.of.clone(),
        note: "These answers are yours, in your name, in this patient’s record.",
    };
    let title = text(LANGUAGE, "form-check-title");
    let page = Page::new("questionnaire/check.jinja", title, view);
    Ok(page
        .under("/staff/questionnaires")
        .answer(&node.site, &visit))
}

/// `POST /staff/questionnaires/tasks/{task}/check`
pub async fn hand_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (scope, sheet) = load(&node, &visit, &id).await?;
    let Some(draft) = &sheet.draft else {
        return Ok(see_other(&format!("{}?done=before", here(&id))));
    };
    let read = sheet.read(&draft.fields);
    if !read.faults.is_empty() || fields.text("of") != sheet.of {
        let person = person(&node, &scope, &sheet.ask.patient).await?;
        let said = (&draft.fields, read.faults.as_slice(), None);
        return Ok(show(&node, &visit, (&sheet, person), said));
    }
    let done = hand_in::hand_in(&node, &visit, &scope, &sheet, (draft, &read.answers)).await?;
    Ok(see_other(&match done {
        HandedIn::Now => format!("{}?done=handed-in", here(&id)),
        HandedIn::Before => format!("{}?done=before", here(&id)),
    }))
}
