//! The authorization server: SMART App Launch 2.2 (<https://hl7.org/fhir/smart-app-launch/>) and Backend
//! Services, OAuth 2 under RFC 9700. One file an endpoint; what may be is `access::oauth`'s to say.
//!
//! Invariant: nothing is granted to an app that no person approved, nor to one beyond its approved
//! scopes. Invariant: a browser is sent only to an address that the app registered, to the letter.

pub mod apps;
mod assertion;
mod authenticate;
pub mod authorize;
pub mod bearer;
mod bound;
pub mod consent;
pub mod cors;
pub mod discovery;
pub(crate) mod failure;
pub(crate) mod form;
mod id_token;
pub mod introspect;
mod keys;
pub mod launch;
mod proof;
pub mod register;
pub mod revoke;
#[cfg(test)]
pub(crate) mod tests;
pub mod token;

pub use apps::{approve, revoke as revoke_app};
pub use register::Registration;

use std::sync::OnceLock;

use exchange::jwt::IdentityKey;
use exchange::outgoing::Outgoing;
use fhir::date::Millis;
use fhir::problem::Problem;
use sha2::{Digest, Sha256};

use crate::node::Site;

const MINUTE: Millis = 60_000;
/// How long a person may take to answer an app.
const ASK_LIFE: Millis = 30 * MINUTE;
/// How long a code is good: an app fetches its tokens at once.
const CODE_LIFE: Millis = MINUTE;
const ACCESS_LIFE: Millis = 10 * MINUTE;
/// `online_access`: as long as a session at most.
const ONLINE_LIFE: Millis = 12 * 60 * MINUTE;
/// `offline_access`: until the app was not used for so long.
const OFFLINE_LIFE: Millis = 90 * 24 * 60 * MINUTE;
/// How long a launch may take from the staff page to the app and back.
const LAUNCH_LIFE: Millis = 5 * MINUTE;

/// What the authorization server keeps between requests, and what is set.
#[derive(Default)]
pub struct Oauth {
    /// Whether apps may have a shared secret; a key of their own is better.
    pub secrets_allowed: bool,
    /// Whether anybody may register an app, to wait for a person's approval.
    pub registration_open: bool,
    /// The address of the listener with mutual TLS, if there is one; without a slash at its end.
    pub mtls_url: Option<String>,
    /// Fetches key sets; without it, keys must be registered themselves.
    pub outgoing: Option<Outgoing>,
    identity: OnceLock<IdentityKey>,
    keys: keys::Fetched,
}

impl Oauth {
    /// Signs identity tokens with that key. Without one, the process makes its own.
    pub fn sign_with(&self, key: IdentityKey) {
        let _ = self.identity.set(key);
    }

    /// The key that signs what this node hands out.
    ///
    /// # Errors
    /// If none can be made.
    pub(crate) fn identity(&self) -> Result<&IdentityKey, Problem> {
        if let Some(key) = self.identity.get() {
            return Ok(key);
        }
        let key = IdentityKey::generate()?;
        Ok(self.identity.get_or_init(|| key))
    }
}

impl Site {
    /// The issuer, as RFC 8414 and OpenID Connect mean it.
    pub(crate) fn issuer(&self) -> &str {
        &self.base_url
    }

    /// An address of the authorization server.
    pub(crate) fn oauth_url(&self, name: &str) -> String {
        format!("{}/oauth2/{name}", self.base_url)
    }
}

/// The digest of what may come once only.
fn once(kind: &str, whose: &str, jti: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [kind, whose, jti] {
        digest.update(part.len().to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}
