//! Secrets of people's sign-ins, sealed before they go into the database: the key is a file beside it, so that a stolen
//! database or a copy of it opens none of them.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use fhir::problem::{Kind, Problem};

use crate::keys::{read_private, write_private};

const KEY_BYTES: usize = 32;
/// What a sealed secret begins with: the form, for a later one to differ.
const FORM: u8 = 1;
const TAG_BYTES: usize = 16;

/// The key that secrets are sealed with.
#[derive(Clone)]
pub struct SealingKey(Arc<RandomizedNonceKey>);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey")
    }
}

impl SealingKey {
    /// Reads the key at `path`, or makes it, readable by its owner only.
    ///
    /// # Errors
    /// `Security` if others may read it, `Invalid` if it is no such key, `NoStore` if it cannot be written.
    pub fn open(path: &Path) -> Result<SealingKey, Problem> {
        if !path.exists() {
            write_private(path, &fresh()?)?;
        }
        SealingKey::new(&read_private(path)?)
    }

    /// A key that ends with this process: what it sealed opens nowhere else. For tests.
    pub fn of_process() -> SealingKey {
        static KEY: LazyLock<Option<SealingKey>> =
            LazyLock::new(|| SealingKey::new(&fresh().ok()?).ok());
        // A system without randomness has ended long before this.
        KEY.clone().unwrap_or_else(|| std::process::abort())
    }

    fn new(bytes: &[u8]) -> Result<SealingKey, Problem> {
        let wrong = |_| Problem::new(Kind::Invalid, "The key for secrets is not of 32 bytes.");
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(wrong)?;
        Ok(SealingKey(Arc::new(key)))
    }

    /// Seals a secret of that account: under another account it does not open.
    ///
    /// # Errors
    /// `Exception` if there is no randomness.
    pub fn seal(&self, account: i64, secret: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut sealed = secret.to_vec();
        let nonce = self.0.seal_in_place_append_tag(about(account), &mut sealed);
        let nonce =
            nonce.map_err(|_| Problem::new(Kind::Exception, "A secret could not be sealed."))?;
        Ok([&[FORM][..], nonce.as_ref(), &sealed].concat())
    }

    /// The secret; `None` if it was sealed with another key or for another account, or was altered.
    pub fn unseal(&self, account: i64, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.strip_prefix(&[FORM])?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = sealed.to_vec();
        let length = self
            .0
            .open_in_place(nonce, about(account), &mut secret)
            .ok()?
            .len();
        secret.truncate(length);
        Some(secret)
    }
}

/// Whether these bytes have the length of a sealed secret of `bytes` bytes.
pub fn is_sealed(bytes: &[u8], secret_bytes: usize) -> bool {
    bytes.len() == 1 + NONCE_LEN + secret_bytes + TAG_BYTES
}

fn about(account: i64) -> Aad<[u8; 8]> {
    Aad::from(account.to_be_bytes())
}

fn fresh() -> Result<[u8; KEY_BYTES], Problem> {
    let mut bytes = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Problem::new(Kind::Exception, "There is no randomness."))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_opens_with_its_key_and_for_its_account_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        let key = SealingKey::open(&path).unwrap();
        let secret = [7; 20];
        let sealed = key.seal(3, &secret).unwrap();
        assert!(is_sealed(&sealed, secret.len()) && !is_sealed(&secret, secret.len()));
        assert!(!sealed.windows(8).any(|some| some == [7; 8]));
        let again = SealingKey::open(&path).unwrap();
        assert_eq!(again.unseal(3, &sealed).as_deref(), Some(&secret[..]));
        assert_eq!(again.unseal(4, &sealed), None);
        let other = SealingKey::open(&folder.path().join("other.key")).unwrap();
        assert_eq!(other.unseal(3, &sealed), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key.unseal(3, &altered), None, "byte {at}");
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
