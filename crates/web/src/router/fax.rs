//! The routes of faxes.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::staff::{fax_count, fax_in, fax_numbers, fax_out};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/fax-in", get(fax_in::page))
        .route("/staff/fax-in/{number}", get(fax_in::one))
        .route("/staff/fax-in/{number}/file", get(fax_in::file))
        .route("/staff/fax-in/{number}/page/{page}", get(fax_in::picture))
        .route("/staff/fax-in/{number}/match", post(fax_in::matched))
        .route("/staff/fax-in/{number}/aside", post(fax_in::aside))
        .route("/staff/fax-in/{number}/up", post(fax_in::up))
        .route(
            "/staff/fax-numbers",
            get(fax_numbers::page).post(fax_numbers::take),
        )
        .route("/staff/fax-count", get(fax_count::page))
        .route("/staff/worklist/faxes/{number}/again", post(fax_out::again))
        .route("/staff/worklist/faxes/{number}/sent", post(fax_out::sent))
        .route(
            "/staff/worklist/faxes/{number}/settled",
            post(fax_out::settled),
        )
}
