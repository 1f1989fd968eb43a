//! The mailboxes of local systems, used by the NHS's own client (PyPI `mesh-client`), by the recorded
//! talk with its stand-in, and between two nodes.

mod client;
mod house;
mod national;
mod raw;
mod refusals;
mod transcript;

pub use house::House;
