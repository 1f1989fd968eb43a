//! One criterion as the condition on a row of its index table.

use fhir::search::{Criterion, Numbers as Interval, ParameterKind, Range, System, fold};

use super::concepts;
use super::numbers::{Numbers, Params};
use super::parts;
use crate::resources::index::{NO_SYSTEM, key, start};
use crate::sql::Sql;

/// Where the rows of a criterion stand; `None` for what stands in `res` itself.
pub(crate) fn table(
    numbers: &Numbers,
    ty: &str,
    code: &str,
    criterion: &Criterion,
) -> Option<&'static str> {
    match criterion {
        Criterion::Id(_)
        | Criterion::LastUpdated(_)
        | Criterion::Compartment(_)
        | Criterion::Type(_)
        | Criterion::All(_)
        | Criterion::Chain { .. }
        | Criterion::Has { .. }
        | Criterion::Typed { .. } => None,
        Criterion::Composite(_) | Criterion::Near { .. } => Some("ix_composite i"),
        Criterion::Token { .. } | Criterion::Concept(_) => Some("ix_token i"),
        Criterion::StringStarts(_)
        | Criterion::StringIs(_)
        | Criterion::StringEnds(_)
        | Criterion::StringContains(_)
        | Criterion::StringExact(_) => Some("ix_string i"),
        Criterion::Reference { .. }
        | Criterion::ReferenceBetween { .. }
        | Criterion::Hierarchy(_) => Some("ix_reference i"),
        Criterion::Date { .. } => Some("ix_date i"),
        Criterion::Uri(_) | Criterion::UriBelow(_) => Some("ix_uri i"),
        Criterion::Quantity { .. } => Some("ix_quantity i"),
        Criterion::Missing(_) => Some(match numbers.kind(ty, code) {
            Some(ParameterKind::String) => "ix_string i",
            Some(ParameterKind::Reference) => "ix_reference i",
            Some(ParameterKind::Date) => "ix_date i",
            Some(ParameterKind::Number | ParameterKind::Quantity) => "ix_quantity i",
            Some(ParameterKind::Uri) => "ix_uri i",
            Some(ParameterKind::Composite | ParameterKind::Special) => "ix_composite i",
            _ => "ix_token i",
        }),
    }
}

/// Adds the condition on a row `i` of the criterion's table, beginning with its parameter.
pub(crate) fn push(
    sql: &mut Sql<'static>,
    params: Params<'_>,
    criterion: &Criterion,
    numbers: &Numbers,
) {
    params.push(sql);
    if unwritable(criterion) {
        sql.push(" AND 1 = 0");
        return;
    }
    match criterion {
        Criterion::StringIs(text) => {
            sql.push(" AND i.value = ").bind(start(text).to_string());
        }
        Criterion::StringEnds(text) => push_like(sql, format!("%{}", escaped(start(text)))),
        Criterion::UriBelow(uri) => push_start(sql, start(uri)),
        Criterion::Concept(concept) => {
            concepts::push(sql, numbers.codes(concept), numbers);
        }
        Criterion::Composite(parts) => parts::push(sql, parts, numbers),
        Criterion::Near { at, square, height } => parts::push_near(sql, *at, *square, *height),
        // These stand in no index table; `compile` asks them in other ways.
        Criterion::Id(_)
        | Criterion::LastUpdated(_)
        | Criterion::Compartment(_)
        | Criterion::Type(_)
        | Criterion::All(_)
        | Criterion::Chain { .. }
        | Criterion::Has { .. }
        | Criterion::Typed { .. }
        | Criterion::Hierarchy(_)
        | Criterion::Missing(_) => {}
        Criterion::Token { system, code } => {
            if let Some(code) = code {
                sql.push(" AND i.code = ").bind(key(code).into_owned());
            }
            push_system(sql, system, numbers);
        }
        Criterion::StringStarts(text) => push_start(sql, start(text)),
        Criterion::StringContains(text) => push_like(sql, format!("%{}%", escaped(start(text)))),
        Criterion::StringExact(text) => push_exact(sql, text),
        Criterion::Reference { targets } => push_targets(sql, targets),
        Criterion::ReferenceBetween { from, before } => {
            sql.push(" AND i.target >= ").bind(from.clone());
            sql.push(" AND i.target < ").bind(before.clone());
        }
        Criterion::Date { low, high } => {
            push_range(sql, " AND i.low >= ", " AND i.low < ", *low);
            push_range(sql, " AND i.high >= ", " AND i.high < ", *high);
        }
        Criterion::Uri(uri) => {
            sql.push(" AND i.value = ").bind(key(uri).into_owned());
        }
        Criterion::Quantity {
            low,
            high,
            system,
            code,
        } => {
            push_interval(sql, &LOW, *low);
            push_interval(sql, &HIGH, *high);
            push_system(sql, system, numbers);
            if let Some(code) = code {
                sql.push(" AND i.code = ").bind(key(code).into_owned());
            }
        }
    }
}

/// Adds the condition on a row of `res` of a criterion that has no index table.
pub(crate) fn push_own(
    sql: &mut Sql<'static>,
    criterion: &Criterion,
    row: &'static str,
    numbers: &Numbers,
) {
    match criterion {
        Criterion::Id(id) if !id.contains('\0') => {
            sql.push(row).push(".id = ").bind(id.clone());
        }
        Criterion::LastUpdated(range) => {
            sql.push("(1 = 1");
            if let Some(at) = range.from {
                sql.push(" AND ").push(row).push(".ts >= ").bind(at);
            }
            if let Some(at) = range.before {
                sql.push(" AND ").push(row).push(".ts < ").bind(at);
            }
            sql.push(")");
        }
        Criterion::Type(ty) => {
            sql.push(row).push(".ty = ").bind(numbers.word(ty));
        }
        Criterion::Compartment(patient) if !patient.contains('\0') => {
            sql.push("EXISTS (SELECT 1 FROM compartment i WHERE i.patient = ")
                .bind(patient.clone());
            sql.push(" AND i.rid = ")
                .push(row)
                .push(".rid AND i.shard = ");
            sql.push(row).push(".shard)");
        }
        _ => {
            sql.push("1 = 0");
        }
    }
}

/// Whether no row can be so: it asks for a text with a NUL, which PostgreSQL does not even take, or of a
/// hierarchy that has not become references.
fn unwritable(criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Token { code, .. } | Criterion::Quantity { code, .. } => {
            code.as_ref().is_some_and(|code| code.contains('\0'))
        }
        Criterion::StringStarts(text)
        | Criterion::StringIs(text)
        | Criterion::StringEnds(text)
        | Criterion::StringContains(text)
        | Criterion::StringExact(text)
        | Criterion::UriBelow(text)
        | Criterion::Uri(text)
        | Criterion::Compartment(text)
        | Criterion::Id(text) => text.contains('\0'),
        Criterion::Reference { targets } => targets.iter().any(|target| target.contains('\0')),
        Criterion::ReferenceBetween { from, .. } => from.contains('\0'),
        Criterion::Hierarchy(_) => true,
        Criterion::Composite(parts) => parts.iter().any(unwritable),
        Criterion::LastUpdated(_)
        | Criterion::Concept(_)
        | Criterion::Date { .. }
        | Criterion::Type(_)
        | Criterion::All(_)
        | Criterion::Chain { .. }
        | Criterion::Has { .. }
        | Criterion::Typed { .. }
        | Criterion::Near { .. }
        | Criterion::Missing(_) => false,
    }
}

fn push_system(sql: &mut Sql<'static>, system: &System, numbers: &Numbers) {
    push_system_as(sql, system, " AND i.system = ", numbers);
}

pub(super) fn push_system_as(
    sql: &mut Sql<'static>,
    system: &System,
    column: &'static str,
    numbers: &Numbers,
) {
    match system {
        System::Any => {}
        System::None => {
            sql.push(column).bind(NO_SYSTEM);
        }
        System::Is(system) => {
            sql.push(column).bind(numbers.word(system));
        }
    }
}

/// Everything that starts with a text lies from it to before the text with its last character
/// raised; both databases compare by bytes, as UTF-8 orders.
fn push_start(sql: &mut Sql<'static>, text: &str) {
    sql.push(" AND i.value >= ").bind(text.to_string());
    if let Some(end) = after_all_that_start_with(text) {
        sql.push(" AND i.value < ").bind(end);
    }
}

pub(super) fn after_all_that_start_with(text: &str) -> Option<String> {
    let mut chars: Vec<char> = text.chars().collect();
    while let Some(last) = chars.pop() {
        // The characters between the surrogates' place are none.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

fn push_targets(sql: &mut Sql<'static>, targets: &[String]) {
    sql.push(" AND i.target IN (");
    for (number, target) in targets.iter().enumerate() {
        sql.push(if number == 0 { "" } else { ", " })
            .bind(key(target).into_owned());
    }
    sql.push(")");
}

fn push_like(sql: &mut Sql<'static>, pattern: String) {
    sql.push(" AND i.value LIKE ")
        .bind(pattern)
        .push(" ESCAPE '!'");
}

fn push_exact(sql: &mut Sql<'static>, text: &str) {
    let folded = fold(text);
    let exact = if folded == text { "" } else { text };
    sql.push(" AND i.value = ")
        .bind(start(&folded).to_string())
        .push(" AND i.exact = ")
        .bind(start(exact).to_string());
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '%' | '_' | '!') {
            out.push('!');
        }
        out.push(char);
    }
    out
}

fn push_range(sql: &mut Sql<'static>, from: &'static str, before: &'static str, range: Range) {
    if let Some(at) = range.from {
        sql.push(from).bind(at);
    }
    if let Some(at) = range.before {
        sql.push(before).bind(at);
    }
}

/// The four comparisons of a column.
pub(super) struct Comparisons {
    pub(super) from: &'static str,
    pub(super) above: &'static str,
    pub(super) before: &'static str,
    pub(super) up_to: &'static str,
}

const LOW: Comparisons = Comparisons {
    from: " AND i.low >= ",
    above: " AND i.low > ",
    before: " AND i.low < ",
    up_to: " AND i.low <= ",
};
const HIGH: Comparisons = Comparisons {
    from: " AND i.high >= ",
    above: " AND i.high > ",
    before: " AND i.high < ",
    up_to: " AND i.high <= ",
};

pub(super) fn push_interval(sql: &mut Sql<'static>, column: &Comparisons, interval: Interval) {
    if let Some(from) = interval.from {
        let comparison = if interval.above_from {
            column.above
        } else {
            column.from
        };
        sql.push(comparison).bind(from);
    }
    if let Some(before) = interval.before {
        let comparison = if interval.up_to_before {
            column.up_to
        } else {
            column.before
        };
        sql.push(comparison).bind(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_text_that_does_not_start_with_it() {
        assert_eq!(after_all_that_start_with("ab").as_deref(), Some("ac"));
        assert_eq!(
            after_all_that_start_with("a\u{d7ff}").as_deref(),
            Some("a\u{e000}")
        );
        assert_eq!(
            after_all_that_start_with("a\u{10ffff}").as_deref(),
            Some("b")
        );
        assert_eq!(after_all_that_start_with(""), None);
    }

    #[test]
    fn what_like_takes_for_a_pattern_is_taken_as_text() {
        assert_eq!(escaped("50%_!"), "50!%!_!!");
    }
}
