//! The routes of crisis plans.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;

use crate::node::Node;
use crate::staff::crisis_plan;

/// The largest form of a plan, in bytes: six texts of 4,000 characters, as browsers write them.
const FORM_BYTES_MAX: usize = 256 * 1024;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/crisis-plan/{id}", get(crisis_plan::page))
        .route(
            "/staff/crisis-plan/{id}/write",
            get(crisis_plan::form).post(crisis_plan::write),
        )
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}
