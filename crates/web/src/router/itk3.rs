//! The routes of ITK3 documents that need somebody.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;

use crate::node::Node;
use crate::staff::itk3;

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/staff/worklist/itk3/{number}/again", post(itk3::again))
        .route("/staff/worklist/itk3/{number}/sent", post(itk3::sent))
        .route("/staff/worklist/itk3/{number}/fax", post(itk3::by_fax))
        .route("/staff/worklist/itk3/{number}/settled", post(itk3::settled))
        .route(
            "/staff/worklist/itk3-in/{number}/again",
            post(itk3::read_again),
        )
        .route(
            "/staff/worklist/itk3-in/{number}/settled",
            post(itk3::in_settled),
        )
        .route(
            "/staff/worklist/itk3-answers/{number}/again",
            post(itk3::answer_again),
        )
        .route(
            "/staff/worklist/itk3-answers/{number}/settled",
            post(itk3::answer_settled),
        )
}
