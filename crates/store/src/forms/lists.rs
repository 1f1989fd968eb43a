//! What the pages ask of these rows.

use access::{Interaction, Reach, Scope};
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::reach::{forbidden, own, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list.
const LISTED_MAX: i64 = 100;
/// Questionnaires that are counted apart.
const COUNTED_MAX: i64 = 500;

/// A questionnaire that somebody was asked to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The Task's id.
    pub task: String,
    /// The Patient's id here.
    pub patient: String,
    pub canonical: String,
    /// The patient is to answer, or somebody for them; otherwise staff.
    pub by_patient: bool,
    /// FHIR's status of a Task.
    pub status: String,
    pub asked_at: Millis,
    /// The first moment of the day by which; 0 for none.
    pub due: Millis,
    /// The id of the response; empty before there is one.
    pub response: String,
    pub answered_at: Millis,
    /// 0 for nobody yet.
    pub seen_at: Millis,
    pub seen_by: String,
    /// When the patient was reminded, and when it was opened after that; 0 for not yet.
    pub reminded_at: Millis,
    pub reminder_opened_at: Millis,
}

/// Which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskList {
    /// Were answered, and nobody has read it; the oldest first.
    Unseen,
    /// Are to be answered; what is due first before the rest.
    Open,
    /// Are to be answered, and were due before that day.
    Overdue(Millis),
    /// All of one patient, the newest first.
    Of(String),
}

/// How many there are of one questionnaire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskCounts {
    pub canonical: String,
    pub asked: u64,
    pub answered: u64,
    pub overdue: u64,
    pub unseen: u64,
}

const COLUMNS: &str = "SELECT task, patient, canonical, by_patient, status, asked_at, due, response, answered_at, \
     seen_at, seen_by, reminded_at, reminder_opened_at FROM form_ask WHERE ";
/// What is still to be answered, as `fhir::questionnaire::Ask::is_open` has it.
pub(super) const OPEN: &str =
    "status IN ('requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold')";

fn ask(row: &Row) -> Result<Ask, Problem> {
    Ok(Ask {
        task: row.text(0)?.to_owned(),
        patient: row.text(1)?.to_owned(),
        canonical: row.text(2)?.to_owned(),
        by_patient: row.flag(3)?,
        status: row.text(4)?.to_owned(),
        asked_at: row.int(5)?,
        due: row.int(6)?,
        response: row.text(7)?.to_owned(),
        answered_at: row.int(8)?,
        seen_at: row.int(9)?,
        seen_by: row.text(10)?.to_owned(),
        reminded_at: row.int(11)?,
        reminder_opened_at: row.int(12)?,
    })
}

impl Store {
    /// A list, and whether there is more. Whom each is about is read apart, by who may.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff; those of the database.
    pub async fn asks(&self, scope: &Scope, list: &AskList) -> Result<(Vec<Ask>, bool), Problem> {
        staff(scope)?;
        let mut sql = Sql::new(COLUMNS);
        match list {
            AskList::Unseen => {
                sql.push("status = 'completed' AND seen_at = 0 ORDER BY answered_at, task LIMIT ");
            }
            AskList::Open => {
                sql.push(OPEN);
                sql.push(" ORDER BY CASE WHEN due = 0 THEN 1 ELSE 0 END, due, task LIMIT ");
            }
            AskList::Overdue(today) => {
                sql.push(OPEN);
                sql.push(" AND due > 0 AND due < ").bind(*today);
                sql.push(" ORDER BY due, task LIMIT ");
            }
            AskList::Of(patient) => {
                sql.push("patient = ").bind(patient.clone());
                sql.push(" ORDER BY asked_at DESC, task LIMIT ");
            }
        }
        sql.bind(LISTED_MAX + 1);
        let rows = self.rows_apart(sql).await?;
        let most = usize::try_from(LISTED_MAX).unwrap_or(usize::MAX);
        let asks = rows.iter().take(most).map(ask);
        Ok((asks.collect::<Result<_, _>>()?, rows.len() > most))
    }

    /// The row of one Task, for staff, and for whoever answers for its patient.
    ///
    /// # Errors
    /// `Forbidden`; those of the database.
    pub async fn asked(&self, scope: &Scope, task: &str) -> Result<Option<Ask>, Problem> {
        let mut sql = Sql::new(COLUMNS);
        sql.push("task = ").bind(task.to_owned());
        let rows = self.rows(&sql).await?;
        let found = rows.first().map(ask).transpose()?;
        let Some(found) = found else { return Ok(None) };
        answers(scope, &found.patient)?;
        Ok(Some(found))
    }

    /// What a patient is asked and was reminded of, for whoever answers for them.
    ///
    /// # Errors
    /// `Forbidden`; those of the database.
    pub async fn reminded(&self, scope: &Scope, patient: &str) -> Result<Vec<Ask>, Problem> {
        answers(scope, patient)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("patient = ").bind(patient.to_owned());
        sql.push(" AND reminded_at > 0 AND by_patient = ")
            .bind(true);
        sql.push(" AND ").push(OPEN);
        sql.push(" ORDER BY due, task LIMIT ").bind(LISTED_MAX);
        self.rows_apart(sql).await?.iter().map(ask).collect()
    }

    /// What patients have not answered by its day, before `today` (its first millisecond), and were not reminded of. For the node's
    /// own worker.
    ///
    /// # Errors
    /// `Forbidden` for everybody else; those of the database.
    pub async fn asks_to_remind(&self, scope: &Scope, today: Millis) -> Result<Vec<Ask>, Problem> {
        own(scope)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("reminded_at = 0 AND due > 0 AND due < ")
            .bind(today);
        sql.push(" AND by_patient = ").bind(true);
        sql.push(" AND ").push(OPEN);
        sql.push(" ORDER BY due, task LIMIT ").bind(LISTED_MAX);
        self.rows_apart(sql).await?.iter().map(ask).collect()
    }

    /// What somebody has written on it and not handed in.
    ///
    /// # Errors
    /// `Forbidden` for who may not answer it; those of the database.
    pub async fn form_draft(
        &self,
        scope: &Scope,
        task: &str,
        account: i64,
    ) -> Result<Option<String>, Problem> {
        if self.asked(scope, task).await?.is_none() {
            return Ok(None);
        }
        let sql = Sql::new("SELECT body FROM form_draft WHERE task = $1 AND account = $2");
        let rows = self.rows(&sql.with(task).with(account)).await?;
        let body = rows.first().map(|row| row.text(0)).transpose()?;
        Ok(body.map(str::to_owned))
    }

    /// How many of each questionnaire were asked, answered, overdue before `today` (its first millisecond) and unread.
    ///
    /// # Errors
    /// `Forbidden` for who is no member of staff; those of the database.
    pub async fn ask_counts(
        &self,
        scope: &Scope,
        today: Millis,
    ) -> Result<Vec<AskCounts>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(
            "SELECT canonical, COUNT(*), SUM(CASE WHEN status = 'completed' THEN 1 ELSE 0 END), SUM(CASE WHEN ",
        );
        sql.push(OPEN);
        sql.push(" AND due > 0 AND due < ").bind(today);
        sql.push(
            " THEN 1 ELSE 0 END), SUM(CASE WHEN status = 'completed' AND seen_at = 0 THEN 1 ELSE 0 END) \
             FROM form_ask GROUP BY canonical ORDER BY canonical LIMIT ",
        );
        sql.bind(COUNTED_MAX);
        let rows = self.rows_apart(sql).await?;
        let count = |row: &Row, at: usize| {
            Ok::<u64, Problem>(u64::try_from(row.int(at)?).unwrap_or_default())
        };
        let read = |row: &Row| {
            Ok(AskCounts {
                canonical: row.text(0)?.to_owned(),
                asked: count(row, 1)?,
                answered: count(row, 2)?,
                overdue: count(row, 3)?,
                unseen: count(row, 4)?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Staff, and who answers for that patient.
fn answers(scope: &Scope, patient: &str) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Compartment { patient: own, .. }
            if own == patient && scope.interaction() == Interaction::AnswerQuestionnaire =>
        {
            Ok(())
        }
        Reach::Compartment { .. } => Err(forbidden()),
        _ => staff(scope),
    }
}
