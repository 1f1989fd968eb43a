//! Which resource each entry of a transaction is about, once the store has answered.

use std::collections::HashMap;

use super::question::Question;
use super::request::{Condition, Method, Named, Request};
use super::transaction::{Entry, Known, Read};
use crate::problem::{Kind, Problem};

pub(super) fn doubled() -> Problem {
    Problem::new(Kind::Duplicate, "Two entries change one resource.").at("request.url")
}

impl Request {
    /// What it must know of the store first.
    pub(super) fn question(&self) -> Option<Question> {
        let query = match (&self.named, &self.none_exist) {
            (Named::Query(query), _) => query,
            (_, Some(query)) => query,
            _ => return None,
        };
        Some(Question::new(&self.ty, query))
    }

    /// Which resource it is about, and what must hold of it.
    fn settled(
        &self,
        found: Option<String>,
        own_id: Option<&str>,
        new_id: &mut dyn FnMut() -> String,
    ) -> Result<(String, Condition), Problem> {
        let held = match (self.version, self.none_match.as_deref()) {
            (Some(version), _) => Condition::Version(version),
            (None, Some("*")) => Condition::Absent,
            (None, _) => Condition::Nothing,
        };
        Ok(match (self.method, &self.named, found) {
            (Method::Get | Method::Head | Method::Call, ..) => (String::new(), Condition::Nothing),
            (Method::Post, _, Some(id)) => (id, Condition::AlreadyThere),
            (Method::Post, _, None) => (new_id(), held),
            (_, Named::Id(id), _) => (id.clone(), held),
            (Method::Put, _, Some(id)) if own_id.is_some_and(|own| own != id) => {
                let message = "The condition finds another resource than the one that is sent.";
                return Err(Problem::new(Kind::Invalid, message).at("resource.id"));
            }
            (_, _, Some(id)) => (id, held),
            (Method::Put, ..) if self.version.is_none() => {
                let id = own_id.map_or_else(new_id, str::to_string);
                (id, Condition::Absent)
            }
            (Method::Delete, ..) if self.version.is_none() => {
                (String::new(), Condition::NothingThere)
            }
            (Method::Put | Method::Delete, ..) => {
                let message = "ifMatch names a version, and the condition finds no resource.";
                return Err(Problem::new(Kind::Conflict, message).at("request.ifMatch"));
            }
            (Method::Patch, _, None) => {
                let message = "The condition finds no resource to patch.";
                return Err(Problem::new(Kind::NotFound, message).at("request.url"));
            }
        })
    }
}

/// An entry with its id and condition settled by what was answered.
pub(super) fn settle<'a>(
    read: Read<'a>,
    index: usize,
    answered: &HashMap<Question, Option<String>>,
    new_id: &mut dyn FnMut() -> String,
) -> Result<Entry<'a>, Problem> {
    let Read {
        request, resource, ..
    } = read;
    let found = request.question();
    let found = found.and_then(|question| answered.get(&question).cloned().flatten());
    let own_id = resource.as_ref().and_then(|resource| resource.text("id"));
    let (id, condition) = request.settled(found, own_id, new_id)?;
    Ok(Entry {
        index,
        method: request.method,
        ty: request.ty,
        id,
        url: request.url,
        condition,
        known: Known {
            none_match: request.none_match,
            modified_since: request.modified_since,
        },
        resource,
    })
}
