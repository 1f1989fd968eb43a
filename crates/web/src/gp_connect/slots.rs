//! `GET Slot` (<https://developer.nhs.uk/apis/gpconnect-1-2-7/appointments_use_case_search_for_free_slots.html>)

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use fhir::gp_connect::{Asked, Call, Free, free_slots};
use http::StatusCode;
use store::diary::{self, Slot};

use super::answer::{Refused, answer};
use super::caller::{Brought, admit};
use super::place;
use crate::node::Node;

/// Slots in one answer at most.
const SLOTS_MAX: u32 = 1_000;

/// What is free, wholly within the span that is asked for.
pub(super) async fn search(
    State(node): State<Arc<Node>>,
    brought: Brought,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &brought, &[Call::FindSlots]).await?;
    let asked = Asked::read(&brought.parameters)?;
    let wanted = diary::Free {
        // What has begun cannot be booked.
        from: asked.within.from.max(node.store.now()),
        until: asked.within.until,
        audience: admitted.audience,
        like: None,
        count: SLOTS_MAX,
    };
    let found = node.store.free_slots(&admitted.scope, &wanted).await?;
    let own = node.site.organisation.as_str();
    let within = found.iter().filter(|it| it.ends_at <= asked.within.until);
    let free: Vec<Free> = within.map(|it| free(it, own)).collect();
    Ok(answer(
        StatusCode::OK,
        &free_slots(&free, place(&node), &asked),
    ))
}

fn free(slot: &Slot, own: &str) -> Free {
    let practitioner = exchange::Letter::parcel_id(&["practitioner", own, &slot.held_by]);
    let schedule = match slot.schedule.as_str() {
        "" => practitioner.clone(),
        id => id.to_owned(),
    };
    Free {
        id: slot.id.clone(),
        version: slot.version,
        schedule,
        starts: slot.starts_at,
        ends: slot.ends_at,
        kind: slot.kind.clone(),
        with: slot.held_by.clone(),
        practitioner,
    }
}
