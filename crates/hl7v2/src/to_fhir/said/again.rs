//! A message that is mapped anew, by another mapping than before: it may correct what it said itself, and nothing that others said
//! or did after it.
//!
//! Invariant: mapped anew twice by the same mapping, it changes nothing the second time.

use super::{Meeting, Met, Moment, PARTED, Said, WHOLE, Word, key, update};
use crate::to_fhir::identity::digest;
use crate::to_fhir::merge;
use crate::to_fhir::{Made, Merge};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How a resource of the message stands here.
#[derive(Debug, Clone, Copy)]
pub struct Stands<'h> {
    /// As it is now.
    pub now: &'h Value,
    /// As it was when the message had been mapped first; `None`: it was not here.
    pub then: Option<&'h Value>,
    /// Whether the message itself made it, and nobody has written it since.
    pub is_own: bool,
    /// Whether somebody else wrote it after the message came and before it was mapped: then what is here may be newer.
    pub is_between: bool,
}

/// What comes of it.
#[derive(Debug)]
pub struct Again {
    /// As of a message that is mapped once.
    pub met: Met,
    /// The elements that are kept since others than messages have changed them.
    pub kept: Vec<String>,
}

impl Moment {
    /// Later than all that a retraction leaves behind, earlier than any message.
    const NOBODY: Moment = Moment {
        recorded: i64::MIN,
        sent: i64::MIN,
        arrived: 0,
    };

    /// What others did after the message: no message before it writes over that, and each one after it does.
    fn and_after(self) -> Moment {
        Moment {
            arrived: self.arrived | 1,
            ..self
        }
    }
}

/// How a resource of a message that is mapped anew meets the one that is here; `None`: none is.
///
/// Elements that the message said and says no more are taken away. So messages about the same are to be taken from the newest to the
/// oldest: what one says no more, an older one that says it then fills in.
pub fn again(made: &Made, stands: Option<&Stands<'_>>, said: &Said, at: Moment) -> Again {
    let Some(stands) = stands else {
        return Again::made(made, at);
    };
    let is_own = stands.is_own || said.is_by(WHOLE, at);
    match made.merge {
        Merge::KeepExisting if !is_own => Again::nothing(said),
        Merge::KeepExisting | Merge::Replace => whole(made, stands, said, at),
        Merge::Update => parts(made, stands, said, at),
    }
}

impl Again {
    /// It is not here yet. What a message only brings along is its own as a whole: another that tells of it may change it.
    fn made(made: &Made, at: Moment) -> Again {
        let is_whole = made.merge == Merge::KeepExisting;
        let made = Made {
            merge: if is_whole { Merge::Replace } else { made.merge },
            ..made.clone()
        };
        let mut met = update(&made, None, &Said::default(), at);
        let now = met.resource.clone().unwrap_or_default();
        remember(&mut met.said, &now, at);
        Again {
            met,
            kept: Vec::new(),
        }
    }

    fn nothing(said: &Said) -> Again {
        Again {
            met: Met {
                resource: None,
                said: said.clone(),
                overtaken: Vec::new(),
            },
            kept: Vec::new(),
        }
    }
}

impl Said {
    /// Whether an element was said by that message.
    fn is_by(&self, name: &str, at: Moment) -> bool {
        at.arrived != 0 && self.0.get(name).is_some_and(|word| word.at == at)
    }

    /// Whether others than messages have changed an element since the message said it, or could have; then that is noted, so that
    /// it stays.
    fn is_of_others(&mut self, name: &str, stands: &Stands<'_>, at: Moment) -> bool {
        let word = self.0.get(name);
        if word.is_some_and(|word| word.at > at) {
            return word.is_some_and(|word| word.at == at.and_after());
        }
        let now = value_of(stands.now, name);
        let is_changed = match word.and_then(|word| word.stood.as_deref()) {
            Some(stood) => stood != short(&now),
            None => now != stands.then.map(|it| value_of(it, name)).unwrap_or_default(),
        };
        if is_changed {
            let at = at.and_after();
            self.0.insert(name.to_owned(), Word { at, stood: None });
        }
        is_changed
    }
}

/// A resource that is told whole.
fn whole(made: &Made, stands: &Stands<'_>, said: &Said, at: Moment) -> Again {
    let mut found = Again::nothing(said);
    let known = said.0.get(WHOLE);
    let may_be_newer = known.is_none() && stands.is_between;
    if may_be_newer || found.met.said.is_of_others(WHOLE, stands, at) {
        let word = Word {
            at: at.and_after(),
            stood: None,
        };
        found.met.said.0.insert(WHOLE.to_owned(), word);
        found.kept.push(WHOLE.to_owned());
        return found;
    }
    let made = Made {
        merge: Merge::Replace,
        ..made.clone()
    };
    found.met = update(&made, Some(stands.now), &found.met.said, at);
    let now = found.met.resource.as_ref().unwrap_or(stands.now);
    remember(&mut found.met.said, now, at);
    found
}

/// A resource that is told element by element.
fn parts(made: &Made, stands: &Stands<'_>, said: &Said, at: Moment) -> Again {
    let mut said = said.clone();
    let told = told(made);
    let own = said.0.keys().filter(|name| said.is_by(name, at));
    let own: Vec<String> = own.filter(|it| is_element(it)).cloned().collect();
    let mut looked_at: BTreeSet<String> = told.iter().chain(&own).cloned().collect();
    if made.ty == "Encounter" {
        // A visit that is told to go on loses its end.
        looked_at.insert("period.end".to_owned());
    }
    let kept = looked_at.into_iter();
    let kept: Vec<String> = kept
        .filter(|name| said.is_of_others(name, stands, at))
        .collect();
    let nothing = Map::new();
    let mut meeting = Meeting {
        made,
        here: stands.now.as_object().unwrap_or(&nothing),
        at,
        said,
        overtaken: Vec::new(),
    };
    let mut reduced = meeting.reduced();
    let filled: Vec<String> = made.only_if_new.iter().map(|it| key(it)).collect();
    let is_said = |it: &String| told.contains(it) || filled.contains(it) || kept.contains(it);
    for name in own.iter().filter(|it| !is_said(it)) {
        reduced.remove.extend(names_of(stands.now, name));
        let word = Word {
            at: Moment::NOBODY,
            stood: Some(short(&Value::Null)),
        };
        meeting.said.0.insert(name.clone(), word);
    }
    let resource = merge::update(&reduced, Some(stands.now));
    let mut said = meeting.said;
    remember(&mut said, resource.as_ref().unwrap_or(stands.now), at);
    let newer = meeting.overtaken.into_iter();
    Again {
        met: Met {
            resource,
            said,
            overtaken: newer.filter(|it| !kept.contains(&key(it))).collect(),
        },
        kept,
    }
}

/// Whether it is an element's name, and no link's.
fn is_element(name: &str) -> bool {
    name != WHOLE && !name.contains(' ')
}

/// The elements of which the message says something, or asks that they go.
fn told(made: &Made) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for (name, value) in made.resource.as_object().into_iter().flatten() {
        match value {
            _ if matches!(
                name.as_str(),
                "resourceType" | "id" | "meta" | "contained" | "link"
            ) => {}
            // Said by nobody: what is here stays.
            _ if made.only_if_new.contains(name) => {}
            Value::Object(parts) if PARTED.contains(&name.as_str()) => {
                told.extend(parts.keys().map(|part| format!("{name}.{part}")));
            }
            _ => drop(told.insert(key(name))),
        }
    }
    told.extend(made.remove.iter().map(|name| key(name)));
    told
}

/// Notes of what the message says how it now stands here.
fn remember(said: &mut Said, now: &Value, at: Moment) {
    for (name, word) in said.0.iter_mut().filter(|(_, word)| word.at == at) {
        word.stood = Some(short(&value_of(now, name)));
    }
}

/// The names under which an element stands in a resource: `deceasedBoolean` for `deceased`.
fn names_of(resource: &Value, name: &str) -> Vec<String> {
    if name.contains('.') {
        return vec![name.to_owned()];
    }
    let names = resource.as_object().into_iter().flat_map(Map::keys);
    let names = names.filter(|it| key(it) == name && !it.starts_with('_'));
    names.cloned().collect()
}

/// How an element stands in a resource; null where it does not.
fn value_of(resource: &Value, name: &str) -> Value {
    if name == WHOLE {
        let mut whole = resource.clone();
        if let Some(elements) = whole.as_object_mut() {
            elements.shift_remove("meta");
        }
        return whole;
    }
    if let Some(other) = name.strip_prefix("link ") {
        let links = resource.get("link").and_then(Value::as_array);
        let to = |it: &Value| it.pointer("/other/reference").and_then(Value::as_str) == Some(other);
        let link = links.into_iter().flatten().find(|it| to(it));
        return link.cloned().unwrap_or_default();
    }
    if let Some((element, part)) = name.split_once('.') {
        let element = resource.get(element);
        return element
            .and_then(|it| it.get(part))
            .cloned()
            .unwrap_or_default();
    }
    if name.contains(' ') {
        // A member of a list: the list is looked at whole.
        return Value::Null;
    }
    let elements = resource.as_object().into_iter().flatten();
    let meant: Vec<Value> = elements
        .filter(|(it, _)| key(it) == name)
        .map(|(it, value)| Value::from(vec![Value::from(it.as_str()), value.clone()]))
        .collect();
    match meant.is_empty() {
        true => Value::Null,
        false => Value::Array(meant),
    }
}

/// Enough of a digest to tell whether it is the same.
fn short(value: &Value) -> String {
    let mut digest = digest(&[value.to_string()]);
    digest.truncate(16);
    digest
}
