//! <https://hl7.org/fhir/R4/http.html#create>

use std::sync::Arc;

use access::Interaction;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use store::{Change, Expect, Job};

use super::ask::{Announced, Ask};
use super::incoming::{self, Incoming};
use super::{answer, format};
use crate::failure::Failure;
use crate::node::Node;

pub async fn create(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Create, &ty).await?;
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    refuse_condition(&ask)?;
    let id = uuid::Uuid::new_v4().to_string();
    let incoming = Incoming::read(&node, body, ty, id, false).await?;
    let put = Change::Put {
        release: incoming.release_of_new(&node),
        resource: incoming.prepared,
        expect: Expect::Absent,
    };
    let committed = node.store.commit(&scope, Job::change(put)).await?;
    let written = committed.written.first().ok_or_else(incoming::lost)?;
    let body = || incoming::rendered(&incoming.body, written);
    Ok(answer::written(&ask, &node.site.fhir_url(), written, body))
}

/// Conditional creates are done in transactions only.
fn refuse_condition(ask: &Ask) -> Result<(), Problem> {
    if !ask.headers.contains_key("if-none-exist") {
        return Ok(());
    }
    let message = "If-None-Exist is not supported here; use ifNoneExist in a transaction.";
    Err(Problem::new(Kind::NotSupported, message))
}
