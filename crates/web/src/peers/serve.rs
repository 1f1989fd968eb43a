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

/// One request from its head to its answer. Its body, which has a lowest rate of its own, is no longer
/// than a piece of a content with its wrapping: over a line of 64 kbit/s that takes two minutes.
const REQUEST_SECONDS_MAX: u64 = 300;

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
