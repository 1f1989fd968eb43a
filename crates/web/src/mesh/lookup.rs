//! `GET /messageexchange/endpointlookup/{ods}/{workflow}` and `…/workflowsearch/{workflow}`: which
//! mailboxes take a workflow, here and at the members of the network. Nobody needs to prove anything:
//! it is what the directory says.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use exchange::MailboxNamed;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Door;
use super::answer::{Refused, Version};

pub(super) async fn endpoints(
    State(door): State<Arc<Door>>,
    Path((ods, workflow)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let version = Version::asked(&headers)?;
    let ods = ods.to_ascii_uppercase();
    Ok(answer(
        version,
        &door.exchange.endpoints(Some(&ods), &workflow),
    ))
}

pub(super) async fn workflow(
    State(door): State<Arc<Door>>,
    Path(workflow): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let version = Version::asked(&headers)?;
    Ok(answer(version, &door.exchange.endpoints(None, &workflow)))
}

fn answer(version: Version, found: &[MailboxNamed]) -> Response {
    let body = match version {
        Version::One => {
            let one = |it: &MailboxNamed| json!({ "address": it.id, "description": it.name, "endpoint_type": "MESH" });
            let results: Vec<Value> = found.iter().map(one).collect();
            let query = uuid::Uuid::new_v4().simple().to_string();
            json!({ "query_id": query, "results": results })
        }
        Version::Two => {
            let one = |it: &MailboxNamed| json!({ "mailbox_id": it.id, "mailbox_name": it.name });
            let results: Vec<Value> = found.iter().map(one).collect();
            json!({ "results": results })
        }
    };
    // Both versions write it as plain JSON.
    Version::One.answer(StatusCode::OK, body, Value::Null)
}
