//! What PDS says of a patient, beside what is held here; and what people decide about it: ask again, link two
//! records, settle (`docs/pds.md`).

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target};
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::pds::said;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Serialize;
use serde_json::Value;
use store::pds::{PdsWrite, TraceState, Traced};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::record;
use crate::staff::views;
use crate::staff::worklist::{decide, group};
use crate::staff::{care, person};
use crate::visit::Visit;

/// The part of `staff/patient.jinja` about PDS.
#[derive(Serialize)]
pub struct Part {
    pub(crate) state: Label,
    /// What it means, and what to do.
    pub(crate) said: String,
    /// As of when, if PDS ever said something; and whether that is old.
    pub(crate) at: Option<words::Moment>,
    pub(crate) old: bool,
    pub(crate) rows: Vec<Row>,
    /// Where to ask again, and where to link the two records.
    pub(crate) again: String,
    pub(crate) merge: Option<String>,
    pub(crate) settle: Option<String>,
    pub(crate) find: &'static str,
}

/// One thing, as held here and as PDS has it.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) here: String,
    pub(crate) pds: String,
    pub(crate) differs: bool,
}

/// The part, where PDS is asked or was once.
///
/// # Errors
/// Those of the store.
pub async fn part(
    node: &Node,
    scope: &Scope,
    (patient, ours, hidden): (&str, &Value, bool),
    now: Millis,
) -> Result<Option<Part>, Problem> {
    let has_pds = node.exchange.as_ref().is_some_and(|it| it.pds().is_some());
    if !has_pds {
        return Ok(None);
    }
    let Some(trace) = node.store.pds_trace(scope, patient).await? else {
        return Ok(None);
    };
    let pds = trace.said.as_ref().map(|(text, _)| {
        let json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        said::kept(&json, hidden)
    });
    let stuck = trace.state.is_stuck();
    let address = format!("/staff/patient/{patient}/pds");
    Ok(Some(Part {
        state: label(trace.state),
        said: meaning(&trace),
        at: trace.said.as_ref().map(|(_, at)| words::moment(*at, now)),
        old: trace.state == TraceState::Waiting,
        rows: pds.map_or_else(Vec::new, |pds| rows(ours, &pds, hidden)),
        again: format!("{address}/again"),
        merge: (trace.state == TraceState::Superseded).then(|| format!("{address}/merge")),
        settle: stuck.then(|| format!("{address}/settled")),
        find: "/staff/patients",
    }))
}

fn label(state: TraceState) -> Label {
    let (text, colour) = match state {
        TraceState::Waiting => ("Being asked", "grey"),
        TraceState::Matched => ("Agrees", "green"),
        TraceState::Differs => ("Differs", "red"),
        TraceState::Superseded => ("Number replaced", "orange"),
        TraceState::Unknown => ("Number not known", "red"),
        TraceState::Invalid => ("Number out of use", "red"),
        TraceState::Refused => ("Not answered", "red"),
        TraceState::Settled => ("Settled", "grey"),
    };
    Label {
        text,
        colour: Some(colour),
    }
}

/// What a state means, with the reason if there is one.
fn meaning(trace: &Traced) -> String {
    let said = match trace.state {
        TraceState::Waiting if trace.tries > 0 => {
            return format!("PDS could not be asked yet. {}", trace.reason);
        }
        TraceState::Waiting => "PDS is being asked.",
        TraceState::Matched => "Number, date of birth and name are those that PDS has.",
        TraceState::Differs => {
            "Nothing was taken over. Find out whose number it is before you rely on it."
        }
        TraceState::Superseded => {
            "Compare the two records. Link them if they are the same person’s."
        }
        TraceState::Unknown | TraceState::Invalid => "Ask the patient, and put the number right.",
        TraceState::Refused => "Ask whoever runs this node.",
        TraceState::Settled => "A person has seen to it.",
    };
    format!("{} {said}", trace.reason).trim().to_owned()
}

/// Both sides, as far as PDS says anything. Where the patient lives is not compared if that is kept.
fn rows(ours: &Value, pds: &Value, hidden: bool) -> Vec<Row> {
    let who = [record::patient(ours), record::patient(pds)];
    let fold = |text: &str| fhir::search::fold(text);
    let row = |what, here: String, pds: String| Row {
        what,
        differs: !pds.is_empty() && fold(&here) != fold(&pds),
        here,
        pds,
    };
    let text = |value: &Value, place: &str| {
        let found = value.pointer(place).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let day = |born: &Option<String>| born.as_deref().map(words::day).unwrap_or_default();
    let number = |it: &Option<String>| it.as_deref().map(words::nhs_number).unwrap_or_default();
    let [here, there] = &who;
    let practice = |it: &Value| said::practice(it).unwrap_or_default().to_owned();
    let died = |it: &Value| match text(it, "/deceasedDateTime").get(..10) {
        Some(at) => words::day(at),
        None => String::new(),
    };
    let mut rows = vec![
        row("Name", here.name.clone(), there.name.clone()),
        row("Born", day(&here.birth_date), day(&there.birth_date)),
        row(
            "NHS number",
            number(&here.nhs_number),
            words::nhs_number(&text(pds, "/id")),
        ),
        row("Gender", text(ours, "/gender"), text(pds, "/gender")),
        row("Died", died(ours), died(pds)),
    ];
    if !hidden && !said::is_restricted(pds) {
        rows.push(row("Practice", practice(ours), practice(pds)));
        let lives = |it: &Value| record::whereabouts(it).join("; ");
        rows.push(row("Lives", lives(ours), lives(pds)));
    }
    rows.retain(|it| !it.here.is_empty() || !it.pds.is_empty());
    rows
}

/// `POST /staff/patient/{id}/pds/again`
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    act(
        &node,
        &visit,
        &patient,
        PdsWrite::Again {
            patient: patient.clone(),
        },
    )
    .await
}

/// `POST /staff/patient/{id}/pds/settled`
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    act(
        &node,
        &visit,
        &patient,
        PdsWrite::Settled {
            patient: patient.clone(),
        },
    )
    .await
}

/// `POST /staff/patient/{id}/pds/merge`
pub async fn merge(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    care::check(&patient)?;
    let scope = visit.scope(&node, Interaction::Update, "Patient").await?;
    person::refuse_barred(&node, &scope, &patient).await?;
    let exchange = node.exchange.as_ref();
    let exchange =
        exchange.ok_or_else(|| Problem::new(Kind::NotFound, "PDS is not asked here."))?;
    let merging = exchange.merge_as_pds_says(&scope, (&patient, None));
    let other = Box::pin(merging).await?;
    Ok(see_other(&format!("/staff/patient/{other}")))
}

/// Does it under the scope of somebody who may change the patient's record.
async fn act(
    node: &Node,
    visit: &Visit,
    patient: &str,
    write: PdsWrite,
) -> Result<Response, Refusal> {
    care::check(patient)?;
    let scope = visit.scope(node, Interaction::Update, "Patient").await?;
    person::refuse_barred(node, &scope, patient).await?;
    // To who may not read the record it is not there.
    let read = visit.scope(node, Interaction::Read, "Patient").await?;
    let store::Reading::Found(_) = node.store.read(&read, "Patient", patient).await? else {
        return Err(Problem::new(Kind::NotFound, "There is no such patient here.").into());
    };
    let target = Target {
        ty: "Patient".into(),
        id: Some(patient.to_owned()),
        patient: Some(patient.to_owned()),
        query: Some("pds".into()),
        ..Target::default()
    };
    let job = Job {
        effects: vec![Effect::Pds(write)],
        traces: vec![scope.trace(Interaction::Update, Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    Ok(see_other(&format!("/staff/patient/{patient}")))
}

/// The work list's group: states and reasons, no names.
pub(super) async fn stuck(
    node: &Node,
    scope: &Scope,
    count_max: u32,
    (sees_records, now): (bool, Millis),
) -> Result<views::Group, Problem> {
    let traces = node.store.pds_work_list(scope, count_max).await?;
    Ok(group(
        "pds",
        "Patients whom PDS does not know as we do",
        traces
            .iter()
            .map(|it| work(it, sees_records, now))
            .collect(),
        "PDS has everybody here as we do, or nobody was asked about.",
    ))
}

fn work(trace: &Traced, sees_records: bool, now: Millis) -> views::Work {
    let address = format!("/staff/worklist/pds/{}", trace.patient);
    let link = |text, what: &str| Link {
        text,
        href: format!("{address}/{what}"),
    };
    let next = match trace.state {
        TraceState::Waiting => {
            let at = words::moment(trace.next_try, now).short;
            format!("Nothing yet: PDS is asked again at {at}.")
        }
        _ if sees_records => "Open the patient’s page: it shows both sides.".to_owned(),
        _ => "Somebody who sees records compares both sides.".to_owned(),
    };
    views::Work {
        when: words::moment(trace.since, now),
        what: "Patient traced in PDS".to_owned(),
        href: sees_records.then(|| format!("/staff/patient/{}", trace.patient)),
        state: label(trace.state),
        why: trace.reason.clone(),
        next,
        actions: match trace.state.is_stuck() {
            true => vec![link("Ask again", "again"), link("Settled", "settled")],
            false => Vec::new(),
        },
    }
}

/// `POST /staff/worklist/pds/{patient}/again`
pub async fn list_again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = PdsWrite::Again {
        patient: patient.clone(),
    };
    from_list(&node, &visit, &patient, write).await
}

/// `POST /staff/worklist/pds/{patient}/settled`
pub async fn list_settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(patient): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let write = PdsWrite::Settled {
        patient: patient.clone(),
    };
    from_list(&node, &visit, &patient, write).await
}

async fn from_list(
    node: &Node,
    visit: &Visit,
    patient: &str,
    write: PdsWrite,
) -> Result<Response, Refusal> {
    care::check(patient)?;
    decide(node, visit, format!("pds={patient}"), Effect::Pds(write)).await?;
    Ok(see_other("/staff/worklist?done=off-list"))
}
