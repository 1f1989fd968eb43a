//! `POST /messageexchange/{mailbox}/outbox/{id}/{chunk}`: a further chunk. While the message is not
//! whole, the same chunk may come again: the last counts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::problem::{Kind, Problem};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use store::mesh::{MeshState, MeshWrite, Message};
use store::{Effect, Job};

use super::Door;
use super::answer::{Refused, Version};
use super::caller::Caller;
use super::send::{encoding, range, text};
use super::upload::take_in;

pub(super) async fn add(
    State(door): State<Arc<Door>>,
    caller: Caller,
    Path((_, id, chunk)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let work = added(&door, &caller, (&id, &chunk), &headers, body);
    caller.answer(&door, Box::pin(work)).await
}

async fn added(
    door: &Door,
    caller: &Caller,
    (id, chunk): (&str, &str),
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let store = door.exchange.store();
    let found = store.mesh_message(&caller.scope, id).await;
    let message = found.map_err(|problem| match problem.kind {
        Kind::NotFound => Refused::not_found(),
        _ => problem.into(),
    })?;
    if message.sender != caller.mailbox || message.is_report {
        return Err(Refused::forbidden());
    }
    let chunk = fits(&message, chunk, headers)?;
    let stored = take_in(door, &caller.scope, encoding(headers)?, body).await?;
    let upload = stored.upload.clone();
    let write = MeshWrite::Chunk {
        number: message.number,
        chunk: i64::from(chunk),
        stored,
        bytes_max: door.message_bytes_max,
    };
    let committed = store.commit(&caller.scope, Job::effect(Effect::Mesh(write)));
    match committed.await {
        // Both versions answer the same.
        Ok(_) => Ok(Version::One.answer(StatusCode::ACCEPTED, Value::Null, Value::Null)),
        Err(problem) => {
            let job = Job::effect(Effect::Mesh(MeshWrite::DropUpload { upload }));
            store.commit(&caller.scope, job).await?;
            Err(told(&message, problem))
        }
    }
}

/// The chunk's number, if it is one that the message still waits for.
fn fits(message: &Message, chunk: &str, headers: &HeaderMap) -> Result<u32, Refused> {
    if message.state != MeshState::Uploading {
        return Err(locked());
    }
    let said = text(headers, "mex-chunk-range")?;
    let bad = || Refused::bad_range().about(&message.id);
    let (number, of) = said.as_deref().and_then(range).ok_or_else(bad)?;
    if encoding(headers)? != message.encoding {
        let told = ("", "", "cannot change content encoding");
        return Err(Refused::told(StatusCode::EXPECTATION_FAILED, told));
    }
    if number > message.chunks {
        let words = "The message has fewer chunks";
        return Err(Refused::told(
            StatusCode::NOT_ACCEPTABLE,
            ("SEND", "", words),
        ));
    }
    let is_it = chunk.parse() == Ok(number) && of == message.chunks && number > 0;
    match is_it {
        true => Ok(number),
        false => Err(bad()),
    }
}

fn locked() -> Refused {
    let words = "The message is final: no chunk can be added";
    Refused::told(StatusCode::LOCKED, ("SEND", "", words))
}

fn told(message: &Message, problem: Problem) -> Refused {
    match problem.kind {
        Kind::LockError => locked(),
        _ => Refused::from(problem).about(&message.id),
    }
}
