//! HTTP: the only crate that serves it.

pub mod page;
