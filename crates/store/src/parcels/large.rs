//! Contents too large to stand in a resource. The Binary has no data; its bytes stay in the pieces in which they came, and
//! are read from there a piece at a time, so that no whole one is ever in memory.
//!
//! Invariant: a content that a Binary here stands for is kept, whatever becomes of the parcels that carried it.

use access::{Ods, Scope};
use fhir::problem::{Kind, Problem};

use super::{ParcelDone, content};
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;

/// A content longer than this, in bytes, does not stand in its Binary.
pub const IN_RESOURCE_BYTES_MAX: u64 = 10 << 20;

/// Where the bytes of a large Binary are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Large {
    /// Whose content it is: who sent it here, or this organisation.
    pub sender: Ods,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// Keeps a content, which must be whole, for a Binary. The same again changes nothing.
pub(crate) async fn keep(
    tx: &mut Tx<'_>,
    binary: &str,
    large: &Large,
) -> Result<ParcelDone, Problem> {
    let sender = large.sender.as_str();
    if !content::is_complete(tx, sender, &large.sha256).await? {
        let message = "The content of the Binary is not whole here.";
        return Err(Problem::new(Kind::Incomplete, message));
    }
    let sql = Sql::new(
        "INSERT INTO large_binary (id, sender, sha256, size) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO NOTHING",
    )
    .with(binary)
    .with(sender)
    .with(large.sha256.as_str())
    .with(i64::try_from(large.size).unwrap_or(i64::MAX));
    tx.execute(&sql).await.map(ParcelDone::Rows)
}

/// Whether a Binary here stands for that content.
pub(super) async fn is_kept(tx: &mut Tx<'_>, sender: &str, sha256: &str) -> Result<bool, Problem> {
    let sql = Sql::new("SELECT 1 FROM large_binary WHERE sha256 = $1 AND sender = $2 LIMIT 1");
    Ok(tx.row(&sql.with(sha256).with(sender)).await?.is_some())
}

impl Store {
    /// Where the bytes of a Binary are that has none itself; `None` for any other. Who asks has read the Binary under their
    /// own scope, which decided and left its line.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn large_binary(&self, _scope: &Scope, id: &str) -> Result<Option<Large>, Problem> {
        let sql = Sql::new("SELECT sender, sha256, size FROM large_binary WHERE id = $1");
        let rows = self.rows(&sql.with(id)).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        Ok(Some(Large {
            sender: Ods::parse(row.text(0)?)?,
            sha256: row.text(1)?.to_string(),
            size: u64::try_from(row.int(2)?).unwrap_or_default(),
        }))
    }
}
