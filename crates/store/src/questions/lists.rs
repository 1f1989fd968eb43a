//! Questions, as patients and those who answer are shown them.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::problem::{Kind, Problem};

use super::{About, Question, QuestionState, Way};
use crate::parcels::State;
use crate::reach::{forbidden, own, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list at most.
const ROWS_MAX: u32 = 200;

/// Which questions staff look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionList {
    /// Wait for an answer from here; the oldest first.
    Open,
    /// Were answered here; the newest first.
    Answered,
}

const QUESTION: &str = "SELECT id, way, kind, other, asked_as, patient, subject, title, question, asked_by, asked_at, \
     state, opened_at, answer, answered_by, answered_role, answered_at, read_at, parcel, version \
     FROM record_question WHERE ";

impl Store {
    /// What a patient asked here, the newest first.
    ///
    /// # Errors
    /// `Forbidden` if the scope does not reach them; those of the database.
    pub async fn questions_of(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<Vec<Question>, Problem> {
        check_own(scope, patient)?;
        let mut sql = Sql::new(QUESTION);
        sql.push("patient = ").bind(patient.to_string());
        sql.push(" AND way <> 'in' ORDER BY asked_at DESC, id LIMIT ")
            .bind(ROWS_MAX);
        let rows = self.rows(&sql).await?;
        rows.iter().map(question).collect()
    }

    /// A question, for its patient, for who may answer it, or for the node's own work.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn question(&self, scope: &Scope, id: &str) -> Result<Option<Question>, Problem> {
        let mut sql = Sql::new(QUESTION);
        sql.push("id = ").bind(id.to_string());
        let rows = self.rows(&sql).await?;
        let found = rows.first().map(question).transpose()?;
        Ok(found.filter(|it| match it.way {
            Way::Out => own(scope).is_ok() || check_own(scope, &it.patient).is_ok(),
            Way::In => own(scope).is_ok() || answers(scope) == Some(it.about),
            Way::Here => {
                own(scope).is_ok()
                    || check_own(scope, &it.patient).is_ok()
                    || answers(scope) == Some(it.about)
            }
        }))
    }

    /// One list, for those who answer: of entries clinicians and clerks, of looks the privacy officer. Each is traced.
    ///
    /// # Errors
    /// `Forbidden` for everybody else; those of the database.
    pub async fn questions(
        &self,
        scope: &Scope,
        list: QuestionList,
        count: u32,
    ) -> Result<Vec<Question>, Problem> {
        let about = answers(scope).ok_or_else(forbidden)?;
        let mut sql = Sql::new(QUESTION);
        sql.push("kind = ").bind(about.code());
        match list {
            QuestionList::Open => sql.push(
                " AND way <> 'out' AND state IN ('waiting', 'opened') ORDER BY asked_at, id LIMIT ",
            ),
            QuestionList::Answered => sql.push(
                " AND way <> 'out' AND state = 'answered' ORDER BY answered_at DESC, id LIMIT ",
            ),
        };
        sql.bind(count.min(ROWS_MAX));
        let rows = self.rows_apart(sql).await?;
        let found = rows.iter().map(question).collect::<Result<Vec<_>, _>>()?;
        let line = |it: &Question| scope.trace(scope.interaction(), Outcome::Success, target(it));
        self.traced(found.iter().map(line).collect()).await?;
        Ok(found)
    }

    /// How far the parcel of a question that was asked at another organisation got.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn question_parcel(&self, question: &Question) -> Result<Option<State>, Problem> {
        if question.parcel.is_empty() {
            return Ok(None);
        }
        let sql = Sql::new("SELECT state FROM parcel WHERE sender = $1 AND id = $2");
        let own = self.organisation().as_str();
        let rows = self
            .rows(&sql.with(own).with(question.parcel.as_str()))
            .await?;
        let state = rows.first().map(|row| row.text(0)).transpose()?;
        Ok(state.and_then(State::from_code))
    }

    /// How many wait for an answer from here, of entries and of looks. No patient is named.
    ///
    /// # Errors
    /// `Forbidden` for who is no staff; those of the database.
    pub async fn open_questions(&self, scope: &Scope) -> Result<(u64, u64), Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT (SELECT COUNT(*) FROM record_question WHERE kind = 'entry' AND way <> 'out' \
             AND state IN ('waiting', 'opened')), (SELECT COUNT(*) FROM record_question WHERE \
             kind = 'look' AND way <> 'out' AND state IN ('waiting', 'opened'))",
        );
        let rows = self.rows(&sql).await?;
        let count = |at: usize| {
            let value = rows.first().map_or(Ok(0), |row| row.int(at))?;
            Ok::<u64, Problem>(u64::try_from(value).unwrap_or_default())
        };
        Ok((count(0)?, count(1)?))
    }
}

/// What a line of the log says of a question.
fn target(it: &Question) -> Target {
    Target {
        ty: "Communication".into(),
        patient: Some(it.patient.clone()),
        query: Some(format!("question={}", it.id).into()),
        ..Target::default()
    }
}

/// Which questions the holder of a scope answers.
fn answers(scope: &Scope) -> Option<About> {
    let Reach::Organisation(_) = scope.reach() else {
        return None;
    };
    match scope.interaction() {
        Interaction::RecordQuestions | Interaction::AnswerQuestion => Some(About::Entry),
        Interaction::AccessLog => Some(About::Look),
        _ => None,
    }
}

/// The patient themselves, nobody who acts for them.
fn check_own(scope: &Scope, patient: &str) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Compartment { patient: own, .. } if own == patient && scope.shows().is_none() => {
            Ok(())
        }
        _ => Err(forbidden()),
    }
}

fn question(row: &Row) -> Result<Question, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    let nameless = || Problem::new(Kind::Exception, "A question is in a state of no name.");
    Ok(Question {
        id: text(0)?,
        way: Way::from_code(row.text(1)?),
        about: About::from_code(row.text(2)?).ok_or_else(nameless)?,
        other: text(3)?,
        asked_as: text(4)?,
        patient: text(5)?,
        subject: text(6)?,
        title: text(7)?,
        question: text(8)?,
        asked_by: text(9)?,
        asked_at: row.int(10)?,
        state: QuestionState::from_code(row.text(11)?).ok_or_else(nameless)?,
        opened_at: row.int(12)?,
        answer: text(13)?,
        answered_by: text(14)?,
        answered_role: text(15)?,
        answered_at: row.int(16)?,
        read_at: row.int(17)?,
        parcel: text(18)?,
        version: row.int(19)?,
    })
}
