//! `/staff/fax-in`: faxes that came in, until somebody says whose they are.

use std::collections::HashMap;
use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target, Who};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::fax::record::{self as fax_record, Said};
use exchange::fax::{number, pdf, raster, tiff};
use fhir::problem::{Kind, Problem};
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde::Deserialize;
use store::fax::{FaxDone, FaxIn, FaxWrite, InShow};
use store::parcels::Named;
use store::{Done as Came, Effect, Job, Reading};

use crate::form::Fields;
use crate::node::Node;
use crate::page::content::file as content_file;
use crate::page::parts::{Done, Fault, Label, Tab};
use crate::page::problem::Refusal;
use crate::page::{Page, headers, see_other, words};
use crate::record;
use crate::sign_in::proof;
use crate::staff::fax_views as views;
use crate::visit::Visit;

/// The most rows of a list.
const ROWS_MAX: u32 = 200;
/// The most pages that are shown as pictures; the file has all.
const PICTURES_MAX: u32 = 20;
/// The longest subject and reason, in characters.
const TITLE_CHARS_MAX: usize = 200;
const REASON_CHARS_MAX: usize = 500;

/// What the address may ask for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    show: String,
    #[serde(default)]
    done: String,
}

/// The names on the list of numbers, by number.
type Names = HashMap<String, String>;

/// A form that did not pass: its fields, the field at fault, and what is wrong.
type Wrong<'a> = (&'a Fields, &'static str, &'static str);

/// `GET /staff/fax-in`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let scope = looking(&node, &visit).await?;
    let (show, word, empty) = match asked.show.as_str() {
        "aside" => (InShow::SetAside, "aside", "No fax has been set aside."),
        _ => (
            InShow::Waiting,
            "",
            "No fax is waiting for somebody to say whose it is.",
        ),
    };
    let faxes = node.store.faxes_in(&scope, show, ROWS_MAX).await?;
    let names = names(&node, &scope).await?;
    let view = views::Faxes {
        tabs: tabs(word, Some(node.store.faxes_waiting(&scope).await?)),
        rows: faxes.iter().map(|it| row(it, &names, &visit)).collect(),
        empty,
        done: done(&asked.done),
    };
    let page = Page::new("staff/faxes.jinja", "Faxes", view).under("/staff/inbox");
    Ok(page.answer(&node.site, &visit))
}

async fn looking(node: &Node, visit: &Visit) -> Result<Scope, Problem> {
    let interaction = Interaction::Unmatched;
    visit.scope(node, interaction, "DocumentReference").await
}

/// The pages about faxes.
pub(crate) fn tabs(open: &str, waiting: Option<u64>) -> Vec<Tab> {
    [
        ("", "Waiting", "/staff/fax-in"),
        ("aside", "Set aside", "/staff/fax-in?show=aside"),
        ("numbers", "Fax numbers", "/staff/fax-numbers"),
        ("count", "Count by month", "/staff/fax-count"),
    ]
    .into_iter()
    .map(|(word, text, href)| Tab {
        text,
        href: href.into(),
        count: waiting.filter(|_| word.is_empty()),
        current: word == open,
    })
    .collect()
}

async fn names(node: &Node, scope: &Scope) -> Result<Names, Problem> {
    let numbers = node.store.fax_numbers(scope).await?;
    let numbers = numbers.into_iter().filter(|it| it.state == "in-force");
    Ok(numbers.map(|it| (it.number, it.name)).collect())
}

fn from(fax: &FaxIn) -> String {
    match fax.caller.as_str() {
        "" => "No number".to_owned(),
        caller => number::shown(caller),
    }
}

fn state(fax: &FaxIn) -> Label {
    let (text, colour) = match fax.state.as_str() {
        "matched" => ("Matched", "green"),
        "set-aside" => ("Set aside", "grey"),
        _ if fax.pages == 0 => ("Cannot be read", "red"),
        _ if fax.round > 0 => ("Put back", "orange"),
        _ => ("Waiting", "blue"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

fn row(fax: &FaxIn, names: &Names, visit: &Visit) -> views::FaxRow {
    views::FaxRow {
        href: format!("/staff/fax-in/{}", fax.number),
        from: from(fax),
        listed: names.get(&fax.caller).cloned(),
        received: words::moment(fax.received_at, visit.now),
        pages: fax.pages,
        state: state(fax),
        note: said(fax).unwrap_or_else(|| fax.trouble.clone()),
    }
}

/// Who set it aside or put it back, and why.
fn said(fax: &FaxIn) -> Option<String> {
    match (fax.who.as_str(), fax.reason.as_str()) {
        (_, "") => None,
        (who, reason) => Some(format!("{who}: {reason}")),
    }
}

fn done(word: &str) -> Option<Done> {
    let text = match word {
        "aside" => "The fax is set aside. It can be taken up again.",
        "up" => "The fax waits again for somebody to say whose it is.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// `GET /staff/fax-in/{number}`
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
) -> Result<Response, Refusal> {
    show(&node, &visit, number, None).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    number: i64,
    wrong: Option<Wrong<'_>>,
) -> Result<Response, Refusal> {
    let scope = looking(node, visit).await?;
    let fax = node.store.fax_in(&scope, number).await?;
    let names = names(node, &scope).await?;
    let typed = |name: &str| {
        wrong
            .map_or("", |(fields, ..)| fields.text(name))
            .to_owned()
    };
    let fault = |field: &str| {
        wrong
            .filter(|(_, at, _)| *at == field)
            .map(|(.., text)| text)
    };
    let waits = fax.state == "waiting";
    let view = views::Fax {
        errors: wrong
            .iter()
            .map(|(_, field, text)| Fault {
                text,
                href: format!("#{field}").into(),
            })
            .collect(),
        number,
        action: format!("/staff/fax-in/{number}"),
        from: from(&fax),
        listed: names.get(&fax.caller).cloned(),
        station: fax.station.clone(),
        received: words::moment(fax.received_at, visit.now),
        pages: fax.pages,
        state: state(&fax),
        trouble: (!fax.trouble.is_empty()).then(|| fax.trouble.clone()),
        said: said(&fax),
        file: (fax.kept && fax.state != "matched").then(|| views::FaxFile {
            href: format!("/staff/fax-in/{number}/file"),
            kind: if fax.pages == 0 {
                "file as it came"
            } else {
                "PDF"
            },
            size: words::size(fax.size),
        }),
        pictures: match fax.kept && fax.state != "matched" {
            true => (1..=fax.pages.min(PICTURES_MAX)).collect(),
            false => Vec::new(),
        },
        can_match: waits && fax.pages > 0,
        can_set_aside: waits,
        can_take_up: fax.state == "set-aside" && fax.kept,
        nhs_number: typed("nhs_number"),
        born: typed("born"),
        family: typed("family"),
        title: typed("title"),
        urgent: wrong.is_some_and(|(fields, ..)| fields.text("urgent") == "yes"),
        match_error: fault("nhs_number"),
        title_error: fault("title"),
        reason: typed("reason"),
        reason_error: fault("reason"),
    };
    let page = Page::new("staff/fax.jinja", format!("Fax {number}"), view).under("/staff/inbox");
    Ok(page.with_faults(wrong.is_some()).answer(&node.site, visit))
}

/// `GET /staff/fax-in/{number}/file`: its pages as a PDF; what cannot be read, as it came.
pub async fn file(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
) -> Result<Response, Refusal> {
    let scope = looking(&node, &visit).await?;
    let fax = node.store.fax_in(&scope, number).await?;
    let file = node.store.fax_file(&scope, number).await?;
    if fax.pages == 0 {
        return Ok(content_file("application/octet-stream", file));
    }
    let pages = tiff::read(&file, usize::try_from(fax.pages).unwrap_or(usize::MAX))?;
    Ok(content_file("application/pdf", pdf::of_fax(&file, &pages)?))
}

/// `GET /staff/fax-in/{number}/page/{page}`: one of its pages as a picture of our own making.
pub async fn picture(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path((number, page)): Path<(i64, usize)>,
) -> Result<Response, Refusal> {
    let scope = looking(&node, &visit).await?;
    let fax = node.store.fax_in(&scope, number).await?;
    let file = node.store.fax_file(&scope, number).await?;
    let count = usize::try_from(fax.pages).unwrap_or(usize::MAX);
    // Reading and drawing a page takes a moment in which others are served.
    let drawing = tokio::task::spawn_blocking(move || {
        let pages = tiff::read(&file, count)?;
        let page = page.checked_sub(1).and_then(|page| pages.get(page));
        let page = page.ok_or_else(|| Problem::new(Kind::NotFound, "There is no such page."))?;
        raster::png(&file, page)
    });
    let png = drawing.await.map_err(|cause| {
        Problem::new(Kind::Exception, "The page could not be drawn.").because(cause)
    })??;
    let mut response = Response::new(Body::from(png));
    let answer = response.headers_mut();
    answer.insert(CONTENT_TYPE, HeaderValue::from_static("image/png"));
    answer.insert(CONTENT_SECURITY_POLICY, headers::INERT);
    Ok(response)
}

/// Who does it: name, role as the log writes it, account.
fn me(visit: &Visit) -> (String, String, Option<i64>) {
    match visit.caller().map(|caller| &caller.who) {
        Some(Who::Staff {
            account,
            name,
            role,
            ..
        }) => (name.clone(), role.code().to_owned(), Some(*account)),
        _ => (String::new(), String::new(), None),
    }
}

/// `POST /staff/fax-in/{number}/match`
pub async fn matched(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::MatchLetter, "DocumentReference")
        .await?;
    let title = fields.text("title");
    if title.chars().count() > TITLE_CHARS_MAX {
        let wrong = (&fields, "title", "Give a subject of up to 200 characters");
        return show(&node, &visit, number, Some(wrong)).await;
    }
    let typed = ["nhs_number", "born", "family"].map(|it| fields.text(it));
    // All three together, typed from the paper: nobody is matched by a number alone.
    let Some((patient, nhs_number, _)) = proof::find(&node, &visit, typed).await? else {
        let text = "Nobody here has this NHS number, date of birth and family name together";
        return show(&node, &visit, number, Some((&fields, "nhs_number", text))).await;
    };
    let looking = looking(&node, &visit).await?;
    let fax = node.store.fax_in(&looking, number).await?;
    let file = node.store.fax_file(&looking, number).await?;
    let listed = names(&node, &looking).await?.remove(&fax.caller);
    let (who, role, account) = me(&visit);
    let said = Said {
        named: named(&node, &visit, &patient, nhs_number.digits()).await?,
        patient,
        title: match title {
            "" => "Fax".to_owned(),
            title => title.to_owned(),
        },
        urgent: fields.text("urgent") == "yes",
        who,
        role,
        account,
        at: visit.now,
    };
    let here = &node.site.organisation;
    let (changes, matched) = fax_record::matched(&fax, &file, &said, listed.as_deref(), here)?;
    let mut job = Job::effect(Effect::Fax(FaxWrite::Match(Box::new(matched))));
    job.changes = changes;
    job.traces.push(line(&scope, number, Some(&said.patient)));
    let committed = node.store.commit(&scope, job).await?;
    match committed.done.first() {
        Some(Came::Fax(FaxDone::Matched { pid })) => {
            Ok(see_other(&format!("/staff/item/{pid}?done=fax-matched")))
        }
        _ => Ok(see_other("/staff/inbox")),
    }
}

/// The patient as their record names them, for the inbox.
async fn named(
    node: &Node,
    visit: &Visit,
    patient: &str,
    nhs_number: &str,
) -> Result<Named, Problem> {
    let scope = visit.scope(node, Interaction::Read, "Patient").await?;
    let Reading::Found(version) = node.store.read(&scope, "Patient", patient).await? else {
        return Err(Problem::new(
            Kind::NotFound,
            "There is no such patient here.",
        ));
    };
    let json = record::json(&version)?;
    let text = |place: &str| json.pointer(place).and_then(|it| it.as_str());
    Ok(Named {
        nhs_number: Some(nhs_number.to_owned()),
        birth_date: record::patient(&json).birth_date,
        family: text("/name/0/family").unwrap_or_default().to_owned(),
        given: text("/name/0/given/0").unwrap_or_default().to_owned(),
    })
}

/// The log's line for a step with a fax.
fn line(scope: &Scope, number: i64, patient: Option<&str>) -> access::AuditEntry {
    let target = Target {
        ty: "DocumentReference".into(),
        patient: patient.map(str::to_owned),
        query: Some(format!("fax-in={number}").into()),
        ..Target::default()
    };
    scope.trace(scope.interaction(), Outcome::Success, target)
}

/// `POST /staff/fax-in/{number}/aside`
pub async fn aside(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let reason = fields.text("reason").to_owned();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let text = "Enter why it is set aside, such as “not for us”";
        return show(&node, &visit, number, Some((&fields, "reason", text))).await;
    }
    let (who, ..) = me(&visit);
    let write = FaxWrite::SetAside {
        number,
        reason,
        who,
    };
    step(&node, &visit, number, write).await?;
    Ok(see_other("/staff/fax-in?done=aside"))
}

/// `POST /staff/fax-in/{number}/up`
pub async fn up(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(number): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let (who, ..) = me(&visit);
    step(&node, &visit, number, FaxWrite::TakeUp { number, who }).await?;
    Ok(see_other("/staff/fax-in?done=up"))
}

async fn step(node: &Node, visit: &Visit, number: i64, write: FaxWrite) -> Result<(), Problem> {
    let scope = visit
        .scope(node, Interaction::MatchLetter, "DocumentReference")
        .await?;
    let mut job = Job::effect(Effect::Fax(write));
    job.traces.push(line(&scope, number, None));
    node.store.commit(&scope, job).await.map(|_| ())
}
