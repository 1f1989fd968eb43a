//! Referrals: how each stands (decision 0210). What is asked, and what was said of it, is in its ServiceRequest, a resource as
//! any other; a row here says whose turn it is.
//!
//! Invariant: a referral moves on in the commit that writes what was said, tells the other side and leaves the trace, or not
//! at all. Invariant: nothing but a step that somebody took makes it accepted.

mod bars_out;
mod lists;
#[cfg(test)]
mod tests;
mod write;

use fhir::date::Millis;

pub(crate) use bars_out::booking_again;
pub use bars_out::{BarsOut, StuckBars};
pub use lists::{Known, ReferralCounts, ReferralList, StuckReferral, UnmatchedReferral};
pub(crate) use write::apply;
pub use write::{ReferralWas, ReferralWrite};

/// How a referral stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferralState {
    /// Nobody at the receiver has decided yet.
    Waiting,
    /// The receiver has asked, and who refers has not answered yet.
    Asked,
    /// A named clinician of the receiver has accepted it.
    Accepted,
    /// The receiver has given it back, and said why.
    Returned,
    /// Who refers does not want it any more.
    Withdrawn,
}

impl ReferralState {
    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            ReferralState::Waiting => "waiting",
            ReferralState::Asked => "asked",
            ReferralState::Accepted => "accepted",
            ReferralState::Returned => "returned",
            ReferralState::Withdrawn => "withdrawn",
        }
    }

    /// The state of that word.
    pub fn from_code(code: &str) -> Option<ReferralState> {
        Some(match code {
            "waiting" => ReferralState::Waiting,
            "asked" => ReferralState::Asked,
            "accepted" => ReferralState::Accepted,
            "returned" => ReferralState::Returned,
            "withdrawn" => ReferralState::Withdrawn,
            _ => return None,
        })
    }

    /// Whether somebody has still to decide.
    pub fn is_open(self) -> bool {
        matches!(self, ReferralState::Waiting | ReferralState::Asked)
    }
}

/// How a referral travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In signed parcels between nodes.
    Node,
    /// By the Booking and Referral Standard.
    Bars,
}

impl Way {
    pub fn code(self) -> &'static str {
        match self {
            Way::Node => "node",
            Way::Bars => "bars",
        }
    }

    pub(crate) fn from_code(code: &str) -> Way {
        match code {
            "bars" => Way::Bars,
            _ => Way::Node,
        }
    }
}

/// A referral's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// The ServiceRequest's id here.
    pub id: String,
    /// Whether it came in.
    pub inward: bool,
    pub way: Way,
    /// The organisation at the other end: its ODS code.
    pub other: String,
    /// The referral's id at who refers.
    pub asked_as: String,
    /// The Patient here; empty while nobody has said whose it is.
    pub patient: String,
    /// A code of FHIR's request priority.
    pub urgency: String,
    pub state: ReferralState,
    pub made_at: Millis,
    pub state_at: Millis,
    /// The number of this side's last step, and of the other's.
    pub steps: u32,
    pub told: u32,
    /// Something came of it that nobody here has looked at.
    pub news: bool,
    /// The id of this side's last parcel; may be empty.
    pub parcel: String,
    /// The day by which the patient is to be seen; 0 for none.
    pub promised_by: Millis,
    /// The Appointment; may be empty.
    pub appointment: String,
    /// Grows with each change.
    pub version: i64,
}
