//! Dates and their prefixes (<https://hl7.org/fhir/R4/search.html#date>). A value is the span that
//! it covers, and so is what a resource has; a prefix compares the two spans.

use crate::date::{self, Span};
use crate::problem::{Kind, Problem};
use crate::search::clause::{Criterion, Range};

const PREFIXES: &[&str] = &["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// The prefix, `eq` where there is none, and the rest.
pub(super) fn prefix(value: &str) -> (&str, &str) {
    match value.split_at_checked(2) {
        Some((prefix, rest)) if PREFIXES.contains(&prefix) => (prefix, rest),
        _ => ("eq", value),
    }
}

fn span(text: &str) -> Result<Span, Problem> {
    // A plus sign that was not encoded arrives as a blank.
    date::span(&text.replace(' ', "+")).ok_or_else(|| {
        let message =
            "A date is a prefix such as ge, then YYYY, YYYY-MM, YYYY-MM-DD or a full time.";
        Problem::new(Kind::Value, message)
    })
}

const ALL: Range = Range {
    from: None,
    before: None,
};

fn from(from: i64) -> Range {
    Range {
        from: Some(from),
        before: None,
    }
}

fn before(before: i64) -> Range {
    Range {
        from: None,
        before: Some(before),
    }
}

/// What of an index entry's `low` and (exclusive) `high` a value accepts.
pub(super) fn date(value: &str) -> Result<Vec<Criterion>, Problem> {
    let (prefix, text) = prefix(value);
    let Span { low, high } = span(text)?;
    let starts_earlier = Criterion::Date {
        low: before(low),
        high: ALL,
    };
    let ends_later = Criterion::Date {
        low: ALL,
        high: from(high + 1),
    };
    Ok(match prefix {
        "ne" => vec![starts_earlier, ends_later],
        "gt" => vec![ends_later],
        "lt" => vec![starts_earlier],
        // Inside the span, or reaching beyond it.
        "ge" => vec![
            Criterion::Date {
                low: from(low),
                high: ALL,
            },
            ends_later,
        ],
        "le" => vec![
            Criterion::Date {
                low: ALL,
                high: before(high + 1),
            },
            starts_earlier,
        ],
        "sa" => vec![Criterion::Date {
            low: from(high),
            high: ALL,
        }],
        "eb" => vec![Criterion::Date {
            low: ALL,
            high: before(low + 1),
        }],
        // Near: it overlaps the span made three times as long.
        "ap" => {
            let length = high - low;
            vec![Criterion::Date {
                low: before(high + length),
                high: from(low - length + 1),
            }]
        }
        _ => vec![Criterion::Date {
            low: from(low),
            high: before(high + 1),
        }],
    })
}

/// The same for an instant, which is one millisecond.
pub(super) fn last_updated(value: &str) -> Result<Vec<Criterion>, Problem> {
    let (prefix, text) = prefix(value);
    let Span { low, high } = span(text)?;
    let ranges = match prefix {
        "ne" => vec![before(low), from(high)],
        "gt" | "sa" => vec![from(high)],
        "lt" | "eb" => vec![before(low)],
        "ge" => vec![from(low)],
        "le" => vec![before(high)],
        "ap" => {
            let length = high - low;
            vec![Range {
                from: Some(low - length),
                before: Some(high + length),
            }]
        }
        _ => vec![Range {
            from: Some(low),
            before: Some(high),
        }],
    };
    Ok(ranges.into_iter().map(Criterion::LastUpdated).collect())
}
