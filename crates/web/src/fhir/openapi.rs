//! The door as an OpenAPI document (<https://spec.openapis.org/oas/v3.0.3>), made from the table of
//! routes and the definitions of R4.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use fhir::definitions::Definitions;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answer;
use super::ask::Announced;
use super::format::{FHIR_JSON, FHIR_XML, JSON_PATCH};
use super::route::{Does, Level, Route, Takes};
use super::subscriptions::asked;
use crate::failure::Failure;
use crate::node::Node;
use crate::router::FHIR;

/// Whatever a request comes to is one of these.
const STATUSES: &[(&str, &str)] = &[
    ("200", "Done."),
    ("201", "Created."),
    ("202", "Begun."),
    ("204", "Done; there is nothing to tell."),
    ("304", "The caller has it already."),
    ("400", "The request is wrong."),
    ("401", "Sign in first."),
    ("403", "The caller may not."),
    ("404", "There is no such thing."),
    ("405", "The address does not take this method."),
    ("406", "The answer is not to be had in this format."),
    ("409", "It is at odds with what is there."),
    ("410", "It was deleted."),
    ("412", "What the request expects is not so."),
    ("413", "The body is too large."),
    ("415", "The body is in none of the formats taken."),
    ("422", "The request cannot be carried out."),
    ("429", "Too much at once; try again."),
    ("503", "Not now; try again."),
];

/// Open to everyone, as `metadata` is.
pub async fn openapi(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    ask.no_query()?;
    let document = document(&node.site.fhir_url()).to_string();
    let mut response = answer::json(StatusCode::OK, document);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

fn document(base_url: &str) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in FHIR {
        let methods = paths.entry(route.path).or_default();
        let method = route.method.as_str().to_ascii_lowercase();
        methods.insert(method, operation(route));
    }
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Handover: FHIR R4", "version": env!("CARGO_PKG_VERSION") },
        "servers": [{ "url": base_url }],
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "schemas": {
                "Resource": {
                    "type": "object",
                    "required": ["resourceType"],
                    "properties": { "resourceType": type_name(), "id": id() },
                },
                "Type": { "type": "string", "enum": Definitions::r4().resources() },
                "Id": { "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" },
            },
            "responses": answers(),
        },
    })
}

fn operation(route: &Route) -> Value {
    let summary = match route.does {
        Does::Interactions(codes) => codes.join(", "),
        Does::Operation(name, _) => format!("${name}"),
        Does::Facts => "what the server is and does".to_string(),
    };
    let mut operation = json!({
        "summary": summary,
        "parameters": parameters(route),
        "responses": responses(),
    });
    if let (Some(operation), Some(body)) = (operation.as_object_mut(), body(route.takes)) {
        operation.insert("requestBody".into(), body);
    }
    operation
}

/// What stands in the path, and what says how to answer.
fn parameters(route: &Route) -> Vec<Value> {
    let names = route.path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    let mut parameters: Vec<Value> = names
        .map(|name| {
            let schema = match name {
                "ty" => type_name(),
                "version" => json!({ "type": "integer", "minimum": 1 }),
                _ => id(),
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect();
    let query =
        |name: &str, schema: Value| json!({ "name": name, "in": "query", "schema": schema });
    parameters.push(query(
        "_format",
        json!({ "type": "string", "enum": ["json", "xml"] }),
    ));
    parameters.push(query("_pretty", json!({ "type": "boolean" })));
    if route.does == Does::Interactions(&["search-type"]) && route.method == Method::GET {
        let summary = ["true", "text", "data", "count", "false"];
        parameters.push(query(
            "_summary",
            json!({ "type": "string", "enum": summary }),
        ));
        parameters.push(query("_count", json!({ "type": "integer", "minimum": 0 })));
        parameters.push(query("_id", id()));
        parameters.push(query("_lastUpdated", json!({ "type": "string" })));
    }
    if let Does::Operation("export", _) = route.does {
        let purposes: Vec<&str> = access::disclosure::purposes().collect();
        let schema = json!({ "type": "string", "enum": purposes });
        // By POST it may stand in the body.
        let required = route.method == Method::GET;
        parameters.push(
            json!({ "name": "_purpose", "in": "query", "required": required, "schema": schema }),
        );
        let exemptions =
            json!({ "type": "string", "enum": ["consented", "legal-duty", "anonymised"] });
        parameters.push(query("_optOutExemption", exemptions));
        parameters.push(query("_optOutReason", json!({ "type": "string" })));
        parameters.push(query("_optOutBy", json!({ "type": "string" })));
    }
    parameters.extend(of_subscriptions(route));
    if route.path.ends_with("_history") {
        parameters.push(query("_count", json!({ "type": "integer", "minimum": 1 })));
        parameters.push(query(
            "_since",
            json!({ "type": "string", "format": "date-time" }),
        ));
        parameters.push(query(
            "_at",
            json!({ "type": "string", "format": "date-time" }),
        ));
    }
    parameters
}

/// What is asked of subscriptions in an address; by POST it stands in the body.
fn of_subscriptions(route: &Route) -> Vec<Value> {
    let query =
        |name: &str, schema: Value| json!({ "name": name, "in": "query", "schema": schema });
    match (route.does, route.level()) {
        _ if route.method != Method::GET => Vec::new(),
        (Does::Operation("status", _), Level::Type) => {
            let state = json!({ "type": "string", "enum": asked::STATES });
            let all = |items: Value| json!({ "type": "array", "items": items });
            vec![query("id", all(id())), query("status", all(state))]
        }
        (Does::Operation("events", _), _) => {
            let number = json!({ "type": "integer", "minimum": 0 });
            let content = json!({ "type": "string", "enum": asked::CONTENTS });
            vec![
                query("eventsSinceNumber", number.clone()),
                query("eventsUntilNumber", number),
                query("content", content),
            ]
        }
        _ => Vec::new(),
    }
}

fn body(takes: Takes) -> Option<Value> {
    let resource = json!({ "schema": { "$ref": "#/components/schemas/Resource" } });
    let text = json!({ "schema": { "type": "string" } });
    let content = match takes {
        Takes::Nothing => return None,
        Takes::Resource | Takes::Bundle | Takes::Parameters => {
            json!({ (FHIR_JSON): resource, (FHIR_XML): text })
        }
        Takes::Patch => {
            let operations =
                json!({ "schema": { "type": "array", "items": { "type": "object" } } });
            json!({ (JSON_PATCH): operations, (FHIR_JSON): resource, (FHIR_XML): text })
        }
        Takes::Form => {
            let pairs = json!({ "type": "string" });
            let pairs = json!({ "schema": { "type": "object", "additionalProperties": pairs } });
            json!({ "application/x-www-form-urlencoded": pairs })
        }
    };
    Some(json!({ "required": true, "content": content }))
}

/// Every operation's responses: the shared ones.
fn responses() -> Value {
    let each = STATUSES.iter().map(|(status, _)| {
        let shared = json!({ "$ref": format!("#/components/responses/{status}") });
        ((*status).to_string(), shared)
    });
    Value::Object(each.collect())
}

fn answers() -> Value {
    let content = json!({ "schema": { "$ref": "#/components/schemas/Resource" } });
    let text = json!({ "schema": { "type": "string" } });
    let each = STATUSES.iter().map(|(status, description)| {
        let content = json!({ (FHIR_JSON): content, (FHIR_XML): text });
        let response = json!({ "description": description, "content": content });
        ((*status).to_string(), response)
    });
    Value::Object(each.collect())
}

fn type_name() -> Value {
    json!({ "$ref": "#/components/schemas/Type" })
}

fn id() -> Value {
    json!({ "$ref": "#/components/schemas/Id" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_in_the_document_and_nothing_else() {
        let document = document("http://127.0.0.1:8080/fhir");
        let paths = document["paths"].as_object().unwrap();
        let told: usize = paths
            .values()
            .map(|path| path.as_object().unwrap().len())
            .sum();
        assert_eq!(told, FHIR.len());
        for route in FHIR {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &paths[route.path][&method];
            assert_eq!(
                operation["requestBody"].is_null(),
                route.takes == Takes::Nothing
            );
        }
        let told = |path: &str| paths[path]["get"]["parameters"].to_string();
        assert!(told("/Subscription/$status").contains("\"requested\""));
        assert!(told("/Subscription/{id}/$events").contains("\"eventsUntilNumber\""));
        assert!(!told("/Subscription/{id}/$status").contains("\"requested\""));
    }
}
