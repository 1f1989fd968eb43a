//! What a job rests on, looked at again inside the writer's transaction: between the look and the
//! change nothing comes in, so that of two conditional creates one finds what the other made.

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

/// Whether all of it is still so.
pub(crate) async fn check(
    core: &Core,
    tx: &mut Tx<'_>,
    scope: &Scope,
    expected: &[Expected],
) -> Result<(), Problem> {
    for expected in expected {
        let holds = match expected {
            Expected::Match { search, id } => {
                matching(core, tx, scope, search).await?.iter().eq(id)
            }
            Expected::Version { ty, id, version } => {
                current(core, tx, ty, id).await? == i64::try_from(*version).ok()
            }
        };
        if !holds {
            let message = "Another change came between; try again.";
            return Err(Problem::new(Kind::LockError, message));
        }
    }
    Ok(())
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
