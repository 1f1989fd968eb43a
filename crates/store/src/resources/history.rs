//! The versions of one resource.

use access::{Interaction, Outcome, Scope, Target};
use fhir::date::Millis;
use fhir::problem::Problem;

use super::facts::{self, Facts};
use super::read::{reading, version_within};
use super::{Reading, Version};
use crate::sql::Sql;
use crate::store::Store;

/// Versions in one answer at most.
const COUNT_MAX: u32 = 1000;

/// One line of a resource's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    Version(Version),
    Deletion { version: u64, at: Millis },
}

const HISTORY: &str = "SELECT r.shard, r.rid, r.ver, r.ts, r.del, r.org, r.patients, \
     r.release_at, v.ver, v.ts, v.del, v.splice, v.body FROM place p \
     JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
     JOIN ver v ON v.shard = r.shard AND v.rid = r.rid \
     WHERE p.ty = $1 AND p.id = $2";

impl Store {
    /// The versions of a resource, the newest first, at most `count` and never more than 1000
    /// (<https://hl7.org/fhir/R4/http.html#history>). Empty if it is absent or beyond the scope.
    ///
    /// # Errors
    /// As `read`.
    pub async fn history(
        &self,
        scope: &Scope,
        ty: &str,
        id: &str,
        count: u32,
    ) -> Result<Vec<Past>, Problem> {
        self.may_look(scope)?;
        let target = Target {
            ty: ty.to_string().into(),
            id: Some(id.to_string()),
            ..Target::default()
        };
        let action = Interaction::HistoryInstance;
        let number = self.word(ty).await?;
        let mut sql = Sql::new(HISTORY).with(number).with(id.to_string());
        facts::push_scope(&mut sql, scope);
        sql.push(" ORDER BY v.ver DESC LIMIT ")
            .bind(count.clamp(1, COUNT_MAX));
        let rows = self.rows_apart(sql).await?;
        let Some(first) = rows.first() else {
            self.nothing(scope, action, target).await?;
            return Ok(Vec::new());
        };
        let facts = Facts::from_row(first)?;
        let mut past = Vec::with_capacity(rows.len());
        for row in &rows {
            let reading = reading(ty, id, row)?;
            if version_within(scope, &reading)? {
                past.extend(Past::of(reading));
            }
        }
        let lines = facts::traced(scope, action, Outcome::Success, &target, &facts);
        self.traced(lines).await?;
        Ok(past)
    }
}

impl Past {
    fn of(reading: Reading) -> Option<Past> {
        match reading {
            Reading::Found(version) => Some(Past::Version(version)),
            Reading::Deleted { version, at } => Some(Past::Deletion { version, at }),
            Reading::Absent => None,
        }
    }
}
