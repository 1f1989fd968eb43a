//! `/staff/visits/entry/{id}`: what came back and does not fit, beside what is here, for a person to decide about. Both stay
//! whatever is decided.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::visits::{Entry, EntryState, Told, Visit as Row, VisitState, VisitWrite};
use store::{Effect, Job};

use super::entry::Written;
use super::task::{Hands, Planned};
use super::{Shown, entry_view, fault, line, read_task, shown, state, sync, time, views, writer};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::care;
use crate::visit::Visit;

/// What is here of the visit.
struct Here {
    row: Row,
    task: Value,
    version: u64,
    shown: Shown,
    /// How one gets in, as far as it is shown.
    access: String,
}

/// `GET /staff/visits/entry/{id}`
pub async fn entry_page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    Box::pin(show(&node, &visit, &id, ("", None))).await
}

async fn show(
    node: &Node,
    visit: &Visit,
    id: &str,
    (why, error): (&str, Option<&'static str>),
) -> Result<Response, Refusal> {
    care::check(id)?;
    let scope = visit.scope(node, Interaction::Visits, "Task").await?;
    let entry = node.store.visit_entry(&scope, id).await?.ok_or_else(gone)?;
    let here = Box::pin(here(node, &scope, &entry)).await?;
    may_see(visit, &entry, here.as_ref())?;
    let hides = here.as_ref().is_none_or(|it| it.shown.hides_where);
    let mut others = Vec::new();
    if !entry.visit.is_empty() {
        let (all, _) = node.store.visit_entries(&scope, &entry.visit).await?;
        others = all
            .iter()
            .filter(|it| it.id != entry.id)
            .map(|it| entry_view(node, it, (visit.now, hides)))
            .collect();
    }
    let reads = Written::parse(&entry.body).is_ok();
    let view = views::Decide {
        errors: error.map(|text| fault("why", text)).into_iter().collect(),
        held: entry.state == EntryState::Held,
        can_put_in: reads && here.is_some(),
        came: entry_view(node, &entry, (visit.now, hides)),
        version: here
            .as_ref()
            .map(|it| it.version.to_string())
            .unwrap_or_default(),
        here: here.map(|it| here_view(&it)),
        others,
        action: format!("/staff/visits/entry/{id}/decide"),
        why: why.to_owned(),
        why_error: error,
    };
    let page = Page::new("staff/visit-entry.jinja", "Decide about a visit", view);
    Ok(page
        .under("/staff/visits")
        .with_faults(error.is_some())
        .answer(&node.site, visit))
}

fn here_view(it: &Here) -> views::Here {
    let planned = Planned::read(&it.task);
    let reason = it.task.pointer("/statusReason/text");
    views::Here {
        href: format!("/staff/visits/{}", it.row.id),
        patient: it.shown.person.clone(),
        when: format!("{} {}", words::day(&it.row.day), time(it.row.at)),
        what: planned.what,
        access: it.access.clone(),
        nurse: it.row.nurse.clone(),
        state: state(it.row.state),
        reason: reason
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    }
}

/// What is here of the visit that it is about; `None` if it is about none, or that is gone.
async fn here(node: &Node, scope: &Scope, entry: &Entry) -> Result<Option<Here>, Problem> {
    if entry.patient.is_empty() {
        return Ok(None);
    }
    let Some(shown) = shown(node, scope, &entry.patient).await? else {
        return Err(gone());
    };
    let row = node.store.visit(scope, &entry.visit).await?;
    let task = read_task(node, scope, &entry.visit).await?;
    let restricted = node.store.keeps_whereabouts(&entry.patient).await?;
    Ok(row.zip(task).map(|(row, (task, version))| Here {
        access: match restricted {
            true => String::new(),
            false => Planned::read(&task).access,
        },
        row,
        task,
        version,
        shown,
    }))
}

/// What is about nobody that is known here is shown to who wrote it alone.
fn may_see(visit: &Visit, entry: &Entry, here: Option<&Here>) -> Result<(), Problem> {
    let (me, _) = writer(visit)?;
    match here.is_some() || !entry.patient.is_empty() || entry.account == me {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Forbidden,
            "Whom this is about is not known, so only who wrote it can decide about it. Ask them to.",
        )),
    }
}

/// `POST /staff/visits/entry/{id}/decide`
pub async fn decided(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    care::check(&id)?;
    let scope = visit.scope(&node, Interaction::BringBack, "Task").await?;
    let entry = node
        .store
        .visit_entry(&scope, &id)
        .await?
        .ok_or_else(gone)?;
    let here = Box::pin(here(&node, &scope, &entry)).await?;
    may_see(&visit, &entry, here.as_ref())?;
    let why = fields.text("why").to_owned();
    if why.chars().count() < 5 || why.chars().count() > 1_000 {
        let said = "Say why, in 5 to 1,000 characters";
        return Box::pin(show(&node, &visit, &id, (&why, Some(said)))).await;
    }
    let back = match entry.visit.is_empty() {
        true => "/staff/visits".to_owned(),
        false => format!("/staff/visits/{}", entry.visit),
    };
    let moved = || Ok(see_other(&format!("{back}?done=moved")));
    let version = here.as_ref().map(|it| it.version.to_string());
    if entry.state != EntryState::Held || fields.text("version") != version.unwrap_or_default() {
        return moved();
    }
    let by = writer(&visit)?.1;
    let puts_in = fields.text("then") == "put-in";
    let (mut job, state, stands, told) = match puts_in {
        true => {
            let hands = Hands {
                author: &entry.author,
                by: &by,
                now: visit.now,
            };
            let (job, stands, told) = Box::pin(put_in(&node, &entry, here, &hands)).await?;
            (job, EntryState::PutIn, Some(stands), told)
        }
        false => (Job::default(), EntryState::KeptOut, None, Told::Nobody),
    };
    job.effects.insert(
        0,
        Effect::Visit(VisitWrite::Settle {
            id: id.clone(),
            state,
            by,
            why,
            visit: stands,
            told,
        }),
    );
    let query = format!("entry {id} of a day pack: {}", state.code());
    job.traces = vec![line(&scope, (&entry.visit, &entry.patient), Some(query))];
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other(&format!("{back}?done={}", state.code()))),
        Err(problem) if problem.came_between() => moved(),
        Err(problem) => Err(problem.into()),
    }
}

/// What puts it into the record, how the visit then stands, and whether the practice is told.
async fn put_in(
    node: &Node,
    entry: &Entry,
    here: Option<Here>,
    hands: &Hands<'_>,
) -> Result<(Job, VisitState, Told), Problem> {
    let (Some(here), Ok(mut written)) = (here, Written::parse(&entry.body)) else {
        let message = "This does not fit a visit here, so it cannot be put into the record as one. Write it into the \
             record by hand, then say here that it stays out, and why.";
        return Err(Problem::new(Kind::Value, message));
    };
    // One that came under a name that was taken has another of its own.
    written.id = entry.id.clone();
    let of = (&here.row, &written, &here.shown.resource);
    let (job, told) = sync::job(node, of, (here.task, here.version), hands).await?;
    Ok((job, written.state(), told))
}

fn gone() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is nothing of that name here, or nobody has recorded that you care for the patient.",
    )
}
