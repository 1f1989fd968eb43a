//! `GET /messageexchange/{mailbox}/count`: how many messages wait.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::Door;
use super::answer::Version;
use super::caller::Caller;

pub(super) async fn count(State(door): State<Arc<Door>>, caller: Caller) -> Response {
    let work = async {
        let store = door.exchange.store();
        let count = store.mesh_inbox_count(&caller.scope).await?;
        let body = json!({ "count": count });
        // Both versions write it as plain JSON.
        Ok(Version::One.answer(StatusCode::OK, body, json!(null)))
    };
    caller.answer(&door, Box::pin(work)).await
}
