//! What the store knows of a resource beside its body, and what decides who may read it.

use access::{AuditEntry, Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::json::Json;
use fhir::problem::Problem;

use super::granted;
use super::index::At;
use super::withheld;
use crate::row::Row;
use crate::sql::Sql;

/// The patients in whose compartments a resource is, each once. A Patient is in its own only: R4's
/// definition also counts those that it links to, but a link between two people's records is no
/// leave for one to read the other's.
pub(crate) fn patients(ty: &str, id: &str, resource: &Json<'_>) -> Vec<String> {
    if ty == "Patient" {
        vec![id.to_string()]
    } else {
        fhir::compartment::patients(ty, resource)
    }
}

/// The shard of a resource that is created: from its first patient, 0 if it has none; 1 to 65,535
/// otherwise. It is stored with the row and never made again, so that a later change of this
/// function, or of the patient, moves nothing.
pub(crate) fn shard(patients: &[String]) -> i64 {
    crate::shard::of_patient(patients.first().map(String::as_str))
}

/// A row of `res`.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) shard: i64,
    pub(crate) rid: i64,
    pub(crate) version: i64,
    pub(crate) at: Millis,
    pub(crate) deleted: bool,
    pub(crate) organisation: String,
    /// Ids with a blank between them.
    pub(crate) patients: String,
    pub(crate) release_at: Option<Millis>,
    /// 0 open, 1 sealed, 2 sealed and locked; 0 where `sealed` was not asked.
    pub(crate) guard: i64,
    /// Whom it is sealed to.
    pub(crate) workgroup: String,
    /// It is not shown to people who act for the patient; false where `sealed` was not asked.
    pub(crate) is_sensitive: bool,
}

impl Facts {
    /// From the columns shard, rid, ver, ts, del, org, patients, release_at.
    pub(crate) fn from_row(row: &Row) -> Result<Facts, Problem> {
        Ok(Facts {
            shard: row.int(0)?,
            rid: row.int(1)?,
            version: row.int(2)?,
            at: row.int(3)?,
            deleted: row.flag(4)?,
            organisation: row.text(5)?.to_string(),
            patients: row.text(6)?.to_string(),
            release_at: row.int_opt(7)?,
            guard: 0,
            workgroup: String::new(),
            is_sensitive: false,
        })
    }

    /// The same with what seals it, from the columns guard, workgroup and sensitive.
    pub(crate) fn sealed(mut self, row: &Row, guard: usize) -> Result<Facts, Problem> {
        self.guard = row.int(guard)?;
        self.workgroup = row.text(guard + 1)?.to_string();
        self.is_sensitive = row.flag(guard + 2)?;
        Ok(self)
    }

    pub(crate) fn is_about_several(&self) -> bool {
        self.patients.contains(' ')
    }

    /// What ends its rows in the index.
    pub(crate) fn at(&self) -> At {
        At {
            rid: self.rid,
            shard: self.shard,
        }
    }

    pub(crate) fn patients(&self) -> impl Iterator<Item = &str> {
        self.patients.split(' ').filter(|id| !id.is_empty())
    }

    /// What `reached` says, less what is withheld, as far as can be told without asking the database:
    /// `None` where relationships or preferences must be asked.
    pub(crate) fn within_at_hand(&self, scope: &Scope, ty: &str) -> Option<bool> {
        if !self.reached(scope, ty) {
            return Some(false);
        }
        let Some(withholds) = scope.withholds() else {
            return Some(true);
        };
        if self.patients().any(|it| withholds.bars(it)) {
            return Some(false);
        }
        let is_members = withholds.workgroups.contains(&self.workgroup);
        if self.guard != 0 && !is_members {
            let (opened, unsealed) = (&withholds.opened, &withholds.unsealed);
            let may_be_open = match self.guard {
                1 => !unsealed.is_empty(),
                3 => !opened.is_empty() || !unsealed.is_empty(),
                _ => false,
            };
            return if may_be_open { None } else { Some(false) };
        }
        let is_asked = self.patients.is_empty() || withholds.is_sealing_only();
        is_asked.then_some(true)
    }

    /// The same question as `push_scope`'s, asked of a row at hand. What an app sees only in part, and
    /// what rests on relationships, cannot be told from here: the answer is no, and the rows are asked.
    pub(crate) fn within(&self, scope: &Scope, ty: &str) -> bool {
        let granted = match scope.granted_rows() {
            None => true,
            Some(mut rules) => rules.any(|rule| granted::is_whole(rule, self, ty)),
        };
        granted && self.within_at_hand(scope, ty) == Some(true)
    }

    /// Whether the scope's reach holds it, whatever an app was granted or is withheld. A
    /// deleted resource is in no compartment any more.
    pub(crate) fn reached(&self, scope: &Scope, ty: &str) -> bool {
        match scope.reach() {
            Reach::Everything => true,
            Reach::Organisation(ods) => {
                let is_released = |by| self.release_at.is_some_and(|at| at <= by);
                self.organisation == ods.as_str() && scope.released_by().is_none_or(is_released)
            }
            Reach::Mailbox(_) => false,
            Reach::Compartment { patient, now } => {
                !self.deleted
                    && !scope.hides(ty)
                    && self.release_at.is_some_and(|at| at <= *now)
                    && self.patients().any(|id| id == patient)
                    && scope
                        .shows()
                        .is_none_or(|types| types.contains(&ty) && !self.is_sensitive)
            }
        }
    }
}

/// The lines of the audit log for one action: one for each patient whom it is about, or one.
pub(crate) fn traced(
    scope: &Scope,
    action: Interaction,
    outcome: Outcome,
    target: &Target,
    facts: &Facts,
) -> Vec<AuditEntry> {
    let mut lines: Vec<AuditEntry> = facts
        .patients()
        .map(|patient| {
            let target = Target {
                patient: Some(patient.to_string()),
                ..target.clone()
            };
            scope.trace(action, outcome, target)
        })
        .collect();
    if lines.is_empty() {
        lines.push(scope.trace(action, outcome, target.clone()));
    }
    lines
}

/// Adds what the scope demands of a row `r` of `res`.
pub(crate) fn push_scope(sql: &mut Sql<'_>, scope: &Scope) {
    push_scope_of(sql, scope, "r");
}

/// The same of a row by another name.
pub(crate) fn push_scope_of(sql: &mut Sql<'_>, scope: &Scope, row: &'static str) {
    granted::push(sql, scope, row);
    push_reached(sql, scope, row);
}

/// The same, whatever an app in between was granted: for changes, which are granted by type.
pub(crate) fn push_reached(sql: &mut Sql<'_>, scope: &Scope, row: &'static str) {
    match scope.reach() {
        Reach::Everything => {}
        Reach::Organisation(ods) => {
            sql.push(" AND ").push(row).push(".org = ");
            sql.bind(ods.as_str().to_string());
            if let Some(by) = scope.released_by() {
                sql.push(" AND ").push(row).push(".release_at <= ").bind(by);
            }
            if let Some(withholds) = scope.withholds() {
                withheld::push(sql, ods, withholds, row);
            }
        }
        Reach::Mailbox(_) => {
            sql.push(" AND 1 = 0");
        }
        Reach::Compartment { patient, now } => {
            sql.push(" AND ")
                .push(row)
                .push(".release_at <= ")
                .bind(*now);
            sql.push(" AND EXISTS (SELECT 1 FROM compartment c WHERE c.patient = ")
                .bind(patient.clone());
            sql.push(" AND c.rid = ").push(row).push(".rid");
            sql.push(" AND c.shard = ").push(row).push(".shard)");
            // A type that no row has yet has no number, and hides nothing.
            if let Some(ty) = scope.hidden() {
                sql.push(" AND NOT EXISTS (SELECT 1 FROM word h WHERE h.text = ")
                    .bind(ty.to_string());
                sql.push(" AND h.id = ").push(row).push(".ty)");
            }
            if let Some(types) = scope.shows() {
                push_shown(sql, types, row);
            }
        }
    }
}

/// What somebody who acts for the patient is shown: these types, and nothing with a label (P24).
fn push_shown(sql: &mut Sql<'_>, types: &[&'static str], row: &'static str) {
    sql.push(" AND ").push(row).push(".sensitive = 0 AND ");
    sql.push(row)
        .push(".ty IN (SELECT pw.id FROM word pw WHERE pw.text IN (''");
    for ty in types {
        sql.push(", ").bind(*ty);
    }
    sql.push("))");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_pinned_since_rows_are_where_it_once_said() {
        assert_eq!(shard(&[]), 0);
        assert_eq!(
            shard(&["a".to_string()]),
            shard(&["a".to_string(), "b".to_string()])
        );
        for (id, expected) in [("a", 65087), ("pat-1", 12824)] {
            assert_eq!(shard(&[id.to_string()]), expected, "{id}");
        }
    }
}
