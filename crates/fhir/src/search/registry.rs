//! The search parameters that a node knows: those of R4 and its own.

use std::collections::HashMap;
use std::sync::Arc;

use super::custom::{Custom, plain};
use super::extract::extract_one;
use super::parameter::{Parameter, parameter, parameter_of_all, parameters};
use super::query::ALL_TYPES;
use super::texts::Texts;
use super::value::Entry;
use crate::json::Json;

/// R4's parameters and the node's own.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    own: HashMap<&'static str, Vec<Own>>,
    /// Whether what R4's own parameters give stands in the index for all resources.
    behind: bool,
    /// Where words stand in the index, if resources are found by words.
    texts: Option<Texts>,
}

/// A parameter of the node's own.
#[derive(Clone, Debug)]
struct Own {
    parameter: Arc<Parameter>,
    /// Whether all resources are indexed by it; until then a search would find too few.
    ready: bool,
}

impl Registry {
    /// R4's parameters only.
    pub fn r4() -> Registry {
        Registry::default()
    }

    /// Says that the index is not yet as this version makes it.
    pub fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    /// Whether the index is not yet as this version makes it.
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// Says that resources are found by the words in them (`_text`, `_content`). Their entries stand
    /// under a code with that number, so that those of an earlier time are never taken for them.
    pub fn set_texts(&mut self, generation: i64) {
        self.texts = Texts::of(generation);
    }

    /// Whether resources are found by the words in them.
    pub fn has_texts(&self) -> bool {
        self.texts.is_some()
    }

    pub(super) fn texts(&self) -> Option<&Texts> {
        self.texts.as_ref()
    }

    /// Adds a parameter; one that was there under its code is replaced.
    pub fn add(&mut self, custom: &Custom, ready: bool) {
        for (ty, parameter) in &custom.types {
            let of_type = self.own.entry(ty).or_default();
            of_type.retain(|own| plain(own.parameter.code) != plain(parameter.code));
            of_type.push(Own {
                parameter: parameter.clone(),
                ready,
            });
        }
    }

    /// The parameter of that code for that type; for all types, one that each of them has.
    pub fn parameter(&self, ty: &str, code: &str) -> Option<&Parameter> {
        let published = match ty {
            ALL_TYPES => parameter_of_all(code),
            ty => parameter(ty, code),
        };
        let published = published.filter(|known| known.is_indexed());
        published.or_else(|| self.own(ty, code).map(|own| &*own.parameter))
    }

    /// Whether all resources are indexed by that parameter.
    pub fn is_ready(&self, ty: &str, code: &str) -> bool {
        self.own(ty, code).is_none_or(|own| own.ready)
    }

    /// Whether resources of that type may not have all their entries in the index yet.
    pub fn is_catching_up(&self, ty: &str) -> bool {
        let own = self.own.get(ty);
        self.behind || own.is_some_and(|own| own.iter().any(|own| !own.ready))
    }

    fn own(&self, ty: &str, code: &str) -> Option<&Own> {
        let mut of_type = self.own.get(ty)?.iter();
        of_type.find(|own| own.parameter.code == code || plain(own.parameter.code) == code)
    }

    /// Whether resources of that type have entries beside those of R4's parameters.
    pub fn has_own(&self, ty: &str) -> bool {
        self.texts.is_some() || self.own.get(ty).is_some_and(|own| !own.is_empty())
    }

    /// All that resources of that type are indexed by: R4's and the node's own.
    pub fn parameters<'s>(&'s self, ty: &str) -> impl Iterator<Item = &'s Parameter> + use<'s> {
        let own = self.own.get(ty).map(Vec::as_slice).unwrap_or_default();
        let published = parameters(ty).map(|known| -> &'s Parameter { known });
        published.chain(own.iter().map(|own| &*own.parameter))
    }

    /// The index rows that a resource has by the node's own parameters, and by its words.
    pub fn extract_own(&self, ty: &str, resource: &Json<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for own in self.own.get(ty).map(Vec::as_slice).unwrap_or_default() {
            extract_one(&own.parameter, resource, &mut entries);
        }
        if let Some(texts) = &self.texts {
            texts.extract(ty, resource, &mut entries);
        }
        entries
    }
}
