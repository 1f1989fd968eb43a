//! `$reindex`: what resources are still to be indexed by, and how far that is.
//!
//! A SearchParameter that is created or changed brings its job by itself; `POST` asks for everything
//! to be indexed anew. Until a job is done, searches by its parameter are refused.

use std::sync::Arc;

use access::{Interaction, Outcome, Target};
use axum::extract::State;
use axum::response::Response;
use fhir::date::instant;
use fhir::problem::{Kind, Problem};
use http::StatusCode;
use serde_json::{Value, json};
use store::{Effect, Job, Reindex, ReindexState, ReindexWrite};

use crate::failure::Failure;
use crate::fhir::answer;
use crate::fhir::ask::Announced;
use crate::node::Node;

/// `GET /$reindex`: the jobs as Parameters, one `job` each.
pub async fn status(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    ask.scope(&node, Interaction::Search, "SearchParameter")
        .await?;
    ask.no_query()?;
    Ok(answer::json(StatusCode::OK, told(&node).await?))
}

/// `POST /$reindex`: asks for all resources to be indexed anew, and answers with the jobs.
pub async fn begin(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
) -> Result<Response, Failure> {
    let scope = ask
        .scope(&node, Interaction::Update, "SearchParameter")
        .await?;
    ask.no_query()?;
    let mut job = Job::effect(Effect::Reindex(ReindexWrite::Everything));
    let target = Target {
        ty: "SearchParameter".into(),
        query: Some("$reindex".into()),
        ..Target::default()
    };
    job.traces
        .push(scope.trace(Interaction::Update, Outcome::Success, target));
    node.store.commit(&scope, job).await.map_err(|problem| {
        let place = format!("{}/$reindex", node.site.fhir_url());
        match problem.kind {
            Kind::Conflict => Problem::new(
                Kind::Conflict,
                format!("All is being indexed anew already; {place} tells how far that is."),
            ),
            _ => problem,
        }
    })?;
    Ok(answer::json(StatusCode::ACCEPTED, told(&node).await?))
}

async fn told(node: &Node) -> Result<Vec<u8>, Problem> {
    let jobs = node.store.reindexing().await?;
    let jobs: Vec<Value> = jobs.iter().map(job).collect();
    let parameters = match jobs.is_empty() {
        // FHIR has no empty arrays.
        true => json!({ "resourceType": "Parameters" }),
        false => json!({ "resourceType": "Parameters", "parameter": jobs }),
    };
    Ok(parameters.to_string().into_bytes())
}

fn job(job: &Reindex) -> Value {
    let (state, words) = match job.state {
        ReindexState::Waiting => ("waiting", "has not begun".to_string()),
        ReindexState::Running => (
            "running",
            format!("{} of {} resources", job.done, job.total),
        ),
        ReindexState::Done => ("done", format!("all {} resources", job.done)),
        ReindexState::Refused => ("refused", job.problem.clone().unwrap_or_default()),
    };
    json!({ "name": "job", "part": [
        { "name": "name", "valueString": job.name },
        { "name": "state", "valueCode": state },
        { "name": "progress", "valueString": words },
        { "name": "done", "valueDecimal": job.done },
        { "name": "total", "valueDecimal": job.total },
        { "name": "changed", "valueInstant": instant(job.changed_at) },
    ] })
}
