//! What PDS, the national record of who is who, says of the patients here (`docs/pds.md`): who is to be
//! asked about, what was answered, and when.
//!
//! Invariant: what is kept of an answer says when it was given. Invariant: a patient is asked about again
//! only when their number, name or birth date changed, when somebody says so, or when the answer is old.

mod lists;
#[cfg(test)]
mod tests;
mod write;

pub use lists::{Due, NewPatient, Traced};
pub use write::{PdsWrite, TraceState};
pub(crate) use write::{apply, forget};
