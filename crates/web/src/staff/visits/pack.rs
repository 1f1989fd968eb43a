//! The day pack: a nurse's visits of a day in one sealed file, and what became of such files.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Serialize;
use store::visits::{NewPack, VISITS_IN_PACK_MAX, VisitState, VisitWrite};
use store::{Effect, Job};

use super::entry::{Measured, OBSERVATIONS};
use super::task::Planned;
use super::{Asked, day_or_today, is_clinician, line, read_task, show_list, time, writer};
use crate::carried::record::{self, Carried};
use crate::carried::seal::Facts;
use crate::carried::{PASSPHRASE_CHARS_MIN, sheet};
use crate::form::Fields;
use crate::node::Node;
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::visit::Visit;

const HOUR: Millis = 3_600_000;
/// The most hours for which a pack opens.
const HOURS_MAX: i64 = 24;
/// One reason why nothing more comes of a pack, in characters.
const WHY_CHARS_MAX: usize = 500;

/// `carried/visits.jinja`
#[derive(Serialize)]
struct Inside {
    nurse: String,
    day: String,
    notes: Vec<String>,
    visits: Vec<Taken>,
    observations: [Measured; 7],
}

/// A visit in it.
#[derive(Serialize)]
struct Taken {
    id: String,
    time: String,
    what: String,
    access: String,
    patient: Carried,
    #[serde(skip)]
    version: i64,
}

/// What the file's script needs beside the page inside.
#[derive(Serialize)]
struct More {
    pack: String,
    day: String,
    /// Opens what is written in this pack and nothing else.
    key: String,
    /// Where it is brought back.
    sync: String,
}

/// `POST /staff/visits/pack`: the visits of a day that are whose who asks, as a file to take along. It stands as taken along
/// before its first byte leaves.
pub async fn take_along(
    State(node): State<Arc<Node>>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::TakeAlong, "Task").await?;
    if !is_clinician(&visit) {
        let message = "A day pack is for the clinician whose visits they are.";
        return Err(Problem::new(Kind::Forbidden, message).into());
    }
    let day = day_or_today(fields.text("day"), visit.now)?;
    let passphrase = fields.exact("passphrase").to_owned();
    let hours = fields.text("hours").parse::<i64>().ok();
    let hours = hours.filter(|it| (1..=HOURS_MAX).contains(it));
    let faults = faults(&passphrase, fields.exact("again"), hours);
    let (Some(hours), true) = (hours, faults.is_empty()) else {
        let asked = Asked {
            day,
            ..Asked::default()
        };
        return Box::pin(show_list(&node, &visit, &asked, &faults)).await;
    };
    let made = Box::pin(made(&node, &visit, &scope, (&day, hours))).await?;
    let (facts, html, more) = made;
    let file = tokio::task::spawn_blocking(move || sheet::make(&facts, &html, more, &passphrase));
    let file = file.await.map_err(|cause| {
        Problem::new(Kind::Exception, "The file could not be made. Try again.").because(cause)
    })??;
    Ok(attachment(file, &format!("visits-{day}.html")))
}

fn faults(passphrase: &str, again: &str, hours: Option<i64>) -> Vec<(&'static str, &'static str)> {
    let mut faults = Vec::new();
    if passphrase.chars().count() < PASSPHRASE_CHARS_MIN {
        faults.push((
            "passphrase",
            "Choose a passphrase of at least 12 characters, such as four words that do not belong together",
        ));
    } else if passphrase != again {
        faults.push(("again", "The two passphrases are not the same"));
    }
    if hours.is_none() {
        faults.push(("hours", "Enter for how many hours it opens, 1 to 24"));
    }
    faults
}

/// What goes into the file, written down as taken along.
async fn made(
    node: &Node,
    visit: &Visit,
    scope: &Scope,
    (day, hours): (&str, i64),
) -> Result<(Facts, String, More), Problem> {
    let (account, nurse) = writer(visit)?;
    let (taken, notes) = Box::pin(gathered(node, scope, (day, account))).await?;
    if taken.is_empty() {
        let message = "There is no planned visit of yours on this day that could be taken along. Plan one first.";
        return Err(Problem::new(Kind::NotFound, message));
    }
    let id = uuid::Uuid::new_v4().to_string();
    let key: [u8; 32] = rand::random();
    let expires = visit.now.saturating_add(hours.saturating_mul(HOUR));
    let new = NewPack {
        id: id.clone(),
        account,
        nurse: nurse.clone(),
        day: day.to_owned(),
        expires_at: expires,
        return_key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
        visits: taken.iter().map(|it| (it.id.clone(), it.version)).collect(),
    };
    let query = format!(
        "day pack {id}, opens until {}",
        fhir::date::instant(expires)
    );
    let traces = taken
        .iter()
        .map(|it| line(scope, (&it.id, &it.patient.id), Some(query.clone())));
    let job = Job {
        traces: traces.collect(),
        ..Job::effect(Effect::Visit(VisitWrite::TakeAlong(Box::new(new))))
    };
    node.store.commit(scope, job).await?;
    let facts = Facts {
        kind: "visits".to_owned(),
        id: id.clone(),
        organisation: node.site.name.clone(),
        title: format!("Visits of {}", words::day(day)),
        made: visit.now,
        expires,
    };
    let inside = Inside {
        nurse,
        day: words::day(day),
        notes,
        visits: taken,
        observations: OBSERVATIONS,
    };
    let html = sheet::inside("carried/visits.jinja", inside)?;
    let more = More {
        pack: id,
        day: day.to_owned(),
        key: STANDARD.encode(key),
        sync: format!("{}/staff/visits/sync", node.site.base_url),
    };
    Ok((facts, html, more))
}

/// The visits as they are taken along, and what is left out.
async fn gathered(
    node: &Node,
    scope: &Scope,
    (day, account): (&str, i64),
) -> Result<(Vec<Taken>, Vec<String>), Problem> {
    let (all, more) = node.store.visits_on(scope, day, Some(account)).await?;
    let planned = all.iter().filter(|it| it.state == VisitState::Planned);
    let (mut taken, mut unseen, mut over) = (Vec::new(), 0_usize, 0_usize);
    for it in planned {
        if taken.len() >= VISITS_IN_PACK_MAX {
            over += 1;
            continue;
        }
        let patient = record::of(node, scope, &it.patient).await?;
        let task = read_task(node, scope, &it.id).await?;
        let (Some(patient), Some((task, version))) = (patient, task) else {
            unseen += 1;
            continue;
        };
        let read = Planned::read(&task);
        taken.push(Taken {
            id: it.id.clone(),
            time: time(it.at),
            what: read.what,
            access: getting_in(&patient, read.access),
            patient,
            version: i64::try_from(version).unwrap_or(i64::MAX),
        });
    }
    let mut notes = Vec::new();
    if unseen > 0 {
        notes.push(format!(
            "{unseen} of your planned visits are not in this file: their patients are not shown to you."
        ));
    }
    if over > 0 || more {
        notes.push(
            "There are more visits on this day than one file holds. Ask who is to do the rest."
                .to_owned(),
        );
    }
    Ok((taken, notes))
}

/// How one gets in, unless that would tell where a restricted patient lives.
pub(super) fn getting_in(patient: &Carried, access: String) -> String {
    match patient.hides_where && !access.is_empty() {
        true => "Withheld: where this patient lives is restricted.".to_owned(),
        false => access,
    }
}

/// A file that the browser keeps and does not show.
pub(in crate::staff) fn attachment(file: String, name: &str) -> Response {
    let mut response = Response::new(Body::from(file));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// `POST /staff/visits/pack/{id}/end`: a person says what became of a pack that is not back.
pub async fn end(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let scope = visit.scope(&node, Interaction::BringBack, "Task").await?;
    let why = fields.text("why").to_owned();
    if why.chars().count() < 5 || why.chars().count() > WHY_CHARS_MAX {
        let message = "Say what became of the pack, in 5 to 500 characters: given back, deleted, lost, stolen. Go back and \
             write it into the field beside the pack.";
        return Err(Problem::new(Kind::Value, message).into());
    }
    let pack = node.store.pack(&scope, &id).await?;
    let pack = pack.ok_or_else(|| Problem::new(Kind::NotFound, "There is no such pack here."))?;
    let query = format!("day pack {id} of {} ended: {why}", pack.nurse);
    let job = Job {
        traces: vec![line(&scope, ("", ""), Some(query))],
        ..Job::effect(Effect::Visit(VisitWrite::End { pack: id, why }))
    };
    match node.store.commit(&scope, job).await {
        Ok(_) => Ok(see_other("/staff/visits?done=ended")),
        Err(problem) if problem.kind == Kind::Conflict => Ok(see_other("/staff/visits?done=moved")),
        Err(problem) => Err(problem.into()),
    }
}
