//! What came of a booking a moment later, and the page that says that somebody else was faster, with what is free instead.

use access::{Interaction, Scope};
use axum::response::Response;
use exchange::booking::{Came, Offer};
use fhir::problem::Problem;
use http::StatusCode;
use store::diary::{Booking, BookingState};

use super::choice::{Choice, days};
use super::{TIMES_MAX, next_of, system_times, text, times_here, views};
use crate::form::Fields;
use crate::node::Node;
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::page::tongue::Tongue;
use crate::visit::Visit;

/// What is known of a booking while its form is still being answered.
pub(super) enum Soon {
    Booked(String),
    /// Whose diary it is has not said yet, or has said something that its page tells.
    Asked(String),
    /// Somebody else has it: the booking that was asked for, if one was.
    Taken(Option<Box<Booking>>),
}

/// What came of it, with a moment's wait for the answer of whose diary it is.
pub(super) async fn soon(node: &Node, scope: &Scope, came: Came) -> Result<Soon, Problem> {
    let id = match came {
        Came::Booked(id) => return Ok(Soon::Booked(id)),
        Came::Taken => return Ok(Soon::Taken(None)),
        Came::Asked(id) => id,
    };
    let Some(exchange) = &node.exchange else {
        return Ok(Soon::Asked(id));
    };
    let booking = exchange.answered_soon(scope, &id).await?;
    Ok(match booking {
        Some(it) if it.state == BookingState::Booked => Soon::Booked(id),
        Some(it) if it.state == BookingState::Taken => Soon::Taken(Some(Box::new(it))),
        _ => Soon::Asked(id),
    })
}

/// What is not free any more, and what is (409).
pub(super) async fn taken(
    node: &Node,
    visit: &Visit,
    tongue: Tongue,
    (choice, fields, asked): (&Choice, &Fields, Option<&Booking>),
) -> Result<Response, Refusal> {
    let language = tongue.language;
    let scope = visit.scope(node, Interaction::Slots, "Slot").await?;
    let told = asked.map(|it| next_of(node, it)).unwrap_or_default();
    let (times, is_like) = match told.is_empty() {
        true => next_free(node, (&scope, visit), choice).await?,
        // Whose diary it is has said what is free instead.
        false => (told, true),
    };
    let view = views::Taken {
        t: language.texts(),
        lang: language.code(),
        said: match is_like {
            true => text(language, "taken-text"),
            false => text(language, "taken-others"),
        },
        days: days(language, &node.site.organisation, &times),
        reason: fields.text("reason").to_owned(),
        instead_of: fields.text("instead_of").to_owned(),
        stands: asked.map(|it| format!("/appointments/{}", it.id)),
    };
    let title = text(language, "taken-title");
    let page = Page::new("patient/book-taken.jinja", title, view).under("/appointments");
    let page = page.with_status(StatusCode::CONFLICT);
    Ok(page.answer(&node.site, visit))
}

/// What is free where a time was taken: those like it, or else others there; whether they are like it.
async fn next_free(
    node: &Node,
    (scope, visit): (&Scope, &Visit),
    choice: &Choice,
) -> Result<(Vec<(String, Offer)>, bool), Problem> {
    match choice {
        Choice::Here(id) => {
            let slot = node.store.slot(scope, id).await?;
            let like = slot.as_ref().map(|it| (&*it.kind, &*it.held_by));
            let like = times_here(node, scope, like).await?;
            match like.is_empty() {
                true => Ok((times_here(node, scope, None).await?, false)),
                false => Ok((like, true)),
            }
        }
        Choice::There(holder, taken) => {
            let Some(exchange) = &node.exchange else {
                return Ok((Vec::new(), true));
            };
            let there = exchange.free_there(scope).await?;
            let theirs = there.into_iter().filter(|it| it.organisation == *holder);
            let offers = theirs.filter_map(|it| it.offers.ok()).flatten();
            let named = |it| (holder.to_string(), it);
            Ok(like_or_others(offers.map(named).collect(), taken))
        }
        Choice::System(taken) => {
            let Some(exchange) = &node.exchange else {
                return Ok((Vec::new(), true));
            };
            let times = system_times(exchange, scope, visit).await?;
            Ok(like_or_others(times.unwrap_or_default(), taken))
        }
    }
}

/// Of what is free there what is like that time, or else the others; whether they are like it.
fn like_or_others(mut free: Vec<(String, Offer)>, taken: &Offer) -> (Vec<(String, Offer)>, bool) {
    free.retain(|(_, it)| it.slot != taken.slot);
    let is_like = |it: &Offer| it.kind == taken.kind && it.with == taken.with;
    let any_like = free.iter().any(|(_, it)| is_like(it));
    if any_like {
        free.retain(|(_, it)| is_like(it));
    }
    free.truncate(TIMES_MAX as usize);
    (free, any_like)
}
