//! Lists of which a message may tell some members only: the services and participants of a booking.

use super::{Meeting, Moment};
use crate::to_fhir::identity::digest;
use crate::to_fhir::{Made, Members};
use serde_json::Value;

/// Whether an element is such a list.
pub(super) fn is_list(made: &Made, name: &str) -> bool {
    made.ty == "Appointment" && ["participant", "serviceType"].contains(&name)
}

impl Meeting<'_> {
    /// The list here with the members that come, and without those that go, as far as nothing newer was said of them.
    pub(super) fn members(&mut self, name: &str, told: &[Value]) -> Option<Value> {
        let whole = self.said.0.get(name);
        if whole.is_some_and(|word| word.at > self.at) {
            self.overtaken.push(name.to_owned());
            return None;
        }
        let mut list = self.list(name);
        let goes = self.made.members == Some(Members::Go);
        for member in told {
            let key = key(name, member);
            let place = list.iter().position(|it| self::key(name, it) == key);
            // Whose appointment it is, each message says.
            if is_patient(member) {
                if place.is_none() && !goes {
                    list.push(member.clone());
                }
                continue;
            }
            let there = place.and_then(|place| list.get(place));
            let differs = there != Some(member).filter(|_| !goes);
            if !self.said.take(&key, self.at) {
                if differs {
                    self.overtaken.push(name.to_owned());
                }
                continue;
            }
            match place {
                Some(place) if goes => drop(list.remove(place)),
                Some(place) => {
                    if let Some(there) = list.get_mut(place) {
                        there.clone_from(member);
                    }
                }
                None if goes => {}
                None => list.push(member.clone()),
            }
        }
        self.in_order(name, &mut list);
        Some(Value::Array(list))
    }

    /// A list that a message tells whole, with what of single members was said later.
    pub(super) fn with_later_members(&self, name: &str, told: &[Value]) -> Value {
        let here = self.list(name);
        let is_later = |it: &Value| self.said_later(name, it).is_some();
        let mut list: Vec<Value> = told.iter().filter(|it| !is_later(it)).cloned().collect();
        list.extend(here.into_iter().filter(is_later));
        self.in_order(name, &mut list);
        Value::Array(list)
    }

    /// When a member was said by itself, if that was after the whole list was.
    fn said_later(&self, name: &str, member: &Value) -> Option<Moment> {
        let word = self.said.0.get(&key(name, member))?;
        let whole = self.said.0.get(name);
        let is_later = whole.is_none_or(|whole| word.at > whole.at);
        is_later.then_some(word.at)
    }

    /// Those that were told with all first, the others by when they were said: the same in whatever order it came.
    fn in_order(&self, name: &str, list: &mut [Value]) {
        list.sort_by_key(|it| (self.said_later(name, it), !is_patient(it)));
    }

    fn list(&self, name: &str) -> Vec<Value> {
        let here = self.here.get(name).and_then(Value::as_array);
        here.cloned().unwrap_or_default()
    }
}

fn is_patient(member: &Value) -> bool {
    let actor = member.pointer("/actor/reference").and_then(Value::as_str);
    actor.is_some_and(|it| it.starts_with("Patient/"))
}

/// By what a member is known: a participant by who it is, a service as it is told.
fn key(name: &str, member: &Value) -> String {
    let known = member.get("actor").or_else(|| member.get("type"));
    let known = known.unwrap_or(member);
    format!("{name} {}", digest(&[known.to_string()]))
}
