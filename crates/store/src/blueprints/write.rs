//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Applied, DueFile, Part, State};
use crate::database::Tx;
use crate::sql::Sql;

/// Parts of one blueprint.
pub const PARTS_MAX: usize = 400;

const MOVED: &str = "What is applied here was changed meanwhile; look at it again.";

pub(super) const TEAM_USES: &str = "SELECT (SELECT COUNT(*) FROM desk_member WHERE team = $1) \
     + (SELECT COUNT(*) FROM desk_assigned WHERE team = $2) + (SELECT COUNT(*) FROM desk_task WHERE team = $3) \
     + (SELECT COUNT(*) FROM draft WHERE team = $4) + (SELECT COUNT(*) FROM desk_template WHERE team = $5)";
pub(super) const TEAM_USES_BINDS: usize = 5;

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum BlueprintWrite {
    /// Says that it is applied, over what its `over` names; the things themselves are the job's other changes.
    /// `Conflict` if something else is in force under its name by now.
    Apply {
        applied: Box<Applied>,
        parts: Vec<Part>,
    },
    /// Says that it is undone; what it had replaced is in force again. `Conflict` if it is not in force.
    Undo { id: String, by: String },
    /// A file is to be put in place, or taken away.
    File(DueFile),
    /// It was.
    FileDone(DueFile),
    /// Takes a team away that nobody uses. `BusinessRule` if somebody does.
    DropTeam { id: String },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &BlueprintWrite,
) -> Result<(), Problem> {
    match write {
        BlueprintWrite::Apply { applied, parts } => put(tx, now, applied, parts).await,
        BlueprintWrite::Undo { id, by } => undo(tx, now, id, by).await,
        BlueprintWrite::File(file) => {
            let sql = Sql::new(
                "INSERT INTO blueprint_file (name, body, over) VALUES ($1, $2, $3) ON CONFLICT (name) \
                 DO UPDATE SET body = excluded.body, over = excluded.over",
            );
            let sql = sql.with(file.name.as_str()).with(file.body.as_str());
            tx.execute(&sql.with(file.over.as_str())).await.map(|_| ())
        }
        BlueprintWrite::FileDone(file) => {
            // What was asked for meanwhile stays to be done.
            let sql = Sql::new("DELETE FROM blueprint_file WHERE name = $1 AND body = $2");
            let sql = sql.with(file.name.as_str()).with(file.body.as_str());
            tx.execute(&sql).await.map(|_| ())
        }
        BlueprintWrite::DropTeam { id } => drop_team(tx, id).await,
    }
}

async fn put(tx: &mut Tx<'_>, now: Millis, it: &Applied, parts: &[Part]) -> Result<(), Problem> {
    if parts.len() > PARTS_MAX {
        let message = "The blueprint has too many parts.";
        return Err(Problem::new(Kind::TooCostly, message));
    }
    if it.over.is_empty() {
        let sql = Sql::new(
            "INSERT INTO blueprint_now (name, blueprint) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        );
        let sql = sql.with(it.name.as_str()).with(it.id.as_str());
        tx.execute_once(&sql, MOVED).await?;
    } else {
        let sql =
            Sql::new("UPDATE blueprint_now SET blueprint = $1 WHERE name = $2 AND blueprint = $3");
        let sql = sql.with(it.id.as_str()).with(it.name.as_str());
        tx.execute_once(&sql.with(it.over.as_str()), MOVED).await?;
        let sql = Sql::new("UPDATE blueprint SET state = $1 WHERE id = $2");
        let sql = sql.with(State::Replaced.code()).with(it.over.as_str());
        tx.execute(&sql).await?;
    }
    let sql = Sql::new(
        "INSERT INTO blueprint (id, name, version, title, about, digest, signer, signer_name, known, over, state, at, \
         by_who, undone_at, undone_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, '')",
    );
    let sql = sql.with(it.id.as_str()).with(it.name.as_str());
    let sql = sql.with(it.version.as_str()).with(it.title.as_str());
    let sql = sql.with(it.about.as_str()).with(it.digest.as_str());
    let sql = sql.with(it.signer.as_str()).with(it.signer_name.as_str());
    let sql = sql.with(it.known).with(it.over.as_str());
    let sql = sql.with(State::Applied.code()).with(now);
    tx.execute(&sql.with(it.by.as_str())).await?;
    for (number, part) in (0_i64..).zip(parts) {
        let sql = Sql::new(
            "INSERT INTO blueprint_part (blueprint, number, kind, target, title, did, was, is_now) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        );
        let sql = sql.with(it.id.as_str()).with(number);
        let sql = sql.with(part.kind.code()).with(part.target.as_str());
        let sql = sql.with(part.title.as_str()).with(part.did.code());
        let sql = sql.with(part.was.as_str()).with(part.now.as_str());
        tx.execute(&sql).await?;
    }
    Ok(())
}

async fn undo(tx: &mut Tx<'_>, now: Millis, id: &str, by: &str) -> Result<(), Problem> {
    let sql = Sql::new("SELECT name, over FROM blueprint WHERE id = $1").with(id);
    let row = tx.row(&sql).await?;
    let row = row.ok_or_else(|| Problem::new(Kind::Conflict, MOVED))?;
    let (name, over) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
    if over.is_empty() {
        let sql = Sql::new("DELETE FROM blueprint_now WHERE name = $1 AND blueprint = $2");
        let sql = sql.with(name.as_str()).with(id);
        tx.execute_once(&sql, MOVED).await?;
    } else {
        let sql =
            Sql::new("UPDATE blueprint_now SET blueprint = $1 WHERE name = $2 AND blueprint = $3");
        let sql = sql.with(over.as_str()).with(name.as_str()).with(id);
        tx.execute_once(&sql, MOVED).await?;
        let sql = Sql::new("UPDATE blueprint SET state = $1 WHERE id = $2");
        let sql = sql.with(State::Applied.code()).with(over.as_str());
        tx.execute(&sql).await?;
    }
    let sql =
        Sql::new("UPDATE blueprint SET state = $1, undone_at = $2, undone_by = $3 WHERE id = $4");
    let sql = sql.with(State::Undone.code()).with(now).with(by).with(id);
    tx.execute(&sql).await.map(|_| ())
}

async fn drop_team(tx: &mut Tx<'_>, id: &str) -> Result<(), Problem> {
    let mut sql = Sql::new(TEAM_USES);
    for _ in 0..TEAM_USES_BINDS {
        sql = sql.with(id);
    }
    if tx.row(&sql).await?.map_or(Ok(0), |row| row.int(0))? > 0 {
        let message = "The team is used by now, so that it stays.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let sql = Sql::new("DELETE FROM desk_asked WHERE team = $1").with(id);
    tx.execute(&sql).await?;
    let sql = Sql::new("DELETE FROM desk_team WHERE id = $1").with(id);
    tx.execute_once(&sql, MOVED).await
}
