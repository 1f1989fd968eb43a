//! The routes about patients who move, and about letters that other organisations hold.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::{moves, shared_letter};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/moves", get(moves::page).post(moves::register))
        .route("/staff/moves/{id}/agree", post(moves::agree))
        .route("/staff/moves/{id}/object", post(moves::object))
        .route("/staff/moves/{id}/not-moved", post(moves::not_moved))
        .route(
            "/staff/patient/{id}/shared/letter",
            get(shared_letter::page),
        )
        .route(
            "/staff/patient/{id}/shared/letter/content",
            get(shared_letter::file),
        )
}
