//! <https://hl7.org/fhir/R4/http.html#transaction>: all of a Bundle or nothing of it.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::Body;
use fhir::bundle::{Outcome, Question, response};
use fhir::problem::{Kind, Problem};
use fhir::search::{Limits, Search};
use http::StatusCode;
use store::{Job, Written};

use super::ask::{Announced, Ask};
use super::plan::{Action, Place, Planned, Read};
use super::prefer::Return;
use super::{answer, batch, fetch, format, incoming, query};
use crate::failure::Failure;
use crate::node::Node;

pub async fn transaction(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    let scope = ask.scope(&node, Interaction::Transaction, "Bundle").await?;
    let (kind, outcomes) = match read(&node, &body, Vec::new()).await? {
        Read::Batch(entries) => {
            let outcomes = batch::outcomes(&node, &ask, entries).await?;
            ("batch-response", outcomes)
        }
        first => {
            let outcomes = outcomes(&node, &ask, &scope, &body, first).await?;
            ("transaction-response", outcomes)
        }
    };
    Ok(answer::json(StatusCode::OK, response(kind, &outcomes)))
}

pub(super) async fn read(
    node: &Node,
    body: &Bytes,
    answers: Vec<Option<String>>,
) -> Result<Read, Problem> {
    let now = node.store.now();
    let place = Place {
        base_url: node.site.fhir_url(),
        organisation: node.site.organisation.clone(),
        now,
        release_at: node.release_at(now),
    };
    let bytes = body.clone();
    node.fhir
        .work(body.len(), move || place.read(&bytes, &answers))
        .await
}

/// Does a transaction whose first reading is `first`; an outcome an entry, in the Bundle's order.
pub(super) async fn outcomes(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    body: &Bytes,
    first: Read,
) -> Result<Vec<Outcome>, Problem> {
    match first {
        Read::Ready(planned) => commit(node, ask, scope, planned).await,
        Read::Open(questions) => {
            // Nobody else may make what is looked for until this is committed.
            let _turn = node.fhir.conditional.lock().await;
            let mut answers = Vec::with_capacity(questions.len());
            for question in &questions {
                answers.push(find(node, scope, question).await?);
            }
            match read(node, body, answers).await? {
                Read::Ready(planned) => commit(node, ask, scope, planned).await,
                _ => Err(Problem::new(
                    Kind::Exception,
                    "The Bundle read differently twice.",
                )),
            }
        }
        Read::Batch(_) => Err(Problem::new(
            Kind::Invalid,
            "A batch cannot stand in a batch.",
        )),
    }
}

/// The id of the one resource that matches, if one does.
async fn find(node: &Node, scope: &Scope, asked: &Question) -> Result<Option<String>, Problem> {
    let pairs = query::pairs(&asked.query)?;
    let mut search = Search::parse(&asked.ty, &pairs, &node.site.fhir_url(), &Limits::default())?;
    if search.clauses.is_empty() {
        let message = "A conditional reference or create needs at least one condition.";
        return Err(Problem::new(Kind::Invalid, message));
    }
    search.count = 2;
    let mut page = node.store.search(scope, &search).await?;
    if page.entries.len() > 1 {
        let message = "A conditional reference or create matches several resources.";
        return Err(Problem::new(Kind::MultipleMatches, message));
    }
    Ok(page.entries.pop().map(|found| found.id))
}

/// What becomes of an entry.
enum Step {
    Put(Body),
    Delete,
    There,
    Get(String),
}

async fn commit(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    planned: Vec<Planned>,
) -> Result<Vec<Outcome>, Problem> {
    let mut job = Job::default();
    let mut steps = Vec::with_capacity(planned.len());
    for Planned {
        index,
        ty,
        id,
        action,
    } in planned
    {
        let step = match action {
            Action::Put(change, body) => {
                job.changes.push(*change);
                Step::Put(body)
            }
            Action::Delete(change) => {
                job.changes.push(change);
                Step::Delete
            }
            Action::AlreadyThere => Step::There,
            Action::Get(url) => Step::Get(url),
        };
        steps.push((index, ty, id, step));
    }
    let written = match job.changes.is_empty() {
        true => Vec::new(),
        false => node.store.commit(scope, job).await?.written,
    };
    let mut written = written.iter();
    let mut outcomes = vec![Outcome::default(); steps.len()];
    for (index, ty, id, step) in steps {
        let outcome = match step {
            Step::Put(body) => put(ask, &body, written.next().ok_or_else(incoming::lost)?),
            Step::Delete => deleted(written.next()),
            Step::There => there(&ty, &id),
            Step::Get(url) => fetch::outcome(node, ask, &url).await?,
        };
        if let Some(slot) = outcomes.get_mut(index) {
            *slot = outcome;
        }
    }
    Ok(outcomes)
}

fn put(ask: &Ask, body: &Body, written: &Written) -> Outcome {
    let wanted = ask.preference.returns == Some(Return::Representation);
    Outcome {
        status: if written.created {
            "201 Created"
        } else {
            "200 OK"
        }
        .to_string(),
        location: Some(format!(
            "{}/{}/_history/{}",
            written.ty, written.id, written.version
        )),
        version: Some(written.version),
        last_updated: Some(written.last_updated),
        resource: wanted.then(|| incoming::rendered(body, written)),
        outcome: None,
    }
}

fn deleted(written: Option<&Written>) -> Outcome {
    Outcome {
        status: "204 No Content".to_string(),
        version: written.map(|written| written.version),
        last_updated: written.map(|written| written.last_updated),
        ..Outcome::default()
    }
}

fn there(ty: &str, id: &str) -> Outcome {
    Outcome {
        status: "200 OK".to_string(),
        location: Some(format!("{ty}/{id}")),
        ..Outcome::default()
    }
}
