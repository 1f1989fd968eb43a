//! Joining a network by invitation (`docs/protocol/exchange.md`, section 15): a steward signs an invitation, a new
//! node answers it with its card at a member's pages, the steward signs a directory that lists the card, and the new
//! node is given that directory. The invitation opens no door by itself: until a steward has signed, who was invited
//! is nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::Job;

use super::{Member, Stewards, replace};
use crate::exchange::Exchange;
use crate::instant;
use crate::jws::{self, Statement};
use crate::keys::{Identity, PublicKey, SigningKey, sha256_hex};

/// The kind of the alarm about organisations that ask to join.
pub const JOINING_ALARM: &str = "joining";
/// Where their cards wait, beside the directory's file.
const FOLDER: &str = "joining";
/// Cards that wait at one member, at most.
const WAITING_MAX: usize = 50;
/// The longest answer to an invitation, in bytes.
pub const ASKED_BYTES_MAX: usize = 64 << 10;
/// The pages that an invitation names, at most.
const MEET_MAX: usize = 8;

/// What a steward signs for an organisation that is to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    pub protocol: u32,
    /// 64 hexadecimal digits, drawn at random.
    pub id: String,
    /// Who is invited, and as what.
    pub ods: String,
    pub name: String,
    pub roles: Vec<String>,
    #[serde(with = "instant")]
    pub until: Millis,
    /// The network's stewards, of whom so many sign its directory.
    pub stewards: Vec<PublicKey>,
    pub signatures_needed: usize,
    /// Members' pages (`https://host[:port]`) where it can be answered.
    pub meet: Vec<String>,
}

impl Invitation {
    /// Signs it.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn sign(&self, steward: &SigningKey) -> Result<String, Problem> {
        self.check()?;
        jws::sign(steward, Statement::Invitation, self)
    }

    /// Reads an invitation as it came: that it is whole, and signed by a key among those that it names itself. Whether
    /// those are the stewards' is for a person to make sure of, by `fingerprint`.
    ///
    /// # Errors
    /// `Security` or `Structure` if it is not whole; `Invalid` if it contradicts itself.
    pub fn read(text: &str) -> Result<Invitation, Problem> {
        let unproved: Invitation = jws::read_payload(text, Statement::Invitation)?;
        unproved.check()?;
        let stewards = Stewards::new(unproved.stewards.clone(), 1)?;
        stewards.verify(text, Statement::Invitation)
    }

    /// The stewards by whom the network's directory must be signed.
    ///
    /// # Errors
    /// As `Stewards::new`.
    pub fn stewards(&self) -> Result<Stewards, Problem> {
        Stewards::new(self.stewards.clone(), self.signatures_needed)
    }

    fn check(&self) -> Result<(), Problem> {
        let wrong = |what: &str| {
            Err(Problem::new(
                Kind::Invalid,
                format!("The invitation: {what}"),
            ))
        };
        if self.protocol != 1 {
            return wrong("it is of a protocol that this version of Handover does not know.");
        }
        if self.id.len() != 64 || !self.id.bytes().all(|it| it.is_ascii_hexdigit()) {
            return wrong("its id is not 64 hexadecimal digits.");
        }
        let is_code = Ods::parse(&self.ods).is_ok_and(|ods| ods.as_str() == self.ods);
        if !is_code || self.name.trim().is_empty() || self.name.len() > 200 {
            return wrong("it names no organisation.");
        }
        if self.roles.is_empty() || self.roles.len() > 20 {
            return wrong("it does not say what the organisation is.");
        }
        if self.meet.is_empty() || self.meet.len() > MEET_MAX {
            return wrong("it names no member's pages where it can be answered, or too many.");
        }
        Ok(())
    }
}

/// Some digits of a digest, for two people to compare by telephone.
pub fn fingerprint(text: &str) -> String {
    let digest = sha256_hex(text.as_bytes());
    let groups = digest.as_bytes().chunks(4).take(6);
    let groups: Vec<&str> = groups
        .filter_map(|it| std::str::from_utf8(it).ok())
        .collect();
    groups.join(" ")
}

/// The fingerprint of the stewards' keys.
pub fn fingerprint_of(stewards: &Stewards) -> String {
    let mut kids: Vec<&str> = stewards.keys().iter().map(PublicKey::kid).collect();
    kids.sort_unstable();
    fingerprint(&kids.join("\n"))
}

impl Member {
    /// The fingerprint of a card's keys and certificates.
    pub fn fingerprint(&self) -> String {
        let certificates = self.certificates.iter().map(|it| it.sha256.as_str());
        let keys = self.keys.iter().map(|it| it.jwk.kid());
        let mut all: Vec<&str> = certificates.chain(keys).collect();
        all.sort_unstable();
        fingerprint(&all.join("\n"))
    }
}

/// The answer to an invitation, as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub invitation: String,
    /// The text of the card.
    pub card: String,
    /// A `Proof`, signed with the card's key.
    pub proof: String,
}

/// That who answers holds the card's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    invitation: String,
    card_sha256: String,
}

/// What a member answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Joining {
    /// A steward has yet to sign.
    Waiting,
    /// The directory lists the card; this is it, as it was signed.
    Listed { directory: String },
}

impl Asked {
    /// Answers an invitation with that card.
    ///
    /// # Errors
    /// `TooLong`; never for a card of this node's.
    pub fn with(invitation: &str, card: &str, identity: &Identity) -> Result<Asked, Problem> {
        let proof = Proof {
            invitation: Invitation::read(invitation)?.id,
            card_sha256: sha256_hex(card.as_bytes()),
        };
        Ok(Asked {
            invitation: invitation.trim().to_owned(),
            card: card.to_owned(),
            proof: jws::sign(&identity.signing(), Statement::Joining, &proof)?,
        })
    }

    /// Invitation and card, if both are whole, the invitation is one of these stewards', and who answers holds the
    /// card's key.
    fn verified(&self, stewards: &Stewards) -> Result<(Invitation, Member), Problem> {
        let any = Stewards::new(stewards.keys().to_vec(), 1)?;
        let invitation: Invitation = any.verify(&self.invitation, Statement::Invitation)?;
        invitation.check()?;
        let card = Member::parse(self.card.as_bytes())?;
        let find = |kid: &str| {
            let mut keys = card.keys.iter().map(|it| &it.jwk);
            keys.find(|key| key.kid() == kid).cloned()
        };
        let proof: Proof = jws::verify(&self.proof, Statement::Joining, find)?;
        let expected = Proof {
            invitation: invitation.id.clone(),
            card_sha256: sha256_hex(self.card.as_bytes()),
        };
        if proof != expected || card.ods != invitation.ods {
            let message = "The card is not the invited organisation's.";
            return Err(Problem::new(Kind::Security, message));
        }
        Ok((invitation, card))
    }
}

impl Exchange {
    /// Takes an answer to an invitation: keeps the card for a steward, and puts it onto the work list; or gives the
    /// directory, once it lists the card.
    ///
    /// # Errors
    /// `Security` if no steward of this network invited them or they do not hold the card's key; `Conflict` if the
    /// organisation is a member with other keys, or another card of it waits; `Throttled` while too many wait.
    pub async fn take_join(&self, body: &[u8]) -> Result<Joining, Problem> {
        let asked: Asked = jws::read_strictly(body)?;
        let (invitation, card) = asked.verified(self.book.stewards())?;
        let now = self.store.now();
        if let Some(member) = self.book.listed(&card.organisation()?) {
            if member.certificates == card.certificates && member.keys == card.keys {
                let directory = self.book.text().to_string();
                return Ok(Joining::Listed { directory });
            }
            let message = format!("{} is a member already, with other keys.", card.ods);
            return Err(Problem::new(Kind::Conflict, message));
        }
        if now >= invitation.until {
            let message = "The invitation is no longer valid: ask for a new one.";
            return Err(Problem::new(Kind::Security, message));
        }
        let Some(folder) = self.joining() else {
            let message = "This node keeps no directory, and so takes no answers to invitations.";
            return Err(Problem::new(Kind::NotSupported, message));
        };
        if keep(&folder, &card.ods, &asked.card)? {
            let scope = Scope::system(SystemPurpose::DeliverParcels);
            let target = Target {
                query: Some(format!("asked-to-join={}", card.ods).into()),
                ..Target::default()
            };
            let job = Job {
                traces: vec![scope.trace(Interaction::System, Outcome::Success, target)],
                ..Job::default()
            };
            self.store.commit(&scope, job).await?;
        }
        self.tell_of_joining(&folder).await?;
        Ok(Joining::Waiting)
    }

    fn joining(&self) -> Option<PathBuf> {
        let directory = self.settings.directory.as_ref()?;
        Some(directory.parent().unwrap_or(Path::new(".")).join(FOLDER))
    }

    /// Drops the cards that the directory lists now. The follower of the directory does this by itself.
    pub(super) async fn tidy_joining(self: &Arc<Exchange>) -> Result<(), Problem> {
        let Some(folder) = self.joining().filter(|it| it.exists()) else {
            return Ok(());
        };
        let mut dropped = false;
        for (path, card) in waiting(&folder) {
            let listed = card.organisation().ok();
            let listed = listed.and_then(|ods| self.book.listed(&ods));
            if listed.is_some() {
                dropped |= std::fs::remove_file(&path).is_ok();
            }
        }
        match dropped {
            true => self.tell_of_joining(&folder).await,
            false => Ok(()),
        }
    }

    async fn tell_of_joining(&self, folder: &Path) -> Result<(), Problem> {
        let told = waiting(folder).into_iter().map(|(path, card)| {
            let file = path.display();
            let (ods, name, print) = (&card.ods, &card.name, card.fingerprint());
            format!("{name} ({ods}) asks to join. Its card is {file}, its fingerprint {print}.")
        });
        let told: Vec<String> = told.collect();
        let what = (!told.is_empty()).then(|| told.join(" "));
        self.store.set_alarm(JOINING_ALARM, what).await
    }
}

/// Keeps a card; whether it is new.
fn keep(folder: &Path, ods: &str, card: &str) -> Result<bool, Problem> {
    let unwritten = |error: std::io::Error| {
        let message = "The card cannot be kept here just now. Try again.";
        Problem::new(Kind::NoStore, message).because(error)
    };
    std::fs::create_dir_all(folder).map_err(unwritten)?;
    let path = folder.join(format!("{ods}.json"));
    if let Ok(there) = std::fs::read_to_string(&path) {
        if there == card {
            return Ok(false);
        }
        let message = format!(
            "Another card of {ods} waits for a steward already. If that one is not yours, tell the steward."
        );
        return Err(Problem::new(Kind::Conflict, message));
    }
    if waiting(folder).len() >= WAITING_MAX {
        let message = "Too many wait for a steward here. Try another member, or again later.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    replace(&path, card).map_err(unwritten)?;
    Ok(true)
}

/// The cards that wait, with their files, by name.
fn waiting(folder: &Path) -> Vec<(PathBuf, Member)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = files.map(|file| file.path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let card = |path: PathBuf| {
        let card = Member::parse(&std::fs::read(&path).ok()?).ok()?;
        Some((path, card))
    };
    let mut cards: Vec<_> = paths.filter_map(card).collect();
    cards.sort_by(|a, b| a.0.cmp(&b.0));
    cards
}
