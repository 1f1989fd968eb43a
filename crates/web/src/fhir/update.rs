//! <https://hl7.org/fhir/R4/http.html#update>: also creates, under the id that the caller chose.

use std::sync::Arc;

use access::Interaction;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::resource::check_id;
use store::{Change, Expect, Job};

use super::ask::Announced;
use super::incoming::{self, Incoming};
use super::{answer, format};
use crate::failure::Failure;
use crate::node::Node;

pub async fn update(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Update, &ty).await?;
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    check_id(&id)?;
    let expected = answer::if_match(&ask)?;
    let incoming = Incoming::read(&node, body, ty, id, true).await?;
    let put = Change::Put {
        release: incoming.release_of_changed(node.store.now()),
        resource: incoming.prepared,
        expect: expected.map_or(Expect::Anything, Expect::Version),
    };
    let committed = node.store.commit(&scope, Job::change(put)).await;
    let committed = committed.map_err(|problem| answer::unless_matched(problem, expected))?;
    let written = committed.written.first().ok_or_else(incoming::lost)?;
    let body = || incoming::rendered(&incoming.body, written);
    Ok(answer::written(&ask, &node.site.fhir_url(), written, body))
}
