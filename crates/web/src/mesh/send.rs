//! `POST /messageexchange/{mailbox}/outbox`: a message, or the first of its chunks.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use exchange::mailboxes::CHUNKS_MAX;
use fhir::problem::Kind;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use store::mesh::{MeshDone, MeshWrite, Sending};
use store::{Done, Effect, Job};

use super::Door;
use super::answer::{Refused, Version};
use super::caller::{Caller, unexpected};
use super::upload::take_in;

/// What a sender may write on a message besides its way, and which the recipient is shown.
const WRITTEN: [&str; 7] = [
    "mex-subject",
    "mex-filename",
    "mex-content-encrypted",
    "mex-content-compressed",
    "mex-content-checksum",
    "mex-partnerid",
    "mex-content-type",
];
/// The longest of them, in bytes.
const TEXT_MAX: usize = 500;

pub(super) async fn send(
    State(door): State<Arc<Door>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = accepted(&door, &caller, &headers, body);
    caller.answer(&door, Box::pin(work)).await
}

async fn accepted(
    door: &Door,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let missing: Vec<&str> = ["mex-to", "mex-workflowid"]
        .into_iter()
        .filter(|name| !headers.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        return Err(Refused::missing(&missing));
    }
    let (to, workflow) = (name(headers, "mex-to")?, name(headers, "mex-workflowid")?);
    let local_id = text(headers, "mex-localid")?.unwrap_or_default();
    let envelope = envelope(headers)?;
    let encoding = encoding(headers)?;
    let chunks = match text(headers, "mex-chunk-range")? {
        None => 1,
        Some(range) => first_of(&range).ok_or_else(Refused::bad_range)?,
    };
    let route = door.exchange.route(&to, &workflow).await;
    let route = route.map_err(|problem| match problem.kind {
        Kind::NotFound => Refused::unregistered(),
        _ => problem.into(),
    })?;
    let first = take_in(door, &caller.scope, encoding, body).await?;
    let sending = Sending {
        id: uuid::Uuid::new_v4()
            .simple()
            .to_string()
            .to_ascii_uppercase(),
        sender: caller.mailbox.clone(),
        recipient: route.mailbox,
        local_id,
        workflow,
        envelope,
        encoding: encoding.to_owned(),
        chunks,
        way: route.way,
        organisation: route.organisation,
        first,
    };
    let job = Job::effect(Effect::Mesh(MeshWrite::Accept(Box::new(sending))));
    let done = door.exchange.store().commit(&caller.scope, job).await?.done;
    let Some(Done::Mesh(MeshDone::Taken { id, .. })) = done.first() else {
        return Err(unexpected().into());
    };
    let body = match caller.version {
        Version::One => json!({ "messageID": id }),
        Version::Two => json!({ "message_id": id }),
    };
    // Of one content type in both versions.
    Ok(Version::One.answer(StatusCode::ACCEPTED, body, Value::Null))
}

fn malformed() -> Refused {
    let told = ("TRANSFER", "06", "MalformedControlFile");
    Refused::told(StatusCode::BAD_REQUEST, told)
}

/// A header's text; `None` if it is not there or empty.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Refused> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| malformed())?.trim();
    match value.len() <= TEXT_MAX {
        true => Ok(Some(value.to_owned()).filter(|it| !it.is_empty())),
        false => Err(malformed()),
    }
}

/// A mailbox or a workflow: a word, and no address.
fn name(headers: &HeaderMap, header: &str) -> Result<String, Refused> {
    let plain = |it: &String| it.bytes().all(|b| b.is_ascii_graphic()) && !it.contains("://");
    let found = text(headers, header)?.filter(plain);
    found.ok_or_else(malformed)
}

/// What is written on the message, as JSON.
fn envelope(headers: &HeaderMap) -> Result<String, Refused> {
    let mut written = BTreeMap::new();
    for header in WRITTEN {
        if let Some(value) = text(headers, header)? {
            written.insert(header, value);
        }
    }
    if let Some(checksum) = written.get("mex-content-checksum") {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b" +/=:_-.".contains(&it);
        if !checksum.bytes().all(plain) {
            let told = ("SEND", "Invalid checksum", "Invalid checksum");
            return Err(Refused::told(StatusCode::BAD_REQUEST, told));
        }
    }
    if let Some(kind) = text(headers, CONTENT_TYPE.as_str())? {
        written.insert("content-type", kind);
    }
    serde_json::to_string(&written).map_err(|_| malformed())
}

/// `gzip`, or empty.
pub(super) fn encoding(headers: &HeaderMap) -> Result<&'static str, Refused> {
    match text(headers, CONTENT_ENCODING.as_str())?.as_deref() {
        None | Some("identity") => Ok(""),
        Some("gzip") => Ok("gzip"),
        Some(_) => {
            let told = (
                "SEND",
                "UnsupportedContentEncoding",
                "Unsupported content encoding",
            );
            Err(Refused::told(StatusCode::UNPROCESSABLE_ENTITY, told))
        }
    }
}

/// The two numbers of `n:m`.
pub(super) fn range(text: &str) -> Option<(u32, u32)> {
    let (chunk, chunks) = text.split_once(':')?;
    Some((chunk.trim().parse().ok()?, chunks.trim().parse().ok()?))
}

/// How many chunks there are, of the range of the first.
fn first_of(text: &str) -> Option<u32> {
    match range(text)? {
        (1, chunks) if (1..=CHUNKS_MAX).contains(&chunks) => Some(chunks),
        _ => None,
    }
}
