//! From a resource to the rows of the search index
//! (<https://hl7.org/fhir/R4/search.html#ptypes>).

mod values;

use std::cmp::Ordering;

use super::parameter::parameters;
use crate::date::Millis;
use crate::definitions::Definitions;
use crate::json::Json;

/// One row of the search index: what a resource has under a search parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub code: &'static str,
    pub value: Value,
}

/// What a search parameter's value is in the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Token {
        system: Option<String>,
        /// Empty where a Coding or Identifier has a system only.
        code: String,
    },
    String {
        folded: String,
        /// As it stands in the resource, for `:exact`.
        exact: String,
    },
    Reference {
        /// `Patient/1`, or an absolute address; never with a version.
        target: String,
    },
    Date {
        low: Millis,
        /// Exclusive.
        high: Millis,
    },
    /// A number (without system and code) or a quantity; a Range has different bounds, and a bound
    /// that is open is `f64::MIN` or `f64::MAX`.
    Quantity {
        low: f64,
        high: f64,
        system: Option<String>,
        code: Option<String>,
    },
    Uri(String),
}

/// The index rows of a resource, each once, in the order of the search parameters' codes. `_id` and
/// `_lastUpdated` are not among them.
pub fn extract(ty: &str, resource: &Json<'_>) -> Vec<Entry> {
    let definitions = Definitions::r4();
    let mut entries: Vec<Entry> = Vec::new();
    for parameter in parameters(ty) {
        let Some(path) = &parameter.path else {
            continue;
        };
        let start = entries.len();
        path.each(resource, definitions, &mut |item| {
            values::of(item, parameter.kind, definitions, &mut |value| {
                entries.push(Entry {
                    code: parameter.code,
                    value,
                });
            });
        });
        keep_each_once(&mut entries, start);
    }
    entries
}

/// Sorts what was added from `start` on and drops repeats.
fn keep_each_once(entries: &mut Vec<Entry>, start: usize) {
    if entries.len() < start + 2 {
        return;
    }
    let mut added = entries.split_off(start);
    added.sort_by(|left, right| order(&left.value, &right.value));
    added.dedup();
    entries.append(&mut added);
}

fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Token { system: a, code: b }, Value::Token { system: c, code: d }) => {
            (a, b).cmp(&(c, d))
        }
        (
            Value::String {
                folded: a,
                exact: b,
            },
            Value::String {
                folded: c,
                exact: d,
            },
        ) => (a, b).cmp(&(c, d)),
        (Value::Reference { target: a }, Value::Reference { target: b })
        | (Value::Uri(a), Value::Uri(b)) => a.cmp(b),
        (Value::Date { low: a, high: b }, Value::Date { low: c, high: d }) => (a, b).cmp(&(c, d)),
        (
            Value::Quantity {
                low: a,
                high: b,
                system: c,
                code: d,
            },
            Value::Quantity {
                low: e,
                high: f,
                system: g,
                code: h,
            },
        ) => a
            .total_cmp(e)
            .then(b.total_cmp(f))
            .then_with(|| (c, d).cmp(&(g, h))),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Token { .. } => 0,
        Value::String { .. } => 1,
        Value::Reference { .. } => 2,
        Value::Date { .. } => 3,
        Value::Quantity { .. } => 4,
        Value::Uri(_) => 5,
    }
}

#[cfg(test)]
mod tests;
