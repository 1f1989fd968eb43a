//! `POST /messageexchange/{mailbox}`: the first request of each visit. Older clients ask by GET.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::Door;
use super::answer::{Refused, Version};
use super::caller::Caller;

/// What a client says of itself.
const SAID: [&str; 3] = ["mex-clientversion", "mex-osname", "mex-osversion"];

pub(super) async fn shake(
    State(door): State<Arc<Door>>,
    caller: Caller,
    headers: HeaderMap,
) -> Response {
    let work = async {
        let missing: Vec<&str> = SAID
            .into_iter()
            .filter(|name| !headers.contains_key(*name))
            .collect();
        match missing.is_empty() {
            true => Ok(done(&caller)),
            false => Err(Refused::missing(&missing)),
        }
    };
    caller.answer(&door, Box::pin(work)).await
}

pub(super) async fn again(door: State<Arc<Door>>, caller: Caller, headers: HeaderMap) -> Response {
    shake(door, caller, headers).await
}

fn done(caller: &Caller) -> Response {
    match caller.version {
        Version::One => {
            let body = json!({ "mailboxId": caller.mailbox });
            Version::One.answer(StatusCode::OK, body, Value::Null)
        }
        Version::Two => StatusCode::OK.into_response(),
    }
}
