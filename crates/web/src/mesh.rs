//! The door for local systems that speak MESH
//! (<https://digital.nhs.uk/developer/api-catalogue/message-exchange-for-social-care-and-health-api>):
//! mailboxes of this node, one file an interaction (decision 0125).
//!
//! Invariant: who asks has proved the mailbox, with a token that served for the only time. Invariant:
//! what is answered with 202 is on the disk.

mod acknowledge;
mod answer;
mod caller;
mod chunk;
mod count;
mod fetch;
mod handshake;
mod inbox;
mod lookup;
mod ping;
mod send;
mod track;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use exchange::Exchange;
use tokio::sync::Semaphore;

use answer::Refused;

/// The largest body of one request, in bytes.
const REQUEST_BYTES_MAX: u64 = 100 << 20;
/// Bodies that are taken in at a time: each holds up to 4 MiB in memory.
const UPLOADS_MAX: usize = 32;

/// What the door needs.
pub struct Door {
    pub exchange: Arc<Exchange>,
    /// The largest message, all its chunks unpacked, in bytes.
    pub message_bytes_max: u64,
    uploads: Semaphore,
}

impl Door {
    pub fn new(exchange: Arc<Exchange>, message_bytes_max: u64) -> Door {
        Door {
            exchange,
            message_bytes_max,
            uploads: Semaphore::new(UPLOADS_MAX),
        }
    }
}

/// Every route of the door.
pub fn mesh_router(door: Arc<Door>) -> Router {
    let mailbox = Router::new()
        .route("/", get(handshake::again).post(handshake::shake))
        .route("/count", get(count::count))
        .route("/inbox", get(inbox::list))
        .route("/inbox/{id}", get(fetch::first).head(fetch::head))
        .route("/inbox/{id}/{chunk}", get(fetch::further))
        .route(
            "/inbox/{id}/status/acknowledged",
            put(acknowledge::acknowledge),
        )
        .route("/outbox", post(send::send))
        .route("/outbox/tracking", get(track::by_id))
        .route("/outbox/tracking/{local_id}", get(track::by_local_id))
        .route("/outbox/{id}/{chunk}", post(chunk::add));
    Router::new()
        .route("/messageexchange/_ping", get(ping::ping))
        .route(
            "/messageexchange/endpointlookup/{ods}/{workflow}",
            get(lookup::endpoints),
        )
        .route(
            "/messageexchange/workflowsearch/{workflow}",
            get(lookup::workflow),
        )
        .nest("/messageexchange/{mailbox}", mailbox)
        .layer(DefaultBodyLimit::disable())
        .fallback(nothing_here)
        .with_state(door)
}

async fn nothing_here() -> Refused {
    Refused::not_found()
}
