//! `GET` and `HEAD /messageexchange/{mailbox}/inbox/{id}`, `GET …/{id}/{chunk}`: a message, chunk by
//! chunk, as it was sent: packed if the sender packed it and the recipient takes that.

use std::io::Write;
use std::sync::Arc;

use access::Scope;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use fhir::date;
use fhir::problem::Problem;
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt as _;
use futures_util::stream::try_unfold;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use store::mesh::{MeshState, MeshWrite, Message, Stored, Way};
use store::{Effect, Job, Store};

use super::Door;
use super::answer::Refused;
use super::caller::Caller;

/// Packed bytes that are unpacked in one go: a thousand times as many may come of them.
const UNPACKED_AT_ONCE: usize = 4 << 10;

pub(super) async fn head(
    State(door): State<Arc<Door>>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    let work = async {
        let message = available(&door, &caller, &id).await?;
        let mut headers = written(&message, 1);
        headers.remove(CONTENT_TYPE);
        Ok((status(&message, 1), headers).into_response())
    };
    caller.answer(&door, Box::pin(work)).await
}

pub(super) async fn first(
    State(door): State<Arc<Door>>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let work = chunk(&door, &caller, (&id, "1"), &headers);
    caller.answer(&door, Box::pin(work)).await
}

pub(super) async fn further(
    State(door): State<Arc<Door>>,
    caller: Caller,
    Path((_, id, number)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let work = chunk(&door, &caller, (&id, &number), &headers);
    caller.answer(&door, Box::pin(work)).await
}

/// A message that came for the caller's mailbox.
pub(super) async fn received(door: &Door, caller: &Caller, id: &str) -> Result<Message, Refused> {
    let message = door
        .exchange
        .store()
        .mesh_message(&caller.scope, id)
        .await?;
    let is_here = matches!(message.way, Way::Here | Way::Arrived | Way::Collected);
    match message.recipient == caller.mailbox && is_here {
        true => Ok(message),
        false => Err(Refused::forbidden()),
    }
}

/// The same, whose content is there.
async fn available(door: &Door, caller: &Caller, id: &str) -> Result<Message, Refused> {
    let message = received(door, caller, id).await?;
    let is_whole = matches!(message.state, MeshState::Accepted | MeshState::Acknowledged);
    match is_whole && message.kept {
        true => Ok(message),
        false => Err(Refused::gone()),
    }
}

async fn chunk(
    door: &Door,
    caller: &Caller,
    (id, number): (&str, &str),
    asked: &HeaderMap,
) -> Result<Response, Refused> {
    let message = available(door, caller, id).await?;
    let store = door.exchange.store();
    if message.fetched_at == 0 {
        let write = MeshWrite::Fetched {
            number: message.number,
        };
        let job = Job::effect(Effect::Mesh(write));
        store.commit(&caller.scope, job).await?;
    }
    let number: u32 = number.parse().map_err(|_| Refused::no_message())?;
    if message.is_report && number == 1 {
        return Ok((StatusCode::OK, written(&message, 1)).into_response());
    }
    let found = store
        .mesh_chunk(&caller.scope, &message, i64::from(number))
        .await?;
    let stored = found.ok_or_else(Refused::no_message)?;
    let mut headers = written(&message, number);
    let packed = !message.encoding.is_empty();
    let takes = asked.get(ACCEPT_ENCODING).and_then(|it| it.to_str().ok());
    let as_it_is = !packed || takes.is_some_and(|it| it.contains("gzip"));
    let length = if as_it_is { stored.size } else { stored.plain };
    headers.insert(CONTENT_LENGTH, length.into());
    if packed && as_it_is {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let bytes = Bytewise::new(store.clone(), caller.scope.clone(), stored, as_it_is);
    let body = Body::from_stream(try_unfold(bytes, Bytewise::next).boxed());
    Ok((status(&message, number), headers, body).into_response())
}

/// 206 while further chunks remain.
fn status(message: &Message, number: u32) -> StatusCode {
    match number < message.chunks {
        true => StatusCode::PARTIAL_CONTENT,
        false => StatusCode::OK,
    }
}

/// What is written on a message, as headers.
fn written(message: &Message, number: u32) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    };
    let kind = if message.is_report { "REPORT" } else { "DATA" };
    let at: String = date::instant(message.accepted_at)
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect();
    let (code, event, success) = match message.is_report {
        true => (message.status_code.as_str(), "SEND", "ERROR"),
        false => ("00", "TRANSFER", "SUCCESS"),
    };
    let words = match message.is_report {
        true => message.reason.as_str(),
        false => "Transferred to recipient mailbox",
    };
    for (name, value) in [
        ("mex-from", message.sender.as_str()),
        ("mex-to", &message.recipient),
        ("mex-workflowid", &message.workflow),
        ("mex-chunk-range", &format!("{number}:{}", message.chunks)),
        ("mex-total-chunks", &message.chunks.to_string()),
        ("mex-addresstype", "ALL"),
        ("mex-localid", &message.local_id),
        ("mex-version", "1.0"),
        ("mex-messagetype", kind),
        ("mex-messageid", &message.id),
        ("mex-linkedmsgid", &message.linked),
        ("mex-statuscode", code),
        ("mex-statusevent", event),
        ("mex-statusdescription", words),
        ("mex-statussuccess", success),
        ("mex-statustimestamp", &at),
    ] {
        put(HeaderName::from_static(name), value);
    }
    let envelope: Map<String, Value> = serde_json::from_str(&message.envelope).unwrap_or_default();
    for (name, value) in &envelope {
        if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value.as_str()) {
            put(name, value);
        }
    }
    put(LAST_MODIFIED, &date::http_date(message.state_at));
    // What the content is: where it is not said in its own header, the request's says it.
    if let (Some(kind), false) = (
        headers.get(CONTENT_TYPE).cloned(),
        headers.contains_key("mex-content-type"),
    ) {
        headers.insert(HeaderName::from_static("mex-content-type"), kind);
    }
    headers
}

/// The bytes of a chunk, row by row.
struct Bytewise {
    store: Store,
    scope: Scope,
    stored: Stored,
    after: i64,
    /// A row that is being unpacked, and how far.
    row: Vec<u8>,
    at: usize,
    unpacking: Option<MultiGzDecoder<Vec<u8>>>,
}

impl Bytewise {
    fn new(store: Store, scope: Scope, stored: Stored, as_it_is: bool) -> Bytewise {
        Bytewise {
            store,
            scope,
            stored,
            after: -1,
            row: Vec::new(),
            at: 0,
            unpacking: (!as_it_is).then(|| MultiGzDecoder::new(Vec::new())),
        }
    }

    async fn next(mut self) -> Result<Option<(Bytes, Bytewise)>, BrokenOff> {
        loop {
            if let Some(bytes) = self.unpacked()? {
                return Ok(Some((bytes, self)));
            }
            let reading = self
                .store
                .mesh_piece(&self.scope, &self.stored.upload, self.after);
            let Some((part, bytes)) = reading.await? else {
                // What the decoder still holds is the end.
                let Some(decoder) = self.unpacking.take() else {
                    return Ok(None);
                };
                let rest = decoder.finish().map_err(|_| BrokenOff)?;
                return Ok((!rest.is_empty()).then(|| (rest.into(), self)));
            };
            self.after = part;
            if self.unpacking.is_none() {
                return Ok(Some((bytes.into(), self)));
            }
            (self.row, self.at) = (bytes, 0);
        }
    }

    /// What comes of some more of the row.
    fn unpacked(&mut self) -> Result<Option<Bytes>, BrokenOff> {
        let Some(decoder) = &mut self.unpacking else {
            return Ok(None);
        };
        while self.at < self.row.len() {
            let end = self.row.len().min(self.at + UNPACKED_AT_ONCE);
            let some = self.row.get(self.at..end).unwrap_or_default();
            decoder.write_all(some).map_err(|_| BrokenOff)?;
            self.at = end;
            let out = std::mem::take(decoder.get_mut());
            if !out.is_empty() {
                return Ok(Some(out.into()));
            }
        }
        Ok(None)
    }
}

/// An answer that cannot go on: its connection ends, and the client asks again.
#[derive(Debug, thiserror::Error)]
#[error("a message's content broke off")]
struct BrokenOff;

impl From<Problem> for BrokenOff {
    fn from(problem: Problem) -> BrokenOff {
        tracing::warn!(?problem, "a message's content could not be read");
        BrokenOff
    }
}
