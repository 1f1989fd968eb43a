//! What pages ask of these rows.

use std::collections::HashMap;

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Template, Whose};
use crate::reach::staff;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Letters whose work is asked about at a time.
const ASKED_MAX: usize = 200;

/// Whose work a letter is, with the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub whose: Whose,
    pub person: String,
    pub team: String,
    pub by: String,
    pub at: Millis,
}

/// A list that somebody narrowed and keeps: its name and its address's query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFilter {
    pub name: String,
    pub query: String,
}

const TEMPLATE: &str =
    "SELECT id, team, name, body, version, changed_at, changed_by FROM desk_template ";

fn template(row: &Row) -> Result<Template, Problem> {
    Ok(Template {
        id: row.text(0)?.to_owned(),
        team: row.text(1)?.to_owned(),
        name: row.text(2)?.to_owned(),
        body: row.text(3)?.to_owned(),
        version: row.int(4)?,
        changed_at: row.int(5)?,
        changed_by: row.text(6)?.to_owned(),
    })
}

impl Store {
    /// Whose work these letters are; those that are nobody's are left out.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn assigned(
        &self,
        scope: &Scope,
        pids: &[i64],
    ) -> Result<HashMap<i64, Assigned>, Problem> {
        staff(scope)?;
        if pids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut sql = Sql::new(
            "SELECT g.pid, g.account, g.team, g.by_who, g.at, COALESCE(a.name, ''), COALESCE(t.name, '') \
             FROM desk_assigned g LEFT JOIN account a ON a.id = g.account \
             LEFT JOIN desk_team t ON t.id = g.team WHERE g.pid IN (",
        );
        for (number, pid) in pids.iter().take(ASKED_MAX).enumerate() {
            sql.push(if number > 0 { ", " } else { "" }).bind(*pid);
        }
        sql.push(")");
        let rows = self.rows_apart(sql).await?;
        let assigned = |row: &Row| {
            let assigned = Assigned {
                whose: Whose {
                    account: row.int(1)?,
                    team: row.text(2)?.to_owned(),
                },
                by: row.text(3)?.to_owned(),
                at: row.int(4)?,
                person: row.text(5)?.to_owned(),
                team: row.text(6)?.to_owned(),
            };
            Ok((row.int(0)?, assigned))
        };
        rows.iter().map(assigned).collect()
    }

    /// The views that this person saved, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn saved_filters(&self, account: i64) -> Result<Vec<SavedFilter>, Problem> {
        let sql = Sql::new(
            "SELECT name, query FROM desk_filter WHERE account = $1 ORDER BY name LIMIT 50",
        );
        let rows = self.rows(&sql.with(account)).await?;
        rows.iter()
            .map(|row| {
                Ok(SavedFilter {
                    name: row.text(0)?.to_owned(),
                    query: row.text(1)?.to_owned(),
                })
            })
            .collect()
    }

    /// Every text that letters begin with, by name.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn templates(&self, scope: &Scope) -> Result<Vec<Template>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(TEMPLATE);
        sql.push("ORDER BY name, id LIMIT ")
            .bind(super::TEMPLATES_MAX);
        let rows = self.rows_apart(sql).await?;
        rows.iter().map(template).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for who is no member of staff.
    pub async fn template(&self, scope: &Scope, id: &str) -> Result<Template, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(TEMPLATE);
        sql.push("WHERE id = ").bind(id.to_owned());
        let rows = self.rows_apart(sql).await?;
        let gone = || Problem::new(Kind::NotFound, "There is no such text here.");
        rows.first().map(template).ok_or_else(gone)?
    }
}
