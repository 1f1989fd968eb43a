//! `POST /exchange/v1/parcels`: a signed manifest, answered by a signed list of receipts.

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
    Ok(answer(exchange.take_parcels(&peer, &body).await?))
}
