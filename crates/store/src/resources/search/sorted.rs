//! A page in an order that was asked for.
//!
//! Few results are found first and put in order afterwards (`few`). Where they are many and there is
//! one key whose index can be asked by row, the index itself is walked in order and each row is
//! asked whether it matches (`walk`); those without a value follow (`rest`).

use fhir::search::{ParameterKind, Search, Sort};

use super::compile::{COUNT_MAX, Level, Making, push_asked, push_where};
use super::cursor::Cursor;
use super::lead::{Lead, SMALL_MAX, candidates};
use crate::sql::Sql;

/// The names of the columns that results are sorted by; as many as there can be keys.
const KEYS: [&str; 16] = [
    "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12", "k13", "k14",
    "k15",
];

/// Columns before those: see `Rows`.
pub(crate) const FIRST_KEY: usize = 8;

/// Where the values of a key stand: the table and the column.
fn column(kind: ParameterKind) -> (&'static str, &'static str) {
    match kind {
        ParameterKind::String => ("ix_string", "value"),
        ParameterKind::Reference => ("ix_reference", "target"),
        ParameterKind::Date => ("ix_date", "low"),
        ParameterKind::Number | ParameterKind::Quantity => ("ix_quantity", "low"),
        ParameterKind::Uri => ("ix_uri", "value"),
        ParameterKind::Token | ParameterKind::Composite | ParameterKind::Special => {
            ("ix_token", "code")
        }
    }
}

/// Whether the values of one row can be looked up by its `rid`.
fn by_row(kind: ParameterKind) -> bool {
    !matches!(kind, ParameterKind::Token | ParameterKind::Uri)
}

/// The only key, if its index can be walked in order. A patient's own results are few in any case.
fn walked_key<'s>(making: &Making<'_>, search: &'s Search) -> Option<&'s Sort> {
    let [key] = search.sort.as_slice() else {
        return None;
    };
    let in_order = key.kind.is_none_or(by_row);
    (in_order && super::compile::scope_patient(making.scope).is_none()).then_some(key)
}

/// Whether the results are better found by walking an index in order than put in order.
pub(crate) fn is_walked(making: &Making<'_>, search: &Search) -> bool {
    let level = Level::of(search);
    let found = candidates(making, &level).into_iter().map(|(size, _)| size);
    let few = found.min().is_some_and(|size| size <= SMALL_MAX / 4);
    !few && walked_key(making, search).is_some()
}

/// From so many results on the index is walked first, though they are few enough to be put in order.
const WALKED_FIRST: u64 = 500;

/// Steps of SQLite that such a walk may take for each result that putting them in order would fetch: less than it
/// takes to fetch one.
const STEPS_A_RESULT: u64 = 25;

/// How many steps the index is walked for before the results are put in order; `None` if that is quicker in any case.
pub(crate) fn steps_of_walk(making: &Making<'_>, search: &Search) -> Option<i32> {
    walked_key(making, search)?.kind?;
    let known = making.sizes.iter().copied().flatten().min()?;
    let steps = known.saturating_mul(STEPS_A_RESULT);
    let steps = i32::try_from(steps).ok()?;
    (known >= WALKED_FIRST).then_some(steps)
}

/// All that matches, put in order.
pub(crate) fn few(making: &Making<'_>, search: &Search, after: Option<&Cursor>) -> Sql<'static> {
    let level = Level::of(search);
    let mut sql = Sql::new(making.rows.columns());
    for (_, name) in search.sort.iter().zip(KEYS) {
        sql.push(", p.").push(name);
    }
    sql.push(" FROM (SELECT q.* FROM (SELECT r.shard, r.rid, r.id, r.ver, r.ts, r.patients, r.ty");
    for (key, name) in search.sort.iter().zip(KEYS) {
        sql.push(", ");
        push_key(&mut sql, making, search, key, name);
        sql.push(" AS ").push(name);
    }
    sql.push(" FROM ");
    let lead = Lead::of(making, &level);
    lead.push_from(&mut sql, making, &level);
    for (key, name) in search.sort.iter().zip(KEYS) {
        push_join(&mut sql, making, search, key, name);
    }
    push_where(&mut sql, making, &level, &lead);
    sql.push(") q WHERE 1 = 1");
    if let Some(after) = after {
        push_after(&mut sql, &search.sort, after);
    }
    push_order(&mut sql, &search.sort, "q");
    push_limit(&mut sql, search);
    sql.push(making.rows.end());
    push_order(&mut sql, &search.sort, "p");
    sql
}

/// The value of a key for the row `r`: its lowest, or its highest where it descends.
fn push_key(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    search: &Search,
    key: &Sort,
    name: &'static str,
) {
    match (key.kind, key.code.as_str()) {
        (None, "_id") => {
            sql.push("r.id");
        }
        (None, _) => {
            sql.push("r.ts");
        }
        (Some(kind), _) if by_row(kind) => {
            let (table, column) = column(kind);
            let param = making.numbers.parameter(&search.ty, &key.code);
            sql.push(if key.descending {
                "(SELECT MAX(s."
            } else {
                "(SELECT MIN(s."
            });
            sql.push(column).push(") FROM ").push(table);
            sql.push(" s WHERE s.rid = r.rid AND s.param = ")
                .bind(param);
            sql.push(" AND s.shard = r.shard)");
        }
        (Some(_), _) => {
            sql.push("j").push(name).push(".k");
        }
    }
}

/// Values that cannot be looked up by row are gathered once.
fn push_join(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    search: &Search,
    key: &Sort,
    name: &'static str,
) {
    let Some(kind) = key.kind.filter(|kind| !by_row(*kind)) else {
        return;
    };
    let (table, column) = column(kind);
    let param = making.numbers.parameter(&search.ty, &key.code);
    sql.push(" LEFT JOIN (SELECT s.rid, s.shard, ");
    sql.push(if key.descending { "MAX(s." } else { "MIN(s." });
    sql.push(column).push(") AS k FROM ").push(table);
    sql.push(" s WHERE s.param = ").bind(param);
    sql.push(" GROUP BY s.rid, s.shard) j").push(name);
    sql.push(" ON j").push(name).push(".rid = r.rid AND j");
    sql.push(name).push(".shard = r.shard");
}

/// Behind the cursor: later by the first key, or alike in it and later by the next, and so on.
fn push_after(sql: &mut Sql<'static>, sort: &[Sort], after: &Cursor) {
    sql.push(" AND (");
    for (number, ((key, value), name)) in sort.iter().zip(&after.keys).zip(KEYS).enumerate() {
        if let Some(value) = value {
            sql.push(if number == 0 { "" } else { " AND (" });
            sql.push("q.").push(name);
            sql.push(if key.descending { " < " } else { " > " });
            sql.bind(value.clone());
            sql.push(" OR q.").push(name).push(" IS NULL");
            sql.push(" OR (q.")
                .push(name)
                .push(" = ")
                .bind(value.clone());
        } else {
            sql.push(if number == 0 { "" } else { " AND (" });
            sql.push("(q.").push(name).push(" IS NULL");
        }
    }
    sql.push(" AND q.rid > ").bind(after.rid);
    for _ in sort {
        sql.push("))");
    }
}

fn push_order(sql: &mut Sql<'static>, sort: &[Sort], row: &'static str) {
    sql.push(" ORDER BY ");
    for (key, name) in sort.iter().zip(KEYS) {
        sql.push("(")
            .push(row)
            .push(".")
            .push(name)
            .push(" IS NULL), ");
        sql.push(row).push(".").push(name);
        sql.push(if key.descending { " DESC, " } else { ", " });
    }
    sql.push(row).push(".rid");
}

fn push_limit(sql: &mut Sql<'static>, search: &Search) {
    sql.push(" LIMIT ");
    sql.bind(i64::from(search.count.min(COUNT_MAX)) + 1);
}

/// The rows in the order of the only key's index.
pub(crate) fn walk(
    making: &Making<'_>,
    search: &Search,
    after: Option<&Cursor>,
) -> Option<Sql<'static>> {
    let key = search.sort.first()?;
    let mut level = Level::of(search);
    let (from, value) = match (key.kind, key.code.as_str()) {
        (None, "_id") => ("res r", "r.id"),
        (None, _) => ("res r", "r.ts"),
        (Some(kind), _) => match column(kind).0 {
            "ix_string" => ("ix_string s CROSS JOIN res r", "s.value"),
            "ix_reference" => ("ix_reference s CROSS JOIN res r", "s.target"),
            "ix_date" => ("ix_date s CROSS JOIN res r", "s.low"),
            _ => ("ix_quantity s CROSS JOIN res r", "s.low"),
        },
    };
    let rid = if key.kind.is_some() { "s.rid" } else { "r.rid" };
    let mut sql = Sql::new(making.rows.columns());
    sql.push(", p.k0 FROM (SELECT r.shard, r.rid, r.id, r.ver, r.ts, r.patients, r.ty, ");
    sql.push(value)
        .push(" AS k0 FROM ")
        .push(from)
        .push(" WHERE ");
    let indexed = key
        .kind
        .map(|kind| (kind, making.numbers.parameter(&search.ty, &key.code)));
    if let Some((_, param)) = indexed {
        sql.push("s.param = ").bind(param);
        sql.push(" AND r.shard = s.shard AND r.rid = s.rid AND ");
        // Conditions are asked of the index's row, before the resource's is fetched.
        level = level.keyed("s");
    }
    if let Some(after) = after {
        let at = after.keys.first().cloned().flatten()?;
        sql.push(value)
            .push(if key.descending { " <= " } else { " >= " });
        sql.bind(at.clone()).push(" AND (").push(value);
        sql.push(if key.descending { " < " } else { " > " });
        sql.bind(at)
            .push(" OR ")
            .push(rid)
            .push(" > ")
            .bind(after.rid);
        sql.push(") AND ");
    }
    push_asked(&mut sql, making, &level);
    if let Some((kind, param)) = indexed {
        push_first(&mut sql, kind, key.descending, param);
    }
    sql.push(" ORDER BY ").push(value);
    sql.push(if key.descending { " DESC, " } else { ", " })
        .push(rid);
    push_limit(&mut sql, search);
    sql.push(making.rows.end());
    sql.push(" ORDER BY p.k0");
    sql.push(if key.descending {
        " DESC, p.rid"
    } else {
        ", p.rid"
    });
    Some(sql)
}

/// Of a resource's values only the first in the order counts.
fn push_first(sql: &mut Sql<'static>, kind: ParameterKind, descending: bool, param: i64) {
    let (table, column) = column(kind);
    sql.push(" AND NOT EXISTS (SELECT 1 FROM ").push(table);
    sql.push(" o WHERE o.rid = s.rid AND o.param = ")
        .bind(param);
    sql.push(" AND o.shard = s.shard AND o.").push(column);
    sql.push(if descending { " > s." } else { " < s." })
        .push(column);
    sql.push(")");
}

/// The rows without a value for the only key, in the order of making.
pub(crate) fn rest(
    making: &Making<'_>,
    search: &Search,
    after: Option<i64>,
) -> Option<Sql<'static>> {
    let key = search.sort.first()?;
    let (table, _) = column(key.kind?);
    let level = Level::of(search);
    let mut sql = Sql::new(making.rows.columns());
    sql.push(
        ", NULL FROM (SELECT r.shard, r.rid, r.id, r.ver, r.ts, r.patients, r.ty FROM res r WHERE ",
    );
    push_asked(&mut sql, making, &level);
    sql.push(" AND NOT EXISTS (SELECT 1 FROM ").push(table);
    sql.push(" s WHERE s.rid = r.rid AND s.param = ");
    sql.bind(making.numbers.parameter(&search.ty, &key.code));
    sql.push(" AND s.shard = r.shard)");
    if let Some(after) = after {
        sql.push(" AND r.rid > ").bind(after);
    }
    sql.push(" ORDER BY r.rid");
    push_limit(&mut sql, search);
    sql.push(making.rows.end());
    sql.push(" ORDER BY p.rid");
    Some(sql)
}
