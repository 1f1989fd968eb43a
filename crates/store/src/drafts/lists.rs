//! What the pages ask of these rows.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::reach::staff;
use crate::resources::{Reading, Version};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Drafts in a list.
const LISTED_MAX: i64 = 200;

/// One draft that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub id: String,
    pub kind: String,
    /// The Patient as the reader is shown them.
    pub patient: Version,
    /// Who wrote in it last.
    pub account: i64,
    pub author: String,
    pub body: String,
    pub version: i64,
    pub begun_at: Millis,
    pub changed_at: Millis,
}

/// A draft in the list of what is unsigned: who wrote it and since when; whom it is about only for who is shown them.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub id: String,
    pub kind: String,
    pub patient: Option<Version>,
    pub account: i64,
    pub author: String,
    pub begun_at: Millis,
    pub changed_at: Millis,
    /// Whoever wrote it works here no more, and the team that it fell to.
    pub left: bool,
    pub team: String,
}

impl Store {
    /// An open draft of that kind.
    ///
    /// # Errors
    /// `NotFound` if there is none, if it is open no more, or if its patient is not shown to the reader;
    /// `Forbidden` for who is no member of staff; those of the database.
    pub async fn draft(&self, scope: &Scope, kind: &str, id: &str) -> Result<Draft, Problem> {
        self.draft_in(scope, (kind, id), "open").await
    }

    /// A draft of that kind that was signed, as it was then; `changed_at` is when.
    ///
    /// # Errors
    /// As `draft`.
    pub async fn signed_draft(
        &self,
        scope: &Scope,
        kind: &str,
        id: &str,
    ) -> Result<Draft, Problem> {
        self.draft_in(scope, (kind, id), "signed").await
    }

    async fn draft_in(
        &self,
        scope: &Scope,
        (kind, id): (&str, &str),
        state: &'static str,
    ) -> Result<Draft, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT id, kind, patient, account, author, begun_at, changed_at, body, version FROM draft \
             WHERE id = $1 AND kind = $2 AND state = $3",
        );
        let rows = self.rows(&sql.with(id).with(kind).with(state)).await?;
        let row = rows.first().ok_or_else(gone)?;
        let Reading::Found(patient) = self.read(scope, "Patient", row.text(2)?).await? else {
            return Err(gone());
        };
        Ok(Draft {
            id: row.text(0)?.to_string(),
            kind: row.text(1)?.to_string(),
            patient,
            account: row.int(3)?,
            author: row.text(4)?.to_string(),
            body: row.text(7)?.to_string(),
            version: row.int(8)?,
            begun_at: row.int(5)?,
            changed_at: row.int(6)?,
        })
    }

    /// All that nobody has signed, the oldest first, and whether there is more.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff; those of the database.
    pub async fn unsigned(&self, scope: &Scope) -> Result<(Vec<Listed>, bool), Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT d.id, d.kind, d.patient, d.account, d.author, d.begun_at, d.changed_at, \
             COALESCE(a.closed, 1), COALESCE(t.name, '') FROM draft d LEFT JOIN account a ON a.id = d.account \
             LEFT JOIN desk_team t ON t.id = d.team WHERE d.state = 'open' \
             ORDER BY d.changed_at, d.id LIMIT $1",
        );
        let rows = self.rows(&sql.with(LISTED_MAX + 1)).await?;
        let limit = usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
        let mut listed = Vec::new();
        for row in rows.iter().take(limit) {
            listed.push(self.listed(scope, row).await?);
        }
        Ok((listed, rows.len() > limit))
    }

    async fn listed(&self, scope: &Scope, row: &Row) -> Result<Listed, Problem> {
        let patient = match self.read(scope, "Patient", row.text(2)?).await? {
            Reading::Found(patient) => Some(patient),
            _ => None,
        };
        Ok(Listed {
            id: row.text(0)?.to_string(),
            kind: row.text(1)?.to_string(),
            patient,
            account: row.int(3)?,
            author: row.text(4)?.to_string(),
            begun_at: row.int(5)?,
            changed_at: row.int(6)?,
            left: row.flag(7)?,
            team: row.text(8)?.to_string(),
        })
    }
}

fn gone() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is no such draft here: it was signed or discarded, or it is withheld from you.",
    )
}
