//! The door for other nodes (`docs/protocol/exchange.md`). What it answers well is on disk.

mod ask;
mod checkpoints;
mod content;
mod directory;
pub(crate) mod join;
mod parcels;
mod preferences;
mod receipts;
pub mod serve;
mod slots;
mod takes;

use std::sync::Arc;

use crate::serve::PeerCertificate;
use access::Ods;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, head, post};
use exchange::Exchange;
use exchange::ask::QUESTION_BYTES_MAX;
use exchange::booking::SLOTS_QUESTION_BYTES_MAX;
use exchange::wire::{BODY_BYTES_MAX, PIECE_BYTES_MAX, Refusal};
use fhir::problem::{Kind, Problem};
use http::request::Parts;
use http::{StatusCode, header};

use crate::failure;

/// Every route of the door.
pub fn peers_router(exchange: Arc<Exchange>) -> Router {
    let large = DefaultBodyLimit::max(BODY_BYTES_MAX);
    let piece = DefaultBodyLimit::max(PIECE_BYTES_MAX);
    Router::new()
        .route("/exchange/v1/parcels", post(parcels::take).layer(large))
        .route("/exchange/v1/preferences", post(preferences::take))
        .route(
            "/exchange/v1/ask",
            post(ask::take).layer(DefaultBodyLimit::max(QUESTION_BYTES_MAX)),
        )
        .route(
            "/exchange/v1/slots",
            post(slots::take).layer(DefaultBodyLimit::max(SLOTS_QUESTION_BYTES_MAX)),
        )
        .route("/exchange/v1/receipts", post(receipts::take).layer(large))
        .route(
            "/exchange/v1/checkpoints",
            get(checkpoints::show).post(checkpoints::take),
        )
        .route("/exchange/v1/directory", get(directory::show))
        .route("/exchange/v1/takes", get(takes::show))
        .route(
            "/exchange/v1/content/{sha256}",
            head(content::held).put(content::append),
        )
        .layer(piece)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_allowed)
        .layer(axum::middleware::map_response_with_state(
            exchange.clone(),
            dated,
        ))
        .with_state(exchange)
}

/// Says what time it is here, by the node's own clock: the server's is read anew only when it has gone on.
async fn dated(State(exchange): State<Arc<Exchange>>, mut answer: Response) -> Response {
    let date = exchange::clocks::http_date(exchange.store().now());
    if let Ok(date) = http::HeaderValue::from_str(&date) {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer
}

async fn nothing_here() -> Refused {
    Problem::new(Kind::NotFound, "The exchange protocol has no such address.").into()
}

async fn not_allowed() -> Response {
    let problem = Problem::new(
        Kind::NotSupported,
        "This address does not take that method.",
    );
    let mut answer = Refused(problem).into_response();
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    answer
}

/// The organisation at the other end: who the directory says owns the certificate, asked anew for
/// each request, so that one who is struck off is out at once.
pub struct Peer(pub Ods);

impl FromRequestParts<Arc<Exchange>> for Peer {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        exchange: &Arc<Exchange>,
    ) -> Result<Peer, Refused> {
        let certificate = parts.extensions.get::<PeerCertificate>();
        let peer = certificate.and_then(|it| exchange.peer(&it.0));
        let message = "The directory does not list this certificate.";
        peer.map(Peer)
            .ok_or_else(|| Problem::new(Kind::Security, message).into())
    }
}

/// A problem as this door tells it.
pub struct Refused(Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Refused {
        Refused(problem)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        failure::log("", &self.0);
        let refusal = Refusal {
            code: self.0.code().to_string(),
            message: self.0.to_string(),
        };
        let body = exchange::wire::write(&refusal).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (failure::status(self.0.kind), kind, body).into_response()
    }
}

/// A JSON body.
fn answer(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
