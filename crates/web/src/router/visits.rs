//! The routes of visits to people at home.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::visits;

/// The largest file that is brought back, in bytes: 400 entries with long notes.
const FILE_BYTES_MAX: usize = 8 << 20;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route(
            "/staff/visits/sync",
            get(visits::sync_page).post(visits::sync),
        )
        .layer(DefaultBodyLimit::max(FILE_BYTES_MAX))
        .route("/staff/visits", get(visits::list))
        .route("/staff/visits/new", get(visits::new).post(visits::plan))
        .route("/staff/visits/pack", post(visits::take_along))
        .route("/staff/visits/pack/{id}/end", post(visits::end))
        .route("/staff/visits/entry/{id}", get(visits::entry_page))
        .route("/staff/visits/entry/{id}/decide", post(visits::decided))
        .route("/staff/visits/{id}", get(visits::one))
        .route("/staff/visits/{id}/change", post(visits::change))
}
