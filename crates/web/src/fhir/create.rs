//! <https://hl7.org/fhir/R4/http.html#create>, with `If-None-Exist` conditional
//! (<https://hl7.org/fhir/R4/http.html#ccreate>).

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::response::{IntoResponse, Response};
use fhir::problem::{Kind, Problem};
use store::{Change, Expect, Job};

use super::ask::{Announced, Ask};
use super::condition::{Tries, matched};
use super::incoming::{self, IdOf, Incoming};
use super::{answer, format, query, upload};
use crate::failure::Failure;
use crate::node::Node;

pub async fn create(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    if ty == "Binary" && format::is_native(&ask.headers) {
        return Box::pin(upload::native(&node, &ask, request.into_body())).await;
    }
    let body = match Bytes::from_request(request, &()).await {
        Ok(body) => body,
        Err(rejected) => return Ok(rejected.into_response()),
    };
    let scope = ask.scope(&node, Interaction::Create, &ty).await?;
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    let condition = condition(&ask)?;
    let mut tries = Tries::default();
    loop {
        match attempt(&node, &ask, &scope, &ty, condition.as_deref(), &body).await {
            Err(failure) if tries.again(&failure.problem) => {}
            done => return done,
        }
    }
}

async fn attempt(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    ty: &str,
    condition: Option<&[(String, String)]>,
    body: &Bytes,
) -> Result<Response, Failure> {
    let incoming = Incoming::read(node, body.clone(), ty, IdOf::New).await?;
    let mut job = Job::default();
    if let Some(condition) = condition {
        let matched = matched(node, scope, ty, condition).await?;
        if let Some(found) = matched.found {
            return Ok(answer::there(ask, &node.site.fhir_url(), &found));
        }
        job.expected.push(matched.expected);
    }
    job.changes.push(Change::Put {
        release: incoming.release_of_new(node),
        resource: incoming.prepared,
        expect: Expect::Absent,
    });
    let committed = node.store.commit(scope, job).await?;
    let written = committed.written.first().ok_or_else(incoming::lost)?;
    let body = || incoming::rendered(&incoming.body, written);
    Ok(answer::written(ask, &node.site.fhir_url(), written, body))
}

/// The pairs of `If-None-Exist`, if there is one.
fn condition(ask: &Ask) -> Result<Option<Vec<(String, String)>>, Problem> {
    let Some(value) = ask.headers.get("if-none-exist") else {
        return Ok(None);
    };
    let message = "If-None-Exist is a query, such as identifier=https://example.org|1.";
    let text =
        std::str::from_utf8(value.as_bytes()).map_err(|_| Problem::new(Kind::Value, message))?;
    query::pairs(text.trim_start_matches('?')).map(Some)
}
