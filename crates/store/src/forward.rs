//! Statements whose version goes forward only, over restarts too: the directory, the table of national
//! roles. The newest version that was ever in force is a row of `counter`.

use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::sql::Sql;

/// Remembers that this version is in force.
///
/// # Errors
/// `Conflict` if a newer one was before.
pub(crate) async fn remember(
    tx: &mut Tx<'_>,
    (name, what): (&str, &str),
    version: u64,
) -> Result<u64, Problem> {
    let sql = Sql::new(
        "INSERT INTO counter (name, next) VALUES ($1, $2) ON CONFLICT (name) \
         DO UPDATE SET next = excluded.next WHERE counter.next <= excluded.next",
    )
    .with(name)
    .with(i64::try_from(version).unwrap_or(i64::MAX));
    match tx.execute(&sql).await? {
        0 => {
            let message = format!("This {what} is older than one that was in force here before.");
            Err(Problem::new(Kind::Conflict, message))
        }
        rows => Ok(rows),
    }
}
