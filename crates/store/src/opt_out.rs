//! National data opt-outs: what the national service answered when it was last asked about the people
//! here, and what an export for uses beyond care leaves out by it (decision 0111).
//!
//! Invariant: an answer is in force as a whole or not at all. Invariant: who was asked about and is
//! not in the answer has opted out. Invariant: who cannot be asked about is left out as well.

mod bar;
mod clear;
mod lists;
mod write;

pub use bar::Bar;
pub use lists::{Check, CheckState, Choice, Standing};
pub(crate) use write::apply;
pub use write::{NUMBERS_A_WRITE_MAX, OptOutWrite};
