//! The store, on every database.

mod audit;
mod opening;
mod people;
mod resources;
mod scopes;
mod searches;
