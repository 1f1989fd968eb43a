//! The routes of questionnaires: the patient's and staff's.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::node::Node;
use crate::patient::questionnaires as patients;
use crate::staff::questionnaires::{self, answer, patient};

/// The largest form, in bytes: answers of 200 questions, as browsers write them.
const FORM_BYTES_MAX: usize = 512 * 1024;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/questionnaires", get(patients::list))
        .route(
            "/questionnaires/{task}",
            get(patients::one).post(patients::write),
        )
        .route(
            "/questionnaires/{task}/check",
            get(patients::check).post(patients::hand_in),
        )
        .route("/staff/questionnaires", get(questionnaires::page))
        .route("/staff/questionnaires/{id}", get(questionnaires::preview))
        .route(
            "/staff/questionnaires/tasks/{task}",
            get(questionnaires::one),
        )
        .route(
            "/staff/questionnaires/tasks/{task}/answer",
            get(answer::form).post(answer::write),
        )
        .route(
            "/staff/questionnaires/tasks/{task}/check",
            get(answer::check).post(answer::hand_in),
        )
        .route(
            "/staff/questionnaires/tasks/{task}/seen",
            post(questionnaires::seen),
        )
        .route(
            "/staff/questionnaires/tasks/{task}/withdraw",
            post(questionnaires::withdraw),
        )
        .route(
            "/staff/patient/{id}/questionnaires",
            get(patient::page).post(patient::ask),
        )
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}
