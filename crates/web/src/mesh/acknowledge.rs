//! `PUT /messageexchange/{mailbox}/inbox/{id}/status/acknowledged`: the message was taken in, and
//! leaves the inbox. Doing so again changes nothing.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use store::mesh::MeshWrite;
use store::{Effect, Job};

use super::Door;
use super::answer::Version;
use super::caller::Caller;
use super::fetch::received;

pub(super) async fn acknowledge(
    State(door): State<Arc<Door>>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    let work = async {
        let message = received(&door, &caller, &id).await?;
        let write = MeshWrite::Acknowledge {
            number: message.number,
        };
        let job = Job::effect(Effect::Mesh(write));
        door.exchange.store().commit(&caller.scope, job).await?;
        Ok(match caller.version {
            Version::One => {
                let body = json!({ "messageId": message.id });
                Version::One.answer(StatusCode::OK, body, Value::Null)
            }
            Version::Two => StatusCode::OK.into_response(),
        })
    };
    caller.answer(&door, Box::pin(work)).await
}
