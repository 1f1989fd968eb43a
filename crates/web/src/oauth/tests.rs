//! The authorization server through the real router, on each database.

mod app;
mod attacks;
mod bound;
mod flow;
mod systems;
