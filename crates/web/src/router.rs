//! Every route of the node's pages and FHIR door, on one page.

mod menu;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use axum::{Router, response::Response};
use fhir::problem::{Kind, Problem};
use http::Method;
use tower_http::compression::CompressionLayer;

use crate::fhir::operations::{
    bulk, document, everything, export, import, last_n, match_patient, meta, reindex,
};
use crate::fhir::route::{Route, Takes};
use crate::fhir::subscriptions;
use crate::fhir::terminology::{expand, lookup, subsumes, translate, validate_code};
use crate::fhir::validate;
use crate::fhir::{self as door, Announce, Bounds};
use crate::node::Node;
use crate::oauth::{
    apps, authorize, consent, cors, discovery, introspect, launch, register, revoke, token,
};
use crate::page::problem::Refusal;
use crate::page::{assets, headers};
use crate::patient::{access_log, letter, record};
use crate::sign_in::pages as sign_in;
use crate::staff::{
    care, content, inbox, item, live, message, person, privacy, sent, steps, subscribers, worklist,
};
use crate::visit;

pub use menu::{home, home_of, menu};

const META: (&str, &str) = (
    "meta",
    "http://hl7.org/fhir/OperationDefinition/Resource-meta",
);
const VALIDATE: &str = "http://hl7.org/fhir/OperationDefinition/Resource-validate";

/// The largest form taken, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The doors that people and FHIR clients use.
pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .merge(fhir(node.clone()))
        .merge(oauth_server(node.clone()))
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

/// Every address of the FHIR door, below `/fhir`. What is not here is not there, and what is here is
/// told by the CapabilityStatement.
pub const FHIR: &[Route] = &[
    Route::facts("/metadata", || get(door::metadata)),
    Route::facts("/openapi.json", || get(door::openapi)),
    Route::operation(
        Method::POST,
        "/$convert",
        (
            "convert",
            "http://hl7.org/fhir/OperationDefinition/Resource-convert",
        ),
        || post(door::convert),
    ),
    Route::interaction(
        Method::POST,
        "/",
        &["transaction", "batch"],
        Takes::Bundle,
        || post(door::transaction),
    ),
    Route::interaction(
        Method::GET,
        "/{ty}",
        &["search-type"],
        Takes::Nothing,
        || get(door::search),
    ),
    Route::interaction(
        Method::POST,
        "/{ty}/_search",
        &["search-type"],
        Takes::Form,
        || post(door::search_by_post),
    ),
    Route::interaction(Method::GET, "/", &["search-system"], Takes::Nothing, || {
        get(door::search_all)
    }),
    Route::interaction(
        Method::GET,
        "/{ty}/{id}/{inner}",
        &["search-type"],
        Takes::Nothing,
        || get(door::search_compartment),
    ),
    Route::interaction(
        Method::POST,
        "/{ty}/{id}/{inner}/_search",
        &["search-type"],
        Takes::Form,
        || post(door::search_compartment_by_post),
    ),
    Route::interaction(Method::POST, "/{ty}", &["create"], Takes::Resource, || {
        post(door::create)
    }),
    Route::interaction(Method::GET, "/{ty}/{id}", &["read"], Takes::Nothing, || {
        get(door::read)
    }),
    Route::interaction(
        Method::PUT,
        "/{ty}/{id}",
        &["update"],
        Takes::Resource,
        || put(door::update),
    ),
    Route::interaction(
        Method::DELETE,
        "/{ty}/{id}",
        &["delete"],
        Takes::Nothing,
        || delete(door::delete),
    ),
    Route::interaction(
        Method::PATCH,
        "/{ty}/{id}",
        &["patch"],
        Takes::Patch,
        || patch(door::patch),
    ),
    Route::interaction(Method::PATCH, "/{ty}", &["patch"], Takes::Patch, || {
        patch(door::patch_matching)
    }),
    Route::interaction(Method::PUT, "/{ty}", &["update"], Takes::Resource, || {
        put(door::update_matching)
    }),
    Route::interaction(Method::DELETE, "/{ty}", &["delete"], Takes::Nothing, || {
        delete(door::delete_matching)
    }),
    Route::interaction(
        Method::GET,
        "/_history",
        &["history-system"],
        Takes::Nothing,
        || get(door::history_of_all),
    ),
    Route::interaction(
        Method::GET,
        "/{ty}/_history",
        &["history-type"],
        Takes::Nothing,
        || get(door::history_of_type),
    ),
    Route::interaction(
        Method::GET,
        "/{ty}/{id}/_history",
        &["history-instance"],
        Takes::Nothing,
        || get(door::history),
    ),
    Route::interaction(
        Method::GET,
        "/{ty}/{id}/_history/{version}",
        &["vread"],
        Takes::Nothing,
        || get(door::vread),
    ),
    Route::operation(
        Method::GET,
        "/$reindex",
        ("reindex", "urn:handover:operation:reindex"),
        || get(reindex::status),
    ),
    Route::operation(
        Method::POST,
        "/$reindex",
        ("reindex", "urn:handover:operation:reindex"),
        || post(reindex::begin),
    ),
    Route::operation(
        Method::GET,
        "/AuditEvent/$log",
        ("log", "urn:handover:operation:audit-log"),
        || get(door::log),
    ),
    Route::operation(
        Method::GET,
        "/Patient/$everything",
        (
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        ),
        || get(everything::patients),
    ),
    Route::operation(
        Method::POST,
        "/Patient/$everything",
        (
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        ),
        || post(everything::patients_by_post),
    ),
    Route::operation(
        Method::GET,
        "/Patient/{id}/$everything",
        (
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        ),
        || get(everything::patient),
    ),
    Route::operation(
        Method::POST,
        "/Patient/{id}/$everything",
        (
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
        ),
        || post(everything::patient_by_post),
    ),
    Route::operation(
        Method::GET,
        "/Encounter/{id}/$everything",
        (
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Encounter-everything",
        ),
        || get(everything::encounter),
    ),
    Route::operation(
        Method::POST,
        "/Encounter/{id}/$everything",
        (
            "everything",
            "http://hl7.org/fhir/OperationDefinition/Encounter-everything",
        ),
        || post(everything::encounter_by_post),
    ),
    Route::operation(
        Method::POST,
        "/{ty}/$validate",
        ("validate", VALIDATE),
        || post(validate::validate_type),
    ),
    Route::operation(
        Method::POST,
        "/{ty}/{id}/$validate",
        ("validate", VALIDATE),
        || post(validate::validate_instance),
    ),
    Route::operation(
        Method::GET,
        "/{ty}/{id}/$validate",
        ("validate", VALIDATE),
        || get(validate::validate_stored),
    ),
    Route::operation(Method::GET, "/$meta", META, || get(meta::of_all)),
    Route::operation(Method::GET, "/{ty}/$meta", META, || get(meta::of_type)),
    Route::operation(Method::GET, "/{ty}/{id}/$meta", META, || get(meta::show)),
    Route::operation(
        Method::POST,
        "/{ty}/{id}/$meta-add",
        (
            "meta-add",
            "http://hl7.org/fhir/OperationDefinition/Resource-meta-add",
        ),
        || post(meta::add),
    ),
    Route::operation(
        Method::POST,
        "/{ty}/{id}/$meta-delete",
        (
            "meta-delete",
            "http://hl7.org/fhir/OperationDefinition/Resource-meta-delete",
        ),
        || post(meta::delete),
    ),
    Route::operation(
        Method::GET,
        "/Composition/{id}/$document",
        (
            "document",
            "http://hl7.org/fhir/OperationDefinition/Composition-document",
        ),
        || get(document::document),
    ),
    Route::operation(
        Method::POST,
        "/Composition/{id}/$document",
        (
            "document",
            "http://hl7.org/fhir/OperationDefinition/Composition-document",
        ),
        || post(document::by_post),
    ),
    Route::operation(
        Method::GET,
        "/Observation/$lastn",
        (
            "lastn",
            "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
        ),
        || get(last_n::last_n),
    ),
    Route::operation(
        Method::POST,
        "/Observation/$lastn",
        (
            "lastn",
            "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
        ),
        || post(last_n::by_post),
    ),
    Route::operation(
        Method::POST,
        "/Patient/$match",
        (
            "match",
            "http://hl7.org/fhir/OperationDefinition/Patient-match",
        ),
        || post(match_patient::match_patient),
    ),
    Route::operation(
        Method::GET,
        "/$export",
        (
            "export",
            "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export",
        ),
        || get(export::system),
    ),
    Route::operation(
        Method::POST,
        "/$export",
        (
            "export",
            "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export",
        ),
        || post(export::system_by_post),
    ),
    Route::operation(
        Method::GET,
        "/Patient/$export",
        (
            "export",
            "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export",
        ),
        || get(export::patients),
    ),
    Route::operation(
        Method::POST,
        "/Patient/$export",
        (
            "export",
            "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export",
        ),
        || post(export::patients_by_post),
    ),
    Route::operation(
        Method::GET,
        "/Group/{id}/$export",
        (
            "export",
            "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export",
        ),
        || get(export::group),
    ),
    Route::operation(
        Method::POST,
        "/Group/{id}/$export",
        (
            "export",
            "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export",
        ),
        || post(export::group_by_post),
    ),
    Route::operation(
        Method::POST,
        "/$import",
        ("import", "urn:handover:operation:import"),
        || post(import::import),
    ),
    Route::operation(
        Method::GET,
        "/Subscription/{id}/$status",
        (
            "status",
            "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status",
        ),
        || get(subscriptions::status),
    ),
    Route::operation(
        Method::GET,
        "/Subscription/{id}/$events",
        (
            "events",
            "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events",
        ),
        || get(subscriptions::events),
    ),
    Route::facts("/$bulk/{id}", || get(bulk::status)),
    Route::operation(
        Method::DELETE,
        "/$bulk/{id}",
        ("bulk", "urn:handover:operation:bulk"),
        || delete(bulk::cancel),
    ),
    Route::facts("/$bulk/{id}/{ty}", || get(bulk::file)),
    Route::operation(Method::GET, "/ValueSet/$expand", expand::IS, || {
        get(expand::by_get)
    }),
    Route::operation(Method::POST, "/ValueSet/$expand", expand::IS, || {
        post(expand::by_post)
    }),
    Route::operation(Method::GET, "/ValueSet/{id}/$expand", expand::IS, || {
        get(expand::one_by_get)
    }),
    Route::operation(Method::POST, "/ValueSet/{id}/$expand", expand::IS, || {
        post(expand::one_by_post)
    }),
    Route::operation(Method::GET, "/CodeSystem/$lookup", lookup::IS, || {
        get(lookup::by_get)
    }),
    Route::operation(Method::POST, "/CodeSystem/$lookup", lookup::IS, || {
        post(lookup::by_post)
    }),
    Route::operation(Method::GET, "/CodeSystem/$subsumes", subsumes::IS, || {
        get(subsumes::by_get)
    }),
    Route::operation(Method::POST, "/CodeSystem/$subsumes", subsumes::IS, || {
        post(subsumes::by_post)
    }),
    Route::operation(
        Method::GET,
        "/CodeSystem/{id}/$subsumes",
        subsumes::IS,
        || get(subsumes::one_by_get),
    ),
    Route::operation(
        Method::POST,
        "/CodeSystem/{id}/$subsumes",
        subsumes::IS,
        || post(subsumes::one_by_post),
    ),
    Route::operation(Method::GET, "/ConceptMap/$translate", translate::IS, || {
        get(translate::by_get)
    }),
    Route::operation(
        Method::POST,
        "/ConceptMap/$translate",
        translate::IS,
        || post(translate::by_post),
    ),
    Route::operation(
        Method::GET,
        "/ConceptMap/{id}/$translate",
        translate::IS,
        || get(translate::one_by_get),
    ),
    Route::operation(
        Method::POST,
        "/ConceptMap/{id}/$translate",
        translate::IS,
        || post(translate::one_by_post),
    ),
    Route::operation(
        Method::GET,
        "/ValueSet/$validate-code",
        validate_code::OF_SET,
        || get(validate_code::set_by_get),
    ),
    Route::operation(
        Method::POST,
        "/ValueSet/$validate-code",
        validate_code::OF_SET,
        || post(validate_code::set_by_post),
    ),
    Route::operation(
        Method::GET,
        "/ValueSet/{id}/$validate-code",
        validate_code::OF_SET,
        || get(validate_code::one_set_by_get),
    ),
    Route::operation(
        Method::POST,
        "/ValueSet/{id}/$validate-code",
        validate_code::OF_SET,
        || post(validate_code::one_set_by_post),
    ),
    Route::operation(
        Method::GET,
        "/CodeSystem/$validate-code",
        validate_code::OF_SYSTEM,
        || get(validate_code::system_by_get),
    ),
    Route::operation(
        Method::POST,
        "/CodeSystem/$validate-code",
        validate_code::OF_SYSTEM,
        || post(validate_code::system_by_post),
    ),
    Route::operation(
        Method::GET,
        "/CodeSystem/{id}/$validate-code",
        validate_code::OF_SYSTEM,
        || get(validate_code::one_system_by_get),
    ),
    Route::operation(
        Method::POST,
        "/CodeSystem/{id}/$validate-code",
        validate_code::OF_SYSTEM,
        || post(validate_code::one_system_by_post),
    ),
];

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
fn fhir(node: Arc<Node>) -> Router {
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
        .route("/", get(record::home))
        .route("/record", get(record::page))
        .route("/access-log", get(access_log::page))
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
        .route("/staff/patient/{id}", get(person::page))
        .route(
            "/staff/relationship/{id}",
            get(care::claim).post(care::claimed),
        )
        .route(
            "/staff/emergency-access/{id}",
            get(care::emergency).post(care::opened),
        )
        .route("/staff/unseal/{id}", get(care::unseal).post(care::unsealed))
        .route("/staff/privacy", get(privacy::page))
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
            "/staff/worklist/subscriptions/{id}/again",
            post(subscribers::again),
        )
        .route(
            "/staff/worklist/subscriptions/{id}/off",
            post(subscribers::off),
        )
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
