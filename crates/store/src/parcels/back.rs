//! Letters that came back to who sent them: on a list until somebody has seen to each.

use access::{Outcome, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{ParcelDone, ParcelWrite, lists, shown};
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

/// The most that are listed.
const LISTED_MAX: u32 = 1000;

/// A letter that came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    pub pid: i64,
    /// The ODS code of who sent it back.
    pub other: String,
    pub at: Millis,
    /// Why, as they said.
    pub reason: String,
}

/// Notes that a letter of this side's came back; of anything else nothing.
pub(super) async fn note(tx: &mut Tx<'_>, pid: i64, at: Millis) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO parcel_back (pid, at, seen_at, seen_by) SELECT pid, CAST($1 AS BIGINT), 0, '' FROM parcel \
         WHERE pid = $2 AND direction = 0 AND kind = 'letter' ON CONFLICT (pid) DO NOTHING",
    );
    tx.execute(&sql.with(at).with(pid)).await.map(|_| ())
}

/// Somebody has seen to it.
pub(super) async fn seen(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    by: &str,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel_back SET seen_at = $1, seen_by = $2 WHERE pid = $3 AND seen_at = 0",
    );
    let sql = sql.with(now).with(by).with(pid);
    tx.execute(&sql).await.map(ParcelDone::Rows)
}

impl Store {
    /// Letters that came back and that nobody has seen to, the oldest first. What is locked is its workgroup's to see to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn came_back(&self, scope: &Scope, count: u32) -> Result<Vec<Back>, Problem> {
        let mut sql = Sql::new(
            "SELECT p.pid, p.recipient, b.at, COALESCE(p.reason, '') FROM parcel_back b \
             JOIN parcel p ON p.pid = b.pid",
        );
        shown::push_document(&mut sql, scope, self.document_word().await?);
        sql.push(" WHERE b.seen_at = 0");
        shown::push_unlocked(&mut sql, scope);
        sql.push(" ORDER BY b.at, b.pid LIMIT ")
            .bind(count.min(LISTED_MAX));
        let rows = self.rows_apart(sql).await?;
        rows.iter()
            .map(|row| {
                Ok(Back {
                    pid: row.int(0)?,
                    other: row.text(1)?.to_string(),
                    at: row.int(2)?,
                    reason: row.text(3)?.to_string(),
                })
            })
            .collect()
    }

    /// Takes a letter that came back off that list, in the name of who has seen to it.
    ///
    /// # Errors
    /// `NotFound` if there is no such letter for the caller; `Forbidden` for who may not change anything, or from whom it
    /// is withheld.
    pub async fn seen_to(&self, scope: &Scope, pid: i64) -> Result<(), Problem> {
        let owner = lists::owner(self, scope)?;
        if !scope.may_change() {
            let message = "This is not part of your role.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        self.letter_within(scope, &owner, pid).await?;
        let by = scope.agent().name.clone();
        let write = ParcelWrite::SeenTo { pid, by };
        let job = Job {
            effects: vec![Effect::Parcel(write)],
            traces: vec![lists::line(scope, pid, (None, None), Outcome::Success)],
            ..Job::default()
        };
        self.commit(scope, job).await.map(|_| ())
    }
}
