//! Messages that come out of order: what a newer one said of a thing stays, whatever an older one says that comes after it; what
//! only the older one says is added. So any order of the same messages ends with the same resource.
//!
//! Compared element by element, by when the sender recorded what it tells: a transfer (A02) that comes after the discharge (A03)
//! says nothing of the address that the admission (A01) told, and must not make it older or newer.

mod again;
mod members;

pub use again::{Again, Stands, again};

use super::merge::{self, is_choice_of};
use super::{Made, Merge};
use crate::message::Message;
use crate::time::{Dtm, Millis, Zone};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A time that lies further ahead of our own clock than this is not believed: it would keep out all that comes until then.
const AHEAD_MAX_MILLIS: Millis = 3 * 3_600_000;
/// Elements (and links) of one resource that are remembered; of more, those that were said last.
const REMEMBERED_MAX: usize = 500;
/// Elements whose parts are said by fields of their own: the admission tells when a visit began, the discharge when it ended.
const PARTED: [&str; 2] = ["period", "hospitalization"];
/// A visit of these states has no end.
const OPEN: [&str; 5] = ["planned", "arrived", "triaged", "in-progress", "onleave"];
/// What stands for a resource that is told whole.
const WHOLE: &str = "all of it";

/// When a message's sender recorded what it tells (EVN-2, else MSH-7), and when it sent it (MSH-7), which decides between two
/// that were recorded at the same time; between two that were sent at the same time too, their order of arrival does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    recorded: Millis,
    sent: Millis,
    /// Twice the message's place in the order of arrival; odd for what others did after it. 0 where it is not known.
    arrived: i64,
}

impl Moment {
    /// That of a message; when it was received stands in for times that it does not give, or gives no closer than to the hour.
    pub(super) fn of(message: &Message, received_at: Millis, zone: Zone) -> Moment {
        let read = |text: &str| {
            let dtm = Dtm::parse(text).filter(Dtm::names_minute)?;
            let at = dtm.exact_millis(zone);
            (at <= received_at.saturating_add(AHEAD_MAX_MILLIS)).then_some(at)
        };
        let sent = read(&message.value("MSH", 7, 1));
        let event = message.segment("EVN");
        let recorded = event.and_then(|evn| read(&evn.value(2, 1)));
        let sent = sent.unwrap_or(received_at);
        Moment {
            recorded: recorded.unwrap_or(sent),
            sent,
            arrived: 0,
        }
    }

    /// That of the message whose place in the order of arrival is this.
    #[must_use]
    pub fn arriving(self, number: i64) -> Moment {
        Moment {
            arrived: number.saturating_mul(2),
            ..self
        }
    }
}

/// Of one resource, when what stands in each element was recorded, or when it was taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(BTreeMap<String, Word>);

/// When an element was said, and, where that was looked at again, a digest of how it then stood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    at: Moment,
    stood: Option<String>,
}

/// The elements of one moment as they are written: with `=` and the digest behind the name of one that has it.
#[derive(Deserialize)]
struct Group(Millis, Millis, Vec<String>, #[serde(default)] i64);

impl Said {
    /// Reads what `write` wrote. What cannot be read says nothing.
    pub fn read(text: &str) -> Said {
        let groups: Vec<Group> = serde_json::from_str(text).unwrap_or_default();
        let mut said = BTreeMap::new();
        for Group(recorded, sent, names, arrived) in groups {
            let at = Moment {
                recorded,
                sent,
                arrived,
            };
            said.extend(names.into_iter().map(|name| match name.split_once('=') {
                Some((name, stood)) => {
                    let stood = Some(stood.to_owned());
                    (name.to_owned(), Word { at, stood })
                }
                None => (name, Word { at, stood: None }),
            }));
        }
        Said(said)
    }

    /// As text: the names of each moment together.
    pub fn write(&self) -> String {
        let mut groups: BTreeMap<Moment, Vec<Cow<'_, str>>> = BTreeMap::new();
        let mut newest: Vec<_> = self.0.iter().collect();
        newest.sort_by_key(|(_, word)| std::cmp::Reverse(word.at));
        for (name, word) in newest.into_iter().take(REMEMBERED_MAX) {
            let name = match &word.stood {
                Some(stood) => Cow::Owned(format!("{name}={stood}")),
                None => Cow::Borrowed(name.as_str()),
            };
            groups.entry(word.at).or_default().push(name);
        }
        let groups: Vec<_> = groups
            .iter()
            .map(|(at, names)| (at.recorded, at.sent, names, at.arrived))
            .collect();
        serde_json::to_string(&groups).unwrap_or_default()
    }

    /// Notes that something is said at that moment; false if something newer was said of it.
    fn take(&mut self, name: &str, at: Moment) -> bool {
        if self.0.get(name).is_some_and(|before| before.at > at) {
            return false;
        }
        self.0.insert(name.to_owned(), Word { at, stood: None });
        true
    }
}

/// How a resource of a message met the one that is here.
#[derive(Debug)]
pub struct Met {
    /// What is to be stored; `None`: what is here stays.
    pub resource: Option<Value>,
    /// What is now known of when each element was said.
    pub said: Said,
    /// The elements of which something newer stands here that differs from what the message says.
    pub overtaken: Vec<String>,
}

/// Whether the order of messages is looked at for such a resource: it is known under one id over many messages, and a person acts on
/// what it says now.
pub(super) fn is_ordered(made: &Made, message_type: &str) -> bool {
    let ty = made.ty.as_str();
    match made.merge {
        Merge::KeepExisting => false,
        Merge::Update => matches!(
            ty,
            "Patient" | "Encounter" | "Appointment" | "ServiceRequest" | "MedicationRequest"
        ),
        Merge::Replace => {
            let kinds = [
                "AllergyIntolerance",
                "Condition",
                "Coverage",
                "EpisodeOfCare",
                "Procedure",
                "RelatedPerson",
            ];
            message_type == "ADT" && kinds.contains(&ty)
        }
    }
}

/// As [`merge::update`], but nothing that was said later is written over.
pub fn update(made: &Made, existing: Option<&Value>, said: &Said, at: Moment) -> Met {
    let nothing = Map::new();
    let here = existing.and_then(Value::as_object).unwrap_or(&nothing);
    let mut meeting = Meeting {
        made,
        here,
        at,
        // What was said of one that is gone is said of none.
        said: existing.map(|_| said.clone()).unwrap_or_default(),
        overtaken: Vec::new(),
    };
    let reduced = match made.merge {
        Merge::Replace => meeting.whole(),
        Merge::Update | Merge::KeepExisting => Some(meeting.reduced()),
    };
    Met {
        resource: reduced.and_then(|reduced| merge::update(&reduced, existing)),
        said: meeting.said,
        overtaken: meeting.overtaken,
    }
}

struct Meeting<'m> {
    made: &'m Made,
    here: &'m Map<String, Value>,
    at: Moment,
    said: Said,
    overtaken: Vec<String>,
}

impl Meeting<'_> {
    /// A resource that is told whole: all of it, or nothing.
    fn whole(&mut self) -> Option<Made> {
        if self.said.take(WHOLE, self.at) {
            return Some(self.made.clone());
        }
        self.overtaken.push(WHOLE.to_owned());
        None
    }

    /// The message's resource without what is overtaken.
    fn reduced(&mut self) -> Made {
        let mut reduced = Made {
            resource: Value::Null,
            remove: Vec::new(),
            unlink: Vec::new(),
            ..self.made.clone()
        };
        let mut kept = Map::new();
        let made = self.made.resource.as_object();
        for (name, value) in made.into_iter().flatten() {
            match self.element(name, value) {
                Some(Value::Array(list)) if list.is_empty() => reduced.remove.push(name.clone()),
                Some(value) => drop(kept.insert(name.clone(), value)),
                None => {}
            }
        }
        for name in &self.made.remove {
            for name in self.parts_of(name) {
                if self.stands(&name, None) {
                    reduced.remove.push(name);
                }
            }
        }
        if self.opens() && self.stands("period.end", None) {
            reduced.remove.push("period.end".to_owned());
        }
        for other in &self.made.unlink {
            if self.said.take(&link_to(other), self.at) {
                reduced.unlink.push(other.clone());
            } else if self.link(other).is_some() {
                self.overtaken.push("link".to_owned());
            }
        }
        reduced.resource = Value::Object(kept);
        contained(&mut reduced.resource, self.here);
        reduced
    }

    /// What of an element is to be written.
    fn element(&mut self, name: &str, value: &Value) -> Option<Value> {
        if matches!(name, "resourceType" | "id" | "meta" | "contained")
            || self.made.only_if_new.iter().any(|it| it == name)
        {
            return Some(value.clone());
        }
        match value {
            Value::Array(list) if members::is_list(self.made, name) => {
                if self.made.members.is_some() {
                    return self.members(name, list);
                }
                let stands = self.stands(name, Some(value));
                stands.then(|| self.with_later_members(name, list))
            }
            Value::Object(parts) if PARTED.contains(&name) => self.parted(name, parts),
            Value::Array(links) if name == "link" => self.links(links),
            value => self.stands(name, Some(value)).then(|| value.clone()),
        }
    }

    /// Part by part; those that the message does not say stay.
    fn parted(&mut self, name: &str, parts: &Map<String, Value>) -> Option<Value> {
        let here = self.here.get(name).and_then(Value::as_object);
        let mut together = here.cloned().unwrap_or_default();
        for (part, value) in parts {
            if self.stands(&format!("{name}.{part}"), Some(value)) {
                together.insert(part.clone(), value.clone());
            }
        }
        (!together.is_empty()).then_some(Value::Object(together))
    }

    fn links(&mut self, links: &[Value]) -> Option<Value> {
        let mut kept = Vec::new();
        for link in links {
            let other = link.pointer("/other/reference").and_then(Value::as_str);
            let other = other.unwrap_or_default();
            if self.said.take(&link_to(other), self.at) {
                kept.push(link.clone());
            } else if self.link(other) != Some(link) {
                self.overtaken.push("link".to_owned());
            }
        }
        (!kept.is_empty()).then_some(Value::Array(kept))
    }

    /// The link here to that patient.
    fn link(&self, other: &str) -> Option<&Value> {
        let mut links = self.here.get("link")?.as_array()?.iter();
        links.find(|it| it.pointer("/other/reference").and_then(Value::as_str) == Some(other))
    }

    /// Whether what the message says of an element (`None`: that it is to go) stands; else it is noted if it differs from what is here.
    fn stands(&mut self, name: &str, value: Option<&Value>) -> bool {
        if self.said.take(&key(name), self.at) {
            return true;
        }
        let here = match name.split_once('.') {
            Some((element, part)) => self.here.get(element).and_then(|it| it.get(part)),
            None => self.here.get(name),
        };
        // Two may be written alike and name different ones that are contained.
        let names_contained = value.is_some_and(|it| it.to_string().contains("\"#"));
        let contained = |of: Option<&Value>| of.cloned().unwrap_or_default();
        let alike =
            contained(self.made.resource.get("contained")) == contained(self.here.get("contained"));
        if here != value || (names_contained && !alike) {
            self.overtaken.push(name.to_owned());
        }
        false
    }

    /// An element's parts here, if it is one of parts; else itself.
    fn parts_of(&self, name: &str) -> Vec<String> {
        if !PARTED.contains(&name) {
            return vec![name.to_owned()];
        }
        let here = self.here.get(name).and_then(Value::as_object);
        let parts = here.into_iter().flat_map(Map::keys);
        parts.map(|part| format!("{name}.{part}")).collect()
    }

    /// Whether the message says of a visit that it goes on, and so that it has no end.
    fn opens(&self) -> bool {
        let told = |name: &str| !self.made.only_if_new.iter().any(|it| it == name);
        let status = self.made.resource.get("status").and_then(Value::as_str);
        self.made.ty == "Encounter"
            && status.is_some_and(|it| OPEN.contains(&it))
            && told("status")
            && self.made.resource.pointer("/period/end").is_none()
            && !self.made.remove.iter().any(|it| it == "period.end")
    }
}

/// The name under which it is remembered when an element was said: `deceasedBoolean` and `deceasedDateTime` are one.
fn key(name: &str) -> String {
    let name = name.trim_start_matches('_');
    let stem = ["deceased", "multipleBirth"]
        .into_iter()
        .find(|stem| is_choice_of(name, stem));
    stem.unwrap_or(name).to_owned()
}

fn link_to(other: &str) -> String {
    format!("link {other}")
}

/// Gives what a message's resource contains names that are free in the one here, whose elements may go on naming its own; and puts
/// both together. What nothing refers to any more is left out when they are merged.
fn contained(resource: &mut Value, here: &Map<String, Value>) {
    let list = |of: Option<&Value>| of.and_then(Value::as_array).cloned().unwrap_or_default();
    let ours = list(here.get("contained"));
    let theirs = list(resource.get("contained"));
    if ours.is_empty() {
        return;
    }
    let mut together = ours;
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for mut one in theirs {
        let id = |it: &Value| it.get("id").and_then(Value::as_str).map(str::to_owned);
        let Some(before) = id(&one) else { continue };
        let known = together.iter().find(|it| same_but_id(it, &one));
        let name = known.and_then(id).unwrap_or_else(|| {
            let taken: Vec<_> = together.iter().filter_map(id).collect();
            let names = (1..=together.len() + 1).map(|n| format!("c{n}"));
            let free = names.into_iter().find(|name| !taken.contains(name));
            free.unwrap_or_else(|| before.clone())
        });
        if known.is_none() {
            if let Some(one) = one.as_object_mut() {
                one.insert("id".to_owned(), json!(name));
            }
            together.push(one);
        }
        renamed.insert(format!("#{before}"), format!("#{name}"));
    }
    if let Some(elements) = resource.as_object_mut() {
        elements.shift_remove("contained");
        for value in elements.values_mut() {
            rename(value, &renamed);
        }
        elements.insert("contained".to_owned(), Value::Array(together));
    }
}

fn same_but_id(one: &Value, other: &Value) -> bool {
    let without = |it: &Value| {
        let mut it = it.as_object().cloned().unwrap_or_default();
        it.shift_remove("id");
        it
    };
    without(one) == without(other)
}

fn rename(value: &mut Value, renamed: &BTreeMap<String, String>) {
    match value {
        Value::Object(elements) => {
            for (name, value) in elements {
                match value {
                    Value::String(text) if name == "reference" => {
                        if let Some(new) = renamed.get(text.as_str()) {
                            text.clone_from(new);
                        }
                    }
                    value => rename(value, renamed),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|it| rename(it, renamed)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
