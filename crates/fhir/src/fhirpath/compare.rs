//! Equality, equivalence and order (<http://hl7.org/fhirpath/N1/#equality>).

use std::cmp::Ordering;

use super::Fault;
use super::decimal::Decimal;
use super::value::Value;
use crate::definitions::Definitions;
use crate::json::Json;

/// `=` of two collections. `None` is the empty result.
pub(super) fn equal(left: &[Value<'_>], right: &[Value<'_>], r4: &Definitions) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut unsure = false;
    for (left, right) in left.iter().zip(right) {
        match equal_items(left, right, r4) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => unsure = true,
        }
    }
    (!unsure).then_some(true)
}

/// `=` of two items.
pub(super) fn equal_items(left: &Value<'_>, right: &Value<'_>, r4: &Definitions) -> Option<bool> {
    if let (Value::Node(left), Value::Node(right)) = (left, right)
        && left.ty == right.ty
        && let (Some(Json::String(left)), Some(Json::String(right))) = (left.json, right.json)
        && left == right
    {
        return Some(true);
    }
    let (left, right) = (left.clone().plain(r4), right.clone().plain(r4));
    let (Some(left), Some(right)) = (left, right) else {
        return Some(false);
    };
    match (&left, &right) {
        (Value::Node(left), Value::Node(right)) => Some(match (left.json, right.json) {
            (Some(left), Some(right)) => same_json(left, right),
            (left, right) => left.is_none() && right.is_none(),
        }),
        (Value::Bool(left), Value::Bool(right)) => Some(left == right),
        (Value::Text(left), Value::Text(right)) => Some(left == right),
        (Value::Type(a, b), Value::Type(c, d)) => Some((a, b) == (c, d)),
        (Value::Moment(left), Value::Moment(right)) => {
            let time = super::moment::MomentKind::Time;
            if (left.kind == time) != (right.kind == time) {
                return Some(false);
            }
            left.order(right).map(|order| order == Ordering::Equal)
        }
        (Value::Integer(left), Value::Integer(right)) => Some(left == right),
        (Value::Quantity(_), _) | (_, Value::Quantity(_)) => {
            let (left, right) = (left.as_quantity(r4), right.as_quantity(r4));
            let (Some(left), Some(right)) = (left, right) else {
                return Some(false);
            };
            if !left.is_comparable(&right) {
                return Some(false);
            }
            left.order(&right).map(|order| order == Ordering::Equal)
        }
        _ => match (number(&left), number(&right)) {
            (Some(left), Some(right)) => Some(left == right),
            _ => Some(false),
        },
    }
}

pub(super) fn number(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Integer(value) => Some(Decimal::whole(*value)),
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}

/// The same members with the same values, in whatever order; `1.50` is `1.5`.
pub(crate) fn same_json(left: &Json<'_>, right: &Json<'_>) -> bool {
    match (left, right) {
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| {
                    let other = right.iter().find(|(known, _)| known == name);
                    other.is_some_and(|(_, other)| same_json(value, other))
                })
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same_json(left, right))
        }
        (Json::Number(left), Json::Number(right)) => {
            left == right
                || matches!((Decimal::parse(left), Decimal::parse(right)),
                    (Some(left), Some(right)) if left == right)
        }
        (left, right) => left == right,
    }
}

/// `~` of two collections: in any order.
pub(super) fn equivalent(left: &[Value<'_>], right: &[Value<'_>], r4: &Definitions) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut used = vec![false; right.len()];
    left.iter().all(|left| {
        let found = right
            .iter()
            .zip(&mut used)
            .find(|(right, used)| !**used && equivalent_items(left, right, r4));
        match found {
            Some((_, used)) => {
                *used = true;
                true
            }
            None => false,
        }
    })
}

fn equivalent_items(left: &Value<'_>, right: &Value<'_>, r4: &Definitions) -> bool {
    let plain = (left.clone().plain(r4), right.clone().plain(r4));
    let (Some(left), Some(right)) = plain else {
        return false;
    };
    match (&left, &right) {
        (Value::Text(left), Value::Text(right)) => folded(left) == folded(right),
        (Value::Quantity(_), _) | (_, Value::Quantity(_)) => {
            match (left.as_quantity(r4), right.as_quantity(r4)) {
                (Some(left), Some(right)) => left.is_equivalent(&right),
                _ => false,
            }
        }
        _ => match (number(&left), number(&right)) {
            (Some(left), Some(right)) => {
                let scale = left.trimmed().scale().min(right.trimmed().scale());
                left.rounded(scale) == right.rounded(scale)
            }
            _ => equal_items(&left, &right, r4).unwrap_or(false),
        },
    }
}

/// Lower case, each run of white space as one blank.
fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Which of two items comes first; `None` is the empty result.
///
/// # Errors
/// `Invalid` if the two have no order.
pub(super) fn order(
    left: &Value<'_>,
    right: &Value<'_>,
    r4: &Definitions,
) -> Result<Option<Ordering>, Fault> {
    let (left, right) = (left.clone().plain(r4), right.clone().plain(r4));
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(None);
    };
    match (&left, &right) {
        (Value::Text(left), Value::Text(right)) => Ok(Some(left.cmp(right))),
        (Value::Moment(left), Value::Moment(right)) => Ok(left.order(right)),
        _ => {
            if let (Some(left), Some(right)) = (number(&left), number(&right)) {
                return Ok(Some(left.cmp(&right)));
            }
            match (left.as_quantity(r4), right.as_quantity(r4)) {
                (Some(left), Some(right)) => Ok(left.order(&right)),
                _ => Err(Fault::invalid("These two have no order")),
            }
        }
    }
}
