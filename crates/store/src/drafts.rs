//! Letters in the making: what somebody has written and nobody has signed. They are rows of their own and no
//! resources, so that nothing unsigned stands in a record, reaches an app or leaves the organisation.
//!
//! Invariant: a draft is signed in the commit that sends what it says, or not at all. Invariant: a change is of the
//! version that its writer saw. Invariant: who is not shown the patient is not shown what was written about them.

mod lists;
#[cfg(test)]
mod tests;
mod write;

pub use lists::{Draft, Listed};
pub(crate) use write::apply;
pub use write::{BODY_BYTES_MAX, DraftWrite, End, NewDraft};
