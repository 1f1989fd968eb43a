//! The routes of the workbench.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::desk::{
    admin, blueprints, bulk, filters, letters, neighbours, results, tasks, templates, timeline,
    whose,
};

/// The largest form of a letter, in bytes: a text of 20,000 characters, as browsers write it.
const FORM_BYTES_MAX: usize = 256 * 1024;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/inbox/bulk", get(bulk::page).post(bulk::take))
        .route("/staff/inbox/bulk/{id}/undo", post(bulk::undo))
        .route("/staff/inbox/filters", post(filters::keep))
        .route("/staff/item/{pid}/assign", post(whose::assign))
        .route("/staff/tasks", get(tasks::page))
        .route("/staff/tasks/new", get(tasks::new).post(tasks::begin))
        .route("/staff/tasks/{id}", get(tasks::one).post(tasks::step))
        .route("/staff/letters/new", get(letters::new).post(letters::begin))
        .route(
            "/staff/letters/{id}",
            get(letters::draft).post(letters::save),
        )
        .route(
            "/staff/letters/{id}/sign",
            get(letters::look).post(letters::sign),
        )
        .route("/staff/letters/{id}/discard", post(letters::discard))
        .route("/staff/templates", get(templates::page))
        .route(
            "/staff/templates/new",
            get(templates::new).post(templates::keep),
        )
        .route(
            "/staff/templates/{id}",
            get(templates::one).post(templates::change),
        )
        .route("/staff/patient/{id}/timeline", get(timeline::page))
        .route("/staff/patient/{id}/results", get(results::page))
        .route("/staff/neighbours", get(neighbours::page))
        .route("/staff/blueprints", get(blueprints::page))
        .route("/staff/admin/teams", get(admin::page).post(admin::change))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}
