//! Changes of these rows.

use std::collections::BTreeSet;

use access::NhsNumber;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::lists::CheckState;
use crate::database::Tx;
use crate::sql::{Bind, Sql};
use crate::table::{Table, Type};

/// Numbers in one write, at most: other writes wait for it.
pub const NUMBERS_A_WRITE_MAX: usize = 500;
/// Rows of old answers that one write drops, at most.
const TIDIED_MAX: u32 = 5000;
/// Checks whose times and counts are kept.
const CHECKS_KEPT: i64 = 1000;

static NUMBER: Table = Table::new(
    "opt_out_number",
    &[
        ("check_number", Type::Int),
        ("nhs_number", Type::Text),
        ("usable", Type::Int),
    ],
)
.or_nothing();

/// What the writer can do to these rows. `number` is the check's.
#[derive(Debug)]
pub enum OptOutWrite {
    /// `Conflict` if a check of that number is there, or one is under way.
    Begin {
        number: i64,
        reference: String,
    },
    /// Numbers that are going to be asked about; those that are listed already stay.
    Ask {
        number: i64,
        numbers: Vec<NhsNumber>,
    },
    /// It is on its way, under the id that the message exchange gave it.
    Sent {
        number: i64,
        message: String,
    },
    /// Numbers that the answer names. `BusinessRule` if one of them was not asked about: then it is
    /// another question's answer.
    Usable {
        number: i64,
        numbers: Vec<NhsNumber>,
    },
    /// The answer was taken in whole, so many numbers: it is in force from now on. `Conflict` if
    /// others are stored: another process takes it in at the same time.
    InForce {
        number: i64,
        usable: u64,
    },
    /// Takes back what was taken in of an answer that broke off.
    Forget {
        number: i64,
    },
    Fail {
        number: i64,
        reason: String,
    },
    /// Drops some rows of checks that are neither in force nor under way.
    Tidy,
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &OptOutWrite,
) -> Result<(), Problem> {
    match write {
        OptOutWrite::Begin { number, reference } => begin(tx, now, *number, reference).await,
        OptOutWrite::Ask { number, numbers } => ask(tx, *number, numbers).await,
        OptOutWrite::Sent { number, message } => {
            let sql = Sql::new(
                "UPDATE opt_out_check SET state = 'sent', message = $1, sent_at = $2, asked = \
                 (SELECT COUNT(*) FROM opt_out_number WHERE check_number = $3) \
                 WHERE number = $3 AND state = 'asking'",
            );
            one(tx, sql.with(message.as_str()).with(now).with(*number)).await
        }
        OptOutWrite::Usable { number, numbers } => usable(tx, *number, numbers).await,
        OptOutWrite::InForce { number, usable } => {
            let sql = Sql::new(
                "UPDATE opt_out_check SET state = 'answered', answered_at = $1, usable = $2 \
                 WHERE number = $3 AND state = 'sent' AND (SELECT COUNT(*) FROM opt_out_number \
                 WHERE check_number = $3 AND usable = 1) = $2",
            );
            let usable = i64::try_from(*usable).unwrap_or(i64::MAX);
            one(tx, sql.with(now).with(usable).with(*number)).await
        }
        OptOutWrite::Forget { number } => {
            // One that is in force already is nobody's to take back.
            state_is(tx, *number, CheckState::Sent).await?;
            let sql = Sql::new("UPDATE opt_out_number SET usable = 0 WHERE check_number = $1");
            tx.execute(&sql.with(*number)).await.map(|_| ())
        }
        OptOutWrite::Fail { number, reason } => {
            let sql = Sql::new(
                "UPDATE opt_out_check SET state = 'failed', reason = $1, answered_at = $2 \
                 WHERE number = $3 AND state IN ('asking', 'sent')",
            );
            one(tx, sql.with(reason.as_str()).with(now).with(*number)).await
        }
        OptOutWrite::Tidy => tidy(tx).await,
    }
}

/// A change of a check that must be where it is thought to be.
async fn one(tx: &mut Tx<'_>, sql: Sql<'_>) -> Result<(), Problem> {
    match tx.execute(&sql).await? {
        0 => Err(elsewhere()),
        _ => Ok(()),
    }
}

fn elsewhere() -> Problem {
    let message = "This check for opt-outs has gone on elsewhere meanwhile.";
    Problem::new(Kind::Conflict, message)
}

async fn begin(tx: &mut Tx<'_>, now: Millis, number: i64, reference: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT COUNT(*) FROM opt_out_check WHERE number >= $1 OR state IN ('asking', 'sent')",
    );
    let row = tx.row(&sql.with(number)).await?;
    if row.map_or(Ok(0), |row| row.int(0))? > 0 {
        return Err(elsewhere());
    }
    let sql = Sql::new(
        "INSERT INTO opt_out_check (number, reference, state, message, asked, usable, begun_at, \
         sent_at, answered_at, reason) VALUES ($1, $2, 'asking', '', 0, 0, $3, 0, 0, '')",
    );
    let sql = sql.with(number).with(reference).with(now);
    tx.execute(&sql).await.map(|_| ())
}

async fn ask(tx: &mut Tx<'_>, number: i64, numbers: &[NhsNumber]) -> Result<(), Problem> {
    state_is(tx, number, CheckState::Asking).await?;
    bounded(numbers)?;
    let mut values = Vec::with_capacity(numbers.len() * 3);
    for it in numbers {
        values.extend([Bind::Int(number), Bind::from(it.digits()), Bind::Int(0)]);
    }
    tx.insert_many(&NUMBER, &values).await
}

async fn usable(tx: &mut Tx<'_>, number: i64, numbers: &[NhsNumber]) -> Result<(), Problem> {
    state_is(tx, number, CheckState::Sent).await?;
    bounded(numbers)?;
    let distinct: BTreeSet<&str> = numbers.iter().map(NhsNumber::digits).collect();
    let Some(first) = distinct.first() else {
        return Ok(());
    };
    let mut sql = Sql::new("UPDATE opt_out_number SET usable = 1 WHERE check_number = ");
    sql.bind(number).push(" AND nhs_number IN (").bind(*first);
    for digits in distinct.iter().skip(1) {
        sql.push(", ").bind(*digits);
    }
    sql.push(")");
    if tx.execute(&sql).await? == distinct.len() as u64 {
        return Ok(());
    }
    let message = "The answer names a number that was not asked about.";
    Err(Problem::new(Kind::BusinessRule, message))
}

async fn state_is(tx: &mut Tx<'_>, number: i64, state: CheckState) -> Result<(), Problem> {
    let sql = Sql::new("SELECT state FROM opt_out_check WHERE number = $1");
    match tx.row(&sql.with(number)).await? {
        Some(row) if row.text(0)? == state.code() => Ok(()),
        _ => Err(elsewhere()),
    }
}

fn bounded(numbers: &[NhsNumber]) -> Result<(), Problem> {
    if numbers.len() <= NUMBERS_A_WRITE_MAX {
        return Ok(());
    }
    let message = format!("At most {NUMBERS_A_WRITE_MAX} numbers are written at once.");
    Err(Problem::new(Kind::TooCostly, message))
}

async fn tidy(tx: &mut Tx<'_>) -> Result<(), Problem> {
    let rows = Sql::new(
        "DELETE FROM opt_out_number WHERE (check_number, nhs_number) IN (\
         SELECT n.check_number, n.nhs_number FROM opt_out_number n WHERE n.check_number IN (\
         SELECT c.number FROM opt_out_check c WHERE c.state = 'failed' OR (c.state = 'answered' \
         AND c.number < (SELECT MAX(f.number) FROM opt_out_check f WHERE f.state = 'answered'))) \
         ORDER BY n.check_number, n.nhs_number LIMIT $1)",
    );
    tx.execute(&rows.with(TIDIED_MAX)).await?;
    let checks = Sql::new(
        "DELETE FROM opt_out_check WHERE state IN ('answered', 'failed') AND number <= \
         (SELECT MAX(m.number) FROM opt_out_check m) - $1 \
         AND number < (SELECT MAX(f.number) FROM opt_out_check f WHERE f.state = 'answered') \
         AND NOT EXISTS (SELECT 1 FROM opt_out_number n WHERE n.check_number = opt_out_check.number)",
    );
    tx.execute(&checks.with(CHECKS_KEPT)).await.map(|_| ())
}
