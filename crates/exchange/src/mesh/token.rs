//! The token of each request: `NHSMESH MAILBOX:NONCE:COUNT:yyyyMMddHHmm:HEX`, where HEX is the HMAC
//! of mailbox, nonce, count, password and time under the environment's shared key.

use std::path::Path;

use aws_lc_rs::hmac;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};

use crate::keys::{hex, read_private};

/// What opens a mailbox.
#[derive(Clone)]
pub struct Credentials {
    mailbox: String,
    password: String,
    key: hmac::Key,
}

impl Credentials {
    /// # Errors
    /// `Value` if the mailbox's name does not read, or a secret is empty.
    pub fn new(mailbox: &str, password: &str, shared_key: &str) -> Result<Credentials, Problem> {
        let is_name = |text: &str| text.bytes().all(|it| it.is_ascii_alphanumeric());
        if mailbox.is_empty() || mailbox.len() > 30 || !is_name(mailbox) {
            let message = "A mailbox's name is up to 30 letters and digits.";
            return Err(Problem::new(Kind::Value, message));
        }
        if password.is_empty() || shared_key.is_empty() {
            let message = "The mailbox's password and the shared key are not empty.";
            return Err(Problem::new(Kind::Value, message));
        }
        Ok(Credentials {
            mailbox: mailbox.to_ascii_uppercase(),
            password: password.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, shared_key.as_bytes()),
        })
    }

    /// The same with secrets that are in files which only the node's user may read.
    ///
    /// # Errors
    /// As `new`; `Security` if others may read a file, `NoStore` if it cannot be read.
    pub fn open(mailbox: &str, password: &Path, shared_key: &Path) -> Result<Credentials, Problem> {
        let text = |path: &Path| -> Result<String, Problem> {
            let bytes = read_private(path)?;
            Ok(String::from_utf8(bytes)
                .unwrap_or_default()
                .trim()
                .to_owned())
        };
        Credentials::new(mailbox, &text(password)?, &text(shared_key)?)
    }

    pub(super) fn mailbox(&self) -> &str {
        &self.mailbox
    }

    /// A token for one request: MESH takes none twice.
    pub(super) fn token(&self, now: Millis) -> String {
        let nonce = uuid::Uuid::new_v4().to_string();
        self.signed(&nonce, 0, &minute(now))
    }

    fn signed(&self, nonce: &str, count: u32, time: &str) -> String {
        let Credentials {
            mailbox, password, ..
        } = self;
        let text = format!("{mailbox}:{nonce}:{count}:{password}:{time}");
        let tag = hmac::sign(&self.key, text.as_bytes());
        format!(
            "NHSMESH {mailbox}:{nonce}:{count}:{time}:{}",
            hex(tag.as_ref())
        )
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, hidden)", self.mailbox)
    }
}

/// `202601050900`, in UTC.
fn minute(now: Millis) -> String {
    let instant = date::instant(now);
    let digits = instant.chars().filter(char::is_ascii_digit);
    digits.take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first request of the recorded talk with the stand-in: its password, and its shared key.
    #[test]
    fn a_token_is_the_recorded_one() {
        let credentials = Credentials::new("X26ABC1", "password", "TestKey").unwrap();
        let nonce = "66f0e36d-76b1-40d7-ab3b-0664e3c4d02a";
        assert_eq!(
            credentials.signed(nonce, 0, "202611220959"),
            "NHSMESH X26ABC1:66f0e36d-76b1-40d7-ab3b-0664e3c4d02a:0:202611220959:\
             7b31542ab129f7882affb5d71ea77384f0227cb3dff8caf5a5a4b1838691dd2f"
        );
        assert_eq!(minute(1_767_603_600_123), "202601050900");
        let (one, two) = (credentials.token(0), credentials.token(0));
        assert_ne!(one, two);
        assert!(!format!("{credentials:?}").contains("password"));
    }

    #[test]
    fn what_is_no_mailbox_is_refused() {
        for (mailbox, password, key) in [
            ("", "p", "k"),
            ("A:B", "p", "k"),
            ("A", "", "k"),
            ("A", "p", ""),
        ] {
            assert!(Credentials::new(mailbox, password, key).is_err());
        }
    }
}
