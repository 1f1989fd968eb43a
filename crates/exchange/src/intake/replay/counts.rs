//! What comes of messages that are mapped anew, in counts.

use std::collections::BTreeMap;

use hl7v2::to_fhir::Made;
use serde_json::Value;

/// Messages that are not mapped, and resources that are left, which are named; how many there are beyond is counted.
const NAMED_MAX: usize = 100;

/// Of one type: resources, and their elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub elements_added: u64,
    pub elements_changed: u64,
    pub elements_removed: u64,
    pub elements_unchanged: u64,
}

/// What would come, or came, of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Messages that were looked at, those of other patients included.
    pub examined: u64,
    /// Messages that were mapped anew, and those of them that change something.
    pub messages: u64,
    pub changed: u64,
    /// By type of resource.
    pub types: BTreeMap<String, Counts>,
    /// Elements (`Patient.address`) that stay as a newer message said them.
    pub newer: BTreeMap<String, u64>,
    /// Elements that stay since others than messages have changed or deleted them since.
    pub others: BTreeMap<String, u64>,
    /// Resources (`Type/id`) that the mapping before made of a message, and this one does not: they stay.
    pub left: Vec<String>,
    pub left_count: u64,
    /// Messages, by their place in the order of arrival, that this mapping does not map, and why.
    pub refused: Vec<(i64, String)>,
    pub refused_count: u64,
    /// The place of the last message that was looked at: what goes on goes on before it.
    pub last: Option<i64>,
    /// Whether there may be more.
    pub is_more: bool,
}

impl Replayed {
    pub(super) fn refusal(number: i64, reason: String) -> Replayed {
        Replayed {
            messages: 1,
            refused: vec![(number, reason)],
            refused_count: 1,
            ..Replayed::default()
        }
    }

    pub(super) fn newer(&mut self, made: &Made, names: &[String]) {
        note(&mut self.newer, made, names);
    }

    pub(super) fn others(&mut self, made: &Made, names: &[String]) {
        note(&mut self.others, made, names);
    }

    pub(super) fn left(&mut self, target: &str) {
        self.left_count += 1;
        if self.left.len() < NAMED_MAX {
            self.left.push(target.to_owned());
        }
    }

    /// A resource before and after; `None`: it is not here, or stays.
    pub(super) fn count(&mut self, ty: &str, before: Option<&Value>, after: Option<&Value>) {
        let counts = self.types.entry(ty.to_owned()).or_default();
        match (before, after) {
            (_, None) => counts.unchanged += 1,
            (None, Some(_)) => counts.created += 1,
            (Some(_), Some(_)) => counts.updated += 1,
        }
        let before = elements(before);
        let after = match after {
            None => before.clone(),
            after => elements(after),
        };
        for (name, value) in &after {
            match before.get(name) {
                None => counts.elements_added += 1,
                Some(it) if it == value => counts.elements_unchanged += 1,
                Some(_) => counts.elements_changed += 1,
            }
        }
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        counts.elements_removed += gone.count() as u64;
    }

    /// Adds what came of one message.
    pub(super) fn add(&mut self, one: Replayed) {
        self.messages += one.messages;
        self.changed += one.changed;
        for (ty, of) in one.types {
            let all = self.types.entry(ty).or_default();
            all.created += of.created;
            all.updated += of.updated;
            all.unchanged += of.unchanged;
            all.elements_added += of.elements_added;
            all.elements_changed += of.elements_changed;
            all.elements_removed += of.elements_removed;
            all.elements_unchanged += of.elements_unchanged;
        }
        for (name, count) in one.newer {
            *self.newer.entry(name).or_default() += count;
        }
        for (name, count) in one.others {
            *self.others.entry(name).or_default() += count;
        }
        self.left_count += one.left_count;
        self.left.extend(one.left);
        self.left.truncate(NAMED_MAX);
        self.refused_count += one.refused_count;
        self.refused.extend(one.refused);
        self.refused.truncate(NAMED_MAX);
    }
}

fn note(into: &mut BTreeMap<String, u64>, made: &Made, names: &[String]) {
    for name in names {
        *into.entry(format!("{}.{name}", made.ty)).or_default() += 1;
    }
}

/// A resource's elements, without those that every resource has.
fn elements(resource: Option<&Value>) -> BTreeMap<&str, &Value> {
    let all = resource.and_then(Value::as_object).into_iter().flatten();
    all.filter(|(name, _)| !matches!(name.as_str(), "resourceType" | "id" | "meta"))
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}
