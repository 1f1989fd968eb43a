//! `/staff/downtime`: the pack for when everything is off, what people did with it, and what came back on paper
//! (`docs/downtime.md`).

mod paper;
#[cfg(test)]
mod tests;
pub mod views;

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, Target, Who};
use axum::extract::{Query, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use store::downtime::{DowntimeWrite, PaperKind};
use store::{Effect, Job};

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Done, Fault, Label};
use crate::page::problem::Refusal;
use crate::page::{Page, see_other, words};
use crate::staff::views::{Group, Work};
use crate::staff::worklist;
use crate::visit::Visit;
pub use paper::{ask, enter};

/// What the addresses may ask for.
#[derive(Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    code: String,
    #[serde(default)]
    done: String,
}

/// `GET /staff/downtime`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    Box::pin(show(&node, &visit, &asked.done, None)).await
}

/// What was typed about a pack, and what is wrong with it.
struct Typed<'t> {
    pack: &'t str,
    note: &'t str,
    fault: (&'static str, &'static str),
}

async fn show(
    node: &Node,
    visit: &Visit,
    done: &str,
    typed: Option<Typed<'_>>,
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Downtime, "").await?;
    let last = node.store.last_downtime_pack(&scope).await?;
    let (events, more) = node.store.downtime_events(&scope).await?;
    let error = |field: &str| {
        let fault = typed.as_ref().map(|it| it.fault);
        fault.filter(|(at, _)| *at == field).map(|(_, said)| said)
    };
    let view = views::Downtime {
        done: said(done),
        errors: typed
            .iter()
            .map(|it| Fault {
                text: it.fault.1,
                href: format!("#{}", it.fault.0).into(),
            })
            .collect(),
        on: node.downtime.is_some(),
        stuck: stuck(node, &scope, visit.now).await?,
        last: last.map(|it| views::Last {
            made: words::moment(it.made_at, visit.now),
            by: it.made_by,
            patients: it.patients,
            left_out: it.left_out,
        }),
        events: events
            .into_iter()
            .map(|it| views::Event {
                at: words::moment(it.at, visit.now),
                what: match PaperKind::from_code(&it.kind) {
                    Some(PaperKind::Printed) => "Printed",
                    Some(PaperKind::Opened) => "Opened",
                    Some(PaperKind::Destroyed) => "Destroyed",
                    None => "Other",
                },
                pack: it.pack,
                who: it.who,
                note: it.note,
            })
            .collect(),
        more,
        pack: typed.as_ref().map_or("", |it| it.pack).to_owned(),
        note: typed.as_ref().map_or("", |it| it.note).to_owned(),
        kind_error: error("kind"),
        pack_error: error("pack"),
    };
    let page = Page::new("staff/downtime.jinja", "Downtime", view).under("/staff/worklist");
    Ok(page.with_faults(typed.is_some()).answer(&node.site, visit))
}

fn said(word: &str) -> Option<Done> {
    let text = match word {
        "recorded" => "It is recorded what became of the pack.",
        "entered" => "What was on the paper is in the record, marked as entered from paper.",
        _ => return None,
    };
    Some(Done {
        text,
        href: None,
        link: None,
    })
}

/// `POST /staff/downtime/event`: printed, opened or destroyed.
pub async fn record(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::EnterPaper, "").await?;
    let (pack, note) = (
        fields.text("pack").to_owned(),
        fields.text("note").to_owned(),
    );
    let kind = PaperKind::from_code(fields.text("kind"));
    let fault = match kind {
        None => Some(("kind", "Choose what was done with the pack")),
        Some(_) if pack.is_empty() || pack.chars().count() > 100 => Some((
            "pack",
            "Write of which pack: day and time that stand on it, in at most 100 characters",
        )),
        Some(_) if note.chars().count() > 500 => {
            Some(("note", "Write the note in at most 500 characters"))
        }
        Some(_) => None,
    };
    let kind = match (kind, fault) {
        (Some(kind), None) => kind,
        (_, fault) => {
            let fault = fault.unwrap_or(("kind", "Choose what was done with the pack"));
            let typed = Typed {
                pack: &pack,
                note: &note,
                fault,
            };
            return Box::pin(show(&node, &visit, "", Some(typed))).await;
        }
    };
    let target = Target {
        query: Some(format!("downtime pack {pack}: {}", kind.code()).into()),
        ..Target::default()
    };
    let who = writer(&visit)?;
    let did = DowntimeWrite::Did {
        kind,
        pack,
        who,
        note,
    };
    let job = Job {
        traces: vec![scope.trace(Interaction::EnterPaper, Outcome::Success, target)],
        ..Job::effect(Effect::Downtime(did))
    };
    node.store.commit(&scope, job).await?;
    Ok(see_other("/staff/downtime?done=recorded"))
}

/// The name of who is at work.
fn writer(visit: &Visit) -> Result<String, Problem> {
    match &visit.known()?.who {
        Who::Staff { name, .. } => Ok(name.clone()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is not part of your role.",
        )),
    }
}

/// What is wrong with the packs, if anything is.
async fn stuck(node: &Node, scope: &Scope, now: Millis) -> Result<Option<String>, Problem> {
    let Some(settings) = &node.downtime else {
        return Ok(None);
    };
    if let Some(why) = settings.failed.lock().clone() {
        return Ok(Some(why));
    }
    let last = node.store.last_downtime_pack(scope).await?;
    Ok(match last {
        None => Some("No downtime pack has been written yet.".to_owned()),
        Some(last) if settings.is_overdue(last.made_at, now) => Some(format!(
            "The last downtime pack is of {}: older than three times the time set.",
            words::moment(last.made_at, now).short
        )),
        Some(_) => None,
    })
}

/// The groups of the work list: packs that could not be written, and day packs that are not back.
pub(super) async fn groups(node: &Node, scope: &Scope, now: Millis) -> Result<Vec<Group>, Problem> {
    let red = |text| Label {
        text,
        colour: Some("red"),
    };
    let written = stuck(node, scope, now).await?.map(|why| Work {
        when: words::moment(now, now),
        what: "Downtime pack".to_owned(),
        href: Some("/staff/downtime".to_owned()),
        state: red("Not up to date"),
        why,
        next: "Look whether the folder of [downtime] is there and has room; `handover downtime pack` writes one at once. \
               Until then staff have an old pack, or none."
            .to_owned(),
        actions: Vec::new(),
    });
    let empty = match node.downtime.is_some() {
        true => "The downtime pack is up to date.",
        false => "No downtime pack is written here: [downtime] names no folder.",
    };
    let (packs, _) = node.store.packs_out(scope).await?;
    let over = packs.iter().filter(|it| it.expires_at <= now);
    let over = over.map(|it| Work {
        when: words::moment(it.made_at, now),
        what: format!("Day pack taken along by {}", it.nurse),
        href: Some("/staff/visits".to_owned()),
        state: red("Not back"),
        why: format!(
            "Its time is over, and of {} visits {} are heard of. What was written in it may still be on the device.",
            it.visits, it.heard
        ),
        next: "Ask who took it along to synchronise, or say on the page Visits what became of it."
            .to_owned(),
        actions: Vec::new(),
    });
    let (held, _) = node.store.entries_held(scope).await?;
    let held = held.iter().map(|it| Work {
        when: words::moment(it.arrived_at, now),
        what: format!("Written on a visit by {}", it.author),
        href: Some(format!("/staff/visits/entry/{}", it.id)),
        state: red("To be decided"),
        why: it.why.clone(),
        next: "Somebody who cares for the patient decides whether it goes into the record."
            .to_owned(),
        actions: Vec::new(),
    });
    let visits: Vec<Work> = held.chain(over).take(worklist::ROWS_MAX as usize).collect();
    Ok(vec![
        worklist::group(
            "downtime",
            "The pack for when everything is off",
            written.into_iter().collect(),
            empty,
        ),
        worklist::group(
            "visits",
            "Visits taken along that are not in the record",
            visits,
            "All that was taken along and is over is back, and nothing of it waits for a decision.",
        ),
    ])
}
