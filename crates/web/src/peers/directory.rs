//! `GET /exchange/v1/directory`: the directory that this node goes by, for a member that has an older one.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use exchange::Exchange;
use http::{StatusCode, header};
use serde::Deserialize;

use super::{Peer, Refused};

/// What the address may ask for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only one of a higher version.
    #[serde(default)]
    above: u64,
}

pub(super) async fn show(
    State(exchange): State<Arc<Exchange>>,
    Peer(_): Peer,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    Ok(match exchange.newer_directory(asked.above) {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(text) => {
            let kind = [(header::CONTENT_TYPE, "application/jose")];
            (kind, text.to_string()).into_response()
        }
    })
}
