//! Proof Key for Code Exchange (RFC 7636), S256 alone: `plain` proves nothing to who reads the address.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Whether a challenge has the form of an S256 one.
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok_and(|it| it.len() == 32)
}

/// Whether the verifier (RFC 7636 §4.1) is the one that the challenge was made from.
pub fn verifies(verifier: &str, challenge: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let made = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    made.as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    #[test]
    fn a06_only_the_verifier_that_the_challenge_came_from_fits() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(is_challenge(challenge) && verifies(verifier, challenge));
        // `plain`: the challenge itself.
        assert!(!verifies(challenge, challenge));
        for wrong in ["", "short", &verifier.to_lowercase(), &"a".repeat(200)] {
            assert!(!verifies(wrong, challenge), "{wrong}");
        }
        assert!(!is_challenge(verifier.split_at(20).0) && !is_challenge(""));
    }
}
