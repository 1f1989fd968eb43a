//! What the pages ask of these rows.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::reach::staff;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list.
const LISTED_MAX: i64 = 50;

/// A pack that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DowntimePack {
    pub id: String,
    pub made_at: Millis,
    pub made_by: String,
    pub patients: i64,
    pub left_out: String,
}

/// What somebody did with a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DowntimeEvent {
    pub at: Millis,
    pub kind: String,
    pub pack: String,
    pub who: String,
    pub note: String,
}

impl Store {
    /// The pack that was written last.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff; those of the database.
    pub async fn last_downtime_pack(&self, scope: &Scope) -> Result<Option<DowntimePack>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT id, made_at, made_by, patients, left_out FROM downtime_pack \
             ORDER BY made_at DESC, id DESC LIMIT 1",
        );
        let pack = |row: &Row| {
            Ok(DowntimePack {
                id: row.text(0)?.to_string(),
                made_at: row.int(1)?,
                made_by: row.text(2)?.to_string(),
                patients: row.int(3)?,
                left_out: row.text(4)?.to_string(),
            })
        };
        self.rows(&sql).await?.first().map(pack).transpose()
    }

    /// What people did with packs, the newest first; and whether there is more.
    ///
    /// # Errors
    /// As `last_downtime_pack`.
    pub async fn downtime_events(
        &self,
        scope: &Scope,
    ) -> Result<(Vec<DowntimeEvent>, bool), Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT at, kind, pack, who, note FROM downtime_event ORDER BY number DESC LIMIT $1",
        );
        let rows = self.rows(&sql.with(LISTED_MAX + 1)).await?;
        let limit = usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
        let event = |row: &Row| {
            Ok(DowntimeEvent {
                at: row.int(0)?,
                kind: row.text(1)?.to_string(),
                pack: row.text(2)?.to_string(),
                who: row.text(3)?.to_string(),
                note: row.text(4)?.to_string(),
            })
        };
        let events: Result<Vec<DowntimeEvent>, Problem> =
            rows.iter().take(limit).map(event).collect();
        Ok((events?, rows.len() > limit))
    }

    /// What a bar code stands for: form and patient.
    ///
    /// # Errors
    /// As `last_downtime_pack`.
    pub async fn downtime_code(
        &self,
        scope: &Scope,
        code: &str,
    ) -> Result<Option<(String, String)>, Problem> {
        staff(scope)?;
        let sql = Sql::new("SELECT form, patient FROM downtime_code WHERE code = $1").with(code);
        let of = |row: &Row| Ok((row.text(0)?.to_string(), row.text(1)?.to_string()));
        self.rows(&sql).await?.first().map(of).transpose()
    }
}
