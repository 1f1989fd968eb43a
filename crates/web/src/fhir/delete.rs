//! <https://hl7.org/fhir/R4/http.html#delete>, and the conditional delete of one resource
//! (<https://hl7.org/fhir/R4/http.html#3.1.0.7.1>).

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use store::{Change, Expect, Job};

use super::answer;
use super::ask::{Announced, Ask};
use super::condition::{Tries, matched};
use crate::failure::Failure;
use crate::node::Node;

pub async fn delete(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((ty, id)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Delete, &ty).await?;
    ask.no_query()?;
    check_id(&id)?;
    gone(&node, &ask, &scope, Job::default(), ty, id).await
}

/// Deletes the one resource that the query matches; if several do, none.
pub async fn delete_matching(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Delete, &ty).await?;
    let mut tries = Tries::default();
    loop {
        match attempt(&node, &ask, &scope, &ty).await {
            Err(failure) if tries.again(&failure.problem) => {}
            done => return done,
        }
    }
}

async fn attempt(node: &Node, ask: &Ask, scope: &Scope, ty: &str) -> Result<Response, Failure> {
    let matched = matched(node, scope, ty, &ask.query).await?;
    let Some(found) = matched.found else {
        return match answer::if_match(ask)? {
            None => Ok(answer::gone(None)),
            expected => {
                let message = "The condition finds no resource.";
                let problem = Problem::new(Kind::Conflict, message);
                Err(answer::unless_matched(problem, expected))
            }
        };
    };
    let job = Job {
        expected: vec![matched.expected],
        ..Job::default()
    };
    gone(node, ask, scope, job, ty.to_string(), found.id).await
}

async fn gone(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    mut job: Job,
    ty: String,
    id: String,
) -> Result<Response, Failure> {
    let expected = answer::if_match(ask)?;
    let expect = expected.map_or(Expect::Anything, Expect::Version);
    job.changes.push(Change::Delete { ty, id, expect });
    match node.store.commit(scope, job).await {
        Ok(committed) => Ok(answer::gone(committed.written.first())),
        // What is not there need not be deleted, and what is beyond the scope looks the same.
        Err(problem) if problem.kind == Kind::NotFound && expected.is_none() => {
            Ok(answer::gone(None))
        }
        Err(problem) => Err(answer::unless_matched(problem, expected)),
    }
}
