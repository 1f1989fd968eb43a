//! What patients and their practice write to each other. Rows of their own: a message is no entry of the record until a
//! clinician makes it one.
//!
//! Invariant: a message is shown to its patient and to staff who are shown that patient, and is sent nowhere.

mod lists;
#[cfg(test)]
mod tests;
mod write;

pub use lists::{MessageCounts, Post, Thread, ThreadList, Unopened};
pub(crate) use write::apply;
pub use write::{MessageWrite, SUBJECT_CHARS_MAX, TEXT_CHARS_MAX, Writer};
