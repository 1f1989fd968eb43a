//! Receipts that anybody can check: a letter's text and the signed statements about it in one file, held against the
//! signed directory, without asking any node.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::parcels::{Side, State};

use super::{Receipt, Receipts};
use crate::directory::Directory;
use crate::jws::{self, Statement};
use crate::keys::PublicKey;

/// The most statements about one letter that are looked at.
const STATEMENTS_MAX: usize = 1000;
/// The longest file.
pub const FILE_BYTES_MAX: usize = 32 << 20;

/// What a sender gives out about a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptFile {
    /// Of this form; 1.
    pub handover_receipts: u32,
    /// The parcel's text, byte for byte as its sender accepted it.
    pub parcel: String,
    /// The signed statements (JWS) about it: its sender's, that it was accepted, and those of its receiver, in the order in
    /// which they came.
    pub statements: Vec<String>,
}

/// A step that is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Who signed that it happened, by code and name.
    pub by: String,
    pub name: String,
    pub step: Receipt,
    /// The key's name.
    pub kid: String,
    /// Whether the directory says that the key was in force when the step is said to have been taken.
    pub key_in_force: bool,
}

/// What the letter is, as its text says, and what is proved of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub sender: String,
    pub recipient: String,
    pub id: String,
    pub title: String,
    /// SHA-256 of its text, in hexadecimal digits.
    pub digest: String,
    pub steps: Vec<Proved>,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) from: String,
    pub(super) to: String,
    #[serde(default)]
    pub(super) title: String,
}

impl Named {
    pub(super) fn read(parcel: &str) -> Result<Named, Problem> {
        serde_json::from_str(parcel).map_err(|cause| {
            Problem::new(Kind::Structure, "The letter's text does not read.").because(cause)
        })
    }

    /// Who may say that a step was taken: the sender its own, the receiver all others.
    fn teller(&self, state: &str) -> &str {
        match State::from_code(state).map(State::side) {
            Some(Side::Sender) => &self.from,
            Some(Side::Receiver) | None => &self.to,
        }
    }
}

impl ReceiptFile {
    pub fn new(parcel: String, statements: Vec<String>) -> ReceiptFile {
        ReceiptFile {
            handover_receipts: 1,
            parcel,
            statements,
        }
    }

    /// Checks every signature with the keys that the directory lists for whoever says to have signed, and that each
    /// statement is about this text.
    ///
    /// # Errors
    /// `Structure` if the file is not of this form; `Security`, naming the statement, for the first that is
    /// signed by nobody whom the directory lists, was altered, or is of another letter.
    pub fn check(&self, directory: &Directory) -> Result<Checked, Problem> {
        if self.handover_receipts != 1 || self.statements.len() > STATEMENTS_MAX {
            let message = "This is no file of receipts that this version of Handover reads.";
            return Err(Problem::new(Kind::Structure, message));
        }
        let named = Named::read(&self.parcel)?;
        let digest = hex(&self.parcel);
        let mut steps: Vec<Proved> = Vec::new();
        for (number, jws) in self.statements.iter().enumerate() {
            let about = |problem: Problem| {
                let message = format!("Statement {}: {}", number + 1, problem.message);
                Problem::new(problem.kind, message)
            };
            for step in statement(jws, directory, &named, &digest).map_err(about)? {
                if !steps.contains(&step) {
                    steps.push(step);
                }
            }
        }
        Ok(Checked {
            sender: named.from,
            recipient: named.to,
            id: named.id,
            title: named.title,
            digest,
            steps,
        })
    }
}

/// The steps of one statement that are about the letter.
fn statement(
    jws: &str,
    directory: &Directory,
    named: &Named,
    digest: &str,
) -> Result<Vec<Proved>, Problem> {
    let mut signer = None;
    let said: Receipts = jws::verify(jws, Statement::Receipts, |kid| {
        signer = owner(directory, kid);
        signer.as_ref().map(|signer| signer.key.clone())
    })?;
    let refused = |message: &str| Err(Problem::new(Kind::Security, message.to_owned()));
    let Some(signer) = signer.filter(|signer| signer.ods == said.from) else {
        return refused("It is signed by another organisation than it says.");
    };
    let ours = said.receipts.into_iter().filter(|step| {
        let same = step.sender == named.from && step.parcel == named.id;
        same && step.digest == digest
    });
    let steps: Vec<Proved> = ours
        .map(|step| Proved {
            by: signer.ods.to_owned(),
            name: signer.name.to_owned(),
            kid: signer.key.kid().to_owned(),
            key_in_force: (signer.from..signer.until).contains(&step.at),
            step,
        })
        .collect();
    if steps.iter().any(|it| it.by != named.teller(&it.step.state)) {
        return refused("It is signed by an organisation whose step that is not.");
    }
    match steps.is_empty() {
        true => refused("It is not about this text of this letter."),
        false => Ok(steps),
    }
}

struct Signer<'d> {
    ods: &'d str,
    name: &'d str,
    key: &'d PublicKey,
    from: Millis,
    until: Millis,
}

/// Whose key that is. Also one whose time is over: what it signed stays signed.
fn owner<'d>(directory: &'d Directory, kid: &str) -> Option<Signer<'d>> {
    directory.members.iter().find_map(|member| {
        let key = member.keys.iter().find(|key| key.jwk.kid() == kid)?;
        Some(Signer {
            ods: &member.ods,
            name: &member.name,
            key: &key.jwk,
            from: key.from,
            until: key.until,
        })
    })
}

pub(super) fn hex(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use access::Ods;

    use super::*;
    use crate::{About, Identity, Member};

    const DAY: Millis = 86_400_000;
    const TEXT: &str =
        r#"{"id":"p-1","from":"RZZ01","to":"A81001","kind":"letter","title":"Discharge"}"#;

    struct Network {
        directory: Directory,
        practice: Identity,
        hospital: Identity,
        _folder: tempfile::TempDir,
    }

    fn network() -> Network {
        let folder = tempfile::tempdir().unwrap();
        let identity = |ods: &str| {
            Identity::create(&folder.path().join(ods), &Ods::parse(ods).unwrap()).unwrap()
        };
        let (practice, hospital) = (identity("A81001"), identity("RZZ01"));
        let card = |identity: &Identity| {
            let about = About {
                name: format!("The {}", identity.organisation()),
                roles: Vec::new(),
                exchange: "https://127.0.0.1:9".into(),
                pages: "http://127.0.0.1:9".into(),
                mailboxes: Vec::new(),
            };
            Member::card(identity, about, DAY, 5 * DAY)
        };
        let directory = Directory {
            protocol: 1,
            version: 1,
            issued_at: 0,
            valid_until: 10 * DAY,
            members: vec![card(&practice), card(&hospital)],
            bars: Vec::new(),
        };
        Network {
            directory,
            practice,
            hospital,
            _folder: folder,
        }
    }

    fn step(state: &str, digest: &str, at: Millis) -> Receipt {
        Receipt {
            sender: "RZZ01".into(),
            parcel: "p-1".into(),
            digest: digest.into(),
            state: state.into(),
            at,
            seq: 1,
            who: "Sandra Post".into(),
            role: "clerk".into(),
            note: String::new(),
        }
    }

    fn signed(identity: &Identity, from: &str, steps: Vec<Receipt>) -> String {
        let said = Receipts {
            protocol: 1,
            from: from.into(),
            to: "RZZ01".into(),
            receipts: steps,
        };
        jws::sign(&identity.signing(), Statement::Receipts, &said).unwrap()
    }

    #[test]
    fn what_was_signed_is_proved_and_nothing_else() {
        let network = network();
        let digest = hex(TEXT);
        let delivered = signed(
            &network.practice,
            "A81001",
            vec![step("delivered", &digest, 2 * DAY)],
        );
        let other = step("filed", &"0".repeat(64), 2 * DAY);
        let filed = signed(
            &network.practice,
            "A81001",
            vec![other.clone(), step("filed", &digest, 6 * DAY)],
        );
        let file = ReceiptFile::new(TEXT.into(), vec![delivered.clone(), filed]);
        let checked = file.check(&network.directory).unwrap();
        assert_eq!(
            (checked.id.as_str(), checked.title.as_str()),
            ("p-1", "Discharge")
        );
        let states = checked
            .steps
            .iter()
            .map(|it| (it.step.state.as_str(), it.key_in_force));
        assert_eq!(
            states.collect::<Vec<_>>(),
            [("delivered", true), ("filed", false)]
        );

        let refused = |file: ReceiptFile| file.check(&network.directory).unwrap_err();
        // The letter's text was altered after it was sent.
        let altered = TEXT.replace("Discharge", "Referral");
        let problem = refused(ReceiptFile::new(altered, vec![delivered.clone()]));
        assert_eq!(
            problem.message,
            "Statement 1: It is not about this text of this letter."
        );
        // A statement was altered: its payload, or whose it is.
        let mut parts: Vec<&str> = delivered.split('.').collect();
        let theirs = signed(&network.practice, "A81001", vec![other]);
        parts[1] = theirs.split('.').nth(1).unwrap();
        assert_eq!(
            refused(ReceiptFile::new(TEXT.into(), vec![parts.join(".")])).kind,
            Kind::Security
        );
        // The sender says of itself that it accepted the letter, and the receiver does not say it for it; nor the other way round.
        let accepted = step("accepted", &digest, 2 * DAY);
        let own = signed(&network.hospital, "RZZ01", vec![accepted.clone()]);
        let file = ReceiptFile::new(TEXT.into(), vec![own, delivered.clone()]);
        let checked = file.check(&network.directory).unwrap();
        let by = checked.steps.iter();
        let by: Vec<_> = by
            .map(|it| (it.step.state.as_str(), it.by.as_str()))
            .collect();
        assert_eq!(by, [("accepted", "RZZ01"), ("delivered", "A81001")]);
        for (identity, ods, step) in [
            (&network.practice, "A81001", accepted),
            (&network.hospital, "RZZ01", step("opened", &digest, 2 * DAY)),
        ] {
            let not_theirs = signed(identity, ods, vec![step]);
            let problem = refused(ReceiptFile::new(TEXT.into(), vec![not_theirs]));
            assert!(
                problem.message.ends_with("whose step that is not."),
                "{problem}"
            );
        }
        let forged = signed(
            &network.hospital,
            "A81001",
            vec![step("delivered", &digest, 2 * DAY)],
        );
        let problem = refused(ReceiptFile::new(TEXT.into(), vec![delivered, forged]));
        assert!(
            problem
                .message
                .starts_with("Statement 2: It is signed by another"),
            "{problem}"
        );
    }
}
