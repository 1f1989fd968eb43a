//! The store, on every database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod acting;
mod audit;
mod care;
mod copies;
mod ecl;
mod familiar;
mod finding;
mod hierarchies;
mod homes;
mod labels;
mod leaves;
mod log_tree;
mod many;
mod merged;
mod modifiers;
mod opening;
mod over_all;
mod own_parameters;
mod people;
mod property;
mod published;
mod releases;
mod resources;
mod scopes;
mod searches;
mod searching;
mod sharing;
mod special;
mod terminology;
mod there;
mod walks;
mod whereabouts;
