//! What a proof of possession must claim (RFC 9449 §4.3). The signature was verified before, with the
//! key in the proof's own header.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir::date::Millis;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::assertion::{seconds, text};

/// How old a proof may be, in milliseconds.
const AGE_MAX: Millis = 300_000;
/// How far ahead the client's clock may be, in milliseconds.
const SKEW: Millis = 30_000;
const JTI_BYTES_MAX: usize = 200;

/// The request that a proof came with.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'r> {
    pub method: &'r str,
    /// The address without query and fragment.
    pub url: &'r str,
    /// The access token that it is shown with, at a resource.
    pub access_token: Option<&'r str>,
}

/// A proof that may be believed, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    pub jti: String,
    /// To be remembered until then.
    pub expires_at: Millis,
}

/// The `ath` of an access token.
pub fn access_token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// Whether the claims fit the request.
///
/// # Errors
/// Why not.
pub fn check_proof(claims: &Value, proof: Proof<'_>, now: Millis) -> Result<Proved, &'static str> {
    if text(claims, "htm") != Some(proof.method) {
        return Err("The proof's htm is not this request's method.");
    }
    let htu = text(claims, "htu").unwrap_or_default();
    let end = htu.find(['?', '#']).unwrap_or(htu.len());
    if htu.split_at(end).0.trim_end_matches('/') != proof.url.trim_end_matches('/') {
        return Err("The proof's htu is not this request's address.");
    }
    let Some(iat) = seconds(claims, "iat") else {
        return Err("The proof's iat is not a number.");
    };
    if iat > now.saturating_add(SKEW) || iat < now.saturating_sub(AGE_MAX) {
        return Err("The proof's iat is too old, or ahead.");
    }
    let Some(jti) = text(claims, "jti").filter(|jti| (1..=JTI_BYTES_MAX).contains(&jti.len()))
    else {
        return Err("The proof has no jti.");
    };
    if let Some(token) = proof.access_token {
        let ath = text(claims, "ath").unwrap_or_default();
        let fits: bool = ath
            .as_bytes()
            .ct_eq(access_token_hash(token).as_bytes())
            .into();
        if !fits {
            return Err("The proof's ath is not this token's.");
        }
    }
    Ok(Proved {
        jti: jti.to_string(),
        expires_at: iat.saturating_add(AGE_MAX + SKEW),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Millis = 1_800_000_000_000;

    #[test]
    fn a08_a_proof_is_of_this_request_this_token_and_now() {
        let url = "https://node.example/fhir/Patient/1";
        let proof = Proof {
            method: "GET",
            url,
            access_token: Some("token"),
        };
        let good = json!({"htm": "GET", "htu": url, "iat": 1_800_000_000, "jti": "1",
            "ath": access_token_hash("token")});
        assert_eq!(check_proof(&good, proof, NOW).unwrap().jti, "1");
        for (name, value) in [
            ("htm", json!("POST")),
            ("htm", json!("get")),
            ("htu", json!("https://node.example/fhir/Patient/2")),
            ("htu", json!("https://evil.example/fhir/Patient/1")),
            ("iat", json!(1_799_999_000)),
            ("iat", json!(1_800_000_100)),
            ("iat", json!("1800000000")),
            ("jti", json!(null)),
            ("ath", json!(access_token_hash("other"))),
            ("ath", json!(null)),
        ] {
            let mut claims = good.clone();
            claims[name] = value.clone();
            assert!(check_proof(&claims, proof, NOW).is_err(), "{name} {value}");
        }
    }
}
