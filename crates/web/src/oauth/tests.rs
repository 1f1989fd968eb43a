//! The authorization server through the real router, on each database.

pub(crate) mod app;
mod attacks;
mod bound;
mod flow;
pub(crate) mod systems;
