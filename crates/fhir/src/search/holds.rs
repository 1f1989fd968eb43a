//! Whether a search would find one resource, told from the resource alone: for versions that no index
//! holds any more.

use super::clause::{Clause, Criterion, Numbers, Range, System};
use super::query::Search;
use super::value::{Entry, Value};
use crate::date::Millis;

/// A version of a resource, with its index entries.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub id: &'a str,
    pub last_updated: Millis,
    pub entries: &'a [Entry],
}

impl Search {
    /// Whether it can be told from a resource alone whether it would be found: not where others or a
    /// terminology have to be asked.
    pub fn is_told_alone(&self) -> bool {
        self.clauses.iter().all(is_alone)
    }

    /// Whether it would find that resource of its type; `None` where that cannot be told.
    pub fn would_find(&self, about: &About<'_>) -> Option<bool> {
        all(&self.clauses, about)
    }
}

fn is_alone(clause: &Clause) -> bool {
    clause.criteria.iter().all(|criterion| match criterion {
        Criterion::All(clauses) => clauses.iter().all(is_alone),
        Criterion::Chain { .. }
        | Criterion::Has { .. }
        | Criterion::Typed { .. }
        | Criterion::Type(_)
        | Criterion::Compartment(_)
        | Criterion::Near { .. }
        | Criterion::Hierarchy(_)
        | Criterion::Concept(_) => false,
        _ => true,
    })
}

fn all(clauses: &[Clause], about: &About<'_>) -> Option<bool> {
    let mut is_sure = true;
    for clause in clauses {
        match holds(clause, about) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => is_sure = false,
        }
    }
    is_sure.then_some(true)
}

fn holds(clause: &Clause, about: &About<'_>) -> Option<bool> {
    let mut any = Some(false);
    for criterion in &clause.criteria {
        match one(&clause.code, criterion, about) {
            Some(true) => return Some(!clause.negated),
            Some(false) => {}
            None => any = None,
        }
    }
    any.map(|found| found != clause.negated)
}

fn one(code: &str, criterion: &Criterion, about: &About<'_>) -> Option<bool> {
    let mut under = about.entries.iter().filter(|entry| entry.code == code);
    match criterion {
        Criterion::Id(id) => Some(id == about.id),
        Criterion::LastUpdated(range) => Some(is_within(*range, about.last_updated)),
        Criterion::Missing(missing) => Some(under.next().is_none() == *missing),
        Criterion::All(clauses) => all(clauses, about),
        Criterion::Chain { .. }
        | Criterion::Has { .. }
        | Criterion::Typed { .. }
        | Criterion::Type(_)
        | Criterion::Compartment(_)
        | Criterion::Near { .. }
        | Criterion::Hierarchy(_)
        | Criterion::Concept(_) => None,
        _ => Some(under.any(|entry| matches(criterion, &entry.value))),
    }
}

fn matches(criterion: &Criterion, value: &Value) -> bool {
    match (criterion, value) {
        (
            Criterion::Token { system, code },
            Value::Token {
                system: own,
                code: known,
            },
        ) => is_of(system, own.as_deref()) && code.as_ref().is_none_or(|code| code == known),
        (Criterion::StringStarts(text), Value::String { folded, .. }) => folded.starts_with(text),
        (Criterion::StringContains(text), Value::String { folded, .. }) => folded.contains(text),
        (Criterion::StringIs(text), Value::String { folded, .. }) => folded == text,
        (Criterion::StringEnds(text), Value::String { folded, .. }) => folded.ends_with(text),
        (Criterion::StringExact(text), Value::String { exact, .. }) => exact == text,
        (Criterion::Reference { targets }, Value::Reference { target }) => targets.contains(target),
        (Criterion::ReferenceBetween { from, before }, Value::Reference { target }) => {
            target >= from && target < before
        }
        (
            Criterion::Date { low, high },
            Value::Date {
                low: from,
                high: to,
            },
        ) => is_within(*low, *from) && is_within(*high, *to),
        (Criterion::Uri(uri), Value::Uri(own)) => uri == own,
        (Criterion::UriBelow(uri), Value::Uri(own)) => own.starts_with(uri),
        (
            Criterion::Quantity {
                low,
                high,
                system,
                code,
            },
            Value::Quantity {
                low: from,
                high: to,
                system: own,
                code: unit,
            },
        ) => {
            is_between(*low, *from)
                && is_between(*high, *to)
                && is_of(system, own.as_deref())
                && code.as_ref().is_none_or(|code| Some(code) == unit.as_ref())
        }
        (Criterion::Composite(asked), Value::Composite(parts)) => {
            asked.len() == parts.len()
                && asked
                    .iter()
                    .zip(parts)
                    .all(|(asked, part)| matches(asked, part))
        }
        _ => false,
    }
}

fn is_of(system: &System, own: Option<&str>) -> bool {
    match system {
        System::Any => true,
        System::None => own.is_none(),
        System::Is(system) => own == Some(system.as_str()),
    }
}

fn is_within(range: Range, at: Millis) -> bool {
    range.from.is_none_or(|from| at >= from) && range.before.is_none_or(|before| at < before)
}

fn is_between(range: Numbers, at: f64) -> bool {
    let above = |from: f64| at > from || (!range.above_from && at == from);
    let below = |before: f64| at < before || (range.up_to_before && at == before);
    range.from.is_none_or(above) && range.before.is_none_or(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits as JsonLimits, parse};
    use crate::search::{Limits, extract};

    const SEEN: &str = r#"{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:s","code":"c","display":"Weight"}]},
        "subject":{"reference":"Patient/p"},"effectiveDateTime":"2024-05-06","valueQuantity":{"value":5,"system":"http://unitsofmeasure.org","code":"kg"}}"#;

    fn found(name: &str, value: &str) -> Option<bool> {
        let query = [(name.to_string(), value.to_string())];
        let search = Search::parse("Observation", &query, "", &Limits::default()).unwrap();
        let seen = parse(SEEN.as_bytes(), &JsonLimits::default()).unwrap();
        let entries = extract("Observation", &seen);
        let about = About {
            id: "o",
            last_updated: 5,
            entries: &entries,
        };
        let found = search.would_find(&about);
        assert_eq!(found.is_some(), search.is_told_alone(), "{name}");
        found
    }

    #[test]
    fn what_a_search_would_find_is_told_from_the_resource() {
        for (name, value, expected) in [
            ("status", "final", true),
            ("status", "preliminary", false),
            ("status:not", "preliminary", true),
            ("status:not", "final", false),
            ("code", "urn:s|c", true),
            ("code", "|c", false),
            ("code:text", "wei", true),
            ("subject", "Patient/p", true),
            ("patient", "p,q", true),
            ("patient", "q", false),
            ("date", "ge2024-05", true),
            ("date", "lt2024-05", false),
            ("value-quantity", "gt4", true),
            ("value-quantity", "5000|http://unitsofmeasure.org|g", true),
            ("value-quantity", "6", false),
            ("code-value-quantity", "urn:s|c$gt4", true),
            ("code-value-quantity", "urn:s|c$gt5", false),
            ("encounter:missing", "true", true),
            ("encounter:missing", "false", false),
            ("_id", "o", true),
            ("_filter", "status eq final and not (code eq d)", true),
        ] {
            assert_eq!(found(name, value), Some(expected), "{name}={value}");
        }
    }

    #[test]
    fn what_has_to_be_asked_elsewhere_is_not_told() {
        assert_eq!(found("subject:Patient.name", "x"), None);
        assert_eq!(found("code:in", "urn:set"), None);
        assert_eq!(found("encounter:below", "Encounter/e"), None);
    }
}
