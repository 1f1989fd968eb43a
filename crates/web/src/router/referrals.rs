//! The routes of referrals: the patient's, and those of who refers and who triages.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::patient::referrals as patients;
use crate::staff::referrals::{self, form, stuck, unmatched};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/referrals", get(patients::list))
        .route("/referrals/{id}", get(patients::one))
        .route("/staff/referrals", get(referrals::list))
        .route("/staff/referrals/new", get(form::page).post(form::send))
        .route("/staff/referrals/{id}", get(referrals::one))
        .route("/staff/referrals/{id}/accept", post(referrals::accept))
        .route("/staff/referrals/{id}/ask", post(referrals::ask))
        .route("/staff/referrals/{id}/return", post(referrals::give_back))
        .route("/staff/referrals/{id}/reply", post(referrals::reply))
        .route("/staff/referrals/{id}/withdraw", post(referrals::withdraw))
        .route("/staff/referrals/unmatched/{pid}", get(unmatched::page))
        .route(
            "/staff/referrals/unmatched/{pid}/match",
            post(unmatched::matched),
        )
        .route(
            "/staff/referrals/unmatched/{pid}/register",
            post(unmatched::register),
        )
        .route(
            "/staff/referrals/unmatched/{pid}/return",
            post(unmatched::give_back),
        )
        .route("/staff/worklist/referrals/{pid}/again", post(stuck::again))
        .route("/staff/worklist/bars/{id}/again", post(stuck::bars_again))
        .route("/staff/worklist/referrals/{pid}/take", post(stuck::take))
}
