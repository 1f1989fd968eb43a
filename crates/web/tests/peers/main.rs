//! Two nodes over real sockets: mutual TLS, the exchange protocol over HTTP, and who is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod asking;
mod crossing;
mod ended;
mod misuse;
mod pair;
