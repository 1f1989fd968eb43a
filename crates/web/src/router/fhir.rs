//! Every address of the FHIR door, on one page.

use axum::routing::{delete, get, patch, post, put};
use http::Method;

use crate::fhir as door;
use crate::fhir::operations::{
    bulk, document, everything, export, import, last_n, match_patient, meta, reindex, send,
    shared_record,
};
use crate::fhir::route::{Route, Takes};
use crate::fhir::subscriptions::{self, asked};
use crate::fhir::terminology::{expand, lookup, subsumes, translate, validate_code};
use crate::fhir::validate;

const META: (&str, &str) = (
    "meta",
    "http://hl7.org/fhir/OperationDefinition/Resource-meta",
);
const VALIDATE: &str = "http://hl7.org/fhir/OperationDefinition/Resource-validate";

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
        Method::POST,
        "/_search",
        &["search-system"],
        Takes::Form,
        || post(door::search_all_by_post),
    ),
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
    Route::interaction(
        Method::POST,
        "/{ty}/{id}/_search",
        &["search-type"],
        Takes::Form,
        || post(door::search_whole_compartment_by_post),
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
        "/Patient/{id}/$shared-record",
        ("shared-record", "urn:handover:operation:shared-record"),
        || get(shared_record::of_patient),
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
        Method::POST,
        "/DocumentReference/{id}/$send",
        ("send", "urn:handover:operation:send"),
        || post(send::send),
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
    Route::operation(Method::GET, "/Subscription/$status", asked::STATUS, || {
        get(asked::statuses)
    }),
    Route::operation(Method::POST, "/Subscription/$status", asked::STATUS, || {
        post(asked::statuses_by_post)
    }),
    Route::operation(
        Method::GET,
        "/Subscription/{id}/$status",
        asked::STATUS,
        || get(asked::status),
    ),
    Route::operation(
        Method::POST,
        "/Subscription/{id}/$status",
        asked::STATUS,
        || post(asked::status_by_post),
    ),
    Route::operation(
        Method::GET,
        "/Subscription/{id}/$events",
        asked::EVENTS,
        || get(asked::events),
    ),
    Route::operation(
        Method::POST,
        "/Subscription/{id}/$events",
        asked::EVENTS,
        || post(asked::events_by_post),
    ),
    Route::operation(
        Method::GET,
        "/Subscription/$get-ws-binding-token",
        subscriptions::binding::IS,
        || get(subscriptions::binding::of_several),
    ),
    Route::operation(
        Method::GET,
        "/Subscription/{id}/$get-ws-binding-token",
        subscriptions::binding::IS,
        || get(subscriptions::binding::of_one),
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
        get(expand::expand)
    }),
    Route::operation(Method::POST, "/ValueSet/$expand", expand::IS, || {
        post(expand::expand)
    }),
    Route::operation(Method::GET, "/ValueSet/{id}/$expand", expand::IS, || {
        get(expand::expand)
    }),
    Route::operation(Method::POST, "/ValueSet/{id}/$expand", expand::IS, || {
        post(expand::expand)
    }),
    Route::operation(Method::GET, "/CodeSystem/$lookup", lookup::IS, || {
        get(lookup::lookup)
    }),
    Route::operation(Method::POST, "/CodeSystem/$lookup", lookup::IS, || {
        post(lookup::lookup)
    }),
    Route::operation(Method::GET, "/CodeSystem/$subsumes", subsumes::IS, || {
        get(subsumes::subsumes)
    }),
    Route::operation(Method::POST, "/CodeSystem/$subsumes", subsumes::IS, || {
        post(subsumes::subsumes)
    }),
    Route::operation(
        Method::GET,
        "/CodeSystem/{id}/$subsumes",
        subsumes::IS,
        || get(subsumes::subsumes),
    ),
    Route::operation(
        Method::POST,
        "/CodeSystem/{id}/$subsumes",
        subsumes::IS,
        || post(subsumes::subsumes),
    ),
    Route::operation(Method::GET, "/ConceptMap/$translate", translate::IS, || {
        get(translate::translate)
    }),
    Route::operation(
        Method::POST,
        "/ConceptMap/$translate",
        translate::IS,
        || post(translate::translate),
    ),
    Route::operation(
        Method::GET,
        "/ConceptMap/{id}/$translate",
        translate::IS,
        || get(translate::translate),
    ),
    Route::operation(
        Method::POST,
        "/ConceptMap/{id}/$translate",
        translate::IS,
        || post(translate::translate),
    ),
    Route::operation(
        Method::GET,
        "/ValueSet/$validate-code",
        validate_code::OF_SET,
        || get(validate_code::in_set),
    ),
    Route::operation(
        Method::POST,
        "/ValueSet/$validate-code",
        validate_code::OF_SET,
        || post(validate_code::in_set),
    ),
    Route::operation(
        Method::GET,
        "/ValueSet/{id}/$validate-code",
        validate_code::OF_SET,
        || get(validate_code::in_set),
    ),
    Route::operation(
        Method::POST,
        "/ValueSet/{id}/$validate-code",
        validate_code::OF_SET,
        || post(validate_code::in_set),
    ),
    Route::operation(
        Method::GET,
        "/CodeSystem/$validate-code",
        validate_code::OF_SYSTEM,
        || get(validate_code::in_system),
    ),
    Route::operation(
        Method::POST,
        "/CodeSystem/$validate-code",
        validate_code::OF_SYSTEM,
        || post(validate_code::in_system),
    ),
    Route::operation(
        Method::GET,
        "/CodeSystem/{id}/$validate-code",
        validate_code::OF_SYSTEM,
        || get(validate_code::in_system),
    ),
    Route::operation(
        Method::POST,
        "/CodeSystem/{id}/$validate-code",
        validate_code::OF_SYSTEM,
        || post(validate_code::in_system),
    ),
];
