//! Tasks: whose they are and until when. What is to be done stands in the Task of the same id.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::Whose;
use crate::database::Tx;
use crate::reach::staff;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Tasks that are open at a time: people can still look through them.
const OPEN_MAX: i64 = 20_000;
/// Rows of one list.
const LISTED_MAX: i64 = 100;

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    Open,
    Done,
    /// It was decided not to do it, and said why.
    NotDone,
}

impl TaskState {
    pub fn code(self) -> &'static str {
        match self {
            TaskState::Open => "open",
            TaskState::Done => "done",
            TaskState::NotDone => "not-done",
        }
    }

    fn from_code(code: &str) -> TaskState {
        match code {
            "done" => TaskState::Done,
            "not-done" => TaskState::NotDone,
            _ => TaskState::Open,
        }
    }
}

/// A task's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The Task's id.
    pub id: String,
    /// The Patient's id here.
    pub patient: String,
    /// The letter that it came of; 0 for none.
    pub pid: i64,
    pub whose: Whose,
    /// The names of the person and the team, as they are now; of a list alone.
    pub person: String,
    pub team: String,
    /// The first millisecond of the day (UTC) on which it is due.
    pub due: Millis,
    pub urgent: bool,
    pub state: TaskState,
    pub made_at: Millis,
    pub made_by: String,
    pub state_at: Millis,
    pub state_by: String,
    pub version: i64,
}

/// What must be there before a task is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskWas {
    Nothing,
    At(i64),
}

/// Which tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskList {
    /// Open ones that are this person's, their teams' or nobody's.
    Mine(i64),
    /// All that are open.
    Open,
    /// Those that are done, or that it was decided not to do, the latest first.
    Over,
    /// All of one letter.
    OfLetter(i64),
}

/// How many of a person's, their teams' and nobody's tasks are open, and due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    pub mine: u64,
    pub overdue: u64,
    pub open: u64,
}

const COLUMNS: &str = "SELECT t.id, t.patient, t.pid, t.account, t.team, t.due, t.urgent, t.state, t.made_at, \
     t.made_by, t.state_at, t.state_by, t.version, COALESCE(a.name, ''), COALESCE(m.name, '') \
     FROM desk_task t LEFT JOIN account a ON a.id = t.account LEFT JOIN desk_team m ON m.id = t.team WHERE ";

fn task(row: &Row) -> Result<Task, Problem> {
    Ok(Task {
        id: row.text(0)?.to_owned(),
        patient: row.text(1)?.to_owned(),
        pid: row.int(2)?,
        whose: Whose {
            account: row.int(3)?,
            team: row.text(4)?.to_owned(),
        },
        due: row.int(5)?,
        urgent: row.flag(6)?,
        state: TaskState::from_code(row.text(7)?),
        made_at: row.int(8)?,
        made_by: row.text(9)?.to_owned(),
        state_at: row.int(10)?,
        state_by: row.text(11)?.to_owned(),
        version: row.int(12)?,
        person: row.text(13)?.to_owned(),
        team: row.text(14)?.to_owned(),
    })
}

/// Adds the condition that a task concerns this person.
fn push_mine(sql: &mut Sql<'_>, account: i64) {
    sql.push("(t.account = ").bind(account);
    sql.push(" OR (t.account = 0 AND (t.team = '' OR t.team IN (SELECT w.team FROM desk_member w WHERE w.account = ")
        .bind(account);
    sql.push("))))");
}

impl Store {
    /// A list of tasks, what is due first before the rest, and whether there is more. Whom they are about is read apart, by
    /// who may.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn tasks(
        &self,
        scope: &Scope,
        list: &TaskList,
    ) -> Result<(Vec<Task>, bool), Problem> {
        staff(scope)?;
        let mut sql = Sql::new(COLUMNS);
        match list {
            TaskList::Mine(account) => {
                sql.push("t.state = 'open' AND ");
                push_mine(&mut sql, *account);
            }
            TaskList::Open => {
                sql.push("t.state = 'open'");
            }
            TaskList::Over => {
                sql.push("t.state IN ('done', 'not-done')");
            }
            TaskList::OfLetter(pid) => {
                sql.push("t.pid = ").bind(*pid);
            }
        }
        sql.push(match list {
            TaskList::Over => " ORDER BY t.state_at DESC, t.id LIMIT ",
            _ => " ORDER BY t.due, t.urgent DESC, t.id LIMIT ",
        });
        sql.bind(LISTED_MAX + 1);
        let rows = self.rows_apart(sql).await?;
        let most = usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
        let tasks = rows.iter().take(most).map(task);
        Ok((tasks.collect::<Result<_, _>>()?, rows.len() > most))
    }

    /// One task's row.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for who is no member of staff.
    pub async fn task(&self, scope: &Scope, id: &str) -> Result<Task, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("t.id = ").bind(id.to_owned());
        let rows = self.rows_apart(sql).await?;
        let gone = || Problem::new(Kind::NotFound, "There is no such task here.");
        rows.first().map(task).ok_or_else(gone)?
    }

    /// How many tasks concern this person; overdue are those due before `today` (UTC, its first millisecond).
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn task_counts(
        &self,
        scope: &Scope,
        account: i64,
        today: Millis,
    ) -> Result<TaskCounts, Problem> {
        staff(scope)?;
        let mut sql =
            Sql::new("SELECT (SELECT COUNT(*) FROM desk_task t WHERE t.state = 'open' AND ");
        push_mine(&mut sql, account);
        sql.push("), (SELECT COUNT(*) FROM desk_task t WHERE t.state = 'open' AND t.due < ")
            .bind(today);
        sql.push(" AND ");
        push_mine(&mut sql, account);
        sql.push("), (SELECT COUNT(*) FROM desk_task t WHERE t.state = 'open')");
        let rows = self.rows_apart(sql).await?;
        let count = |column: usize| {
            let found = rows.first().map_or(Ok(0), |row| row.int(column))?;
            Ok::<u64, Problem>(u64::try_from(found).unwrap_or_default())
        };
        Ok(TaskCounts {
            mine: count(0)?,
            overdue: count(1)?,
            open: count(2)?,
        })
    }
}

const BETWEEN: &str = "Somebody else has just changed this task; look at it again.";

pub(super) async fn put(
    tx: &mut Tx<'_>,
    now: Millis,
    it: &Task,
    was: TaskWas,
) -> Result<(), Problem> {
    if it.state == TaskState::Open {
        super::write::check_whose(tx, &it.whose).await?;
    }
    match was {
        TaskWas::Nothing => insert(tx, now, it).await,
        TaskWas::At(version) => {
            let sql = Sql::new(
                "UPDATE desk_task SET account = $1, team = $2, due = $3, urgent = $4, state = $5, \
                 state_at = $6, state_by = $7, version = version + 1 WHERE id = $8 AND version = $9",
            );
            let sql = sql.with(it.whose.account).with(it.whose.team.as_str());
            let sql = sql.with(it.due).with(it.urgent).with(it.state.code());
            let sql = sql.with(now).with(it.state_by.as_str());
            tx.execute_once(&sql.with(it.id.as_str()).with(version), BETWEEN)
                .await
        }
    }
}

async fn insert(tx: &mut Tx<'_>, now: Millis, it: &Task) -> Result<(), Problem> {
    let sql = Sql::new("SELECT COUNT(*) FROM desk_task WHERE state = 'open'");
    if tx.row(&sql).await?.map_or(Ok(0), |row| row.int(0))? >= OPEN_MAX {
        let message = "Too many tasks are open here; finish some first.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    let sql = Sql::new(
        "INSERT INTO desk_task (id, patient, pid, account, team, due, urgent, state, made_at, made_by, \
         state_at, state_by, version) VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $9, $8, $9, 1) \
         ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(it.id.as_str()).with(it.patient.as_str());
    let sql = sql.with(it.pid).with(it.whose.account);
    let sql = sql.with(it.whose.team.as_str()).with(it.due);
    let sql = sql.with(it.urgent).with(now).with(it.made_by.as_str());
    tx.execute_once(&sql, BETWEEN).await
}
