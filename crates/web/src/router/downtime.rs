//! The routes of what staff have when everything is off.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::downtime;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/downtime", get(downtime::page))
        .route("/staff/downtime/event", post(downtime::record))
        .route(
            "/staff/downtime/paper",
            get(downtime::ask).post(downtime::enter),
        )
}
