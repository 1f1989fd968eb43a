//! The routes of acting for others, and of a record that is not shown online.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::patient::{online, people};
use crate::staff::proxies;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/people", get(people::page))
        .route("/people/offer", post(people::offer))
        .route("/people/take-back", post(people::take_back))
        .route("/people/accept", post(people::accept))
        .route("/people/act", post(people::act))
        .route("/people/stop", post(people::stop))
        .route("/people/end", post(people::end))
        .route("/profile/privacy", get(online::page))
        .route("/profile/privacy/pause", post(online::pause))
        .route("/profile/privacy/hide", post(online::hide))
        .route("/staff/people/{id}", get(proxies::page).post(proxies::take))
}
