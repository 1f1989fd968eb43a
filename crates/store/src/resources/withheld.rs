//! What is withheld of an organisation's records, as conditions on a row of `res`: the one place
//! where sealing, relationships, preferences and openings become SQL.

use access::{Ods, Withholds};

use crate::sql::Sql;

/// Adds what of the organisation's rows is left.
pub(crate) fn push(sql: &mut Sql<'_>, ods: &Ods, withholds: &Withholds, row: &'static str) {
    push_seal(sql, withholds, row);
    push_but_seal(sql, ods, withholds, row);
}

/// The same, whatever is sealed.
pub(crate) fn push_but_seal(
    sql: &mut Sql<'_>,
    ods: &Ods,
    withholds: &Withholds,
    row: &'static str,
) {
    push_barred(sql, withholds, row);
    if withholds.is_sealing_only() {
        return;
    }
    sql.push(" AND (").push(row).push(".patients = ''");
    if !withholds.opened.is_empty() {
        sql.push(" OR ");
        push_is_one_of(sql, &withholds.opened, row);
    }
    sql.push(" OR (");
    if withholds.needs_relationship {
        push_related(sql, ods, withholds, row);
    } else {
        sql.push("1 = 1");
    }
    if withholds.has_dissents {
        sql.push(" AND NOT ");
        push_dissented(sql, ods, withholds, row);
    }
    if let Some(before) = withholds.unconfirmed_before {
        push_unconfirmed(sql, before, row);
    }
    sql.push("))");
}

/// Not what is about the reader themselves, or about somebody whom they know, where that is withheld:
/// no opening changes it.
fn push_barred(sql: &mut Sql<'_>, withholds: &Withholds, row: &'static str) {
    let knows = withholds.acquaintance.iter();
    let barred: Vec<String> = knows.flat_map(|it| it.barred().cloned()).collect();
    if !barred.is_empty() {
        sql.push(" AND NOT ");
        push_is_one_of(sql, &barred, row);
    }
}

/// What is sealed is its workgroup's; what is not locked is also theirs who unsealed the patient's, and what is sealed
/// until an emergency theirs who opened the record in one.
fn push_seal(sql: &mut Sql<'_>, withholds: &Withholds, row: &'static str) {
    sql.push(" AND (").push(row).push(".guard = 0");
    if !withholds.workgroups.is_empty() {
        sql.push(" OR ").push(row).push(".workgroup IN (");
        push_list(sql, &withholds.workgroups);
    }
    if !withholds.unsealed.is_empty() {
        sql.push(" OR (").push(row).push(".guard = 1 AND ");
        push_is_one_of(sql, &withholds.unsealed, row);
        sql.push(")");
    }
    for opened in [&withholds.opened, &withholds.unsealed] {
        if !opened.is_empty() {
            sql.push(" OR (").push(row).push(".guard = 3 AND ");
            push_is_one_of(sql, opened, row);
            sql.push(")");
        }
    }
    sql.push(")");
}

/// The row is about one of these patients.
fn push_is_one_of(sql: &mut Sql<'_>, patients: &[String], row: &'static str) {
    sql.push("(").push(row).push(".patients IN (");
    push_list(sql, patients);
    push_several(sql, row);
    sql.push(" WHERE ");
    push_same(sql, row);
    sql.push(" AND s.patient IN (");
    push_list(sql, patients);
    sql.push(")))");
}

/// Somebody whom the row is about is cared for by the account, a workgroup of theirs, or the
/// organisation.
fn push_related(sql: &mut Sql<'_>, ods: &Ods, withholds: &Withholds, row: &'static str) {
    sql.push("(EXISTS (SELECT 1 FROM care_link cl WHERE cl.patient = ");
    sql.push(row).push(".patients");
    push_live_link(sql, ods, withholds);
    sql.push(")");
    push_several(sql, row);
    sql.push(" CROSS JOIN care_link cl WHERE ");
    push_same(sql, row);
    sql.push(" AND cl.patient = s.patient");
    push_live_link(sql, ods, withholds);
    sql.push(")))");
}

fn push_live_link(sql: &mut Sql<'_>, ods: &Ods, withholds: &Withholds) {
    sql.push(" AND cl.org = ").bind(ods.as_str().to_string());
    sql.push(" AND (cl.account = ").bind(withholds.account);
    sql.push(" OR (cl.account = 0 AND (cl.workgroup = ''");
    if !withholds.workgroups.is_empty() {
        sql.push(" OR cl.workgroup IN (");
        push_list(sql, &withholds.workgroups);
    }
    sql.push("))) AND cl.starts_at <= ").bind(withholds.now);
    sql.push(" AND cl.ends_at > ").bind(withholds.now);
}

/// Somebody whom the row is about does not want the organisation to see it.
fn push_dissented(sql: &mut Sql<'_>, ods: &Ods, withholds: &Withholds, row: &'static str) {
    sql.push("(EXISTS (SELECT 1 FROM care_dissent d WHERE d.patient = ");
    sql.push(row).push(".patients");
    push_live_dissent(sql, ods, withholds, row);
    sql.push(")");
    push_several(sql, row);
    sql.push(" CROSS JOIN care_dissent d WHERE ");
    push_same(sql, row);
    sql.push(" AND d.patient = s.patient");
    push_live_dissent(sql, ods, withholds, row);
    sql.push(")))");
}

fn push_live_dissent(sql: &mut Sql<'_>, ods: &Ods, withholds: &Withholds, row: &'static str) {
    let asker = withholds.asker.as_ref().unwrap_or(ods);
    sql.push(" AND d.org = ").bind(asker.as_str().to_string());
    sql.push(" AND (d.ty = 0 OR d.ty = ").push(row).push(".ty)");
    sql.push(" AND d.starts_at <= ").bind(withholds.now);
    sql.push(" AND d.ends_at > ").bind(withholds.now);
}

/// Not what came in a parcel about a patient whose home practice may have new preferences to tell.
/// What comes in a parcel is about one patient.
fn push_unconfirmed(sql: &mut Sql<'_>, before: i64, row: &'static str) {
    sql.push(
        " AND NOT (EXISTS (SELECT 1 FROM sharing_home h JOIN sharing_link l ON l.home = h.home",
    );
    sql.push(" WHERE h.patient = ").push(row);
    sql.push(".patients AND l.confirmed_at < ").bind(before);
    sql.push(") AND EXISTS (SELECT 1 FROM parcel p WHERE p.direction = 1 AND p.patient = ");
    sql.push(row).push(".patients AND (p.document = ").push(row);
    sql.push(".id OR ' ' || COALESCE(p.binaries, '') || ' ' LIKE '% ' || ");
    sql.push(row).push(".id || ' %')))");
}

/// " or it is about more than one, of whom there is …", as far as the table of those.
fn push_several(sql: &mut Sql<'_>, row: &'static str) {
    sql.push(" OR (").push(row);
    sql.push(".patients LIKE '% %' AND EXISTS (SELECT 1 FROM res_several s");
}

fn push_same(sql: &mut Sql<'_>, row: &'static str) {
    sql.push("s.rid = ").push(row).push(".rid AND s.shard = ");
    sql.push(row).push(".shard");
}

/// The values and the bracket behind them.
fn push_list(sql: &mut Sql<'_>, values: &[String]) {
    for (number, value) in values.iter().enumerate() {
        sql.push(if number == 0 { "" } else { ", " })
            .bind(value.clone());
    }
    sql.push(")");
}
