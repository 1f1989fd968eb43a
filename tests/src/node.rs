//! Real `handover` processes.

pub mod demo;
pub mod look;
pub mod neighbourhood;
pub mod ports;
pub mod process;
