//! <https://hl7.org/fhir/R4/http.html#capabilities>: a CapabilityStatement of what is really on,
//! made from the tables that the door works by.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::date;
use fhir::definitions::Definitions;
use fhir::search::{Parameter, ParameterKind, parameters, parameters_of_all};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer;
use super::ask::Announced;
use super::format::{FHIR_JSON, FHIR_XML, JSON_PATCH};
use super::route::{Does, Level, Route};
use crate::Site;
use crate::failure::Failure;
use crate::node::Node;
use crate::router::FHIR;

/// What this node asks of exports beyond their definition.
const EXPORT: &str = "Takes parameters of this server's own: _purpose (required; a code of HL7 v3 PurposeOfUse: what \
     the export is for) and, where the national data opt-out of England would apply and does not, _optOutExemption \
     (consented, legal-duty or anonymised) with _optOutReason and _optOutBy. For purposes other than care, people who \
     opted out are left out, and without a recent answer about opt-outs the export is refused (409).";

/// What can be searched within.
const COMPARTMENTS: [&str; 5] = [
    "device",
    "encounter",
    "patient",
    "practitioner",
    "relatedPerson",
];

/// Open to everyone: it tells of the server, not of anyone in it.
pub async fn metadata(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    ask.no_query()?;
    let made = || Bytes::from(statement(&node, &date::instant(node.store.now())).to_string());
    let statement = node.fhir.capabilities.get_or_init(made).clone();
    Ok(answer::json(StatusCode::OK, statement))
}

fn statement(node: &Node, at: &str) -> Value {
    let site = &node.site;
    let delete = node.fhir.conditional_delete.code();
    let types = Definitions::r4().resources().into_iter();
    let has_words = node.store.registry().has_texts();
    let resource = |ty| resource(ty, delete, has_words);
    let resources: Vec<Value> = types.map(resource).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at,
        "kind": "instance",
        "software": { "name": "Handover", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": site.name, "url": site.fhir_url() },
        "fhirVersion": "4.0.1",
        "format": [FHIR_JSON, FHIR_XML],
        "patchFormat": [JSON_PATCH, FHIR_JSON, FHIR_XML],
        "rest": [with_operations(json!({
            "mode": "server",
            "extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket",
                "valueUri": site.websocket_url(),
            }],
            "security": security(site),
            "compartment": COMPARTMENTS.map(|of| format!("http://hl7.org/fhir/CompartmentDefinition/{of}")),
            "resource": resources,
            "interaction": interactions(|route| route.level() == Level::System),
            "searchParam": over_all_types(),
        }), |route| route.level() == Level::System)],
    })
}

/// <https://hl7.org/fhir/smart-app-launch/conformance.html>
fn security(site: &Site) -> Value {
    let uri = |name: &str, url: &str| json!({ "url": name, "valueUri": site.oauth_url(url) });
    json!({
        "cors": true,
        "service": [{ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "SMART-on-FHIR",
        }] }],
        "description": "SMART App Launch 2.2, a bearer token of an account, or the session of its sign-in.",
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [
                uri("authorize", "authorize"),
                uri("token", "token"),
                uri("introspect", "introspect"),
                uri("revoke", "revoke"),
            ],
        }],
    })
}

/// The interactions of the routes of that kind, each once.
fn interactions(of: impl Fn(&Route) -> bool) -> Vec<Value> {
    let mut codes = Vec::new();
    for route in FHIR.iter().filter(|route| of(route)) {
        if let Does::Interactions(found) = route.does {
            for code in found {
                if !codes.contains(code) {
                    codes.push(*code);
                }
            }
        }
    }
    codes.iter().map(|code| json!({ "code": code })).collect()
}

/// Adds the operations of the routes of that kind, each once.
fn with_operations(mut told: Value, of: impl Fn(&Route) -> bool) -> Value {
    let mut operations: Vec<Value> = Vec::new();
    for route in FHIR.iter().filter(|route| of(route)) {
        if let Does::Operation(name, definition) = route.does {
            let mut operation = json!({ "name": name, "definition": definition });
            if let (Some(operation), "export") = (operation.as_object_mut(), name) {
                operation.insert("documentation".into(), EXPORT.into());
            }
            if !operations.contains(&operation) {
                operations.push(operation);
            }
        }
    }
    if let (Some(told), false) = (told.as_object_mut(), operations.is_empty()) {
        told.insert("operation".into(), Value::Array(operations));
    }
    told
}

/// Whether there is such a method of such an address.
fn has(method: &Method, path: &str) -> bool {
    FHIR.iter()
        .any(|route| route.method == *method && route.path == path)
}

fn resource(ty: &'static str, delete: &'static str, has_words: bool) -> Value {
    let mut general = vec![("_id", "token"), ("_lastUpdated", "date")];
    if has_words {
        general.extend([("_content", "string"), ("_text", "string")]);
    }
    let general = general
        .iter()
        .map(|(name, kind)| json!({ "name": name, "type": kind }));
    let searched: Vec<Value> = general.chain(parameters(ty).map(parameter)).collect();
    let conditional_delete = match has(&Method::DELETE, "/{ty}") {
        true => delete,
        false => "not-supported",
    };
    let told = json!({
        "type": ty,
        "interaction": interactions(|route| route.is_of(ty)),
        "versioning": "versioned-update",
        "readHistory": has(&Method::GET, "/{ty}/{id}/_history/{version}"),
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": has(&Method::PUT, "/{ty}"),
        "conditionalDelete": conditional_delete,
        "searchParam": searched,
    });
    with_operations(told, |route| route.is_of(ty))
}

/// What all types are searched by at once.
fn over_all_types() -> Vec<Value> {
    let own = [
        ("_id", "token"),
        ("_lastUpdated", "date"),
        ("_type", "token"),
    ];
    let own = own.map(|(name, kind)| json!({ "name": name, "type": kind }));
    own.into_iter()
        .chain(parameters_of_all().map(parameter))
        .collect()
}

fn parameter(parameter: &Parameter) -> Value {
    json!({ "name": parameter.code, "type": kind(parameter.kind) })
}

fn kind(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Token => "token",
        ParameterKind::String => "string",
        ParameterKind::Reference => "reference",
        ParameterKind::Date => "date",
        ParameterKind::Number => "number",
        ParameterKind::Quantity => "quantity",
        ParameterKind::Uri => "uri",
        ParameterKind::Composite => "composite",
        ParameterKind::Special => "special",
    }
}
