//! What the pages ask of these rows. What they say of a patient is read from the record, under the reader's own scope.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Entry, EntryState, PackState, Told, VisitState};
use crate::reach::{own, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list.
const LISTED_MAX: i64 = 200;

/// A visit on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub id: String,
    pub patient: String,
    pub account: i64,
    pub nurse: String,
    pub day: String,
    pub at: Millis,
    pub state: VisitState,
}

/// A pack that was taken along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    pub id: String,
    pub account: i64,
    pub nurse: String,
    pub day: String,
    pub made_at: Millis,
    pub expires_at: Millis,
    pub state: PackState,
    /// When something of it came last; 0 for never.
    pub heard_at: Millis,
    pub why: String,
    /// Visits in it, and of how many something came back.
    pub visits: i64,
    pub heard: i64,
}

/// A visit in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub pack: String,
    pub nurse: String,
    pub made_at: Millis,
    /// The Task's version that what comes back is meant for.
    pub version: i64,
    pub heard: bool,
}

const VISIT: &str = "SELECT id, patient, account, nurse, day, at, state FROM visit ";
const PACK: &str = "SELECT p.id, p.account, p.nurse, p.day, p.made_at, p.expires_at, p.state, p.heard_at, p.why, \
     (SELECT COUNT(*) FROM visit_taken t WHERE t.pack = p.id), \
     (SELECT COUNT(*) FROM visit_taken t WHERE t.pack = p.id AND t.heard = 1) FROM visit_pack p ";
const ENTRY: &str = "SELECT id, pack, visit, patient, account, author, body, happened_at, written_at, arrived_at, \
     arrived_by, state, why, settled_at, settled_by, settled_why, told FROM visit_entry ";

impl Store {
    /// The visits of a day, of one account or of all, by time; and whether there are more.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff; those of the database.
    pub async fn visits_on(
        &self,
        scope: &Scope,
        day: &str,
        account: Option<i64>,
    ) -> Result<(Vec<Visit>, bool), Problem> {
        staff(scope)?;
        let mut sql = Sql::new(VISIT);
        sql.push("WHERE day = ").bind(day);
        if let Some(account) = account {
            sql.push(" AND account = ").bind(account);
        }
        sql.push(" ORDER BY at, id LIMIT ").bind(LISTED_MAX + 1);
        cut(self.rows(&sql).await?, visit)
    }

    /// One visit.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn visit(&self, scope: &Scope, id: &str) -> Result<Option<Visit>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(VISIT);
        sql.push("WHERE id = ").bind(id);
        self.rows(&sql).await?.first().map(visit).transpose()
    }

    /// Packs of which something is still to come back, the oldest first; and whether there are more.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn packs_out(&self, scope: &Scope) -> Result<(Vec<Pack>, bool), Problem> {
        staff(scope)?;
        let mut sql = Sql::new(PACK);
        sql.push("WHERE p.state IN ('out', 'expired') ORDER BY p.made_at, p.id LIMIT ")
            .bind(LISTED_MAX + 1);
        cut(self.rows(&sql).await?, pack)
    }

    /// One pack.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn pack(&self, scope: &Scope, id: &str) -> Result<Option<Pack>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(PACK);
        sql.push("WHERE p.id = ").bind(id);
        self.rows(&sql).await?.first().map(pack).transpose()
    }

    /// The key that opens what was written in a pack, in hex.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn return_key(&self, scope: &Scope, pack: &str) -> Result<Option<String>, Problem> {
        staff(scope)?;
        let sql = Sql::new("SELECT return_key FROM visit_pack WHERE id = $1").with(pack);
        let rows = self.rows(&sql).await?;
        let key = rows.first().map(|row| row.text(0)).transpose()?;
        Ok(key.map(str::to_owned))
    }

    /// Packs whose time is over and that still stand as out.
    ///
    /// # Errors
    /// `Forbidden` for all but workers; those of the database.
    pub async fn packs_to_expire(&self, scope: &Scope) -> Result<Vec<Pack>, Problem> {
        own(scope)?;
        let mut sql = Sql::new(PACK);
        sql.push("WHERE p.state = 'out' AND p.expires_at <= ")
            .bind(self.now());
        sql.push(" ORDER BY p.made_at, p.id LIMIT ")
            .bind(LISTED_MAX);
        self.rows(&sql).await?.iter().map(pack).collect()
    }

    /// The packs that hold a visit.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn taken(&self, scope: &Scope, visit: &str) -> Result<Vec<Taken>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT t.pack, p.nurse, p.made_at, t.version, t.heard FROM visit_taken t \
             JOIN visit_pack p ON p.id = t.pack WHERE t.visit = $1 ORDER BY p.made_at DESC, p.id LIMIT $2",
        );
        let rows = self.rows(&sql.with(visit).with(LISTED_MAX)).await?;
        let taken = |row: &Row| {
            Ok(Taken {
                pack: row.text(0)?.to_string(),
                nurse: row.text(1)?.to_string(),
                made_at: row.int(2)?,
                version: row.int(3)?,
                heard: row.flag(4)?,
            })
        };
        rows.iter().map(taken).collect()
    }

    /// Something that was written offline.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn visit_entry(&self, scope: &Scope, id: &str) -> Result<Option<Entry>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(ENTRY);
        sql.push("WHERE id = ").bind(id);
        self.rows(&sql).await?.first().map(entry).transpose()
    }

    /// What was written offline about a visit, by when it happened; and whether there is more.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn visit_entries(
        &self,
        scope: &Scope,
        visit: &str,
    ) -> Result<(Vec<Entry>, bool), Problem> {
        staff(scope)?;
        let mut sql = Sql::new(ENTRY);
        sql.push("WHERE visit = ").bind(visit);
        sql.push(" ORDER BY happened_at, id LIMIT ")
            .bind(LISTED_MAX + 1);
        cut(self.rows(&sql).await?, entry)
    }

    /// What waits for a person's decision, the oldest first; and whether there is more.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn entries_held(&self, scope: &Scope) -> Result<(Vec<Entry>, bool), Problem> {
        staff(scope)?;
        let mut sql = Sql::new(ENTRY);
        sql.push("WHERE state = 'held' ORDER BY arrived_at, id LIMIT ")
            .bind(LISTED_MAX + 1);
        cut(self.rows(&sql).await?, entry)
    }

    /// Who can be given visits: number and name of each account of a clinician, by name; and whether there are more.
    ///
    /// # Errors
    /// As `visits_on`.
    pub async fn clinicians(&self, scope: &Scope) -> Result<(Vec<(i64, String)>, bool), Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT a.id, a.name FROM account a WHERE a.closed = 0 AND a.role = 'clinician' \
             ORDER BY a.name, a.id LIMIT $1",
        );
        let rows = self.rows(&sql.with(LISTED_MAX + 1)).await?;
        cut(rows, |row| Ok((row.int(0)?, row.text(1)?.to_string())))
    }
}

fn cut<T>(
    rows: Vec<Row>,
    read: impl Fn(&Row) -> Result<T, Problem>,
) -> Result<(Vec<T>, bool), Problem> {
    let limit = usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
    let all: Result<Vec<T>, Problem> = rows.iter().take(limit).map(read).collect();
    Ok((all?, rows.len() > limit))
}

fn visit(row: &Row) -> Result<Visit, Problem> {
    Ok(Visit {
        id: row.text(0)?.to_string(),
        patient: row.text(1)?.to_string(),
        account: row.int(2)?,
        nurse: row.text(3)?.to_string(),
        day: row.text(4)?.to_string(),
        at: row.int(5)?,
        state: VisitState::from_code(row.text(6)?).ok_or_else(unknown)?,
    })
}

fn pack(row: &Row) -> Result<Pack, Problem> {
    Ok(Pack {
        id: row.text(0)?.to_string(),
        account: row.int(1)?,
        nurse: row.text(2)?.to_string(),
        day: row.text(3)?.to_string(),
        made_at: row.int(4)?,
        expires_at: row.int(5)?,
        state: PackState::from_code(row.text(6)?).ok_or_else(unknown)?,
        heard_at: row.int(7)?,
        why: row.text(8)?.to_string(),
        visits: row.int(9)?,
        heard: row.int(10)?,
    })
}

fn entry(row: &Row) -> Result<Entry, Problem> {
    Ok(Entry {
        id: row.text(0)?.to_string(),
        pack: row.text(1)?.to_string(),
        visit: row.text(2)?.to_string(),
        patient: row.text(3)?.to_string(),
        account: row.int(4)?,
        author: row.text(5)?.to_string(),
        body: row.text(6)?.to_string(),
        happened_at: row.int(7)?,
        written_at: row.int(8)?,
        arrived_at: row.int(9)?,
        arrived_by: row.text(10)?.to_string(),
        state: EntryState::from_code(row.text(11)?).ok_or_else(unknown)?,
        why: row.text(12)?.to_string(),
        settled_at: row.int(13)?,
        settled_by: row.text(14)?.to_string(),
        settled_why: row.text(15)?.to_string(),
        told: Told::from_code(row.text(16)?).ok_or_else(unknown)?,
    })
}

fn unknown() -> Problem {
    Problem::new(Kind::Exception, "A visit here does not read.")
}
