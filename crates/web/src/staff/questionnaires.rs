//! `/staff/questionnaires`: which there are, who was asked, what nobody has read yet; a preview of each; and one that was asked,
//! with its answers.

pub mod answer;
pub mod patient;
pub mod views;

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::members::{set, text as at};
use fhir::problem::Problem;
use fhir::questionnaire::{Answers, Form};
use serde::Deserialize;
use serde_json::json;
use store::desk::TaskState;
use store::forms::{Ask, AskCounts, AskList, FormWrite};
use store::{Effect, Expect, Job, Reading, Release};

use exchange::prescriptions::written;

use super::NOT_SHOWN;
use super::desk::me;
use super::desk::tasks::asked::over;
use super::desk::tasks::today;
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Label, Person, Tab};
use crate::page::problem::Refusal;
use crate::page::tongue::Language;
use crate::page::{Page, see_other, words};
use crate::patient::questionnaires::by;
use crate::questionnaires::load::{self, Found};
use crate::questionnaires::sheet::Sheet;
use crate::questionnaires::views::{AnswersPage, FormPage, draw, rows};
use crate::questionnaires::{gone, said};
use crate::record::{self, json};
use crate::visit::Visit;
use views::{AskRow, FormRow, List};

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    done: String,
}

pub(super) fn done(word: &str) -> Option<Done> {
    let text = match word {
        "asked" => {
            "Asked. It is on the patient’s home page if the patient answers it, and on the list of what is open."
        }
        "seen" => "Recorded that you have read these answers.",
        "withdrawn" => "Nobody is asked to answer this any more.",
        "handed-in" => "The answers are in the record.",
        "before" => "Nothing was changed: it was answered, changed or withdrawn meanwhile.",
        "saved" => "What you wrote is kept, for you alone, until you hand it in.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

pub(super) async fn look(node: &Node, visit: &Visit) -> Result<Scope, Problem> {
    visit.scope(node, Interaction::Questionnaires, "Task").await
}

/// `GET /staff/questionnaires`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = look(&node, &visit).await?;
    let day = today(visit.now);
    let counts = node.store.ask_counts(&scope, day).await?;
    let (word, list) = match asked.show.as_str() {
        "open" => ("open", AskList::Open),
        "overdue" => ("overdue", AskList::Overdue(day)),
        _ => ("unread", AskList::Unseen),
    };
    let (asks, more) = node.store.asks(&scope, &list).await?;
    let all = load::all(&node.store).await?;
    let titles = titles(&all);
    let mut rows = Vec::new();
    for ask in &asks {
        rows.push(row(&node, &scope, ask, &titles, visit.now).await?);
    }
    let view = List {
        done: done(&asked.done),
        tabs: tabs(&counts, word),
        rows,
        empty: match word {
            "open" => "Nobody is asked to answer anything.",
            "overdue" => "Nothing is overdue.",
            _ => "Every answer that was handed in has been read by somebody.",
        },
        more,
        forms: all.iter().map(|it| form_row(it, &counts)).collect(),
    };
    let page = Page::new("staff/questionnaires.jinja", "Questionnaires", view);
    Ok(page
        .under("/staff/questionnaires")
        .answer(&node.site, &visit))
}

fn tabs(counts: &[AskCounts], word: &str) -> Vec<Tab> {
    let sum = |of: fn(&AskCounts) -> u64| counts.iter().map(of).sum::<u64>();
    let tab = |of: &'static str, text, count| Tab {
        text,
        href: format!("/staff/questionnaires?show={of}"),
        count,
        current: of == word,
    };
    vec![
        tab("unread", "Not read yet", Some(sum(|it| it.unseen))),
        tab("overdue", "Overdue", Some(sum(|it| it.overdue))),
        tab("open", "All open", None),
    ]
}

pub(super) fn titles(all: &[Found]) -> BTreeMap<String, String> {
    let named = |it: &Found| {
        let title = load::title(&it.resource).to_owned();
        (at(&it.resource, "/url").to_owned(), title)
    };
    all.iter().map(named).collect()
}

fn form_row(found: &Found, counts: &[AskCounts]) -> FormRow {
    let (url, version) = (at(&found.resource, "/url"), at(&found.resource, "/version"));
    let read = Form::read(&found.resource);
    let whole = format!("{url}|{version}");
    let own = counts
        .iter()
        .filter(|it| it.canonical == url || it.canonical == whole);
    let own: Vec<&AskCounts> = own.collect();
    let sum = |of: fn(&AskCounts) -> u64| own.iter().map(|it| of(it)).sum::<u64>();
    let (text, colour) = match at(&found.resource, "/status") {
        "active" => ("Can be asked", "green"),
        "retired" => ("Retired", "grey"),
        _ => ("Draft", "yellow"),
    };
    FormRow {
        href: read
            .is_ok()
            .then(|| format!("/staff/questionnaires/{}", found.id)),
        title: load::title(&found.resource).to_owned(),
        version: version.to_owned(),
        state: Label {
            text: if read.is_ok() {
                text
            } else {
                "Cannot be answered here"
            },
            colour: Some(if read.is_ok() { colour } else { "red" }),
        },
        refused: read.err().map(|problem| problem.to_string()),
        asked: sum(|it| it.asked),
        answered: sum(|it| it.answered),
        overdue: sum(|it| it.overdue),
        unseen: sum(|it| it.unseen),
    }
}

pub(super) fn state(ask: &Ask, now: Millis) -> Label {
    let open = !matches!(
        ask.status.as_str(),
        "completed" | "cancelled" | "rejected" | "failed" | "entered-in-error"
    );
    let (text, colour) = match (open, ask.status.as_str()) {
        (true, _) if ask.due > 0 && ask.due < today(now) => ("Overdue", "red"),
        (true, _) => ("Asked", "blue"),
        (false, "completed") if ask.seen_at == 0 => ("Answered, not read yet", "yellow"),
        (false, "completed") => ("Answered and read", "green"),
        (false, _) => ("Withdrawn", "grey"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

/// A row of a list. Whom it is about is told only to who is shown the Task and the patient.
pub(super) async fn row(
    node: &Node,
    scope: &Scope,
    ask: &Ask,
    titles: &BTreeMap<String, String>,
    now: Millis,
) -> Result<AskRow, Problem> {
    let task = node.store.read(scope, "Task", &ask.task).await?;
    let patient = node.store.read(scope, "Patient", &ask.patient).await?;
    let person = match (&task, &patient) {
        (Reading::Found(_), Reading::Found(version)) => {
            let who = record::patient(&json(version)?);
            Some(Person::new(
                &who.name,
                who.birth_date.as_deref(),
                who.nhs_number.as_deref(),
            ))
        }
        _ => None,
    };
    let url = ask.canonical.split('|').next().unwrap_or_default();
    let title = titles.get(url).cloned();
    let moment = |at: Millis| words::moment(at, now).short;
    Ok(AskRow {
        href: person
            .is_some()
            .then(|| format!("/staff/questionnaires/tasks/{}", ask.task)),
        title: match &person {
            Some(_) => {
                title.unwrap_or_else(|| "A questionnaire that is not here any more".to_owned())
            }
            None => "Withheld from you".to_owned(),
        },
        patient: person.unwrap_or_else(|| Person::new(NOT_SHOWN, None, None)),
        state: state(ask, now),
        who: if ask.by_patient {
            "The patient"
        } else {
            "Staff"
        },
        due: match ask.due {
            0 => "–".to_owned(),
            due => words::date(due).short,
        },
        when: match ask.answered_at {
            0 if ask.reminded_at > 0 => format!(
                "asked {}, reminded {}",
                moment(ask.asked_at),
                moment(ask.reminded_at)
            ),
            0 => format!("asked {}", moment(ask.asked_at)),
            answered => format!("answered {}", moment(answered)),
        },
        unread: ask.status == "completed" && ask.seen_at == 0,
    })
}

/// `GET /staff/questionnaires/{id}`: how it looks, prefilled from a person who is made up.
pub async fn preview(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    look(&node, &visit).await?;
    let (form, version) = load::by_id(&node.store, &id).await?;
    let language = Language::English;
    let begun = form.prefill(&made_up(visit.now), visit.now);
    let answers: Answers = begun
        .iter()
        .map(|(link, it)| (link.clone(), it.answers.clone()))
        .collect();
    let began: Vec<_> = begun
        .into_iter()
        .filter_map(|(link, it)| Some((link, it.answers, said::source(language, &it.source)?)))
        .collect();
    let fields = form.fields_of(&answers, &said::local);
    let drawn = draw(&form, &fields, (&answers, &began), &[], language);
    let view = FormPage {
        t: language.texts(),
        lang: language.code(),
        here: String::new(),
        title: form.title_in(language.code()).into(),
        description: form.description_in(language.code()).into(),
        person: Some(Person::new("EXAMPLE, Alex", Some("1980-01-01"), None)),
        reason: String::new(),
        due: None,
        notices: vec![
            "This is a preview. The person is made up, and nothing that you write is kept."
                .to_owned(),
        ],
        errors: Vec::new(),
        action: format!("/staff/questionnaires/{id}"),
        back: "/staff/questionnaires".to_owned(),
        of: format!("{id}/{version}"),
        shown: drawn.shown,
        items: drawn.items,
        rules: drawn.rules,
        copies: false,
        preview: true,
    };
    let page = Page::new("questionnaire/form.jinja", form.title.clone(), view);
    Ok(page
        .under("/staff/questionnaires")
        .answer(&node.site, &visit))
}

/// A record of nobody, from which a preview is prefilled.
fn made_up(now: Millis) -> Vec<serde_json::Value> {
    let day = date::date(now);
    vec![
        json!({
            "resourceType": "Patient",
            "name": [{ "family": "Example", "given": ["Alex"] }],
            "birthDate": "1980-01-01",
            "gender": "other",
            "telecom": [{ "system": "phone", "value": "07700 900000" }],
        }),
        json!({
            "resourceType": "AllergyIntolerance",
            "code": { "text": "Penicillin (made up)" },
            "recordedDate": day,
        }),
        json!({
            "resourceType": "MedicationStatement",
            "status": "active",
            "medicationCodeableConcept": { "text": "Salbutamol inhaler (made up)" },
            "effectiveDateTime": day,
        }),
    ]
}

/// `GET /staff/questionnaires/tasks/{task}`: one that was asked, with its answers.
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = look(&node, &visit).await?;
    let sheet = Sheet::load(&node, &visit, &scope, &id).await?;
    let ask = node.store.asked(&scope, &id).await?.ok_or_else(gone)?;
    let person = answer::person(&node, &scope, &sheet.ask.patient).await?;
    let view = answered(&sheet, &ask, person, visit.now);
    let view = AnswersPage {
        done: done(&asked.done),
        ..view
    };
    let page = Page::new("questionnaire/answers.jinja", view.title.text.clone(), view);
    Ok(page
        .under("/staff/questionnaires")
        .answer(&node.site, &visit))
}

fn answered(sheet: &Sheet, ask: &Ask, person: Person, now: Millis) -> AnswersPage {
    let language = Language::English;
    let here = format!("/staff/questionnaires/tasks/{}", sheet.id);
    let answered = sheet.answered();
    let mut facts = Vec::new();
    let who = if ask.by_patient {
        "the patient"
    } else {
        "staff"
    };
    let when = words::moment(ask.asked_at, now).full;
    facts.push(format!("Asked of {who} on {when}. {}", sheet.ask.reason));
    facts.extend(
        sheet
            .ask
            .due
            .map(|it| format!("Due by {}.", words::date(it).short)),
    );
    if ask.reminded_at > 0 {
        let when = words::moment(ask.reminded_at, now).full;
        facts.push(match ask.reminder_opened_at {
            0 => format!("The patient was reminded on {when}, and has not opened it since."),
            _ => format!("The patient was reminded on {when}, and has opened it since."),
        });
    }
    facts.extend(
        sheet
            .response
            .as_ref()
            .map(|(response, _)| by(response, language)),
    );
    if let Some((response, version)) = &sheet.response
        && at(response, "/status") == "amended"
    {
        facts.push(format!(
            "This is version {version}. What was handed in before is in the history of the record."
        ));
    }
    if ask.seen_at > 0 {
        let when = words::moment(ask.seen_at, now).full;
        facts.push(format!("Read by {} on {when}.", ask.seen_by));
    }
    let is_over = ask.status == "completed";
    AnswersPage {
        t: language.texts(),
        lang: language.code(),
        here: here.clone(),
        title: sheet.form.title_in(language.code()).into(),
        done: None,
        person: Some(person),
        state: state(ask, now),
        facts,
        notices: match (&answered, is_over) {
            (None, true) => vec!["The answers are withheld from you.".to_owned()],
            _ => Vec::new(),
        },
        rows: answered.as_ref().map_or_else(Vec::new, |it| {
            rows(&sheet.form_answered(), it, (language, true))
        }),
        // Copies of a group beyond those that a form has here would be lost.
        change: answered
            .as_ref()
            .is_some_and(|it| it.many.is_empty())
            .then(|| format!("{here}/answer?change=yes")),
        back: format!("/staff/patient/{}/questionnaires", ask.patient),
        back_text: "All questionnaires of this patient",
        seen: (answered.is_some() && is_over && ask.seen_at == 0).then(|| format!("{here}/seen")),
        answered_at: ask.answered_at,
        answer: sheet.ask.is_open().then(|| format!("{here}/answer")),
        withdraw: sheet.ask.is_open().then(|| format!("{here}/withdraw")),
    }
}

/// `POST /staff/questionnaires/tasks/{task}/seen`: somebody has read the answers as they are.
pub async fn seen(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::WorkTask, "Task").await?;
    let sheet = Sheet::load(&node, &visit, &scope, &id).await?;
    // What is withheld was not read.
    if sheet.response.is_none() {
        return Err(gone().into());
    }
    let write = FormWrite::Seen {
        task: id.clone(),
        answered_at: fields.text("answered_at").parse().unwrap_or_default(),
        by: me(&visit)?.who,
    };
    let job = Job {
        traces: vec![sheet.trace(&scope)],
        ..Job::effect(Effect::Form(write))
    };
    let here = format!("/staff/questionnaires/tasks/{id}");
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other(&format!("{here}?done=seen"))),
        Err(problem) if problem.came_between() => Ok(see_other(&format!("{here}?done=before"))),
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /staff/questionnaires/tasks/{task}/withdraw`: nobody is asked any more.
pub async fn withdraw(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::WorkTask, "Task").await?;
    let sheet = Sheet::load(&node, &visit, &scope, &id).await?;
    let here = format!("/staff/questionnaires/tasks/{id}");
    if !sheet.ask.is_open() {
        return Ok(see_other(&format!("{here}?done=before")));
    }
    let mut task = sheet.task.clone();
    set(&mut task, "status", "cancelled".into());
    set(&mut task, "lastModified", date::instant(visit.now).into());
    let by = format!("Withdrawn by {}", me(&visit)?.who);
    set(&mut task, "statusReason", json!({ "text": by }));
    let how = (Expect::Version(sheet.version), Release::Keep);
    let not_done = (id.as_str(), TaskState::NotDone);
    let off = over(&node, &visit, &scope, not_done).await?;
    let job = Job {
        changes: vec![written(&task, &node.site.organisation, how)?],
        effects: off.into_iter().collect(),
        traces: vec![sheet.trace(&scope)],
        ..Job::default()
    };
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other(&format!("{here}?done=withdrawn"))),
        Err(problem) if problem.came_between() => Ok(see_other(&format!("{here}?done=before"))),
        Err(problem) => Err(problem.into()),
    }
}
