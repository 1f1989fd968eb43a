//! `POST /exchange/v1/slots`: which appointments of this node's diary other organisations may book.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use exchange::Exchange;

use super::{Peer, Refused, answer};

pub(super) async fn take(
    State(exchange): State<Arc<Exchange>>,
    Peer(peer): Peer,
    body: Bytes,
) -> Result<Response, Refused> {
    Ok(answer(exchange.answer_slots(&peer, &body).await?))
}
