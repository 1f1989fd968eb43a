//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::tasks::{self, Task, TaskWas};
use super::{Template, Whose, teams};
use crate::accounts::fold_login;
use crate::database::Tx;
use crate::fax::Asker;
use crate::sql::Sql;

/// Filters that one person saves at most.
pub const FILTERS_MAX: i64 = 12;
/// Texts that letters begin with, at most, and one of them in bytes.
pub const TEMPLATES_MAX: i64 = 200;
pub const TEMPLATE_BYTES_MAX: usize = 32 << 10;
/// The longest name of a filter, team or text, in characters.
const NAME_CHARS_MAX: usize = 60;
/// The longest question of a filter, in bytes.
const QUERY_BYTES_MAX: usize = 400;

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum DeskWrite {
    /// Says whose work a letter is; with neither person nor team it is nobody's.
    Assign {
        pid: i64,
        to: Whose,
        by: String,
    },
    /// Keeps a filter under a name, over one of that name. `TooCostly` for more than `FILTERS_MAX`.
    KeepFilter {
        account: i64,
        name: String,
        query: String,
    },
    DropFilter {
        account: i64,
        name: String,
    },
    /// Begins a team. `Duplicate` if one has that name.
    Team {
        id: String,
        name: String,
        by: String,
    },
    /// Puts somebody into a team, or takes them out. A lead is taken out only once they lead no more.
    Join {
        team: String,
        account: i64,
    },
    Part {
        team: String,
        account: i64,
    },
    /// Asks that somebody lead a team, or lead it no more, or that their account be closed since they leave; another person
    /// confirms.
    Ask {
        id: String,
        kind: teams::AskKind,
        team: String,
        account: i64,
        by: Asker,
    },
    /// Confirms. `BusinessRule` for who asked, and for whom it is about.
    Confirm {
        id: String,
        by: Asker,
    },
    /// Takes back what was asked for.
    Refuse {
        id: String,
    },
    /// Writes a task's row. `Conflict` if what is there is not what `was` says.
    Task {
        task: Box<Task>,
        was: TaskWas,
    },
    /// Writes a text over that version; 0 for a new one. `Conflict` if it is another by now.
    Template {
        template: Box<Template>,
        was: i64,
    },
    DropTemplate {
        id: String,
        version: i64,
    },
    /// Writes a text as it once was, with who changed it then, over that version. `Conflict` if it is another by now.
    PutBackTemplate {
        template: Box<Template>,
        was: i64,
    },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &DeskWrite) -> Result<(), Problem> {
    match write {
        DeskWrite::Assign { pid, to, by } => assign(tx, now, *pid, (to, by)).await,
        DeskWrite::KeepFilter {
            account,
            name,
            query,
        } => keep_filter(tx, now, *account, (name, query)).await,
        DeskWrite::DropFilter { account, name } => {
            let sql = Sql::new("DELETE FROM desk_filter WHERE account = $1 AND name = $2");
            let sql = sql.with(*account).with(name.as_str());
            tx.execute(&sql).await.map(|_| ())
        }
        DeskWrite::Team { id, name, by } => {
            named(name)?;
            teams::begin(tx, now, (id, name), by).await
        }
        DeskWrite::Join { team, account } => teams::join(tx, team, *account).await,
        DeskWrite::Part { team, account } => teams::part(tx, team, *account).await,
        DeskWrite::Ask {
            id,
            kind,
            team,
            account,
            by,
        } => teams::ask(tx, now, id, (*kind, team, *account), by).await,
        DeskWrite::Confirm { id, by } => teams::confirm(tx, id, by).await,
        DeskWrite::Refuse { id } => {
            let sql = Sql::new("DELETE FROM desk_asked WHERE id = $1").with(id.as_str());
            tx.execute_once(&sql, teams::SETTLED).await
        }
        DeskWrite::Task { task, was } => tasks::put(tx, now, task, *was).await,
        DeskWrite::Template { template, was } => put_template(tx, now, template, *was).await,
        DeskWrite::PutBackTemplate { template, was } => {
            put_template(tx, template.changed_at, template, *was).await
        }
        DeskWrite::DropTemplate { id, version } => {
            let sql = Sql::new("DELETE FROM desk_template WHERE id = $1 AND version = $2");
            let sql = sql.with(id.as_str()).with(*version);
            tx.execute_once(&sql, MOVED).await
        }
    }
}

const MOVED: &str = "Somebody else has just changed this; look at it again.";

/// A name is there and fits on a line.
pub(super) fn named(name: &str) -> Result<(), Problem> {
    let count = name.trim().chars().count();
    if count == 0 {
        return Err(Problem::new(Kind::Required, "Give it a name."));
    }
    if count > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        let message = "A name has at most 60 characters, on one line.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    Ok(())
}

/// Work goes only to somebody who is here, or to a team that there is.
pub(super) async fn check_whose(tx: &mut Tx<'_>, to: &Whose) -> Result<(), Problem> {
    if to.account != 0 {
        let sql = Sql::new(
            "SELECT 1 FROM account WHERE id = $1 AND closed = 0 AND role IN ('clerk', 'clinician')",
        );
        if tx.row(&sql.with(to.account)).await?.is_none() {
            let message = "Whom you chose does not work here any more; choose somebody else.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
    }
    if !to.team.is_empty() {
        teams::check(tx, &to.team).await?;
    }
    Ok(())
}

async fn assign(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    (to, by): (&Whose, &str),
) -> Result<(), Problem> {
    check_whose(tx, to).await?;
    if *to == Whose::default() {
        let sql = Sql::new("DELETE FROM desk_assigned WHERE pid = $1").with(pid);
        return tx.execute(&sql).await.map(|_| ());
    }
    let sql = Sql::new(
        "INSERT INTO desk_assigned (pid, account, team, by_who, at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (pid) DO UPDATE SET account = excluded.account, team = excluded.team, \
         by_who = excluded.by_who, at = excluded.at",
    );
    let sql = sql.with(pid).with(to.account).with(to.team.as_str());
    tx.execute(&sql.with(by).with(now)).await.map(|_| ())
}

async fn keep_filter(
    tx: &mut Tx<'_>,
    now: Millis,
    account: i64,
    (name, query): (&str, &str),
) -> Result<(), Problem> {
    named(name)?;
    if query.len() > QUERY_BYTES_MAX {
        return Err(Problem::new(Kind::TooLong, "This view cannot be saved."));
    }
    let sql = Sql::new("SELECT COUNT(*) FROM desk_filter WHERE account = $1 AND name <> $2");
    let sql = sql.with(account).with(name);
    if tx.row(&sql).await?.map_or(Ok(0), |row| row.int(0))? >= FILTERS_MAX {
        let message = "You have saved 12 views; take one away first.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    let sql = Sql::new(
        "INSERT INTO desk_filter (account, name, query, made_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account, name) DO UPDATE SET query = excluded.query, made_at = excluded.made_at",
    );
    let sql = sql.with(account).with(name).with(query).with(now);
    tx.execute(&sql).await.map(|_| ())
}

async fn put_template(
    tx: &mut Tx<'_>,
    now: Millis,
    it: &Template,
    was: i64,
) -> Result<(), Problem> {
    named(&it.name)?;
    if it.body.len() > TEMPLATE_BYTES_MAX {
        return Err(Problem::new(
            Kind::TooLong,
            "The text is too long to be kept.",
        ));
    }
    if !it.team.is_empty() {
        teams::check(tx, &it.team).await?;
    }
    if was == 0 {
        let sql = Sql::new("SELECT COUNT(*) FROM desk_template");
        if tx.row(&sql).await?.map_or(Ok(0), |row| row.int(0))? >= TEMPLATES_MAX {
            let message = "There are 200 texts already; take away one that is not used.";
            return Err(Problem::new(Kind::TooCostly, message));
        }
        let sql = Sql::new(
            "INSERT INTO desk_template (id, team, name, body, version, changed_at, changed_by) \
             VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT (id) DO NOTHING",
        );
        let sql = sql.with(it.id.as_str()).with(it.team.as_str());
        let sql = sql.with(it.name.as_str()).with(it.body.as_str());
        let sql = sql.with(now).with(it.changed_by.as_str());
        return tx.execute_once(&sql, MOVED).await;
    }
    let sql = Sql::new(
        "UPDATE desk_template SET team = $1, name = $2, body = $3, changed_at = $4, changed_by = $5, \
         version = version + 1 WHERE id = $6 AND version = $7",
    );
    let sql = sql.with(it.team.as_str()).with(it.name.as_str());
    let sql = sql.with(it.body.as_str()).with(now);
    let sql = sql.with(it.changed_by.as_str()).with(it.id.as_str());
    tx.execute_once(&sql.with(was), MOVED).await
}

/// Whoever had that user name works here no more: their letters, tasks and drafts fall to their team, or to nobody in
/// particular where they were in none, and nothing of theirs is hidden.
pub(crate) async fn left(tx: &mut Tx<'_>, login: &str) -> Result<(), Problem> {
    let sql = Sql::new("SELECT id FROM account WHERE login = $1 AND closed = 0");
    let Some(row) = tx.row(&sql.with(fold_login(login))).await? else {
        return Ok(());
    };
    let account = row.int(0)?;
    let sql = Sql::new(
        "SELECT m.team FROM desk_member m JOIN desk_team t ON t.id = m.team WHERE m.account = $1 \
         ORDER BY t.name LIMIT 1",
    );
    let team = match tx.row(&sql.with(account)).await? {
        Some(row) => row.text(0)?.to_owned(),
        None => String::new(),
    };
    for text in [
        "UPDATE desk_assigned SET team = $1 WHERE account = $2 AND team = ''",
        "UPDATE desk_task SET team = $1 WHERE account = $2 AND team = '' AND state = 'open'",
        "UPDATE draft SET team = $1 WHERE account = $2 AND state = 'open'",
    ] {
        let sql = Sql::new(text).with(team.as_str()).with(account);
        tx.execute(&sql).await?;
    }
    for text in [
        "UPDATE desk_assigned SET account = 0 WHERE account = $1",
        "UPDATE desk_task SET account = 0, version = version + 1 WHERE account = $1 AND state = 'open'",
        "DELETE FROM desk_member WHERE account = $1",
        "DELETE FROM desk_asked WHERE account = $1",
        "DELETE FROM desk_filter WHERE account = $1",
    ] {
        tx.execute(&Sql::new(text).with(account)).await?;
    }
    let sql = Sql::new("DELETE FROM desk_assigned WHERE account = 0 AND team = ''");
    tx.execute(&sql).await.map(|_| ())
}
