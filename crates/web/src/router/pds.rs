//! The routes about PDS, and of a restricted patient's release to a visiting team.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::{find, pds, team_release};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/patients", get(find::page).post(find::find))
        .route("/staff/patient/{id}/pds/again", post(pds::again))
        .route("/staff/patient/{id}/pds/settled", post(pds::settled))
        .route("/staff/patient/{id}/pds/merge", post(pds::merge))
        .route("/staff/worklist/pds/{id}/again", post(pds::list_again))
        .route("/staff/worklist/pds/{id}/settled", post(pds::list_settled))
        .route(
            "/staff/whereabouts/{id}/team",
            get(team_release::page).post(team_release::release),
        )
        .route(
            "/staff/whereabouts/{id}/team/{number}/end",
            post(team_release::end),
        )
}
