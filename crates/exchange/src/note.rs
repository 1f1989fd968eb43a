//! Checkpoints as signed notes (<https://c2sp.org/tlog-checkpoint>, <https://c2sp.org/signed-note>) and
//! the witnesses' signatures under them (<https://c2sp.org/tlog-cosignature>, version 1).
//!
//! A note is three lines (origin, size, root), one more with the time, an empty line, and signatures.
//! The origin, and the name of each key, is `handover/` with the organisation's ODS code.

use access::Ods;
use access::merkle::Hash;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};

use crate::keys::{PublicKey, SigningKey};

/// The longest note that is read.
pub const NOTE_BYTES_MAX: usize = 16 << 10;
/// The most signatures in one.
const SIGNATURES_MAX: usize = 32;
const KEY_HASH_BYTES: usize = 4;
const ED25519_NOTE: u8 = 1;
const ED25519_COSIGNATURE: u8 = 4;

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Whose log: an ODS code.
    pub origin: Ods,
    pub size: u64,
    pub root: Hash,
    /// When, in milliseconds; whole seconds.
    pub at: Millis,
}

/// The name that a key of an organisation's has in a note.
fn key_name(ods: &Ods) -> String {
    format!("handover/{ods}")
}

fn key_hash(name: &str, kind: u8, key: &[u8]) -> [u8; KEY_HASH_BYTES] {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([b'\n', kind]);
    hash.update(key);
    let hash = hash.finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

fn signature_line(name: &str, key: [u8; KEY_HASH_BYTES], rest: &[u8]) -> String {
    let bytes = [&key, rest].concat();
    format!("\u{2014} {name} {}\n", STANDARD.encode(bytes))
}

/// The text that a witness signs.
fn cosigned(seconds: u64, body: &str) -> String {
    format!("cosignature/v1\ntime {seconds}\n{body}")
}

impl Statement {
    /// What is signed.
    fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\ntime {}\n",
            key_name(&self.origin),
            self.size,
            STANDARD.encode(self.root),
            self.at / 1000
        )
    }

    /// The statement, signed by the organisation itself.
    ///
    /// # Errors
    /// `Exception` if the key is no key.
    pub fn sign(&self, key: &SigningKey) -> Result<String, Problem> {
        let body = self.body();
        let name = key_name(&self.origin);
        let public = key.public().bytes().ok_or_else(no_key)?;
        let hash = key_hash(&name, ED25519_NOTE, &public);
        let line = signature_line(&name, hash, &key.sign(body.as_bytes()));
        Ok(format!("{body}\n{line}"))
    }

    /// The line that a witness adds under a note, at that time.
    ///
    /// # Errors
    /// `Exception` if the key is no key.
    pub fn cosign(&self, witness: &Ods, key: &SigningKey, now: Millis) -> Result<String, Problem> {
        let name = key_name(witness);
        let public = key.public().bytes().ok_or_else(no_key)?;
        let hash = key_hash(&name, ED25519_COSIGNATURE, &public);
        let seconds = u64::try_from(now / 1000).unwrap_or(0);
        let signature = key.sign(cosigned(seconds, &self.body()).as_bytes());
        let rest = [&seconds.to_be_bytes(), signature.as_slice()].concat();
        Ok(signature_line(&name, hash, &rest))
    }

    /// Whether `line` is that witness's signature under this statement; when it was made, in
    /// milliseconds.
    ///
    /// # Errors
    /// `Security` if it is not.
    pub fn check_cosignature(
        &self,
        line: &str,
        witness: &Ods,
        keys: &[PublicKey],
    ) -> Result<Millis, Problem> {
        let wrong = || Problem::new(Kind::Security, "This is not the witness's signature.");
        let (name, bytes) = read_signature(line.trim_end_matches('\n')).ok_or_else(wrong)?;
        let (time, signature) = bytes
            .get(KEY_HASH_BYTES..)
            .and_then(|rest| rest.split_first_chunk::<8>())
            .ok_or_else(wrong)?;
        let seconds = u64::from_be_bytes(*time);
        let signed = cosigned(seconds, &self.body());
        let fits = name == key_name(witness)
            && keys.iter().filter_map(PublicKey::bytes).any(|key| {
                bytes.starts_with(&key_hash(name, ED25519_COSIGNATURE, &key))
                    && is_signed(&key, signed.as_bytes(), signature)
            });
        let millis = i64::try_from(seconds)
            .ok()
            .and_then(|it| it.checked_mul(1000));
        millis.filter(|_| fits).ok_or_else(wrong)
    }

    /// Reads a note and checks its origin's signature. `keys` are the organisation's that may have
    /// signed it.
    ///
    /// # Errors
    /// `Structure` if it is no checkpoint, `Security` if its origin did not sign it.
    pub fn open(
        note: &str,
        keys: impl FnOnce(&Ods) -> Vec<PublicKey>,
    ) -> Result<Statement, Problem> {
        let wrong = || Problem::new(Kind::Structure, "This is no checkpoint of an audit log.");
        if note.len() > NOTE_BYTES_MAX {
            return Err(wrong());
        }
        let (body, signatures) = note.split_once("\n\n").ok_or_else(wrong)?;
        let statement = Statement::read(body).ok_or_else(wrong)?;
        let name = key_name(&statement.origin);
        let keys = keys(&statement.origin);
        let body = statement.body();
        let signed = signatures.lines().take(SIGNATURES_MAX).any(|line| {
            let Some((by, bytes)) = read_signature(line) else {
                return false;
            };
            let signature = bytes.get(KEY_HASH_BYTES..).unwrap_or_default();
            by == name
                && keys.iter().filter_map(PublicKey::bytes).any(|key| {
                    bytes.starts_with(&key_hash(by, ED25519_NOTE, &key))
                        && is_signed(&key, body.as_bytes(), signature)
                })
        });
        if !signed {
            let message = "The organisation that the checkpoint names did not sign it.";
            return Err(Problem::new(Kind::Security, message));
        }
        Ok(statement)
    }

    fn read(body: &str) -> Option<Statement> {
        let mut lines = body.split('\n');
        let origin = Ods::parse(lines.next()?.strip_prefix("handover/")?).ok()?;
        let statement = Statement {
            origin,
            size: lines.next()?.parse().ok()?,
            root: STANDARD.decode(lines.next()?).ok()?.try_into().ok()?,
            at: lines
                .next()?
                .strip_prefix("time ")?
                .parse::<i64>()
                .ok()?
                .checked_mul(1000)?,
        };
        // One text for one statement, so that nothing hides in another way of writing it.
        let same = statement.body().strip_suffix('\n') == Some(body);
        same.then_some(statement)
    }
}

/// The signature lines of a note.
pub fn signatures(note: &str) -> impl Iterator<Item = &str> {
    let lines = note.split_once("\n\n").map_or("", |(_, lines)| lines);
    lines.lines().take(SIGNATURES_MAX)
}

/// The organisation whose key a signature's line names.
pub fn signer(line: &str) -> Option<Ods> {
    Ods::parse(read_signature(line)?.0.strip_prefix("handover/")?).ok()
}

fn read_signature(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, base64) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    Some((name, STANDARD.decode(base64).ok()?))
}

fn is_signed(key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key)
        .verify(text, signature)
        .is_ok()
}

fn no_key() -> Problem {
    Problem::new(Kind::Exception, "The signing key cannot be used.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        let folder = tempfile::tempdir().unwrap();
        SigningKey::create(&folder.path().join("k")).unwrap()
    }

    fn statement() -> Statement {
        Statement {
            origin: Ods::parse("A81001").unwrap(),
            size: 12,
            root: [7; 32],
            at: 1_767_603_600_000,
        }
    }

    #[test]
    fn a_note_reads_back_and_no_letter_of_it_can_be_another() {
        let key = key();
        let note = statement().sign(&key).unwrap();
        assert!(note.starts_with("handover/A81001\n12\nBwcH"), "{note}");
        let open = |note: &str| Statement::open(note, |_| vec![key.public().clone()]);
        assert_eq!(open(&note).unwrap(), statement());
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(open(&changed).is_err(), "letter {at}");
            }
        }
    }

    #[test]
    fn a_witness_signs_for_itself_only_and_its_line_is_no_origins() {
        let (key, witness) = (key(), key());
        let practice = Ods::parse("RZZ01").unwrap();
        let line = statement()
            .cosign(&practice, &witness, 1_767_603_660_000)
            .unwrap();
        let keys = [witness.public().clone()];
        let at = statement().check_cosignature(&line, &practice, &keys);
        assert_eq!(at.unwrap(), 1_767_603_660_000);
        let other = Statement {
            size: 13,
            ..statement()
        };
        assert!(other.check_cosignature(&line, &practice, &keys).is_err());
        let stranger = Ods::parse("FZZ01").unwrap();
        assert!(
            statement()
                .check_cosignature(&line, &stranger, &keys)
                .is_err()
        );
        let keys = [key.public().clone()];
        assert!(
            statement()
                .check_cosignature(&line, &practice, &keys)
                .is_err()
        );
        let note = statement().sign(&key).unwrap();
        let own = signatures(&note).next().unwrap();
        let origin = statement().origin;
        assert!(statement().check_cosignature(own, &origin, &keys).is_err());
        assert_eq!(signer(own), Some(origin));
    }
}
