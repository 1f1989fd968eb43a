//! The routes of signing in, and of the pages about one's own sign-in.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::sign_in::oidc::{nhs_login, staff};
use crate::sign_in::{pages, passkey, profile, proof, second, step_up};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/login", get(pages::staff).post(pages::staff_in))
        .route("/login", get(pages::patient).post(pages::patient_in))
        .route("/sign-out", post(pages::out))
        .route("/staff/login/code", post(second::code_in))
        .route("/login/code", post(second::code_in))
        .route("/staff/login/second-factor", post(second::confirm))
        .route("/login/nhs", get(nhs_login::go))
        .route("/login/nhs/callback", get(nhs_login::back))
        .route("/staff/login/oidc", get(staff::go))
        .route("/staff/login/oidc/callback", get(staff::back))
        .route("/staff/login/role", post(staff::choose))
        .route("/staff/profile/role", post(staff::switch))
        .route("/staff/step-up", get(step_up::page).post(step_up::confirm))
        .route("/step-up", get(step_up::page).post(step_up::confirm))
        .route("/staff/step-up/oidc", get(staff::go_stepping_up))
        .route("/step-up/nhs", get(nhs_login::go_stepping_up))
        .route("/staff/profile", get(profile::page))
        .route("/staff/profile/end", post(profile::end))
        .route("/staff/profile/app/end", post(profile::end_app))
        .route("/profile/sessions/app/end", post(profile::end_app))
        .route("/staff/profile/end-others", post(profile::end_others))
        .route("/staff/profile/second-factor", post(profile::set_up_code))
        .route(
            "/staff/profile/second-factor/off",
            post(profile::forget_code),
        )
        .merge(passkeys())
        .route("/profile/sessions", get(profile::page))
        .route("/profile/sessions/end", post(profile::end))
        .route("/profile/sessions/end-others", post(profile::end_others))
}

/// Passkeys, and identities proved in person, which open the way to a patient's first one.
fn passkeys() -> Router<Arc<Node>> {
    let sign_in = || get(passkey::sign_in_page).post(passkey::sign_in);
    let step_up = || get(passkey::step_up_page).post(passkey::step_up);
    let add = || get(passkey::add_page).post(passkey::add);
    Router::new()
        .route("/staff/login/passkey", sign_in())
        .route("/login/passkey", sign_in())
        .route("/staff/step-up/passkey", step_up())
        .route("/step-up/passkey", step_up())
        .route("/staff/profile/passkey", add())
        .route("/profile/sessions/passkey", add())
        .route("/staff/profile/passkey/remove", post(passkey::remove))
        .route("/profile/sessions/passkey/remove", post(passkey::remove))
        .route("/staff/identity", get(proof::page).post(proof::record))
        .route(
            "/login/invitation",
            get(proof::invitation).post(proof::accept),
        )
        .route("/login/invitation/passkey", post(passkey::add_invited))
}
