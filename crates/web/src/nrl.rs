//! The National Record Locator's API over this node's pointers (`docs/nrl.md`,
//! <https://digital.nhs.uk/developer/api-catalogue/national-record-locator-fhir>): consumers look up where something is
//! held about a patient; producers point at documents of this organisation.

mod answer;
mod consumer;
mod pointer;
mod producer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::{Ods, Who};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};

use crate::fhir::Announce;
use crate::node::Node;
use crate::visit::Visit;
use answer::Refused;

/// A pointer, or a form, at most, in bytes.
const BODY_BYTES_MAX: usize = 128 << 10;
/// Pointers in one answer, as the specification has it.
const AT_ONCE: usize = 20;

/// Its addresses.
pub fn routes(node: Arc<Node>) -> Router {
    let consumer = Router::new()
        .route("/DocumentReference", get(consumer::search))
        .route("/DocumentReference/_count", get(consumer::count))
        .route("/DocumentReference/_search", post(consumer::search_by_post))
        .route("/DocumentReference/{id}", get(consumer::read));
    let producer = Router::new()
        .route(
            "/DocumentReference",
            get(producer::search)
                .post(producer::create)
                .put(producer::upsert),
        )
        .route("/DocumentReference/_search", post(producer::search_by_post))
        .route(
            "/DocumentReference/{id}",
            get(producer::read)
                .put(producer::update)
                .delete(producer::delete),
        );
    Router::new()
        .nest("/record-locator/consumer/FHIR/R4", consumer)
        .nest("/record-locator/producer/FHIR/R4", producer)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(Announce(node.clone()))
        .with_state(node)
}

/// For which organisation a question is: the one that the header names, which is the caller's own.
///
/// # Errors
/// `BAD_REQUEST` without the headers that the specification asks for; `ACCESS_DENIED` for another organisation than
/// the caller's.
fn organisation(visit: &Visit, headers: &HeaderMap) -> Result<Ods, Refused> {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let bad = |said: &str| Err(Refused::of(StatusCode::BAD_REQUEST, "BAD_REQUEST", said));
    let Some(request) = text("x-request-id") else {
        return bad("The header X-Request-ID is missing.");
    };
    if uuid::Uuid::try_parse(request).is_err() || request.len() != 36 {
        return bad("The header X-Request-ID is no UUID.");
    }
    let Some(named) = text("nhsd-end-user-organisation-ods") else {
        return bad("The header NHSD-End-User-Organisation-ODS is missing.");
    };
    let Ok(named) = Ods::parse(named.trim()) else {
        return bad("The header NHSD-End-User-Organisation-ODS is no ODS code.");
    };
    let own = match visit.caller().map(|it| &it.who) {
        Some(Who::Staff { organisation, .. }) => Some(organisation),
        _ => None,
    };
    match own {
        Some(own) if *own == named => Ok(named),
        Some(_) => {
            let said =
                "NHSD-End-User-Organisation-ODS names another organisation than the caller's.";
            Err(Refused::of(StatusCode::FORBIDDEN, "ACCESS_DENIED", said))
        }
        None => {
            let said = "Who calls is not known. Send the token of a system of this organisation.";
            Err(Refused::of(StatusCode::UNAUTHORIZED, "ACCESS_DENIED", said))
        }
    }
}
