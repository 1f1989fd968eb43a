//! What leaves the node in a file to be read where nothing answers: one HTML file that any browser opens with a
//! passphrase (`docs/visits.md`, `docs/downtime.md`).
//!
//! Invariant: nothing about a patient stands in the file's plain bytes. Invariant: the file loads nothing and sends
//! nothing; what is written in it leaves as a file that is sealed again.

pub mod code128;
pub mod pdf;
pub mod record;
pub mod seal;
pub mod sheet;

/// The fewest characters of a passphrase: who finds the file may guess for as long as they like.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
