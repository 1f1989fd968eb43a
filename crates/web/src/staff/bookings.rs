//! Bookings at other organisations that do not get on by themselves, on the work list.

use std::sync::Arc;

use access::{Interaction, Scope};
use axum::extract::{Path, State};
use axum::response::Response;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::Effect;
use store::diary::{BookingState, DiaryWrite, StuckBooking};
use store::parcels::State as Parcel;

use crate::form::Fields;
use crate::node::Node;
use crate::page::parts::{Label, Link};
use crate::page::problem::Refusal;
use crate::page::{see_other, words};
use crate::staff::{views, worklist};
use crate::visit::Visit;

/// The most rows of the group.
const ROWS_MAX: u32 = 100;
const HOUR: Millis = 3_600_000;

/// The group of the work list.
pub(super) async fn group(
    node: &Node,
    scope: &Scope,
    now: Millis,
) -> Result<views::Group, Problem> {
    let hours = i64::from(node.diary.answer_hours).saturating_mul(HOUR);
    let before = now.saturating_sub(hours);
    let stuck = node.store.stuck_bookings(scope, before, ROWS_MAX).await?;
    let mut rows: Vec<views::Work> = stuck.iter().map(|it| row(node, it, now)).collect();
    for (pid, sender, at, why) in node.store.bookings_set_aside(scope, ROWS_MAX).await? {
        let other = (node.organisation_name)(&sender);
        rows.push(views::Work {
            when: words::moment(at, now),
            what: format!("Booking from {other}"),
            href: None,
            state: Label {
                text: "Not taken in",
                colour: Some("red"),
            },
            why,
            next: format!("Try it again; if that fails, ring {other}: its patient has no answer."),
            actions: vec![Link {
                text: "Try again",
                href: format!("/staff/worklist/bookings/{pid}/take"),
            }],
        });
    }
    let empty = "Every booking at another organisation has been answered or is on its way.";
    let title = "Bookings without an answer";
    Ok(worklist::group("bookings", title, rows, empty))
}

fn row(node: &Node, stuck: &StuckBooking, now: Millis) -> views::Work {
    let other = (node.organisation_name)(&stuck.holder);
    let what = match stuck.state {
        BookingState::Cancelling => format!("Cancellation at {other}"),
        _ => format!("Booking at {other}"),
    };
    let undelivered = stuck.parcel == Some(Parcel::Undeliverable);
    let (text, colour, next) = match undelivered {
        true => (
            "Undeliverable",
            "red",
            format!(
                "Ask {other} why, and whether its system is running, then send again, or settle it. The patient's page says that it is not booked."
            ),
        ),
        false => (
            "No answer",
            "yellow",
            format!(
                "Ring {other} and the patient, then settle it: it ends. The patient's page says that it is not confirmed."
            ),
        ),
    };
    let again = Link {
        text: "Send again",
        href: format!("/staff/worklist/bookings/{}/again", stuck.id),
    };
    let settled = Link {
        text: "Settled",
        href: format!("/staff/worklist/bookings/{}/settled", stuck.id),
    };
    views::Work {
        when: words::moment(stuck.since, now),
        what,
        href: None,
        state: Label {
            text,
            colour: Some(colour),
        },
        why: match stuck.reason.as_str() {
            "" => "No reason was given.".to_owned(),
            reason => reason.to_owned(),
        },
        next,
        actions: if undelivered {
            vec![again, settled]
        } else {
            vec![settled]
        },
    }
}

/// `POST /staff/worklist/bookings/{id}/again`
pub async fn again(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let row = format!("booking={id}");
    let write = Effect::Diary(DiaryWrite::SendAgain { id });
    worklist::decide(&node, &visit, row, write).await?;
    Ok(see_other("/staff/worklist?done=booking-again"))
}

/// `POST /staff/worklist/bookings/{id}/settled`: it ends, as somebody has found out that it must.
pub async fn settled(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(id): Path<String>,
    _: Fields,
) -> Result<Response, Refusal> {
    let interaction = Interaction::CancelAppointment;
    let scope = visit.scope(&node, interaction, "Appointment").await?;
    let by = visit.caller().map(words::caller).unwrap_or_default();
    let reason = format!("{} ended it, as it was not answered.", node.site.name);
    let exchange = node.exchange.as_ref().ok_or_else(|| {
        let message = "Other organisations cannot be told from here.";
        Problem::new(Kind::NotSupported, message)
    })?;
    exchange.settle_booking(&scope, &id, (&reason, &by)).await?;
    Ok(see_other("/staff/worklist?done=booking-settled"))
}

/// `POST /staff/worklist/bookings/{id}/take`: a parcel is tried again, by its number.
pub async fn take(
    State(node): State<Arc<Node>>,
    visit: Visit,
    Path(pid): Path<i64>,
    _: Fields,
) -> Result<Response, Refusal> {
    let row = format!("booking-parcel={pid}");
    let write = Effect::Diary(DiaryWrite::TakeAgain { pid });
    worklist::decide(&node, &visit, row, write).await?;
    Ok(see_other("/staff/worklist?done=booking-taken"))
}
