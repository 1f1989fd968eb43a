//! HL7 v2 as plain data: messages read into an index over their own text, the framing that
//! carries them (MLLP), the answers that acknowledge them, and their translation to FHIR R4.
//!
//! Nothing here opens a socket, reads a clock or touches a database; every function is a pure
//! function of its arguments. Chapter 2 of the HL7 v2.4 and v2.9 standards describes the encoding
//! rules, the "Transport Specification: MLLP, Release 1" the framing.

pub mod ack;
pub mod apart;
pub mod charset;
pub mod escape;
pub mod fault;
pub mod from_fhir;
pub mod header;
pub mod message;
pub mod mllp;
pub mod parse;
pub mod time;
pub mod to_fhir;

pub use fault::{ErrorCode, Fault};
pub use header::{Header, header};
pub use message::{Field, Message, Segment, Value};
pub use parse::{Limits, parse, parse_within};
