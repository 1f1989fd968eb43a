//! JSON Web Tokens of others (RFC 7519): what clients sign with keys of their own, and the identity
//! tokens that this node signs for apps. Statements between nodes are `jws`, which knows one algorithm.
//!
//! Which key verifies is for the caller to say, and the key says which algorithm: a header picks among
//! what both allow, and its `jku`, `x5u`, `x5c` and `jwk` are never followed (A03).

mod client;
mod jwk;
mod own;

pub use client::ClientKey;
pub use jwk::{Jwk, Jwks};
pub use own::IdentityKey;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RsaParameters, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::jws::read_strictly;

/// The longest token that is looked at, in bytes.
const BYTES_MAX: usize = 16 << 10;

/// What is refused, in a sentence for the client's developer.
pub type Wrong = &'static str;

/// An algorithm (RFC 7518) that is taken: none that both sides could use with one secret, and not
/// `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Es256,
    Es384,
    EdDsa,
}

impl Alg {
    /// All of them, with their names.
    pub const ALL: [(Alg, &'static str); 8] = [
        (Alg::Rs256, "RS256"),
        (Alg::Rs384, "RS384"),
        (Alg::Rs512, "RS512"),
        (Alg::Ps256, "PS256"),
        (Alg::Ps384, "PS384"),
        (Alg::Es256, "ES256"),
        (Alg::Es384, "ES384"),
        (Alg::EdDsa, "EdDSA"),
    ];

    fn of(name: &str) -> Option<Alg> {
        let mut all = Alg::ALL.into_iter();
        all.find(|(_, known)| *known == name).map(|(alg, _)| alg)
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Alg::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Alg::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
            Alg::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
            Alg::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
            Alg::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
            Alg::Es256 | Alg::Es384 | Alg::EdDsa => None,
        }
    }
}

/// A token taken apart, its signature not looked at yet.
#[derive(Clone, Debug)]
pub struct Jwt<'t> {
    pub alg: Alg,
    pub header: Value,
    /// Not to be believed before `verified`.
    pub claims: Value,
    signed: &'t str,
    signature: Vec<u8>,
}

impl<'t> Jwt<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// Why it cannot be one.
    pub fn read(text: &'t str) -> Result<Jwt<'t>, Wrong> {
        if text.len() > BYTES_MAX {
            return Err("The JWT is too long.");
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("A JWT has three parts.");
        };
        let signed = text
            .get(..header.len() + 1 + claims.len())
            .unwrap_or_default();
        let (header, claims) = (object(header)?, object(claims)?);
        let alg = header.get("alg").and_then(Value::as_str);
        let alg = alg.and_then(Alg::of).ok_or("The JWT's alg is not taken.")?;
        if header.get("crit").is_some() {
            return Err("The JWT asks for an extension that this node does not know.");
        }
        let signature = decode(signature)?;
        Ok(Jwt {
            alg,
            header,
            claims,
            signed,
            signature,
        })
    }

    /// A member of the header, if it is a text.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }

    /// Whether that key made the signature.
    ///
    /// # Errors
    /// If not, or if the key is not one for the token's algorithm.
    pub fn verified(&self, key: &Jwk) -> Result<(), Wrong> {
        let wrong = "The JWT's signature does not fit the key.";
        let signed = self.signed.as_bytes();
        match (key, self.alg) {
            (Jwk::Rsa { n, e, .. }, alg) => {
                let parameters = alg.rsa().ok_or(wrong)?;
                let key = PublicKeyComponents { n, e };
                let verified = key.verify(parameters, signed, &self.signature);
                verified.map_err(|_| wrong)
            }
            (Jwk::P256 { .. }, Alg::Es256) => {
                self.by_point(&ECDSA_P256_SHA256_FIXED, &key.point().ok_or(wrong)?)
            }
            (Jwk::P384 { .. }, Alg::Es384) => {
                self.by_point(&ECDSA_P384_SHA384_FIXED, &key.point().ok_or(wrong)?)
            }
            (Jwk::Ed25519 { x, .. }, Alg::EdDsa) => self.by_point(&ED25519, x),
            _ => Err(wrong),
        }
    }

    fn by_point(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<(), Wrong> {
        UnparsedPublicKey::new(algorithm, key)
            .verify(self.signed.as_bytes(), &self.signature)
            .map_err(|_| "The JWT's signature does not fit the key.")
    }

    /// Whether a key of the set made the signature: the one that the header names, which must be
    /// there, or without a name any that is for the algorithm.
    ///
    /// # Errors
    /// If none did.
    pub fn verified_by(&self, keys: &Jwks) -> Result<(), Wrong> {
        let kid = self.header.get("kid");
        let kid = match kid {
            None => None,
            Some(Value::String(kid)) => Some(kid.as_str()),
            Some(_) => return Err("The JWT's kid is not a text."),
        };
        let named = |key: &&Jwk| kid.is_none() || key.kid() == kid;
        let mut candidates = keys.0.iter().filter(named).peekable();
        if candidates.peek().is_none() {
            return Err("The client has no key of that kid.");
        }
        let mut outcome = Err("The JWT's signature does not fit the key.");
        for key in candidates {
            outcome = self.verified(key);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Wrong> {
    let decoded = URL_SAFE_NO_PAD.decode(part);
    decoded.map_err(|_| "The JWT is not base64url.")
}

fn object(part: &str) -> Result<Value, Wrong> {
    let read: Result<Value, _> = read_strictly(&decode(part)?);
    match read {
        Ok(value) if value.is_object() => Ok(value),
        _ => Err("The JWT is not JSON, or has a member twice."),
    }
}

#[cfg(test)]
mod tests;
