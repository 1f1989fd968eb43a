//! Send between organisations: keys, the signed directory, manifests and receipts, delivery and
//! taking in. `docs/protocol/exchange.md` is the wire.
//!
//! Invariant: a parcel is sent only over mutual TLS to a certificate that the directory names, and
//! taken only from one. Invariant: who signs is who sends. Invariant: a parcel is stored before its
//! receipt is signed, and taken in once however often it is sent. Invariant: a receipt counts only
//! after its signature was verified with a key of the directory.

pub mod access_token;
mod apart;
pub mod ask;
pub mod backoff;
pub mod bars;
pub mod blueprints;
pub mod booking;
pub mod bounds;
mod client;
pub mod clocks;
pub mod copies;
pub mod correspondence;
mod delivery;
pub mod directory;
pub mod discharge;
mod exchange;
pub mod fax;
pub mod forms;
pub mod gp_connect;
pub mod handovers;
pub mod hl7_out;
mod instant;
pub mod intake;
pub mod itk3;
pub mod jws;
pub mod jwt;
mod kept;
pub mod keys;
mod letter;
pub mod mailboxes;
pub mod manifest;
mod mapping;
pub mod mesh;
pub mod mllp;
pub mod moving;
pub mod note;
pub mod opt_out;
pub mod outgoing;
pub mod pds;
pub mod pointers;
pub mod prescriptions;
pub mod probe;
pub mod questions;
pub mod receipt;
pub mod receiving;
pub mod referrals;
mod reminders;
pub mod rewound;
pub mod rules;
pub mod sealing;
mod sharing;
mod taking_in;
pub mod tls;
pub mod transport;
pub mod visits;
pub mod wire;
mod witness;
mod workers;

pub use client::{HELD, HttpTransport, Ways};
pub use directory::{About, Book, Directory, MailboxNamed, Member, Stewards};
pub use exchange::{Exchange, Settings};
pub use keys::{Identity, PublicKey, SigningKey};
pub use letter::{Letter, LetterContent};
pub use mapping::{ALARM as MAPPING_ALARM, Mappings};
pub use transport::{Failure, Transport};
pub use witness::{WITNESS_BYTES_MAX, Witnessing};
pub use workers::Workers;
