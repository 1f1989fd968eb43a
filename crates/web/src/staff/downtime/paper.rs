//! What was written on paper while everything was off is entered: by whom, on whose behalf, and with the time when it
//! really happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Interaction, NhsNumber, Outcome, Scope, Target};
use axum::extract::{Query, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use serde_json::{Value, json};
use store::downtime::{DowntimeWrite, PaperEntry};
use store::{Effect, Expect, Job, Reading, Release};

use super::{Asked, views, writer};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::record::{self, json as body};
use crate::staff::visits::entry::OBSERVATIONS;
use crate::staff::visits::task::{Measuring, observations};
use crate::visit::Visit;

/// One text, in characters.
const TEXT_CHARS_MAX: usize = 4_000;
/// For how long something can have lain on paper.
const OLD_MILLIS: Millis = 366 * 86_400_000;
const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

type Faults = Vec<(&'static str, &'static str)>;

/// What was typed.
#[derive(Default)]
struct Typed {
    code: String,
    nhs_number: String,
    born: String,
    day: String,
    time: String,
    behalf: String,
    medicine: String,
    dose: String,
    note: String,
    measured: Vec<(&'static str, String)>,
}

/// What stands on the paper, read.
struct Paper {
    happened_at: Millis,
    observations: BTreeMap<String, f64>,
}

impl Typed {
    fn read(fields: &Fields) -> Typed {
        let text = |name: &str| fields.text(name).replace("\r\n", "\n");
        Typed {
            code: text("code").to_ascii_uppercase(),
            nhs_number: text("nhs_number"),
            born: text("born"),
            day: text("day"),
            time: text("time"),
            behalf: text("behalf"),
            medicine: text("medicine"),
            dose: text("dose"),
            note: text("note"),
            measured: OBSERVATIONS
                .iter()
                .map(|it| (it.name, text(it.name)))
                .collect(),
        }
    }

    fn check(&self, now: Millis) -> Result<Paper, Faults> {
        let mut faults = Faults::new();
        if NhsNumber::parse(&self.nhs_number).is_err() {
            faults.push((
                "nhs_number",
                "Enter the NHS number that stands on the paper",
            ));
        }
        if self.born.parse::<jiff::civil::Date>().is_err() {
            faults.push(("born", "Enter the date of birth, such as 1961-02-03"));
        }
        let happened = words::moment_of(&self.day, &self.time);
        let possible = happened.filter(|at| *at <= now && *at > now.saturating_sub(OLD_MILLIS));
        if possible.is_none() {
            faults.push((
                "day",
                "Enter day and time when it really happened, such as 2026-11-29 and 14:05, within the last year",
            ));
        }
        if self.behalf.is_empty() {
            faults.push(("behalf", "Enter who wrote it on the paper"));
        }
        let mut observations = BTreeMap::new();
        for of in OBSERVATIONS {
            let found = self.measured.iter().find(|(name, _)| *name == of.name);
            let text = found.map_or("", |(_, text)| text.as_str());
            if text.is_empty() {
                continue;
            }
            match text.parse::<f64>() {
                Ok(value) if (of.low..=of.high).contains(&value) => {
                    observations.insert(of.name.to_owned(), value);
                }
                _ => faults.push((
                    of.name,
                    "This is no number that can be meant; look at the paper again",
                )),
            }
        }
        let has = |name: &str| observations.contains_key(name);
        if has("systolic") != has("diastolic") {
            faults.push(("systolic", "Enter both parts of the blood pressure"));
        }
        if !self.medicine.is_empty() && self.dose.is_empty() {
            faults.push(("dose", "Enter the dose that was given, and how"));
        }
        if observations.is_empty() && self.medicine.is_empty() && self.note.is_empty() {
            faults.push(("note", "Enter what stands on the paper"));
        }
        let texts = [&self.behalf, &self.medicine, &self.dose, &self.note];
        if texts.iter().any(|it| it.chars().count() > TEXT_CHARS_MAX) {
            faults.push(("note", "A text is longer than 4,000 characters"));
        }
        match possible {
            Some(happened_at) if faults.is_empty() => Ok(Paper {
                happened_at,
                observations,
            }),
            _ => Err(faults),
        }
    }
}

/// `GET /staff/downtime/paper?code=…`
pub async fn ask(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    visit
        .scope(&node, Interaction::EnterPaper, "Observation")
        .await?;
    let typed = Typed {
        code: asked.code.trim().to_ascii_uppercase(),
        ..Typed::default()
    };
    let attempt = uuid::Uuid::new_v4().to_string();
    Ok(form(&node, &visit, &typed, (&attempt, &[])))
}

fn form(
    node: &Node,
    visit: &Visit,
    typed: &Typed,
    (attempt, faults): (&str, &[(&'static str, &'static str)]),
) -> Response {
    let error = |field: &str| {
        let found = faults.iter().find(|(at, _)| *at == field);
        found.map(|(_, said)| *said)
    };
    let field = |name: &'static str, label: &'static str, value: &str| views::Field {
        name,
        label,
        value: value.to_owned(),
        error: error(name),
    };
    let measured = OBSERVATIONS.iter().map(|of| {
        let found = typed.measured.iter().find(|(name, _)| *name == of.name);
        field(of.name, of.label, found.map_or("", |(_, text)| text))
    });
    let view = views::Paper {
        errors: faults
            .iter()
            .map(|(at, text)| Fault {
                text,
                href: format!("#{at}").into(),
            })
            .collect(),
        attempt: attempt.to_owned(),
        who: vec![
            field(
                "code",
                "Form’s bar code, scanned or typed; may be empty",
                &typed.code,
            ),
            field("nhs_number", "NHS number on the paper", &typed.nhs_number),
            field(
                "born",
                "Date of birth on the paper, such as 1961-02-03",
                &typed.born,
            ),
            field(
                "day",
                "Day when it really happened, such as 2026-11-29",
                &typed.day,
            ),
            field(
                "time",
                "Time when it really happened, such as 14:05",
                &typed.time,
            ),
            field("behalf", "Who wrote it on the paper", &typed.behalf),
        ],
        measured: measured.collect(),
        given: vec![
            field("medicine", "Medicine given", &typed.medicine),
            field("dose", "Dose, and how it was given", &typed.dose),
        ],
        note: typed.note.clone(),
        note_error: error("note"),
    };
    let page = Page::new("staff/downtime-paper.jinja", "Enter from paper", view);
    page.under("/staff/worklist")
        .with_faults(!faults.is_empty())
        .answer(&node.site, visit)
}

/// `POST /staff/downtime/paper`: the same paper twice is entered once.
pub async fn enter(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::EnterPaper, "Observation")
        .await?;
    let attempt = uuid::Uuid::parse_str(fields.text("attempt"))
        .map_err(|_| Problem::new(Kind::Value, "This form is not whole; open the page again."))?;
    let attempt = attempt.to_string();
    let typed = Typed::read(&fields);
    let found = match typed.check(visit.now) {
        Ok(paper) => Box::pin(whose(&node, &scope, &typed))
            .await?
            .map(|it| (paper, it)),
        Err(faults) => Err(faults),
    };
    let (paper, patient) = match found {
        Ok(found) => found,
        Err(faults) => return Ok(form(&node, &visit, &typed, (&attempt, &faults))),
    };
    let by = writer(&visit)?;
    let it = Entering {
        id: &attempt,
        patient: &patient,
        typed: &typed,
        paper: &paper,
        by: &by,
        now: visit.now,
    };
    let mut changes = Vec::new();
    for resource in it.resources() {
        let once = (Expect::Absent, Release::Keep);
        changes.push(exchange::prescriptions::written(
            &resource,
            &node.site.organisation,
            once,
        )?);
    }
    let entered = PaperEntry {
        id: attempt.clone(),
        code: typed.code.clone(),
        patient: patient.clone(),
        happened_at: paper.happened_at,
        entered_by: by.clone(),
        behalf: typed.behalf.clone(),
    };
    let target = Target {
        ty: "Provenance".into(),
        id: Some(attempt.clone()),
        patient: Some(patient.clone()),
        query: Some("entered from paper".into()),
        ..Target::default()
    };
    let job = Job {
        changes,
        effects: vec![Effect::Downtime(DowntimeWrite::Entered(Box::new(entered)))],
        traces: vec![scope.trace(Interaction::EnterPaper, Outcome::Success, target)],
        ..Job::default()
    };
    match node.store.commit(&scope, job).await {
        Ok(_) => {}
        // The same form was sent twice: the first has entered it.
        Err(problem) if matches!(problem.kind, Kind::Conflict | Kind::Duplicate) => {}
        Err(problem) => return Err(problem.into()),
    }
    Ok(see_other("/staff/downtime?done=entered"))
}

const NOBODY: &str = "Nobody here has this number and this date of birth. Look at the paper again; if both are right, register the patient first";
const OTHER: &str =
    "The bar code is another patient’s than this number and date of birth. Look whose paper it is";

/// Whose paper it is, by two identifiers, and by the form's code where there is one.
async fn whose(
    node: &Node,
    scope: &Scope,
    typed: &Typed,
) -> Result<Result<String, Faults>, Problem> {
    let Ok(number) = NhsNumber::parse(&typed.nhs_number) else {
        return Ok(Err(vec![("nhs_number", NOBODY)]));
    };
    let digits: String = number.to_string().chars().filter(|it| *it != ' ').collect();
    let is = |who: &record::Patient| {
        who.nhs_number.as_deref() == Some(digits.as_str())
            && who.birth_date.as_deref() == Some(typed.born.as_str())
    };
    if !typed.code.is_empty() {
        let Some((_, patient)) = node.store.downtime_code(scope, &typed.code).await? else {
            let message = "No form with this code was made here. Look at the paper again, or leave the code empty";
            return Ok(Err(vec![("code", message)]));
        };
        return Ok(match node.store.read(scope, "Patient", &patient).await? {
            Reading::Found(version) if is(&record::patient(&body(&version)?)) => Ok(patient),
            _ => Err(vec![("code", OTHER)]),
        });
    }
    let query = [
        (
            "identifier".to_owned(),
            format!("{}|{digits}", NhsNumber::SYSTEM),
        ),
        ("birthdate".to_owned(), typed.born.clone()),
    ];
    let url = node.site.fhir_url();
    let registry = node.store.registry();
    let search = Search::parse_with(&registry, "Patient", &query, &url, &Limits::default())?;
    let found = node.store.search(scope, &search).await?;
    let mut right = Vec::new();
    for version in &found.entries {
        if is(&record::patient(&body(version)?)) {
            right.push(version.id.clone());
        }
    }
    Ok(match (right.pop(), right.is_empty()) {
        (Some(patient), true) => Ok(patient),
        (Some(_), false) => Err(vec![(
            "nhs_number",
            "More than one record here has this number and date of birth. Have them linked first",
        )]),
        (None, _) => Err(vec![("nhs_number", NOBODY)]),
    })
}

/// A paper that is entered.
struct Entering<'e> {
    id: &'e str,
    patient: &'e str,
    typed: &'e Typed,
    paper: &'e Paper,
    by: &'e str,
    now: Millis,
}

impl Entering<'_> {
    /// What becomes of it: each resource marked as entered from paper, and who wrote and who entered it.
    fn resources(&self) -> Vec<Value> {
        let measuring = Measuring {
            id: self.id,
            patient: self.patient,
            encounter: None,
            happened_at: self.paper.happened_at,
            performer: &self.typed.behalf,
            now: self.now,
        };
        let mut all = observations(&self.paper.observations, &measuring);
        if !self.typed.medicine.is_empty() {
            all.push(self.given());
        }
        if !self.typed.note.is_empty() {
            all.extend(self.note());
        }
        let targets: Vec<Value> = all
            .iter()
            .map(|it| {
                let text = |name: &str| it.get(name).and_then(Value::as_str).unwrap_or_default();
                json!({ "reference": format!("{}/{}", text("resourceType"), text("id")) })
            })
            .collect();
        let agent = |code: &str, who: &str| {
            json!({
                "type": { "coding": [{ "system": PARTICIPANT, "code": code }] },
                "who": { "display": who },
            })
        };
        let mut enterer = agent("enterer", self.by);
        fhir::members::set(
            &mut enterer,
            "onBehalfOf",
            json!({ "display": self.typed.behalf }),
        );
        all.push(json!({
            "resourceType": "Provenance",
            "id": self.id,
            "target": targets,
            "occurredDateTime": date::instant(self.paper.happened_at),
            "recorded": date::instant(self.now),
            "activity": { "text": "Written on paper while systems were off, and entered afterwards" },
            "agent": [agent("author", &self.typed.behalf), enterer],
        }));
        let mark = json!({ "tag": [{
            "system": "urn:handover:origin", "code": "paper", "display": "Entered from paper",
        }] });
        for it in &mut all {
            fhir::members::set(it, "meta", mark.clone());
        }
        all
    }

    fn given(&self) -> Value {
        json!({
            "resourceType": "MedicationAdministration",
            "id": format!("{}-given", self.id),
            "status": "completed",
            "medicationCodeableConcept": { "text": self.typed.medicine },
            "subject": { "reference": format!("Patient/{}", self.patient) },
            "effectiveDateTime": date::instant(self.paper.happened_at),
            "performer": [{ "actor": { "display": self.typed.behalf } }],
            "dosage": { "text": self.typed.dose },
        })
    }

    fn note(&self) -> [Value; 2] {
        let binary = format!("{}-note", self.id);
        [
            json!({
                "resourceType": "Binary",
                "id": binary,
                "contentType": "text/plain; charset=utf-8",
                "securityContext": { "reference": format!("Patient/{}", self.patient) },
                "data": STANDARD.encode(&self.typed.note),
            }),
            json!({
                "resourceType": "DocumentReference",
                "id": format!("{}-note", self.id),
                "status": "current",
                "type": { "text": "Note on paper" },
                "subject": { "reference": format!("Patient/{}", self.patient) },
                "date": date::instant(self.paper.happened_at),
                "author": [{ "display": self.typed.behalf }],
                "description": "Note on paper, entered afterwards",
                "content": [{ "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "url": format!("Binary/{binary}"),
                    "title": "Note on paper",
                }}],
            }),
        ]
    }
}
