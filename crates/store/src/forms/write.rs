//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::lists::OPEN;
use crate::database::Tx;
use crate::sql::Sql;

/// What is kept of one person's answers, in bytes.
pub const DRAFT_BYTES_MAX: usize = 512 << 10;
/// People who write on one questionnaire at a time.
const WRITERS_MAX: i64 = 20;

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum FormWrite {
    /// Keeps what somebody has written so far, in place of what they had. `Conflict` if nobody is asked any more.
    Keep {
        task: String,
        account: i64,
        body: String,
    },
    /// Somebody throws away what they have written.
    Discard { task: String, account: i64 },
    /// The patient is reminded. `Conflict` if they answered meanwhile, or were reminded before.
    Remind { task: String },
    /// The patient, or who acts for them, has opened what they were reminded of.
    ReminderOpened { task: String },
    /// Somebody has read the answers that were given then. `Conflict` if they were changed since, or were read by somebody.
    Seen {
        task: String,
        answered_at: Millis,
        by: String,
    },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &FormWrite) -> Result<(), Problem> {
    match write {
        FormWrite::Keep {
            task,
            account,
            body,
        } => keep(tx, now, (task, *account), body).await,
        FormWrite::Discard { task, account } => {
            let sql = Sql::new("DELETE FROM form_draft WHERE task = $1 AND account = $2");
            tx.execute(&sql.with(task.as_str()).with(*account))
                .await
                .map(|_| ())
        }
        FormWrite::Remind { task } => {
            let mut sql = Sql::new("UPDATE form_ask SET reminded_at = ");
            sql.bind(now);
            sql.push(" WHERE task = ").bind(task.clone());
            sql.push(" AND reminded_at = 0 AND ").push(OPEN);
            tx.execute_once(&sql, "Nobody is to be reminded of this any more.")
                .await
        }
        FormWrite::ReminderOpened { task } => {
            let sql = Sql::new(
                "UPDATE form_ask SET reminder_opened_at = $1 WHERE task = $2 AND reminded_at > 0 \
                 AND reminder_opened_at = 0",
            );
            tx.execute(&sql.with(now).with(task.as_str()))
                .await
                .map(|_| ())
        }
        FormWrite::Seen {
            task,
            answered_at,
            by,
        } => {
            let sql = Sql::new(
                "UPDATE form_ask SET seen_at = $1, seen_by = $2 WHERE task = $3 AND answered_at = $4 \
                 AND status = 'completed' AND seen_at = 0",
            );
            let sql = sql.with(now).with(by.as_str());
            let sql = sql.with(task.as_str()).with(*answered_at);
            tx.execute_once(
                &sql,
                "These answers were changed, or somebody has read them; look again.",
            )
            .await
        }
    }
}

async fn keep(
    tx: &mut Tx<'_>,
    now: Millis,
    (task, account): (&str, i64),
    body: &str,
) -> Result<(), Problem> {
    if body.len() > DRAFT_BYTES_MAX {
        let message = "What was written is too long to be kept.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    let sql = Sql::new("SELECT 1 FROM form_ask WHERE task = $1");
    if tx.row(&sql.with(task)).await?.is_none() {
        let message = "Nobody is asked to answer this any more.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let sql = Sql::new("SELECT COUNT(*) FROM form_draft WHERE task = $1 AND account <> $2");
    let others = tx.row(&sql.with(task).with(account)).await?;
    if others.map_or(Ok(0), |row| row.int(0))? >= WRITERS_MAX {
        let message = "Too many people have begun to answer this.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    let sql = Sql::new(
        "INSERT INTO form_draft (task, account, body, changed_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (task, account) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at",
    );
    let sql = sql.with(task).with(account).with(body).with(now);
    tx.execute(&sql).await.map(|_| ())
}
