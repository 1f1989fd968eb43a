//! The routes of the patient's record, messages, questions and exports, and of the staff pages behind them.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::node::Node;
use crate::patient::record::{self, result, there};
use crate::patient::{about, export, letters, messages, offline, profile, questions};
use crate::staff::{glossary, messages as staffs, questions as asked};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/record", get(record::page))
        .route("/record/letters", get(letters::page))
        .route("/record/results/{id}", get(result::page))
        .route("/record/there", get(there::page))
        .route("/record/there/content", get(there::file))
        .route(
            "/record/query/{key}",
            get(questions::page).post(questions::ask),
        )
        .route("/messages", get(messages::list))
        .route("/messages/new", get(messages::form).post(messages::begin))
        .route("/messages/{id}", get(messages::one).post(messages::add))
        .route("/export", get(export::page))
        .route("/export/{kind}", get(export::again).post(export::take))
        .route("/profile", get(profile::page))
        .route("/offline", get(offline::page))
        .route("/offline/worker.js", get(offline::worker))
        .route("/help", get(about::help))
        .route("/accessibility", get(about::accessibility))
        .route("/staff/messages", get(staffs::list))
        .route(
            "/staff/messages/to/{id}",
            get(staffs::form).post(staffs::begin),
        )
        .route(
            "/staff/messages/{id}",
            get(staffs::one).post(staffs::answer),
        )
        .route("/staff/access-queries", get(asked::list))
        .route(
            "/staff/access-queries/{id}",
            get(asked::one).post(asked::answer),
        )
        .route("/staff/glossary", get(glossary::page).post(glossary::keep))
}
