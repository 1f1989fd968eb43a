//! The resource while it is being patched: values by their place, within bounds.

use std::borrow::Cow;

use super::unfit;
use crate::json::{Json, Limits};
use crate::problem::{Kind, Problem};

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Item(usize),
}

pub(super) struct Tree<'a> {
    pub(super) root: Json<'a>,
    depth: usize,
    nodes_left: usize,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: Json<'a>, limits: &Limits) -> Result<Tree<'a>, Problem> {
        let mut tree = Tree {
            root: Json::Null,
            depth: usize::from(limits.depth),
            nodes_left: usize::try_from(limits.nodes).unwrap_or(usize::MAX),
        };
        tree.admit(&root, 0)?;
        tree.root = root;
        Ok(tree)
    }

    /// Counts a value that comes in so far down.
    fn admit(&mut self, value: &Json<'_>, down: usize) -> Result<(), Problem> {
        let (nodes, depth) = size(value);
        if down + depth > self.depth {
            let message = "The patch nests deeper than is allowed.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let left = self.nodes_left.checked_sub(nodes);
        let message = "The patch makes more values than are allowed.";
        self.nodes_left = left.ok_or_else(|| Problem::new(Kind::TooCostly, message))?;
        Ok(())
    }

    pub(super) fn get(&self, path: &[Step]) -> Option<&Json<'a>> {
        path.iter()
            .try_fold(&self.root, |value, step| match (value, step) {
                (Json::Object(_), Step::Member(name)) => value.get(name),
                (Json::Array(items), Step::Item(index)) => items.get(*index),
                _ => None,
            })
    }

    fn get_mut(&mut self, path: &[Step]) -> Option<&mut Json<'a>> {
        path.iter()
            .try_fold(&mut self.root, |value, step| match (value, step) {
                (Json::Object(members), Step::Member(name)) => members
                    .iter_mut()
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value),
                (Json::Array(items), Step::Item(index)) => items.get_mut(*index),
                _ => None,
            })
    }

    /// Sets a member, or puts an item in, at its place.
    ///
    /// # Errors
    /// `Processing` if there is no such place.
    pub(super) fn insert(&mut self, path: &[Step], value: Json<'a>) -> Result<(), Problem> {
        self.admit(&value, path.len())?;
        let Some((last, parent)) = path.split_last() else {
            self.root = value;
            return Ok(());
        };
        match (self.get_mut(parent), last) {
            (Some(Json::Object(members)), Step::Member(name)) => {
                match members.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => *known = value,
                    None => members.push((Cow::Owned(name.clone()), value)),
                }
                Ok(())
            }
            (Some(Json::Array(items)), Step::Item(index)) if *index <= items.len() => {
                items.insert(*index, value);
                Ok(())
            }
            _ => Err(unfit("There is no such place.")),
        }
    }

    /// Puts a value where there is one.
    ///
    /// # Errors
    /// `Processing` if there is none.
    pub(super) fn replace(&mut self, path: &[Step], value: Json<'a>) -> Result<(), Problem> {
        self.admit(&value, path.len())?;
        let known = self.get_mut(path);
        *known.ok_or_else(|| unfit("There is no such value."))? = value;
        Ok(())
    }

    /// Takes a value out.
    ///
    /// # Errors
    /// `Processing` if there is none.
    pub(super) fn remove(&mut self, path: &[Step]) -> Result<Json<'a>, Problem> {
        let none = || unfit("There is no such value.");
        let (last, parent) = path.split_last().ok_or_else(none)?;
        match (self.get_mut(parent), last) {
            (Some(Json::Object(members)), Step::Member(name)) => {
                let at = members.iter().position(|(known, _)| known == name);
                Ok(members.remove(at.ok_or_else(none)?).1)
            }
            (Some(Json::Array(items)), Step::Item(index)) if *index < items.len() => {
                Ok(items.remove(*index))
            }
            _ => Err(none()),
        }
    }
}

/// Values in all, and how deep they are nested.
fn size(value: &Json<'_>) -> (usize, usize) {
    let inner: Vec<(usize, usize)> = match value {
        Json::Array(items) => items.iter().map(size).collect(),
        Json::Object(members) => members.iter().map(|(_, value)| size(value)).collect(),
        _ => return (1, 0),
    };
    let nodes = inner.iter().map(|(nodes, _)| nodes).sum::<usize>();
    let depth = inner.iter().map(|(_, depth)| *depth).max();
    (nodes + 1, depth.unwrap_or_default() + 1)
}
