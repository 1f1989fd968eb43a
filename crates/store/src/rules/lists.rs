//! What pages and the worker ask of these rows.

use std::collections::HashMap;

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::rule::{Event, StepKind};

use super::{Act, ActState, Happened, Switch};
use crate::reach::{own, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list.
const LISTED_MAX: u32 = 200;
/// Letters or tasks that are asked about at a time.
const ASKED_MAX: usize = 200;

/// A rule that could not judge an event, or do what it says. No patient is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckRule {
    pub seq: i64,
    pub rule: String,
    pub title: String,
    pub event: Event,
    /// The letter; 0 for none.
    pub pid: i64,
    pub since: Millis,
    pub reason: String,
}

const ACT: &str = "SELECT number, rule, version, title, kind, patient, pid, task, at, until, state, note, ended_at, \
     ended_by FROM rule_act WHERE ";

fn act(row: &Row) -> Result<Act, Problem> {
    Ok(Act {
        number: row.int(0)?,
        rule: row.text(1)?.to_owned(),
        version: u64::try_from(row.int(2)?).unwrap_or_default(),
        title: row.text(3)?.to_owned(),
        kind: StepKind::from_code(row.text(4)?).ok_or_else(nameless)?,
        patient: row.text(5)?.to_owned(),
        pid: row.int(6)?,
        task: row.text(7)?.to_owned(),
        at: row.int(8)?,
        until: row.int(9)?,
        state: ActState::from_code(row.text(10)?),
        note: row.text(11)?.to_owned(),
        ended_at: row.int(12)?,
        ended_by: row.text(13)?.to_owned(),
    })
}

fn nameless() -> Problem {
    Problem::new(Kind::Exception, "A rule's row holds a word of no meaning.")
}

impl Store {
    /// Every rule that is on, or was, by title.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn rule_switches(&self, scope: &Scope) -> Result<Vec<Switch>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT rule, version, title, state, at, account, who FROM rule_switch ORDER BY title, rule LIMIT $1",
        );
        let rows = self.rows(&sql.with(LISTED_MAX)).await?;
        let switch = |row: &Row| {
            Ok(Switch {
                rule: row.text(0)?.to_owned(),
                version: u64::try_from(row.int(1)?).unwrap_or_default(),
                title: row.text(2)?.to_owned(),
                on: row.text(3)? == "on",
                at: row.int(4)?,
                account: row.int(5)?,
                who: row.text(6)?.to_owned(),
            })
        };
        rows.iter().map(switch).collect()
    }

    /// What waits to be judged by now, the oldest first. For the node's own worker.
    ///
    /// # Errors
    /// `Forbidden` for everybody else.
    pub async fn rule_events(
        &self,
        scope: &Scope,
        now: Millis,
        count: u32,
    ) -> Result<Vec<Happened>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT e.seq, e.rule, s.version, e.event, e.key, e.resource, e.pid, e.at, e.tries FROM rule_event e \
             LEFT JOIN rule_switch s ON s.rule = e.rule AND s.state = 'on' WHERE e.reason IS NULL \
             AND e.next_try <= $1 ORDER BY e.seq LIMIT $2",
        );
        let rows = self
            .rows(&sql.with(now).with(count.min(LISTED_MAX)))
            .await?;
        let happened = |row: &Row| {
            let version = row.int_opt(2)?;
            Ok(Happened {
                seq: row.int(0)?,
                rule: row.text(1)?.to_owned(),
                version: version.and_then(|it| u64::try_from(it).ok()),
                event: Event::from_name(row.text(3)?).ok_or_else(nameless)?,
                key: row.text(4)?.to_owned(),
                resource: row.text(5)?.to_owned(),
                pid: row.int(6)?,
                at: row.int(7)?,
                tries: u32::try_from(row.int(8)?).unwrap_or(u32::MAX),
            })
        };
        rows.iter().map(happened).collect()
    }

    /// Whether tasks that were not done by their day are still to be noted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn rules_to_sweep(&self, today: Millis) -> Result<bool, Problem> {
        let sql = Sql::new("SELECT 1 FROM rule_trigger WHERE event = $1 AND swept < $2 LIMIT 1");
        let sql = sql.with(Event::TaskOverdue.name()).with(today);
        Ok(!self.rows(&sql).await?.is_empty())
    }

    /// The numbers of the steps that a rule has done about what happened, or has left.
    ///
    /// # Errors
    /// `Forbidden` for anybody but the node itself.
    pub async fn rule_steps_done(
        &self,
        scope: &Scope,
        rule: &str,
        key: &str,
    ) -> Result<Vec<u16>, Problem> {
        own(scope)?;
        let sql = Sql::new("SELECT step FROM rule_act WHERE rule = $1 AND key = $2 ORDER BY step");
        let rows = self.rows(&sql.with(rule).with(key)).await?;
        let step = |row: &Row| Ok(u16::try_from(row.int(0)?).unwrap_or(u16::MAX));
        rows.iter().map(step).collect()
    }

    /// What a rule did since then, the latest first, at most so many of it.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn rule_acts(
        &self,
        scope: &Scope,
        (rule, since): (&str, Millis),
        count: u32,
    ) -> Result<Vec<Act>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(ACT);
        sql.push("rule = ").bind(rule.to_owned());
        sql.push(" AND at >= ").bind(since);
        sql.push(" ORDER BY at DESC, number DESC LIMIT ")
            .bind(count.min(LISTED_MAX));
        self.rows_apart(sql).await?.iter().map(act).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for who is no member of staff.
    pub async fn rule_act(&self, scope: &Scope, number: i64) -> Result<Act, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(ACT);
        sql.push("number = ").bind(number);
        let rows = self.rows_apart(sql).await?;
        let gone = || Problem::new(Kind::NotFound, "No rule did that here.");
        rows.first().map(act).ok_or_else(gone)?
    }

    /// What rules did with these letters and has not been undone; for who is shown the letters.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn rule_acts_of_letters(
        &self,
        scope: &Scope,
        pids: &[i64],
    ) -> Result<HashMap<i64, Vec<Act>>, Problem> {
        staff(scope)?;
        let mut found: HashMap<i64, Vec<Act>> = HashMap::new();
        if pids.is_empty() {
            return Ok(found);
        }
        let mut sql = Sql::new(ACT);
        sql.push("pid IN (");
        for (number, pid) in pids.iter().take(ASKED_MAX).enumerate() {
            sql.push(if number > 0 { ", " } else { "" }).bind(*pid);
        }
        sql.push(") ORDER BY number LIMIT 1000");
        for row in &self.rows_apart(sql).await? {
            let act = act(row)?;
            found.entry(act.pid).or_default().push(act);
        }
        Ok(found)
    }

    /// The rule that made a task, if one did.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn rule_act_of_task(
        &self,
        scope: &Scope,
        task: &str,
    ) -> Result<Option<Act>, Problem> {
        staff(scope)?;
        if task.is_empty() {
            return Ok(None);
        }
        let mut sql = Sql::new(ACT);
        sql.push("task = ").bind(task.to_owned());
        sql.push(" ORDER BY number LIMIT 1");
        self.rows_apart(sql).await?.first().map(act).transpose()
    }

    /// Rules that could not judge an event, or do what they say; the oldest first.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn stuck_rules(&self, scope: &Scope, count: u32) -> Result<Vec<StuckRule>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT e.seq, e.rule, COALESCE(s.title, ''), e.event, e.pid, e.at, e.reason FROM rule_event e \
             LEFT JOIN rule_switch s ON s.rule = e.rule WHERE e.reason IS NOT NULL ORDER BY e.seq LIMIT $1",
        );
        let rows = self.rows(&sql.with(count.min(LISTED_MAX))).await?;
        let stuck = |row: &Row| {
            Ok(StuckRule {
                seq: row.int(0)?,
                rule: row.text(1)?.to_owned(),
                title: row.text(2)?.to_owned(),
                event: Event::from_name(row.text(3)?).ok_or_else(nameless)?,
                pid: row.int(4)?,
                since: row.int(5)?,
                reason: row.text(6)?.to_owned(),
            })
        };
        rows.iter().map(stuck).collect()
    }
}
