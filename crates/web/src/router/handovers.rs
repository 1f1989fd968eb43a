//! The routes of ambulance crews' handovers: the crew's and the department's.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::handovers::{self, form, matched, one};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/handover-board", get(handovers::board))
        .route("/staff/handovers", get(handovers::sent))
        .route(
            "/staff/handovers/new",
            get(form::page).post(form::hand_over),
        )
        .route("/staff/handovers/{id}", get(one::page))
        .route(
            "/staff/handovers/{id}/update",
            get(form::more).post(form::update),
        )
        .route("/staff/handovers/{id}/arrived", post(one::arrived))
        .route("/staff/handovers/{id}/divert", post(one::divert))
        .route("/staff/handovers/{id}/withdraw", post(one::withdraw))
        .route("/staff/handovers/{id}/begin", post(one::begin))
        .route("/staff/handovers/{id}/receive", post(one::receive))
        .route("/staff/handovers/{id}/close", post(one::close))
        .route(
            "/staff/handovers/{id}/match",
            get(matched::page).post(matched::matched),
        )
        .route("/staff/handovers/{id}/register", post(matched::register))
        .route("/staff/handovers/{id}/move", post(matched::moved))
        .route("/staff/handovers/{id}/move-back", post(matched::moved_back))
}
