//! Responses that go back.

use fhir::date::Millis;
use fhir::itk3::codes;
use fhir::problem::Problem;

use super::once;
use crate::database::Tx;
use crate::parcels::State;
use crate::sql::Sql;

/// Puts a response onto the list of those that are to leave.
pub(super) async fn make(
    tx: &mut Tx<'_>,
    now: Millis,
    message: i64,
    code: &str,
    diagnostics: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO itk3_answer (message, code, diagnostics, name, state, tries, next_try, made_at, \
         state_at, outside, work, reason) VALUES ($1, $2, $3, $4, 'waiting', 0, 0, $5, $6, '', 0, '')",
    )
    .with(message)
    .with(code)
    .with(diagnostics)
    .with(uuid::Uuid::new_v4().to_string())
    .with(now)
    .with(now);
    tx.execute(&sql).await.map(|_| ())
}

/// What a message was answered goes out once more, since it came once more.
pub(super) async fn repeat(tx: &mut Tx<'_>, now: Millis, message: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT code, diagnostics FROM itk3_answer WHERE message = $1 GROUP BY code, diagnostics \
         ORDER BY code LIMIT 4",
    );
    for row in tx.rows(&sql.with(message)).await? {
        make(tx, now, message, row.text(0)?, row.text(1)?).await?;
    }
    Ok(())
}

/// What follows from a step of a letter that came so: the business response, once.
pub(crate) async fn stepped(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    (state, note): (State, &str),
) -> Result<(), Problem> {
    let (code, diagnostics) = match state {
        State::Filed | State::ActedOn => (codes::ACCEPTED, ""),
        // The words are a person's and may name somebody: only what kind of reason it is leaves.
        State::Returned if note.starts_with("The patient has moved") => (codes::NO_LONGER, ""),
        State::Returned if note.starts_with("Not our patient") => (codes::NOT_KNOWN, ""),
        State::Returned if note.starts_with("It cannot be read") => (
            codes::NOT_KNOWN,
            "Returned by a person: the document cannot be read.",
        ),
        State::Returned => (
            codes::NOT_KNOWN,
            "Returned by a person for another reason; please ask the receiving organisation.",
        ),
        _ => return Ok(()),
    };
    let sql = Sql::new("SELECT number FROM itk3_in WHERE pid = $1 AND wants_business = 1");
    let Some(row) = tx.row(&sql.with(pid)).await? else {
        return Ok(());
    };
    let message = row.int(0)?;
    let sql = Sql::new("SELECT 1 FROM itk3_answer WHERE message = $1 AND code >= '30000' LIMIT 1");
    if tx.row(&sql.with(message)).await?.is_some() {
        return Ok(());
    }
    make(tx, now, message, code, diagnostics).await
}

pub(super) async fn sent(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    outside: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_answer SET state = 'sent', state_at = $1, outside = $2, reason = '' \
         WHERE number = $3 AND state = 'waiting'",
    );
    once(tx, &sql.with(now).with(outside).with(number)).await
}

pub(super) async fn not_taken(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (next_try, error): (Millis, &str),
    give_up: bool,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_answer SET state = $1, state_at = $2, next_try = $3, reason = $4, work = $5, \
         tries = tries + 1 WHERE number = $6 AND state = 'waiting'",
    );
    let state = if give_up { "failed" } else { "waiting" };
    let sql = sql.with(state).with(now).with(next_try).with(error);
    once(tx, &sql.with(give_up).with(number)).await
}

/// MESH's own word that a response was not collected.
pub(super) async fn reported(
    tx: &mut Tx<'_>,
    now: Millis,
    outside: &str,
    local_id: &str,
    code: &str,
) -> Result<bool, Problem> {
    let sql = Sql::new(
        "UPDATE itk3_answer SET state = 'failed', state_at = $1, work = 1, reason = $2 \
         WHERE ((outside = $3 AND outside <> '') OR name = $4) AND state IN ('waiting', 'sent')",
    );
    let reason = format!("MESH reports that nobody collected the response (code {code}).");
    let sql = sql.with(now).with(reason).with(outside).with(local_id);
    Ok(tx.execute(&sql).await? > 0)
}

pub(super) async fn again(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_answer SET state = 'waiting', state_at = $1, next_try = 0, tries = 0, work = 0, \
         reason = '', name = $2 WHERE number = $3 AND work = 1",
    );
    let name = uuid::Uuid::new_v4().to_string();
    once(tx, &sql.with(now).with(name).with(number)).await
}

pub(super) async fn settled(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE itk3_answer SET state = 'settled', state_at = $1, work = 0 \
         WHERE number = $2 AND work = 1",
    );
    once(tx, &sql.with(now).with(number)).await
}
