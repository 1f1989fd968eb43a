//! The account of a message: what became of every field that was sent.

use super::tables::{Structure, Tables};
use super::{FieldAccount, Outcome};
use crate::message::{Message, Segment};
use std::collections::BTreeMap;

/// What is known of a field so far.
#[derive(Debug, Default)]
struct Entry {
    to: Vec<String>,
    notes: Vec<String>,
}

/// Collects, field by field, where content went and why some went nowhere.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<(u32, u16), Entry>,
    /// Lines that stand nowhere in the message's structure.
    nowhere: Vec<u32>,
    is_closed: bool,
}

impl Ledger {
    /// A ledger into which nothing is written: its account is empty.
    pub fn closed() -> Ledger {
        Ledger {
            is_closed: true,
            ..Ledger::default()
        }
    }

    /// Whether what is told it is lost.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The field's content, or some of it, went to that element.
    pub fn mapped(&mut self, line: u32, field: u16, to: &str) {
        if self.is_closed {
            return;
        }
        let entry = self.entries.entry((line, field)).or_default();
        if !entry.to.iter().any(|t| t == to) {
            entry.to.push(to.to_owned());
        }
    }

    /// Some of the field's content could not be held, for that reason.
    pub fn note(&mut self, line: u32, field: u16, reason: &str) {
        if self.is_closed {
            return;
        }
        let entry = self.entries.entry((line, field)).or_default();
        if !entry.notes.iter().any(|n| n == reason) {
            entry.notes.push(reason.to_owned());
        }
    }

    /// The segment has no place in the message's structure.
    pub fn nowhere(&mut self, line: u32) {
        self.nowhere.push(line);
    }

    /// The account of every field that holds something.
    pub fn close(
        mut self,
        message: &Message,
        tables: &Tables,
        structure: &Structure,
    ) -> Vec<FieldAccount> {
        let mut account = Vec::new();
        if self.is_closed {
            return account;
        }
        for segment in message.segments() {
            for number in 1..=segment.field_count() {
                if !segment.field(number).repetitions().any(|r| r.is_valued()) {
                    continue;
                }
                let entry = self
                    .entries
                    .remove(&(segment.line(), number))
                    .unwrap_or_default();
                let (outcome, notes) = if entry.to.is_empty() {
                    let rule = self.rule(segment, number, tables, structure, &entry.notes);
                    (Outcome::Ignored(rule), Vec::new())
                } else if entry.to.iter().all(|to| to.contains("extension")) {
                    (Outcome::Kept(entry.to), entry.notes)
                } else {
                    (Outcome::Mapped(entry.to), entry.notes)
                };
                let field = format!("{}-{number}", segment.name());
                account.push(FieldAccount {
                    field,
                    line: segment.line(),
                    outcome,
                    notes,
                });
            }
        }
        account
    }

    /// The rule by which a field went nowhere.
    fn rule(
        &self,
        segment: Segment<'_>,
        field: u16,
        tables: &Tables,
        structure: &Structure,
        notes: &[String],
    ) -> String {
        let name = segment.name();
        if let Some(rule) = tables.ours.fields.get(&format!("{name}-{field}")) {
            return rule.clone();
        }
        if let Some(rule) = tables.ours.segments.get(name) {
            return rule.clone();
        }
        if !notes.is_empty() {
            return notes.join("; ");
        }
        if name.starts_with('Z') {
            return "a local segment, for which HL7 has no mapping".to_owned();
        }
        if self.nowhere.contains(&segment.line()) {
            return "the segment has no place in this kind of message".to_owned();
        }
        let places = structure.places.iter().filter(|p| p.segment == name);
        let targets: Vec<_> = places.flat_map(|p| &p.targets).collect();
        let has_row = |map: &str| {
            let rows = tables.published.segments.get(map);
            rows.is_some_and(|rows| rows.iter().any(|r| r.from == field))
        };
        if targets
            .iter()
            .any(|t| tables.takes(&t.map) && has_row(&t.map))
        {
            return "the mapping's condition for it does not hold".to_owned();
        }
        match targets.iter().find(|t| has_row(&t.map)) {
            Some(target) => {
                let resource = target.label.split('[').next().unwrap_or_default();
                format!("HL7 maps it to {resource}, which is not made of these messages")
            }
            None => "HL7's mapping has no target for it".to_owned(),
        }
    }
}
