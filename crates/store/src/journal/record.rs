//! What a batch holds, and its bytes: each field its length (4 bytes) and itself, each number 8 bytes.

use std::borrow::Cow;
use std::sync::Arc;

use access::{Agent, AgentKind, AuditEntry, Outcome, Target};
use fhir::date::Millis;

use crate::hl7_inbox::{Keeping, Received, Verdict};

/// What was kept together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// 1 for the first ever.
    pub(crate) index: i64,
    pub(crate) entries: Vec<Entry>,
}

/// One thing that someone waits for.
#[derive(Debug)]
pub(crate) enum Entry {
    Lines(Vec<AuditEntry>),
    /// A message that can be taken; when it was.
    Message {
        at: Millis,
        keeping: Arc<Keeping>,
    },
}

const LINES: i64 = 1;
const MESSAGE: i64 = 2;

impl Entry {
    /// Says when it was kept.
    pub(super) fn stamp(&mut self, now: Millis) {
        match self {
            Entry::Lines(lines) => lines.iter_mut().for_each(|line| line.at = now),
            Entry::Message { at, .. } => *at = now,
        }
    }

    /// About how long it is.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Entry::Lines(lines) => 256 * lines.len(),
            Entry::Message { keeping, .. } => 512 + keeping.received().body.len(),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Entry::Lines(lines) => {
                number(out, LINES);
                number(out, i64::try_from(lines.len()).unwrap_or(i64::MAX));
                lines.iter().for_each(|entry| line(out, entry));
            }
            Entry::Message { at, keeping } => {
                number(out, MESSAGE);
                number(out, *at);
                message(out, keeping);
            }
        }
    }

    /// All entries of a body; `None` if it does not read.
    pub(super) fn read_all(body: &[u8]) -> Option<Vec<Entry>> {
        let mut from = Reader(body);
        let mut entries = Vec::new();
        while !from.0.is_empty() {
            entries.push(match from.number()? {
                LINES => {
                    let count = from.number()?;
                    Entry::Lines((0..count).map(|_| from.line()).collect::<Option<_>>()?)
                }
                MESSAGE => Entry::Message {
                    at: from.number()?,
                    keeping: from.message()?,
                },
                _ => return None,
            });
        }
        Some(entries)
    }
}

fn number(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    // A batch is far shorter than 4 GiB.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

fn text(out: &mut Vec<u8>, value: &str) {
    bytes(out, value.as_bytes());
}

fn optional(out: &mut Vec<u8>, value: Option<&str>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        text(out, value);
    }
}

fn optional_number(out: &mut Vec<u8>, value: Option<i64>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        number(out, value);
    }
}

fn line(out: &mut Vec<u8>, entry: &AuditEntry) {
    let (agent, target) = (&*entry.agent, &entry.target);
    number(out, entry.at);
    text(out, &entry.request_id);
    text(out, &entry.interaction);
    text(out, &entry.within);
    text(out, entry.outcome.code());
    text(out, &entry.purpose);
    text(out, agent.kind.code());
    optional_number(out, agent.account);
    text(out, &agent.name);
    optional(out, agent.role.as_deref());
    optional(out, agent.organisation.as_deref());
    optional(out, agent.patient.as_deref());
    text(out, &target.ty);
    optional(out, target.id.as_deref());
    let version = target
        .version
        .and_then(|version| i64::try_from(version).ok());
    optional_number(out, version);
    optional(out, target.patient.as_deref());
    optional(out, target.query.as_deref());
}

fn message(out: &mut Vec<u8>, keeping: &Keeping) {
    let received = keeping.received();
    text(out, &received.application);
    text(out, &received.facility);
    text(out, &received.control_id);
    text(out, &received.kind);
    bytes(out, &received.body);
    // What is here is new: nobody is told of a conflict. Refused ones are the writer's.
    bytes(out, keeping.accepted().unwrap_or_default());
    bytes(out, &[]);
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(usize::try_from(length).ok()?)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn is_there(&mut self) -> Option<bool> {
        Some(*self.take(1)?.first()? == 1)
    }

    fn optional(&mut self) -> Option<Option<String>> {
        match self.is_there()? {
            true => self.text().map(Some),
            false => Some(None),
        }
    }

    fn optional_number(&mut self) -> Option<Option<i64>> {
        match self.is_there()? {
            true => self.number().map(Some),
            false => Some(None),
        }
    }

    fn line(&mut self) -> Option<AuditEntry> {
        Some(AuditEntry {
            familiar: None,
            seq: 0,
            at: self.number()?,
            request_id: Arc::from(self.text()?),
            interaction: self.text()?.into(),
            within: self.text()?.into(),
            outcome: Outcome::from_code(&self.text()?),
            purpose: self.text()?.into(),
            agent: Arc::new(Agent {
                kind: AgentKind::from_code(&self.text()?),
                account: self.optional_number()?,
                name: self.text()?,
                role: self.optional()?.map(Cow::Owned),
                organisation: self.optional()?,
                patient: self.optional()?,
            }),
            target: Target {
                ty: self.text()?.into(),
                id: self.optional()?,
                version: self
                    .optional_number()?
                    .and_then(|version| u64::try_from(version).ok()),
                patient: self.optional()?,
                query: self.optional()?.map(Arc::from),
            },
            // Lines about changes are never here.
            digest: None,
        })
    }

    fn message(&mut self) -> Option<Arc<Keeping>> {
        let received = Received {
            application: self.text()?,
            facility: self.text()?,
            control_id: self.text()?,
            kind: self.text()?,
            body: self.bytes()?.to_vec(),
            verdict: Verdict::Take {
                accepted: self.bytes()?.to_vec(),
                // Its sender has had the AA.
                conflict: |_, _| Vec::new(),
            },
        };
        // Once the answer to a conflict.
        self.bytes()?;
        Some(Arc::new(Keeping::new(received)))
    }
}

#[cfg(test)]
mod tests {
    use access::{Interaction, Scope, SystemPurpose};

    use super::*;

    #[test]
    fn every_field_of_a_line_and_of_a_message_comes_back() {
        let scope = Scope::system(SystemPurpose::MapMessages);
        let full = AuditEntry {
            at: 5,
            agent: Arc::new(Agent {
                kind: AgentKind::Staff,
                account: Some(7),
                name: "Dr Ünal".into(),
                role: Some("clinician".into()),
                organisation: Some("A81001".into()),
                patient: Some("p".into()),
            }),
            ..scope.trace(
                Interaction::Read,
                Outcome::Withheld,
                Target {
                    ty: "Patient".into(),
                    id: Some("1".into()),
                    version: Some(3),
                    patient: Some("1".into()),
                    query: Some("name=x".into()),
                },
            )
        };
        let bare = scope.trace(Interaction::Search, Outcome::Success, Target::default());
        let received = Received {
            application: "PAS".into(),
            facility: "RXX01".into(),
            control_id: "1".into(),
            kind: "ADT^A01".into(),
            body: vec![0, 255, 13],
            verdict: Verdict::Take {
                accepted: b"AA".to_vec(),
                conflict: |_, _| Vec::new(),
            },
        };
        let keeping = Arc::new(Keeping::new(received));
        let entries = [
            Entry::Lines(vec![full.clone(), bare.clone()]),
            Entry::Message {
                at: 9,
                keeping: keeping.clone(),
            },
        ];
        let mut out = Vec::new();
        entries.iter().for_each(|entry| entry.write(&mut out));
        let read = Entry::read_all(&out).unwrap();
        let (Entry::Lines(lines), Entry::Message { at, keeping: back }) = (&read[0], &read[1])
        else {
            panic!("{read:?}");
        };
        assert_eq!(lines, &vec![full, bare]);
        assert_eq!(
            (*at, &back.received().body, back.id()),
            (9, &keeping.received().body, keeping.id())
        );
        for end in 1..out.len() {
            // Cut anywhere, it does not panic; only whole entries read.
            let _ = Entry::read_all(&out[..end]);
        }
    }
}
