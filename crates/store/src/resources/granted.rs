//! What an app was granted (SMART scopes), as a condition on rows. It stands beside what the scope
//! itself demands, so it can only take away.

use access::Scope;
use access::oauth::{Only, Rule};
use fhir::json::Json;
use fhir::search::{Value, extract};

use super::facts::Facts;
use super::index::key;
use crate::sql::Sql;
use crate::words;

/// Adds the condition on a row of `res` by that name; nothing without an app.
pub(super) fn push(sql: &mut Sql<'_>, scope: &Scope, row: &'static str) {
    let Some(rules) = scope.granted_rows() else {
        return;
    };
    let rules: Vec<&Rule> = rules.collect();
    let shows_all = |rule: &&Rule| rule.ty.is_none() && is_unbound(rule);
    if rules.iter().any(shows_all) {
        return;
    }
    sql.push(" AND (1 = 0");
    for rule in rules {
        sql.push(" OR (1 = 1");
        if let Some(ty) = &rule.ty {
            sql.push(" AND ").push(row).push(".ty IN (");
            push_word(sql, ty.clone());
            sql.push(")");
        }
        if let Some(patient) = &rule.patient {
            sql.push(" AND EXISTS (SELECT 1 FROM compartment gc WHERE gc.patient = ")
                .bind(patient.clone());
            sql.push(" AND gc.rid = ").push(row).push(".rid");
            sql.push(" AND gc.shard = ").push(row).push(".shard)");
        }
        for only in &rule.only {
            push_only(sql, rule.ty.as_deref().unwrap_or_default(), only, row);
        }
        sql.push(")");
    }
    sql.push(")");
}

fn push_only(sql: &mut Sql<'_>, ty: &str, only: &Only, row: &'static str) {
    sql.push(" AND EXISTS (SELECT 1 FROM ix_token gi WHERE gi.param IN (");
    push_word(
        sql,
        words::parameter(&mut String::new(), ty, &only.parameter).to_string(),
    );
    sql.push(") AND gi.rid = ").push(row).push(".rid");
    sql.push(" AND gi.shard = ")
        .push(row)
        .push(".shard AND (1 = 0");
    for value in &only.any_of {
        sql.push(" OR (gi.code = ")
            .bind(key(&value.code).into_owned());
        if let Some(system) = &value.system {
            sql.push(" AND gi.system IN (");
            push_word(sql, system.clone());
            sql.push(")");
        }
        sql.push(")");
    }
    sql.push("))");
}

/// The number of a word; of none while no row has it.
fn push_word(sql: &mut Sql<'_>, word: String) {
    sql.push("SELECT gw.id FROM word gw WHERE gw.text = ")
        .bind(word);
}

fn is_unbound(rule: &Rule) -> bool {
    rule.patient.is_none() && rule.only.is_empty()
}

/// Whether the rule shows a resource whatever it says.
pub(super) fn is_whole(rule: &Rule, facts: &Facts, ty: &str) -> bool {
    let patient = match &rule.patient {
        Some(patient) => !facts.deleted && facts.patients().any(|id| id == patient),
        None => true,
    };
    patient && rule.only.is_empty() && rule.is_of(ty)
}

/// Whether the rule shows a version, by what it says itself.
pub(super) fn fits(rule: &Rule, ty: &str, patients: &[String], resource: &Json<'_>) -> bool {
    if !rule.is_of(ty) {
        return false;
    }
    let theirs = rule.patient.as_ref();
    if theirs.is_some_and(|patient| !patients.contains(patient)) {
        return false;
    }
    if rule.only.is_empty() {
        return true;
    }
    let entries = extract(ty, resource);
    rule.only.iter().all(|only| {
        let mut entries = entries.iter();
        entries.any(|entry| {
            let Value::Token { system, code } = &entry.value else {
                return false;
            };
            entry.code == only.parameter
                && only.any_of.iter().any(|value| {
                    let asked = value.system.is_none() || value.system == *system;
                    asked && value.code == *code
                })
        })
    })
}
