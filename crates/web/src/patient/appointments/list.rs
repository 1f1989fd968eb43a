//! `GET /appointments`: those here, and those that others hold who could be asked. What nobody asked after is never "none".

use std::sync::Arc;

use access::{Interaction, NOT_FOR_PROXIES};
use axum::extract::State;
use axum::response::Response;
use fhir::problem::Problem;
use fhir::search::Search;

use super::elsewhere::{self, Elsewhere};
use super::{Appointment, parcel_of, text, views, whose};
use crate::node::Node;
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::page::tongue::{Language, Tongue};
use crate::record::json;
use crate::visit::Visit;

/// Appointments looked through.
const LOOKED_MAX: u32 = 500;
/// Past ones that are listed.
const PAST_MAX: usize = 30;

/// All appointments of the patient that are known here; how far parcels got of those that are asked for.
async fn here(node: &Node, visit: &Visit) -> Result<Vec<Appointment>, Problem> {
    let scope = visit
        .scope(node, Interaction::Record, "Appointment")
        .await?;
    let patient = whose(&scope)?;
    let page = node
        .store
        .search(&scope, &Search::all("Appointment", LOOKED_MAX))
        .await?;
    let mut bookings = node.store.bookings_of(&scope, patient).await?;
    let mut found = Vec::new();
    for version in &page.entries {
        let at = bookings.iter().position(|it| it.id == version.id);
        let booking = at.map(|at| bookings.swap_remove(at));
        let mut one = Appointment::read(&version.id, &json(version)?, booking);
        one.parcel = parcel_of(node, one.booking.as_ref()).await?;
        found.push(one);
    }
    found.sort_by(|a, b| a.starts.cmp(&b.starts).then_with(|| a.id.cmp(&b.id)));
    Ok(found)
}

/// What the home page says of appointments: a sentence, and the next one's address and words. It asks nobody else.
pub(crate) async fn tile(
    node: &Node,
    visit: &Visit,
    language: Language,
) -> Result<(String, Option<(String, String)>), Problem> {
    let found = match here(node, visit).await {
        Err(problem) if problem.message == NOT_FOR_PROXIES => {
            return Ok((text(language, "appointments-hidden").to_owned(), None));
        }
        found => found?,
    };
    let coming: Vec<&Appointment> = found.iter().filter(|it| it.is_coming(visit.now)).collect();
    let Some(next) = coming.first() else {
        return Ok((text(language, "appointments-none-here").to_owned(), None));
    };
    let count = coming.len().to_string();
    let said = language.tell("appointments-some", &[("count", &count)]);
    let state = next.state(language, visit.now).text;
    let when = language.when(next.starts);
    let words = language.tell("appointments-next", &[("when", &when)]);
    let words = format!("{words} ({state})");
    Ok((said, Some((format!("/appointments/{}", next.id), words))))
}

/// The page.
pub async fn page(
    State(node): State<Arc<Node>>,
    visit: Visit,
    tongue: Tongue,
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let here = Box::pin(here(&node, &visit));
    let asked = Box::pin(Elsewhere::ask(&node, &visit));
    let (here, asked) = tokio::try_join!(here, asked)?;
    let is_whole = asked.is_whole(&node);
    let said = asked.said(&node, language, visit.now);
    let own = node.site.organisation.as_str();
    let found = elsewhere::merged(&node, language, here, asked.held(own));
    let (coming, past): (Vec<_>, Vec<_>) = found.iter().partition(|it| it.is_coming(visit.now));
    let row = |it: &&Appointment| it.row(&node, language, visit.now);
    let (none, note) = match is_whole {
        true => ("appointments-none", "appointments-whole"),
        false => ("appointments-none-here", "appointments-not-all"),
    };
    let view = views::List {
        t: language.texts(),
        lang: language.code(),
        none: coming.is_empty().then_some(text(language, none)),
        coming: coming.iter().map(row).collect(),
        past: past.iter().rev().take(PAST_MAX).map(row).collect(),
        missing: said.missing,
        sources: said.sources,
        note: text(language, note).to_owned(),
    };
    let title = text(language, "appointments");
    let page = Page::new("patient/appointments.jinja", title, view).under("/appointments");
    Ok(page.said_in(language).answer(&node.site, &visit))
}
