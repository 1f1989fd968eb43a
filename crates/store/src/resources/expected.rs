//! What a job rests on, looked at again inside the writer's transaction: between the look and the
//! change nothing comes in, so that of two conditional creates one finds what the other made.

use std::time::{Duration, Instant};

use access::Scope;
use fhir::problem::{Kind, Problem};

use super::search::matching;
use crate::database::Tx;
use crate::sql::Sql;
use crate::words::UNKNOWN;
use crate::write::Expected;
use crate::writer::Core;

const VERSION: &str = "SELECT r.ver, r.del FROM place p \
     JOIN res r ON r.shard = p.shard AND r.rid = p.rid WHERE p.ty = $1 AND p.id = $2";

/// How long all looks of one job may take: all others wait.
const LOOKS_MAX: Duration = Duration::from_secs(3);

/// Whether all of it is still so. `TooCostly` if what is to be looked for takes too long.
pub(crate) async fn check(
    core: &Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    expected: &[Expected],
) -> Result<(), Problem> {
    look(core, tx, scope, expected).await?;
    for expected in expected {
        if let Expected::Version { ty, id, version } = expected {
            let current = current(core, tx, ty, id).await?;
            held(current == i64::try_from(*version).ok())?;
        }
    }
    Ok(())
}

/// Whether what the conditions among them find is still so.
async fn look(
    core: &Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    expected: &[Expected],
) -> Result<(), Problem> {
    let is_match = |it: &Expected| matches!(it, Expected::Match { .. });
    if !expected.iter().any(is_match) {
        return Ok(());
    }
    let end = Instant::now() + LOOKS_MAX;
    tx.end_at(end).await?;
    let found = look_until(core, tx, scope, expected, end).await;
    let reset = match tx {
        // What failed there is rolled back, and this setting with it.
        Tx::Postgres(_) if found.is_err() => Ok(()),
        _ => tx.take_time().await,
    };
    found.and(reset)
}

async fn look_until(
    core: &Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    expected: &[Expected],
    end: Instant,
) -> Result<(), Problem> {
    for expected in expected {
        let Expected::Match { search, id } = expected else {
            continue;
        };
        if Instant::now() >= end {
            let message =
                "The conditions take too long to look for; ask by identifiers, and fewer at once.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
        held(matching(core, tx, scope, search).await?.iter().eq(id))?;
    }
    Ok(())
}

fn held(holds: bool) -> Result<(), Problem> {
    if holds {
        return Ok(());
    }
    let message = "Another change came between; try again.";
    Err(Problem::new(Kind::LockError, message))
}

/// The current version, if there is one that is no deletion.
async fn current(core: &Core, tx: &mut Tx<'_>, ty: &str, id: &str) -> Result<Option<i64>, Problem> {
    let ty = core.word_if_any(tx, ty).await?.unwrap_or(UNKNOWN);
    let row = tx.row(&Sql::new(VERSION).with(ty).with(id)).await?;
    match row {
        Some(row) if !row.flag(1)? => Ok(Some(row.int(0)?)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use fhir::problem::Kind;

    use crate::database::{Tx, at_once};
    use crate::sql::Sql;

    const LONG: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         SELECT COUNT(*) FROM n";

    #[test]
    fn the_writer_leaves_a_look_whose_time_is_over_and_goes_on() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        let mut tx = Tx::Sqlite(&mut connection);
        let done = at_once(async {
            tx.batch("CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1)")
                .await?;
            tx.end_at(Instant::now()).await?;
            let ended = tx.rows(&Sql::new(LONG).with(1_i64 << 60)).await;
            assert_eq!(ended.unwrap_err().kind, Kind::TooCostly);
            tx.take_time().await?;
            tx.rows(&Sql::new(LONG).with(100_000_i64)).await?;
            tx.batch("COMMIT").await?;
            tx.end_at(Instant::now() + Duration::from_secs(3600))
                .await?;
            tx.row(&Sql::new("SELECT a FROM t")).await
        });
        assert_eq!(done.unwrap().unwrap().int(0).unwrap(), 1);
    }
}
