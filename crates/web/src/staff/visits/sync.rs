//! `/staff/visits/sync`: what was written offline comes back. Each entry is a commit of its own and is known by the id that
//! it was given offline: what is broken off is sent again, and nothing arrives twice. What does not fit is held.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::State;
use axum::response::Response;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::visits::{Entry, EntryState, Pack, Told, Visit as Row, VisitState, VisitWrite};
use store::{Change, Effect, Expect, Job, Release};

use super::entry::{Next, Written};
use super::plan::{next_at, row_of};
use super::task::{self, Hands, Planned};
use super::{Shown, fault, line, read_task, shown, told, views, writer};
use crate::carried::seal;
use crate::form::Fields;
use crate::node::Node;
use crate::page::Page;
use crate::page::problem::Refusal;
use crate::visit::Visit;

/// Entries of one file.
const ENTRIES_MAX: usize = 500;
/// Openings of one file that are written down.
const OPENINGS_MAX: usize = 100;

/// The file, as it is brought.
#[derive(Deserialize)]
struct Brought {
    handover: String,
    v: u32,
    pack: String,
    iv: String,
    data: String,
}

/// What is in it.
#[derive(Deserialize)]
struct Content {
    entries: Vec<Value>,
    #[serde(default)]
    opened: Vec<String>,
}

/// What came of it.
#[derive(Default)]
struct Came {
    landed: usize,
    before: usize,
    held: usize,
    /// What practices were told, and of how many entries; what was here before is among them, as the first answer may not have
    /// arrived.
    told: BTreeMap<String, usize>,
}

/// What came of one entry.
struct Arrived {
    /// `None` for one that was here before.
    state: Option<EntryState>,
    told: Told,
    /// Whether where its patient is must not be shown to who brought it.
    hides: bool,
}

/// `GET /staff/visits/sync`
pub async fn sync_page(State(node): State<Arc<Node>>, visit: Visit) -> Result<Response, Refusal> {
    visit.scope(&node, Interaction::BringBack, "Task").await?;
    Ok(page(&node, &visit, views::Sync::default()))
}

fn page(node: &Node, visit: &Visit, view: views::Sync) -> Response {
    let faulty = !view.errors.is_empty();
    Page::new("staff/visits-sync.jinja", "Synchronise visits", view)
        .under("/staff/visits")
        .with_faults(faulty)
        .answer(&node.site, visit)
}

/// `POST /staff/visits/sync`
pub async fn sync(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::BringBack, "Task").await?;
    let text = match fields.text("file") {
        "" => fields.text("text"),
        text => text,
    };
    let (pack, content) = match Box::pin(opened(&node, &scope, text)).await {
        Ok(found) => found,
        Err(problem) if is_theirs(&problem) => {
            let view = views::Sync {
                errors: vec![fault("file", "The file was not taken: see below")],
                refused: Some(problem.message.to_string()),
                ..views::Sync::default()
            };
            return Ok(page(&node, &visit, view));
        }
        Err(problem) => return Err(problem.into()),
    };
    let came = Box::pin(take(&node, &visit, &scope, &pack, content)).await?;
    let pack = node.store.pack(&scope, &pack.id).await?.unwrap_or(pack);
    let view = views::Sync {
        came: Some(views::Came {
            nurse: pack.nurse.clone(),
            landed: came.landed,
            before: came.before,
            held: came.held,
            waiting: pack.visits.saturating_sub(pack.heard),
            told: practices(came.told),
        }),
        ..views::Sync::default()
    };
    Ok(page(&node, &visit, view))
}

fn practices(told: BTreeMap<String, usize>) -> Vec<views::Practices> {
    let of = |(text, entries)| views::Practices { text, entries };
    told.into_iter().map(of).collect()
}

fn is_theirs(problem: &Problem) -> bool {
    matches!(
        problem.kind,
        Kind::Structure | Kind::Security | Kind::Value | Kind::TooLong | Kind::NotFound
    )
}

/// Opens the file with the key of its pack.
async fn opened(node: &Node, scope: &Scope, text: &str) -> Result<(Pack, Content), Problem> {
    let unreadable = |cause: serde_json::Error| {
        let message =
            "This is no file that a day pack saved, or not all of it. Save it again in the pack.";
        Problem::new(Kind::Structure, message).because(cause)
    };
    if text.is_empty() {
        let message = "Choose the file that the day pack saved.";
        return Err(Problem::new(Kind::Value, message));
    }
    let brought: Brought = serde_json::from_str(text).map_err(unreadable)?;
    if brought.handover != "visits" || brought.v != 1 {
        let message = "This file is of a kind that this version does not know.";
        return Err(Problem::new(Kind::Structure, message));
    }
    let unknown = || {
        let message = "This pack was not made here. Bring it to the organisation that made it.";
        Problem::new(Kind::NotFound, message)
    };
    let pack = node.store.pack(scope, &brought.pack).await?;
    let pack = pack.ok_or_else(unknown)?;
    let key = node.store.return_key(scope, &pack.id).await?;
    let key = key.as_deref().and_then(unhex).ok_or_else(unknown)?;
    let bound = format!("handover visits {}", pack.id);
    let text = seal::undo(&key, bound.as_bytes(), (&brought.iv, &brought.data)).map_err(|_| {
        let message = "This file does not open: it was changed on its way, or is not all there. Save it again in the pack.";
        Problem::new(Kind::Security, message)
    })?;
    let content: Content = serde_json::from_slice(&text).map_err(unreadable)?;
    if content.entries.len() > ENTRIES_MAX {
        let message = "There is more in this file than is taken at a time.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    Ok((pack, content))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes?.try_into().ok()
}

async fn take(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    pack: &Pack,
    content: Content,
) -> Result<Came, Problem> {
    openings(node, visit, scope, pack, &content.opened).await?;
    let mut entries = content.entries;
    // In the order in which they were written, as far as they say so.
    entries.sort_by_key(|it| it["written"].as_str().unwrap_or_default().to_owned());
    let mut came = Came::default();
    for it in entries {
        let body = it.to_string();
        let it = Box::pin(arrive(node, visit, scope, pack, &body)).await?;
        match it.state {
            Some(EntryState::Landed) => came.landed += 1,
            Some(_) => came.held += 1,
            None => came.before += 1,
        }
        let said = told::said(node, &it.told, it.hides);
        if !said.is_empty() {
            *came.told.entry(said).or_default() += 1;
        }
    }
    // A pack in which nothing was written is heard of as well.
    let heard = VisitWrite::Heard {
        pack: pack.id.clone(),
    };
    let query = format!(
        "day pack {} of {} brought back: {} new, {} known, {} held",
        pack.id, pack.nurse, came.landed, came.before, came.held
    );
    let job = Job {
        traces: vec![line(scope, ("", ""), Some(query))],
        ..Job::effect(Effect::Visit(heard))
    };
    node.store.commit(scope, job).await?;
    Ok(came)
}

/// Writes down when the pack was opened, as far as it is news. The times are the device's own.
async fn openings(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    pack: &Pack,
    opened: &[String],
) -> Result<(), Problem> {
    let times = opened.iter().filter_map(|it| date::span(it));
    let news = times.map(|it| it.low);
    let news = news.filter(|at| *at > pack.heard_at && *at <= visit.now.saturating_add(600_000));
    let traces: Vec<_> = news
        .take(OPENINGS_MAX)
        .map(|at| {
            let query = format!(
                "day pack {} of {} opened offline at {}",
                pack.id,
                pack.nurse,
                date::instant(at)
            );
            line(scope, ("", ""), Some(query))
        })
        .collect();
    if traces.is_empty() {
        return Ok(());
    }
    let job = Job {
        traces,
        ..Job::default()
    };
    node.store.commit(scope, job).await.map(|_| ())
}

/// Takes one entry in: into the record, or to be decided about.
async fn arrive(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    pack: &Pack,
    body: &str,
) -> Result<Arrived, Problem> {
    let written = Written::parse(body);
    let digest = Sha256::digest(body.as_bytes());
    let mark: String = digest
        .iter()
        .take(16)
        .map(|it| format!("{it:02x}"))
        .collect();
    let mut id = match &written {
        Ok(it) => it.id.clone(),
        Err(_) => format!("unread-{mark}"),
    };
    let mut clash = false;
    if let Some(before) = node.store.visit_entry(scope, &id).await? {
        if before.body == body && before.pack == pack.id {
            return known(node, scope, before).await;
        }
        // Another text under the same name: both are kept.
        clash = true;
        id = format!("other-{mark}");
        if let Some(before) = node.store.visit_entry(scope, &id).await? {
            return known(node, scope, before).await;
        }
    }
    let (_, by) = writer(visit)?;
    let it = Arriving {
        pack,
        id: &id,
        body,
        by: &by,
        now: visit.now,
    };
    let why = match written {
        Err(problem) => format!("It does not read: {}", problem.message),
        Ok(_) if clash => {
            "Another text came under the same name before; this one was changed after that."
                .to_owned()
        }
        Ok(written) => match Box::pin(fit(node, scope, &it, written)).await? {
            Fit::Landed(told, hides) => {
                return Ok(Arrived {
                    state: Some(EntryState::Landed),
                    told,
                    hides,
                });
            }
            Fit::Known(before) => return known(node, scope, *before).await,
            Fit::Not(why) => why,
        },
    };
    hold(node, scope, &it, why).await
}

/// What came is here, and so is what its practice was told.
async fn known(node: &Node, scope: &Scope, before: Entry) -> Result<Arrived, Problem> {
    let hides = match before.told {
        Told::Practice(_) => shown(node, scope, &before.patient)
            .await?
            .is_none_or(|it| it.hides_where),
        _ => true,
    };
    Ok(Arrived {
        state: None,
        told: before.told,
        hides,
    })
}

/// What comes.
struct Arriving<'a> {
    pack: &'a Pack,
    id: &'a str,
    body: &'a str,
    by: &'a str,
    now: Millis,
}

/// Whether it fits what is here.
enum Fit {
    /// With what the practice was told, and whether which one it is must not be shown.
    Landed(Told, bool),
    Known(Box<Entry>),
    Not(String),
}

async fn fit(
    node: &Node,
    scope: &Scope,
    it: &Arriving<'_>,
    written: Written,
) -> Result<Fit, Problem> {
    let not = |why: &str| Ok(Fit::Not(why.to_owned()));
    if let Some(why) = written.doubtful(it.now) {
        return not(why);
    }
    let taken = node.store.taken(scope, &written.visit).await?;
    let taken = taken.into_iter().find(|of| of.pack == it.pack.id);
    let row = node.store.visit(scope, &written.visit).await?;
    let (Some(taken), Some(row)) = (taken, row) else {
        return not("The visit is not one of this pack's.");
    };
    let Some(shown) = shown(node, scope, &row.patient).await? else {
        return not("The patient is not shown to who brought it.");
    };
    let Some((task, version)) = read_task(node, scope, &row.id).await? else {
        return not("The visit is not here any more.");
    };
    if row.state == VisitState::Cancelled {
        return not("The office cancelled this visit meanwhile.");
    }
    if i64::try_from(version) != Ok(taken.version) {
        return not("The visit was changed meanwhile, or somebody else wrote about it too.");
    }
    let fits = Fits {
        row,
        written,
        shown,
        task: (task, version),
        taken: taken.version,
    };
    Box::pin(land(node, scope, it, fits)).await
}

/// What is put into the record, and over what.
struct Fits {
    row: Row,
    written: Written,
    shown: Shown,
    task: (Value, u64),
    /// The Task's version that was taken along.
    taken: i64,
}

async fn land(node: &Node, scope: &Scope, it: &Arriving<'_>, fits: Fits) -> Result<Fit, Problem> {
    let hands = Hands {
        author: &it.pack.nurse,
        by: it.by,
        now: it.now,
    };
    let (row, written) = (&fits.row, &fits.written);
    let of = (row, written, &fits.shown.resource);
    let (mut job, told) = Box::pin(job(node, of, fits.task, &hands)).await?;
    let mut entry = entry(it, EntryState::Landed, "", Some((row, written)));
    entry.told = told.clone();
    job.effects.insert(
        0,
        Effect::Visit(VisitWrite::Arrive {
            entry: Box::new(entry),
            lands: Some((written.state(), fits.taken)),
        }),
    );
    let query = format!("from day pack {}", it.pack.id);
    job.traces = vec![line(scope, (&row.id, &row.patient), Some(query))];
    match node.store.commit(scope, job).await {
        Ok(_) => Ok(Fit::Landed(told, fits.shown.hides_where)),
        Err(problem) if problem.came_between() => {
            // The same file is being taken in beside this, or somebody changed the visit just now.
            match node.store.visit_entry(scope, it.id).await? {
                Some(before) if before.body == it.body => Ok(Fit::Known(Box::new(before))),
                _ => {
                    let why = "Somebody changed the visit while this came in.";
                    Ok(Fit::Not(why.to_owned()))
                }
            }
        }
        Err(problem) => Err(problem),
    }
}

/// What puts what was written into the record, over that version of the Task, and tells the practice of that Patient; and whether
/// it is told.
pub(super) async fn job(
    node: &Node,
    (row, written, patient): (&Row, &Written, &Value),
    (task, version): (Value, u64),
    hands: &Hands<'_>,
) -> Result<(Job, Told), Problem> {
    let of = told::Of {
        row,
        written,
        patient,
        task: &task,
    };
    let (told, letter) = told::tell(node, &of, hands).await?;
    let mut job = into_record(node, (row, written), (task, version), hands)?;
    job.changes.extend(letter.changes);
    job.effects.extend(letter.effects);
    Ok((job, told))
}

/// The changes that put it into the record.
fn into_record(
    node: &Node,
    (row, written): (&Row, &Written),
    (task, version): (Value, u64),
    hands: &Hands<'_>,
) -> Result<Job, Problem> {
    let organisation = &node.site.organisation;
    let put = |resource: &Value, expect| {
        exchange::prescriptions::written(resource, organisation, (expect, Release::Keep))
    };
    let mut task = task::bare(task);
    fhir::members::set(&mut task, "id", row.id.clone().into());
    task::written_into(&mut task, written, hands);
    let mut changes: Vec<Change> = vec![put(&task, Expect::Version(version))?];
    for it in task::made(written, (&row.id, &row.patient), hands) {
        changes.push(put(&it, Expect::Absent)?);
    }
    let mut effects = Vec::new();
    if let Some(next) = &written.next {
        let id = format!("{}-next", written.id);
        if let Some(planned) = planned_next(next, row) {
            let who = (hands.author, hands.now);
            let task = planned.resource((&id, &row.patient), None, who);
            changes.push(put(&task, Expect::Absent)?);
            let row = row_of(&planned, (&id, &row.patient), &next.day);
            effects.push(Effect::Visit(VisitWrite::Plan(Box::new(row))));
        }
    }
    Ok(Job {
        changes,
        effects,
        ..Job::default()
    })
}

fn planned_next(next: &Next, row: &Row) -> Option<Planned> {
    Some(Planned {
        what: next.what.clone(),
        access: String::new(),
        at: next_at(&next.day, &next.time)?,
        account: row.account,
        nurse: row.nurse.clone(),
    })
}

/// Keeps it for a person to decide about.
async fn hold(
    node: &Node,
    scope: &Scope,
    it: &Arriving<'_>,
    why: String,
) -> Result<Arrived, Problem> {
    let written = Written::parse(it.body).ok();
    let row = match &written {
        Some(written) => node.store.visit(scope, &written.visit).await?,
        None => None,
    };
    let of = row.as_ref().zip(written.as_ref());
    let mut entry = entry(it, EntryState::Held, &why, of);
    if let (None, Some(written)) = (&row, &written) {
        entry.happened_at = written.happened_at;
        entry.written_at = written.written_at;
    }
    let target = (entry.visit.clone(), entry.patient.clone());
    let query = format!("from day pack {}, held: {why}", it.pack.id);
    let job = Job {
        traces: vec![line(scope, (&target.0, &target.1), Some(query))],
        ..Job::effect(Effect::Visit(VisitWrite::Arrive {
            entry: Box::new(entry),
            lands: None,
        }))
    };
    let state = match node.store.commit(scope, job).await {
        Ok(_) => Some(EntryState::Held),
        Err(problem) if problem.kind == Kind::Conflict => None,
        Err(problem) => return Err(problem),
    };
    Ok(Arrived {
        state,
        told: Told::Nobody,
        hides: true,
    })
}

fn entry(it: &Arriving<'_>, state: EntryState, why: &str, of: Option<(&Row, &Written)>) -> Entry {
    Entry {
        id: it.id.to_owned(),
        pack: it.pack.id.clone(),
        visit: of.map(|(row, _)| row.id.clone()).unwrap_or_default(),
        patient: of.map(|(row, _)| row.patient.clone()).unwrap_or_default(),
        account: it.pack.account,
        author: it.pack.nurse.clone(),
        body: it.body.to_owned(),
        happened_at: of.map_or(it.now, |(_, written)| written.happened_at),
        written_at: of.map_or(it.now, |(_, written)| written.written_at),
        arrived_at: it.now,
        arrived_by: it.by.to_owned(),
        state,
        why: why.to_owned(),
        settled_at: 0,
        settled_by: String::new(),
        settled_why: String::new(),
        told: Told::Nobody,
    }
}
