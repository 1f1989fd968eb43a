//! From a resource to the rows of the search index
//! (<https://hl7.org/fhir/R4/search.html#ptypes>).

mod asides;
mod composite;
mod special;
mod values;

use super::parameter::{Parameter, ParameterKind, parameters};
use super::value::order;
use crate::definitions::Definitions;
use crate::json::Json;

pub use super::value::{Entry, Value};
pub use special::REPLACES;

/// Goes up whenever resources have entries that they did not have before: a store then indexes
/// what it holds anew. A change that takes entries away gives them another code as well.
pub const EXTRACTION: u32 = 4;

/// The index rows of a resource, each once, in the order of the search parameters' codes. `_id` and
/// `_lastUpdated` are not among them.
pub fn extract(ty: &str, resource: &Json<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for parameter in parameters(ty) {
        extract_one(parameter, resource, &mut entries);
    }
    special::of(ty, resource, &mut entries);
    entries
}

/// Adds the rows of one parameter.
pub(crate) fn extract_one(parameter: &Parameter, resource: &Json<'_>, entries: &mut Vec<Entry>) {
    let definitions = Definitions::r4();
    let Some(path) = &parameter.path else {
        return;
    };
    let (start, mut is_there) = (entries.len(), false);
    path.each(resource, definitions, &mut |item| {
        is_there = true;
        let mut out = |code, value| entries.push(Entry { code, value });
        if parameter.kind == ParameterKind::Composite {
            composite::of(item, parameter, resource, definitions, &mut out);
        } else {
            values::of(item, parameter.kind, definitions, &mut |value| {
                out(parameter.code, value);
            });
            asides::of(item, parameter, definitions, &mut out);
        }
    });
    if is_there {
        mark_what_is_there(parameter, entries, start);
    }
    keep_each_once(entries, start);
}

/// A value that leaves nothing to be searched by, such as a concept of a text alone or a reference by
/// an identifier, is not missing. Composites are left as they are: their elements are there without
/// their parts.
fn mark_what_is_there(parameter: &Parameter, entries: &mut Vec<Entry>, start: usize) {
    let mut added = entries.iter().skip(start);
    let there = parameter.asides.there;
    if there.is_empty() || added.any(|entry| entry.code == parameter.code) {
        return;
    }
    let value = Value::Token {
        system: None,
        code: String::new(),
    };
    entries.push(Entry { code: there, value });
}

/// Sorts what was added from `start` on and drops repeats.
fn keep_each_once(entries: &mut Vec<Entry>, start: usize) {
    if entries.len() < start + 2 {
        return;
    }
    let mut added = entries.split_off(start);
    added.sort_by(|left, right| {
        let by_code = left.code.cmp(right.code);
        by_code.then_with(|| order(&left.value, &right.value))
    });
    added.dedup();
    entries.append(&mut added);
}

#[cfg(test)]
mod tests;
