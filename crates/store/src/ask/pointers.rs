//! Pointers: of whom something is held here, and who else holds something about whom.

use access::{Ods, Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use sha2::{Digest as _, Sha256};

use super::write::{BEHIND, CURSOR};
use super::{PLANS, TYPES};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Pointers about one patient at most.
const POINTERS_MAX: i64 = 200;
/// Where several processes write, versions of a moment may come in another order than their times say.
const SETTLED_MILLIS: Millis = 2_000;

/// "That organisation holds something about this person", or no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// ODS codes of who holds it, and of the person's practice.
    pub custodian: String,
    pub home: String,
    /// Ten digits.
    pub nhs_number: String,
    /// `YYYY-MM-DD`
    pub birth_date: String,
    pub family: String,
    /// Grows with each change; a lower one is out of date.
    pub version: i64,
    pub withdrawn: bool,
}

/// A patient of whom something was held here when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPointer {
    pub patient: String,
    /// Who was told so last: the home practice and its second keeper; empty for nobody.
    pub home: String,
    pub keeper: String,
    pub version: i64,
    /// The practice that the record names now, and its second keeper; empty if none is known.
    pub home_now: String,
    pub keeper_now: String,
    /// Whether anything is still there that others may know of.
    pub holds: bool,
}

/// Which way the versions of what is held are looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What is new since the last look.
    Ahead,
    /// What was passed before others could know of all types of today: once for each list of them, the oldest first.
    Behind,
}

impl Store {
    /// Patients of whom there is something new behind the last look, of the next `count` versions, and
    /// up to which version that is; `None` if there is no newer version.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn newly_held(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Option<(Vec<String>, (Millis, i64))>, Problem> {
        own(scope)?;
        let from = [self.cursor(CURSOR[0]).await?, self.cursor(CURSOR[1]).await?];
        let settled = if self.is_shared() { SETTLED_MILLIS } else { 0 };
        let upto = self.now().saturating_sub(settled);
        let rows = self.versions_behind(from, upto, count).await?;
        let Some(last) = rows.last() else {
            return Ok(None);
        };
        let upto = (last.int(0)?, last.int(1)?);
        let mut patients = told_of(&rows)?;
        patients.extend(self.located_of(&rows).await?);
        Ok(Some((patients, upto)))
    }

    /// Those who came on record after a system pointed at a document about them.
    async fn located_of(&self, rows: &[Row]) -> Result<Vec<String>, Problem> {
        let mut people: Vec<String> = Vec::new();
        for row in rows {
            if row.text(3)? == "Patient" {
                people.push(row.text(5)?.to_string());
            }
        }
        people.sort_unstable();
        people.dedup();
        let mut located = Vec::new();
        for person in people {
            if self.is_located(&person).await? {
                located.push(person);
            }
        }
        Ok(located)
    }

    /// The same of versions that `newly_held` passed before the types were those of today; `None` if all of them are looked
    /// through. What is given must be noted, or it is given again.
    ///
    /// # Errors
    /// As `newly_held`.
    pub async fn held_before(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Option<(Vec<String>, (Millis, i64))>, Problem> {
        own(scope)?;
        let from = match self.cursor(BEHIND[0]).await? == types_of_today() {
            true => [self.cursor(BEHIND[1]).await?, self.cursor(BEHIND[2]).await?],
            false => [0, 0],
        };
        if from[0] == Millis::MAX {
            return Ok(None);
        }
        let passed = self.cursor(CURSOR[0]).await?;
        let rows = self.versions_behind(from, passed, count).await?;
        let upto = match rows.last() {
            Some(last) => (last.int(0)?, last.int(1)?),
            None => (Millis::MAX, 0),
        };
        Ok(Some((told_of(&rows)?, upto)))
    }

    /// The next versions behind that moment and number, up to those of the moment `upto`.
    async fn versions_behind(
        &self,
        [at, rid]: [i64; 2],
        upto: Millis,
        count: u32,
    ) -> Result<Vec<Row>, Problem> {
        let sql = Sql::new(
            "SELECT v.ts, v.rid, r.patients, w.text, r.guard, r.id FROM ver v \
             JOIN res r ON r.shard = v.shard AND r.rid = v.rid JOIN word w ON w.id = r.ty \
             WHERE v.ts >= $1 AND v.ts <= $2 AND (v.ts > $1 OR v.rid > $3) \
             ORDER BY v.ts, v.rid LIMIT $4",
        );
        let sql = sql.with(at).with(upto).with(rid).with(count);
        self.rows_apart(sql).await
    }

    async fn cursor(&self, name: &'static str) -> Result<i64, Problem> {
        let sql = Sql::new("SELECT next FROM counter WHERE name = $1").with(name);
        let rows = self.rows(&sql).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    /// Patients whose pointer is to be looked at: those of whom something is new, then those that
    /// nobody has looked at since `before`.
    ///
    /// # Errors
    /// As `newly_held`.
    pub async fn pointers_due(
        &self,
        scope: &Scope,
        before: Millis,
        count: u32,
    ) -> Result<Vec<OwnPointer>, Problem> {
        own(scope)?;
        let mut rows = Vec::new();
        for due in [1, 0] {
            let sql = Sql::new(
                "SELECT p.patient, p.home, p.keeper, p.version, COALESCE(h.home, ''), \
                 COALESCE(l.keeper, '') FROM pointer_own p \
                 LEFT JOIN sharing_home h ON h.patient = p.patient \
                 LEFT JOIN sharing_link l ON l.home = h.home \
                 WHERE p.due = $1 AND p.looked_at < $2 ORDER BY p.looked_at, p.patient LIMIT $3",
            );
            let before = if due == 1 { Millis::MAX } else { before };
            let sql = sql.with(i64::from(due)).with(before).with(count);
            rows.extend(self.rows_apart(sql).await?);
        }
        let mut due = Vec::new();
        for row in &rows {
            let text = |at: usize| row.text(at).map(str::to_string);
            let patient = text(0)?;
            due.push(OwnPointer {
                holds: self.holds(&patient).await?,
                patient,
                home: text(1)?,
                keeper: text(2)?,
                version: row.int(3)?,
                home_now: text(4)?,
                keeper_now: text(5)?,
            });
        }
        Ok(due)
    }

    /// Whether anything is held of the patient that is not sealed, or that an emergency opens, or that a system here points at.
    async fn holds(&self, patient: &str) -> Result<bool, Problem> {
        let mut sql = Sql::new(
            "SELECT 1 FROM compartment c JOIN res r ON r.shard = c.shard AND r.rid = c.rid \
             WHERE c.patient = ",
        );
        sql.bind(patient.to_string());
        sql.push(
            " AND r.del = 0 AND r.guard IN (0, 3) AND r.ty IN (SELECT id FROM word WHERE text IN (",
        );
        for (at, ty) in TYPES.iter().chain(&PLANS).enumerate() {
            sql.push(if at == 0 { "" } else { ", " }).bind(*ty);
        }
        sql.push(")) LIMIT 1");
        Ok(!self.rows_apart(sql).await?.is_empty() || self.is_located(patient).await?)
    }

    /// Who holds something about that person, as they told this organisation, the person's home
    /// practice or its second keeper: number, date of birth and family name must all fit.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pointers_held(
        &self,
        nhs_number: &str,
        birth_date: &str,
        family: &str,
    ) -> Result<Vec<Ods>, Problem> {
        let sql = Sql::new(
            "SELECT custodian FROM pointer_held WHERE nhs_number = $1 AND birth_date = $2 \
             AND family = $3 AND withdrawn = 0 ORDER BY at DESC, custodian LIMIT $4",
        );
        let family = fhir::search::fold(family);
        let sql = sql.with(nhs_number).with(birth_date).with(family);
        let rows = self.rows(&sql.with(POINTERS_MAX)).await?;
        let ods = |row: &Row| Ods::parse(row.text(0)?);
        rows.iter().map(ods).collect()
    }
}

/// Whom those versions are about that others may know of, each once.
fn told_of(rows: &[Row]) -> Result<Vec<String>, Problem> {
    let mut patients: Vec<String> = Vec::new();
    for row in rows {
        let ty = row.text(3)?;
        let is_told = TYPES.contains(&ty) || PLANS.contains(&ty);
        if is_told && matches!(row.int(4)?, 0 | 3) {
            let about = row.text(2)?.split(' ').filter(|id| !id.is_empty());
            patients.extend(about.map(str::to_string));
        }
    }
    patients.sort_unstable();
    patients.dedup();
    Ok(patients)
}

/// A number for the list of types that others may know of; another list has another.
pub(super) fn types_of_today() -> i64 {
    let all: Vec<&str> = TYPES.iter().chain(&PLANS).copied().collect();
    let digest = Sha256::digest(all.join(" "));
    let folded = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (folded >> 1).cast_signed()
}

fn own(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything => Ok(()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "Pointers are the node's own work.",
        )),
    }
}
