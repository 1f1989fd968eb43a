//! `GET /exchange/v1/takes`: how large contents and parcels may be here.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use exchange::Exchange;

use super::{Peer, Refused, answer};

pub(super) async fn show(
    State(exchange): State<Arc<Exchange>>,
    Peer(_): Peer,
) -> Result<Response, Refused> {
    Ok(answer(exchange.answer_takes()?))
}
