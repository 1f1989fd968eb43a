//! `/export`: the patient takes their record along: everything as FHIR, as a PDF to read, or as an International Patient
//! Summary. Each is read under the patient's own scope, so that nothing that is held back can be in it; each is logged and listed.

pub mod ips;
pub mod pdf;

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES, Outcome, Scope, Target, Who};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::search::Search;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use store::patient_app::PatientAppWrite;
use store::{Effect, Job, Reading};

use crate::fhir::ask::Ask;
use crate::fhir::operations::everything;
use crate::fhir::prefer::Preference;
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::page::{Page, see_other};
use crate::patient::appointments::text;
use crate::patient::record::entries::{Entry, SECTIONS};
use crate::patient::record::plain::Plain;
use crate::patient::record::views::Texts;
use crate::record::{self, json};
use crate::visit::Visit;

/// Resources of one type in a summary or a PDF.
const OF_A_TYPE_MAX: usize = 500;
const PAGE: u32 = 200;

/// `patient/export.jinja`
#[derive(Serialize)]
pub struct ExportPage {
    pub t: Texts,
    pub lang: &'static str,
    pub ways: Vec<WayRow>,
    /// What was taken out before, newest first.
    pub before: Vec<String>,
}

#[derive(Serialize)]
pub struct WayRow {
    pub action: &'static str,
    pub heading: &'static str,
    pub said: &'static str,
    pub button: &'static str,
}

/// A way to take the record along.
#[derive(Clone, Copy)]
struct Way {
    kind: &'static str,
    action: &'static str,
    heading: &'static str,
    said: &'static str,
    button: &'static str,
}

const WAYS: [Way; 3] = [
    Way {
        kind: "pdf",
        action: "/export/pdf",
        heading: "export-pdf",
        said: "export-pdf-said",
        button: "export-pdf-button",
    },
    Way {
        kind: "ips",
        action: "/export/ips",
        heading: "export-ips",
        said: "export-ips-said",
        button: "export-ips-button",
    },
    Way {
        kind: "fhir",
        action: "/export/fhir",
        heading: "export-fhir",
        said: "export-fhir-said",
        button: "export-fhir-button",
    },
];

fn whose(visit: &Visit) -> Result<&str, Problem> {
    if visit.acting().is_some() {
        return Err(Problem::new(Kind::Suppressed, NOT_FOR_PROXIES));
    }
    match &visit.known()?.who {
        Who::Patient { patient, .. } => Ok(patient),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This page is the patient's own.",
        )),
    }
}

/// `GET /export`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let patient = whose(&visit)?;
    let scope = visit.scope(&node, Interaction::Record, "").await?;
    let before = node.store.taken_out(&scope, patient).await?;
    let way = |it: &Way| WayRow {
        action: it.action,
        heading: text(language, it.heading),
        said: text(language, it.said),
        button: text(language, it.button),
    };
    let told = |(kind, at): &(String, i64)| {
        let way = WAYS.iter().find(|it| it.kind == kind);
        let what = way.map_or("", |it| text(language, it.heading));
        format!("{what}, {}", language.when(*at))
    };
    let view = ExportPage {
        t: language.texts(),
        lang: language.code(),
        ways: WAYS.iter().map(way).collect(),
        before: before.iter().map(told).collect(),
    };
    let title = text(language, "export");
    let page = Page::new("patient/export.jinja", title, view).under("/record");
    Ok(page.said_in(language).answer(&node.site, &visit))
}

/// `GET /export/{kind}`: whoever comes back to this address, such as after signing in, chooses again.
pub async fn again() -> Response {
    see_other("/export")
}

/// `POST /export/{kind}`
pub async fn take(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
    Path(kind): Path<String>,
    _fields: Fields,
) -> Result<Response, Refusal> {
    let patient = whose(&visit)?.to_owned();
    let way = WAYS.iter().find(|it| it.kind == kind);
    let message = "The record cannot be taken out in this form.";
    let way = way.ok_or_else(|| Problem::new(Kind::NotFound, message))?;
    let language = tongue.language;
    match way.kind {
        "fhir" => {
            note(&node, &visit, &patient, way.kind).await?;
            let ask = Ask {
                visit: visit.clone(),
                preference: Preference::of(&HeaderMap::new()),
                query: Vec::new(),
                headers: HeaderMap::new(),
                wanted: None,
            };
            let taken = Box::pin(everything::of_patients(&node, &Arc::new(ask))).await;
            let response = taken.map_err(|failure| *failure.problem)?;
            Ok(named(response, "record.json", None))
        }
        "ips" => {
            let taken = Box::pin(Taken::read(&node, &visit, &patient)).await?;
            let bundle = ips::bundle(&node.site, &taken, visit.now)?;
            note(&node, &visit, &patient, way.kind).await?;
            let response = Response::new(Body::from(bundle.to_string()));
            let kind = HeaderValue::from_static("application/fhir+json");
            Ok(named(response, "patient-summary.json", Some(kind)))
        }
        _ => {
            let taken = Box::pin(Taken::read(&node, &visit, &patient)).await?;
            let plain = Plain::read(&node).await?;
            let lines = lines(&node, &taken, &plain, (language, visit.now));
            let title = text(language, "record-yours");
            let file = pdf::write(title, language.code(), &lines);
            note(&node, &visit, &patient, way.kind).await?;
            let response = Response::new(Body::from(file));
            let kind = HeaderValue::from_static("application/pdf");
            Ok(named(response, "record.pdf", Some(kind)))
        }
    }
}

fn named(mut response: Response, name: &str, kind: Option<HeaderValue>) -> Response {
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, kind);
    }
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// Notes what is taken out, before it leaves.
async fn note(
    node: &Node,
    visit: &Visit,
    patient: &str,
    kind: &'static str,
) -> Result<(), Problem> {
    let scope = visit
        .scope(node, Interaction::Document, "Composition")
        .await?;
    let target = Target {
        patient: Some(patient.to_owned()),
        query: Some(format!("taken-out={kind}").into()),
        ..Target::default()
    };
    let line = scope.trace(Interaction::Document, Outcome::Success, target);
    let job = Job {
        traces: vec![line],
        ..Job::effect(Effect::PatientApp(PatientAppWrite::TakenOut {
            id: uuid::Uuid::new_v4().to_string(),
            patient: patient.to_owned(),
            kind,
        }))
    };
    node.store.commit(&scope, job).await.map(|_| ())
}

/// What a summary and a PDF are made of.
pub struct Taken {
    pub patient: Value,
    /// Resources of the record, by type as they were read.
    pub resources: Vec<Value>,
    /// Types of which there is more than is in it.
    pub cut: Vec<&'static str>,
}

impl Taken {
    async fn read(node: &Node, visit: &Visit, patient: &str) -> Result<Taken, Problem> {
        let scope = visit
            .scope(node, Interaction::Document, "Composition")
            .await?;
        let read = node.store.read(&scope, "Patient", patient).await?;
        let Reading::Found(version) = read else {
            let message = "Your own details are not released to you yet. Ask your practice.";
            return Err(Problem::new(Kind::NotFound, message));
        };
        let mut taken = Taken {
            patient: json(&version)?,
            resources: Vec::new(),
            cut: Vec::new(),
        };
        for section in &SECTIONS {
            for ty in section.types {
                taken.of_type(node, &scope, ty).await?;
            }
        }
        Ok(taken)
    }

    async fn of_type(
        &mut self,
        node: &Node,
        scope: &Scope,
        ty: &'static str,
    ) -> Result<(), Problem> {
        let mut search = Search::all(ty, PAGE);
        let mut count = 0;
        loop {
            let page = node.store.search(scope, &search).await?;
            for version in &page.entries {
                self.resources.push(json(version)?);
                count += 1;
            }
            search.after = page.next;
            if search.after.is_none() {
                return Ok(());
            }
            if count >= OF_A_TYPE_MAX {
                self.cut.push(ty);
                return Ok(());
            }
        }
    }

    /// The resources of these types.
    pub fn of<'t>(&'t self, types: &'t [&str]) -> impl Iterator<Item = &'t Value> {
        let is_of = move |it: &&Value| {
            let ty = it["resourceType"].as_str().unwrap_or_default();
            types.contains(&ty)
        };
        self.resources.iter().filter(is_of)
    }
}

/// What the PDF says, in order.
fn lines(
    node: &Node,
    taken: &Taken,
    plain: &Plain,
    (language, now): (Language, i64),
) -> Vec<pdf::Line> {
    use pdf::Line::{Heading, Small, Text};
    let who = record::patient(&taken.patient);
    let born = who.birth_date.as_deref().map(crate::page::words::day);
    let number = who
        .nhs_number
        .as_deref()
        .map(crate::page::words::nhs_number);
    let mut lines = vec![Text(who.name.clone())];
    lines.extend(born.map(Text));
    lines.extend(number.map(|it| Text(format!("NHS {it}"))));
    let when = language.when(now);
    let with = [("place", node.site.name.as_str()), ("when", when.as_str())];
    lines.push(Small(language.tell("export-made", &with)));
    lines.push(Small(text(language, "export-limits").to_owned()));
    for section in &SECTIONS {
        lines.push(Heading(
            text(language, super::record::heading(section)).to_owned(),
        ));
        let mut entries: Vec<Entry> = taken.of(section.types).map(Entry::read).collect();
        entries.sort_by_key(|it| std::cmp::Reverse(it.at));
        if entries.is_empty() {
            lines.push(Text(super::record::empty(language, section).to_owned()));
        }
        for entry in &entries {
            let (title, small) = entry_lines(entry, plain, language);
            lines.push(Text(title));
            lines.push(Small(small));
        }
        if section.types.iter().any(|ty| taken.cut.contains(ty)) {
            lines.push(Text(text(language, "record-cut").to_owned()));
        }
    }
    lines
}

fn entry_lines(entry: &Entry, plain: &Plain, language: Language) -> (String, String) {
    let words = plain.say(&entry.term, &entry.codes, language);
    let mut title = match words {
        Some(words) => format!("{words} ({})", entry.term),
        None if entry.term.is_empty() => text(language, "entry-unnamed").to_owned(),
        None => entry.term.clone(),
    };
    let mut small: Vec<String> = entry
        .at
        .map(|at| language.date(at).short)
        .into_iter()
        .collect();
    if let Some(result) = &entry.result {
        if !result.said.is_empty() {
            title = format!("{title}: {}", result.said);
        }
        let range = result.range.as_ref().map(|it| it.said.as_str());
        small.extend(range.map(|it| language.tell("result-range", &[("range", it)])));
        let part = |(name, said): &(String, String)| format!("{name}: {said}");
        small.extend(result.parts.iter().map(part));
    }
    let marks = super::record::marks(entry, language);
    small.extend(marks.iter().map(|it| it.text.to_owned()));
    small.extend(entry.details.iter().cloned());
    (title, small.join(" · "))
}
