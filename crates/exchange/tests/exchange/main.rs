//! Nodes in one process, on SQLite and on PostgreSQL, over a link that tests break.

mod crossing;
mod example;
mod large;
mod link;
mod lists;
mod network;
mod refusals;
mod taking_back;
mod waiting;
