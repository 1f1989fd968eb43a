//! Where whoever was invited to the network answers: at a member's pages, since only members are let in at the door
//! for other nodes. What is sent proves itself (`docs/protocol/exchange.md`, section 15).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::post;
use exchange::directory::joining::ASKED_BYTES_MAX;
use fhir::problem::{Kind, Problem};

use super::{Refused, answer};
use crate::node::Node;
use crate::page::headers;

/// The route.
pub fn route(node: Arc<Node>) -> Router {
    Router::new()
        .route("/network/join", post(take))
        .layer(DefaultBodyLimit::max(ASKED_BYTES_MAX))
        .layer(map_response(headers::on))
        .with_state(node)
}

/// `POST /network/join`.
async fn take(State(node): State<Arc<Node>>, body: Bytes) -> Result<Response, Refused> {
    let Some(exchange) = &node.exchange else {
        let message = "This node is a member of no network.";
        return Err(Problem::new(Kind::NotSupported, message).into());
    };
    let joining = exchange.take_join(&body).await?;
    Ok(answer(exchange::wire::write(&joining)?))
}
