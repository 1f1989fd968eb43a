//! What patients want shared: their preferences as a Consent at the home practice, the statements of
//! it that other members hold, and how far behind a member may be (decision 0110).
//!
//! The rules themselves are rows of `care_dissent`, which every decision already asks: those of a
//! Consent stand under its id, those of another practice's statement under `home:` and its ODS code.

mod consent;
mod home;
mod lists;
mod write;

pub use consent::{CATEGORY_CODE, CATEGORY_SYSTEM, Rule, consent};
pub(crate) use consent::{Sharing, changed, follow};
pub use lists::{Due, Held, Outstanding, Standpoint, Telling};
pub use write::{Asked, SharingWrite, Statement};
pub(crate) use write::{apply, is_held_elsewhere};
