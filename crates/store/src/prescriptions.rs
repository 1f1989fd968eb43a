//! What stands beside the Tasks of repeat prescriptions: which pharmacy a patient chose, and the messages
//! to the Electronic Prescription Service (EPS), each kept as it is sent until it is answered.

mod lists;
#[cfg(test)]
mod tests;
mod there;
mod write;

pub use lists::{EpsMessage, EpsStuck, StuckStatus};
pub use there::OrderThere;
pub(crate) use write::apply;
pub use write::{EpsKind, EpsNew, PrescriptionWrite};
