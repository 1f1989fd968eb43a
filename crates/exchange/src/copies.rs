//! Copies of a node's store, for when the node is lost: a chain of objects, each sealed to a key that is
//! kept offline, signed by the node, and naming the one before it, so that a missing, altered or swapped
//! object is found and named. Objects are only ever added: under names that were not there before.
//!
//! An object is the line `handover-copy-1`, a signed manifest (`manifest::CopyManifest`, a compact JWS) and a line's end,
//! then the sealed content (`seal`): pieces of the store (`content`), compressed. A chain begins with a
//! full copy; what changed follows. A state can be restored that an object with `ends` closes.
//!
//! Invariant: what leaves for the place of the copies is sealed. Invariant: the place is never asked to
//! overwrite or delete. Invariant: nothing of a manifest is believed before its signature was verified.

mod chain;
mod content;
mod manifest;
mod object;
mod place;
mod s3;
mod seal;
mod writer;

pub use chain::{Chain, Point, Survey};
pub use manifest::{CopyKind, CopyManifest};
pub use object::Opened;
pub use place::Place;
pub use s3::{S3, S3Credentials};
pub use seal::{Recipient, Secret};
pub use writer::CopyWriter;
