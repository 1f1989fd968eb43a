//! Every route of the node's pages; those of the FHIR door are in its table, `fhir`, those of signing in
//! in `sign_in`, those of acting for others in `people`, those of faxes in `fax`, those of appointments in `appointments`,
//! those of prescriptions in `prescriptions`, those of discharges in `discharges`, those of crisis plans in `crisis_plan`,
//! those of referrals in `referrals`, those of visits in `visits`,
//! those of downtime in `downtime`.
//! those of referrals in `referrals`, those of the workbench in `desk`.

#[cfg(test)]
mod album;
mod appointments;
mod crisis_plan;
mod desk;
mod discharges;
mod downtime;
mod fax;
mod fhir;
mod handovers;
mod itk3;
mod menu;
mod moving;
mod patient_app;
mod pds;
mod people;
mod prescriptions;
mod questionnaires;
mod referrals;
mod rules;
mod sign_in;
#[cfg(test)]
mod tests;
mod visits;

use std::sync::Arc;

use ::fhir::problem::{Kind, Problem};
use axum::extract::{DefaultBodyLimit, Path};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{MethodRouter, get, post};
use axum::{Router, response::Response};
pub use fhir::FHIR;
use tower_http::compression::CompressionLayer;

use crate::fhir::route::Takes;
use crate::fhir::subscriptions;
use crate::fhir::{self as door, Announce, Bounds};
use crate::gp_connect;
use crate::node::Node;
use crate::nrl;
use crate::oauth::{
    apps, authorize, consent, cors, discovery, introspect, launch, register, revoke, token,
};
use crate::page::look::Look;
use crate::page::problem::Refusal;
use crate::page::{assets, headers};
use crate::patient::{access_log, home as patients_home, letter, sharing};
use crate::peers::join;
use crate::pfp;
use crate::staff::{
    care, content, inbox, item, live, message, person, privacy, privacy_log, recalls, receipts,
    sent, shared, steps, stuck_letters, subscribers, told, worklist,
};
use crate::visit;

pub use menu::{home, home_of, menu};

/// The largest form taken, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The doors that people and FHIR clients use.
pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .merge(fhir_door(node.clone()))
        .merge(oauth_server(node.clone()))
        .merge(files(node.site.look.clone()))
        .merge(crate::bars::routes(node.clone()))
        .merge(subscriptions::socket::route(node.clone()))
        .merge(join::route(node.clone()))
        .merge(gp_connect::route(node.clone()))
        .merge(pfp::route(node.clone()))
        .merge(nrl::routes(node.clone()))
        .merge(pages(node))
}

/// The doors for apps and systems alone, for a listener with mutual TLS: no pages.
pub fn apps(node: Arc<Node>) -> Router {
    Router::new()
        .merge(fhir_door(node.clone()))
        .merge(gp_connect::route(node.clone()))
        .merge(pfp::route(node.clone()))
        .merge(nrl::routes(node.clone()))
        .merge(crate::bars::routes(node.clone()))
        .merge(oauth_server(node))
}

/// The static files of the pages.
fn files(look: Arc<Look>) -> Router {
    let own = move |Path(name): Path<String>| {
        let look = look.clone();
        async move { look.answer(&name) }
    };
    Router::new()
        .route("/assets/own/{file}", get(own))
        .route("/assets/{file}", get(assets::file))
        .route("/assets/images/{icon}", get(assets::icon))
        .layer(map_response(headers::on))
}

/// The FHIR door's addresses, to be announced: those below `at`, where it is, and its own.
fn announced(at: &str, bounds: Bounds) -> (Router<Arc<Node>>, MethodRouter<Arc<Node>>) {
    let mut below = Router::new();
    let mut root = MethodRouter::new();
    for route in FHIR {
        let limit = match route.takes {
            Takes::Nothing => None,
            Takes::Bundle => Some(bounds.bundle_bytes_max),
            _ => Some(bounds.resource_bytes_max),
        };
        let mut call = (route.call)();
        if let Some(limit) = limit {
            call = call.layer(DefaultBodyLimit::max(limit));
        }
        match route.path {
            "/" => root = root.merge(call),
            path => below = below.route(&format!("{at}{path}"), call),
        }
    }
    (below, root)
}

/// What an entry of a Bundle may ask, below the door's own address.
pub(crate) fn inside(node: Arc<Node>) -> Router {
    let (below, _) = announced("", node.fhir.bounds);
    below.fallback(door::nothing_here).with_state(node)
}

/// The FHIR door.
fn fhir_door(node: Arc<Node>) -> Router {
    let (below, root) = announced("/fhir", node.fhir.bounds);
    below
        .route("/fhir", root.clone())
        .route("/fhir/", root)
        .nest("/fhir", Router::new().fallback(door::nothing_here))
        .layer(Announce(node.clone()))
        .with_state(node)
}

/// The authorization server for apps and systems, but for its pages.
fn oauth_server(node: Arc<Node>) -> Router {
    let facts = || get(discovery::configuration);
    Router::new()
        .route("/fhir/.well-known/smart-configuration", facts())
        .route("/.well-known/oauth-authorization-server", facts())
        .route("/.well-known/openid-configuration", facts())
        .route("/oauth2/jwks", get(discovery::jwks))
        .route("/oauth2/token", post(token::token))
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/oauth2/revoke", post(revoke::revoke))
        .route("/oauth2/register", post(register::register))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(map_response(headers::on))
        .layer(from_fn(cors::layer))
        .with_state(node)
}

/// The HTML pages.
fn pages(node: Arc<Node>) -> Router {
    Router::new()
        .route("/", get(patients_home::home))
        .route("/access-log", get(access_log::page))
        .route("/sharing", get(sharing::page).post(sharing::set))
        .route("/sharing/receipts/{pid}", get(sharing::receipts))
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
        .route("/staff/item/{pid}/hold-back", post(steps::hold_back))
        .route("/staff/item/{pid}/release", post(steps::release))
        .route("/staff/sent", get(sent::page))
        .route("/staff/sent/events", get(live::events))
        .route("/staff/sent/{pid}", get(item::sent))
        .route("/staff/sent/{pid}/content/{number}", get(content::file))
        .route("/staff/sent/{pid}/receipts", get(receipts::file))
        .route("/staff/sent/{pid}/withdraw", post(steps::withdraw))
        .route("/staff/sent/{pid}/send-again", post(steps::send_again))
        .route("/staff/patient/{id}", get(person::page))
        .route("/staff/patient/{id}/shared", get(shared::page))
        .route(
            "/staff/relationship/{id}",
            get(care::claim).post(care::claimed),
        )
        .route(
            "/staff/emergency-access/{id}",
            get(care::emergency).post(care::opened),
        )
        .route("/staff/unseal/{id}", get(care::unseal).post(care::unsealed))
        .route(
            "/staff/whereabouts/{id}",
            get(care::whereabouts).post(care::located),
        )
        .route("/staff/privacy", get(privacy::page))
        .route(
            "/staff/privacy/log",
            get(privacy_log::page).post(privacy_log::find),
        )
        .route("/staff/privacy/{number}", post(privacy::work))
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
        .route(
            "/staff/worklist/parcels/{pid}/again",
            post(stuck_letters::again),
        )
        .route(
            "/staff/worklist/came-back/{pid}/settled",
            post(stuck_letters::settled),
        )
        .route("/staff/worklist/recalls/{pid}/rung", post(recalls::rung))
        .route("/staff/worklist/told/{number}/again", post(told::again))
        .route("/staff/worklist/told/{number}/settled", post(told::settled))
        .route(
            "/staff/worklist/subscriptions/{id}/again",
            post(subscribers::again),
        )
        .route(
            "/staff/worklist/subscriptions/{id}/off",
            post(subscribers::off),
        )
        .merge(sign_in::routes())
        .merge(people::routes())
        .merge(fax::routes())
        .merge(appointments::routes())
        .merge(itk3::routes())
        .merge(discharges::routes())
        .merge(desk::routes())
        .merge(crisis_plan::routes())
        .merge(moving::routes())
        .merge(pds::routes())
        .merge(prescriptions::routes())
        .merge(questionnaires::routes())
        .merge(referrals::routes())
        .merge(rules::routes())
        .merge(handovers::routes())
        .merge(visits::routes())
        .merge(downtime::routes())
        .merge(patient_app::routes())
        .route(
            "/oauth2/authorize",
            get(authorize::by_get).post(authorize::by_post),
        )
        .route(
            "/apps/allow/{ask}",
            get(consent::page).post(consent::answered),
        )
        .route(
            "/staff/apps/allow/{ask}",
            get(consent::page).post(consent::answered),
        )
        .route("/staff/apps", get(apps::page))
        .route("/staff/apps/launch", post(launch::begin))
        .route("/staff/apps/{id}/approve", post(apps::approved))
        .route("/staff/apps/{id}/revoke", post(apps::revoked))
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(node.clone(), visit::announce))
        .layer(CompressionLayer::new().gzip(true))
        .with_state(node)
}

async fn nothing_here() -> Result<Response, Refusal> {
    Err(Problem::new(Kind::NotFound, "There is no page at this address.").into())
}
