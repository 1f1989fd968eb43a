//! The key by which this node proves to a national service who it is: a JWT signed with RS512, changed there
//! for a token
//! (<https://digital.nhs.uk/developer/guides-and-documentation/security-and-authorisation/application-restricted-restful-apis-signed-jwt-authentication>).

use std::path::Path;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA512, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use super::Jwk;
use crate::keys::read_private;

/// For how long an assertion counts, in seconds: at most five minutes, as the services say.
const SECONDS: i64 = 240;

/// A private RSA key whose public half the service has, and its name there.
pub struct ClientKey {
    pair: RsaKeyPair,
    kid: String,
}

impl std::fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientKey").field("kid", &self.kid).finish()
    }
}

impl ClientKey {
    /// The key of a PEM file (PKCS #8 or PKCS #1) that only its owner may read.
    ///
    /// # Errors
    /// `Security` if others may read the file; `Invalid` if it holds no RSA key.
    pub fn open(path: &Path, kid: &str) -> Result<ClientKey, Problem> {
        let pem = read_private(path)?;
        let wrong = || Problem::new(Kind::Invalid, "The file holds no RSA key as PEM.");
        let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| wrong())?;
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(wrong()),
        };
        Ok(ClientKey {
            pair: pair.map_err(|_| wrong())?,
            kid: kid.to_string(),
        })
    }

    /// A new key, as long as the services ask for.
    ///
    /// # Errors
    /// If none can be made.
    pub fn generate(kid: &str) -> Result<ClientKey, Problem> {
        let pair = RsaKeyPair::generate(KeySize::Rsa4096).map_err(|_| could_not())?;
        Ok(ClientKey {
            pair,
            kid: kid.to_string(),
        })
    }

    /// Its public half.
    pub fn public(&self) -> Jwk {
        let public = self.pair.public_key();
        Jwk::Rsa {
            kid: Some(self.kid.clone()),
            n: public.modulus().big_endian_without_leading_zero().to_vec(),
            e: public.exponent().big_endian_without_leading_zero().to_vec(),
        }
    }

    /// The private key as PKCS #8.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn pkcs8(&self) -> Result<Vec<u8>, Problem> {
        let der = self.pair.as_der().map_err(|_| could_not())?;
        Ok(der.as_ref().to_vec())
    }

    /// A statement that this is `client`, for the token service at `audience`, good once. `id` is random.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn assertion(
        &self,
        client: &str,
        audience: &str,
        (id, now): (&str, Millis),
    ) -> Result<String, Problem> {
        let header = json!({ "alg": "RS512", "typ": "JWT", "kid": self.kid });
        let claims = json!({
            "iss": client, "sub": client, "aud": audience, "jti": id,
            "exp": now.div_euclid(1000).saturating_add(SECONDS),
        });
        let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut text);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let bytes = text.as_bytes();
        let signed = self
            .pair
            .sign(&RSA_PKCS1_SHA512, &random, bytes, &mut signature);
        signed.map_err(|_| could_not())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(text)
    }
}

fn could_not() -> Problem {
    Problem::new(Kind::Exception, "The client's key cannot be made or used.")
}
