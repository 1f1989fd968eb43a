//! `HEAD` and `PUT /exchange/v1/content/{sha256}`: large contents in pieces that can be resumed.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use exchange::{Exchange, HELD};
use fhir::problem::{Kind, Problem};
use http::HeaderMap;
use store::parcels::Held;

use super::{Peer, Refused};

pub(super) async fn held(
    State(exchange): State<Arc<Exchange>>,
    Peer(peer): Peer,
    Path(sha256): Path<String>,
) -> Result<Response, Refused> {
    Ok(told(exchange.held_content(&peer, &sha256).await?))
}

pub(super) async fn append(
    State(exchange): State<Arc<Exchange>>,
    Peer(peer): Peer,
    Path(sha256): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let start = headers
        .get(HELD)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse().ok());
    let message = "The header Upload-Offset must say where the piece starts.";
    let start = start.ok_or_else(|| Problem::new(Kind::Required, message))?;
    Ok(told(
        exchange
            .append_content(&peer, &sha256, start, body.to_vec())
            .await?,
    ))
}

fn told(held: Held) -> Response {
    [(HELD, held.held.to_string())].into_response()
}
