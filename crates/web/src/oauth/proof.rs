//! Proof of possession (RFC 9449): a token that is bound to a key is good only with a fresh signature of
//! that key over the very request (A08).

use access::oauth::{Proof, check_proof};
use exchange::jwt::{Alg, Jwk, Jwt};
use fhir::date::Millis;
use fhir::problem::Problem;
use http::{HeaderMap, HeaderName};
use store::Store;
use store::oauth::{OauthDone, OauthWrite};

const DPOP: HeaderName = HeaderName::from_static("dpop");

pub const ALGS: &[Alg] = &[Alg::Es256, Alg::Es384, Alg::EdDsa, Alg::Rs256, Alg::Ps256];

/// What is wrong with a proof.
pub enum Fault {
    Wrong(&'static str),
    Store(Problem),
}

impl From<&'static str> for Fault {
    fn from(message: &'static str) -> Fault {
        Fault::Wrong(message)
    }
}

/// The thumbprint of the key that a request proves; `None` if it brings no proof.
///
/// # Errors
/// For a proof that is not one of this request, or came before.
pub async fn thumbprint(
    store: &Store,
    headers: &HeaderMap,
    proof: Proof<'_>,
    now: Millis,
) -> Result<Option<String>, Fault> {
    let mut values = headers.get_all(DPOP).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err("There is more than one DPoP header.".into());
    }
    let text = value.to_str().map_err(|_| "The proof is not a JWT.")?;
    let jwt = Jwt::read(text)?;
    if jwt.header_text("typ") != Some("dpop+jwt") || !ALGS.contains(&jwt.alg) {
        return Err("The proof's typ is not dpop+jwt, or its alg is not taken.".into());
    }
    let key = jwt.header.get("jwk").ok_or("The proof holds no jwk.")?;
    let key = Jwk::of(key)?;
    jwt.verified(&key)?;
    let proved = check_proof(&jwt.claims, proof, now)?;
    let thumbprint = key.thumbprint();
    let see = OauthWrite::See {
        digest: super::once("dpop", &thumbprint, &proved.jti),
        expires_at: proved.expires_at,
    };
    match store.write_oauth(see).await.map_err(Fault::Store)? {
        OauthDone::Changed(1) => Ok(Some(thumbprint)),
        _ => Err("This proof was used before.".into()),
    }
}
