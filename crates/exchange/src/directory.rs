//! The directory: who is a member of the network, at which address, with which keys.
//!
//! It is one statement signed by its stewards. A node believes it only if enough of the stewards' keys, which it
//! got by another way, signed it, and never goes back to an older version.

mod book;
pub(crate) mod follow;
pub mod joining;
mod stewards;

use access::Ods;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};

use crate::instant;
use crate::jws::{self, Statement};
use crate::keys::{Identity, PublicKey, SigningKey};
use crate::mailboxes;

pub use book::Book;
pub use follow::{ALARM, replace};
pub use stewards::Stewards;

/// The most members that one directory may list.
const MEMBERS_MAX: usize = 20_000;
/// The most certificates, and the most keys, of one member.
const CREDENTIALS_MAX: usize = 8;
/// The most mailboxes of one member, and the most workflows of one mailbox.
const MAILBOXES_MAX: usize = 100;
const WORKFLOWS_MAX: usize = 200;

/// The directory as signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Of this form; 1.
    pub protocol: u32,
    /// Counts up with each directory that the steward signs.
    pub version: u64,
    #[serde(with = "instant")]
    pub issued_at: Millis,
    /// From then on nothing in it is believed.
    #[serde(with = "instant")]
    pub valid_until: Millis,
    pub members: Vec<Member>,
    /// Organisations without a node that are reached by BaRS.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub bars: Vec<ByBars>,
}

/// An organisation that has no node and is reached by BaRS: its entry in the directory, which is also what a steward is handed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByBars {
    pub ods: String,
    /// The name that people read.
    pub name: String,
    /// The address of its FHIR API, or of the proxy that passes messages on to it.
    pub url: String,
    /// The identifier by which the proxy knows it.
    pub service: String,
}

impl ByBars {
    /// Reads an entry.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<ByBars, Problem> {
        let entry: ByBars = jws::read_strictly(json)?;
        entry.check()?;
        Ok(entry)
    }

    fn check(&self) -> Result<(), Problem> {
        let wrong = |what: &str| {
            let message = format!("Organisation {}, by BaRS: {what}", self.ods);
            Err(Problem::new(Kind::Invalid, message))
        };
        if !Ods::parse(&self.ods).is_ok_and(|ods| ods.as_str() == self.ods) {
            return wrong("the ODS code is not 3 to 12 capital letters and digits.");
        }
        let is_line = |it: &str| {
            !it.trim().is_empty() && it.len() <= 200 && !it.chars().any(char::is_control)
        };
        if !is_line(&self.name) || !is_line(&self.service) {
            return wrong("name and service are one line each.");
        }
        if !crate::bars::is_address(&self.url) || self.url.len() > 300 {
            return wrong("the url does not begin with https://.");
        }
        Ok(())
    }
}

/// One organisation. This is also the *card* that a node hands to the steward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub ods: String,
    /// The name that people read.
    pub name: String,
    /// What it is: `hospital`, `gp-practice`, `pharmacy` and so on.
    pub roles: Vec<String>,
    /// Where other nodes reach it: `https://host:port`, without a path.
    pub exchange: String,
    /// Where people reach its pages.
    pub pages: String,
    pub certificates: Vec<Certificate>,
    pub keys: Vec<Key>,
    /// Mailboxes of its systems, which its node takes messages for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub mailboxes: Vec<MailboxNamed>,
}

/// A mailbox, as others know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxNamed {
    /// Up to 30 capital letters and digits.
    pub id: String,
    pub name: String,
    /// Workflow ids that it takes.
    pub workflows: Vec<String>,
}

/// A TLS certificate, by its digest, and the time in which it is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// SHA-256 of the certificate (DER), 64 lower-case hexadecimal digits.
    pub sha256: String,
    #[serde(with = "instant")]
    pub from: Millis,
    /// The first moment in which it is no longer believed.
    #[serde(with = "instant")]
    pub until: Millis,
}

/// A signing key and the time in which it is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub jwk: PublicKey,
    #[serde(with = "instant")]
    pub from: Millis,
    #[serde(with = "instant")]
    pub until: Millis,
}

impl MailboxNamed {
    fn is_plain(&self) -> bool {
        let short = self.name.len() <= 200 && self.workflows.len() <= WORKFLOWS_MAX;
        let named = |it: &String| (1..=60).contains(&it.len()) && it.bytes().all(is_graphic);
        short && mailboxes::is_mailbox(&self.id) && self.workflows.iter().all(named)
    }
}

fn is_graphic(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

impl Certificate {
    fn is_valid(&self, now: Millis) -> bool {
        (self.from..self.until).contains(&now)
    }
}

impl Key {
    fn is_valid(&self, now: Millis) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// What a card says besides the keys.
#[derive(Clone, Debug)]
pub struct About {
    pub name: String,
    pub roles: Vec<String>,
    /// `https://host:port`
    pub exchange: String,
    pub pages: String,
    pub mailboxes: Vec<MailboxNamed>,
}

impl Member {
    /// The card of a node with these keys, believed in `[from, until)`.
    pub fn card(identity: &Identity, about: About, from: Millis, until: Millis) -> Member {
        let sha256 = identity.certificate_sha256();
        let jwk = identity.signing().public().clone();
        Member {
            ods: identity.organisation().to_string(),
            name: about.name,
            roles: about.roles,
            exchange: about.exchange,
            pages: about.pages,
            certificates: vec![Certificate {
                sha256,
                from,
                until,
            }],
            keys: vec![Key { jwk, from, until }],
            mailboxes: about.mailboxes,
        }
    }

    /// The same with another identity's keys beside its own.
    #[must_use]
    pub fn beside(mut self, next: &Identity, from: Millis, until: Millis) -> Member {
        let sha256 = next.certificate_sha256();
        let jwk = next.signing().public().clone();
        self.certificates.push(Certificate {
            sha256,
            from,
            until,
        });
        self.keys.push(Key { jwk, from, until });
        self
    }

    /// Reads a card.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Member, Problem> {
        let member: Member = jws::read_strictly(json)?;
        member.check()?;
        Ok(member)
    }

    /// Whether that certificate is one of the member's now.
    pub fn has_certificate(&self, sha256: &str, now: Millis) -> bool {
        self.certificates
            .iter()
            .any(|known| known.sha256 == sha256 && known.is_valid(now))
    }

    /// The member's key of that name, if it may sign now.
    pub fn key(&self, kid: &str, now: Millis) -> Option<&PublicKey> {
        let found = self
            .keys
            .iter()
            .find(|known| known.jwk.kid() == kid && known.is_valid(now))?;
        Some(&found.jwk)
    }

    /// The organisation.
    ///
    /// # Errors
    /// `Value`; never for a member of a directory that was verified.
    pub fn organisation(&self) -> Result<Ods, Problem> {
        Ods::parse(&self.ods)
    }

    fn check(&self) -> Result<(), Problem> {
        let wrong = |what: &str| {
            Err(Problem::new(
                Kind::Invalid,
                format!("Member {}: {what}", self.ods),
            ))
        };
        if Ods::parse(&self.ods)
            .map(|ods| ods.as_str() != self.ods)
            .unwrap_or(true)
        {
            return wrong("the ODS code is not 3 to 12 capital letters and digits.");
        }
        if self.name.trim().is_empty() || self.name.len() > 200 || self.roles.len() > 20 {
            return wrong("the name or the roles are empty or too long.");
        }
        if self.certificates.len() > CREDENTIALS_MAX || self.keys.len() > CREDENTIALS_MAX {
            return wrong("there are too many certificates or keys.");
        }
        if !is_address(&self.exchange, "https") {
            return wrong("the exchange address is not https://host:port.");
        }
        let digest = |text: &str| {
            text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !self
            .certificates
            .iter()
            .all(|certificate| digest(&certificate.sha256))
        {
            return wrong("a certificate's digest is not 64 hexadecimal digits.");
        }
        if self.mailboxes.len() > MAILBOXES_MAX {
            return wrong("there are too many mailboxes.");
        }
        if !self.mailboxes.iter().all(MailboxNamed::is_plain) {
            return wrong("a mailbox's id, name or workflows are not as they must be.");
        }
        if !self.keys.iter().all(|key| key.jwk.bytes().is_some()) {
            return wrong("a key is not an Ed25519 key under its thumbprint.");
        }
        Ok(())
    }
}

/// Whether a text is `scheme://host[:port]` and nothing more.
fn is_address(text: &str, scheme: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else {
        return false;
    };
    let bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
    let named = uri
        .authority()
        .is_some_and(|host| !host.as_str().contains('@'));
    uri.scheme_str() == Some(scheme) && bare && named && text.len() <= 300
}

impl Directory {
    /// Signs the directory with the steward's key.
    ///
    /// # Errors
    /// `Invalid` if it would not be taken by a node.
    pub fn sign(&self, steward: &SigningKey) -> Result<String, Problem> {
        self.check()?;
        jws::sign(steward, Statement::Directory, self)
    }

    /// Signs the same directory with another steward's key: gives the text with one line more.
    ///
    /// # Errors
    /// `Invalid` if this version of Handover would not write the directory as it was signed before.
    pub fn countersign(&self, text: &str, steward: &SigningKey) -> Result<String, Problem> {
        let line = self.sign(steward)?;
        let text = text.trim();
        let first = text.lines().next().unwrap_or_default();
        if first.split('.').nth(1) != line.split('.').nth(1) {
            let message = "It was signed in another form than this version of Handover writes.";
            return Err(Problem::new(Kind::Invalid, message));
        }
        Ok(format!("{text}\n{}", stewards::further(&line)))
    }

    /// Reads a signed directory.
    ///
    /// # Errors
    /// `Security` if not enough of the stewards signed it or it is no longer valid, `Invalid` or `Structure`
    /// if it contradicts itself.
    pub fn verify(text: &str, stewards: &Stewards, now: Millis) -> Result<Directory, Problem> {
        let directory = Directory::read(text, stewards)?;
        if now >= directory.valid_until {
            return Err(Problem::new(
                Kind::Security,
                "The directory is no longer valid.",
            ));
        }
        Ok(directory)
    }

    /// Reads a signed directory, whether or not it has ended.
    fn read(text: &str, stewards: &Stewards) -> Result<Directory, Problem> {
        let directory: Directory = stewards.verify(text, Statement::Directory)?;
        directory.check()?;
        Ok(directory)
    }

    fn check(&self) -> Result<(), Problem> {
        let invalid = |message: &'static str| Err(Problem::new(Kind::Invalid, message));
        if self.protocol != 1 {
            return invalid("The directory is of a protocol that this node does not know.");
        }
        if self.members.len() > MEMBERS_MAX {
            return invalid("The directory has too many members.");
        }
        let mut names = std::collections::HashSet::new();
        let mut certificates = std::collections::HashSet::new();
        let mut kids = std::collections::HashSet::new();
        let mut mailboxes = std::collections::HashSet::new();
        for member in &self.members {
            member.check()?;
            if !names.insert(&member.ods) {
                return invalid("The directory lists an organisation twice.");
            }
            if !member
                .certificates
                .iter()
                .all(|it| certificates.insert(&it.sha256))
            {
                return invalid("The directory lists a certificate twice.");
            }
            if !member.mailboxes.iter().all(|it| mailboxes.insert(&it.id)) {
                return invalid("The directory lists a mailbox twice.");
            }
            if !member.keys.iter().all(|it| kids.insert(it.jwk.kid())) {
                return invalid("The directory lists a key twice.");
            }
        }
        if self.bars.len() > MEMBERS_MAX {
            return invalid("The directory has too many organisations that are reached by BaRS.");
        }
        for entry in &self.bars {
            entry.check()?;
            if !names.insert(&entry.ods) {
                return invalid("The directory lists an organisation twice.");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
