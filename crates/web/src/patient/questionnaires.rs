//! `/questionnaires`: what the patient, or somebody who acts for them, is asked to answer; the form, a look over the answers, and
//! what was handed in.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Scope, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::members::text as at;
use fhir::problem::{Kind, Problem};
use fhir::questionnaire::{self, Fault, Fields as FormFields};
use fhir::search::{Clause, Criterion, Search, System};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::forms::{Ask, FormWrite};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Label};
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, see_other};
use crate::patient::appointments::text;
use crate::patient::record::views::Texts;
use crate::questionnaires::hand_in::{self, HandedIn};
use crate::questionnaires::said::Words;
use crate::questionnaires::sheet::{Sheet, changes_copies};
use crate::questionnaires::views::{AnswersPage, Check, FormPage, draw, rows};
use crate::questionnaires::{gone, load};
use crate::record::json;
use crate::staff::desk::tasks::today;
use crate::visit::Visit;

/// Tasks of one patient that are looked through, in steps of a page.
const TASKS_MAX: usize = 400;
const PAGE: u32 = 200;

/// `patient/questionnaires.jinja`
#[derive(Serialize)]
pub struct List {
    pub t: Texts,
    pub lang: &'static str,
    pub done: Option<&'static str>,
    pub open: Vec<ListRow>,
    pub over: Vec<ListRow>,
}

#[derive(Serialize)]
pub struct ListRow {
    pub href: String,
    pub title: Words,
    pub state: Label,
    /// That they were reminded, and have not opened it since.
    pub unread: Option<Label>,
    pub said: String,
}

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
    #[serde(default)]
    change: String,
}

fn whose(visit: &Visit) -> Result<String, Problem> {
    match (&visit.known()?.who, visit.acting()) {
        (Who::Patient { .. }, Some(acting)) => Ok(acting.patient.clone()),
        (Who::Patient { patient, .. }, None) => Ok(patient.clone()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This page is the patient's own. Staff find questionnaires in their own menu.",
        )),
    }
}

async fn scope(node: &Node, visit: &Visit) -> Result<Scope, Problem> {
    whose(visit)?;
    visit
        .scope(node, Interaction::AnswerQuestionnaire, "Task")
        .await
}

/// What was asked of the patient: the Tasks' ids and what they ask, the newest first.
async fn asks(
    node: &Node,
    scope: &Scope,
    patient: &str,
) -> Result<Vec<(String, questionnaire::Ask)>, Problem> {
    let mut search = Search::all("Task", PAGE).within_patient(patient);
    search.clauses.push(Clause::one(
        "code",
        Criterion::Token {
            system: System::Is(questionnaire::SDC_TASKS.to_owned()),
            code: Some(questionnaire::COMPLETE.to_owned()),
        },
    ));
    let mut found = Vec::new();
    loop {
        let page = node.store.search(scope, &search).await?;
        for version in &page.entries {
            let ask = questionnaire::ask(&json(version)?);
            // What staff answer is on the patient's page once it is answered, among the record.
            let ask = ask.filter(|it| it.by == questionnaire::Answerer::Patient);
            found.extend(ask.map(|it| (version.id.clone(), it)));
        }
        search.after = page.next;
        if search.after.is_none() || found.len() >= TASKS_MAX {
            break;
        }
    }
    found.sort_by(|(a_id, a), (b_id, b)| b.asked_at.cmp(&a.asked_at).then_with(|| a_id.cmp(b_id)));
    Ok(found)
}

/// How many are to be answered, in words, for the home page; nothing where there are none.
pub(super) async fn waiting(
    node: &Node,
    visit: &Visit,
    language: Language,
) -> Result<Option<String>, Problem> {
    let scope = match scope(node, visit).await {
        Ok(scope) => scope,
        // Who acts for somebody may have no leave to answer.
        Err(problem) if problem.message == NOT_FOR_PROXIES => return Ok(None),
        Err(problem) => return Err(problem),
    };
    let patient = whose(visit)?;
    let asks = asks(node, &scope, &patient).await?;
    let open: Vec<_> = asks.iter().filter(|(_, it)| it.is_open()).collect();
    let reminded = node.store.reminded(&scope, &patient).await?;
    let is_shown = |it: &&Ask| open.iter().any(|(id, _)| *id == it.task);
    let unopened = reminded.iter().filter(|it| it.reminder_opened_at == 0);
    let unopened: Vec<&Ask> = unopened.filter(is_shown).collect();
    let late = open.iter().filter(|(_, it)| is_late(it, visit.now)).count();
    let count = |id: &str, many: usize| language.tell(id, &[("count", &many.to_string())]);
    Ok(match (unopened.as_slice(), late, open.len()) {
        ([], 0, 0) => None,
        ([], 0, 1) => Some(text(language, "forms-one").to_owned()),
        ([], 0, many) => Some(count("forms-many", many)),
        ([], 1, _) => Some(text(language, "forms-late-one").to_owned()),
        ([], late, _) => Some(count("forms-late-many", late)),
        ([one], ..) => {
            let day = language.day(one.due);
            Some(language.tell("forms-reminder-one", &[("date", &day)]))
        }
        (many, ..) => Some(count("forms-reminder-many", many.len())),
    })
}

fn is_late(ask: &questionnaire::Ask, now: Millis) -> bool {
    ask.due.is_some_and(|it| it < today(now))
}

fn label(language: Language, id: &str, colour: &'static str) -> Label {
    Label {
        text: text(language, id),
        colour: Some(colour),
    }
}

fn state(ask: &questionnaire::Ask, now: Millis, language: Language) -> Label {
    match (ask.is_open(), ask.status.as_str(), is_late(ask, now)) {
        (true, _, true) => label(language, "forms-late", "red"),
        (true, _, false) => label(language, "forms-to-answer", "blue"),
        (false, "completed", _) => label(language, "forms-answered", "green"),
        (false, ..) => label(language, "forms-withdrawn", "grey"),
    }
}

/// By when, and why.
fn due(ask: &questionnaire::Ask, language: Language) -> Option<String> {
    let day = language.day(ask.due?);
    Some(language.tell("forms-due", &[("date", &day)]))
}

/// `GET /questionnaires`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let language = tongue.language;
    let titles = titles(&node, language).await?;
    let patient = whose(&visit)?;
    let asks = asks(&node, &scope, &patient).await?;
    let reminded = node.store.reminded(&scope, &patient).await?;
    let row = |(id, ask): &(String, questionnaire::Ask)| {
        let url = ask.canonical.split('|').next().unwrap_or_default();
        let when = language.date(ask.asked_at).short;
        let when = language.tell("forms-asked-on", &[("date", &when)]);
        let reminder = reminded.iter().find(|it| it.task == *id);
        let told = reminder.map(|it| {
            let when = language.date(it.reminded_at).short;
            language.tell("forms-reminded", &[("date", &when)])
        });
        let said = [Some(when), due(ask, language), told];
        let reason = Some(ask.reason.clone()).filter(|it| !it.is_empty());
        let said: Vec<String> = said.into_iter().flatten().chain(reason).collect();
        ListRow {
            href: format!("/questionnaires/{id}"),
            title: titles.get(url).cloned().unwrap_or_else(|| Words {
                text: text(language, "forms-unnamed").to_owned(),
                lang: None,
            }),
            state: state(ask, visit.now, language),
            unread: reminder
                .filter(|it| it.reminder_opened_at == 0)
                .map(|_| label(language, "forms-reminder-new", "blue")),
            said: said.join(" · "),
        }
    };
    let (open, over): (Vec<_>, Vec<_>) = asks.iter().partition(|(_, it)| it.is_open());
    let view = List {
        t: language.texts(),
        lang: language.code(),
        done: match asked.done.as_str() {
            "saved" => Some(text(language, "forms-saved")),
            _ => None,
        },
        open: open.into_iter().map(row).collect(),
        over: over.into_iter().map(row).collect(),
    };
    let title = text(language, "forms");
    let page = Page::new("patient/questionnaires.jinja", title, view).under("/questionnaires");
    Ok(tongue.keep(page.said_in(language).answer(&node.site, &visit)))
}

/// What each questionnaire is called, by its address.
async fn titles(node: &Node, language: Language) -> Result<BTreeMap<String, Words>, Problem> {
    let all = load::all(&node.store).await?;
    let named = |it: &load::Found| {
        let (text, lang) = questionnaire::title_for(&it.resource, language.code());
        (at(&it.resource, "/url").to_owned(), Words { text, lang })
    };
    Ok(all.iter().map(named).collect())
}

/// What was asked of the patient, not of staff.
async fn sheet(node: &Node, visit: &Visit, scope: &Scope, id: &str) -> Result<Sheet, Problem> {
    let sheet = Sheet::load(node, visit, scope, id).await?;
    match sheet.by_patient() && sheet.ask.patient == whose(visit)? {
        true => Ok(sheet),
        false => Err(gone()),
    }
}

/// `GET /questionnaires/{task}`: the form; or what was handed in.
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let sheet = sheet(&node, &visit, &scope, &id).await?;
    let language = tongue.language;
    let changes = asked.change == "yes" && sheet.response.is_some();
    if !sheet.ask.is_open() && !changes {
        let done = match asked.done.as_str() {
            "handed-in" => Some("forms-done"),
            "before" => Some("forms-done-before"),
            _ => None,
        };
        let page = answers(&sheet, language, done);
        let page = Page::new("questionnaire/answers.jinja", page.title.text.clone(), page);
        let page = page.under("/questionnaires").said_in(language);
        return Ok(tongue.keep(page.answer(&node.site, &visit)));
    }
    let asked = node.store.asked(&scope, &id).await?;
    if asked.is_some_and(|it| it.reminded_at > 0 && it.reminder_opened_at == 0) {
        let opened = FormWrite::ReminderOpened { task: id.clone() };
        let job = Job {
            traces: vec![sheet.trace(&scope)],
            ..Job::effect(Effect::Form(opened))
        };
        node.store.commit(&scope, job).await?;
    }
    let fields = sheet.fields();
    Ok(show(&node, &visit, tongue, &sheet, (&fields, &[], None)))
}

fn show(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    sheet: &Sheet,
    (fields, faults, notice): (&FormFields, &[(usize, Fault)], Option<&'static str>),
) -> Response {
    let language = tongue.language;
    let action = format!("/questionnaires/{}", sheet.id);
    let view = FormPage {
        here: action.clone(),
        due: due(&sheet.ask, language),
        action,
        back: "/questionnaires".to_owned(),
        ..FormPage::of(sheet, (fields, faults), (notice, None), language)
    };
    let title = view.title.text.clone();
    let page = Page::new("questionnaire/form.jinja", title, view);
    let page = page.under("/questionnaires").said_in(language);
    tongue.keep(
        page.with_faults(!faults.is_empty())
            .answer(&node.site, visit),
    )
}

/// `POST /questionnaires/{task}`: what was written is kept; then the questions that follow from it, a look over all of it, or
/// the list again.
pub async fn write(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let mut sheet = sheet(&node, &visit, &scope, &id).await?;
    let here = format!("/questionnaires/{id}");
    if !sheet.ask.is_open() && sheet.response.is_none() {
        return Ok(see_other(&format!("{here}?done=before")));
    }
    if fields.text("of") != sheet.of {
        let fields = sheet.fields();
        let notice = Some("form-is-outdated");
        return Ok(show(&node, &visit, tongue, &sheet, (&fields, &[], notice)));
    }
    let own = sheet.posted(&fields);
    let read = sheet.read(&own);
    let draft = sheet.written(own.clone());
    sheet.keep(&node, &visit, &scope, &draft).await?;
    sheet.draft = Some(draft);
    match fields.text("do") {
        "save" => Ok(see_other("/questionnaires?done=saved")),
        "update" => Ok(show(&node, &visit, tongue, &sheet, (&own, &[], None))),
        copies if changes_copies(copies) => {
            Ok(show(&node, &visit, tongue, &sheet, (&own, &[], None)))
        }
        _ if !read.faults.is_empty() => Ok(show(
            &node,
            &visit,
            tongue,
            &sheet,
            (&own, &read.faults, None),
        )),
        // Questions that follow from the answers were not shown yet.
        _ if hides(&sheet, &own, fields.text("shown")) => {
            let notice = Some("form-more-follow");
            Ok(show(&node, &visit, tongue, &sheet, (&own, &[], notice)))
        }
        _ => Ok(see_other(&format!("{here}/check"))),
    }
}

/// Whether a question is asked that was not among those shown.
pub(crate) fn hides(sheet: &Sheet, fields: &FormFields, shown: &str) -> bool {
    let answers = sheet.read(fields).answers;
    let drawn = draw(&sheet.form, fields, (&answers, &[]), &[], Language::English);
    let shown: Vec<&str> = shown.split(',').collect();
    let mut asked = drawn.items.iter().filter(|it| it.shown);
    asked.any(|it| {
        let asks = sheet
            .form
            .questions
            .get(it.place)
            .is_some_and(|it| it.sort.asks());
        asks && !shown.contains(&it.place.to_string().as_str())
    })
}

/// `GET /questionnaires/{task}/check`
pub async fn check(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let sheet = sheet(&node, &visit, &scope, &id).await?;
    let here = format!("/questionnaires/{id}");
    let Some(draft) = &sheet.draft else {
        return Ok(see_other(&here));
    };
    let read = sheet.read(&draft.fields);
    if !read.faults.is_empty() {
        return Ok(show(
            &node,
            &visit,
            tongue,
            &sheet,
            (&draft.fields, &read.faults, None),
        ));
    }
    let language = tongue.language;
    let answered = questionnaire::Answered {
        prefilled: sheet.unchanged(draft, &read.answers),
        answers: read.answers,
        ..questionnaire::Answered::default()
    };
    let back = match sheet.response.is_some() {
        true => format!("{here}?change=yes"),
        false => here.clone(),
    };
    let mut rows = rows(&sheet.form, &answered, (language, false));
    // The source is kept in English, for staff; the patient was told of it beside the question.
    for row in rows.iter_mut().filter(|it| it.prefilled.is_some()) {
        row.prefilled = Some(text(language, "form-from-record").to_owned());
    }
    let view = Check {
        t: language.texts(),
        lang: language.code(),
        here: format!("{here}/check"),
        title: sheet.form.title_in(language.code()).into(),
        person: None,
        rows,
        action: format!("{here}/check"),
        back,
        of: sheet.of.clone(),
        note: text(language, "form-check-note"),
    };
    let title = text(language, "form-check-title");
    let page = Page::new("questionnaire/check.jinja", title, view).under("/questionnaires");
    Ok(tongue.keep(page.said_in(language).answer(&node.site, &visit)))
}

/// `POST /questionnaires/{task}/check`: hands in. The same again changes nothing.
pub async fn hand_in(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = scope(&node, &visit).await?;
    let sheet = sheet(&node, &visit, &scope, &id).await?;
    let here = format!("/questionnaires/{id}");
    let Some(draft) = &sheet.draft else {
        return Ok(see_other(&format!("{here}?done=before")));
    };
    let read = sheet.read(&draft.fields);
    if !read.faults.is_empty() || fields.text("of") != sheet.of {
        return Ok(show(
            &node,
            &visit,
            tongue,
            &sheet,
            (&draft.fields, &read.faults, None),
        ));
    }
    let done = hand_in::hand_in(&node, &visit, &scope, &sheet, (draft, &read.answers)).await?;
    Ok(see_other(&match done {
        HandedIn::Now => format!("{here}?done=handed-in"),
        HandedIn::Before => format!("{here}?done=before"),
    }))
}

/// What was handed in, as the patient reads it.
fn answers(sheet: &Sheet, language: Language, done: Option<&'static str>) -> AnswersPage {
    let here = format!("/questionnaires/{}", sheet.id);
    let answered = sheet.answered();
    let fact = sheet
        .response
        .as_ref()
        .map(|(response, _)| by(response, language));
    AnswersPage {
        t: language.texts(),
        lang: language.code(),
        here: here.clone(),
        title: sheet.form.title_in(language.code()).into(),
        done: done.map(|id| Done {
            text: text(language, id),
            href: None,
            link: None,
        }),
        person: None,
        state: match sheet.ask.status.as_str() {
            "completed" => label(language, "forms-answered", "green"),
            _ => label(language, "forms-withdrawn", "grey"),
        },
        facts: fact.into_iter().collect(),
        notices: match (&answered, sheet.ask.status.as_str()) {
            (None, "completed") => vec![text(language, "form-withheld").to_owned()],
            (None, _) => vec![text(language, "form-withdrawn-said").to_owned()],
            (Some(_), _) => Vec::new(),
        },
        rows: answered.as_ref().map_or_else(Vec::new, |it| {
            let mut rows = rows(&sheet.form_answered(), it, (language, false));
            for row in &mut rows {
                row.prefilled = None;
            }
            rows
        }),
        // Copies of a group beyond those that a form has here would be lost.
        change: answered
            .as_ref()
            .is_some_and(|it| it.many.is_empty())
            .then(|| format!("{here}?change=yes")),
        back: "/questionnaires".to_owned(),
        back_text: text(language, "form-back"),
        seen: None,
        answered_at: 0,
        answer: None,
        withdraw: None,
    }
}

/// Who answered, and when; and whether it was changed since.
pub(crate) fn by(response: &Value, language: Language) -> String {
    let who = at(response, "/author/display");
    let when = date::span(at(response, "/authored")).map(|it| language.when(it.low));
    let id = match at(response, "/status") {
        "amended" => "form-changed-by",
        _ => "form-answered-by",
    };
    let when = when.unwrap_or_default();
    language.tell(id, &[("who", who), ("when", &when)])
}

#[cfg(test)]
mod tests;
