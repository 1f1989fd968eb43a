//! Send between organisations: keys, the signed directory, manifests and receipts, delivery and
//! taking in. `docs/protocol/exchange.md` is the wire.
//!
//! Invariant: a parcel is sent only over mutual TLS to a certificate that the directory names, and
//! taken only from one. Invariant: a parcel is stored before its receipt is signed, and taken in once
//! however often it is sent. Invariant: a receipt counts only after its signature was verified.

pub mod directory;
mod instant;
pub mod jws;
pub mod keys;
pub mod tls;
