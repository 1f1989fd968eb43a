//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::rule::Event;

use super::NewAct;
use crate::database::Tx;
use crate::fax::Asker;
use crate::sql::Sql;

/// Acts of one rule within a day. One that does more was not meant so: a person looks first.
pub const DAY_MAX: i64 = 300;
/// Rules that are on at a time.
const ON_MAX: i64 = 50;
const DAY: Millis = 86_400_000;

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum RuleWrite {
    /// Puts that version of a rule into force, on these events. `today` is the first millisecond of today (UTC).
    On {
        rule: String,
        version: u64,
        title: String,
        events: Vec<Event>,
        today: Millis,
        by: Asker,
    },
    /// Switches it off; what waits to be judged by it is forgotten.
    Off { rule: String, by: Asker },
    /// What a rule does about an event, in this job, and that the event is judged. `Conflict` if it was judged already, or if that
    /// version is not in force any more; `BusinessRule` if the rule has done too much within a day.
    Did {
        seq: i64,
        tries: u32,
        rule: String,
        version: u64,
        title: String,
        key: String,
        acts: Vec<NewAct>,
    },
    /// It is judged, and there is nothing to do.
    Settled { seq: i64 },
    /// To be tried again then.
    Later { seq: i64, next_try: Millis },
    /// It stands on the work list.
    Stuck { seq: i64, reason: String },
    /// A person has it tried again.
    Again { seq: i64 },
    /// An act was undone, in this job. `BusinessRule` if it was before, or if its time is over.
    Undone { number: i64, who: String },
    /// Notes the tasks that are overdue. `today` is the first millisecond of today (UTC).
    Overdue { today: Millis },
}

const JUDGED: &str = "This was judged meanwhile.";

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &RuleWrite) -> Result<(), Problem> {
    match write {
        RuleWrite::On {
            rule,
            version,
            title,
            events,
            today,
            by,
        } => {
            let it = (rule.as_str(), *version, title.as_str());
            on(tx, now, it, (events, *today), by).await
        }
        RuleWrite::Off { rule, by } => off(tx, now, rule, by).await,
        RuleWrite::Did {
            seq,
            tries,
            rule,
            version,
            title,
            key,
            acts,
        } => {
            judged(tx, *seq, *tries).await?;
            did(tx, now, (rule, *version, title, key), acts).await
        }
        RuleWrite::Settled { seq } => {
            let sql = Sql::new("DELETE FROM rule_event WHERE seq = $1").with(*seq);
            tx.execute(&sql).await.map(|_| ())
        }
        RuleWrite::Later { seq, next_try } => {
            let sql = Sql::new(
                "UPDATE rule_event SET tries = tries + 1, next_try = $1 WHERE seq = $2 AND reason IS NULL",
            );
            tx.execute(&sql.with(*next_try).with(*seq))
                .await
                .map(|_| ())
        }
        RuleWrite::Stuck { seq, reason } => {
            let sql = Sql::new("UPDATE rule_event SET reason = $1, at = $2 WHERE seq = $3");
            let sql = sql.with(reason.as_str()).with(now).with(*seq);
            tx.execute(&sql).await.map(|_| ())
        }
        RuleWrite::Again { seq } => {
            let sql = Sql::new(
                "UPDATE rule_event SET reason = NULL, tries = tries + 1, next_try = 0 WHERE seq = $1 \
                 AND reason IS NOT NULL",
            );
            tx.execute(&sql.with(*seq)).await.map(|_| ())
        }
        RuleWrite::Undone { number, who } => undone(tx, now, *number, who).await,
        RuleWrite::Overdue { today } => overdue(tx, now, *today).await,
    }
}

async fn on(
    tx: &mut Tx<'_>,
    now: Millis,
    (rule, version, title): (&str, u64, &str),
    (events, today): (&[Event], Millis),
    by: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new("SELECT COUNT(*) FROM rule_switch WHERE state = 'on' AND rule <> $1");
    if tx
        .row(&sql.with(rule))
        .await?
        .map_or(Ok(0), |row| row.int(0))?
        >= ON_MAX
    {
        let message = "50 rules are on; switch one off first.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let sql = Sql::new(
        "INSERT INTO rule_switch (rule, version, title, state, at, account, who) \
         VALUES ($1, $2, $3, 'on', $4, $5, $6) ON CONFLICT (rule) DO UPDATE SET \
         version = excluded.version, title = excluded.title, state = excluded.state, at = excluded.at, \
         account = excluded.account, who = excluded.who",
    );
    let sql = sql.with(rule).with(number(version)).with(title);
    let sql = sql.with(now).with(by.account).with(by.who.as_str());
    tx.execute(&sql).await?;
    let sql = Sql::new("DELETE FROM rule_trigger WHERE rule = $1").with(rule);
    tx.execute(&sql).await?;
    for event in events {
        let sql = Sql::new("INSERT INTO rule_trigger (event, rule, swept) VALUES ($1, $2, $3)");
        let sql = sql.with(event.name()).with(rule).with(today);
        tx.execute(&sql).await?;
    }
    Ok(())
}

async fn off(tx: &mut Tx<'_>, now: Millis, rule: &str, by: &Asker) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE rule_switch SET state = 'off', at = $1, account = $2, who = $3 WHERE rule = $4 AND state = 'on'",
    );
    let sql = sql.with(now).with(by.account).with(by.who.as_str());
    tx.execute_once(&sql.with(rule), "This rule is off already.")
        .await?;
    for text in [
        "DELETE FROM rule_trigger WHERE rule = $1",
        "DELETE FROM rule_event WHERE rule = $1",
    ] {
        tx.execute(&Sql::new(text).with(rule)).await?;
    }
    Ok(())
}

/// The event is judged by this job, and by no other.
async fn judged(tx: &mut Tx<'_>, seq: i64, tries: u32) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM rule_event WHERE seq = $1 AND tries = $2 AND reason IS NULL");
    tx.execute_once(&sql.with(seq).with(tries), JUDGED).await
}

async fn did(
    tx: &mut Tx<'_>,
    now: Millis,
    (rule, version, title, key): (&str, u64, &str, &str),
    acts: &[NewAct],
) -> Result<(), Problem> {
    let sql =
        Sql::new("SELECT 1 FROM rule_switch WHERE rule = $1 AND version = $2 AND state = 'on'");
    if tx
        .row(&sql.with(rule).with(number(version)))
        .await?
        .is_none()
    {
        let message = "This version of the rule is not in force any more.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    let sql =
        Sql::new("SELECT COUNT(*) FROM rule_act WHERE rule = $1 AND at > $2 AND state <> 'left'");
    let count = tx.row(&sql.with(rule).with(now - DAY)).await?;
    if count.map_or(Ok(0), |row| row.int(0))? >= DAY_MAX {
        let message = "The rule has acted 300 times within a day, so it does no more until somebody has looked.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    for act in acts {
        let sql = Sql::new(
            "INSERT INTO rule_act (rule, version, title, key, step, kind, patient, pid, task, at, until, seq, \
             release_at, state, note, ended_at, ended_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, \
             NULL, $11, $12, 0, '') ON CONFLICT (rule, key, step) DO NOTHING",
        );
        let sql = sql.with(rule).with(number(version)).with(title);
        let sql = sql.with(key).with(i64::from(act.step));
        let sql = sql.with(act.kind.code()).with(act.patient.as_str());
        let sql = sql.with(act.pid).with(act.task.as_str()).with(now);
        let sql = sql.with(act.state.code()).with(act.note.as_str());
        tx.execute_once(&sql, "This was done already.").await?;
    }
    Ok(())
}

async fn undone(tx: &mut Tx<'_>, now: Millis, act: i64, who: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE rule_act SET state = 'undone', ended_at = $1, ended_by = $2 WHERE number = $3 AND state = 'done' \
         AND (kind <> 'file' OR until > $4)",
    );
    let sql = sql.with(now).with(who).with(act);
    if tx.execute(&sql.with(now)).await? == 0 {
        let message = "This cannot be undone any more: the time is over and the sender is being told, or it was undone before.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    Ok(())
}

async fn overdue(tx: &mut Tx<'_>, now: Millis, today: Millis) -> Result<(), Problem> {
    let event = Event::TaskOverdue.name();
    let sql = Sql::new(
        "SELECT rule, swept FROM rule_trigger WHERE event = $1 AND swept < $2 ORDER BY rule LIMIT 50",
    );
    for row in &tx.rows(&sql.with(event).with(today)).await? {
        let (rule, swept) = (row.text(0)?, row.int(1)?);
        // A day at a time; a day has at most as many as may be open.
        let upto = today.min(swept.saturating_add(DAY));
        let sql = Sql::new(
            "INSERT INTO rule_event (rule, event, key, resource, pid, at, tries, next_try, reason) \
             SELECT $1, $2, 'task-overdue:' || t.id, t.id, 0, $3, 0, 0, NULL FROM desk_task t \
             WHERE t.state = 'open' AND t.due >= $4 AND t.due < $5 ON CONFLICT (rule, key) DO NOTHING",
        );
        let sql = sql.with(rule).with(event).with(now);
        tx.execute(&sql.with(swept).with(upto)).await?;
        let sql = Sql::new("UPDATE rule_trigger SET swept = $1 WHERE event = $2 AND rule = $3");
        tx.execute(&sql.with(upto).with(event).with(rule)).await?;
    }
    Ok(())
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
