//! What the worker and the pages ask of these rows.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::write::{CURSOR, TraceState};
use crate::reach::{forbidden, own};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Where several processes write, versions of a moment may come in another order than their times say.
const SETTLED_MILLIS: Millis = 2_000;
const LISTED_MAX: u32 = 1_000;

/// A patient of whom there is a new version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPatient {
    /// A Patient id.
    pub id: String,
}

/// A patient who is to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub patient: String,
    pub identity: String,
    /// Since when.
    pub since: Millis,
    pub tries: u32,
}

/// How a patient's trace stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    pub patient: String,
    pub state: TraceState,
    pub since: Millis,
    pub tries: u32,
    pub next_try: Millis,
    pub reason: String,
    /// What PDS last said of a person, and when.
    pub said: Option<(String, Millis)>,
}

impl Store {
    /// Patients of whom there is a new version behind the last look, of the next `count` versions of
    /// anything, and up to which version that is; `None` if there is no newer version.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn new_patients(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Option<(Vec<NewPatient>, (Millis, i64))>, Problem> {
        own(scope)?;
        let [at, rid] = [
            self.pds_cursor(CURSOR[0]).await?,
            self.pds_cursor(CURSOR[1]).await?,
        ];
        let settled = if self.is_shared() { SETTLED_MILLIS } else { 0 };
        let sql = Sql::new(
            "SELECT v.ts, v.rid, r.id, w.text, r.del FROM ver v \
             JOIN res r ON r.shard = v.shard AND r.rid = v.rid JOIN word w ON w.id = r.ty \
             WHERE v.ts >= $1 AND v.ts <= $2 AND (v.ts > $1 OR v.rid > $3) \
             ORDER BY v.ts, v.rid LIMIT $4",
        );
        let upto = self.now().saturating_sub(settled);
        let rows = self
            .rows_apart(sql.with(at).with(upto).with(rid).with(count))
            .await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let upto = (last.int(0)?, last.int(1)?);
        let mut ids = Vec::new();
        for row in &rows {
            if row.text(3)? == "Patient" && row.int(4)? == 0 {
                ids.push(row.text(2)?.to_string());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let patients = ids.into_iter().map(|id| NewPatient { id }).collect();
        Ok(Some((patients, upto)))
    }

    async fn pds_cursor(&self, name: &'static str) -> Result<i64, Problem> {
        let sql = Sql::new("SELECT next FROM counter WHERE name = $1").with(name);
        let rows = self.rows(&sql).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    /// Patients who are to be asked about by now, those first who have waited longest for a try.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn pds_due(&self, scope: &Scope, count: u32) -> Result<Vec<Due>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT patient, identity, state_at, tries FROM pds_trace WHERE state = 'waiting' \
             AND next_try <= $1 ORDER BY next_try, patient LIMIT $2",
        );
        let sql = sql.with(self.now()).with(count.min(LISTED_MAX));
        let rows = self.rows_apart(sql).await?;
        let due = |row: &Row| {
            Ok(Due {
                patient: row.text(0)?.to_string(),
                identity: row.text(1)?.to_string(),
                since: row.int(2)?,
                tries: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
            })
        };
        rows.iter().map(due).collect()
    }

    /// Whether an answer is from before that time, so that it is to be asked for anew.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn pds_is_any_old(&self, scope: &Scope, before: Millis) -> Result<bool, Problem> {
        own(scope)?;
        let sql =
            Sql::new("SELECT 1 FROM pds_trace WHERE state = 'matched' AND state_at < $1 LIMIT 1");
        Ok(!self.rows(&sql.with(before)).await?.is_empty())
    }

    /// How a patient's trace stands; `None` if there never was one. The reader has been shown the Patient
    /// before; the line in the log says that this was read too.
    ///
    /// # Errors
    /// `Forbidden` if the scope is not of the organisation's people or the node's own; those of the database.
    pub async fn pds_trace(&self, scope: &Scope, patient: &str) -> Result<Option<Traced>, Problem> {
        let reaches = match scope.reach() {
            Reach::Everything | Reach::Organisation(_) => scope.may_look(),
            Reach::Compartment { .. } | Reach::Mailbox(_) => false,
        };
        if !reaches {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT patient, state, state_at, tries, next_try, reason, said, said_at \
             FROM pds_trace WHERE patient = $1",
        );
        let rows = self.rows(&sql.with(patient)).await?;
        if scope.interaction() != Interaction::System {
            let target = Target {
                patient: Some(patient.to_string()),
                query: Some("pds".into()),
                ..Target::default()
            };
            let line = scope.trace(scope.interaction(), Outcome::Success, target);
            self.traced(vec![line]).await?;
        }
        rows.first().map(traced).transpose()
    }

    /// Traces that a person must look at, oldest first: states and reasons, nothing of what PDS said.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the work list's and the node's own; those of the database.
    pub async fn pds_work_list(&self, scope: &Scope, count: u32) -> Result<Vec<Traced>, Problem> {
        if !matches!(
            scope.interaction(),
            Interaction::WorkList | Interaction::System
        ) {
            return Err(Problem::new(
                Kind::Forbidden,
                "This is part of the work list.",
            ));
        }
        let sql = Sql::new(
            "SELECT patient, state, state_at, tries, next_try, reason, '', 0 FROM pds_trace \
             WHERE state NOT IN ('matched', 'settled') AND (state <> 'waiting' OR tries > 2) \
             ORDER BY state_at, patient LIMIT $1",
        );
        let rows = self.rows_apart(sql.with(count.min(LISTED_MAX))).await?;
        rows.iter().map(traced).collect()
    }
}

fn traced(row: &Row) -> Result<Traced, Problem> {
    let said_at = row.int(7)?;
    let said = row.text(6)?.to_string();
    Ok(Traced {
        patient: row.text(0)?.to_string(),
        state: TraceState::parse(row.text(1)?)?,
        since: row.int(2)?,
        tries: u32::try_from(row.int(3)?).unwrap_or(u32::MAX),
        next_try: row.int(4)?,
        reason: row.text(5)?.to_string(),
        said: (said_at > 0).then_some((said, said_at)),
    })
}
