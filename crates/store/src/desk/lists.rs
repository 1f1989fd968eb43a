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

/// What waits and must not hide. No patient is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Letters that somebody has begun and nobody has signed.
    pub unsigned: u64,
    /// Letters that could not be delivered.
    pub undeliverable: u64,
    /// Tasks of this person, their teams or nobody that are due by today.
    pub due: u64,
    /// Answers to questionnaires that nobody has read.
    pub unread: u64,
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
        let mut sql = Sql::varied(
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

    /// What waits: for the head of each of the staff's pages. `tomorrow` is the first millisecond that is not due by today.
    /// What is sealed and locked is counted for nobody, as in no list but its workgroup's.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pending(&self, account: i64, tomorrow: Millis) -> Result<Pending, Problem> {
        let sql = Sql::new(
            "SELECT (SELECT COUNT(*) FROM draft WHERE state = 'open'), \
             (SELECT COUNT(*) FROM parcel p WHERE p.direction = 0 AND p.state = 'undeliverable' \
             AND p.kind IN ('letter', 'fax', 'itk3') AND NOT EXISTS (SELECT 1 FROM place l \
             JOIN res r ON r.shard = l.shard AND r.rid = l.rid WHERE l.id = p.document \
             AND l.ty = $1 AND r.guard = 2)), \
             (SELECT COUNT(*) FROM desk_task t WHERE t.state = 'open' AND t.due < $2 \
             AND (t.account = $3 OR (t.account = 0 AND (t.team = '' OR t.team IN \
             (SELECT m.team FROM desk_member m WHERE m.account = $4))))), \
             (SELECT COUNT(*) FROM form_ask WHERE status = 'completed' AND seen_at = 0)",
        );
        let document_ty = self.word("DocumentReference").await?;
        let sql = sql
            .with(document_ty)
            .with(tomorrow)
            .with(account)
            .with(account);
        let rows = self.rows(&sql).await?;
        let count = |column: usize| {
            let found = rows.first().map_or(Ok(0), |row| row.int(column))?;
            Ok::<u64, Problem>(u64::try_from(found).unwrap_or_default())
        };
        Ok(Pending {
            unsigned: count(0)?,
            undeliverable: count(1)?,
            due: count(2)?,
            unread: count(3)?,
        })
    }

    /// Every text that letters begin with, by name.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff.
    pub async fn templates(&self, scope: &Scope) -> Result<Vec<Template>, Problem> {
        staff(scope)?;
        let mut sql = Sql::varied(TEMPLATE);
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
        let mut sql = Sql::varied(TEMPLATE);
        sql.push("WHERE id = ").bind(id.to_owned());
        let rows = self.rows_apart(sql).await?;
        let gone = || Problem::new(Kind::NotFound, "There is no such text here.");
        rows.first().map(template).ok_or_else(gone)?
    }
}
