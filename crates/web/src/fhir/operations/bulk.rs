//! Bulk jobs at the door: started, asked after, fetched from, cancelled
//! (<https://hl7.org/fhir/uv/bulkdata/STU2/export.html>). Only the account that started a job knows
//! it; to everybody else it does not exist.

use std::sync::Arc;

use access::{Disclosure, Interaction, Outcome, Scope, Target, Who};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date;
use fhir::problem::{Kind, Problem};
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LOCATION, CONTENT_TYPE, EXPIRES, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use store::bulk::{BulkJob, BulkState, BulkWrite, File};
use store::{Effect, Job};

use super::export;
use crate::failure::Failure;
use crate::fhir::answer;
use crate::fhir::ask::{Announced, Ask};
use crate::node::Node;

/// What a file of resources is.
const NDJSON: &str = "application/fhir+ndjson";
/// A piece of a file that is sent at once, about, in bytes.
const PIECE_BYTES: usize = 64 << 10;
/// The file of what an import did not take in, or of what an export of records cannot bring.
const REFUSED: &str = "OperationOutcome";
const HOUR: date::Millis = 3_600_000;

/// Bulk requests are asynchronous only.
///
/// # Errors
/// `Invalid` without `Prefer: respond-async`.
pub fn needs_async(headers: &HeaderMap) -> Result<(), Problem> {
    let wishes = headers.get_all("prefer").iter();
    let mut wishes = wishes
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']));
    if wishes.any(|wish| wish.trim() == "respond-async") {
        return Ok(());
    }
    let message = "This operation is asynchronous: send Prefer: respond-async.";
    Err(Problem::new(Kind::Invalid, message))
}

/// Who asks, as the owner of jobs.
pub fn account(ask: &Ask) -> Result<i64, Problem> {
    match &ask.visit.known()?.who {
        Who::Patient { account, .. } | Who::Staff { account, .. } => Ok(*account),
        Who::Peer { .. } | Who::Node => {
            Err(Problem::new(Kind::Forbidden, "Bulk jobs are for accounts."))
        }
    }
}

/// Keeps an import; gives its id.
pub async fn keep(
    node: &Node,
    ask: &Ask,
    request: &impl Serialize,
    state: BulkState,
) -> Result<String, Problem> {
    let scope = ask.scope(node, Interaction::Import, "Bundle").await?;
    let start = ("import", state, String::new());
    kept(node, ask, &scope, start, request).await
}

/// Keeps an export, whose line in the log says what it is for; gives its id.
pub async fn keep_for(
    node: &Node,
    ask: &Ask,
    disclosure: &Disclosure,
    request: &impl Serialize,
) -> Result<String, Problem> {
    let scope = ask.scope(node, Interaction::Export, "Bundle").await?;
    let scope = scope.for_disclosure(disclosure);
    let start = (
        "export",
        BulkState::Accepted,
        format!(", {}", disclosure.told()),
    );
    kept(node, ask, &scope, start, request).await
}

/// What blocks an export is at odds with what is there, and is told so: 409.
pub fn blocked(problem: Problem) -> Failure {
    match problem.kind {
        Kind::BusinessRule => Failure::with_status(problem, StatusCode::CONFLICT),
        _ => problem.into(),
    }
}

async fn kept(
    node: &Node,
    ask: &Ask,
    scope: &Scope,
    (kind, state, told): (&'static str, BulkState, String),
    request: &impl Serialize,
) -> Result<String, Problem> {
    let request = serde_json::to_string(request)
        .map_err(|error| Problem::new(Kind::Exception, "The job cannot be kept.").because(error))?;
    let id = uuid::Uuid::new_v4().to_string();
    let hours = i64::from(node.bulk.keep_hours);
    let start = BulkWrite::Start {
        id: id.clone(),
        kind,
        account: account(ask)?,
        request,
        state,
        expires_at: node.store.now().saturating_add(hours * HOUR),
        open_max: node.bulk.jobs_a_caller_max,
    };
    let target = Target {
        query: Some(format!("bulk job {id}{told}").into()),
        ..Target::default()
    };
    let job = Job {
        effects: vec![Effect::Bulk(start)],
        traces: vec![scope.trace(scope.interaction(), Outcome::Success, target)],
        ..Job::default()
    };
    node.store.commit(scope, job).await?;
    Ok(id)
}

/// 202 with where to ask after a job, which the worker is told of.
pub fn accepted(node: &Node, id: &str) -> Response {
    node.bulk.wake.notify_one();
    let mut response = answer::json(StatusCode::ACCEPTED, answer::all_well());
    let location = format!("{}/$bulk/{id}", node.site.fhir_url());
    set(&mut response, CONTENT_LOCATION, &location);
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The caller's own job.
async fn own(node: &Node, ask: &Ask, id: &str) -> Result<BulkJob, Problem> {
    let account = account(ask)?;
    let job = node.store.bulk_job(id).await?;
    let now = node.store.now();
    job.filter(|job| job.account == account && job.expires_at > now)
        .ok_or_else(|| Problem::new(Kind::NotFound, "There is no such bulk job."))
}

/// `GET $bulk/[job]`: 202 while it is under way, the manifest once it is done.
pub async fn status(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    ask.no_query()?;
    let job = own(&node, &ask, &id).await?;
    match job.state {
        BulkState::Receiving | BulkState::Accepted => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::ACCEPTED;
            let mut progress = format!("{} resources", job.done);
            if job.refused > 0 {
                progress.push_str(&format!(", {} lines refused", job.refused));
            }
            set(
                &mut response,
                HeaderName::from_static("x-progress"),
                &progress,
            );
            set(&mut response, RETRY_AFTER, "1");
            Ok(response)
        }
        BulkState::Done => {
            // What there is of each type is told only to whom it may still be given.
            if job.kind == "export" {
                ask.scope(&node, Interaction::Export, "Bundle").await?;
            }
            manifest(&node, &job).await
        }
        BulkState::Failed => {
            let reason = job.reason.unwrap_or_default();
            let message = format!("The bulk job failed: {reason} Start it again.");
            Err(Problem::new(Kind::Processing, message).into())
        }
    }
}

async fn manifest(node: &Node, job: &BulkJob) -> Result<Response, Failure> {
    let request: Value = serde_json::from_str(&job.request).unwrap_or_default();
    let address = |ty: &str| format!("{}/$bulk/{}/{ty}", node.site.fhir_url(), job.id);
    let files = node.store.bulk_files(&job.id).await?;
    let output: Vec<Value> = files
        .iter()
        .map(|(ty, count)| json!({ "type": ty, "url": address(ty), "count": count }))
        .collect();
    let mut error = Vec::new();
    if job.refused > 0 {
        error.push(json!({ "type": REFUSED, "url": address(REFUSED), "count": job.refused }));
    }
    let export = match job.kind.as_str() {
        "import" => None,
        _ => Some(export::Request::of(job)?),
    };
    let beyond = export.as_ref().map_or(0, |it| it.beyond_records().len());
    if beyond > 0 {
        error.push(json!({ "type": REFUSED, "url": address(REFUSED), "count": beyond }));
    }
    let before = request
        .get("before")
        .and_then(Value::as_i64)
        .unwrap_or(job.started_at + 1);
    let mut told = json!({
        "transactionTime": date::instant(before - 1),
        "request": request.get("url"),
        "requiresAccessToken": true,
        "output": output,
        "error": error,
    });
    let extension = match &export {
        None => json!({ "imported": job.done, "refused": job.refused }),
        // How many were left out is for the log: of a small group it would say who.
        Some(export) => {
            let disclosure = export.said.disclosure()?;
            json!({
                "purpose": disclosure.code(),
                "optOutApplied": disclosure.opt_out_applies(),
                "optOutExemption": disclosure.exempted().map(|it| it.why.code()),
            })
        }
    };
    if let Some(told) = told.as_object_mut() {
        told.insert("extension".into(), extension);
    }
    let mut response = answer::json(StatusCode::OK, told.to_string());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    set(&mut response, EXPIRES, &date::http_date(job.expires_at));
    Ok(response)
}

/// `DELETE $bulk/[job]`: cancels it and drops what it made.
pub async fn cancel(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    ask.no_query()?;
    let job = own(&node, &ask, &id).await?;
    let scope = access::Scope::system(access::SystemPurpose::BulkJobs);
    let remove = BulkWrite::Remove { id: job.id };
    node.store
        .commit(&scope, Job::effect(Effect::Bulk(remove)))
        .await?;
    Ok(answer::json(StatusCode::ACCEPTED, answer::all_well()))
}

/// `GET $bulk/[job]/[type]`: one file, streamed.
pub async fn file(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    Path((id, ty)): Path<(String, String)>,
) -> Result<Response, Failure> {
    ask.no_query()?;
    let job = own(&node, &ask, &id).await?;
    if job.state != BulkState::Done {
        let message = "The bulk job is not done; its files come with the manifest.";
        return Err(Problem::new(Kind::NotFound, message).into());
    }
    let body = match job.kind.as_str() {
        "import" if ty == REFUSED => refused_lines(node.clone(), job.id),
        "import" => return Err(crate::fhir::absent().into()),
        _ => match beyond_records(&job)?.filter(|_| ty == REFUSED) {
            Some(lines) => Body::from(lines),
            None => resources(&node, &ask, &job, &ty).await?,
        },
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(response)
}

/// An OperationOutcome a line for each type that was asked for and that an export of records cannot
/// bring; nothing if there is none.
fn beyond_records(job: &BulkJob) -> Result<Option<String>, Problem> {
    let request = export::Request::of(job)?;
    let mut lines = String::new();
    for ty in request.beyond_records() {
        lines.push_str(&export::beyond_records(ty).operation_outcome().to_string());
        lines.push('\n');
    }
    Ok((!lines.is_empty()).then_some(lines))
}

async fn resources(node: &Node, ask: &Ask, job: &BulkJob, ty: &str) -> Result<Body, Failure> {
    let id = job.id.clone();
    let request = export::Request::of(job)?;
    let disclosure = request.said.disclosure()?;
    let scope = ask.scope(node, Interaction::Export, ty).await?;
    let scope = scope.for_disclosure(&disclosure);
    let files = node.store.bulk_files(&id).await?;
    if !files.iter().any(|(known, _)| known == ty) {
        return Err(crate::fhir::absent().into());
    }
    // Who opted out since the list was made is left out all the same.
    let bar = request.bar(node, &disclosure).await.map_err(blocked)?;
    let target = Target {
        ty: ty.to_string().into(),
        query: Some(format!("bulk job {id}").into()),
        ..Target::default()
    };
    // Whose records it holds was written down as the export found them.
    let traces = vec![scope.trace(Interaction::Export, Outcome::Success, target)];
    let job = Job {
        traces,
        ..Job::default()
    };
    node.store.commit(&scope, job).await?;
    let mut file = node.store.bulk_file(&scope, &id, ty).await?;
    if let Some(bar) = bar {
        file = file.barring(bar);
    }
    let pieces = stream::unfold(Some(file), |file| async {
        let mut file = file?;
        match piece(&mut file).await {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => Some((Ok(piece), Some(file))),
            Err(problem) => {
                tracing::error!(?problem, "a file of an export broke off");
                Some((Err(std::io::Error::other("the file broke off")), None))
            }
        }
    });
    Ok(Body::from_stream(pieces.fuse()))
}

async fn piece(file: &mut File) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(PIECE_BYTES * 2);
    while out.len() < PIECE_BYTES {
        let some = file.next().await?;
        if some.is_empty() {
            break;
        }
        for version in some {
            out.extend_from_slice(&version.body);
            out.push(b'\n');
        }
    }
    Ok(out)
}

/// An OperationOutcome a line that an import did not take in: its number and why.
fn refused_lines(node: Arc<Node>, id: String) -> Body {
    let pieces = stream::unfold(Some((node, id, 0)), |state| async {
        let (node, id, after) = state?;
        let lines = match node.store.bulk_bad_lines(&id, after, 200).await {
            Ok(lines) if lines.is_empty() => return None,
            Ok(lines) => lines,
            Err(problem) => {
                tracing::error!(?problem, "a list of refused lines broke off");
                return Some((Err(std::io::Error::other("the list broke off")), None));
            }
        };
        let mut out = String::new();
        let mut last = after;
        for line in lines {
            let problem = Problem::new(Kind::Processing, line.reason);
            let problem = problem.located(format!("line {}", line.line));
            out.push_str(&problem.operation_outcome().to_string());
            out.push('\n');
            last = line.line;
        }
        Some((Ok(out), Some((node, id, last))))
    });
    Body::from_stream(pieces.fuse())
}
