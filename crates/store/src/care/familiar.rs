//! Whom a member of staff knows otherwise (P10): themselves, their family, their colleagues. What is
//! theirs is refused or flagged, as the organisation has set.

use std::sync::Arc;

use access::{AuditEntry, Familiar, NhsNumber, Scope, SystemPurpose};
use fhir::date::Millis;
use fhir::problem::Problem;

use super::write::{CareWrite, FamiliarKind, Told};
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

/// For how long the colleagues' own records are remembered, in milliseconds.
const REMEMBERED: Millis = 30_000;
/// Colleagues whose own record is known at most.
const COLLEAGUES_MAX: i64 = 2_000;
/// Patients known to one member of staff at most.
const KNOWN_MAX: i64 = 500;
/// A second look at the same record is on the list again after so long, in milliseconds: a day.
const AGAIN_AFTER: Millis = 24 * 3_600_000;

/// The own records of all staff here: account and Patient id.
pub(super) type Own = Arc<Vec<(i64, String)>>;

impl Store {
    /// Whom the account knows otherwise, in order: their own records, and those of family, as was
    /// told, and colleagues.
    pub(super) async fn known_to(
        &self,
        account: i64,
        now: Millis,
    ) -> Result<(Vec<String>, Vec<String>), Problem> {
        let staff = self.own_records(now).await?;
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for (of, patient) in staff.iter() {
            let list = if *of == account {
                &mut own
            } else {
                &mut others
            };
            list.push(patient.clone());
        }
        let sql = Sql::new("SELECT patient FROM care_familiar WHERE account = $1 LIMIT $2");
        for row in self.rows(&sql.with(account).with(KNOWN_MAX)).await? {
            others.push(row.text(0)?.to_string());
        }
        own.sort_unstable();
        others.sort_unstable();
        others.dedup();
        others.retain(|it| !own.contains(it));
        Ok((own, others))
    }

    /// The records of those members of staff who said which NHS number is theirs.
    async fn own_records(&self, now: Millis) -> Result<Own, Problem> {
        let memory = self.care_memory();
        if let Some(own) = memory.own_records(now, REMEMBERED) {
            return Ok(own);
        }
        let changed = memory.changed();
        let param = self.word("Patient.identifier").await?;
        let system = self.word(NhsNumber::SYSTEM).await?;
        let sql = Sql::new(
            "SELECT a.id, r.id FROM account a JOIN ix_token t ON t.param = $1 \
             AND t.code = a.own_nhs_number AND t.system = $2 \
             JOIN res r ON r.shard = t.shard AND r.rid = t.rid \
             WHERE a.own_nhs_number IS NOT NULL AND r.del = 0 LIMIT $3",
        );
        let rows = self
            .rows(&sql.with(param).with(system).with(COLLEAGUES_MAX))
            .await?;
        let mut own = Vec::with_capacity(rows.len());
        for row in &rows {
            own.push((row.int(0)?, row.text(1)?.to_string()));
        }
        let own = Arc::new(own);
        memory.keep_own_records(own.clone(), now, changed);
        Ok(own)
    }

    /// Puts looks at records of people whom the reader knows onto the privacy officer's list, each
    /// once a day.
    pub(crate) async fn tell_familiar(&self, lines: &[AuditEntry]) -> Result<(), Problem> {
        let now = self.now();
        let memory = self.care_memory();
        let (mut job, mut looks) = (Job::default(), Vec::new());
        for line in lines {
            let (Some(kind), Some(patient), Some(account)) =
                (line.familiar, &line.target.patient, line.agent.account)
            else {
                continue;
            };
            let look = (account, patient.clone());
            if looks.contains(&look) || memory.is_told(&look, now, AGAIN_AFTER) {
                continue;
            }
            looks.push(look);
            let told = Told {
                patient: patient.clone(),
                organisation: line.agent.organisation.clone().unwrap_or_default(),
                account,
                name: line.agent.name.clone(),
                role: line.agent.role.as_deref().unwrap_or_default().to_string(),
                code: String::new(),
                reason: match kind {
                    Familiar::Own => "Looked at their own record.".into(),
                    Familiar::Other => "Looked at the record of somebody whom they know.".into(),
                },
            };
            let since = now.saturating_sub(AGAIN_AFTER);
            let write = CareWrite::Familiar { kind, told, since };
            job.effects.push(Effect::Care(write));
        }
        if job.effects.is_empty() {
            return Ok(());
        }
        let scope = Scope::system(SystemPurpose::KeepFamiliar);
        self.commit(&scope, job).await?;
        // Not before: what could not be written is tried again with the next look.
        memory.note_told(looks, now);
        Ok(())
    }

    /// The patients whom the account knows, as was told, with how.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn familiar_to(&self, account: i64) -> Result<Vec<(String, FamiliarKind)>, Problem> {
        let sql = Sql::new(
            "SELECT patient, kind FROM care_familiar WHERE account = $1 ORDER BY patient LIMIT $2",
        );
        let rows = self.rows(&sql.with(account).with(KNOWN_MAX)).await?;
        let mut known = Vec::with_capacity(rows.len());
        for row in &rows {
            let kind = FamiliarKind::from_code(row.text(1)?).unwrap_or(FamiliarKind::Family);
            known.push((row.text(0)?.to_string(), kind));
        }
        Ok(known)
    }
}
