//! The numbers to which faxes may go. One person asks, another confirms: a wrong digit sends a letter to
//! a stranger.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::Asker;
use crate::database::Tx;
use crate::sql::Sql;

/// Numbers in all: a bound on the list that each letter is looked up in.
const NUMBERS_MAX: i64 = 2000;

pub(super) async fn propose(
    tx: &mut Tx<'_>,
    now: Millis,
    number: &str,
    (ods, name): (&str, &str),
    by: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new("SELECT COUNT(*) FROM fax_number");
    if tx.row(&sql).await?.map_or(Ok(0), |row| row.int(0))? >= NUMBERS_MAX {
        let message = "There are 2,000 numbers already; take away one that is not used.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let sql = Sql::new("SELECT 1 FROM fax_number WHERE number = $1 OR ods = $2 LIMIT 1")
        .with(number)
        .with(ods);
    if tx.row(&sql).await?.is_some() {
        let message = "This number or this organisation is on the list already. To change a number, have the old one \
                       taken away first.";
        return Err(Problem::new(Kind::Duplicate, message));
    }
    let sql = Sql::new(
        "INSERT INTO fax_number (number, ods, name, state, asked_by, asked_who, asked_at, \
         confirmed_who, confirmed_at) VALUES ($1, $2, $3, 'proposed', $4, $5, $6, '', 0)",
    )
    .with(number)
    .with(ods)
    .with(name)
    .with(by.account)
    .with(by.who.as_str())
    .with(now);
    tx.execute(&sql).await.map(|_| ())
}

pub(super) async fn propose_end(
    tx: &mut Tx<'_>,
    now: Millis,
    number: &str,
    by: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE fax_number SET state = 'ending', asked_by = $1, asked_who = $2, asked_at = $3 \
         WHERE number = $4 AND state = 'in-force'",
    )
    .with(by.account)
    .with(by.who.as_str())
    .with(now)
    .with(number);
    changed(tx, &sql).await
}

pub(super) async fn confirm(
    tx: &mut Tx<'_>,
    now: Millis,
    number: &str,
    by: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new("SELECT asked_by, state FROM fax_number WHERE number = $1").with(number);
    let row = tx.row(&sql).await?.ok_or_else(no_number)?;
    if row.int(0)? == by.account {
        let message =
            "Who asked for a change of a fax number cannot confirm it: another person must.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let sql = match row.text(1)? {
        "proposed" => Sql::new(
            "UPDATE fax_number SET state = 'in-force', confirmed_who = $1, confirmed_at = $2 \
             WHERE number = $3",
        )
        .with(by.who.as_str())
        .with(now)
        .with(number),
        "ending" => Sql::new("DELETE FROM fax_number WHERE number = $1").with(number),
        _ => return Err(no_number()),
    };
    changed(tx, &sql).await
}

pub(super) async fn refuse(tx: &mut Tx<'_>, number: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM fax_number WHERE number = $1 AND state = 'proposed'");
    if tx.execute(&sql.with(number)).await? > 0 {
        return Ok(());
    }
    let sql =
        Sql::new("UPDATE fax_number SET state = 'in-force' WHERE number = $1 AND state = 'ending'");
    changed(tx, &sql.with(number)).await
}

async fn changed(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<(), Problem> {
    match tx.execute(sql).await? {
        0 => Err(no_number()),
        _ => Ok(()),
    }
}

fn no_number() -> Problem {
    let message = "There is nothing to change about that number by now; look at the list again.";
    Problem::new(Kind::Conflict, message)
}
