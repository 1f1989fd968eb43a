//! Bundles (<https://hl7.org/fhir/R4/bundle.html>): transactions and batches read, search results
//! and their like written.

mod build;
mod transaction;

pub use build::{Outcome, searchset, transaction_response};
pub use transaction::{Condition, Draft, Entry, Method, Mode, Question, Transaction, parse};
