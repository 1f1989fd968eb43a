//! What was kept of others' answers, and what may be had of them at all.

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::sql::Sql;
use crate::store::Store;

/// Copies of one patient at most.
const COPIES_MAX: i64 = 64;
/// Types in preferences of one patient about one organisation, at most.
const TYPES_MAX: i64 = 200;

/// A source's last good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// An ODS code.
    pub source: String,
    pub at: Millis,
    pub body: Vec<u8>,
}

/// What this organisation's staff may have of other organisations about one patient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receivable {
    /// Nothing: the home practice may have new preferences to tell, and does not answer.
    pub is_closed: bool,
    /// The patient does not want these types seen here.
    pub without: Vec<String>,
    /// The patient wants nothing seen here.
    pub nothing: bool,
    /// Why the record was opened in an emergency, if it was: then nothing of the above counts.
    pub emergency: Option<(String, String)>,
}

impl Store {
    /// What the caller of that scope may have from others about the patient, whom it reaches.
    ///
    /// # Errors
    /// `NotFound` if it does not; those of the database.
    pub async fn receivable(&self, scope: &Scope, patient: &str) -> Result<Receivable, Problem> {
        self.reached(scope, patient).await?;
        let is_own = matches!(scope.reach(), Reach::Compartment { .. }) && scope.shows().is_none();
        let Some(withholds) = scope.withholds() else {
            // The patient themselves; but what they keep from this organisation does not come here for them either.
            return match is_own {
                true => self.unwanted(patient, Receivable::default()).await,
                false => Err(absent()),
            };
        };
        if withholds.opened.iter().any(|it| it == patient) {
            let sql = Sql::new(
                "SELECT code, reason FROM care_opening WHERE account = $1 AND patient = $2 \
                 AND kind = 'emergency' AND ends_at > $3 ORDER BY number DESC LIMIT 1",
            );
            let sql = sql.with(withholds.account).with(patient).with(self.now());
            let rows = self.rows(&sql).await?;
            let reason = rows.first().map_or_else(
                || Ok(Default::default()),
                |row| Ok::<_, Problem>((row.text(0)?.to_string(), row.text(1)?.to_string())),
            )?;
            return Ok(Receivable {
                emergency: Some(reason),
                ..Receivable::default()
            });
        }
        let mut receivable = Receivable::default();
        if let Some(before) = withholds.unconfirmed_before {
            let sql = Sql::new(
                "SELECT 1 FROM sharing_home h JOIN sharing_link l ON l.home = h.home \
                 WHERE h.patient = $1 AND l.confirmed_at < $2",
            );
            receivable.is_closed = !self.rows(&sql.with(patient).with(before)).await?.is_empty();
        }
        self.unwanted(patient, receivable).await
    }

    /// What the patient does not want seen here, added.
    async fn unwanted(
        &self,
        patient: &str,
        mut receivable: Receivable,
    ) -> Result<Receivable, Problem> {
        let sql = Sql::new(
            "SELECT DISTINCT COALESCE(w.text, '') FROM care_dissent d LEFT JOIN word w \
             ON w.id = d.ty WHERE d.patient = $1 AND d.org = $2 AND d.starts_at <= $3 \
             AND d.ends_at > $3 ORDER BY 1 LIMIT $4",
        );
        let own = self.organisation().as_str().to_string();
        let sql = sql.with(patient).with(own).with(self.now()).with(TYPES_MAX);
        for row in &self.rows(&sql).await? {
            match row.text(0)? {
                "" => receivable.nothing = true,
                ty => receivable.without.push(ty.to_string()),
            }
        }
        Ok(receivable)
    }

    /// The last good answers about the patient that are not too old.
    ///
    /// # Errors
    /// As `receivable`.
    pub async fn copies_of(&self, scope: &Scope, patient: &str) -> Result<Vec<Copy>, Problem> {
        self.reached(scope, patient).await?;
        let sql = Sql::new(
            "SELECT source, at, body FROM ask_copy WHERE patient = $1 AND until > $2 \
             AND source NOT LIKE '%/%' ORDER BY source LIMIT $3",
        );
        let sql = sql.with(patient.to_string()).with(self.now());
        let rows = self.rows_apart(sql.with(COPIES_MAX)).await?;
        let copy = |row: &crate::row::Row| {
            Ok(Copy {
                source: row.text(0)?.to_string(),
                at: row.int(1)?,
                body: row.bytes(2)?.to_vec(),
            })
        };
        rows.iter().map(copy).collect()
    }

    /// A letter of another organisation, as it was last opened here, if that is not too long ago: `source` is the ODS code
    /// and the id there, with a slash between them.
    ///
    /// # Errors
    /// As `receivable`.
    pub async fn letter_copy(
        &self,
        scope: &Scope,
        patient: &str,
        source: &str,
    ) -> Result<Option<Copy>, Problem> {
        self.reached(scope, patient).await?;
        let sql = Sql::new(
            "SELECT at, body FROM ask_copy WHERE patient = $1 AND source = $2 AND until > $3",
        );
        let sql = sql.with(patient.to_string()).with(source.to_string());
        let rows = self.rows_apart(sql.with(self.now())).await?;
        let copy = rows.first().map(|row| {
            Ok(Copy {
                source: source.to_string(),
                at: row.int(0)?,
                body: row.bytes(1)?.to_vec(),
            })
        });
        copy.transpose()
    }

    async fn reached(&self, scope: &Scope, patient: &str) -> Result<(), Problem> {
        if scope.may_look() && self.reaches(scope, "Patient", patient).await? {
            return Ok(());
        }
        Err(absent())
    }
}

fn absent() -> Problem {
    Problem::new(Kind::NotFound, "There is no such patient here.")
}
