//! One object: made, and read back.

use fhir::problem::{Kind, Problem};
use store::copies::Record;

use super::content;
use super::manifest::{CopyManifest, Name, wrong};
use super::seal::{Recipient, Secret};
use crate::jws::{self, Statement};
use crate::keys::{PublicKey, SigningKey, sha256_hex};

const LEAD: &[u8] = b"handover-copy-1\n";
/// No object is longer: its content is bounded before it is packed.
pub(super) const OBJECT_BYTES_MAX: usize = 72 << 20;

/// An object whose signature and digests hold.
#[derive(Clone, Debug)]
pub struct Opened {
    pub manifest: CopyManifest,
    /// SHA-256 of the whole object.
    pub sha256: String,
    sealed: Vec<u8>,
}

/// Seals and signs; gives the object's name, digest and bytes. The manifest's digests are filled in here.
pub(super) fn make(
    mut manifest: CopyManifest,
    content: &[u8],
    recipient: &Recipient,
    key: &SigningKey,
) -> Result<(Name, String, Vec<u8>), Problem> {
    let sealed = recipient.seal(&manifest.info(), &content::pack(content)?)?;
    manifest.sha256 = sha256_hex(&sealed);
    manifest.bytes = sealed.len() as u64;
    manifest.recipient = recipient.name();
    let jws = jws::sign(key, Statement::Copy, &manifest)?;
    let mut bytes = LEAD.to_vec();
    bytes.extend_from_slice(jws.as_bytes());
    bytes.push(b'\n');
    bytes.extend(sealed);
    let sha256 = sha256_hex(&bytes);
    Ok((Name::new(&manifest, &sha256), sha256, bytes))
}

impl Opened {
    /// Checks an object against its name, its signature and its digests.
    ///
    /// # Errors
    /// `Incomplete` if it is not what its name says, as after a write that broke off; `Security` if it
    /// is not the node's, or is another object than the one of that name.
    pub(super) fn check(
        name: &Name,
        bytes: &[u8],
        signers: &[PublicKey],
    ) -> Result<Opened, Problem> {
        let sha256 = sha256_hex(bytes);
        if !sha256.starts_with(&name.digest) {
            let message = "was altered, or is not whole: it is not what its name says";
            return Err(Problem::new(Kind::Incomplete, message));
        }
        let not_one = || wrong("is no copy of Handover's");
        let rest = bytes.strip_prefix(LEAD).ok_or_else(not_one)?;
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(not_one)?;
        let (jws, sealed) = rest.split_at_checked(end).ok_or_else(not_one)?;
        let sealed = sealed.get(1..).ok_or_else(not_one)?;
        let jws = std::str::from_utf8(jws).map_err(|_| not_one())?;
        let find = |kid: &str| signers.iter().find(|key| key.kid() == kid).cloned();
        let manifest: CopyManifest = jws::verify(jws, Statement::Copy, find)
            .map_err(|_| wrong("was not signed by the node"))?;
        if Name::new(&manifest, &sha256) != *name {
            return Err(wrong("stands under another object's name"));
        }
        if manifest.bytes != sealed.len() as u64 || manifest.sha256 != sha256_hex(sealed) {
            return Err(wrong("has another content than the one that was signed"));
        }
        Ok(Opened {
            manifest,
            sha256,
            sealed: sealed.to_vec(),
        })
    }

    /// The pieces it holds.
    ///
    /// # Errors
    /// `Security` if the key is another one; `Structure` if the content does not read.
    pub fn pieces(&self, secret: &Secret) -> Result<Vec<Record>, Problem> {
        let packed = secret.unseal(&self.manifest.info(), &self.sealed)?;
        content::read_all(&packed)
    }

    /// Forgets the content: what is said of it is enough.
    pub(super) fn without_content(mut self) -> Opened {
        self.sealed = Vec::new();
        self
    }
}
