//! The staff's pages.

pub mod views;
