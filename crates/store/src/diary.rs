//! The diary: Slots that can be booked, and bookings (decision 0160). A Slot is a resource as any other; what it says is
//! kept beside it in rows of its own, in the same commit, so that what is free is found quickly and a booking finds what
//! it rests on.
//!
//! Invariant: a slot is taken, and its Appointment made, in one commit or not at all. Invariant: what is booked is not
//! made free by anything but the end of its booking.

mod lists;
mod slot;
mod system;
#[cfg(test)]
mod tests;
mod write;

use fhir::date::Millis;

pub use lists::{Free, StuckBooking};
pub(crate) use lists::{SOON_MILLIS, SOON_UNANSWERED_MILLIS};
pub(crate) use slot::{SlotSaid, follow};
pub use system::SystemBooking;
pub(crate) use write::apply;
pub use write::{DiaryWrite, Was};

/// The system of the tag on a Slot that says who may take it.
pub const BOOKABLE_BY: &str = "urn:handover:bookable-by";

/// Who may take a slot; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Staff of the organisation, for a patient.
    Staff,
    /// Its patients by themselves.
    Patients,
    /// Other organisations of the network and their patients.
    Organisations,
}

impl Audience {
    /// The tag's code; none for staff alone.
    pub fn code(self) -> Option<&'static str> {
        match self {
            Audience::Staff => None,
            Audience::Patients => Some("patients"),
            Audience::Organisations => Some("organisations"),
        }
    }

    fn number(self) -> i64 {
        match self {
            Audience::Staff => 0,
            Audience::Patients => 1,
            Audience::Organisations => 2,
        }
    }

    fn from_number(number: i64) -> Audience {
        match number {
            2 => Audience::Organisations,
            1 => Audience::Patients,
            _ => Audience::Staff,
        }
    }
}

/// A slot of this node's diary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub id: String,
    /// The Schedule's id; may be empty.
    pub schedule: String,
    /// As FHIR has it: `free`, `busy`, `busy-tentative` (held), `busy-unavailable` (taken back).
    pub status: String,
    pub starts_at: Millis,
    pub ends_at: Millis,
    /// What sort of appointment it is, in words.
    pub kind: String,
    /// With whom, in words.
    pub held_by: String,
    pub audience: Audience,
    /// The resource's version that says so.
    pub version: u64,
}

impl Slot {
    pub fn is_free(&self) -> bool {
        self.status == "free"
    }
}

/// How a booking stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BookingState {
    /// Whose diary it is has been asked, and has not said yet.
    Asked,
    Booked,
    /// Somebody else had the slot.
    Taken,
    /// Whose diary it is does not do it, and has said why.
    Refused,
    /// Whose diary it is has been told that it is not wanted any more, and has not said yet.
    Cancelling,
    Cancelled,
}

impl BookingState {
    /// The word in tables and on the wire.
    pub fn code(self) -> &'static str {
        match self {
            BookingState::Asked => "asked",
            BookingState::Booked => "booked",
            BookingState::Taken => "taken",
            BookingState::Refused => "refused",
            BookingState::Cancelling => "cancelling",
            BookingState::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<BookingState> {
        Some(match code {
            "asked" => BookingState::Asked,
            "booked" => BookingState::Booked,
            "taken" => BookingState::Taken,
            "refused" => BookingState::Refused,
            "cancelling" => BookingState::Cancelling,
            "cancelled" => BookingState::Cancelled,
            _ => return None,
        })
    }

    /// Whether the patient may still come because of it.
    pub fn is_live(self) -> bool {
        matches!(
            self,
            BookingState::Asked | BookingState::Booked | BookingState::Cancelling
        )
    }
}

/// A booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The Appointment's id here.
    pub id: String,
    /// The Patient's id here.
    pub patient: String,
    /// Whose diary it is, and who asked for it: ODS codes.
    pub holder: String,
    pub asker: String,
    /// The booking's id at who asked.
    pub asked_as: String,
    /// The Slot's id at the holder.
    pub slot: String,
    pub starts_at: Millis,
    pub state: BookingState,
    pub asked_at: Millis,
    pub state_at: Millis,
    /// The id of the parcel that asked last; empty within one organisation.
    pub parcel: String,
    /// The Appointment here in whose place it is to come; empty for none.
    pub instead_of: String,
    /// Why it was refused or cancelled.
    pub reason: String,
    /// What was free instead, as its holder told it (JSON); may be empty.
    pub next: String,
}
