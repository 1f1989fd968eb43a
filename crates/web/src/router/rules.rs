//! The routes of rules on events.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::rules::{self, acts};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/rules", get(rules::page))
        .route("/staff/rules/examples", post(rules::take_examples))
        .route("/staff/rules/acts/{number}/undo", post(acts::undo_one))
        .route("/staff/rules/{id}", get(rules::one).post(rules::change))
        .route("/staff/worklist/rules/{seq}/{what}", post(rules::again))
}
