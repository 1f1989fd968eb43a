//! <https://hl7.org/fhir/R4/http.html#transaction>: all of a Bundle or nothing of it.

use std::collections::HashMap;
use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use fhir::Body;
use fhir::bundle::{Outcome, Question, response};
use fhir::problem::{Kind, Problem};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use store::{Change, Expect, Job, Version, Written};

use super::ask::{Announced, Ask};
use super::condition::{Matched, Tries, matched};
use super::fetch::{Look, Looks};
use super::plan::{Action, Place, Planned, Read};
use super::prefer::Return;
use super::{answer, batch, format, incoming, query};
use crate::failure::Failure;
use crate::node::Node;

/// Conditions looked for at a time, so that their traces share commits.
const QUESTIONS_AT_ONCE: usize = 16;
/// Conditions that one transaction may rest on: the writer asks each again while all others wait.
const QUESTIONS_MAX: usize = 2000;

/// What the entries of one Bundle share.
pub struct Work<'a> {
    pub node: &'a Arc<Node>,
    pub ask: &'a Ask,
    looks: Looks,
    /// Whether each entry stands by itself.
    is_batch: bool,
}

pub async fn transaction(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Bytes,
) -> Result<Response, Failure> {
    ask.no_query()?;
    format::is_sent(&ask.headers)?;
    let scope = ask.scope(&node, Interaction::Transaction, "Bundle").await?;
    let first = read(&node, &body, Vec::new()).await?;
    let work = Work {
        node: &node,
        ask: &ask,
        looks: Looks::new(&node),
        is_batch: matches!(first, Read::Batch(_)),
    };
    let (kind, outcomes) = match first {
        Read::Batch(entries) => ("batch-response", batch::outcomes(&work, entries).await?),
        first => {
            let outcomes = outcomes(&work, &scope, &body, first).await?;
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
        bounds: node.fhir.bounds,
        organisation: node.site.organisation.clone(),
        now,
        release_at: node.release_at(now),
    };
    let bytes = body.clone();
    let read = node
        .fhir
        .work(body.len(), move || place.read(&bytes, &answers))
        .await?;
    if let Read::Ready(_) = read {
        super::validate::enforce(node, body).await?;
    }
    Ok(read)
}

/// Does a transaction whose first reading is `first`; an outcome an entry, in the Bundle's order.
/// Where another's change comes between a look and the commit, it looks again.
pub(super) async fn outcomes(
    work: &Work<'_>,
    scope: &Scope,
    body: &Bytes,
    first: Read,
) -> Result<Vec<Outcome>, Failure> {
    let (mut first, mut tries) = (Some(first), Tries::default());
    loop {
        let open = match first.take() {
            Some(first) => first,
            None => read(work.node, body, Vec::new()).await?,
        };
        match attempt(work, scope, body, open).await {
            Err(failure) if tries.again(&failure.problem) => {}
            done => return done,
        }
    }
}

async fn attempt(
    work: &Work<'_>,
    scope: &Scope,
    body: &Bytes,
    open: Read,
) -> Result<Vec<Outcome>, Failure> {
    let questions = match open {
        Read::Ready(planned) => return commit(work, scope, planned, Vec::new()).await,
        Read::Open(questions) => questions,
        Read::Batch(_) => {
            let message = "A batch cannot stand in a batch.";
            return Err(Problem::new(Kind::Invalid, message).into());
        }
    };
    if questions.len() > QUESTIONS_MAX {
        let message = format!(
            "A transaction has at most {QUESTIONS_MAX} different conditions; send it in parts."
        );
        let problem = Problem::new(Kind::TooCostly, message).at("Bundle.entry");
        return Err(problem.into());
    }
    let answers = stream::iter(questions).map(|question| find(work.node, scope, question));
    let answers: Vec<Matched> = answers.buffered(QUESTIONS_AT_ONCE).try_collect().await?;
    let ids = answers
        .iter()
        .map(|answer| answer.found.as_ref().map(|found| found.id.clone()));
    match read(work.node, body, ids.collect()).await? {
        Read::Ready(planned) => commit(work, scope, planned, answers).await,
        _ => {
            let message = "The Bundle read differently twice.";
            Err(Problem::new(Kind::Exception, message).into())
        }
    }
}

/// What matches.
async fn find(node: &Node, scope: &Scope, asked: Question) -> Result<Matched, Problem> {
    let pairs = query::pairs(&asked.query)?;
    matched(node, scope, &asked.ty, &pairs).await
}

/// What becomes of an entry.
enum Step {
    Put(Body),
    Delete,
    There,
    Nothing,
    Look(Look),
}

async fn commit(
    work: &Work<'_>,
    scope: &Scope,
    planned: Vec<Planned>,
    answers: Vec<Matched>,
) -> Result<Vec<Outcome>, Failure> {
    let mut job = Job::default();
    let mut known = HashMap::new();
    for answer in answers {
        job.expected.push(answer.expected);
        let found = answer.found;
        known.extend(found.map(|found| ((found.ty.clone(), found.id.clone()), found)));
    }
    let mut steps = Vec::with_capacity(planned.len());
    for Planned {
        index,
        ty,
        id,
        is_chosen,
        action,
    } in planned
    {
        let step = match action {
            Action::Put(change, body) => {
                let may_create = !is_chosen || scope.may_choose_ids();
                job.changes.push(match may_create {
                    true => *change,
                    false => of_what_is_there(work.node, scope, *change).await?,
                });
                Step::Put(body)
            }
            Action::Delete(change) => {
                job.changes.push(change);
                Step::Delete
            }
            Action::Patch(patch, expect) => {
                let made = patch.made(work.node, scope, &ty, &id, expect).await?;
                job.expected.push(made.expected);
                job.changes.push(made.change);
                Step::Put(made.body)
            }
            Action::AlreadyThere => Step::There,
            Action::NothingThere => Step::Nothing,
            Action::Look(look) if look.changes() && !work.is_batch => {
                let message = "This operation changes something by itself, which a transaction \
                               could not take back; ask for it in a batch, or by itself.";
                let place = format!("Bundle.entry[{index}].request.url");
                return Err(Problem::new(Kind::NotSupported, message).at(place).into());
            }
            Action::Look(look) => Step::Look(look),
        };
        steps.push((index, ty, id, step));
    }
    let written = written(work.node, scope, job).await?;
    let mut written = written.iter();
    let mut outcomes = vec![Outcome::default(); steps.len()];
    for (index, ty, id, step) in steps {
        let outcome = match step {
            Step::Put(body) => put(work.ask, &body, written.next().ok_or_else(incoming::lost)?),
            Step::Delete => deleted(written.next()),
            Step::Nothing => deleted(None),
            Step::There => there(&ty, &id, known.get(&(ty.clone(), id.clone()))),
            Step::Look(look) => work.looks.outcome(work.ask, &look).await,
        };
        if let Some(slot) = outcomes.get_mut(index) {
            *slot = outcome;
        }
    }
    Ok(outcomes)
}

/// The change, of a resource that is there; not to create one (see `Scope::may_choose_ids`).
async fn of_what_is_there(
    node: &Node,
    scope: &Scope,
    mut change: Change,
) -> Result<Change, Problem> {
    if let Change::Put {
        resource, expect, ..
    } = &mut change
    {
        match expect {
            Expect::Absent => {
                let (ty, id) = (resource.ty(), resource.id());
                node.store.refused_as_absent(scope, ty, id).await?;
                let place = format!("{ty}/{id}");
                return Err(super::absent().at(place));
            }
            Expect::Anything => *expect = Expect::Exists,
            Expect::Exists | Expect::Version(_) => {}
        }
    }
    Ok(change)
}

async fn written(node: &Node, scope: &Scope, job: Job) -> Result<Vec<Written>, Failure> {
    if job.changes.is_empty() {
        return Ok(Vec::new());
    }
    let has_tag = job.changes.iter().any(|change| match change {
        Change::Put { expect, .. } | Change::Delete { expect, .. } => {
            matches!(expect, Expect::Version(_))
        }
        Change::Release { .. } | Change::Veil { .. } => false,
    });
    match node.store.commit(scope, job).await {
        Ok(committed) => Ok(committed.written),
        Err(problem) if has_tag && problem.kind == Kind::Conflict => Err(Failure::with_status(
            problem,
            StatusCode::PRECONDITION_FAILED,
        )),
        Err(problem) => Err(problem.into()),
    }
}

fn put(ask: &Ask, body: &Body, written: &Written) -> Outcome {
    let wanted = ask.preference.returns == Some(Return::Representation);
    let told = ask.preference.returns == Some(Return::Outcome);
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
        outcome: told.then(|| answer::all_well().into_bytes()),
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

/// What a conditional create found; without its version where this very Bundle makes it.
fn there(ty: &str, id: &str, found: Option<&Version>) -> Outcome {
    let location = match found {
        Some(found) => format!("{ty}/{id}/_history/{}", found.version),
        None => format!("{ty}/{id}"),
    };
    Outcome {
        status: "200 OK".to_string(),
        location: Some(location),
        version: found.map(|found| found.version),
        last_updated: found.map(|found| found.last_updated),
        ..Outcome::default()
    }
}
