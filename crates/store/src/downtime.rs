//! What was written for when everything is off, what people did with it, and what came back on paper
//! (`docs/downtime.md`).
//!
//! Invariant: a bar code stands for one form of one patient for ever. Invariant: a paper is taken in once.

mod lists;
#[cfg(test)]
mod tests;
mod write;

pub use lists::{DowntimeEvent, DowntimePack};
pub(crate) use write::apply;
pub use write::{DowntimeWrite, PaperEntry, PaperKind};
