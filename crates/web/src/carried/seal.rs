//! A text under a passphrase: PBKDF2 with HMAC-SHA-256 (RFC 8018) gives a key of 256 bits, AES-256-GCM (NIST SP 800-38D)
//! seals; both are what `crypto.subtle` in a browser undoes. What stands in plain beside it is bound to it as additional
//! data, so that nobody moves a time without the passphrase.

use std::error::Error;
use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};

/// Rounds of PBKDF2-HMAC-SHA-256: what OWASP asks for of passwords (2023).
pub const ITERATIONS: u32 = 600_000;
/// Rounds that are undone at most, of a file that somebody brings.
const ITERATIONS_MAX: u32 = 10_000_000;
const SALT_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// What stands in the file in plain: nothing of a patient.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Facts {
    /// `visits` or `downtime`.
    pub kind: String,
    pub id: String,
    pub organisation: String,
    pub title: String,
    pub made: Millis,
    pub expires: Millis,
}

#[derive(Serialize, Deserialize)]
struct Head {
    v: u32,
    #[serde(flatten)]
    facts: Facts,
    iterations: u32,
    salt: String,
}

/// What stands in the file: the head as a text, which is bound to the rest byte for byte.
#[derive(Serialize, Deserialize)]
struct Sealed {
    head: String,
    iv: String,
    data: String,
}

/// Seals a text under a passphrase; JSON that can stand in a `script` element. It takes long by design: not on a
/// thread that serves others.
///
/// # Errors
/// `Exception` if the system has no randomness.
pub fn seal(facts: &Facts, text: &[u8], passphrase: &str) -> Result<String, Problem> {
    let salt: [u8; SALT_BYTES] = rand::random();
    let head = Head {
        v: 1,
        facts: facts.clone(),
        iterations: ITERATIONS,
        salt: STANDARD.encode(salt),
    };
    let head = serde_json::to_string(&head).map_err(failed)?;
    let key = derived(passphrase, &salt, ITERATIONS)?;
    let (iv, data) = shut(&key, head.as_bytes(), text)?;
    let sealed = serde_json::to_string(&Sealed { head, iv, data }).map_err(failed)?;
    // Nothing ends the element that it stands in.
    Ok(sealed.replace('<', "\\u003c"))
}

/// Opens what `seal` made: the facts and the text.
///
/// # Errors
/// `Structure` for what is no such JSON, `Security` for the wrong passphrase or what was changed.
pub fn open(sealed: &str, passphrase: &str) -> Result<(Facts, Vec<u8>), Problem> {
    let sealed: Sealed = serde_json::from_str(sealed).map_err(unreadable)?;
    let head: Head = serde_json::from_str(&sealed.head).map_err(unreadable)?;
    if head.v != 1 || !(1..=ITERATIONS_MAX).contains(&head.iterations) {
        let message = "This file is of a kind that this version does not know.";
        return Err(Problem::new(Kind::Structure, message));
    }
    let salt = STANDARD.decode(&head.salt).map_err(unreadable)?;
    let key = derived(passphrase, &salt, head.iterations)?;
    let text = undo(&key, sealed.head.as_bytes(), (&sealed.iv, &sealed.data))?;
    Ok((head.facts, text))
}

/// The JSON that stands in a file.
///
/// # Errors
/// `Structure` if it holds none.
pub fn in_file(html: &str) -> Result<&str, Problem> {
    let after = html.split_once("id=\"sealed\">").map(|(_, rest)| rest);
    let text = after.and_then(|rest| rest.split_once("</script>"));
    text.map(|(text, _)| text).ok_or_else(|| {
        Problem::new(
            Kind::Structure,
            "This is no file that a node made, or not all of it.",
        )
    })
}

fn derived(passphrase: &str, salt: &[u8], iterations: u32) -> Result<[u8; KEY_BYTES], Problem> {
    let rounds = NonZeroU32::new(iterations)
        .ok_or_else(|| Problem::new(Kind::Structure, "A key is made in no rounds."))?;
    let mut key = [0; KEY_BYTES];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        salt,
        passphrase.as_bytes(),
        &mut key,
    );
    Ok(key)
}

/// Seals under a key: the nonce and what was sealed, each in base64.
///
/// # Errors
/// `Exception` if it cannot.
pub fn shut(key: &[u8; KEY_BYTES], bound: &[u8], text: &[u8]) -> Result<(String, String), Problem> {
    let nonce: [u8; NONCE_LEN] = rand::random();
    let mut data = text.to_vec();
    lock(key)?
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(bound),
            &mut data,
        )
        .map_err(|_| Problem::new(Kind::Exception, "It could not be sealed."))?;
    Ok((STANDARD.encode(nonce), STANDARD.encode(data)))
}

/// Undoes `shut`.
///
/// # Errors
/// `Security` for another key or what was changed; `Structure` for what is not of that form.
pub fn undo(
    key: &[u8; KEY_BYTES],
    bound: &[u8],
    (iv, data): (&str, &str),
) -> Result<Vec<u8>, Problem> {
    let nonce = STANDARD.decode(iv).map_err(unreadable)?;
    let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| {
        Problem::new(
            Kind::Structure,
            "This file is not whole: copy or save it again.",
        )
    })?;
    let mut data = STANDARD.decode(data).map_err(unreadable)?;
    let opened = lock(key)?.open_in_place(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(bound),
        &mut data,
    );
    let opened = opened.map_err(|_| {
        Problem::new(
            Kind::Security,
            "It does not open: the passphrase is another, or the file was changed.",
        )
    })?;
    Ok(opened.to_vec())
}

fn lock(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, Problem> {
    let key = UnboundKey::new(&AES_256_GCM, key);
    let key = key.map_err(|_| Problem::new(Kind::Exception, "It could not be sealed."))?;
    Ok(LessSafeKey::new(key))
}

fn failed(cause: impl Error + Send + Sync + 'static) -> Problem {
    Problem::new(Kind::Exception, "The file could not be made.").because(cause)
}

fn unreadable(cause: impl Error + Send + Sync + 'static) -> Problem {
    let message = "This file does not read: it is no file that a node made, or not all of it.";
    Problem::new(Kind::Structure, message).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            kind: "visits".into(),
            id: "p".into(),
            organisation: "A </script> trust".into(),
            title: "Day pack".into(),
            made: 1,
            expires: 2,
        }
    }

    #[test]
    fn what_is_sealed_opens_with_its_passphrase_alone_and_as_it_was_made() {
        let sealed = seal(&facts(), b"Jane Canary", "correct horse battery").unwrap();
        assert!(!sealed.contains("Canary") && !sealed.contains('<'));
        let file = format!("<script id=\"sealed\">{sealed}</script>");
        let found = in_file(&file).unwrap();
        let (read, text) = open(found, "correct horse battery").unwrap();
        assert_eq!((read, text), (facts(), b"Jane Canary".to_vec()));
        let wrong = open(found, "correct horse batterz").unwrap_err();
        assert_eq!(wrong.kind, Kind::Security);
        // Whoever moves its end does not open it any more.
        let later = found.replace("\\\"expires\\\":2", "\\\"expires\\\":9");
        assert_ne!(later, found);
        let moved = open(&later, "correct horse battery").unwrap_err();
        assert_eq!(moved.kind, Kind::Security);
        assert!(open("{}", "x").is_err() && in_file("<p>").is_err());
    }
}
