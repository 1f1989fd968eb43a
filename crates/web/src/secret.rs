//! Random secrets: sessions, form tokens, nonces. The store only ever sees a secret's digest.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 256 random bits, written as 43 characters of base64url.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A new secret from the operating system's randomness.
    pub fn random() -> Secret {
        Secret(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// Takes a secret that a caller presents; `None` if it has not the form of one.
    pub fn presented(text: &str) -> Option<Secret> {
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (plain && (20..=128).contains(&text.len())).then(|| Secret(text.to_owned()))
    }

    /// The secret itself, to hand to its holder once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the store keeps of it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// What the tokens of this secret's holder's forms are made and known by: it follows from the
    /// secret, and the secret does not follow from it.
    pub fn form_key(&self) -> FormKey {
        let mut digest = Sha256::new();
        digest.update(b"handover form key\0");
        digest.update(self.0.as_bytes());
        FormKey(digest.finalize().into())
    }
}

/// Makes and knows the tokens of one visitor's forms.
#[derive(Clone)]
pub struct FormKey([u8; 32]);

impl FormKey {
    /// A token, another each time: pages are compressed, and one that stayed the same could be
    /// guessed from their sizes (BREACH).
    pub fn token(&self) -> String {
        self.salted(&nonce())
    }

    /// Whether the token is one of this key's.
    pub fn fits(&self, token: &str) -> bool {
        let salt = token.split_once('.').map_or("", |(salt, _)| salt);
        salt.len() <= 64 && same(token, &self.salted(salt))
    }

    fn salted(&self, salt: &str) -> String {
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update(salt.as_bytes());
        format!("{salt}.{}", URL_SAFE_NO_PAD.encode(digest.finalize()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A value for a page's Content-Security-Policy, used once.
pub fn nonce() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// SHA-256 of a text, as 64 hexadecimal digits.
pub fn digest_hex(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
pub fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_and_comes_back_as_itself() {
        let secret = Secret::random();
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        let again = Secret::presented(secret.reveal()).unwrap();
        assert_eq!(again.digest(), secret.digest());
        assert_ne!(Secret::random().digest(), secret.digest());
    }

    #[test]
    fn what_has_not_the_form_of_a_secret_is_not_taken() {
        let long = "x".repeat(200);
        for text in [
            "",
            "short",
            "with spaces in the middle of it",
            "line\nbreak-line-break-",
            &long,
        ] {
            assert!(Secret::presented(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_forms_token_is_never_the_same_and_always_known_by_its_own_key() {
        let (mine, other) = (Secret::random().form_key(), Secret::random().form_key());
        let (one, two) = (mine.token(), mine.token());
        assert_ne!(one, two);
        assert!(mine.fits(&one) && mine.fits(&two));
        assert!(!other.fits(&one));
        for forged in ["", ".", "x", "x.y", &one[1..]] {
            assert!(!mine.fits(forged), "{forged}");
        }
    }
}
