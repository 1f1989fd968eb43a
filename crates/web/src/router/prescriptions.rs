//! The routes of prescriptions: the patient's, the prescriber's and the pharmacist's.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::page::tongue;
use crate::patient::prescriptions::{self as patients, pharmacy};
use crate::staff::{dispensing, prescriptions, stuck_prescriptions as stuck};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/language", get(tongue::choose))
        .route("/prescriptions", get(patients::list))
        .route(
            "/prescriptions/order",
            get(patients::form).post(patients::place),
        )
        .route("/prescriptions/{id}", get(patients::one))
        .route("/pharmacy", get(pharmacy::page).post(pharmacy::choose))
        .route("/staff/prescriptions", get(prescriptions::queue))
        .route("/staff/prescriptions/{order}", get(prescriptions::one))
        .route(
            "/staff/prescriptions/{order}/approve",
            post(prescriptions::approve),
        )
        .route(
            "/staff/prescriptions/{order}/refuse",
            post(prescriptions::refuse),
        )
        .route(
            "/staff/prescriptions/{order}/cancel",
            post(prescriptions::cancel::cancel),
        )
        .route("/staff/dispensing", get(dispensing::page))
        .route("/staff/dispensing/fetch", post(dispensing::fetch))
        .route("/staff/dispensing/act", post(dispensing::act))
        .route("/staff/worklist/eps/{number}/again", post(stuck::again))
        .route("/staff/worklist/eps/{number}/settled", post(stuck::settled))
        .route(
            "/staff/worklist/status/{pid}/again",
            post(stuck::status_again),
        )
        .route(
            "/staff/worklist/status/{pid}/settled",
            post(stuck::status_settled),
        )
}
