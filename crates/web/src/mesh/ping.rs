//! `GET /messageexchange/_ping`: whether the door is open. Nobody needs to prove anything.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::answer::{Refused, Version};

pub(super) async fn ping(headers: HeaderMap) -> Result<Response, Refused> {
    let version = Version::asked(&headers)?;
    let body = json!({ "status": "running" });
    Ok(version.answer(StatusCode::OK, body.clone(), body))
}
