//! Bundles (<https://hl7.org/fhir/R4/bundle.html>): transactions and batches read, search results
//! and their like written.
//!
//! What is read here has been through `validate`, so that its structure can be relied on; what is
//! not as expected is refused all the same.

mod build;
mod inside;
mod links;
mod moved;
mod question;
mod request;
mod settle;
mod transaction;

pub use build::{Found, Outcome, Past, history, response, searchset, searchset_with};
pub use question::Question;
pub use request::{Condition, Method};
pub use transaction::{Draft, ENTRIES_MAX, Entry, Known, Mode, Transaction, mode, parse, split};
