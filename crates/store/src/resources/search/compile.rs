//! From a search and a scope to SQL.

use access::{Reach, Scope};
use fhir::search::{Clause, Criterion, Search};

use super::criteria;
use super::numbers::Numbers;
use crate::resources::facts;
use crate::sql::Sql;

/// Results a page, at most, whatever was asked for.
pub(crate) const COUNT_MAX: u32 = 1000;

/// A page's rows, one more than asked for so that the next page is known: rid, id, version, time,
/// splice, body, patients.
pub(crate) fn page(
    scope: &Scope,
    search: &Search,
    ty: i64,
    numbers: &Numbers,
    after: Option<i64>,
) -> Sql<'static> {
    let mut sql = Sql::varied(
        "SELECT p.rid, p.id, p.ver, p.ts, v.splice, v.body, p.patients FROM \
         (SELECT r.shard, r.rid, r.id, r.ver, r.ts, r.patients FROM ",
    );
    let lead = Lead::of(scope, search);
    lead.push_from(&mut sql);
    lead.push_where(&mut sql, scope, search, ty, numbers);
    let order = if lead.streams() { "i.rid" } else { "r.rid" };
    if let Some(after) = after {
        sql.push(" AND ").push(order).push(" > ").bind(after);
    }
    sql.push(" ORDER BY ").push(order).push(" LIMIT ");
    sql.bind(i64::from(search.count.min(COUNT_MAX)) + 1);
    // Bodies are fetched for the page alone.
    sql.push(
        ") p CROSS JOIN ver v WHERE v.shard = p.shard AND v.rid = p.rid AND v.ver = p.ver \
         ORDER BY p.rid",
    );
    sql
}

/// The number of all matches.
pub(crate) fn count(scope: &Scope, search: &Search, ty: i64, numbers: &Numbers) -> Sql<'static> {
    let mut sql = Sql::varied("SELECT COUNT(DISTINCT r.rid) FROM ");
    let lead = Lead::of(scope, search);
    lead.push_from(&mut sql);
    lead.push_where(&mut sql, scope, search, ty, numbers);
    sql
}

/// What finds the rows.
enum Lead<'s> {
    /// A patient's compartment.
    Compartment(&'s str),
    /// One value of this clause.
    One(usize, &'s Criterion, &'static str),
    /// Some values of this clause.
    Some(usize),
    /// Nothing: all of the type.
    Type,
}

impl<'s> Lead<'s> {
    fn of(scope: &'s Scope, search: &'s Search) -> Lead<'s> {
        if let Reach::Compartment { patient, .. } = scope.reach() {
            return Lead::Compartment(patient);
        }
        let clauses = search.clauses.iter().enumerate();
        let best = clauses
            .filter_map(|(at, clause)| Some((rank(clause)?, at, clause)))
            .min_by_key(|(rank, at, _)| (*rank, *at));
        let Some((_, at, clause)) = best else {
            return Lead::Type;
        };
        match clause.criteria.as_slice() {
            [criterion] if is_one(criterion) => {
                match criteria::table(&search.ty, &clause.code, criterion) {
                    Some(table) => Lead::One(at, criterion, table),
                    None => Lead::Some(at),
                }
            }
            _ => Lead::Some(at),
        }
    }

    /// Whether the rows come in the order of `i.rid` by themselves.
    fn streams(&self) -> bool {
        matches!(self, Lead::Compartment(_) | Lead::One(..))
    }

    /// CROSS JOIN, which SQLite takes in the order it is written in; PostgreSQL chooses its own.
    fn push_from(&self, sql: &mut Sql<'static>) {
        match self {
            Lead::Compartment(_) => {
                sql.push("compartment i CROSS JOIN res r");
            }
            Lead::One(_, _, table) => {
                sql.push(table).push(" CROSS JOIN res r");
            }
            Lead::Some(_) | Lead::Type => {
                sql.push("res r");
            }
        }
    }

    fn push_where(
        &self,
        sql: &mut Sql<'static>,
        scope: &Scope,
        search: &Search,
        ty: i64,
        numbers: &Numbers,
    ) {
        sql.push(" WHERE ");
        let lead = match self {
            Lead::Compartment(patient) => {
                sql.push("i.patient = ").bind((*patient).to_string());
                sql.push(" AND r.shard = i.shard AND r.rid = i.rid AND ");
                None
            }
            Lead::One(at, criterion, _) => {
                let code = search.clauses.get(*at).map_or("", |clause| &clause.code);
                criteria::push(sql, numbers.parameter(&search.ty, code), criterion, numbers);
                sql.push(" AND r.shard = i.shard AND r.rid = i.rid AND ");
                Some(*at)
            }
            Lead::Some(at) => {
                if let Some(clause) = search.clauses.get(*at) {
                    push_in(sql, search, ty, clause, numbers);
                    sql.push(" AND ");
                }
                Some(*at)
            }
            Lead::Type => None,
        };
        sql.push("r.ty = ").bind(ty).push(" AND r.del = 0");
        facts::push_scope(sql, scope);
        for (at, clause) in search.clauses.iter().enumerate() {
            if Some(at) != lead {
                sql.push(" AND ");
                push_filter(sql, search, clause, numbers);
            }
        }
    }
}

/// How few rows a clause is likely to leave; `None` if it cannot find rows by itself.
fn rank(clause: &Clause) -> Option<u8> {
    if clause.negated {
        return None;
    }
    let ranks = clause.criteria.iter().map(|criterion| match criterion {
        Criterion::Id(_) => Some(0),
        Criterion::Token { code: Some(_), .. } if clause.code == "identifier" => Some(1),
        Criterion::Reference { .. } => Some(2),
        Criterion::StringExact(_) => Some(3),
        Criterion::StringStarts(text) if !text.is_empty() => Some(4),
        Criterion::Uri(_) => Some(5),
        Criterion::Token { code: Some(_), .. } => Some(6),
        Criterion::Quantity { .. } => Some(7),
        Criterion::Date { .. } => Some(8),
        // These find most of the type, or have no closed range: the type's own order is better.
        Criterion::Token { code: None, .. }
        | Criterion::StringStarts(_)
        | Criterion::StringContains(_)
        | Criterion::LastUpdated(_)
        | Criterion::Missing(_) => None,
    });
    let ranks: Option<Vec<u8>> = ranks.collect();
    ranks?.into_iter().max()
}

/// Whether its rows stand together in the order of `rid`, so that a page can stop early.
fn is_one(criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Token { code, .. } => code.is_some(),
        Criterion::Reference { targets } => targets.len() == 1,
        Criterion::Uri(_) => true,
        _ => false,
    }
}

/// The clause as the rows that it finds.
fn push_in(sql: &mut Sql<'static>, search: &Search, ty: i64, clause: &Clause, numbers: &Numbers) {
    let param = numbers.parameter(&search.ty, &clause.code);
    sql.push("(r.shard, r.rid) IN (");
    for (number, criterion) in clause.criteria.iter().enumerate() {
        sql.push(if number == 0 { "" } else { " UNION ALL " });
        match (
            criteria::table(&search.ty, &clause.code, criterion),
            criterion,
        ) {
            (Some(table), _) => {
                sql.push("SELECT i.shard, i.rid FROM ")
                    .push(table)
                    .push(" WHERE ");
                criteria::push(sql, param, criterion, numbers);
            }
            (None, Criterion::Id(id)) => {
                // No id holds a NUL, and PostgreSQL does not take one.
                let id = id.replace('\0', " ");
                sql.push("SELECT i.shard, i.rid FROM place i WHERE i.ty = ")
                    .bind(ty)
                    .push(" AND i.id = ")
                    .bind(id);
            }
            (None, _) => {
                sql.push("SELECT i.shard, i.rid FROM place i WHERE 1 = 0");
            }
        }
    }
    sql.push(")");
}

/// The clause as a question to the row at hand.
fn push_filter(sql: &mut Sql<'static>, search: &Search, clause: &Clause, numbers: &Numbers) {
    let param = numbers.parameter(&search.ty, &clause.code);
    sql.push(if clause.negated { "NOT (" } else { "(" });
    for (number, criterion) in clause.criteria.iter().enumerate() {
        sql.push(if number == 0 { "" } else { " OR " });
        match criteria::table(&search.ty, &clause.code, criterion) {
            None => criteria::push_own(sql, criterion),
            Some(table) if is_asked_by_row(table, criterion) => {
                let missing = matches!(criterion, Criterion::Missing(true));
                sql.push(if missing { "NOT EXISTS (" } else { "EXISTS (" });
                sql.push("SELECT 1 FROM ").push(table).push(" WHERE ");
                criteria::push(sql, param, criterion, numbers);
                sql.push(" AND i.rid = r.rid AND i.shard = r.shard)");
            }
            Some(table) => {
                let missing = matches!(criterion, Criterion::Missing(true));
                sql.push("(r.shard, r.rid) ");
                sql.push(if missing { "NOT IN (" } else { "IN (" });
                sql.push("SELECT i.shard, i.rid FROM ")
                    .push(table)
                    .push(" WHERE ");
                criteria::push(sql, param, criterion, numbers);
                sql.push(")");
            }
        }
    }
    sql.push(")");
}

/// Whether the table can be asked of one row cheaply: by its key up to `rid`, or by its index on
/// `rid`.
fn is_asked_by_row(table: &str, criterion: &Criterion) -> bool {
    matches!(table, "ix_string i" | "ix_date i" | "ix_quantity i")
        || matches!(
            criterion,
            Criterion::Token { code: Some(_), .. }
                | Criterion::Reference { .. }
                | Criterion::Uri(_)
        )
}
