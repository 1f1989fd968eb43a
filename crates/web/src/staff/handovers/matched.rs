//! `/staff/handovers/{id}/match`: a person says who somebody is whom nobody here knew, or that it is somebody else than in whose
//! record the handover stands. Never by a number alone.

use std::sync::Arc;

use access::Interaction;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use exchange::handovers::Sheet;
use serde::Deserialize;
use store::parcels::Named;

use super::load::{self, as_told};
use super::{TY, exchange, views};
use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::Fault;
use crate::page::problem::Refusal;
use crate::page::{Page, see_other};
use crate::staff::matching;
use crate::visit::Visit;

/// What the address may ask for.
#[derive(Default, Deserialize)]
pub struct Sought {
    #[serde(default)]
    find: String,
}

/// `GET /staff/handovers/{id}/match`
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    Query(sought): Query<Sought>,
) -> Result<Response, Refusal> {
    show(&node, &visit, (&id, &sought.find), Typed::default()).await
}

/// What was chosen that did not pass.
#[derive(Default)]
struct Typed {
    words: String,
    fault: Option<(&'static str, &'static str)>,
}

async fn show(
    node: &Node,
    visit: &Visit,
    (id, find): (&str, &str),
    typed: Typed,
) -> Result<Response, Refusal> {
    let scope = visit.scope(node, Interaction::Handovers, TY).await?;
    let handover = node.store.handover(&scope, id).await?;
    let handover = handover.filter(|it| it.inward);
    let handover = handover.ok_or_else(load::gone)?;
    let loaded = load::one(node, &scope, &handover).await?;
    let loaded = loaded.ok_or_else(load::gone)?;
    let nothing = Sheet::default();
    let sheet = loaded.sheet().unwrap_or(&nothing);
    let it = &sheet.person;
    let named = Named {
        nhs_number: it.nhs_number.clone(),
        birth_date: it.birth_date.clone(),
        family: it.family.clone(),
        given: it.given.clone(),
    };
    let candidates = matching::for_named(node, visit, &named, Some(find)).await?;
    let is_moved = !handover.patient.is_empty();
    let is_faulty = typed.fault.is_some();
    let view = views::Match {
        errors: typed
            .fault
            .map(|(text, href)| Fault {
                text,
                href: href.into(),
            })
            .into_iter()
            .collect(),
        patient: as_told(sheet, visit.now),
        other: (node.organisation_name)(&handover.other),
        happened: sheet.happened.clone(),
        action: format!("/staff/handovers/{id}"),
        back: format!("/staff/handovers/{id}"),
        sought: find.to_owned(),
        candidates,
        can_register: !is_moved
            && named.nhs_number.is_some()
            && named.birth_date.is_some()
            && !named.family.is_empty(),
        from: is_moved.then(|| loaded.person(visit.now)),
        typed_words: typed.words,
    };
    let title = match is_moved {
        true => "Whose record is it?",
        false => "Who is this?",
    };
    let page = Page::new("staff/handover-match.jinja", title, view);
    let page = page.under("/staff/handover-board").with_faults(is_faulty);
    Ok(page.answer(&node.site, visit))
}

/// `POST /staff/handovers/{id}/match`
pub async fn matched(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::MatchLetter, TY).await?;
    let patient = fields.text("patient");
    if patient.is_empty() {
        let typed = Typed {
            words: String::new(),
            fault: Some(("Choose the patient", "#find")),
        };
        return show(&node, &visit, (&id, ""), typed).await;
    }
    exchange(&node)?
        .match_handover(&scope, &id, patient)
        .await?;
    Ok(see_other(&format!("/staff/handovers/{id}?done=matched")))
}

/// `POST /staff/handovers/{id}/move`
pub async fn moved(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::MatchLetter, TY).await?;
    let (patient, words) = (fields.text("patient"), fields.text("words"));
    let fault = match (patient.is_empty(), words.trim().is_empty()) {
        (true, _) => Some(("Choose the patient", "#find")),
        (false, true) => Some(("Say why it is put into another record", "#words")),
        (false, false) => None,
    };
    if fault.is_some() {
        let words = words.to_owned();
        return show(&node, &visit, (&id, ""), Typed { words, fault }).await;
    }
    exchange(&node)?
        .move_handover(&scope, &id, (patient, words))
        .await?;
    Ok(see_other(&format!("/staff/handovers/{id}?done=moved")))
}

/// `POST /staff/handovers/{id}/move-back`
pub async fn moved_back(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::MatchLetter, TY).await?;
    exchange(&node)?.move_handover_back(&scope, &id).await?;
    Ok(see_other(&format!("/staff/handovers/{id}?done=moved")))
}

/// `POST /staff/handovers/{id}/register`
pub async fn register(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::MatchLetter, TY).await?;
    exchange(&node)?.register_for_handover(&scope, &id).await?;
    Ok(see_other(&format!("/staff/handovers/{id}?done=matched")))
}
