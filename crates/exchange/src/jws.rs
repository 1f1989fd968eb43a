//! Signed statements: compact JWS (RFC 7515) with Ed25519 (RFC 8037), and no choice beside it.
//!
//! The header holds exactly `alg`, `kid` and `typ`. Nothing in it selects an algorithm, points to a
//! key or asks for an extension: those are how signatures are forged. `typ` says what kind of
//! statement it is, so that a receipt cannot pass as a manifest.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::{PublicKey, SigningKey};

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    Directory,
    Manifest,
    Receipts,
    /// A table of national roles and what they grant, which a steward signs.
    Roles,
    /// What an object of a backup is.
    Copy,
    /// What a patient wants shared, by their home practice.
    Preferences,
    /// What somebody asks of another organisation about a patient.
    Question,
    /// That an organisation may join the network, by a steward.
    Invitation,
    /// That who answers an invitation holds the key of their card.
    Joining,
    /// What somebody asks of another organisation's diary.
    Slots,
    /// That a patient's home practice is another one now, by the one that they left.
    Moved,
    /// What the files of a blueprint are; its payload stands beside it.
    Blueprint,
}

impl Statement {
    /// The header's `typ`.
    pub fn typ(self) -> &'static str {
        match self {
            Statement::Directory => "handover-directory+jws",
            Statement::Manifest => "handover-manifest+jws",
            Statement::Receipts => "handover-receipts+jws",
            Statement::Roles => "handover-roles+jws",
            Statement::Copy => "handover-copy+jws",
            Statement::Preferences => "handover-preferences+jws",
            Statement::Question => "handover-question+jws",
            Statement::Invitation => "handover-invitation+jws",
            Statement::Joining => "handover-joining+jws",
            Statement::Slots => "handover-slots+jws",
            Statement::Moved => "handover-moved+jws",
            Statement::Blueprint => "handover-blueprint+jws",
        }
    }

    /// The longest statement of that kind, in bytes.
    pub fn bytes_max(self) -> usize {
        match self {
            Statement::Directory => 16 << 20,
            // It goes inside a parcel's text.
            Statement::Preferences | Statement::Question | Statement::Joining => 12 << 10,
            // It is sent on inside a request of 64 KiB.
            Statement::Invitation => 16 << 10,
            Statement::Slots => 4 << 10,
            // Several go inside a parcel's text.
            Statement::Moved => 2 << 10,
            Statement::Manifest | Statement::Receipts | Statement::Roles => 2 << 20,
            Statement::Copy | Statement::Blueprint => 64 << 10,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Signs `payload`. The same payload and key give the same text.
///
/// # Errors
/// `TooLong` if it is more than the other side would take.
pub fn sign(
    key: &SigningKey,
    statement: Statement,
    payload: &impl Serialize,
) -> Result<String, Problem> {
    let text = signed(key, statement, &encode(payload)?)?;
    if text.len() > statement.bytes_max() {
        return Err(Problem::new(
            Kind::TooLong,
            "This is too much for one signed statement.",
        ));
    }
    Ok(text)
}

/// The text of a statement whose payload is encoded.
fn signed(key: &SigningKey, statement: Statement, payload: &str) -> Result<String, Problem> {
    let header = Header {
        alg: "EdDSA".into(),
        kid: key.public().kid().into(),
        typ: statement.typ().into(),
    };
    let mut text = encode(&header)?;
    text.push('.');
    text.push_str(payload);
    let signature = key.sign(text.as_bytes());
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(text)
}

/// Signs bytes that stand elsewhere: the text has nothing between its two full stops (RFC 7515, appendix F).
///
/// # Errors
/// `TooLong` if it is more than would be taken.
pub fn sign_detached(
    key: &SigningKey,
    statement: Statement,
    payload: &[u8],
) -> Result<String, Problem> {
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let text = signed(key, statement, &payload)?;
    if text.len() > statement.bytes_max() {
        let message = "This is too much for one signed statement.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    let mut parts = text.split('.');
    let header = parts.next().unwrap_or_default();
    Ok(format!(
        "{header}..{}",
        parts.next_back().unwrap_or_default()
    ))
}

/// Verifies a statement about bytes that stand elsewhere, with that key.
///
/// # Errors
/// `Security` for all that is wrong with header, key or signature.
pub fn verify_detached(
    jws: &str,
    statement: Statement,
    payload: &[u8],
    key: &PublicKey,
) -> Result<(), Problem> {
    let mut parts = jws.trim().split('.');
    let (Some(header), Some(""), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(refused(
            "The signature is not of three parts of which the second is empty.",
        ));
    };
    if check_header(header, statement)? != key.kid() {
        return Err(refused("The signature is by another key."));
    }
    let bytes = key.bytes();
    let bytes = bytes.ok_or_else(|| refused("The key is no Ed25519 key under its own name."))?;
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    UnparsedPublicKey::new(&ED25519, bytes)
        .verify(text.as_bytes(), &decode(signature)?)
        .map_err(|_| refused("The signature does not fit."))
}

fn encode(part: &impl Serialize) -> Result<String, Problem> {
    let bytes = serde_json::to_vec(part).map_err(|cause| {
        Problem::new(Kind::Exception, "A statement could not be written.").because(cause)
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Verifies a statement and reads its payload. `find` gives the public key of that `kid` that may
/// sign here now; it is asked before anything of the payload is looked at.
///
/// # Errors
/// `Security` for all that is wrong with header, key or signature; `Structure` if the payload,
/// though well signed, is not of the expected form.
pub fn verify<T: DeserializeOwned>(
    jws: &str,
    statement: Statement,
    find: impl FnOnce(&str) -> Option<PublicKey>,
) -> Result<T, Problem> {
    if jws.len() > statement.bytes_max() {
        return Err(refused("The signed statement is too long."));
    }
    let mut parts = jws.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(refused("A signed statement has three parts."));
    };
    let kid = check_header(header, statement)?;
    let key = find(&kid).and_then(|key| key.bytes());
    let key = key.ok_or_else(|| refused("The directory names no such key for this signer now."))?;
    let signature = decode(signature)?;
    let signed = jws
        .get(..header.len() + 1 + payload.len())
        .unwrap_or_default();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| refused("The signature does not fit."))?;
    read_strictly(&decode(payload)?)
}

/// Reads a statement's payload without a look at its signature: to learn whose it says that it is, before that is
/// verified.
///
/// # Errors
/// `Security` if it is no statement of that kind; `Structure` if its payload is not of the expected form.
pub(crate) fn read_payload<T: DeserializeOwned>(
    jws: &str,
    statement: Statement,
) -> Result<T, Problem> {
    let mut parts = jws.trim().split('.');
    let (Some(header), Some(payload)) = (parts.next(), parts.next()) else {
        return Err(refused("A signed statement has three parts."));
    };
    if jws.len() > statement.bytes_max() {
        return Err(refused("The signed statement is too long."));
    }
    check_header(header, statement)?;
    read_strictly(&decode(payload)?)
}

/// The `kid` of a header that says what it must and nothing else.
fn check_header(part: &str, statement: Statement) -> Result<String, Problem> {
    let wrong = || refused("The statement's header is not alg EdDSA, kid and typ.");
    if part.len() > 1024 {
        return Err(wrong());
    }
    let header: Header = read_strictly(&decode(part)?).map_err(|_| wrong())?;
    if header.alg != "EdDSA" {
        return Err(refused("Only EdDSA signatures are taken."));
    }
    if header.typ != statement.typ() {
        return Err(refused("The statement is of another kind."));
    }
    Ok(header.kid)
}

fn decode(part: &str) -> Result<Vec<u8>, Problem> {
    let wrong = || refused("The statement is not base64url.");
    URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong())
}

/// Reads JSON as the protocol means it: no duplicate members, no unknown ones, bounded.
pub(crate) fn read_strictly<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    json::parse(bytes, &Limits::default()).map_err(|mut fault| {
        fault.kind = Kind::Structure;
        fault
    })?;
    serde_json::from_slice(bytes).map_err(|cause| {
        let place = format!("line {}, column {}", cause.line(), cause.column());
        let message = "This is not of the form that the exchange protocol asks for.";
        Problem::new(Kind::Structure, message)
            .located(place)
            .because(cause)
    })
}

fn refused(message: &'static str) -> Problem {
    Problem::new(Kind::Security, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn key() -> SigningKey {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::create(&folder.path().join("k")).unwrap()
    }

    fn read(key: &SigningKey, jws: &str, statement: Statement) -> Result<Value, Problem> {
        let public = key.public().clone();
        verify(jws, statement, |kid| {
            (kid == public.kid()).then(|| public.clone())
        })
    }

    fn forged(key: &SigningKey, header: &Value) -> String {
        let text = format!(
            "{}.{}",
            encode(header).unwrap(),
            encode(&json!({"a": 1})).unwrap()
        );
        let signature = URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()));
        format!("{text}.{signature}")
    }

    #[test]
    fn what_is_signed_is_read_back_and_a_changed_letter_is_refused() {
        let key = key();
        let jws = sign(&key, Statement::Manifest, &json!({"a": 1})).unwrap();
        assert_eq!(
            read(&key, &jws, Statement::Manifest).unwrap()["a"].to_string(),
            "1"
        );
        for at in 0..jws.len() {
            let mut bytes = jws.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(
                read(&key, &changed, Statement::Manifest).is_err(),
                "letter {at}"
            );
        }
    }

    /// A03 of the adversaries.
    #[test]
    fn no_other_algorithm_no_pointer_to_a_key_and_no_extension_is_taken() {
        let key = key();
        let kid = key.public().kid();
        let typ = Statement::Manifest.typ();
        assert!(
            read(
                &key,
                &forged(&key, &json!({"alg": "EdDSA", "kid": kid, "typ": typ})),
                Statement::Manifest
            )
            .is_ok()
        );
        for header in [
            json!({"alg": "none", "kid": kid, "typ": typ}),
            json!({"alg": "HS256", "kid": kid, "typ": typ}),
            json!({"alg": "EdDSA", "kid": "../../etc/passwd", "typ": typ}),
            json!({"alg": "EdDSA", "kid": kid}),
            json!({"alg": "EdDSA", "typ": typ}),
            json!({"alg": "EdDSA", "kid": kid, "typ": typ, "jku": "https://a.example/"}),
            json!({"alg": "EdDSA", "kid": kid, "typ": typ, "x5u": "https://a.example/"}),
            json!({"alg": "EdDSA", "kid": kid, "typ": typ, "jwk": {}}),
            json!({"alg": "EdDSA", "kid": kid, "typ": typ, "crit": ["b64"], "b64": false}),
        ] {
            let jws = forged(&key, &header);
            assert_eq!(
                read(&key, &jws, Statement::Manifest).unwrap_err().kind,
                Kind::Security
            );
        }
        let unsigned = format!(
            "{}.{}.",
            encode(&json!({"alg": "none", "kid": kid, "typ": typ})).unwrap(),
            encode(&json!({})).unwrap()
        );
        assert!(read(&key, &unsigned, Statement::Manifest).is_err());
    }

    #[test]
    fn what_stands_beside_its_signature_is_verified_to_the_byte() {
        let (key, other) = (key(), key());
        let jws = sign_detached(&key, Statement::Blueprint, b"one\ntwo\n").unwrap();
        assert_eq!(jws.split('.').nth(1), Some(""));
        let verify = |jws: &str, payload: &[u8], key: &SigningKey| {
            verify_detached(jws, Statement::Blueprint, payload, key.public()).is_ok()
        };
        assert!(verify(&jws, b"one\ntwo\n", &key));
        assert!(!verify(&jws, b"one\ntwo", &key));
        assert!(!verify(&jws, b"one\ntwo\n", &other));
        let whole = sign(&key, Statement::Blueprint, &json!("x")).unwrap();
        assert!(!verify(&whole, b"\"x\"", &key));
        let of_another_kind = sign_detached(&key, Statement::Manifest, b"one\ntwo\n").unwrap();
        assert!(!verify(&of_another_kind, b"one\ntwo\n", &key));
    }

    #[test]
    fn a_receipt_does_not_pass_as_a_manifest() {
        let key = key();
        let jws = sign(&key, Statement::Receipts, &json!({})).unwrap();
        assert!(read(&key, &jws, Statement::Receipts).is_ok());
        assert!(read(&key, &jws, Statement::Manifest).is_err());
    }
}
