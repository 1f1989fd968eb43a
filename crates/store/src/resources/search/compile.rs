//! From a search and a scope to SQL: what finds the rows, and what is asked of each.

use access::{Reach, Scope};
use fhir::search::{ALL_TYPES, Clause, Criterion, Search};

use super::criteria;
use super::lead::{Lead, SMALL_MAX};
use super::numbers::Numbers;
use super::steps;
use crate::resources::facts;
use crate::sql::Sql;

/// Results a page, at most, whatever was asked for.
pub(crate) const COUNT_MAX: u32 = 1000;

/// What the SQL of one search is made from.
#[derive(Clone, Copy)]
pub(crate) struct Making<'s> {
    pub(crate) scope: &'s Scope,
    pub(crate) numbers: &'s Numbers,
    /// The node's own address, by which a reference may name its target.
    pub(crate) base_url: &'s str,
    /// How many rows each of the search's own clauses finds, where that was worth knowing.
    pub(crate) sizes: &'s [Option<u64>],
    /// What a page's rows hold.
    pub(crate) rows: Rows,
}

/// What the rows of a page hold beside what finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// rid, id, version, time, splice, body, patients, number of the type.
    Whole,
    /// The same with the shard for the splice, and no body.
    Bodiless,
}

impl Rows {
    /// The columns of a page's rows `p`, with those of their bodies `v`.
    pub(crate) fn columns(self) -> &'static str {
        match self {
            Rows::Whole => "SELECT p.rid, p.id, p.ver, p.ts, v.splice, v.body, p.patients, p.ty",
            Rows::Bodiless => "SELECT p.rid, p.id, p.ver, p.ts, p.shard, NULL, p.patients, p.ty",
        }
    }

    /// Ends the query of the page's rows, with their bodies: those are fetched for the page alone.
    pub(crate) fn end(self) -> &'static str {
        match self {
            Rows::Whole => {
                ") p CROSS JOIN ver v WHERE v.shard = p.shard AND v.rid = p.rid AND v.ver = p.ver"
            }
            Rows::Bodiless => ") p",
        }
    }
}

/// The conditions on one row of `res`: those of the search, or those of a step of a chain.
#[derive(Clone, Copy)]
pub(crate) struct Level<'s> {
    pub(crate) depth: usize,
    pub(crate) ty: &'s str,
    pub(crate) clauses: &'s [Clause],
    /// What the rows stream from, where they do: it knows their `shard` and `rid` before they are
    /// fetched.
    key: Option<&'static str>,
}

/// The names of the rows of `res`, by depth.
const ROWS: [&str; 24] = [
    "r", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23",
];

/// Levels inside each other at most; what lies deeper finds nothing. Queries are held to far less.
pub(crate) const DEPTH_MAX: usize = ROWS.len() - 2;

impl<'s> Level<'s> {
    pub(crate) fn of(search: &'s Search) -> Level<'s> {
        Level {
            depth: 0,
            ty: &search.ty,
            clauses: &search.clauses,
            key: None,
        }
    }

    /// Who knows its row's `shard` and `rid` first.
    pub(crate) fn key(&self) -> &'static str {
        self.key.unwrap_or_else(|| self.row())
    }

    /// The same, where the row streams from that.
    pub(crate) fn keyed(self, key: &'static str) -> Level<'s> {
        Level {
            key: Some(key),
            ..self
        }
    }

    /// The name of its row.
    pub(crate) fn row(&self) -> &'static str {
        ROWS.get(self.depth).copied().unwrap_or("r23")
    }

    /// The level of other conditions inside this one.
    pub(crate) fn within<'t>(&self, ty: &'t str, clauses: &'t [Clause]) -> Level<'t> {
        Level {
            depth: self.depth + 1,
            ty,
            clauses,
            key: None,
        }
    }
}

/// A page's rows, one more than asked for so that the next page is known.
pub(crate) fn page(making: &Making<'_>, search: &Search, after: Option<i64>) -> Sql<'static> {
    let level = Level::of(search);
    let mut sql = Sql::new(making.rows.columns());
    sql.push(" FROM (SELECT r.shard, r.rid, r.id, r.ver, r.ts, r.patients, r.ty FROM ");
    let lead = Lead::of(making, &level);
    lead.push_from(&mut sql, making, &level);
    push_where(&mut sql, making, &level, &lead);
    let order = if lead.streams() { "l.rid" } else { "r.rid" };
    if let Some(after) = after {
        sql.push(" AND ").push(order).push(" > ").bind(after);
    }
    sql.push(" ORDER BY ").push(order).push(" LIMIT ");
    sql.bind(i64::from(search.count.min(COUNT_MAX)) + 1);
    sql.push(making.rows.end()).push(" ORDER BY p.rid");
    sql
}

/// The number of all matches.
pub(crate) fn count(making: &Making<'_>, search: &Search) -> Sql<'static> {
    let level = Level::of(search);
    let mut sql = Sql::new("SELECT COUNT(DISTINCT r.rid) FROM ");
    let lead = Lead::of(making, &level);
    lead.push_from(&mut sql, making, &level);
    push_where(&mut sql, making, &level, &lead);
    sql
}

/// How many rows a clause of the search finds, counted up to a bound.
pub(crate) fn size(
    making: &Making<'_>,
    search: &Search,
    clause: &Clause,
    at_most: u64,
) -> Sql<'static> {
    let mut sql = Sql::new("SELECT COUNT(*) FROM (");
    push_found(&mut sql, making, &Level::of(search), clause);
    sql.push(" LIMIT ");
    sql.bind(i64::try_from(at_most).unwrap_or(i64::MAX));
    sql.push(") t");
    sql
}

/// All conditions of a level, begun by the lead's.
pub(crate) fn push_where(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    lead: &Lead<'_>,
) {
    sql.push(" WHERE ");
    lead.push_where(sql, making, level);
    push_row(sql, making, level);
    let streamed = if lead.streams() {
        level.keyed("l")
    } else {
        *level
    };
    for (at, clause) in level.clauses.iter().enumerate() {
        if Some(at) != lead.clause() {
            sql.push(" AND ");
            push_filter(sql, making, &streamed, at, clause);
        }
    }
}

/// The row is a resource of the type, not deleted, and within the scope.
fn push_row(sql: &mut Sql<'static>, making: &Making<'_>, level: &Level<'_>) {
    let row = level.row();
    if level.ty != ALL_TYPES {
        sql.push(row).push(".ty = ");
        sql.bind(making.numbers.word(level.ty)).push(" AND ");
    }
    sql.push(row).push(".del = 0");
    facts::push_scope_of(sql, making.scope, row);
}

/// All conditions of a level on a row that is at hand.
pub(crate) fn push_asked(sql: &mut Sql<'static>, making: &Making<'_>, level: &Level<'_>) {
    push_row(sql, making, level);
    for clause in level.clauses {
        sql.push(" AND ");
        push_filter(sql, making, level, usize::MAX, clause);
    }
}

/// The clause as the rows that it finds: shard and rid.
pub(crate) fn push_found(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    clause: &Clause,
) {
    let param = making.numbers.parameter(level.ty, &clause.code);
    let params = making.numbers.parameters(level.ty, &clause.code);
    for (number, criterion) in clause.criteria.iter().enumerate() {
        sql.push(if number == 0 { "" } else { " UNION ALL " });
        let table = criteria::table(making.numbers, level.ty, &clause.code, criterion);
        if let Some(table) = table {
            sql.push("SELECT i.shard, i.rid FROM ")
                .push(table)
                .push(" WHERE ");
            criteria::push(sql, params, criterion, making.numbers);
            continue;
        }
        match criterion {
            Criterion::Id(id) if level.ty == ALL_TYPES => {
                sql.push("SELECT i.shard, i.rid FROM place i WHERE i.id = ")
                    .bind(id.replace('\0', " "));
            }
            Criterion::Id(id) => {
                // No id holds a NUL, and PostgreSQL does not take one.
                let id = id.replace('\0', " ");
                sql.push("SELECT i.shard, i.rid FROM place i WHERE i.ty = ")
                    .bind(making.numbers.word(level.ty))
                    .push(" AND i.id = ")
                    .bind(id);
            }
            Criterion::Compartment(patient) => {
                let patient = patient.replace('\0', " ");
                sql.push("SELECT i.shard, i.rid FROM compartment i WHERE i.patient = ")
                    .bind(patient);
            }
            Criterion::All(clauses) if level.depth < DEPTH_MAX => {
                push_level_found(sql, making, &level.within(level.ty, clauses));
            }
            Criterion::Typed { ty, clause } if level.depth < DEPTH_MAX => {
                push_level_found(sql, making, &level.within(ty, std::slice::from_ref(clause)));
            }
            Criterion::Chain { ty, clause } if level.depth < DEPTH_MAX => {
                steps::push_chain_found(sql, making, level, param, (ty, clause));
            }
            Criterion::Has {
                ty,
                reference,
                clause,
            } if level.depth < DEPTH_MAX => {
                steps::push_has_found(sql, making, level, (ty, reference, clause));
            }
            _ => {
                sql.push("SELECT i.shard, i.rid FROM place i WHERE 1 = 0");
            }
        }
    }
}

/// The rows for which all conditions of a level hold: shard and rid.
fn push_level_found(sql: &mut Sql<'static>, making: &Making<'_>, level: &Level<'_>) {
    let lead = Lead::of(making, level);
    let row = level.row();
    sql.push("SELECT ").push(row).push(".shard, ").push(row);
    sql.push(".rid FROM ");
    lead.push_from(sql, making, level);
    push_where(sql, making, level, &lead);
}

/// The clause as a question to the row at hand. `at` is its place among the search's own.
fn push_filter(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    at: usize,
    clause: &Clause,
) {
    let row = level.row();
    sql.push(if clause.negated { "NOT (" } else { "(" });
    let small = level.depth == 0
        && making
            .sizes
            .get(at)
            .copied()
            .flatten()
            .is_some_and(|size| size <= SMALL_MAX);
    if small && !clause.negated && is_step(clause) {
        // So few that they are found once, rather than asked for row by row.
        sql.push("(")
            .push(row)
            .push(".shard, ")
            .push(row)
            .push(".rid) IN (");
        push_found(sql, making, level, clause);
        sql.push("))");
        return;
    }
    for (number, criterion) in clause.criteria.iter().enumerate() {
        sql.push(if number == 0 { "" } else { " OR " });
        push_one(sql, making, level, &clause.code, criterion);
    }
    sql.push(")");
}

pub(crate) fn is_step(clause: &Clause) -> bool {
    let step = |it: &Criterion| matches!(it, Criterion::Chain { .. } | Criterion::Has { .. });
    clause.criteria.iter().any(step)
}

fn push_one(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    code: &str,
    criterion: &Criterion,
) {
    let (row, key) = (level.row(), level.key());
    let param = making.numbers.parameter(level.ty, code);
    let params = making.numbers.parameters(level.ty, code);
    let missing = matches!(criterion, Criterion::Missing(true));
    match criteria::table(making.numbers, level.ty, code, criterion) {
        Some(table) if is_asked_by_row(table, criterion) => {
            sql.push(if missing { "NOT EXISTS (" } else { "EXISTS (" });
            sql.push("SELECT 1 FROM ").push(table).push(" WHERE ");
            criteria::push(sql, params, criterion, making.numbers);
            sql.push(" AND i.rid = ")
                .push(key)
                .push(".rid AND i.shard = ");
            sql.push(key).push(".shard)");
        }
        Some(table) => {
            sql.push("(")
                .push(key)
                .push(".shard, ")
                .push(key)
                .push(".rid) ");
            sql.push(if missing { "NOT IN (" } else { "IN (" });
            sql.push("SELECT i.shard, i.rid FROM ")
                .push(table)
                .push(" WHERE ");
            criteria::push(sql, params, criterion, making.numbers);
            sql.push(")");
        }
        None => match criterion {
            Criterion::All(clauses) if !clauses.is_empty() => {
                sql.push("(");
                for (number, clause) in clauses.iter().enumerate() {
                    sql.push(if number == 0 { "" } else { " AND " });
                    push_filter(sql, making, level, usize::MAX, clause);
                }
                sql.push(")");
            }
            Criterion::Typed { ty, clause } => {
                sql.push("(").push(row).push(".ty = ");
                sql.bind(making.numbers.word(ty)).push(" AND ");
                let typed = Level { ty, ..*level };
                push_filter(sql, making, &typed, usize::MAX, clause);
                sql.push(")");
            }
            Criterion::Chain { ty, clause } if level.depth < DEPTH_MAX => {
                steps::push_chain_asked(sql, making, level, param, (ty, clause));
            }
            Criterion::Has {
                ty,
                reference,
                clause,
            } if level.depth < DEPTH_MAX => {
                steps::push_has_asked(sql, making, level, (ty, reference, clause));
            }
            _ => criteria::push_own(sql, criterion, row, making.numbers),
        },
    }
}

/// Whether the table can be asked of one row cheaply: by its key up to `rid`, or by its index on
/// `rid`.
fn is_asked_by_row(table: &str, criterion: &Criterion) -> bool {
    let by_rid = [
        "ix_string i",
        "ix_date i",
        "ix_quantity i",
        "ix_reference i",
    ];
    by_rid.contains(&table)
        || matches!(
            criterion,
            Criterion::Token { code: Some(_), .. } | Criterion::Composite(_) | Criterion::Uri(_)
        )
}

/// Whether rows are found under a compartment by the scope itself.
pub(crate) fn scope_patient(scope: &Scope) -> Option<&str> {
    match scope.reach() {
        Reach::Compartment { patient, .. } => Some(patient),
        _ => None,
    }
}
