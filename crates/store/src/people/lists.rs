//! What the pages show: of the patient's own, and of a patient to the staff of their practice.

use access::{Interaction, Outcome, Proxy, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{PEOPLE_MAX, proxy};
use crate::accounts::SecretDigest;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Leave to act for somebody, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    pub proxy: Proxy,
    pub patient_name: String,
    /// The Patient id of who acts.
    pub person: String,
    pub person_name: String,
    /// Given by the practice, not by the patient themselves.
    pub is_practices: bool,
    pub reason: String,
    pub granted_by: String,
    /// Who last let it stand.
    pub confirmed_by: String,
}

/// A code that waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub for_name: String,
    pub made_at: Millis,
    pub expires_at: Millis,
}

/// How a patient's record is shown online.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub paused_at: Option<Millis>,
    pub paused_by: String,
    /// Since when their own pages do not tell of their own use.
    pub hidden_at: Option<Millis>,
}

impl Store {
    /// Who may act for the patient, the newest first; what has ended is not among them.
    ///
    /// # Errors
    /// `Forbidden` if the scope is not about who acts for whom, or reaches another patient.
    pub async fn people_for(&self, scope: &Scope, patient: &str) -> Result<Vec<Leave>, Problem> {
        check(scope, patient)?;
        let mut sql = self.leaves().await?;
        sql.push(" WHERE p.patient = ").bind(patient.to_string());
        sql.push(" AND p.ended_at IS NULL ORDER BY p.number DESC LIMIT ")
            .bind(PEOPLE_MAX);
        let rows = self.rows(&sql).await?;
        self.trace_people(scope, patient).await?;
        rows.iter().map(leave).collect()
    }

    /// For whom a patient may act.
    ///
    /// # Errors
    /// As `people_for`.
    pub async fn people_of(&self, scope: &Scope, person: &str) -> Result<Vec<Leave>, Problem> {
        check(scope, person)?;
        let mut sql = self.leaves().await?;
        sql.push(" WHERE p.person = ").bind(person.to_string());
        sql.push(" AND p.ended_at IS NULL ORDER BY p.number DESC LIMIT ")
            .bind(PEOPLE_MAX);
        let rows = self.rows(&sql).await?;
        rows.iter().map(leave).collect()
    }

    /// The patient's codes that nobody has used yet.
    ///
    /// # Errors
    /// As `people_for`.
    pub async fn offers(&self, scope: &Scope, patient: &str) -> Result<Vec<Offered>, Problem> {
        check(scope, patient)?;
        let sql = Sql::new(
            "SELECT for_name, made_at, expires_at FROM proxy_offer \
             WHERE patient = $1 AND expires_at > $2 ORDER BY made_at LIMIT $3",
        );
        let sql = sql.with(patient).with(self.now()).with(PEOPLE_MAX);
        let rows = self.rows(&sql).await?;
        let offered = |row: &Row| {
            Ok(Offered {
                for_name: row.text(0)?.to_string(),
                made_at: row.int(1)?,
                expires_at: row.int(2)?,
            })
        };
        rows.iter().map(offered).collect()
    }

    /// The patient who made that code, if it is still good.
    ///
    /// # Errors
    /// `Forbidden` for all but patients who speak for themselves; those of the database.
    pub async fn offered_by(
        &self,
        scope: &Scope,
        digest: &SecretDigest,
    ) -> Result<Option<String>, Problem> {
        let is_own = matches!(scope.reach(), Reach::Compartment { .. }) && scope.shows().is_none();
        if !is_own || scope.interaction() != Interaction::Proxies {
            return Err(forbidden());
        }
        let sql = Sql::new("SELECT patient FROM proxy_offer WHERE digest = $1 AND expires_at > $2");
        let rows = self
            .rows(&sql.with(digest.as_slice()).with(self.now()))
            .await?;
        let row = rows.first();
        row.map(|row| row.text(0).map(str::to_string)).transpose()
    }

    /// How the patient's record is shown online, for the staff of their practice.
    ///
    /// # Errors
    /// `Forbidden` for everybody else: the patient's own pages never tell.
    pub async fn online_access(&self, scope: &Scope, patient: &str) -> Result<Access, Problem> {
        if !matches!(scope.reach(), Reach::Organisation(_)) || !scope.may_look() {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT paused_at, paused_by, hidden_at FROM online_access WHERE patient = $1",
        );
        let rows = self.rows(&sql.with(patient)).await?;
        let Some(row) = rows.first() else {
            return Ok(Access::default());
        };
        Ok(Access {
            paused_at: row.int_opt(0)?,
            paused_by: row.text(1)?.to_string(),
            hidden_at: row.int_opt(2)?,
        })
    }

    /// Whether the patient's own pages leave out their own use of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hides_own_use(&self, patient: &str) -> Result<bool, Problem> {
        let sql =
            Sql::new("SELECT 1 FROM online_access WHERE patient = $1 AND hidden_at IS NOT NULL");
        Ok(!self.rows(&sql.with(patient)).await?.is_empty())
    }

    async fn trace_people(&self, scope: &Scope, patient: &str) -> Result<(), Problem> {
        let target = Target {
            patient: Some(patient.to_string()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Proxies, Outcome::Success, target);
        self.traced(vec![line]).await
    }
}

fn leave(row: &Row) -> Result<Leave, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(Leave {
        proxy: proxy(row)?,
        patient_name: text(9)?,
        person: text(10)?,
        person_name: text(11)?,
        is_practices: row.text(12)? != "patient",
        reason: text(13)?,
        granted_by: text(14)?,
        confirmed_by: text(15)?,
    })
}

/// The patient's own page, and the staff's.
fn check(scope: &Scope, patient: &str) -> Result<(), Problem> {
    let is_about = scope.interaction() == Interaction::Proxies;
    match scope.reach() {
        Reach::Organisation(_) if is_about => Ok(()),
        Reach::Compartment { patient: own, .. }
            if is_about && own == patient && scope.shows().is_none() =>
        {
            Ok(())
        }
        _ => Err(forbidden()),
    }
}

fn forbidden() -> Problem {
    let message = "Who acts for a patient is for them and their practice to see.";
    Problem::new(Kind::Forbidden, message)
}
