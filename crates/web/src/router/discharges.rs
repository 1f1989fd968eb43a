//! The routes of discharges and of what is unsigned.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::discharges::{self, unsigned};

/// The largest form of a discharge, in bytes: nine texts of 8,000 characters and forty medicines, as browsers write them.
const FORM_BYTES_MAX: usize = 512 * 1024;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/unsigned", get(unsigned::page))
        .route(
            "/staff/discharges/new",
            get(discharges::new).post(discharges::begin),
        )
        .route("/staff/discharges/signed", get(discharges::signed))
        .route("/staff/discharges/{id}/amend", get(discharges::amend))
        .route(
            "/staff/discharges/{id}",
            get(discharges::draft).post(discharges::save),
        )
        .route(
            "/staff/discharges/{id}/sign",
            get(discharges::look).post(discharges::sign),
        )
        .route("/staff/discharges/{id}/discard", post(discharges::discard))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}
