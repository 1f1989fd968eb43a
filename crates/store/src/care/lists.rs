//! The privacy officer's list, and what a patient was told.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::Problem;

use super::ItemState;
use crate::reach::forbidden;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of a list at most.
const ROWS_MAX: i64 = 500;

/// Something that the privacy officer looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyItem {
    pub number: i64,
    /// `self-claimed`, `emergency`, `unseal` or `whereabouts`.
    pub kind: String,
    /// A Patient id.
    pub patient: String,
    pub account: i64,
    pub name: String,
    pub role: String,
    pub code: String,
    pub reason: String,
    pub at: Millis,
    pub state: ItemState,
    pub outcome: String,
    pub worked_by: String,
    pub worked_at: Option<Millis>,
}

/// What a patient was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// As a `PrivacyItem`'s.
    pub kind: String,
    pub who: String,
    pub role: String,
    /// An ODS code.
    pub organisation: String,
    pub reason: String,
    pub at: Millis,
}

impl Store {
    /// The organisation's items, those that nobody has worked first, the oldest first. Traced for
    /// each patient.
    ///
    /// # Errors
    /// `Forbidden` if the scope is none for the audit; those of the database.
    pub async fn privacy_items(&self, scope: &Scope) -> Result<Vec<PrivacyItem>, Problem> {
        let Reach::Organisation(ods) = scope.reach() else {
            return Err(forbidden());
        };
        if !scope.may_audit() {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT number, kind, patient, account, name, role, code, reason, at, state, outcome, \
             worked_by, worked_at FROM privacy_item WHERE org = $1 \
             ORDER BY CASE WHEN state IN ('confirmed', 'closed') THEN 1 ELSE 0 END, number LIMIT $2",
        );
        let rows = self
            .rows(&sql.with(ods.as_str().to_string()).with(ROWS_MAX))
            .await?;
        let items: Vec<PrivacyItem> = rows.iter().map(item).collect::<Result<_, _>>()?;
        let mut patients: Vec<_> = items
            .iter()
            .map(|item| Some(item.patient.clone()))
            .collect();
        patients.sort_unstable();
        patients.dedup();
        if patients.is_empty() {
            patients.push(None);
        }
        self.trace_list(scope, patients).await?;
        Ok(items)
    }

    /// What the patient of the scope was told, the newest first.
    ///
    /// # Errors
    /// `Forbidden` if the scope is no patient's; those of the database.
    pub async fn patient_notices(&self, scope: &Scope) -> Result<Vec<Notice>, Problem> {
        let Reach::Compartment { patient, .. } = scope.reach() else {
            return Err(forbidden());
        };
        let sql = Sql::new(
            "SELECT kind, who, role, org, reason, at FROM patient_notice WHERE patient = $1 \
             ORDER BY number DESC LIMIT $2",
        );
        let rows = self.rows(&sql.with(patient.clone()).with(ROWS_MAX)).await?;
        self.trace_list(scope, vec![Some(patient.clone())]).await?;
        rows.iter().map(notice).collect()
    }

    /// How many of a patient's resources (of one type, if one is named) are withheld from the scope,
    /// and how many of them are sealed; never one that is sealed and locked. To a stranger, to whom
    /// the patient does not exist, it is nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn withheld_of(
        &self,
        scope: &Scope,
        patient: &str,
        ty: Option<&str>,
    ) -> Result<Withheld, Problem> {
        let number = self.word("Patient").await?;
        let mut there = Sql::new(crate::resources::read::THERE)
            .with(number)
            .with(patient.to_string());
        crate::resources::facts::push_scope(&mut there, scope);
        if self.rows(&there).await?.is_empty() {
            return Ok(Withheld::default());
        }
        let ty = match ty {
            Some(ty) => Some(self.word(ty).await?),
            None => None,
        };
        let (all, all_sealed) = self.counted(scope, patient, (ty, false)).await?;
        let (seen, seen_sealed) = self.counted(scope, patient, (ty, true)).await?;
        if all.saturating_sub(seen) > all_sealed.saturating_sub(seen_sealed) {
            self.note_first_refusal(scope, patient).await?;
        }
        let some = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(Withheld {
            count: some(all.saturating_sub(seen)),
            sealed: some(all_sealed.saturating_sub(seen_sealed)),
        })
    }

    /// A patient's resources that are not locked away, and how many of them are sealed; those within
    /// the scope, or all of its organisation's.
    async fn counted(
        &self,
        scope: &Scope,
        patient: &str,
        (ty, within): (Option<i64>, bool),
    ) -> Result<(i64, i64), Problem> {
        let Reach::Organisation(ods) = scope.reach() else {
            return Ok((0, 0));
        };
        let mut sql = Sql::new(
            "SELECT COUNT(*), COALESCE(CAST(SUM(CASE WHEN r.guard = 1 THEN 1 ELSE 0 END) AS BIGINT), 0) \
             FROM compartment c CROSS JOIN res r WHERE c.patient = ",
        );
        sql.bind(patient.to_string());
        sql.push(" AND r.shard = c.shard AND r.rid = c.rid AND r.del = 0 AND r.guard <> 2");
        sql.push(" AND r.org = ").bind(ods.as_str().to_string());
        if let Some(ty) = ty {
            sql.push(" AND r.ty = ").bind(ty);
        }
        if within {
            crate::resources::facts::push_scope(&mut sql, scope);
        }
        let rows = self.rows_apart(sql).await?;
        let Some(row) = rows.first() else {
            return Ok((0, 0));
        };
        Ok((row.int(0)?, row.int(1)?))
    }

    async fn trace_list(
        &self,
        scope: &Scope,
        patients: Vec<Option<String>>,
    ) -> Result<(), Problem> {
        let line = |patient| {
            let target = Target {
                patient,
                ..Target::default()
            };
            scope.trace(Interaction::AccessLog, Outcome::Success, target)
        };
        self.traced(patients.into_iter().map(line).collect()).await
    }
}

/// What is kept from a scope that otherwise reaches a patient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Resources.
    pub count: u64,
    /// How many of them are sealed.
    pub sealed: u64,
}

fn item(row: &Row) -> Result<PrivacyItem, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(PrivacyItem {
        number: row.int(0)?,
        kind: text(1)?,
        patient: text(2)?,
        account: row.int(3)?,
        name: text(4)?,
        role: text(5)?,
        code: text(6)?,
        reason: text(7)?,
        at: row.int(8)?,
        state: ItemState::from_code(row.text(9)?).unwrap_or(ItemState::Open),
        outcome: text(10)?,
        worked_by: text(11)?,
        worked_at: row.int_opt(12)?,
    })
}

fn notice(row: &Row) -> Result<Notice, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(Notice {
        kind: text(0)?,
        who: text(1)?,
        role: text(2)?,
        organisation: text(3)?,
        reason: text(4)?,
        at: row.int(5)?,
    })
}
