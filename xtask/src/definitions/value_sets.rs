//! The codes of required value sets: `[address, [[system, [code…]]…]]`, or `[address, []]` where
//! the codes are not all in the package (mime types, languages, currencies, units).

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Source, items, text};

pub struct ValueSets<'s> {
    source: &'s Source,
    known: HashMap<String, usize>,
    used: Vec<Value>,
}

type Groups = Vec<(String, Vec<String>)>;

impl<'s> ValueSets<'s> {
    pub fn new(source: &'s Source) -> ValueSets<'s> {
        ValueSets {
            source,
            known: HashMap::new(),
            used: Vec::new(),
        }
    }

    /// The number of a value set in the table, if its codes are known.
    pub fn index(&mut self, address: &str) -> Option<usize> {
        let url = address.split('|').next().unwrap_or_default();
        if let Some(index) = self.known.get(url) {
            return Some(*index);
        }
        let groups = self.expand(url)?;
        let index = self.used.len();
        self.used.push(json!([url, groups]));
        self.known.insert(url.to_string(), index);
        Some(index)
    }

    pub fn used(self) -> Vec<Value> {
        self.used
    }

    /// `None` if any part is not in the package, so that no valid code is ever refused.
    fn expand(&self, url: &str) -> Option<Groups> {
        let compose = self.source.value_sets.get(url)?.get("compose")?;
        if compose.get("exclude").is_some() {
            return None;
        }
        let mut groups = Groups::new();
        for include in items(compose, "include") {
            if include.get("filter").is_some() || include.get("valueSet").is_some() {
                return None;
            }
            let system = text(include, "system");
            let codes = match include.get("concept") {
                Some(_) => codes(items(include, "concept")),
                None => codes(items(self.complete(system)?, "concept")),
            };
            groups.push((system.to_string(), codes));
        }
        Some(groups)
    }

    fn complete(&self, system: &str) -> Option<&Value> {
        let found = self.source.code_systems.get(system)?;
        (text(found, "content") == "complete").then_some(found)
    }
}

fn codes(concepts: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for concept in concepts {
        found.push(text(concept, "code").to_string());
        found.extend(codes(items(concept, "concept")));
    }
    found
}
