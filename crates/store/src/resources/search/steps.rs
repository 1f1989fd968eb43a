//! Chains: from the row to what it refers to, and from the row to what refers to it. A step goes
//! either way: from what the inner conditions find to the rows (`found`), or from the row at hand to
//! the inner conditions (`asked`). What lies at the other end is under the same scope, so that a
//! chain tells nothing of what cannot be read.

use fhir::search::{ALL_TYPES, Clause};

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
    sql.push(" CROSS JOIN ix_reference x");
    sql.push(match level.ty {
        ALL_TYPES => " CROSS JOIN word w CROSS JOIN place p",
        _ => " CROSS JOIN place p",
    });
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
    sql.push("EXISTS (SELECT 1 FROM ");
    if level.ty == ALL_TYPES {
        sql.push("word w CROSS JOIN ");
    }
    sql.push("ix_reference x CROSS JOIN res ");
    sql.push(other).push(" WHERE x.param = ");
    sql.bind(making.numbers.parameter(ty, reference));
    match level.ty {
        ALL_TYPES => {
            sql.push(" AND w.id = ").push(level.row()).push(".ty");
            push_target_of_type(sql, making, level.row());
        }
        ty => push_target_is(sql, making, ty, level.row()),
    }
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

/// The same where the type of the row is the word `w`.
fn push_target_of_type(sql: &mut Sql<'static>, making: &Making<'_>, row: &'static str) {
    sql.push(" AND x.target IN (w.text || '/' || ").push(row);
    sql.push(".id, ").bind(own_start(making));
    sql.push(" || w.text || '/' || ").push(row).push(".id)");
}

/// What our own full addresses start with; nothing where references are relative only.
fn own_start(making: &Making<'_>) -> String {
    match making.base_url.trim_end_matches('/') {
        "" => String::new(),
        base_url => format!("{base_url}/"),
    }
}

/// All that an id may be written with: what is left of a reference without them at its end is its
/// type, with what stands before and the slash behind it.
const OF_IDS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";

/// `p` is the place of the resource that `x` refers to, and `w` the word of its type, whichever that
/// is: both are looked up, since to try every type would cost a look each.
fn push_place_of_any(sql: &mut Sql<'static>, making: &Making<'_>) {
    sql.push(" AND w.text = rtrim(replace(rtrim(x.target, ");
    sql.bind(OF_IDS.to_string()).push("), ");
    sql.bind(own_start(making)).push(", ''), '/')");
    sql.push(" AND p.ty = w.id AND p.id = substr(x.target, length(rtrim(x.target, ");
    sql.bind(OF_IDS.to_string()).push(")) + 1)");
    push_target_of_type(sql, making, "p");
}

/// `p` is the place of the resource that `x` refers to.
fn push_place(sql: &mut Sql<'static>, making: &Making<'_>, ty: &str) {
    if ty == ALL_TYPES {
        push_place_of_any(sql, making);
        return;
    }
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
