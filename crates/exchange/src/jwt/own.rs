//! The key that this node signs identity tokens with: RS256, which every OpenID client knows.

use std::path::Path;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};

use super::Jwk;
use crate::keys::{read_private, write_private};

/// A private RSA key of 2048 bits.
pub struct IdentityKey {
    pair: RsaKeyPair,
    public: Jwk,
}

impl IdentityKey {
    /// A new key that lasts as long as the process.
    ///
    /// # Errors
    /// If none can be made.
    pub fn generate() -> Result<IdentityKey, Problem> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048);
        IdentityKey::of(pair.map_err(|_| could_not())?)
    }

    /// The key at `path` (PKCS #8), made if there is no file.
    ///
    /// # Errors
    /// `Security` if others may read the file, `Invalid` if it is no such key.
    pub fn open(path: &Path) -> Result<IdentityKey, Problem> {
        if !path.exists() {
            let key = IdentityKey::generate()?;
            let der = key.pair.as_der().map_err(|_| could_not())?;
            write_private(path, der.as_ref())?;
        }
        let der = read_private(path)?;
        let wrong = |_| Problem::new(Kind::Invalid, "The file holds no RSA key.");
        IdentityKey::of(RsaKeyPair::from_pkcs8(&der).map_err(wrong)?)
    }

    fn of(pair: RsaKeyPair) -> Result<IdentityKey, Problem> {
        let public = pair.public_key();
        let number = |number: &[u8]| number.to_vec();
        let public = Jwk::Rsa {
            kid: None,
            n: number(public.modulus().big_endian_without_leading_zero()),
            e: number(public.exponent().big_endian_without_leading_zero()),
        };
        Ok(IdentityKey { pair, public })
    }

    /// The key's name.
    pub fn kid(&self) -> String {
        self.public.thumbprint()
    }

    /// The set of the public key alone, for `/oauth2/jwks`.
    pub fn jwks(&self) -> Value {
        let Jwk::Rsa { n, e, .. } = &self.public else {
            return json!({ "keys": [] });
        };
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(),
            "n": text(n), "e": text(e),
        }] })
    }

    /// A signed token of these claims.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn sign(&self, claims: &Value) -> Result<String, Problem> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid() });
        let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut text);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| could_not())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }
}

fn could_not() -> Problem {
    Problem::new(Kind::Exception, "The identity key cannot be made or used.")
}
