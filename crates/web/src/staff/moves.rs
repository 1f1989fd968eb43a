//! `/staff/moves`: patients who came from another practice, with what is still missing of theirs; and those whom another practice
//! claims, which a person here gives or objects to.

use std::sync::Arc;

use access::{Interaction, NhsNumber, Ods, Scope};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::moving::{Facts, Registering};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::Reading;
use store::moving::{Move, MoveList, MoveState, MovedSaysLetter, MovedSaysPds};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label, Person};
use crate::page::problem::Refusal;
use crate::page::words::Moment;
use crate::page::{Page, see_other, words};
use crate::record;
use crate::visit::Visit;

/// Rows of one list.
const ROWS_MAX: u32 = 100;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    done: String,
}

/// What the page is given.
#[derive(Serialize)]
pub struct View {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub claims: Vec<Row>,
    pub coming: Vec<Row>,
    pub gone: Vec<Row>,
    /// Whom PDS names another practice for.
    pub named: Vec<Named>,
    /// Whom a letter names another practice for.
    pub letters: Vec<Named>,
    /// Whether there is more on a list than is shown.
    pub more: bool,
    pub nhs_number: String,
    pub born: String,
    pub family: String,
    pub given: String,
    pub from: String,
}

/// Somebody of whom PDS, or a letter, says that they moved.
#[derive(Serialize)]
pub struct Named {
    /// The Patient here.
    pub id: String,
    /// Who wrote the letter that says so.
    pub by: Option<String>,
    pub patient: Option<Person>,
    pub href: Option<String>,
    pub from: String,
    pub to: String,
    pub said: Moment,
    /// What the form is filled with that registers them here; none where they went away.
    pub register: Option<Filled>,
}

/// Who is registered with one press.
#[derive(Serialize)]
pub struct Filled {
    pub nhs_number: String,
    pub born: String,
    pub family: String,
    pub given: String,
    pub from: String,
}

/// One move.
#[derive(Serialize)]
pub struct Row {
    pub id: String,
    /// None if the record is withheld from the reader.
    pub patient: Option<Person>,
    pub href: Option<String>,
    pub other: String,
    pub state: Label,
    pub since: Moment,
    pub detail: String,
    /// What was told of it, a sentence each.
    pub told: Vec<String>,
}

/// `GET /staff/moves`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let done = match asked.done.as_str() {
        "asked" => Some("Registered. The practice before has been asked."),
        "given" => Some("Given. This practice is not the patient’s home practice any more."),
        "not-moved" => Some("Noted. What letters said of it so far is shown no more."),
        "objected" => Some("The other practice is told why. Nothing was given."),
        _ => None,
    };
    show(&node, &visit, done, None).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    done: Option<&'static str>,
    wrong: Option<(&Fields, Vec<Fault>)>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Moves, "Patient").await?;
    let inward = node.store.moves(&scope, MoveList::Inward, ROWS_MAX).await?;
    let outward = node
        .store
        .moves(&scope, MoveList::Outward, ROWS_MAX)
        .await?;
    let (named, letters) = match node.site.is_practice() {
        true => (
            node.store.moved_says_pds(&scope, ROWS_MAX).await?,
            node.store.moved_says_letter(&scope, ROWS_MAX).await?,
        ),
        false => (Vec::new(), Vec::new()),
    };
    let counts = [inward.len(), outward.len(), named.len(), letters.len()];
    let more = counts.iter().any(|it| *it >= ROWS_MAX as usize);
    let (claims, gone): (Vec<Move>, Vec<Move>) = outward
        .into_iter()
        .partition(|it| it.state == MoveState::Claimed);
    let typed = |name: &str| {
        wrong
            .as_ref()
            .map_or("", |(fields, _)| fields.text(name))
            .to_owned()
    };
    let view = View {
        done: done.map(|text| Done {
            text,
            href: None,
            link: None,
        }),
        claims: rows(node, &scope, &claims, visit.now).await?,
        coming: rows(node, &scope, &inward, visit.now).await?,
        gone: rows(node, &scope, &gone, visit.now).await?,
        named: of_pds(node, &scope, &named, visit.now).await?,
        letters: of_letters(node, &scope, &letters, visit.now).await?,
        more,
        nhs_number: typed("nhs_number"),
        born: typed("born"),
        family: typed("family"),
        given: typed("given"),
        from: typed("from"),
        errors: wrong.map(|(_, faults)| faults).unwrap_or_default(),
    };
    let faulty = !view.errors.is_empty();
    let page = Page::new("staff/moves.jinja", "Patients who move", view);
    Ok(page.with_faults(faulty).answer(&node.site, visit))
}

async fn rows(
    node: &Node,
    scope: &Scope,
    moves: &[Move],
    now: Millis,
) -> Result<Vec<Row>, Problem> {
    let mut rows = Vec::new();
    for one in moves {
        let patient = match node.store.read(scope, "Patient", &one.patient).await? {
            Reading::Found(version) => {
                let who = record::patient(&record::json(&version)?);
                let (born, number) = (who.birth_date.as_deref(), who.nhs_number.as_deref());
                Some(Person::new(&who.name, born, number))
            }
            _ => None,
        };
        rows.push(row(node, one, patient, now));
    }
    Ok(rows)
}

async fn of_pds(
    node: &Node,
    scope: &Scope,
    found: &[MovedSaysPds],
    now: Millis,
) -> Result<Vec<Named>, Problem> {
    let mut named = Vec::new();
    for one in found {
        named.push(name(node, scope, (one, None), now).await?);
    }
    Ok(named)
}

async fn of_letters(
    node: &Node,
    scope: &Scope,
    found: &[MovedSaysLetter],
    now: Millis,
) -> Result<Vec<Named>, Problem> {
    let mut named = Vec::new();
    for it in found {
        let one = MovedSaysPds {
            patient: it.patient.clone(),
            to: it.to.clone(),
            from: it.from.clone(),
            said_at: it.said_at,
        };
        let by = Some((node.organisation_name)(&it.by));
        named.push(name(node, scope, (&one, by), now).await?);
    }
    Ok(named)
}

async fn name(
    node: &Node,
    scope: &Scope,
    (one, by): (&MovedSaysPds, Option<String>),
    now: Millis,
) -> Result<Named, Problem> {
    let read = node.store.read(scope, "Patient", &one.patient).await?;
    let resource = match read {
        Reading::Found(version) => Some(record::json(&version)?),
        _ => None,
    };
    let who = resource.as_ref().map(record::patient);
    let is_here = one.to == node.site.organisation.as_str();
    let filled = |resource: &serde_json::Value| {
        let text = |place: &str| fhir::members::text(resource, place).to_owned();
        Filled {
            nhs_number: record::patient(resource).nhs_number.unwrap_or_default(),
            born: text("/birthDate"),
            family: text("/name/0/family"),
            given: text("/name/0/given/0"),
            from: one.from.clone(),
        }
    };
    Ok(Named {
        id: one.patient.clone(),
        by,
        href: who
            .is_some()
            .then(|| format!("/staff/patient/{}", one.patient)),
        patient: who.map(|who| {
            let (born, number) = (who.birth_date.as_deref(), who.nhs_number.as_deref());
            Person::new(&who.name, born, number)
        }),
        from: (node.organisation_name)(&one.from),
        to: (node.organisation_name)(&one.to),
        said: words::moment(one.said_at, now),
        register: resource.as_ref().filter(|_| is_here).map(filled),
    })
}

fn row(node: &Node, one: &Move, patient: Option<Person>, now: Millis) -> Row {
    let (text, colour, detail) = state(one);
    let href = patient
        .is_some()
        .then(|| format!("/staff/patient/{}", one.patient));
    let facts: Option<Facts> = serde_json::from_str(&one.facts).ok();
    let told = match &facts {
        // What others hold or are told is for those to read who see the record.
        Some(facts) if patient.is_some() => told(facts, one.inward),
        _ => Vec::new(),
    };
    Row {
        id: one.id.clone(),
        patient,
        href,
        other: (node.organisation_name)(&one.other),
        state: Label {
            text,
            colour: Some(colour),
        },
        since: words::moment(one.state_at, now),
        detail,
        told,
    }
}

/// How it stands, in words: what is missing, and what to do.
pub(crate) fn state(one: &Move) -> (&'static str, &'static str, String) {
    match one.state {
        MoveState::Noticed => ("To be asked", "yellow", "The practice before is asked next.".to_owned()),
        MoveState::Asked => (
            "Asked",
            "yellow",
            "Nothing has come yet: what the patient wants shared, and the record, are still at the practice before. Other \
             organisations are told nothing from here until then, but in an emergency. It is asked again by itself."
                .to_owned(),
        ),
        MoveState::Arriving => (
            "On its way",
            "yellow",
            format!("{} of {} pieces of the record are here.", one.here, one.parts),
        ),
        MoveState::Done => ("Here", "green", format!("All {} pieces of the record are here.", one.parts)),
        MoveState::Refused => (
            "Refused",
            "red",
            format!("{} Ring the practice before, and register the patient again if they did move.", one.reason),
        ),
        MoveState::Nowhere => (
            "Cannot be asked",
            "red",
            format!("{} Ask for the record by the way used so far.", one.reason),
        ),
        MoveState::Claimed => ("Waits for you", "orange", String::new()),
        MoveState::Given => ("Given", "grey", "The record here is history: letters that come go back with the new practice named.".to_owned()),
        MoveState::Objected => ("Not given", "grey", one.reason.clone()),
    }
}

/// What came along and what did not, a sentence each.
pub(crate) fn told(facts: &Facts, inward: bool) -> Vec<String> {
    let mut told = vec![format!(
        "{} entries of the record, {} sharing preferences and {} pointers {}.",
        facts.given,
        facts.rules.len(),
        facts.pointers.len(),
        if inward { "came" } else { "were given" }
    )];
    let counts = [
        (
            facts.sealed,
            "sealed entries stay at the practice before: ask its team for them",
        ),
        (
            facts.shared,
            "entries are about somebody else too and stay there",
        ),
        (
            facts.left_out,
            "entries were too large and stay there: ask for them",
        ),
    ];
    let named = counts.iter().filter(|(count, _)| *count > 0);
    told.extend(named.map(|(count, text)| format!("{count} {text}.")));
    for one in &facts.acting {
        let name = &one.name;
        told.push(format!(
            "{name} could act for the patient there. That does not move: prove it anew here."
        ));
    }
    told
}

/// `POST /staff/moves`: registers somebody who moved here.
pub async fn register(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::MovePatient, "Patient")
        .await?;
    let new = match read(&fields) {
        Ok(new) => new,
        Err(faults) => return show(&node, &visit, None, Some((&fields, faults))).await,
    };
    let done = exchange(&node)?.register_moved(&scope, &new).await;
    match done {
        Ok(_) => Ok(see_other("/staff/moves?done=asked")),
        Err(problem) if matches!(problem.kind, Kind::BusinessRule | Kind::NotFound) => {
            let fault = Fault {
                text: REFUSED
                    .iter()
                    .find(|it| problem.message == **it)
                    .unwrap_or(&OTHERWISE),
                href: "#from".into(),
            };
            show(&node, &visit, None, Some((&fields, vec![fault]))).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// What may be wrong with who is to be registered, in the words of `exchange`.
const REFUSED: [&str; 4] = [
    "The practice before has no node. Ask it for the record by the way used so far.",
    "The practice before is another one than this.",
    "More than one record here fits this person. Link them first.",
    "The practice before has been asked already: see the list.",
];
const OTHERWISE: &str = "Nobody was registered. Look at the list, and try again.";

fn read(fields: &Fields) -> Result<Registering, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut wrong = |field: &str, text: &'static str| {
        faults.push(Fault {
            text,
            href: format!("#{field}").into(),
        });
    };
    let number = NhsNumber::parse(fields.text("nhs_number")).ok();
    if number.is_none() {
        wrong("nhs_number", "Enter the NHS number: ten digits");
    }
    let born = fields.text("born");
    if born.len() != 10 || date::span(born).is_none() {
        wrong("born", "Enter the date of birth, such as 1961-02-03");
    }
    let family = fields.text("family").trim();
    if family.is_empty() || family.chars().count() > 100 {
        wrong("family", "Enter the family name");
    }
    let from = Ods::parse(&fields.text("from").trim().to_uppercase()).ok();
    if from.is_none() {
        wrong(
            "from",
            "Enter the ODS code of the practice before, such as A81001",
        );
    }
    match (number, from, faults.is_empty()) {
        (Some(nhs_number), Some(from), true) => Ok(Registering {
            nhs_number,
            birth_date: born.to_owned(),
            family: family.to_owned(),
            given: fields.text("given").trim().chars().take(100).collect(),
            from,
        }),
        _ => Err(faults),
    }
}

/// `POST /staff/moves/{id}/agree`
pub async fn agree(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::MovePatient, "Patient")
        .await?;
    exchange(&node)?.agree_to_move(&scope, &id).await?;
    Ok(see_other("/staff/moves?done=given"))
}

/// `POST /staff/moves/{id}/object`
pub async fn object(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::MovePatient, "Patient")
        .await?;
    let reason = fields.text("reason");
    match exchange(&node)?.object_to_move(&scope, &id, reason).await {
        Ok(()) => Ok(see_other("/staff/moves?done=objected")),
        Err(problem) if matches!(problem.kind, Kind::Required | Kind::TooLong) => {
            let fault = Fault {
                text: "Say why the patient did not move, in at most 500 characters",
                href: format!("#why-{id}").into(),
            };
            show(&node, &visit, None, Some((&fields, vec![fault]))).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// `POST /staff/moves/{id}/not-moved`: the patient of that id did not move, whatever letters say.
pub async fn not_moved(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit
        .scope(&node, Interaction::MovePatient, "Patient")
        .await?;
    exchange(&node)?.not_moved(&scope, &id).await?;
    Ok(see_other("/staff/moves?done=not-moved"))
}

fn exchange(node: &Node) -> Result<&Arc<exchange::Exchange>, Problem> {
    node.exchange.as_ref().ok_or_else(|| {
        let message = "This node exchanges nothing with other organisations.";
        Problem::new(Kind::NotSupported, message)
    })
}
