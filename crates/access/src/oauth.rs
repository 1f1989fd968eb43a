//! Apps and systems with tokens: SMART App Launch 2.2 (<https://hl7.org/fhir/smart-app-launch/>) and
//! OAuth 2 under RFC 9700, as decisions on facts. Signatures, rows and HTTP are others'; what a claim
//! must say at a given time, and what a granted scope allows, is said here.

mod assertion;
mod dpop;
mod granted;
mod pkce;
mod redirect;
mod scopes;

pub use assertion::{Assertion, check_assertion};
pub use dpop::{Proof, Proved, access_token_hash, check_proof};
pub use granted::{Granted, Letter, Letters, Only, Rule, TokenIs};
pub use pkce::{is_challenge, verifies};
pub use redirect::check_redirect;
pub use scopes::{Level, ResourceScope, Scopes};
