//! Questionnaires that somebody was asked to answer. A Task says so, whoever writes it (a page, a rule, an app); what it says is
//! kept beside it in a row of its own, in the same commit, so that what is overdue or unread is counted for everybody, and whom
//! it is about is still read apart, by who may. Answers that are not handed in yet are rows too, and no resources.
//!
//! Invariant: a row says what its Task says. Invariant: answers that were given, or changed, are unread until somebody says that
//! they have read them. Invariant: what somebody has begun to write is shown to them alone.

mod lists;
mod said;
#[cfg(test)]
mod tests;
mod write;

pub use lists::{Ask, AskCounts, AskList};
pub(crate) use said::{follow, of as asked_by};
pub(crate) use write::apply;
pub use write::{DRAFT_BYTES_MAX, FormWrite};
