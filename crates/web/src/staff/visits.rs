//! `/staff/visits`: the day's visits, what is taken along of them to be read and written offline, and what came back
//! (`docs/visits.md`).

mod decide;
pub(super) mod entry;
mod pack;
mod plan;
mod sync;
pub(super) mod task;
#[cfg(test)]
mod tests;
mod told;
pub mod views;

use std::sync::Arc;

use access::{AuditEntry, Interaction, Outcome, Role, Scope, Target, Who};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use serde_json::Value;
use store::Reading;
use store::visits::{self as rows, EntryState, VisitState};

use crate::node::Node;
use crate::page::parts::{Done, Fault, Label, Person};
use crate::page::problem::Refusal;
use crate::page::{Page, words};
use crate::record::{self as of, json};
use crate::staff::{NOT_SHOWN, care};
use crate::visit::Visit;
pub use decide::{decided, entry_page};
pub use pack::{end, take_along};
pub use plan::{change, new, plan};
pub use sync::{sync, sync_page};
use task::Planned;

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    day: String,
    #[serde(default)]
    whose: String,
    #[serde(default)]
    patient: String,
    #[serde(default)]
    done: String,
}

/// `GET /staff/visits?day=…&whose=…`
pub async fn list(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Box::pin(show_list(&node, &visit, &asked, &[])).await
}

/// The list, with what is wrong with the form that takes it along.
async fn show_list(
    node: &Node,
    visit: &Visit,
    asked: &Asked,
    faults: &[(&'static str, &'static str)],
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Visits, "Task").await?;
    let (me, _) = writer(visit)?;
    let day = day_or_today(&asked.day, visit.now)?;
    let everybody = asked.whose == "all";
    let whose = (!everybody).then_some(me);
    let (visits, more) = node.store.visits_on(&scope, &day, whose).await?;
    let mut listed = Vec::new();
    for it in &visits {
        listed.push(row(node, &scope, it).await?);
    }
    let (packs, more_packs) = node.store.packs_out(&scope).await?;
    let (held, more_held) = node.store.entries_held(&scope).await?;
    let mut waiting = Vec::new();
    for it in &held {
        waiting.push(held_row(node, &scope, it, visit.now).await?);
    }
    let error = |field: &str| {
        let found = faults.iter().find(|(at, _)| *at == field);
        found.map(|(_, said)| *said)
    };
    let planned = |it: &rows::Visit| it.account == me && it.state == VisitState::Planned;
    let takes = visits.iter().any(planned) && is_clinician(visit);
    let view = views::List {
        done: said(&asked.done),
        errors: faults.iter().map(|(at, text)| fault(at, text)).collect(),
        day_said: words::day(&day),
        whose: if everybody { "all" } else { "" },
        others: format!(
            "/staff/visits?day={day}&whose={}",
            if everybody { "" } else { "all" }
        ),
        day,
        everybody,
        visits: listed,
        more,
        takes,
        hours: "12",
        passphrase_error: error("passphrase"),
        again_error: error("again"),
        hours_error: error("hours"),
        packs: packs.iter().map(|it| pack_row(it, visit.now)).collect(),
        more_packs,
        held: waiting,
        more_held,
    };
    let page = Page::new("staff/visits.jinja", "Visits", view).under("/staff/visits");
    Ok(page
        .with_faults(!faults.is_empty())
        .answer(&node.site, visit))
}

async fn row(node: &Node, scope: &Scope, it: &rows::Visit) -> Result<views::Row, Problem> {
    let patient = shown(node, scope, &it.patient).await?;
    let planned = match &patient {
        Some(_) => read_task(node, scope, &it.id)
            .await?
            .map(|(task, _)| Planned::read(&task)),
        None => None,
    };
    let planned = planned.unwrap_or_default();
    Ok(views::Row {
        href: patient
            .is_some()
            .then(|| format!("/staff/visits/{}", it.id)),
        time: time(it.at),
        lives: patient
            .as_ref()
            .map(|it| it.lives.clone())
            .unwrap_or_default(),
        patient: patient.map_or_else(|| Person::new(NOT_SHOWN, None, None), |it| it.person),
        what: planned.what,
        nurse: it.nurse.clone(),
        state: state(it.state),
    })
}

async fn held_row(
    node: &Node,
    scope: &Scope,
    it: &rows::Entry,
    now: Millis,
) -> Result<views::Held, Problem> {
    let patient = match it.patient.is_empty() {
        true => None,
        false => shown(node, scope, &it.patient).await?,
    };
    Ok(views::Held {
        href: format!("/staff/visits/entry/{}", it.id),
        patient: patient.map_or_else(|| Person::new(NOT_SHOWN, None, None), |it| it.person),
        author: it.author.clone(),
        happened: words::moment(it.happened_at, now),
        arrived: words::moment(it.arrived_at, now),
        why: it.why.clone(),
    })
}

fn pack_row(it: &rows::Pack, now: Millis) -> views::Pack {
    views::Pack {
        nurse: it.nurse.clone(),
        day: words::day(&it.day),
        made: words::moment(it.made_at, now),
        expires: words::moment(it.expires_at, now),
        expired: it.state == rows::PackState::Expired || it.expires_at <= now,
        heard: match it.heard {
            0 => format!("nothing of {} visits is back", it.visits),
            heard => format!("{heard} of {} visits are back", it.visits),
        },
        end: format!("/staff/visits/pack/{}/end", it.id),
    }
}

/// `GET /staff/visits/{id}`: one visit: whom, what, how they are, and all that was written about it.
pub async fn one(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Box::pin(show_one(&node, &visit, (&id, &asked.done), None)).await
}

/// One visit, with what was typed over it and what is wrong with that.
async fn show_one(
    node: &Node,
    visit: &Visit,
    (id, done): (&str, &str),
    typed: Option<(&plan::Typed, &[(&'static str, &'static str)])>,
) -> Result<Response, Refusal> {
    care::check(id)?;
    let scope = visit.scope(node, Interaction::Visits, "Task").await?;
    let it = node.store.visit(&scope, id).await?.ok_or_else(gone)?;
    let carried = crate::carried::record::of(node, &scope, &it.patient).await?;
    let carried = carried.ok_or_else(gone)?;
    let (task, version) = read_task(node, &scope, id).await?.ok_or_else(gone)?;
    let planned = Planned::read(&task);
    let access = pack::getting_in(&carried, planned.access.clone());
    let hides = carried.hides_where;
    let (entries, more) = node.store.visit_entries(&scope, id).await?;
    let taken = node.store.taken(&scope, id).await?;
    let faults = typed.map_or(&[][..], |(_, faults)| faults);
    let shown = match typed {
        Some((typed, _)) => typed.clone(),
        None => plan::Typed {
            // Where it is withheld it is not put into the form again.
            access: match carried.hides_where {
                true => String::new(),
                false => planned.access.clone(),
            },
            ..plan::Typed::of(&it, &planned)
        },
    };
    let form = plan::form(node, &scope, &shown, faults).await?;
    let view = views::One {
        done: said(done),
        errors: faults.iter().map(|(at, text)| fault(at, text)).collect(),
        carried,
        record: format!("/staff/patient/{}", it.patient),
        when: format!("{} {}", words::day(&it.day), time(it.at)),
        what: planned.what,
        access,
        nurse: it.nurse.clone(),
        state: state(it.state),
        reason: task
            .pointer("/statusReason/text")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        entries: entries
            .iter()
            .map(|it| entry_view(node, it, (visit.now, hides)))
            .collect(),
        more,
        taken: taken.iter().map(|it| taken_view(it, visit.now)).collect(),
        open: it.state == VisitState::Planned,
        action: format!("/staff/visits/{id}/change"),
        version: version.to_string(),
        form,
        why_error: faults
            .iter()
            .find(|(at, _)| *at == "why")
            .map(|(_, said)| *said),
    };
    let page = Page::new("staff/visit.jinja", "Visit", view).under("/staff/visits");
    Ok(page
        .with_faults(!faults.is_empty())
        .answer(&node.site, visit))
}

/// `hides`: whether where the patient is must not be shown to who reads.
fn entry_view(node: &Node, it: &rows::Entry, (now, hides): (Millis, bool)) -> views::Entry {
    let told = match entry::Written::parse(&it.body) {
        Ok(written) => written.told(),
        Err(_) => vec![("As it came", it.body.clone())],
    };
    views::Entry {
        happened: words::moment(it.happened_at, now),
        arrived: words::moment(it.arrived_at, now),
        author: it.author.clone(),
        by: it.arrived_by.clone(),
        state: match it.state {
            EntryState::Landed => label("In the record", "green"),
            EntryState::Held => label("To be decided", "red"),
            EntryState::PutIn => label("Put into the record", "green"),
            EntryState::KeptOut => label("Kept out of the record", "grey"),
        },
        settled: match it.settled_by.is_empty() {
            true => String::new(),
            false => format!("{}: {}", it.settled_by, it.settled_why),
        },
        why: it.why.clone(),
        practice: told::said(node, &it.told, hides),
        decide: (it.state == EntryState::Held).then(|| format!("/staff/visits/entry/{}", it.id)),
        told,
    }
}

fn taken_view(it: &rows::Taken, now: Millis) -> views::Taken {
    views::Taken {
        nurse: it.nurse.clone(),
        made: words::moment(it.made_at, now),
        back: it.heard,
    }
}

/// A patient as a list shows them.
struct Shown {
    person: Person,
    lives: Vec<String>,
    /// Whether where they live is withheld.
    hides_where: bool,
    /// The Patient.
    resource: Value,
}

/// The patient, as far as the scope shows them.
async fn shown(node: &Node, scope: &Scope, patient: &str) -> Result<Option<Shown>, Problem> {
    let Reading::Found(version) = node.store.read(scope, "Patient", patient).await? else {
        return Ok(None);
    };
    let resource = json(&version)?;
    let who = of::patient(&resource);
    let located = scope.withholds().map_or(&[][..], |it| &it.located);
    let restricted = node.store.keeps_whereabouts(patient).await?;
    let hides_where = restricted && !located.iter().any(|it| it == patient);
    let lives = match hides_where {
        true => vec!["Withheld: restricted".to_owned()],
        false => of::whereabouts(&resource),
    };
    Ok(Some(Shown {
        person: Person::new(
            &who.name,
            who.birth_date.as_deref(),
            who.nhs_number.as_deref(),
        ),
        lives,
        hides_where,
        resource,
    }))
}

/// The Task and its version, as the scope shows it.
async fn read_task(node: &Node, scope: &Scope, id: &str) -> Result<Option<(Value, u64)>, Problem> {
    match node.store.read(scope, "Task", id).await? {
        Reading::Found(version) => Ok(Some((json(&version)?, version.version))),
        _ => Ok(None),
    }
}

/// Who is at work: the account and the name.
fn writer(visit: &Visit) -> Result<(i64, String), Problem> {
    match &visit.known()?.who {
        Who::Staff { account, name, .. } => Ok((*account, name.clone())),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        )),
    }
}

fn is_clinician(visit: &Visit) -> bool {
    let who = visit.caller().map(|caller| &caller.who);
    matches!(
        who,
        Some(Who::Staff {
            role: Role::Clinician,
            ..
        })
    )
}

/// The day that is asked for, or today's in the UK.
fn day_or_today(day: &str, now: Millis) -> Result<String, Problem> {
    if day.is_empty() {
        let there = words::there(now);
        return Ok(there.map_or_else(String::new, |it| it.date().to_string()));
    }
    match words::moment_of(day, "12:00") {
        Some(_) => Ok(day.to_owned()),
        None => Err(Problem::new(
            Kind::NotFound,
            "That is no day. Go to Visits for today's.",
        )),
    }
}

fn time(at: Millis) -> String {
    words::there(at).map_or_else(String::new, |it| it.strftime("%H:%M").to_string())
}

fn state(state: VisitState) -> Label {
    match state {
        VisitState::Planned => Label {
            text: "Planned",
            colour: None,
        },
        VisitState::Done => label("Done", "green"),
        VisitState::NotDone => label("Not done", "orange"),
        VisitState::Cancelled => label("Cancelled", "grey"),
    }
}

fn label(text: &'static str, colour: &'static str) -> Label {
    Label {
        text,
        colour: Some(colour),
    }
}

fn fault(at: &str, text: &'static str) -> Fault {
    Fault {
        text,
        href: format!("#{at}").into(),
    }
}

fn said(word: &str) -> Option<Done> {
    let text = match word {
        "planned" => "The visit is on the list.",
        "changed" => "The visit is changed.",
        "cancelled" => "The visit is cancelled. It stays on the list, marked so.",
        "ended" => "It is recorded what became of the pack.",
        "put-in" => "It is in the record, as it was written.",
        "kept-out" => "It stays here with the visit, and does not go into the record.",
        "moved" => "Somebody else has just changed this. Look again before you decide.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// The log's line for what is done with one visit.
fn line(scope: &Scope, (visit, patient): (&str, &str), query: Option<String>) -> AuditEntry {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let target = Target {
        ty: "Task".into(),
        id: some(visit),
        patient: some(patient),
        query: query.map(Into::into),
        ..Target::default()
    };
    scope.trace(scope.interaction(), Outcome::Success, target)
}

fn gone() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is no such visit here, or nobody has recorded that you care for the patient.",
    )
}
