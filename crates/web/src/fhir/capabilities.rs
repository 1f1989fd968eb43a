//! <https://hl7.org/fhir/R4/http.html#capabilities>: a CapabilityStatement of what is really on,
//! made from the tables that the door works by.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::date;
use fhir::definitions::Definitions;
use fhir::search::{Parameter, ParameterKind, parameters};
use http::StatusCode;
use serde_json::{Value, json};

use super::answer;
use super::ask::Announced;
use crate::failure::Failure;
use crate::node::{Node, Site};

/// Open to everyone: it tells of the server, not of anyone in it.
pub async fn metadata(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    ask.no_query()?;
    let made = || Bytes::from(statement(&node.site, &date::instant(node.store.now())).to_string());
    let statement = node.fhir.capabilities.get_or_init(made).clone();
    Ok(answer::json(StatusCode::OK, statement))
}

fn statement(site: &Site, at: &str) -> Value {
    let resources: Vec<Value> = Definitions::r4()
        .resources()
        .into_iter()
        .map(resource)
        .collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": at,
        "kind": "instance",
        "software": { "name": "Handover", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": site.name, "url": site.fhir_url() },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [{
            "mode": "server",
            "security": {
                "description": "A bearer token of an account, or the session of its sign-in.",
            },
            "resource": resources,
            "interaction": [{ "code": "transaction" }, { "code": "batch" }],
        }],
    })
}

fn resource(ty: &'static str) -> Value {
    let interactions: Vec<Value> = [
        "read",
        "vread",
        "update",
        "delete",
        "history-instance",
        "create",
        "search-type",
    ]
    .iter()
    .map(|code| json!({ "code": code }))
    .collect();
    let general = [("_id", "token"), ("_lastUpdated", "date")];
    let general = general
        .iter()
        .map(|(name, kind)| json!({ "name": name, "type": kind }));
    let searched: Vec<Value> = general.chain(parameters(ty).map(parameter)).collect();
    let mut resource = json!({
        "type": ty,
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": false,
        "conditionalRead": "not-match",
        "conditionalUpdate": false,
        "conditionalDelete": "not-supported",
        "searchParam": searched,
    });
    if let (Some(resource), "AuditEvent") = (resource.as_object_mut(), ty) {
        let definition = "urn:handover:operation:audit-log";
        resource.insert(
            "operation".into(),
            json!([{ "name": "log", "definition": definition }]),
        );
    }
    resource
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
