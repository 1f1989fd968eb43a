//! Messages out of the journal into their rows. Only new ones are there that can be taken, and there may be tens of
//! thousands a second: what is alike in all of them stands in the statement, and nobody asks for the numbers, which on
//! SQLite costs a table of its own for each row.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::{Keeping, keep};
use crate::database::Tx;
use crate::shard;
use crate::sql::Bind;

const NEW_ROW: &str = "INSERT INTO hl7_message (shard, key, application, facility, control_id, kind, sha256, body, \
     ack, received_at, state_at, answer, state, tries, work) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'AA', 'received', 0, 0) \
     ON CONFLICT (key, shard) DO NOTHING";
const WIDTH: usize = 11;
/// Messages whose values are gathered at once.
const AT_ONCE: usize = 256;

/// Keeps messages, each with the time at which it came.
///
/// # Errors
/// Those of the database.
pub(crate) async fn keep_moved(
    tx: &mut Tx<'_>,
    messages: &[(Millis, &Keeping)],
) -> Result<(), Problem> {
    for some in messages.chunks(AT_ONCE) {
        let mut values = Vec::with_capacity(some.len() * WIDTH);
        let mut rest = Vec::new();
        let mut inserted = Vec::with_capacity(some.len());
        for (at, keeping) in some {
            match keeping.accepted() {
                Some(accepted) => {
                    values.extend(row(*at, keeping, accepted));
                    inserted.push((*at, *keeping));
                }
                None => rest.push((*at, *keeping)),
            }
        }
        let changed = tx.execute_rows(NEW_ROW, WIDTH, &values).await?;
        let known = inserted.iter().zip(&changed);
        rest.extend(known.filter(|(_, rows)| **rows == 0).map(|(it, _)| *it));
        for (at, keeping) in rest {
            keep(tx, at, keeping).await?;
        }
    }
    Ok(())
}

fn row<'k>(at: Millis, keeping: &'k Keeping, accepted: &'k [u8]) -> [Bind<'k>; WIDTH] {
    let received = &keeping.received;
    [
        shard::of(&keeping.id).into(),
        keeping.id.as_slice().into(),
        received.application.as_str().into(),
        received.facility.as_str().into(),
        received.control_id.as_str().into(),
        received.kind.as_str().into(),
        keeping.sha256.as_slice().into(),
        received.body.as_slice().into(),
        accepted.into(),
        at.into(),
        at.into(),
    ]
}
