//! What finds the rows of a search: the condition that leaves the fewest, the others being asked of
//! each row that it finds.

use fhir::search::{ALL_TYPES, Clause, Criterion};

use super::compile::{Level, Making, push_found, scope_patient};
use super::criteria;
use crate::sql::Sql;

/// Rows that may be found first and put in order afterwards. A condition that finds more is asked of
/// the rows in their own order instead, so that a page ends as soon as it is full.
pub(crate) const SMALL_MAX: u64 = 20_000;

/// What finds the rows.
pub(crate) enum Lead<'s> {
    /// A patient's compartment: the scope's, or the clause at that place.
    Compartment(&'s str, Option<usize>),
    /// One value of this clause.
    One(usize, &'s Criterion, &'static str),
    /// Some values of this clause.
    Some(usize),
    /// Nothing: all of the type.
    Type,
}

impl<'s> Lead<'s> {
    pub(crate) fn of(making: &Making<'s>, level: &Level<'s>) -> Lead<'s> {
        if let Some(patient) = scope_patient(making.scope) {
            return Lead::Compartment(patient, None);
        }
        let best = candidates(making, level)
            .into_iter()
            .min_by_key(|(size, at)| (*size, *at));
        let Some((at, clause)) = best.and_then(|(_, at)| Some((at, level.clauses.get(at)?))) else {
            return Lead::Type;
        };
        match clause.criteria.as_slice() {
            [Criterion::Compartment(patient)] => Lead::Compartment(patient, Some(at)),
            [criterion] if is_streamed(level.ty, clause) => {
                match criteria::table(making.numbers, level.ty, &clause.code, criterion) {
                    Some(table) => Lead::One(at, criterion, table),
                    None => Lead::Some(at),
                }
            }
            _ => Lead::Some(at),
        }
    }

    /// The clause that it is made from.
    pub(crate) fn clause(&self) -> Option<usize> {
        match self {
            Lead::Compartment(_, at) => *at,
            Lead::One(at, ..) | Lead::Some(at) => Some(*at),
            Lead::Type => None,
        }
    }

    /// Whether the rows come in the order of `l.rid` by themselves.
    pub(crate) fn streams(&self) -> bool {
        matches!(self, Lead::Compartment(..) | Lead::One(..))
    }

    /// CROSS JOIN, which SQLite takes in the order it is written in; PostgreSQL chooses its own. What
    /// streams stands as `l` (shard, rid), so that other conditions can be asked of it before its row
    /// is fetched.
    pub(crate) fn push_from(&self, sql: &mut Sql<'static>, making: &Making<'_>, level: &Level<'_>) {
        match self {
            Lead::Compartment(patient, _) => {
                sql.push("(SELECT i.shard, i.rid FROM compartment i WHERE i.patient = ");
                sql.bind(patient.replace('\0', " "));
                sql.push(") l CROSS JOIN ");
            }
            Lead::One(at, criterion, table) => {
                let code = level.clauses.get(*at).map_or("", |clause| &clause.code);
                let params = making.numbers.parameters(level.ty, code);
                sql.push("(SELECT i.shard, i.rid FROM ").push(table);
                sql.push(" WHERE ");
                criteria::push(sql, params, criterion, making.numbers);
                sql.push(") l CROSS JOIN ");
            }
            Lead::Some(_) | Lead::Type => {}
        }
        sql.push("res ").push(level.row());
    }

    /// Its own condition, with an AND behind it.
    pub(crate) fn push_where(
        &self,
        sql: &mut Sql<'static>,
        making: &Making<'_>,
        level: &Level<'_>,
    ) {
        let row = level.row();
        match self {
            Lead::Compartment(..) | Lead::One(..) => {
                sql.push(row).push(".shard = l.shard AND ");
                sql.push(row).push(".rid = l.rid AND ");
            }
            Lead::Some(at) => {
                if let Some(clause) = level.clauses.get(*at) {
                    sql.push("(").push(row).push(".shard, ").push(row);
                    sql.push(".rid) IN (");
                    push_found(sql, making, level, clause);
                    sql.push(") AND ");
                }
            }
            Lead::Type => {}
        }
    }
}

/// The clauses that could lead, each with about how many rows it finds.
pub(super) fn candidates(making: &Making<'_>, level: &Level<'_>) -> Vec<(u64, usize)> {
    let mut candidates = Vec::new();
    for (at, clause) in level.clauses.iter().enumerate() {
        let Some(guess) = guess(clause, level.depth) else {
            continue;
        };
        let measured = match level.depth {
            0 => making.sizes.get(at).copied().flatten(),
            _ => None,
        };
        let streams = is_streamed(level.ty, clause);
        let size = measured.unwrap_or(guess);
        // Over all types the rows have no order of their own in which a page would end early.
        if streams || size <= SMALL_MAX || level.ty == ALL_TYPES {
            candidates.push((size, at));
        }
    }
    candidates
}

/// How few rows a clause is likely to leave; `None` if it cannot find rows by itself.
pub(super) fn guess(clause: &Clause, depth: usize) -> Option<u64> {
    if clause.negated || clause.criteria.is_empty() {
        return None;
    }
    let guesses = clause.criteria.iter().map(|criterion| match criterion {
        Criterion::Id(_) => Some(1),
        Criterion::Token { code: Some(_), .. } if clause.code.starts_with("identifier") => Some(2),
        Criterion::Reference { .. } | Criterion::Compartment(_) => Some(300),
        Criterion::ReferenceBetween { .. } | Criterion::Hierarchy(_) => Some(5_000),
        Criterion::StringExact(_) | Criterion::StringIs(_) => Some(1_000),
        Criterion::StringStarts(text) if !text.is_empty() => Some(2_000),
        Criterion::Chain { .. } => Some(3_000),
        Criterion::Uri(_) => Some(5_000),
        Criterion::Composite(_) => Some(10_000),
        Criterion::UriBelow(_) => Some(14_000),
        Criterion::Token { code: Some(_), .. } => Some(15_000),
        Criterion::Has { .. } => Some(16_000),
        Criterion::Quantity { .. } => Some(17_000),
        Criterion::Near { .. } => Some(17_200),
        Criterion::Concept(_) => Some(17_500),
        Criterion::Date { .. } => Some(18_000),
        // One level of these, so that their number has a bound.
        Criterion::All(clauses) if depth == 0 => clauses.iter().filter_map(guess_inner).min(),
        Criterion::Typed { clause, .. } if depth == 0 => guess_typed(clause),
        // These find most of the type, or have no closed range: the type's own order is better.
        Criterion::Token { code: None, .. }
        | Criterion::StringStarts(_)
        | Criterion::StringEnds(_)
        | Criterion::StringContains(_)
        | Criterion::LastUpdated(_)
        | Criterion::Type(_)
        | Criterion::All(_)
        | Criterion::Typed { .. }
        | Criterion::Missing(_) => None,
    });
    guesses.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

/// Where several parameters lead to one thing, each is one level down.
fn guess_typed(clause: &Clause) -> Option<u64> {
    let inner = |criterion: &Criterion| match criterion {
        Criterion::All(clauses) => clauses.iter().filter_map(guess_inner).min(),
        _ => guess(clause, 1),
    };
    let guesses = clause.criteria.iter().map(inner);
    guesses.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

fn guess_inner(clause: &Clause) -> Option<u64> {
    guess(clause, 1)
}

/// Whether the number of its rows is small for what it is, so that there is no need to look.
pub(super) fn is_sure(clause: &Clause) -> bool {
    let sure = |criterion: &Criterion| match criterion {
        Criterion::Id(_) | Criterion::Compartment(_) => true,
        Criterion::Token { code: Some(_), .. } => clause.code.starts_with("identifier"),
        Criterion::Reference { targets } => {
            targets.iter().any(|target| target.contains("Patient/"))
        }
        _ => false,
    };
    !clause.negated && clause.criteria.iter().all(sure)
}

/// Whether a clause finds its rows in the order of `rid`, so that a page can stop early. Over all types
/// only a compartment does: under a parameter, the rows of one type stand behind those of another.
pub(super) fn is_streamed(ty: &str, clause: &Clause) -> bool {
    match clause.criteria.as_slice() {
        [one] if ty == ALL_TYPES => matches!(one, Criterion::Compartment(_)),
        [one] => is_one(one),
        _ => false,
    }
}

/// Whether the rows of one value stand together in the order of `rid`.
fn is_one(criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Token { code, .. } => code.is_some(),
        Criterion::Reference { targets } => targets.len() == 1,
        Criterion::Uri(_) | Criterion::Compartment(_) => true,
        Criterion::Composite(parts) => {
            matches!(parts.first(), Some(Criterion::Token { code: Some(_), .. }))
        }
        _ => false,
    }
}
