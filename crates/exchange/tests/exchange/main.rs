//! Nodes in one process, on SQLite and on PostgreSQL, over a link that tests break.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod ambulance;
mod asking;
mod backlog;
mod booking;
mod collecting;
mod crossing;
mod discharging;
mod example;
mod keeping_order;
mod large;
mod link;
mod lists;
mod mailboxes;
mod moving;
mod national;
mod network;
mod questioning;
mod referring;
mod refusals;
mod ruling;
mod service;
mod sharing;
mod taking_back;
mod waiting;
mod witnessing;
