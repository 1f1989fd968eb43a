//! The words in which a record is explained to patients, and what they took out of it.

use std::collections::BTreeMap;

use access::{Interaction, Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::reach::{forbidden, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Terms that an organisation explains.
const TERMS_MAX: i64 = 5_000;
/// A term or its words, in characters.
pub const WORDS_CHARS_MAX: usize = 300;
/// What one patient took out that is listed.
const LISTED_MAX: i64 = 50;

/// Plain words for a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// In folded letters, or `system|code`.
    pub term: String,
    pub english: String,
    pub welsh: String,
    pub by: String,
    pub at: Millis,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum PatientAppWrite {
    /// Explains a term, in place of what was said of it.
    Explain {
        term: String,
        english: String,
        welsh: String,
        by: String,
    },
    /// A patient took something out.
    TakenOut {
        id: String,
        patient: String,
        kind: &'static str,
    },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &PatientAppWrite,
) -> Result<(), Problem> {
    match write {
        PatientAppWrite::Explain {
            term,
            english,
            welsh,
            by,
        } => {
            let too_long = |text: &String| text.chars().count() > WORDS_CHARS_MAX;
            if term.is_empty() || [term, english, welsh].into_iter().any(too_long) {
                let message = "A term and its words have up to 300 characters each.";
                return Err(Problem::new(Kind::Value, message));
            }
            let count = tx.row(&Sql::new("SELECT COUNT(*) FROM glossary")).await?;
            if count.map_or(Ok(0), |row| row.int(0))? >= TERMS_MAX {
                let message = "There are as many terms as can be kept.";
                return Err(Problem::new(Kind::TooCostly, message));
            }
            let sql = Sql::new(
                "INSERT INTO glossary (term, english, welsh, by_whom, at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (term) DO UPDATE SET english = excluded.english, welsh = excluded.welsh, \
                 by_whom = excluded.by_whom, at = excluded.at",
            );
            let sql = sql.with(term.as_str()).with(english.as_str());
            let sql = sql.with(welsh.as_str()).with(by.as_str()).with(now);
            tx.execute(&sql).await.map(|_| ())
        }
        PatientAppWrite::TakenOut { id, patient, kind } => {
            let sql =
                Sql::new("INSERT INTO taken_out (id, patient, kind, at) VALUES ($1, $2, $3, $4)");
            let sql = sql.with(id.as_str()).with(patient.as_str());
            tx.execute(&sql.with(*kind).with(now)).await.map(|_| ())
        }
    }
}

impl Store {
    /// All terms that this organisation explains, by term. They are about nobody.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn glossary(&self) -> Result<BTreeMap<String, Explained>, Problem> {
        let sql = Sql::new(
            "SELECT term, english, welsh, by_whom, at FROM glossary ORDER BY term LIMIT $1",
        );
        let rows = self.rows(&sql.with(TERMS_MAX)).await?;
        let read = |row: &Row| {
            let text = |at: usize| row.text(at).map(str::to_string);
            let explained = Explained {
                term: text(0)?,
                english: text(1)?,
                welsh: text(2)?,
                by: text(3)?,
                at: row.int(4)?,
            };
            Ok((explained.term.clone(), explained))
        };
        rows.iter().map(read).collect()
    }

    /// What the patient took out, the newest first: kind and time.
    ///
    /// # Errors
    /// `Forbidden` for everybody but the patient themselves; those of the database.
    pub async fn taken_out(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<Vec<(String, Millis)>, Problem> {
        let is_own = match scope.reach() {
            Reach::Compartment { patient: own, .. } => own == patient && scope.shows().is_none(),
            _ => false,
        };
        if !is_own {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT kind, at FROM taken_out WHERE patient = $1 ORDER BY at DESC, id LIMIT $2",
        );
        let rows = self.rows(&sql.with(patient).with(LISTED_MAX)).await?;
        let read = |row: &Row| Ok((row.text(0)?.to_string(), row.int(1)?));
        rows.iter().map(read).collect()
    }

    /// Whether the holder of a scope may say how terms are explained.
    ///
    /// # Errors
    /// `Forbidden` if not.
    pub fn may_explain(&self, scope: &Scope) -> Result<(), Problem> {
        staff(scope)?;
        match scope.interaction() {
            Interaction::KeepGlossary => Ok(()),
            _ => Err(forbidden()),
        }
    }
}
