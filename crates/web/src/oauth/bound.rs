//! What a token is bound to: a key of which every request brings a fresh proof (DPoP, RFC 9449), or the
//! certificate of the connection on which it was fetched (RFC 8705). A bound token that was stolen is
//! worth nothing to who stole it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::serve::PeerCertificate;

/// Before the thumbprint of a certificate, in what the store keeps; a key's thumbprint stands alone.
const CERTIFICATE: &str = "x5t#S256:";

/// The thumbprints are SHA-256 in base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// To the key of that JWK thumbprint (RFC 7638).
    Key(String),
    /// To the certificate (DER) of that thumbprint.
    Certificate(String),
}

impl Bound {
    /// To the certificate that a connection showed.
    pub fn to(certificate: &PeerCertificate) -> Bound {
        let digest = Sha256::digest(&certificate.0);
        Bound::Certificate(URL_SAFE_NO_PAD.encode(digest))
    }

    /// What the store keeps.
    pub fn kept(&self) -> String {
        match self {
            Bound::Key(thumbprint) => thumbprint.clone(),
            Bound::Certificate(thumbprint) => format!("{CERTIFICATE}{thumbprint}"),
        }
    }

    /// From what the store kept.
    pub fn read(kept: &str) -> Bound {
        match kept.strip_prefix(CERTIFICATE) {
            Some(thumbprint) => Bound::Certificate(thumbprint.to_string()),
            None => Bound::Key(kept.to_string()),
        }
    }

    /// The `token_type` of a token that is bound so, or to nothing.
    pub fn token_type(bound: Option<&Bound>) -> &'static str {
        match bound {
            Some(Bound::Key(_)) => "DPoP",
            Some(Bound::Certificate(_)) | None => "Bearer",
        }
    }

    /// The `cnf` of an introspection (RFC 7800).
    pub fn confirmation(&self) -> Value {
        match self {
            Bound::Key(thumbprint) => json!({ "jkt": thumbprint }),
            Bound::Certificate(thumbprint) => json!({ "x5t#S256": thumbprint }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back() {
        let certificate = PeerCertificate(b"der".as_slice().into());
        for bound in [Bound::Key("abc".into()), Bound::to(&certificate)] {
            assert_eq!(Bound::read(&bound.kept()), bound);
        }
    }
}
