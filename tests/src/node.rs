//! Real `handover` processes.

pub mod process;
