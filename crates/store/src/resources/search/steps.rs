//! Chains: from the row to what it refers to, and from the row to what refers to it. A step goes
//! either way: from what the inner conditions find to the rows (`found`), or from the row at hand to
//! the inner conditions (`asked`). What lies at the other end is under the same scope, so that a
//! chain tells nothing of what cannot be read.

use fhir::search::Clause;

use super::compile::{Level, Making, push_asked, push_where};
use super::lead::Lead;
use crate::sql::Sql;

/// Rows that refer, by the parameter of that number, to what the inner clause finds.
pub(super) fn push_chain_found(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    param: i64,
    (ty, clause): (&str, &Clause),
) {
    let inner = level.within(ty, std::slice::from_ref(clause));
    let lead = Lead::of(making, &inner);
    sql.push("SELECT x.shard, x.rid FROM ");
    lead.push_from(sql, making, &inner);
    sql.push(" CROSS JOIN ix_reference x");
    push_where(sql, making, &inner, &lead);
    sql.push(" AND x.param = ").bind(param);
    push_target_is(sql, making, ty, inner.row());
}

/// The row at hand refers to such a resource.
pub(super) fn push_chain_asked(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    param: i64,
    (ty, clause): (&str, &Clause),
) {
    let inner = level.within(ty, std::slice::from_ref(clause));
    let (row, other) = (level.row(), inner.row());
    sql.push("EXISTS (SELECT 1 FROM ix_reference x CROSS JOIN place p CROSS JOIN res ");
    sql.push(other)
        .push(" WHERE x.rid = ")
        .push(row)
        .push(".rid");
    sql.push(" AND x.shard = ").push(row).push(".shard");
    sql.push(" AND x.param = ").bind(param);
    push_place(sql, making, ty);
    push_at_place(sql, other);
    sql.push(" AND ");
    push_asked(sql, making, &inner);
    sql.push(")");
}

/// Rows to which what the inner clause finds refers.
pub(super) fn push_has_found(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    (ty, reference, clause): (&str, &str, &Clause),
) {
    let inner = level.within(ty, std::slice::from_ref(clause));
    let lead = Lead::of(making, &inner);
    let other = inner.row();
    sql.push("SELECT p.shard, p.rid FROM ");
    lead.push_from(sql, making, &inner);
    sql.push(" CROSS JOIN ix_reference x CROSS JOIN place p");
    push_where(sql, making, &inner, &lead);
    sql.push(" AND x.rid = ").push(other).push(".rid");
    sql.push(" AND x.shard = ").push(other).push(".shard");
    sql.push(" AND x.param = ");
    sql.bind(making.numbers.parameter(ty, reference));
    push_place(sql, making, level.ty);
}

/// Such a resource refers to the row at hand.
pub(super) fn push_has_asked(
    sql: &mut Sql<'static>,
    making: &Making<'_>,
    level: &Level<'_>,
    (ty, reference, clause): (&str, &str, &Clause),
) {
    let inner = level.within(ty, std::slice::from_ref(clause));
    let other = inner.row();
    sql.push("EXISTS (SELECT 1 FROM ix_reference x CROSS JOIN res ");
    sql.push(other).push(" WHERE x.param = ");
    sql.bind(making.numbers.parameter(ty, reference));
    push_target_is(sql, making, level.ty, level.row());
    sql.push(" AND ").push(other).push(".shard = x.shard AND ");
    sql.push(other).push(".rid = x.rid AND ");
    push_asked(sql, making, &inner.keyed("x"));
    sql.push(")");
}

/// `x` refers to the resource of that row: relatively, or by our own full address.
fn push_target_is(sql: &mut Sql<'static>, making: &Making<'_>, ty: &str, row: &'static str) {
    let [relative, absolute] = prefixes(making, ty);
    sql.push(" AND x.target IN (").bind(relative).push(" || ");
    sql.push(row).push(".id, ").bind(absolute).push(" || ");
    sql.push(row).push(".id)");
}

/// `p` is the place of the resource that `x` refers to.
fn push_place(sql: &mut Sql<'static>, making: &Making<'_>, ty: &str) {
    let [relative, absolute] = prefixes(making, ty);
    sql.push(" AND p.ty = ").bind(making.numbers.word(ty));
    sql.push(" AND p.id IN (replace(x.target, ");
    sql.bind(relative.clone()).push(", ''), replace(x.target, ");
    sql.bind(absolute.clone()).push(", ''))");
    // What is replaced must have stood at the start.
    sql.push(" AND x.target IN (")
        .bind(relative)
        .push(" || p.id, ");
    sql.bind(absolute).push(" || p.id)");
}

fn push_at_place(sql: &mut Sql<'static>, row: &'static str) {
    sql.push(" AND ").push(row).push(".shard = p.shard AND ");
    sql.push(row).push(".rid = p.rid");
}

fn prefixes(making: &Making<'_>, ty: &str) -> [String; 2] {
    let base_url = making.base_url.trim_end_matches('/');
    let relative = format!("{ty}/");
    match base_url {
        "" => [relative.clone(), relative],
        base_url => [relative, format!("{base_url}/{ty}/")],
    }
}
