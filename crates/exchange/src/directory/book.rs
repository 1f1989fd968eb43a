//! The directory that a running node goes by.

use std::collections::HashMap;
use std::sync::Arc;

use access::Ods;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use parking_lot::RwLock;

use super::{ByBars, Directory, Member, Stewards};
use crate::keys::PublicKey;

/// The latest believed directory with its lookups. Shared; read by every connection.
pub struct Book {
    stewards: Stewards,
    page: RwLock<Arc<Page>>,
}

struct Page {
    /// As it was signed.
    text: Arc<str>,
    version: u64,
    valid_until: Millis,
    members: HashMap<String, Arc<Member>>,
    /// Certificate digest to ODS code.
    certificates: HashMap<String, String>,
    /// Mailbox to ODS code.
    mailboxes: HashMap<String, String>,
    /// Who has no node, and is reached by BaRS.
    bars: HashMap<String, Arc<ByBars>>,
}

impl Page {
    fn new(directory: Directory, text: &str) -> Page {
        let mut page = Page {
            text: Arc::from(text.trim()),
            version: directory.version,
            valid_until: directory.valid_until,
            members: HashMap::new(),
            certificates: HashMap::new(),
            mailboxes: HashMap::new(),
            bars: HashMap::new(),
        };
        for entry in directory.bars {
            page.bars.insert(entry.ods.clone(), Arc::new(entry));
        }
        for member in directory.members {
            for certificate in &member.certificates {
                page.certificates
                    .insert(certificate.sha256.clone(), member.ods.clone());
            }
            for mailbox in &member.mailboxes {
                page.mailboxes
                    .insert(mailbox.id.clone(), member.ods.clone());
            }
            page.members.insert(member.ods.clone(), Arc::new(member));
        }
        page
    }

    fn owner(&self, certificate_sha256: &str, now: Millis) -> Option<Arc<Member>> {
        let member = self
            .members
            .get(self.certificates.get(certificate_sha256)?)?;
        let owns = member.has_certificate(certificate_sha256, now);
        owns.then(|| member.clone())
    }
}

impl Book {
    /// Opens the signed directory `text`.
    ///
    /// # Errors
    /// As `Directory::verify`.
    pub fn new(text: &str, stewards: impl Into<Stewards>, now: Millis) -> Result<Book, Problem> {
        let stewards = stewards.into();
        let directory = Directory::verify(text, &stewards, now)?;
        Ok(Book::with(directory, text, stewards))
    }

    /// The same, also if the directory has ended: nobody in it is believed, but the node to which it belongs starts, and
    /// asks those whom it lists for a newer one.
    ///
    /// # Errors
    /// `Security` if not enough of the stewards signed it, `Invalid` or `Structure` if it contradicts itself.
    pub fn even_ended(text: &str, stewards: impl Into<Stewards>) -> Result<Book, Problem> {
        let stewards = stewards.into();
        let directory = Directory::read(text, &stewards)?;
        Ok(Book::with(directory, text, stewards))
    }

    fn with(directory: Directory, text: &str, stewards: Stewards) -> Book {
        Book {
            stewards,
            page: RwLock::new(Arc::new(Page::new(directory, text))),
        }
    }

    /// Takes a newer directory in place of the present one. The same version again changes nothing;
    /// gives whether it was newer.
    ///
    /// # Errors
    /// As `Directory::verify`, and `Conflict` for an older version: then the present one stays.
    pub fn reload(&self, text: &str, now: Millis) -> Result<bool, Problem> {
        let directory = Directory::verify(text, &self.stewards, now)?;
        let mut page = self.page.write();
        if directory.version < page.version {
            let message = "This directory is older than the one in use.";
            return Err(Problem::new(Kind::Conflict, message));
        }
        let newer = directory.version > page.version;
        if newer {
            *page = Arc::new(Page::new(directory, text));
        }
        Ok(newer)
    }

    /// Who must have signed it.
    pub fn stewards(&self) -> &Stewards {
        &self.stewards
    }

    /// The version in use.
    pub fn version(&self) -> u64 {
        self.page.read().version
    }

    /// The directory in use, as it was signed.
    pub fn text(&self) -> Arc<str> {
        self.page.read().text.clone()
    }

    /// Whether nothing in it is believed any more.
    pub fn has_ended(&self, now: Millis) -> bool {
        now >= self.valid_until()
    }

    /// From when on nothing in it is believed.
    pub fn valid_until(&self) -> Millis {
        self.page.read().valid_until
    }

    /// The member of that code, while the directory is valid.
    pub fn member(&self, ods: &Ods, now: Millis) -> Option<Arc<Member>> {
        let page = self.page.read().clone();
        (now < page.valid_until)
            .then(|| page.members.get(ods.as_str()).cloned())
            .flatten()
    }

    /// The member of that code, also once the directory has ended. It says to whom something may be addressed, which then
    /// waits: nobody is believed for it, and nothing is sent.
    pub fn listed(&self, ods: &Ods) -> Option<Arc<Member>> {
        self.page.read().members.get(ods.as_str()).cloned()
    }

    /// The member that owns the certificate of that digest now.
    pub fn owner(&self, certificate_sha256: &str, now: Millis) -> Option<Arc<Member>> {
        let page = self.page.read().clone();
        (now < page.valid_until)
            .then(|| page.owner(certificate_sha256, now))
            .flatten()
    }

    /// The same, also once the directory has ended; the certificate's own time holds. It is enough to be asked for a newer
    /// directory, which proves itself, and for nothing else.
    pub(crate) fn last_owner(&self, certificate_sha256: &str, now: Millis) -> Option<Arc<Member>> {
        self.page.read().owner(certificate_sha256, now)
    }

    /// The member whose mailbox that is, as `listed`: what is for it goes by no other way meanwhile.
    pub fn mailbox_of(&self, mailbox: &str) -> Option<Arc<Member>> {
        let page = self.page.read().clone();
        let ods = page.mailboxes.get(mailbox)?;
        page.members.get(ods).cloned()
    }

    /// The key of that name with which that organisation may sign now.
    pub fn key(&self, ods: &Ods, kid: &str, now: Millis) -> Option<PublicKey> {
        self.member(ods, now)?.key(kid, now).cloned()
    }

    /// All members, ordered by code.
    pub fn members(&self) -> Vec<Arc<Member>> {
        let page = self.page.read().clone();
        let mut members: Vec<_> = page.members.values().cloned().collect();
        members.sort_by(|a, b| a.ods.cmp(&b.ods));
        members
    }

    /// The entry of an organisation that is reached by BaRS, while the directory is valid.
    pub fn by_bars(&self, ods: &str, now: Millis) -> Option<Arc<ByBars>> {
        let page = self.page.read().clone();
        (now < page.valid_until)
            .then(|| page.bars.get(ods).cloned())
            .flatten()
    }

    /// All that are reached by BaRS, ordered by code.
    pub fn all_by_bars(&self, now: Millis) -> Vec<Arc<ByBars>> {
        let page = self.page.read().clone();
        if now >= page.valid_until {
            return Vec::new();
        }
        let mut all: Vec<_> = page.bars.values().cloned().collect();
        all.sort_by(|a, b| a.ods.cmp(&b.ods));
        all
    }

    /// The name of that organisation for people; its code if the directory does not know it.
    pub fn name(&self, ods: &str) -> String {
        let page = self.page.read().clone();
        let member = page.members.get(ods).map(|it| it.name.clone());
        let by_bars = || page.bars.get(ods).map(|it| it.name.clone());
        member.or_else(by_bars).unwrap_or_else(|| ods.to_string())
    }
}
