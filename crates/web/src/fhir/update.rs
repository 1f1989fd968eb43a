//! <https://hl7.org/fhir/R4/http.html#update>: also creates, under the id that the caller chose, where
//! no id can be taken by what is hidden from them; and the conditional update (<https://hl7.org/fhir/R4/http.html#cond-update>).

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use http::StatusCode;
use http::header::IF_NONE_MATCH;
use store::{Change, Expect, Job, Reading};

use super::ask::{Announced, Ask};
use super::condition::{Tries, matched};
use super::incoming::{self, IdOf, Incoming};
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
    let incoming = Incoming::read(&node, body, &ty, IdOf::Address(id.clone())).await?;
    let expect = match scope.may_choose_ids() {
        true => Expect::Anything,
        false => {
            if is_create_only(&ask) {
                return Err(never_created(&node, &scope, &ty, &id).await?);
            }
            Expect::Exists
        }
    };
    put(&node, &ask, &scope, Job::default(), incoming, expect).await
}

fn is_create_only(ask: &Ask) -> bool {
    let tag = ask.header(IF_NONE_MATCH);
    tag.is_some_and(|tag| tag.trim() == "*")
}

/// What answers a create under a chosen id where none may be chosen.
async fn never_created(node: &Node, scope: &Scope, ty: &str, id: &str) -> Result<Failure, Problem> {
    Ok(match node.store.read(scope, ty, id).await? {
        Reading::Found(_) => {
            let message = "A resource of this type and id is there already.";
            let problem = Problem::new(Kind::Duplicate, message).at(format!("{ty}/{id}"));
            Failure::with_status(problem, StatusCode::PRECONDITION_FAILED)
        }
        Reading::Deleted { .. } | Reading::Absent => super::absent().into(),
    })
}

/// Updates what the query matches, or creates.
pub async fn update_matching(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(ty): Path<String>,
    body: Bytes,
) -> Result<Response, Failure> {
    let scope = ask.scope(&node, Interaction::Update, &ty).await?;
    format::is_sent(&ask.headers)?;
    let mut tries = Tries::default();
    loop {
        match attempt(&node, &ask, &scope, &ty, &body).await {
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
    body: &Bytes,
) -> Result<Response, Failure> {
    let matched = matched(node, scope, ty, &ask.query).await?;
    let (found, expect) = match matched.found {
        Some(found) => (Some(found.id), Expect::Exists),
        None => (None, Expect::Absent),
    };
    let incoming = Incoming::read(node, body.clone(), ty, IdOf::Found(found)).await?;
    if incoming.is_chosen && !scope.may_choose_ids() {
        let id = incoming.prepared.id();
        node.store.refused_as_absent(scope, ty, id).await?;
        return Err(super::absent().into());
    }
    let job = Job {
        expected: vec![matched.expected],
        ..Job::default()
    };
    put(node, ask, scope, job, incoming, expect).await
}

async fn put(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    mut job: Job,
    incoming: Incoming,
    expect: Expect,
) -> Result<Response, Failure> {
    let expected = answer::if_match(ask)?;
    let create_only = is_create_only(ask);
    job.changes.push(Change::Put {
        release: incoming.release_of_changed(node.store.now()),
        resource: incoming.prepared,
        expect: match (expected, create_only) {
            (Some(version), _) => Expect::Version(version),
            (None, true) => Expect::Absent,
            (None, false) => expect,
        },
    });
    let committed = node.store.commit(scope, job).await.map_err(|problem| {
        if create_only && problem.kind == Kind::Duplicate {
            return Failure::with_status(problem, StatusCode::PRECONDITION_FAILED);
        }
        answer::unless_matched(problem, expected)
    })?;
    let written = committed.written.first().ok_or_else(incoming::lost)?;
    let body = || incoming::rendered(&incoming.body, written);
    Ok(answer::written(ask, &node.site.fhir_url(), written, body))
}
