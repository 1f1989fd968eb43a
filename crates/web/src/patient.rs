//! The patients' pages.

pub mod views;
