//! Blueprints: ways of working that came as one signed package and were applied here (`docs/blueprints.md`).
//!
//! Invariant: what a blueprint brought, what was there before, and that it was applied are one commit. Invariant: a file
//! that belongs to it is put in place after that commit, and whoever looks next finishes what was cut off.

#[cfg(test)]
mod tests;
mod write;

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::reach::staff;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

pub(crate) use write::apply;
pub use write::{BlueprintWrite, PARTS_MAX};

/// Applications that are listed, and files that wait, at most.
const LISTED_MAX: i64 = 200;

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    Team,
    Questionnaire,
    Rule,
    Template,
    Mapping,
}

impl PartKind {
    const ALL: [PartKind; 5] = [
        PartKind::Team,
        PartKind::Questionnaire,
        PartKind::Rule,
        PartKind::Template,
        PartKind::Mapping,
    ];

    /// The word in tables and in `blueprint.json`.
    pub fn code(self) -> &'static str {
        match self {
            PartKind::Team => "team",
            PartKind::Questionnaire => "questionnaire",
            PartKind::Rule => "rule",
            PartKind::Template => "template",
            PartKind::Mapping => "mapping",
        }
    }

    /// The kind of that word.
    pub fn from_code(code: &str) -> Option<PartKind> {
        PartKind::ALL.into_iter().find(|it| it.code() == code)
    }
}

/// What was done with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// It was not here.
    Added,
    /// It was here otherwise, from the version before.
    Changed,
    /// The version before brought it, and this one does not.
    Removed,
    /// It was here just so.
    Left,
    /// Somebody here had changed it, and it stayed as they made it.
    Kept,
}

impl Did {
    const ALL: [Did; 5] = [Did::Added, Did::Changed, Did::Removed, Did::Left, Did::Kept];

    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            Did::Added => "added",
            Did::Changed => "changed",
            Did::Removed => "removed",
            Did::Left => "left",
            Did::Kept => "kept",
        }
    }

    /// What that word says.
    pub fn from_code(code: &str) -> Option<Did> {
        Did::ALL.into_iter().find(|it| it.code() == code)
    }
}

/// A part of a blueprint as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub kind: PartKind,
    /// `Type/id` of a resource, the id of a text or team, the name of a file.
    pub target: String,
    /// For people.
    pub title: String,
    pub did: Did,
    /// The thing before and after; empty for nothing.
    pub was: String,
    pub now: String,
}

/// How one stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is in force.
    Applied,
    /// Another version took its place.
    Replaced,
    Undone,
}

impl State {
    const ALL: [State; 3] = [State::Applied, State::Replaced, State::Undone];

    /// The word in tables.
    pub fn code(self) -> &'static str {
        match self {
            State::Applied => "applied",
            State::Replaced => "replaced",
            State::Undone => "undone",
        }
    }
}

/// A blueprint that was applied here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub id: String,
    pub name: String,
    pub version: String,
    pub title: String,
    pub about: String,
    /// SHA-256 of what was signed.
    pub digest: String,
    /// The organisation that signed: ODS code and name.
    pub signer: String,
    pub signer_name: String,
    /// Whether the directory here named its key.
    pub known: bool,
    /// The application whose place it took; empty for none.
    pub over: String,
    pub state: State,
    pub at: Millis,
    pub by: String,
    /// 0 while it is not undone.
    pub undone_at: Millis,
    pub undone_by: String,
}

/// A file of the mapping's folder that is still to be put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueFile {
    pub name: String,
    /// Empty: it is to be taken away.
    pub body: String,
    /// What may lie there; empty for nothing.
    pub over: String,
}

const APPLIED: &str = "SELECT id, name, version, title, about, digest, signer, signer_name, known, over, state, at, by_who, \
     undone_at, undone_by FROM blueprint ";

fn applied(row: &Row) -> Result<Applied, Problem> {
    let state = row.text(10)?;
    let state = State::ALL.into_iter().find(|it| it.code() == state);
    Ok(Applied {
        id: row.text(0)?.to_owned(),
        name: row.text(1)?.to_owned(),
        version: row.text(2)?.to_owned(),
        title: row.text(3)?.to_owned(),
        about: row.text(4)?.to_owned(),
        digest: row.text(5)?.to_owned(),
        signer: row.text(6)?.to_owned(),
        signer_name: row.text(7)?.to_owned(),
        known: row.flag(8)?,
        over: row.text(9)?.to_owned(),
        state: state.unwrap_or(State::Undone),
        at: row.int(11)?,
        by: row.text(12)?.to_owned(),
        undone_at: row.int(13)?,
        undone_by: row.text(14)?.to_owned(),
    })
}

impl Store {
    /// What was applied here, the latest first; what was replaced and undone too.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn blueprints(&self, scope: &Scope) -> Result<Vec<Applied>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(APPLIED);
        sql.push("ORDER BY at DESC, id DESC LIMIT ")
            .bind(LISTED_MAX);
        let rows = self.rows_apart(sql).await?;
        rows.iter().map(applied).collect()
    }

    /// What is in force under that name.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn blueprint(&self, scope: &Scope, name: &str) -> Result<Option<Applied>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(APPLIED);
        sql.push("WHERE id = (SELECT n.blueprint FROM blueprint_now n WHERE n.name = ")
            .bind(name.to_owned())
            .push(")");
        let rows = self.rows_apart(sql).await?;
        rows.first().map(applied).transpose()
    }

    /// What an application brought, in the order of its package.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn blueprint_parts(&self, scope: &Scope, id: &str) -> Result<Vec<Part>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT kind, target, title, did, was, is_now FROM blueprint_part WHERE blueprint = $1 ORDER BY number",
        );
        let rows = self.rows_apart(sql.with(id.to_owned())).await?;
        let broken = || Problem::new(Kind::Exception, "A blueprint's part cannot be read.");
        let part = |row: &Row| {
            Ok(Part {
                kind: PartKind::from_code(row.text(0)?).ok_or_else(broken)?,
                target: row.text(1)?.to_owned(),
                title: row.text(2)?.to_owned(),
                did: Did::from_code(row.text(3)?).ok_or_else(broken)?,
                was: row.text(4)?.to_owned(),
                now: row.text(5)?.to_owned(),
            })
        };
        rows.iter().map(part).collect()
    }

    /// Files that are still to be put in place, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn blueprint_files_due(&self) -> Result<Vec<DueFile>, Problem> {
        let sql = Sql::new("SELECT name, body, over FROM blueprint_file ORDER BY name LIMIT $1");
        let rows = self.rows(&sql.with(LISTED_MAX)).await?;
        let file = |row: &Row| {
            Ok(DueFile {
                name: row.text(0)?.to_owned(),
                body: row.text(1)?.to_owned(),
                over: row.text(2)?.to_owned(),
            })
        };
        rows.iter().map(file).collect()
    }

    /// What is kept of a team beside its name: members, letters, tasks, drafts and texts. 0: it can go.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn team_uses(&self, scope: &Scope, team: &str) -> Result<i64, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(write::TEAM_USES);
        for _ in 0..write::TEAM_USES_BINDS {
            sql = sql.with(team);
        }
        let rows = self.rows(&sql).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }
}
