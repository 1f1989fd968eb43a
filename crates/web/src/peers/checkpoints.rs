//! `POST` and `GET /exchange/v1/checkpoints`: witnessing a neighbour's audit log
//! (`docs/protocol/witness.md`).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use exchange::{Exchange, WITNESS_BYTES_MAX, Witnessing};
use fhir::problem::{Kind, Problem};
use http::{StatusCode, header};

use super::{Peer, Refused};

pub(super) async fn take(
    State(exchange): State<Arc<Exchange>>,
    Peer(peer): Peer,
    body: Bytes,
) -> Result<Response, Refused> {
    if body.len() > WITNESS_BYTES_MAX {
        return Err(Problem::new(Kind::TooLong, "This is longer than any checkpoint.").into());
    }
    Ok(match exchange.take_checkpoint(&peer, &body).await? {
        Witnessing::Signed(line) => text(StatusCode::OK, line),
        Witnessing::Seen(note) => text(StatusCode::CONFLICT, note),
    })
}

pub(super) async fn show(
    State(exchange): State<Arc<Exchange>>,
    Peer(peer): Peer,
) -> Result<Response, Refused> {
    let note = exchange.show_witnessed(&peer).await?;
    Ok(text(StatusCode::OK, note))
}

fn text(status: StatusCode, text: String) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, text).into_response()
}
