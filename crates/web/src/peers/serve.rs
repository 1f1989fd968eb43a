//! The listener of the door: mutual TLS 1.3, and bounds on each request's time.

use std::sync::Arc;
use std::time::Duration;

use exchange::Exchange;
use fhir::problem::Problem;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower_http::timeout::TimeoutLayer;

use super::peers_router;
use crate::serve::{Limits, serve};

/// One request from its headers to the end of its answer. Who sends over a thin line sends less in
/// one.
const REQUEST_SECONDS_MAX: u64 = 60;

/// Serves other nodes until `stop` turns true.
///
/// # Errors
/// `Invalid` if this node's certificate and key cannot be used.
pub async fn serve_peers(
    listener: TcpListener,
    exchange: Arc<Exchange>,
    limits: Limits,
    stop: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let tls = Arc::new(exchange.server_tls()?);
    let limit = Duration::from_secs(REQUEST_SECONDS_MAX);
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limit);
    serve(
        listener,
        peers_router(exchange).layer(timeout),
        Some(tls),
        limits,
        stop,
    )
    .await;
    Ok(())
}
