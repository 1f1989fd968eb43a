//! What is said of an object, and signed. It stands there unsealed, and holds nothing of a patient.

use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};

/// What an object is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyKind {
    Full,
    Changes,
}

impl CopyKind {
    fn word(self) -> &'static str {
        match self {
            CopyKind::Full => "full",
            CopyKind::Changes => "changes",
        }
    }
}

/// What the node says of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyManifest {
    /// ODS code.
    pub organisation: String,
    /// The chain's name: when it was begun, and something that no other has.
    pub chain: String,
    /// 0 for the first object of a chain.
    pub sequence: u64,
    pub kind: CopyKind,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// When the object was made, in milliseconds since 1970.
    pub made_at: Millis,
    /// Set on the last object of a copy: all that was acknowledged before is in the chain up to here.
    pub taken_at: Option<Millis>,
    /// How long the database's file is then.
    pub database_bytes: u64,
    /// SHA-256 of the whole object before this one; of the last one of the chain before, if this is the
    /// first. `None` for the first ever.
    pub before: Option<String>,
    /// SHA-256 and length of the sealed content.
    pub sha256: String,
    pub bytes: u64,
    /// The short name of the key it is sealed to.
    pub recipient: String,
}

impl CopyManifest {
    /// What the content is tied to when it is sealed.
    pub(super) fn info(&self) -> Vec<u8> {
        format!(
            "handover copy 1 {} {} {}",
            self.organisation, self.chain, self.sequence
        )
        .into_bytes()
    }
}

/// An object's name: `RZZ01/20261128T101500123Z-9f2c61ab/00000012-changes-<digest>.copy`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) organisation: String,
    pub(super) chain: String,
    pub(super) sequence: u64,
    kind: String,
    /// The first 32 hexadecimal digits of the SHA-256 of the whole object.
    pub(super) digest: String,
}

impl Name {
    pub(super) fn new(manifest: &CopyManifest, sha256: &str) -> Name {
        Name {
            organisation: manifest.organisation.clone(),
            chain: manifest.chain.clone(),
            sequence: manifest.sequence,
            kind: manifest.kind.word().into(),
            digest: sha256.chars().take(32).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let Name {
            organisation,
            chain,
            sequence,
            kind,
            digest,
        } = self;
        format!("{organisation}/{chain}/{sequence:08}-{kind}-{digest}.copy")
    }

    /// Reads a name; `None` if it is something else's.
    pub(super) fn parse(text: &str) -> Option<Name> {
        let mut parts = text.split('/');
        let (organisation, chain, file) = (parts.next()?, parts.next()?, parts.next()?);
        let mut words = file.strip_suffix(".copy")?.split('-');
        let (sequence, kind, digest) = (words.next()?, words.next()?, words.next()?);
        let plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || it == b'-')
        };
        let is_whole = parts.next().is_none() && words.next().is_none();
        let is_plain = [organisation, chain, kind, digest].into_iter().all(plain);
        (is_whole && is_plain && sequence.len() == 8).then_some(Name {
            organisation: organisation.into(),
            chain: chain.into(),
            sequence: sequence.parse().ok()?,
            kind: kind.into(),
            digest: digest.into(),
        })
    }
}

/// A new chain's name.
pub(super) fn chain_name(now: Millis) -> String {
    let when: String = date::instant(now)
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect();
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{when}-{}", random.get(..8).unwrap_or_default())
}

pub(super) fn wrong(message: impl Into<String>) -> Problem {
    Problem::new(Kind::Security, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_sort_as_they_were_made() {
        let (first, second) = (chain_name(1_767_603_600_000), chain_name(1_767_603_600_001));
        assert!(first < second, "{first} {second}");
        let text = format!("RZZ01/{first}/00000012-changes-00ff.copy");
        assert_eq!(Name::parse(&text).unwrap().text(), text);
        for wrong in [
            "RZZ01/../00000012-changes-00ff.copy",
            "a/b/c",
            "a/b/12-full-x.copy",
            "",
        ] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }
}
