//! The terminology operations (<https://hl7.org/fhir/R4/terminology-service.html>), one file each,
//! by GET and POST, on a type and on one resource.

pub mod expand;
mod given;
pub mod lookup;
pub mod subsumes;
pub mod translate;
pub mod validate_code;

use access::Scope;
use axum::RequestPartsExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use fhir::json::{Json, Limits, parse};
use fhir::problem::Problem;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use store::Reading;

use super::ask::{Announced, Asked};
use super::{RESOURCE_BYTES_MAX, VALUES_MAX, absent, answer, check_known, deleted};
use crate::node::Node;

/// One call of an operation: by GET with a query, or by POST with a body; on a type, or on one resource of it.
pub struct Call {
    ask: Asked,
    body: Option<Bytes>,
    id: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Call, Response> {
        let (mut parts, body) = request.into_parts();
        let announced = Announced::from_request_parts(&mut parts, state).await;
        let Announced(ask) = announced.map_err(IntoResponse::into_response)?;
        let id = parts.extract::<Option<Path<String>>>().await;
        let id = id.map_err(IntoResponse::into_response)?;
        let takes_body = parts.method == Method::POST;
        let body = match takes_body {
            true => Some(Bytes::from_request(Request::from_parts(parts, body), state).await),
            false => None,
        };
        Ok(Call {
            ask,
            body: body.transpose().map_err(IntoResponse::into_response)?,
            id: id.map(|Path(id)| id),
        })
    }
}

/// The resource that an operation on one resource is about, as its bytes.
async fn instance(node: &Node, scope: &Scope, ty: &str, id: &str) -> Result<Bytes, Problem> {
    check_known(id)?;
    match node.store.read(scope, ty, id).await? {
        Reading::Found(found) => Ok(found.body),
        Reading::Deleted { .. } => Err(deleted()),
        Reading::Absent => Err(absent()),
    }
}

fn read(body: &[u8]) -> Result<Json<'_>, Problem> {
    let limits = Limits {
        bytes: RESOURCE_BYTES_MAX * 2,
        nodes: VALUES_MAX,
        depth: 255,
    };
    parse(body, &limits)
}

/// A Parameters resource of these.
fn parameters(parameters: Vec<Value>) -> Response {
    let body = json!({ "resourceType": "Parameters", "parameter": parameters });
    answer::json(StatusCode::OK, body.to_string())
}

/// One parameter, if it has a value: `named("display", "valueString", …)`.
fn named(name: &str, kind: &str, value: &str) -> Option<Value> {
    (!value.is_empty()).then(|| json!({ "name": name, kind: value }))
}

/// A designation's members.
fn designation(it: &fhir::terminology::compose::Designation) -> Value {
    let mut found = json!({ "value": it.value });
    if let Some(members) = found.as_object_mut() {
        if !it.language.is_empty() {
            members.insert("language".into(), it.language.clone().into());
        }
        if !it.used_as.1.is_empty() {
            members.insert("use".into(), used_as(&it.used_as));
        }
    }
    found
}

fn used_as((system, code): &(String, String)) -> Value {
    match system.is_empty() {
        true => json!({ "code": code }),
        false => json!({ "system": system, "code": code }),
    }
}
