//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Question, QuestionState};
use crate::database::Tx;
use crate::parcels;
use crate::sql::Sql;

/// A question or an answer, in characters.
pub const TEXT_CHARS_MAX: usize = 2_000;
/// A patient's questions that nobody has answered.
const OPEN_MAX: i64 = 50;

/// What was answered, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    pub by: String,
    pub role: String,
    pub at: Millis,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum QuestionWrite {
    /// A patient asks. `Conflict` if that id is taken; `Throttled` if too many wait.
    Ask(Box<Question>),
    /// A question of another organisation's patient; one that came before changes nothing.
    Take(Box<Question>),
    /// Somebody here has opened one, with the parcel that says so. `Conflict` unless it waits in that version.
    Opened {
        id: String,
        parcel: String,
        version: i64,
    },
    /// Somebody here answers, with the parcel that says so. `Conflict` unless it is open in that version.
    Answer {
        id: String,
        answer: Answer,
        parcel: String,
        version: i64,
    },
    /// What the other side says of a question that was asked there; nothing moves back.
    Told {
        id: String,
        sender: String,
        state: QuestionState,
        answer: Answer,
    },
    /// The patient has read the answer.
    Read { id: String, patient: String },
    /// A parcel about a question was seen to, in this job. `Conflict` if it had been before.
    TakenIn { pid: i64, patient: String },
}

const MOVED: &str = "Somebody else has just opened or answered this; look again.";

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &QuestionWrite,
) -> Result<(), Problem> {
    match write {
        QuestionWrite::Ask(question) => ask(tx, question).await,
        QuestionWrite::Take(question) => insert(tx, question).await.map(|_| ()),
        QuestionWrite::Opened {
            id,
            parcel,
            version,
        } => {
            let sql = Sql::new(
                "UPDATE record_question SET state = 'opened', opened_at = $1, parcel = $2, \
                 version = version + 1 WHERE id = $3 AND version = $4 AND state = 'waiting'",
            );
            let sql = sql.with(now).with(parcel.as_str());
            tx.execute_once(&sql.with(id.as_str()).with(*version), MOVED)
                .await
        }
        QuestionWrite::Answer {
            id,
            answer,
            parcel,
            version,
        } => {
            check(&answer.text)?;
            let sql = Sql::new(
                "UPDATE record_question SET state = 'answered', answer = $1, answered_by = $2, \
                 answered_role = $3, answered_at = $4, parcel = $5, version = version + 1 \
                 WHERE id = $6 AND version = $7 AND state IN ('waiting', 'opened')",
            );
            let sql = answered(sql, answer).with(parcel.as_str());
            tx.execute_once(&sql.with(id.as_str()).with(*version), MOVED)
                .await
        }
        QuestionWrite::Told {
            id,
            sender,
            state,
            answer,
        } => told(tx, (id, sender), *state, answer).await,
        QuestionWrite::Read { id, patient } => {
            let sql = Sql::new(
                "UPDATE record_question SET read_at = $1 WHERE id = $2 AND patient = $3 AND read_at = 0",
            );
            let sql = sql.with(now).with(id.as_str()).with(patient.as_str());
            tx.execute(&sql).await.map(|_| ())
        }
        QuestionWrite::TakenIn { pid, patient } => {
            parcels::text_taken_in(tx, now, (*pid, parcels::Kind::RecordQuestion), patient).await
        }
    }
}

fn answered<'a>(sql: Sql<'a>, answer: &'a Answer) -> Sql<'a> {
    let sql = sql.with(answer.text.as_str()).with(answer.by.as_str());
    sql.with(answer.role.as_str()).with(answer.at)
}

async fn ask(tx: &mut Tx<'_>, question: &Question) -> Result<(), Problem> {
    check(&question.question)?;
    let sql = Sql::new(
        "SELECT COUNT(*) FROM record_question WHERE patient = $1 AND state IN ('waiting', 'opened')",
    );
    let row = tx.row(&sql.with(question.patient.as_str())).await?;
    if row.map_or(Ok(0), |row| row.int(0))? >= OPEN_MAX {
        let message = "50 of your questions wait for an answer. Ring the practice instead.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    match insert(tx, question).await? {
        0 => Err(Problem::new(Kind::Conflict, "This was sent already.")),
        _ => Ok(()),
    }
}

async fn insert(tx: &mut Tx<'_>, it: &Question) -> Result<u64, Problem> {
    let sql = Sql::new(
        "INSERT INTO record_question (id, way, kind, other, asked_as, patient, subject, title, question, \
         asked_by, asked_at, state, opened_at, answer, answered_by, answered_role, answered_at, read_at, \
         parcel, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', 0, '', '', '', \
         0, 0, $12, 1) ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(it.id.as_str()).with(it.way.code());
    let sql = sql.with(it.about.code()).with(it.other.as_str());
    let sql = sql.with(it.asked_as.as_str()).with(it.patient.as_str());
    let sql = sql.with(it.subject.as_str()).with(it.title.as_str());
    let sql = sql.with(it.question.as_str()).with(it.asked_by.as_str());
    let sql = sql.with(it.asked_at).with(it.parcel.as_str());
    tx.execute(&sql).await
}

async fn told(
    tx: &mut Tx<'_>,
    (id, sender): (&str, &str),
    state: QuestionState,
    answer: &Answer,
) -> Result<(), Problem> {
    let sql = match state {
        QuestionState::Waiting => return Ok(()),
        QuestionState::Opened => {
            let sql = Sql::new(
                "UPDATE record_question SET state = 'opened', opened_at = $1, version = version + 1 \
                 WHERE id = $2 AND other = $3 AND way = 'out' AND state = 'waiting'",
            );
            sql.with(answer.at)
        }
        QuestionState::Answered | QuestionState::Unknown => {
            let sql = Sql::new(
                "UPDATE record_question SET state = $1, answer = $2, answered_by = $3, answered_role = $4, \
                 answered_at = $5, version = version + 1 WHERE id = $6 AND other = $7 AND way = 'out' \
                 AND state IN ('waiting', 'opened')",
            );
            answered(sql.with(state.code()), answer)
        }
    };
    tx.execute(&sql.with(id).with(sender)).await.map(|_| ())
}

fn check(text: &str) -> Result<(), Problem> {
    match text.trim().chars().count() {
        0 => Err(Problem::new(Kind::Required, "Write something.")),
        many if many > TEXT_CHARS_MAX => {
            Err(Problem::new(Kind::TooLong, "Write up to 2,000 characters."))
        }
        _ => Ok(()),
    }
}
