//! Appointments (`docs/protocol/exchange.md`, sections 12 and 13; decisions 0160 and 0161): slots of this node's own diary,
//! booked in one commit, and those of other organisations, asked for by a durable parcel and booked only when whose diary
//! it is has said so.
//!
//! Invariant: of many who want one slot, one has it, and what is not done is not half done. Invariant: what another
//! organisation has not confirmed is never shown as booked.

mod adjacent;
mod amend;
mod answer;
mod ask;
mod bars;
pub(crate) mod bars_look;
pub(crate) mod bars_text;
mod by_bars;
pub(crate) mod carry;
mod here;
mod listed;
mod local;
mod resource;
mod system;
mod text;
mod there;
mod wait;

use access::{Scope, SystemPurpose};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::diary::{Audience, Slot};

pub use adjacent::{More, are_adjacent};
pub use amend::amend;
pub use ask::{FreeThere, SLOTS_QUESTION_BYTES_MAX};
pub use bars::{BARS_SLOTS_MAX, BarsBooking, BarsChange, BarsWish};
pub use listed::{InSystem, Listed};
pub(crate) use local::booking_id as id_of;
pub use local::{
    Hold, Session, book, book_beside, book_with, cancel, change_slot, move_to, publish,
};
pub use text::{Act, BookingText, Offer, Outcome};

/// The longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;
/// How far ahead free appointments are looked for: six weeks.
pub const AHEAD_MILLIS: Millis = 42 * 86_400_000;
/// How often something is looked at anew because somebody else came between.
const TRIES_MAX: usize = 8;
/// Appointments that one patient may hold at a time by booking them online.
const LIVE_MAX: usize = 10;
/// What is offered instead of what is taken.
pub const NEXT_MAX: u32 = 5;

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'w> {
    /// The Patient's id here.
    pub patient: &'w str,
    /// The Slot's id.
    pub slot: &'w str,
    /// Why, in the patient's words; may be empty.
    pub reason: &'w str,
    /// What the form was made with: the same form sent again books once.
    pub attempt: &'w str,
    /// As whom they take it.
    pub audience: Audience,
}

/// The id that the appointment has where it is held which that organisation asked for under this name.
pub fn id_there(asker: &str, asked_as: &str) -> String {
    here::id_for(asker, asked_as)
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It is booked, now or by the same form before: the Appointment's id.
    Booked(String),
    /// It is asked for at another organisation, which has not said yet: the Appointment's id.
    Asked(String),
    /// Somebody else has it, or it is not offered any more. Nothing was changed.
    Taken,
}

/// How an appointment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Now,
    /// Whose diary it is has been told, and has not said yet.
    AskedFor,
}

/// The node's own work, for the request at hand; who may have it done is decided before.
fn work(scope: &Scope) -> Scope {
    Scope::system(SystemPurpose::KeepAppointments).for_request(scope.request_id())
}

fn came_between() -> Problem {
    let message = "Others are changing the same thing; try again soon.";
    Problem::new(Kind::Conflict, message)
}

fn check_reason(reason: &str) -> Result<(), Problem> {
    if reason.chars().count() > REASON_CHARS_MAX {
        return Err(Problem::new(
            Kind::TooLong,
            "A reason has up to 500 characters.",
        ));
    }
    Ok(())
}

/// Whether somebody of that audience can take it at that time.
fn is_open(slot: &Slot, audience: Audience, now: Millis) -> bool {
    slot.is_free() && slot.audience >= audience && slot.starts_at > now
}
