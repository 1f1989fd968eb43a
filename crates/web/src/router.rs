//! Every route of the node's pages and FHIR door, on one page.

use std::sync::Arc;

use access::{Caller, Role, Who};
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{get, post};
use axum::{Router, response::Response};
use fhir::problem::{Kind, Problem};
use tower_http::compression::CompressionLayer;

use crate::fhir as door;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{assets, headers};
use crate::patient::{letter, record};
use crate::sign_in::pages as sign_in;
use crate::staff::{content, inbox, item, live, message, sent, steps, worklist};
use crate::visit;

/// The largest form taken, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The doors that people and FHIR clients use.
pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .merge(fhir(node.clone()))
        .merge(files())
        .merge(pages(node))
}

/// The static files of the pages.
fn files() -> Router {
    Router::new()
        .route("/assets/{file}", get(assets::file))
        .route("/assets/images/{icon}", get(assets::icon))
        .layer(map_response(headers::on))
}

/// The FHIR door.
fn fhir(node: Arc<Node>) -> Router {
    let bundles = post(door::transaction).layer(DefaultBodyLimit::max(door::BUNDLE_BYTES_MAX));
    let below = Router::new()
        .route("/metadata", get(door::metadata))
        .route("/AuditEvent/$log", get(door::log))
        .route("/{ty}", get(door::search).post(door::create))
        .route("/{ty}/_search", post(door::search_by_post))
        .route(
            "/{ty}/{id}",
            get(door::read).put(door::update).delete(door::delete),
        )
        .route("/{ty}/{id}/_history", get(door::history))
        .route("/{ty}/{id}/_history/{version}", get(door::vread))
        .fallback(door::nothing_here)
        .layer(DefaultBodyLimit::max(door::RESOURCE_BYTES_MAX))
        .route("/", bundles.clone());
    Router::new()
        .nest("/fhir", below)
        .route("/fhir/", bundles)
        .layer(from_fn_with_state(node.clone(), door::ask::announce))
        .with_state(node)
}

/// The HTML pages.
fn pages(node: Arc<Node>) -> Router {
    Router::new()
        .route("/", get(record::home))
        .route("/record", get(record::page))
        .route("/record/letters/{id}", get(letter::page))
        .route("/record/letters/{id}/content/{number}", get(letter::file))
        .route("/staff/inbox", get(inbox::page))
        .route("/staff/notices/{pid}/seen", post(inbox::seen))
        .route("/staff/item/{pid}", get(item::received))
        .route("/staff/item/{pid}/content/{number}", get(content::file))
        .route("/staff/item/{pid}/file", post(steps::file))
        .route("/staff/item/{pid}/act", post(steps::act))
        .route("/staff/item/{pid}/return", post(steps::send_back))
        .route("/staff/item/{pid}/match", post(steps::matched))
        .route("/staff/sent", get(sent::page))
        .route("/staff/sent/events", get(live::events))
        .route("/staff/sent/{pid}", get(item::sent))
        .route("/staff/sent/{pid}/content/{number}", get(content::file))
        .route("/staff/sent/{pid}/withdraw", post(steps::withdraw))
        .route("/staff/sent/{pid}/send-again", post(steps::send_again))
        .route("/staff/worklist", get(worklist::page))
        .route("/staff/worklist/messages/{number}", get(message::page))
        .route(
            "/staff/worklist/messages/{number}/replay",
            post(message::replay),
        )
        .route(
            "/staff/worklist/messages/{number}/settled",
            post(message::settled),
        )
        .route("/staff/login", get(sign_in::staff).post(sign_in::staff_in))
        .route("/login", get(sign_in::patient).post(sign_in::patient_in))
        .route("/sign-out", post(sign_in::out))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(node.clone(), visit::announce))
        .layer(CompressionLayer::new().gzip(true))
        .with_state(node)
}

async fn nothing_here() -> Result<Response, Refusal> {
    Err(Problem::new(Kind::NotFound, "There is no page at this address.").into())
}

/// The main menu for that caller: text and address.
pub fn menu(caller: &Caller) -> &'static [(&'static str, &'static str)] {
    match &caller.who {
        Who::Staff {
            role: Role::Clinician | Role::Clerk,
            ..
        } => &[
            ("Inbox", "/staff/inbox"),
            ("Sent", "/staff/sent"),
            ("Work list", "/staff/worklist"),
        ],
        Who::Staff {
            role: Role::Engineer,
            ..
        } => &[("Work list", "/staff/worklist")],
        Who::Patient { .. } => &[("Home", "/"), ("Your letters", "/record")],
        Who::Staff { .. } | Who::Peer { .. } | Who::Node => &[],
    }
}

/// Where that caller's work starts: text and address.
pub fn home(caller: &Caller) -> (&'static str, &'static str) {
    home_of(&caller.who)
}

/// Where their work starts: text and address.
pub fn home_of(who: &Who) -> (&'static str, &'static str) {
    match who {
        Who::Staff {
            role: Role::Engineer,
            ..
        } => ("Go to the work list", "/staff/worklist"),
        Who::Staff { .. } => ("Go to the inbox", "/staff/inbox"),
        Who::Patient { .. } | Who::Peer { .. } | Who::Node => ("Go to your home page", "/"),
    }
}
