//! The row that says which copy was the last: so that the next chain can name it, and that a copy that
//! is overdue is seen.

use fhir::date::Millis;
use fhir::problem::Problem;

use access::{Scope, SystemPurpose};

use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;
use crate::write::{Effect, Job};

/// The last copy that is where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyHead {
    pub chain: String,
    /// The number of the chain's last object.
    pub sequence: u64,
    /// SHA-256 of that object, in hexadecimal.
    pub sha256: String,
    /// All that was acknowledged before this time is in the copies.
    pub taken_at: Millis,
}

/// What the writer can do to that row.
#[derive(Debug)]
pub enum CopyWrite {
    Kept(CopyHead),
}

/// Applies one change inside the writer's transaction.
pub(crate) async fn apply(tx: &mut Tx<'_>, write: &CopyWrite) -> Result<(), Problem> {
    let CopyWrite::Kept(head) = write;
    let sql = Sql::new(
        "INSERT INTO copy_head (name, chain, sequence, digest, taken_at) \
         VALUES ('node', $1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET chain = excluded.chain, \
         sequence = excluded.sequence, digest = excluded.digest, taken_at = excluded.taken_at",
    );
    let sequence = i64::try_from(head.sequence).unwrap_or(i64::MAX);
    let sql = sql.with(head.chain.as_str()).with(sequence);
    tx.execute(&sql.with(head.sha256.as_str()).with(head.taken_at))
        .await?;
    Ok(())
}

impl Store {
    /// The last copy that was kept, if there is one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn copy_head(&self) -> Result<Option<CopyHead>, Problem> {
        let sql =
            Sql::new("SELECT chain, sequence, digest, taken_at FROM copy_head WHERE name = 'node'");
        let rows = self.rows(&sql).await?;
        let head = rows.first().map(|row| {
            Ok(CopyHead {
                chain: row.text(0)?.to_owned(),
                sequence: u64::try_from(row.int(1)?).unwrap_or_default(),
                sha256: row.text(2)?.to_owned(),
                taken_at: row.int(3)?,
            })
        });
        head.transpose()
    }

    /// Notes the last copy that was kept.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_copy_head(&self, head: CopyHead) -> Result<(), Problem> {
        let scope = Scope::system(SystemPurpose::KeepCopies);
        let job = Job::effect(Effect::Copy(CopyWrite::Kept(head)));
        self.commit(&scope, job).await.map(|_| ())
    }
}
