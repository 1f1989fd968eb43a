//! What a person decides about a message on the work list.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Hl7Done, gone};
use crate::database::Tx;
use crate::sql::Sql;

/// Puts a message of the work list back among those that wait to be mapped.
pub(super) async fn replay(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<Hl7Done, Problem> {
    let sql = Sql::new(
        "UPDATE hl7_message SET state = 'received', state_at = $1, work = 0, reason = NULL, \
         next_step = NULL WHERE number = $2 AND work = 1 AND state <> 'received'",
    );
    match tx.execute(&sql.with(now).with(number)).await? {
        0 => Err(absent_or(tx, number, "This message is not on the work list.").await),
        _ => Ok(Hl7Done::Noted),
    }
}

/// Takes a message off the work list.
pub(super) async fn settled(tx: &mut Tx<'_>, number: i64) -> Result<Hl7Done, Problem> {
    let sql = Sql::new("UPDATE hl7_message SET work = 0 WHERE number = $1 AND work = 1");
    match tx.execute(&sql.with(number)).await? {
        0 => Err(absent_or(tx, number, "This message is not on the work list.").await),
        _ => Ok(Hl7Done::Noted),
    }
}

async fn absent_or(tx: &mut Tx<'_>, number: i64, message: &'static str) -> Problem {
    let known = Sql::new("SELECT number FROM hl7_message WHERE number = $1");
    match tx.row(&known.with(number)).await {
        Ok(Some(_)) => Problem::new(Kind::Conflict, message),
        Ok(None) => gone(),
        Err(problem) => problem,
    }
}
