//! `PUT Appointment/{id}`: amended or cancelled
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/appointments_use_case_cancel_an_appointment.html>).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use exchange::booking;
use fhir::gp_connect::{Call, Change, Refusal, Trouble, Visit, read_change};
use http::StatusCode;
use store::diary::BookingState;

use super::answer::Refused;
use super::appointment::{find, told};
use super::book::read;
use super::caller::{Admitted, Brought, admit};
use crate::node::Node;

/// Changes its words, or ends it, at the version that the caller has read.
pub(super) async fn change(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    brought: Brought,
    body: Bytes,
) -> Result<Response, Refused> {
    let admitted = admit(&node, &brought, &[Call::Amend, Call::Cancel]).await?;
    let sent = read(&brought, &body)?;
    let known = find(&node, &admitted.scope, &id).await?;
    let version = brought.header("If-Match")?;
    if version != format!("W/\"{}\"", known.version) {
        let words =
            "The appointment has changed since it was read, or If-Match is not W/\"version\".";
        return Err(Refusal::new(Trouble::ConstraintViolation, words).into());
    }
    let change = read_change(&sent, &known)?;
    check(&node, &admitted, &known).await?;
    let scope = &admitted.scope;
    match (admitted.call, change) {
        (
            Call::Amend,
            Change::Words {
                description,
                comment,
            },
        ) => {
            let words = (description.as_str(), comment.as_str());
            booking::amend(&node.store, scope, (&id, known.version), words).await?;
        }
        (Call::Cancel, Change::Cancelled { reason }) => match &node.exchange {
            Some(exchange) => {
                let why = (reason.as_str(), scope.agent().name.as_str());
                exchange.cancel_booking(scope, &id, why).await?;
            }
            None => booking::cancel(&node.store, scope, &id, &reason).await?,
        },
        _ => {
            let words = "Ssp-InteractionID is not the one of this request.";
            return Err(Refusal::new(Trouble::BadRequest, words).into());
        }
    }
    let visit = find(&node, scope, &id).await?;
    Ok(told(StatusCode::OK, &visit))
}

/// That it stands in this diary, and is still to come.
async fn check(node: &Node, admitted: &Admitted, known: &Visit) -> Result<(), Refused> {
    let booking = node.store.booking(&admitted.scope, &known.id).await?;
    let own = node.site.organisation.as_str();
    let stands = booking.is_some_and(|it| {
        it.state == BookingState::Booked && it.holder == own && it.starts_at > node.store.now()
    });
    match stands {
        true => Ok(()),
        false => {
            let words =
                "This appointment is over, cancelled, or not of the diary that is kept here.";
            Err(Refusal::new(Trouble::InvalidRequestState, words).into())
        }
    }
}
