//! <https://hl7.org/fhir/R4/http.html#delete>, and the conditional delete
//! (<https://hl7.org/fhir/R4/http.html#3.1.0.7.1>) of one resource or, where the node's settings say
//! so, of all that match.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use store::{Change, Expect, Job};

use super::answer;
use super::ask::{Announced, Ask};
use super::condition::{Tries, all_matched, matched};
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

/// How many resources a conditional delete may delete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConditionalDelete {
    /// One; if several match, none is deleted.
    #[default]
    Single,
    /// All that match, together, up to `Bounds::deleted_max`.
    Multiple,
}

impl ConditionalDelete {
    /// The code of <https://hl7.org/fhir/R4/valueset-conditional-delete-status.html>.
    pub fn code(self) -> &'static str {
        match self {
            ConditionalDelete::Single => "single",
            ConditionalDelete::Multiple => "multiple",
        }
    }
}

/// Deletes what the query matches, as far as the settings let it.
pub async fn delete_matching(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Delete, &ty).await?;
    let mut tries = Tries::default();
    loop {
        let attempt = match node.fhir.conditional_delete {
            ConditionalDelete::Single => attempt(&node, &ask, &scope, &ty).await,
            ConditionalDelete::Multiple => attempt_all(&node, &ask, &scope, &ty).await,
        };
        match attempt {
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

/// Deletes all that the query matches now, each as it was found, or nothing.
async fn attempt_all(node: &Node, ask: &Ask, scope: &Scope, ty: &str) -> Result<Response, Failure> {
    let at_most = node.fhir.bounds.deleted_max;
    let found = all_matched(node, scope, ty, &ask.query, at_most).await?;
    if found.len() < 2 {
        // Where it is one at most, its rules are those for one.
        return attempt(node, ask, scope, ty).await;
    }
    if answer::if_match(ask)?.is_some() {
        let message = "If-Match names one version, and the condition matches several resources.";
        return Err(Problem::new(Kind::MultipleMatches, message).into());
    }
    let changes = found.into_iter().map(|found| Change::Delete {
        ty: found.ty,
        id: found.id,
        expect: Expect::Version(found.version),
    });
    let job = Job {
        changes: changes.collect(),
        ..Job::default()
    };
    match node.store.commit(scope, job).await {
        Ok(_) => Ok(answer::gone(None)),
        // One of them was changed since: what matches is to be found anew.
        Err(problem) if problem.kind == Kind::Conflict => {
            let message = "What the condition matches is being changed by others; try again.";
            Err(Problem::new(Kind::LockError, message).into())
        }
        Err(problem) => Err(problem.into()),
    }
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
