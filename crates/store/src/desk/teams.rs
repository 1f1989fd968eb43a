//! Teams: who is in which, who leads, and what waits for a second person.

use access::{Role, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::accounts;
use crate::database::Tx;
use crate::fax::Asker;
use crate::reach::staff;
use crate::sql::Sql;
use crate::store::Store;

/// Teams of an organisation, members of a team, colleagues and open questions that are listed at most.
const TEAMS_MAX: i64 = 100;
const MEMBERS_MAX: i64 = 200;
const COLLEAGUES_MAX: i64 = 1_000;
const ASKED_MAX: i64 = 200;

pub(super) const SETTLED: &str = "This was settled meanwhile; look at the list again.";

/// What one person asks for and another confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskKind {
    /// That somebody leads a team.
    Lead,
    /// That somebody leads it no more.
    Unlead,
    /// That somebody's account is closed, since they leave.
    Leave,
}

impl AskKind {
    pub fn code(self) -> &'static str {
        match self {
            AskKind::Lead => "lead",
            AskKind::Unlead => "unlead",
            AskKind::Leave => "leave",
        }
    }

    pub fn from_code(code: &str) -> Option<AskKind> {
        [AskKind::Lead, AskKind::Unlead, AskKind::Leave]
            .into_iter()
            .find(|it| it.code() == code)
    }
}

/// Somebody who works here: their role is what their smartcard or the node's operator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colleague {
    pub account: i64,
    pub name: String,
    pub role: Role,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub who: Colleague,
    pub leads: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: String,
    pub name: String,
    pub members: Vec<Member>,
}

/// What waits for a second person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub id: String,
    pub kind: AskKind,
    /// The team's name; empty where it is about none.
    pub team: String,
    pub account: i64,
    pub name: String,
    pub asked_by: i64,
    pub asked_who: String,
    pub asked_at: Millis,
}

impl Store {
    /// Everybody who works on letters here, by name; the first thousand.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn colleagues(&self, scope: &Scope) -> Result<Vec<Colleague>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT id, name, role FROM account WHERE closed = 0 AND role IN ('clerk', 'clinician') \
             ORDER BY name, id LIMIT $1",
        );
        let rows = self.rows(&sql.with(COLLEAGUES_MAX)).await?;
        rows.iter()
            .map(|row| {
                Ok(Colleague {
                    account: row.int(0)?,
                    name: row.text(1)?.to_owned(),
                    role: Role::parse(row.text(2)?)?,
                })
            })
            .collect()
    }

    /// Every team with its members, by name.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn teams(&self, scope: &Scope) -> Result<Vec<Team>, Problem> {
        staff(scope)?;
        let sql = Sql::new("SELECT id, name FROM desk_team ORDER BY name LIMIT $1");
        let rows = self.rows(&sql.with(TEAMS_MAX)).await?;
        let mut teams = Vec::new();
        for row in &rows {
            teams.push(Team {
                id: row.text(0)?.to_owned(),
                name: row.text(1)?.to_owned(),
                members: self.members(row.text(0)?).await?,
            });
        }
        Ok(teams)
    }

    async fn members(&self, team: &str) -> Result<Vec<Member>, Problem> {
        let sql = Sql::new(
            "SELECT a.id, a.name, a.role, m.lead FROM desk_member m JOIN account a ON a.id = m.account \
             WHERE m.team = $1 AND a.closed = 0 AND a.role IS NOT NULL ORDER BY m.lead DESC, a.name, a.id \
             LIMIT $2",
        );
        let rows = self.rows(&sql.with(team).with(MEMBERS_MAX)).await?;
        rows.iter()
            .map(|row| {
                Ok(Member {
                    who: Colleague {
                        account: row.int(0)?,
                        name: row.text(1)?.to_owned(),
                        role: Role::parse(row.text(2)?)?,
                    },
                    leads: row.flag(3)?,
                })
            })
            .collect()
    }

    /// What waits for a second person, the oldest first.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn teams_asked(&self, scope: &Scope) -> Result<Vec<Asked>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT q.id, q.kind, COALESCE(t.name, ''), q.account, a.name, q.asked_by, q.asked_who, \
             q.asked_at FROM desk_asked q JOIN account a ON a.id = q.account \
             LEFT JOIN desk_team t ON t.id = q.team ORDER BY q.asked_at, q.id LIMIT $1",
        );
        let rows = self.rows(&sql.with(ASKED_MAX)).await?;
        rows.iter()
            .map(|row| {
                Ok(Asked {
                    id: row.text(0)?.to_owned(),
                    kind: AskKind::from_code(row.text(1)?).unwrap_or(AskKind::Lead),
                    team: row.text(2)?.to_owned(),
                    account: row.int(3)?,
                    name: row.text(4)?.to_owned(),
                    asked_by: row.int(5)?,
                    asked_who: row.text(6)?.to_owned(),
                    asked_at: row.int(7)?,
                })
            })
            .collect()
    }
}

async fn count(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<i64, Problem> {
    tx.row(sql).await?.map_or(Ok(0), |row| row.int(0))
}

/// That there is such a team.
pub(super) async fn check(tx: &mut Tx<'_>, team: &str) -> Result<(), Problem> {
    let sql = Sql::new("SELECT 1 FROM desk_team WHERE id = $1").with(team);
    match tx.row(&sql).await? {
        Some(_) => Ok(()),
        None => Err(Problem::new(
            Kind::BusinessRule,
            "There is no such team here; choose another.",
        )),
    }
}

pub(super) async fn begin(
    tx: &mut Tx<'_>,
    now: Millis,
    (id, name): (&str, &str),
    by: &str,
) -> Result<(), Problem> {
    let sql = Sql::new("SELECT COUNT(*) FROM desk_team");
    if count(tx, &sql).await? >= TEAMS_MAX {
        return Err(Problem::new(
            Kind::TooCostly,
            "There are 100 teams already, which is the most.",
        ));
    }
    let sql = Sql::new(
        "INSERT INTO desk_team (id, name, made_at, made_by) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    );
    match tx
        .execute(&sql.with(id).with(name.trim()).with(now).with(by))
        .await?
    {
        0 => Err(Problem::new(
            Kind::Duplicate,
            "There is a team of that name already.",
        )),
        _ => Ok(()),
    }
}

pub(super) async fn join(tx: &mut Tx<'_>, team: &str, account: i64) -> Result<(), Problem> {
    check(tx, team).await?;
    let whose = super::Whose {
        account,
        team: String::new(),
    };
    super::write::check_whose(tx, &whose).await?;
    let sql = Sql::new("SELECT COUNT(*) FROM desk_member WHERE team = $1").with(team);
    if count(tx, &sql).await? >= MEMBERS_MAX {
        return Err(Problem::new(
            Kind::TooCostly,
            "The team has 200 members already, which is the most.",
        ));
    }
    let sql = Sql::new(
        "INSERT INTO desk_member (team, account, lead) VALUES ($1, $2, 0) \
         ON CONFLICT (team, account) DO NOTHING",
    );
    tx.execute(&sql.with(team).with(account)).await.map(|_| ())
}

pub(super) async fn part(tx: &mut Tx<'_>, team: &str, account: i64) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM desk_member WHERE team = $1 AND account = $2 AND lead = 0");
    let gone =
        "Who leads a team is taken out of it only once they lead it no more: ask for that first.";
    tx.execute_once(&sql.with(team).with(account), gone).await
}

pub(super) async fn ask(
    tx: &mut Tx<'_>,
    now: Millis,
    id: &str,
    (kind, team, account): (AskKind, &str, i64),
    by: &Asker,
) -> Result<(), Problem> {
    let sql = Sql::new("SELECT COUNT(*) FROM desk_asked");
    if count(tx, &sql).await? >= ASKED_MAX {
        let message = "Too much waits for a second person; settle some of it first.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    if kind != AskKind::Leave {
        let sql = Sql::new("SELECT lead FROM desk_member WHERE team = $1 AND account = $2");
        let lead = tx.row(&sql.with(team).with(account)).await?;
        let leads = lead.map(|row| row.flag(0)).transpose()?;
        if leads != Some(kind == AskKind::Unlead) {
            return Err(Problem::new(Kind::Conflict, SETTLED));
        }
    }
    let sql = Sql::new("SELECT 1 FROM desk_asked WHERE kind = $1 AND team = $2 AND account = $3");
    let sql = sql.with(kind.code()).with(team).with(account);
    if tx.row(&sql).await?.is_some() {
        let message = "This has been asked for already, and waits for a second person.";
        return Err(Problem::new(Kind::Duplicate, message));
    }
    let sql = Sql::new(
        "INSERT INTO desk_asked (id, kind, team, account, asked_by, asked_who, asked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(id).with(kind.code()).with(team).with(account);
    let sql = sql.with(by.account).with(by.who.as_str()).with(now);
    tx.execute_once(&sql, SETTLED).await
}

pub(super) async fn confirm(tx: &mut Tx<'_>, id: &str, by: &Asker) -> Result<(), Problem> {
    let sql = Sql::new("SELECT kind, team, account, asked_by FROM desk_asked WHERE id = $1");
    let row = tx.row(&sql.with(id)).await?;
    let row = row.ok_or_else(|| Problem::new(Kind::Conflict, SETTLED))?;
    let account = row.int(2)?;
    if row.int(3)? == by.account || account == by.account {
        let message =
            "Another person must confirm this: neither who asked for it nor whom it is about.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let kind = AskKind::from_code(row.text(0)?);
    let team = row.text(1)?.to_owned();
    let sql = Sql::new("DELETE FROM desk_asked WHERE id = $1").with(id);
    tx.execute_once(&sql, SETTLED).await?;
    match kind {
        Some(AskKind::Leave) => {
            let sql = Sql::new("SELECT login FROM account WHERE id = $1 AND closed = 0");
            let row = tx.row(&sql.with(account)).await?;
            let row = row.ok_or_else(|| Problem::new(Kind::Conflict, SETTLED))?;
            let login = row.text(0)?.to_owned();
            accounts::close(tx, &login).await.map(|_| ())
        }
        kind => {
            let sql = Sql::new("UPDATE desk_member SET lead = $1 WHERE team = $2 AND account = $3");
            let leads = kind == Some(AskKind::Lead);
            let sql = sql.with(leads).with(team.as_str()).with(account);
            tx.execute_once(&sql, SETTLED).await
        }
    }
}
