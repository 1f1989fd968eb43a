//! PDS, the national record of who is who (`docs/pds.md`,
//! <https://digital.nhs.uk/developer/api-catalogue/personal-demographics-service-fhir>): a client of its FHIR API, and
//! the worker that asks it who the people here are.
//!
//! Invariant: nothing is taken over from PDS on the number alone: number, birth date and name must all agree.
//! Invariant: what PDS said is shown with the time at which it said so. Invariant: no NHS number stands in a
//! log or in the text of an error.

mod ask;
mod client;
mod follow;
mod judge;
pub mod said;
mod trace;

pub use ask::{Found, Likeness, Looked, Wanted};
pub use client::{Answer, Pds};
pub(crate) use trace::run;
