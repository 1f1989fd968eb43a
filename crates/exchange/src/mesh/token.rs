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

    pub fn mailbox(&self) -> &str {
        &self.mailbox
    }

    /// A token for one request: MESH takes none twice.
    pub fn token(&self, now: Millis) -> String {
        let nonce = uuid::Uuid::new_v4().to_string();
        self.signed(&nonce, 0, &minute(now))
    }

    /// Whether a token is of this mailbox's password and the shared key.
    pub fn proves(&self, shown: &Shown<'_>) -> bool {
        let Shown {
            nonce, count, time, ..
        } = shown;
        let (mailbox, password) = (&self.mailbox, &self.password);
        let text = format!("{mailbox}:{nonce}:{count}:{password}:{time}");
        let tag = unhex(shown.tag);
        shown.mailbox == mailbox && hmac::verify(&self.key, text.as_bytes(), &tag).is_ok()
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

/// What a token says, before it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'t> {
    pub mailbox: &'t str,
    pub nonce: &'t str,
    pub count: u32,
    /// `202601050900`
    time: &'t str,
    tag: &'t str,
}

/// The longest nonce, in bytes.
const NONCE_MAX: usize = 100;

impl<'t> Shown<'t> {
    /// Reads the header `Authorization`. `None` if it is no token of MESH.
    pub fn read(header: &'t str) -> Option<Shown<'t>> {
        let mut parts = header.strip_prefix("NHSMESH ")?.trim().split(':');
        let mut next = || parts.next();
        let (mailbox, nonce, count) = (next()?, next()?, next()?);
        let (time, tag) = (next()?, next()?);
        let plain = |text: &str| {
            text.bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-')
        };
        let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
        let fits = next().is_none()
            && (1..=NONCE_MAX).contains(&nonce.len())
            && plain(nonce)
            && (1..=9).contains(&count.len())
            && digits(count)
            && time.len() == 12
            && digits(time)
            && tag.len() == 64;
        let count = count.parse().ok()?;
        fits.then_some(Shown {
            mailbox,
            nonce,
            count,
            time,
            tag,
        })
    }

    /// The minute that it was made in. `None` if there is no such minute.
    pub fn at(&self) -> Option<Millis> {
        let part = |range: std::ops::Range<usize>| self.time.get(range).unwrap_or_default();
        let text = format!(
            "{}-{}-{}T{}:{}:00Z",
            part(0..4),
            part(4..6),
            part(6..8),
            part(8..10),
            part(10..12)
        );
        date::span(&text).map(|span| span.low)
    }
}

/// The bytes of hexadecimal digits; what is none is left out, and fits no tag then.
fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).filter_map(value).collect()
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
    fn a_token_proves_its_mailbox_and_no_other() {
        let credentials = Credentials::new("X26ABC1", "password", "TestKey").unwrap();
        let token = credentials.token(1_767_603_600_123);
        let shown = Shown::read(&token).unwrap();
        assert!(credentials.proves(&shown));
        assert_eq!(shown.at(), Some(1_767_603_600_000));
        for (mailbox, password, key) in [
            ("X26ABC2", "password", "TestKey"),
            ("X26ABC1", "Password", "TestKey"),
            ("X26ABC1", "password", "testkey"),
        ] {
            let other = Credentials::new(mailbox, password, key).unwrap();
            assert!(!other.proves(&shown), "{mailbox} {password} {key}");
        }
        let later = token.replace(":202601050900:", ":202601050901:");
        assert!(!credentials.proves(&Shown::read(&later).unwrap()));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let tag = "0".repeat(64);
        for text in [
            String::new(),
            format!("NHSMESH A:n:0:202601050900:{tag}:more"),
            format!("NHSMESH A::0:202601050900:{tag}"),
            format!("NHSMESH A:n:x:202601050900:{tag}"),
            format!("NHSMESH A:n:0:2026010509:{tag}"),
            "NHSMESH A:n:0:202601050900:00".to_owned(),
            format!("Bearer A:n:0:202601050900:{tag}"),
        ] {
            assert_eq!(Shown::read(&text), None, "{text}");
        }
        let header = format!("NHSMESH A:n:0:202613050900:{tag}");
        assert_eq!(Shown::read(&header).unwrap().at(), None);
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
