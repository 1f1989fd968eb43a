//! Mailboxes of systems here, in the manner of MESH: where a message goes, and how it gets there
//! (decision 0125). `web` has the door that systems knock at.
//!
//! Invariant: a message for a member's mailbox leaves in parcels, any other by the national service,
//! and none by both.

mod carry;
mod collect;
mod national;
mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use access::{NhsNumber, Ods, Scope, SystemPurpose};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::mesh::{MeshWrite, Way};
use store::parcels::Named;
use store::{Done, Effect, Job};
use tokio::sync::watch;

use crate::directory::MailboxNamed;
use crate::exchange::Exchange;
use crate::mesh::{Credentials, Mesh};
use crate::workers::wait;
pub(crate) use collect::run as collect_mail;
pub use collect::{ALARM, Collecting, Rule};
pub use part::{CHUNKS_MAX, MailPart};

/// The longest name of a mailbox, as MESH has them.
const NAME_MAX: usize = 30;
/// How often what is due by time is looked for.
const SWEEP_EVERY_MILLIS: i64 = 60_000;
/// Sweeps in a row, at most.
const SWEEPS_MAX: usize = 200;
/// A recipient that is a person: their practice is looked up.
const BY_PERSON: &str = "GPPROVIDER_";

/// A mailbox of a system here.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pub named: MailboxNamed,
    /// The organisation that it belongs to.
    pub ods: Ods,
    pub credentials: Credentials,
}

/// The mailboxes of a node, and its way to the national service.
#[derive(Clone, Default)]
pub struct Mailboxes {
    own: BTreeMap<String, Mailbox>,
    national: Option<Mesh>,
    /// What is collected there for mailboxes here; `None`: nothing.
    collecting: Option<Arc<Collecting>>,
    /// When the national service is sent to next, and asked after what it has.
    send_at: Arc<AtomicI64>,
    track_at: Arc<AtomicI64>,
    /// The message that was asked after last.
    track_after: Arc<AtomicI64>,
}

impl std::fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.own.keys()).finish()
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub way: Way,
    /// The mailbox.
    pub mailbox: String,
    pub name: String,
    /// The ODS code of its organisation; empty if it is not known.
    pub organisation: String,
}

/// Whether a text can be a mailbox's name: up to 30 capital letters and digits.
pub fn is_mailbox(text: &str) -> bool {
    let plain = |it: u8| it.is_ascii_uppercase() || it.is_ascii_digit();
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// A recipient as it may be shown to those who run a node: a person is not named.
pub fn shown(recipient: &str) -> &str {
    match recipient.starts_with(BY_PERSON) {
        true => "the patient's practice",
        false => recipient,
    }
}

impl Mailboxes {
    pub fn new(mailboxes: Vec<Mailbox>, national: Option<Mesh>) -> Mailboxes {
        let named = |it: Mailbox| (it.named.id.clone(), it);
        Mailboxes {
            own: mailboxes.into_iter().map(named).collect(),
            national,
            ..Mailboxes::default()
        }
    }

    /// The same, which also take what comes for the organisation's mailbox there.
    #[must_use]
    pub fn collecting(self, collecting: Option<Collecting>) -> Mailboxes {
        Mailboxes {
            collecting: collecting.map(Arc::new),
            ..self
        }
    }

    /// The mailbox of that name here.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn own(&self, mailbox: &str) -> Result<&Mailbox, Problem> {
        let message = "There is no such mailbox here.";
        let found = self.own.get(mailbox);
        found.ok_or_else(|| Problem::new(Kind::NotFound, message))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mailbox> {
        self.own.values()
    }

    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    fn is_time(&self, at: &AtomicI64, now: Millis) -> bool {
        at.load(Ordering::Relaxed) <= now
    }

    fn wait_for(&self, at: &AtomicI64, until: Millis) {
        at.store(until, Ordering::Relaxed);
    }
}

/// Whom a recipient of the form `GPPROVIDER_number_birth date_family name` names. The date is read in
/// either order.
fn person(to: &str) -> Option<Named> {
    let mut parts = to.strip_prefix(BY_PERSON)?.splitn(3, '_');
    let (number, day, family) = (parts.next()?, parts.next()?, parts.next()?);
    let number = NhsNumber::parse(number).ok()?;
    Some(Named {
        nhs_number: Some(number.digits().to_string()),
        birth_date: Some(birth_date(day)?),
        family: family.to_string(),
        given: String::new(),
    })
}

/// `DDMMYYYY` or `YYYYMMDD` as `YYYY-MM-DD`; `None` if it is neither. It is never both: where the one
/// has its century the other has its month.
fn birth_date(digits: &str) -> Option<String> {
    if digits.len() != 8 || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    let forms = [
        format!("{}-{}-{}", part(4..8), part(2..4), part(0..2)),
        format!("{}-{}-{}", part(0..4), part(4..6), part(6..8)),
    ];
    let is_day = |it: &&String| fhir::date::span(it).is_some() && plausible(it);
    forms.iter().find(is_day).cloned()
}

/// Whether somebody who lives may be born then.
fn plausible(day: &str) -> bool {
    matches!(day.get(0..2), Some("18" | "19" | "20"))
}

impl Exchange {
    /// Where a message goes that is for `to`: the name of a mailbox, or a person whose practice is
    /// looked up in what is here of them, and else by the national service.
    ///
    /// # Errors
    /// `NotFound` if no such mailbox is known, and there is no way to ask elsewhere.
    pub async fn route(&self, to: &str, workflow: &str) -> Result<Route, Problem> {
        match person(to) {
            Some(named) => self.route_to_practice(to, &named, workflow).await,
            None => self.route_to(to),
        }
    }

    fn route_to(&self, to: &str) -> Result<Route, Problem> {
        let route = |way, named: &MailboxNamed, organisation: &str| Route {
            way,
            mailbox: named.id.clone(),
            name: named.name.clone(),
            organisation: organisation.to_string(),
        };
        let mailboxes = &self.settings.mailboxes;
        if let Ok(own) = mailboxes.own(to) {
            return Ok(route(Way::Here, &own.named, own.ods.as_str()));
        }
        let member = self.book.mailbox_of(to);
        let own = self.organisation().as_str();
        if let Some(member) = member.filter(|it| it.ods != own) {
            let named = member.mailboxes.iter().find(|it| it.id == to);
            if let Some(named) = named {
                return Ok(route(Way::Member, named, &member.ods));
            }
        }
        match mailboxes.national.is_some() && is_mailbox(to) {
            true => Ok(by_national(to)),
            false => Err(unregistered()),
        }
    }

    /// The mailbox for that workflow of the practice where that person is registered, by number, date of birth and family name
    /// together. Where nobody in the network has one, it is for the national service to look them up, by all three as well.
    async fn route_to_practice(
        &self,
        to: &str,
        named: &Named,
        workflow: &str,
    ) -> Result<Route, Problem> {
        let scope = Scope::system(SystemPurpose::CarryMail);
        let (_, found) = self.fitting(&scope, named).await?;
        let people = found.len();
        let practices: BTreeSet<String> = found
            .into_iter()
            .map(|(_, practice)| practice.unwrap_or_else(|| self.organisation().to_string()))
            .collect();
        let taking: Vec<MailboxNamed> = practices
            .iter()
            .flat_map(|practice| self.endpoints(Some(practice), workflow))
            .collect();
        match taking.as_slice() {
            [one] if people == 1 => self.route_to(&one.id),
            [] if self.settings.mailboxes.national.is_some() => Ok(by_national(to)),
            // Several that could be meant: none is guessed at, and none passed over.
            _ => Err(unregistered()),
        }
    }

    /// The mailboxes that take a workflow: of the organisation of that ODS code, or of all.
    pub fn endpoints(&self, ods: Option<&str>, workflow: &str) -> Vec<MailboxNamed> {
        let own = self.settings.mailboxes.iter();
        let own = own.map(|it| (it.ods.to_string(), it.named.clone()));
        let me = self.organisation().as_str();
        let members = self.book.members().into_iter().filter(|it| it.ods != me);
        let theirs = members.flat_map(|member| {
            let of = |named: &MailboxNamed| (member.ods.clone(), named.clone());
            member.mailboxes.iter().map(of).collect::<Vec<_>>()
        });
        own.chain(theirs)
            .filter(|(owner, _)| ods.is_none_or(|ods| ods == owner))
            .map(|(_, named)| named)
            .filter(|named| named.workflows.iter().any(|it| it == workflow))
            .collect()
    }

    /// What the name of a mailbox is for people; empty if it is not known.
    pub fn mailbox_name(&self, mailbox: &str) -> String {
        self.route_to(mailbox)
            .map(|route| route.name)
            .unwrap_or_default()
    }

    /// Hands over what waits, and does what is due by time, once. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn carry_mail(&self) -> Result<usize, Problem> {
        Ok(self.carry_to_members().await? + self.carry_out().await?)
    }

    /// Gives up what nobody collected, and drops what was kept long enough.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep_mail(&self) -> Result<(), Problem> {
        let scope = Scope::system(SystemPurpose::CarryMail);
        for _ in 0..SWEEPS_MAX {
            let job = Job::effect(Effect::Mesh(MeshWrite::Sweep));
            let done = self.store.commit(&scope, job).await?.done;
            if let Some(Done::Mesh(store::mesh::MeshDone::Rows(0))) = done.first() {
                break;
            }
        }
        Ok(())
    }
}

/// Out by the national service, to the recipient as it was written.
fn by_national(to: &str) -> Route {
    Route {
        way: Way::National,
        mailbox: to.to_string(),
        name: String::new(),
        organisation: String::new(),
    }
}

fn unregistered() -> Problem {
    Problem::new(Kind::NotFound, "Unregistered to address")
}

/// The worker.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    if exchange.settings.mailboxes.is_empty() {
        return;
    }
    let mut changed = exchange.store.parcels_changed();
    let mut swept = 0;
    while !*stopped.borrow() {
        changed.mark_unchanged();
        let now = exchange.store.now();
        if now.saturating_sub(swept) >= SWEEP_EVERY_MILLIS {
            swept = now;
            if let Err(problem) = exchange.sweep_mail().await {
                tracing::error!(?problem, "messages that are due by time were not looked at");
            }
        }
        let more = match exchange.carry_mail().await {
            Ok(count) => count > 0,
            Err(problem) => {
                tracing::error!(?problem, "messages of mailboxes could not be handed over");
                false
            }
        };
        if !more {
            wait(&mut stopped, &mut changed, exchange.settings.poll_millis).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_date_is_read_in_either_order() {
        for (digits, read) in [
            ("04031951", Some("1951-03-04")),
            ("19510304", Some("1951-03-04")),
            ("31121999", Some("1999-12-31")),
            // Only one of the two has its century in the place of one.
            ("19102010", Some("2010-10-19")),
            ("20121911", Some("1911-12-20")),
            ("19200120", Some("1920-01-20")),
            ("01021203", None),
            ("99999999", None),
            ("1951-3-4", None),
            ("", None),
        ] {
            assert_eq!(birth_date(digits).as_deref(), read, "{digits}");
        }
    }

    #[test]
    fn a_recipient_that_is_a_person_has_a_number_that_checks() {
        let named = person("GPPROVIDER_9990000018_04031951_O_Tester").unwrap();
        assert_eq!(named.nhs_number.as_deref(), Some("9990000018"));
        assert_eq!(named.family, "O_Tester");
        assert_eq!(person("GPPROVIDER_9990000019_04031951_Tester"), None);
        assert_eq!(person("X26ABC1"), None);
        assert_eq!(shown("X26ABC1"), "X26ABC1");
        let shown = shown("GPPROVIDER_9990000018_04031951_O_Tester");
        assert_eq!(shown, "the patient's practice");
    }
}
