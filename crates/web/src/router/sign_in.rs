//! The routes of signing in, and of the pages about one's own sign-in.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::sign_in::{pages, profile, second, step_up};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/login", get(pages::staff).post(pages::staff_in))
        .route("/login", get(pages::patient).post(pages::patient_in))
        .route("/sign-out", post(pages::out))
        .route("/staff/login/code", post(second::code_in))
        .route("/login/code", post(second::code_in))
        .route("/staff/login/second-factor", post(second::confirm))
        .route("/staff/step-up", get(step_up::page).post(step_up::confirm))
        .route("/step-up", get(step_up::page).post(step_up::confirm))
        .route("/staff/profile", get(profile::page))
        .route("/staff/profile/end", post(profile::end))
        .route("/staff/profile/end-others", post(profile::end_others))
        .route("/staff/profile/second-factor", post(profile::set_up_code))
        .route(
            "/staff/profile/second-factor/off",
            post(profile::forget_code),
        )
        .route("/profile/sessions", get(profile::page))
        .route("/profile/sessions/end", post(profile::end))
        .route("/profile/sessions/end-others", post(profile::end_others))
}
