//! Sealing to a key that is kept offline: HPKE (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM, one
//! encapsulation for each object. The content goes in parts of 1 MiB; the last one is sealed as the last,
//! so that a shortened object does not open.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fhir::problem::{Kind, Problem};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use serde::{Deserialize, Serialize};

use crate::keys::{PublicKey, read_private, sha256_hex, write_private};

const PART_BYTES: usize = 1 << 20;
const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const MORE: &[u8] = b"more";
const LAST: &[u8] = b"last";
const PUBLIC_LEAD: &str = "handover-copies-1 ";

/// The public half: what copies are sealed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient(Vec<u8>);

impl Recipient {
    /// Reads the file that `handover backup key` made for the node.
    ///
    /// # Errors
    /// `NoStore` if it is not there, `Invalid` if it is something else.
    pub fn open(path: &Path) -> Result<Recipient, Problem> {
        let text = std::fs::read_to_string(path).map_err(|cause| {
            let message = "The key that copies are sealed to cannot be read.";
            Problem::new(Kind::NoStore, message).because(cause)
        })?;
        let bytes = text
            .trim()
            .strip_prefix(PUBLIC_LEAD)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let bytes = bytes.filter(|bytes| bytes.len() == KEY_BYTES);
        bytes.map(Recipient).ok_or_else(|| {
            let message = "This is not a public key of `handover backup key`.";
            Problem::new(Kind::Invalid, message)
        })
    }

    /// The key's short name: 16 hexadecimal digits of its SHA-256.
    pub fn name(&self) -> String {
        sha256_hex(&self.0).chars().take(16).collect()
    }

    /// The key as the text of a file.
    pub fn to_text(&self) -> String {
        format!("{PUBLIC_LEAD}{}\n", URL_SAFE_NO_PAD.encode(&self.0))
    }

    /// Seals `content`; `info` ties it to its place in the chain.
    pub(super) fn seal(&self, info: &[u8], content: &[u8]) -> Result<Vec<u8>, Problem> {
        let key = HpkePublicKey(self.0.clone());
        let failed = |cause| could_not("A copy could not be sealed.", cause);
        let (encapsulated, mut sealer) = SUITE.setup_sealer(info, &key).map_err(failed)?;
        let mut out = encapsulated.0;
        let mut parts = content.chunks(PART_BYTES).peekable();
        loop {
            let part = parts.next().unwrap_or_default();
            let aad = if parts.peek().is_some() { MORE } else { LAST };
            out.extend(sealer.seal(aad, part).map_err(failed)?);
            if aad == LAST {
                return Ok(out);
            }
        }
    }
}

/// The secret half, with what is needed to believe what it opens. It is kept offline.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Whose copies it opens: an ODS code.
    pub organisation: String,
    public: String,
    secret: String,
    /// The keys that sign these copies, as JSON Web Keys.
    pub signers: Vec<PublicKey>,
}

impl Secret {
    /// A new key for the copies of an organisation that signs with that key.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn make(organisation: &str, signer: &PublicKey) -> Result<Secret, Problem> {
        let failed = |cause| could_not("A key could not be made.", cause);
        let (public, secret) = SUITE.generate_key_pair().map_err(failed)?;
        Ok(Secret {
            organisation: organisation.to_owned(),
            public: URL_SAFE_NO_PAD.encode(&public.0),
            secret: URL_SAFE_NO_PAD.encode(secret.secret_bytes()),
            signers: vec![signer.clone()],
        })
    }

    /// Reads the file.
    ///
    /// # Errors
    /// `Security` if others may read it; `Invalid` if it is something else.
    pub fn open(path: &Path) -> Result<Secret, Problem> {
        let bytes = read_private(path)?;
        serde_json::from_slice(&bytes).map_err(|_| {
            let message = "This is not a secret key of `handover backup key`.";
            Problem::new(Kind::Invalid, message)
        })
    }

    /// Writes the file, readable by its owner only.
    ///
    /// # Errors
    /// `Duplicate` if there is one: keys are never overwritten.
    pub fn write(&self, path: &Path) -> Result<(), Problem> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|cause| {
            Problem::new(Kind::Exception, "The key could not be written.").because(cause)
        })?;
        bytes.push(b'\n');
        write_private(path, &bytes)
    }

    /// The public half.
    ///
    /// # Errors
    /// `Invalid` if it does not read.
    pub fn recipient(&self) -> Result<Recipient, Problem> {
        read_key(&self.public).map(Recipient)
    }

    /// Opens what was sealed.
    ///
    /// # Errors
    /// `Security` if it was sealed to another key, for another place, or altered or shortened.
    pub(super) fn unseal(&self, info: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Problem> {
        let failed = |_| {
            let message = "It does not open: it was sealed to another key, or is not whole.";
            Problem::new(Kind::Security, message)
        };
        let (encapsulated, parts) = sealed
            .split_at_checked(KEY_BYTES)
            .ok_or_else(|| failed(rustls::Error::DecryptError))?;
        let key = HpkePrivateKey::from(read_key(&self.secret)?);
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        let mut opener = SUITE
            .setup_opener(&encapsulated, info, &key)
            .map_err(failed)?;
        let mut out = Vec::with_capacity(parts.len());
        let mut parts = parts.chunks(PART_BYTES + TAG_BYTES).peekable();
        loop {
            let part = parts.next().unwrap_or_default();
            let aad = if parts.peek().is_some() { MORE } else { LAST };
            out.extend(opener.open(aad, part).map_err(failed)?);
            if aad == LAST {
                return Ok(out);
            }
        }
    }
}

fn read_key(text: &str) -> Result<Vec<u8>, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    bytes
        .filter(|bytes| bytes.len() == KEY_BYTES)
        .ok_or_else(|| Problem::new(Kind::Invalid, "The key in the file does not read."))
}

fn could_not(message: &'static str, cause: rustls::Error) -> Problem {
    Problem::new(Kind::Exception, message).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    fn secret() -> Secret {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("k")).unwrap();
        Secret::make("RZZ01", key.public()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_with_its_own_key_at_its_own_place_and_whole() {
        let key = secret();
        for length in [0, 5, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES] {
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let sealed = key.recipient().unwrap().seal(b"here", &content).unwrap();
            assert_eq!(key.unseal(b"here", &sealed).unwrap(), content);
            assert!(key.unseal(b"there", &sealed).is_err());
            assert!(secret().unseal(b"here", &sealed).is_err());
            let short = &sealed[..sealed.len() - 1];
            assert!(key.unseal(b"here", short).is_err());
            if length > PART_BYTES {
                // Whole parts, but not the last one.
                let short = &sealed[..KEY_BYTES + PART_BYTES + TAG_BYTES];
                assert!(key.unseal(b"here", short).is_err());
            }
        }
    }

    #[test]
    fn keys_are_read_back_and_the_public_one_says_nothing_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let (key, path) = (secret(), folder.path().join("offline"));
        key.write(&path).unwrap();
        assert!(key.write(&path).is_err());
        let read = Secret::open(&path).unwrap();
        assert_eq!(read.secret, key.secret);
        let public = folder.path().join("public");
        std::fs::write(&public, key.recipient().unwrap().to_text()).unwrap();
        assert_eq!(Recipient::open(&public).unwrap(), key.recipient().unwrap());
        assert!(
            !std::fs::read_to_string(&public)
                .unwrap()
                .contains(&key.secret)
        );
    }
}
