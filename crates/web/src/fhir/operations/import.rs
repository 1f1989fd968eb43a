//! `$import`: resources as NDJSON, a line each, taken in in the background. Every line that is a
//! valid resource is stored as by an update (under its id, or one that follows from its place); every
//! other is kept and listed with its number and the reason.

use std::sync::Arc;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use fhir::date::Millis;
use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use fhir::problem::{Kind, Problem};
use fhir::resource::type_and_id;
use fhir::validate::validate;
use futures_util::StreamExt;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use store::bulk::{BadLine, BulkJob, BulkState, BulkWrite};
use store::{Change, Effect, Expect, Job, Prepared, Store};

use super::{bulk, bulk_worker};
use crate::failure::Failure;
use crate::fhir::ask::Announced;
use crate::fhir::incoming::release_of_changed;
use crate::fhir::validate::{Enforced, enforce};
use crate::node::Node;

/// Lines kept together, about, in bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// Lines taken in in one commit.
pub const LINES_AT_ONCE: usize = 500;
/// Refused lines after which an import is given up: then it is not what it seems.
const REFUSED_MAX: u64 = 10_000;

/// `POST $import`, the body `application/fhir+ndjson`. 202 once every line is on the disk.
pub async fn import(
    State(node): State<Arc<Node>>,
    Announced(ask): Announced,
    body: Body,
) -> Result<Response, Failure> {
    ask.scope(&node, Interaction::Import, "Bundle").await?;
    ask.no_query()?;
    bulk::needs_async(&ask.headers)?;
    let kind = ask.header(CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !matches!(kind, "application/fhir+ndjson" | "application/ndjson") {
        let message = "The Content-Type of an $import is application/fhir+ndjson.";
        let problem = Problem::new(Kind::NotSupported, message);
        return Err(Failure::with_status(
            problem,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ));
    }
    let request = json!({ "url": format!("{}/$import", node.site.fhir_url()) });
    let id = bulk::keep(&node, &ask, &request, BulkState::Receiving).await?;
    let mut place = Place {
        node: Some(node.clone()),
        id: id.clone(),
    };
    let received = receive(&node, &id, body).await;
    place.node = None;
    if let Err(problem) = received {
        write(&node, BulkWrite::Remove { id }).await?;
        return Err(problem.into());
    }
    Ok(bulk::accepted(&node, &id))
}

/// The place of an import that is coming in. A client that goes away ends its request between two
/// steps; then this gives the place back. After a crash the store's lease does.
struct Place {
    node: Option<Arc<Node>>,
    id: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let (Some(node), Ok(runtime)) = (self.node.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let remove = BulkWrite::Remove {
            id: std::mem::take(&mut self.id),
        };
        runtime.spawn(async move {
            if let Err(problem) = write(&node, remove).await {
                tracing::error!(?problem, "an import that broke off could not be removed");
            }
        });
    }
}

async fn write(node: &Node, write: BulkWrite) -> Result<(), Problem> {
    let scope = Scope::system(SystemPurpose::BulkJobs);
    let job = Job::effect(Effect::Bulk(write));
    node.store.commit(&scope, job).await.map(|_| ())
}

/// Keeps the lines as they come in, then lets the job begin.
async fn receive(node: &Node, id: &str, body: Body) -> Result<(), Problem> {
    let mut pieces = body.into_data_stream();
    let bytes_max = node.fhir.bounds.resource_bytes_max + CHUNK_BYTES;
    let (mut waiting, mut bytes) = (Vec::new(), 0_u64);
    let (mut number, mut line) = (0, 1);
    while let Some(piece) = pieces.next().await {
        let piece = piece
            .map_err(|error| Problem::new(Kind::Incomplete, "The body broke off.").because(error));
        let piece = piece
            .map_err(|error| Problem::new(Kind::Invalid, "The body broke off.").because(error))?;
        bytes += piece.len() as u64;
        if bytes > node.bulk.import_bytes_max {
            let message = "The import is larger than this node takes; split it.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        // What came packed comes in one piece, with any number of lines.
        for some in piece.chunks(CHUNK_BYTES) {
            waiting.extend_from_slice(some);
            if waiting.len() >= CHUNK_BYTES
                && let Some(end) = waiting.iter().rposition(|byte| *byte == b'\n')
            {
                let rest = waiting.split_off(end + 1);
                let lines = std::mem::replace(&mut waiting, rest);
                line += chunk(node, id, number, line, lines).await?;
                number += 1;
            }
            if waiting.len() > bytes_max {
                let message = format!("Line {line} is larger than a resource may be.");
                return Err(Problem::new(Kind::TooLong, message));
            }
        }
    }
    if !waiting.is_empty() {
        chunk(node, id, number, line, waiting).await?;
    }
    let advance = BulkWrite::Advance {
        id: id.to_string(),
        from: String::new(),
        to: "0.0".into(),
        state: BulkState::Accepted,
        done: 0,
        keys: Vec::new(),
        bad: Vec::new(),
    };
    write(node, advance).await
}

/// Keeps some lines; gives how many.
async fn chunk(
    node: &Node,
    id: &str,
    number: u32,
    first_line: u64,
    lines: Vec<u8>,
) -> Result<u64, Problem> {
    let count = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
    let chunk = BulkWrite::Chunk {
        id: id.to_string(),
        number,
        first_line,
        lines,
    };
    write(node, chunk).await?;
    Ok(count)
}

/// Takes in the lines of a job to its end. Where it stands is `chunk.line`: the lines of the chunk
/// that are done.
pub async fn finish(node: &Node, job: BulkJob) -> Result<(), Problem> {
    let scope = bulk_worker::scope_of(node, job.account, (Interaction::Import, &job.id)).await?;
    let (chunk, skip) = job.cursor.split_once('.').unwrap_or(("0", "0"));
    let mut number: u32 = chunk.parse().unwrap_or_default();
    let mut skip: usize = skip.parse().unwrap_or_default();
    let mut from = job.cursor.clone();
    let mut refused = job.refused;
    let taking = Taking {
        store: &node.store,
        organisation: &node.site.organisation,
        limits: node.fhir.bounds.of_resource(),
        scope: &scope,
        id: &job.id,
        state: BulkState::Accepted,
        held: Held::Door(node),
    };
    while let Some((first_line, bytes)) = node.store.bulk_chunk(&job.id, number).await? {
        let lines: Vec<Line> = numbered(&bytes.into(), first_line);
        for some in lines.get(skip..).unwrap_or_default().chunks(LINES_AT_ONCE) {
            node.store.let_others_first().await;
            skip += some.len();
            let to = format!("{number}.{skip}");
            refused += taking.step(&from, &to, some).await?.len() as u64;
            if refused > REFUSED_MAX {
                let message = format!("More than {REFUSED_MAX} lines were refused.");
                return Err(Problem::new(Kind::Processing, message));
            }
            from = to;
        }
        (number, skip) = (number + 1, 0);
    }
    let advance = BulkWrite::Advance {
        id: job.id.clone(),
        from: from.clone(),
        to: from,
        state: BulkState::Done,
        done: 0,
        keys: Vec::new(),
        bad: Vec::new(),
    };
    write(node, advance).await
}

/// A line and its number.
pub type Line = (u64, Bytes);

/// The lines that are not blank, with their numbers.
pub fn numbered(bytes: &Bytes, first: u64) -> Vec<Line> {
    let lines = (first..).zip(bytes.split(|byte| *byte == b'\n'));
    lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(number, line)| (number, bytes.slice_ref(line)))
        .collect()
}

/// Whose lines are taken in, and where it is noted how far that is.
pub struct Taking<'t> {
    pub store: &'t Store,
    pub organisation: &'t Ods,
    /// The bounds of a resource.
    pub limits: Limits,
    pub scope: &'t Scope,
    /// The bulk job.
    pub id: &'t str,
    /// What its state stays.
    pub state: BulkState,
    /// The profiles that the lines must follow.
    pub held: Held<'t>,
}

/// The profiles that are asked for, and on whose threads lines are held against them.
#[derive(Clone, Copy)]
pub enum Held<'t> {
    /// Those of a door, on its threads beside those that serve.
    Door(&'t Node),
    /// These, here: where nothing is served.
    Here(&'t Enforced),
}

impl Taking<'_> {
    /// Takes in some lines and notes how far that is, in one commit; gives how many were refused.
    ///
    /// # Errors
    /// What is no line's fault; `Conflict` if the job does not stand at `from`.
    pub async fn step(
        &self,
        from: &str,
        to: &str,
        lines: &[Line],
    ) -> Result<Vec<BadLine>, Problem> {
        let intake = Intake {
            import: self.id.to_string(),
            organisation: self.organisation.clone(),
            limits: self.limits,
            now: self.store.now(),
        };
        let owned = lines.to_vec();
        let work = tokio::task::spawn_blocking(move || read(&owned, &intake));
        let broken = |error| Problem::new(Kind::Exception, "A step broke off.").because(error);
        let Read { good, mut bad } =
            following(self.store, self.held, work.await.map_err(broken)?).await?;
        let job = Job {
            changes: good.iter().map(Good::change).collect(),
            effects: vec![self.advance(from, to, good.len(), &bad)],
            traces: vec![trace(self.scope, self.id)],
            ..Job::default()
        };
        match self.store.commit(self.scope, job).await {
            Ok(_) => return Ok(bad),
            // Not ours any more, or nothing can be written: no line's fault.
            Err(problem) if is_not_the_lines(&problem) => return Err(problem),
            Err(_) => {}
        }
        // Some line cannot be written: each by itself shows which. Should the process end before
        // the step is noted, they are written again, under the same ids, which changes nothing but
        // the version.
        let mut done = 0;
        for good in &good {
            match self
                .store
                .commit(self.scope, Job::change(good.change()))
                .await
            {
                Ok(_) => done += 1,
                Err(problem) if is_the_stores(&problem) => return Err(problem),
                Err(problem) => bad.push(BadLine {
                    line: good.line,
                    reason: problem.to_string(),
                    body: good.body.to_vec(),
                }),
            }
        }
        bad.sort_by_key(|bad| bad.line);
        let job = Job::effect(self.advance(from, to, done, &bad));
        let system = Scope::system(SystemPurpose::BulkJobs);
        self.store.commit(&system, job).await?;
        Ok(bad)
    }

    fn advance(&self, from: &str, to: &str, done: usize, bad: &[BadLine]) -> Effect {
        Effect::Bulk(BulkWrite::Advance {
            id: self.id.to_string(),
            from: from.to_string(),
            to: to.to_string(),
            state: self.state,
            done: done as u64,
            keys: Vec::new(),
            bad: bad.to_vec(),
        })
    }
}

/// Sets aside what does not follow the profiles that are asked for.
///
/// # Errors
/// What is no line's fault.
pub async fn following(store: &Store, held: Held<'_>, read: Read) -> Result<Read, Problem> {
    let (mut good, mut bad) = (Vec::with_capacity(read.good.len()), read.bad);
    for line in read.good {
        let text = line.body.slice_ref(line.body.trim_ascii());
        let follows = match held {
            Held::Door(node) => enforce(node, &text).await,
            Held::Here(enforced) => enforced.followed(store, &text).await,
        };
        match follows {
            Ok(()) => good.push(line),
            Err(problem) if is_the_stores(&problem) => return Err(problem),
            Err(problem) => bad.push(BadLine {
                line: line.line,
                reason: problem.to_string(),
                body: line.body.to_vec(),
            }),
        }
    }
    bad.sort_by_key(|bad| bad.line);
    Ok(Read { good, bad })
}

fn is_the_stores(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::NoStore | Kind::Throttled | Kind::Transient | Kind::Exception
    )
}

fn is_not_the_lines(problem: &Problem) -> bool {
    let ours = problem.kind == Kind::Conflict && problem.expression.is_none();
    ours || is_the_stores(problem)
}

fn trace(scope: &Scope, id: &str) -> access::AuditEntry {
    let target = Target {
        query: Some(format!("bulk job {id}").into()),
        ..Target::default()
    };
    scope.trace(Interaction::Import, Outcome::Success, target)
}

/// A line that can be written.
pub struct Good {
    pub line: u64,
    body: Bytes,
    prepared: Prepared,
    now: Millis,
}

impl Good {
    /// An update, as the door would make it.
    pub fn change(&self) -> Change {
        Change::Put {
            release: release_of_changed(self.prepared.ty(), self.now),
            resource: self.prepared.clone(),
            expect: Expect::Anything,
        }
    }
}

/// What lines turn out to be.
pub struct Read {
    pub good: Vec<Good>,
    pub bad: Vec<BadLine>,
}

/// What reading lines needs to know.
pub struct Intake {
    /// The bulk job: with the number of a line it makes the id of what comes without one.
    pub import: String,
    pub organisation: Ods,
    /// The bounds of a resource.
    pub limits: Limits,
    pub now: Millis,
}

/// Reads and checks lines: pure work.
pub fn read(lines: &[Line], intake: &Intake) -> Read {
    let mut read = Read {
        good: Vec::new(),
        bad: Vec::new(),
    };
    for (line, bytes) in lines {
        match prepared(*line, bytes, intake) {
            Ok(prepared) => read.good.push(Good {
                line: *line,
                body: bytes.clone(),
                prepared,
                now: intake.now,
            }),
            Err(problem) => read.bad.push(BadLine {
                line: *line,
                reason: problem.to_string(),
                body: bytes.to_vec(),
            }),
        }
    }
    read
}

fn prepared(number: u64, line: &[u8], intake: &Intake) -> Result<Prepared, Problem> {
    let resource = parse(line.trim_ascii(), &intake.limits)?;
    validate(&resource, Definitions::r4())?;
    let (_, id) = type_and_id(&resource)?;
    let own = || id_of_line(&intake.import, number);
    let id = id.map_or_else(own, str::to_string);
    Prepared::new(&resource, &id, &intake.organisation)
}

/// The id of what comes without one: the same whenever this line of this import is taken in. A step
/// that is made again would otherwise make it again.
fn id_of_line(import: &str, number: u64) -> String {
    let mut digest = Sha256::new();
    digest.update(number.to_be_bytes());
    digest.update(import.as_bytes());
    let mut bytes = [0u8; 16];
    for (into, from) in bytes.iter_mut().zip(digest.finalize()) {
        *into = from;
    }
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}
