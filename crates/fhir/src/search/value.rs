//! What stands in the search index.

use std::cmp::Ordering;

use crate::date::Millis;

/// One row of the search index: what a resource has under a search parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The parameter's code; with `#text`, `#type`, `#identifier`, `#canonical` or `#there` behind it
    /// for a side of a value that a modifier asks for.
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
    /// Two or three values of one element.
    Composite(Vec<Value>),
}

/// Some order, so that repeats stand together.
pub(super) fn order(left: &Value, right: &Value) -> Ordering {
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
        (Value::Composite(a), Value::Composite(b)) => {
            let pairs = a.iter().zip(b).map(|(left, right)| order(left, right));
            let first = pairs.into_iter().find(|order| order.is_ne());
            first.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
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
        Value::Composite(_) => 6,
    }
}
