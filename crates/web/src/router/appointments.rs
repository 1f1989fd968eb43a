//! The routes of appointments: patients', and the staff's diary.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::node::Node;
use crate::patient::appointments::{self, book, list};
use crate::staff::{bookings, slot_book, slots, slots_there};

pub fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/appointments", get(list::page))
        .route("/appointments/book", get(book::page).post(book::book))
        .route("/appointments/book/check", post(book::check))
        .route("/appointments/{id}", get(appointments::one))
        .route("/appointments/{id}/cancel", post(appointments::cancel))
        .route("/staff/slots", get(slots::page).post(slots::publish))
        .route("/staff/slots/there", get(slots_there::page))
        .route("/staff/slots/{id}/change", post(slots::change))
        .route("/staff/slots/{id}/cancel", post(slots::cancel))
        .route(
            "/staff/slots/{id}/book",
            get(slot_book::page).post(slot_book::book),
        )
        .route("/staff/worklist/bookings/{id}/again", post(bookings::again))
        .route(
            "/staff/worklist/bookings/{id}/settled",
            post(bookings::settled),
        )
        .route("/staff/worklist/bookings/{id}/take", post(bookings::take))
}
