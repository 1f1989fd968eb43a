//! The door for other systems that book into this organisation's diary under GP Connect
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/appointments.html>; decision 0200): FHIR STU3 in JSON, one file an
//! interaction. It translates; what may be done is `access`'s, and what is done is `exchange::booking`'s.
//!
//! Invariant: nothing is answered about a patient or the diary before the caller's system is proved and what it does is
//! decided and traced.

#[cfg(test)]
mod adjacent_tests;
mod answer;
mod appointment;
mod book;
mod caller;
mod change;
mod format;
#[cfg(test)]
mod format_tests;
mod patient;
mod slots;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::Ods;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::middleware::from_fn;
use axum::response::Response;
use axum::routing::get;
use exchange::jwt::Jwks;
use fhir::gp_connect::{Call, PATH, Place, Refusal, Trouble, capabilities};
use http::StatusCode;

use crate::node::Node;
use answer::{Refused, answer};
use caller::{Brought, admit};

/// The largest body taken, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// When what the door does last changed.
const RELEASED: &str = "2026-11-29";

/// What the door needs beside the node.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// This system's ASID, which callers name.
    pub asid: String,
    pub consumers: Vec<Consumer>,
    /// The SHA-256 digest (hex) of the certificate that the Spine's proxy shows. What comes with it needs no signature.
    pub proxy: Option<String>,
    /// The NHS's gateway, where patients' apps may come through it.
    pub gateway: Option<PatientsGateway>,
}

/// The NHS's gateway for patients' apps, which changes a patient's ID token of NHS login for a token of this node's.
#[derive(Clone, Debug)]
pub struct PatientsGateway {
    /// How it calls itself.
    pub client: String,
    /// The keys that sign its statements.
    pub keys: Jwks,
    /// Whom its statements name as their audience; the address where tokens are given out, if `None`.
    pub audience: Option<String>,
    /// NHS login, as its ID tokens name it, and the keys that sign them.
    pub issuer: String,
    pub issuer_keys: Jwks,
    /// The apps that are let in, as ID tokens name them (`aud`).
    pub apps: Vec<String>,
    /// The SHA-256 digest (hex) of the certificate that it shows, where it is to show one.
    pub certificate: Option<String>,
}

/// A system that may call.
#[derive(Clone, Debug)]
pub struct Consumer {
    pub asid: String,
    /// Whose it is.
    pub ods: Ods,
    /// The keys that sign its tokens; none where it comes through the proxy alone.
    pub keys: Option<Jwks>,
    /// Whether it may ask in patients' names: the organisation's own app for them.
    pub patients: bool,
}

/// Every route of the door.
pub(crate) fn route(node: Arc<Node>) -> Router {
    let at = |path: &str| format!("{PATH}{path}");
    Router::new()
        .route(&at("/metadata"), get(metadata))
        .route(&at("/Slot"), get(slots::search))
        .route(&at("/Patient"), get(patient::search))
        .route(&at("/Patient/{id}"), get(patient::read))
        .route(&at("/Patient/{id}/Appointment"), get(appointment::list))
        .route(&at("/Appointment"), axum::routing::post(book::book))
        .route(
            &at("/Appointment/{id}"),
            get(appointment::read).put(change::change),
        )
        .route(&at("/Location/{id}"), get(location))
        .route(&at("/Organization/{id}"), get(organization))
        .nest(PATH, Router::new().fallback(nothing_here))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(format::either))
        .with_state(node)
}

async fn nothing_here() -> Refused {
    let words = "Appointment Management is spoken here, and nothing else of GP Connect.";
    Refused(Refusal::new(Trouble::NotImplemented, words))
}

/// `GET metadata`
async fn metadata(State(node): State<Arc<Node>>, brought: Brought) -> Result<Response, Refused> {
    admit(&node, &brought, &[Call::Metadata]).await?;
    let statement = capabilities(env!("CARGO_PKG_VERSION"), RELEASED);
    Ok(answer(StatusCode::OK, &statement))
}

fn place(node: &Node) -> Place<'_> {
    Place {
        ods: node.site.organisation.as_str(),
        name: &node.site.name,
    }
}

/// `GET Location/{id}`: the organisation's one location, named as its code.
async fn location(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    brought: Brought,
) -> Result<Response, Refused> {
    admit(&node, &brought, &[Call::ReadLocation]).await?;
    own(&node, &id)?;
    Ok(answer(StatusCode::OK, &place(&node).location()))
}

/// `GET Organization/{id}`
async fn organization(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    brought: Brought,
) -> Result<Response, Refused> {
    admit(&node, &brought, &[Call::ReadOrganization]).await?;
    own(&node, &id)?;
    Ok(answer(StatusCode::OK, &place(&node).organization()))
}

fn own(node: &Node, id: &str) -> Result<(), Refusal> {
    match id == node.site.organisation.as_str() {
        true => Ok(()),
        false => Err(Refusal::new(
            Trouble::NoRecordFound,
            "There is no such resource here.",
        )),
    }
}
