//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::sql::Sql;

/// One message, in characters.
pub const TEXT_CHARS_MAX: usize = 4_000;
/// A subject, in characters.
pub const SUBJECT_CHARS_MAX: usize = 100;
/// Messages of one conversation; then another is begun.
const POSTS_MAX: i64 = 200;
/// What a patient may have written that nobody at the practice has opened yet.
const UNOPENED_MAX: i64 = 20;
/// Conversations of one patient.
const THREADS_MAX: i64 = 500;

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    pub by_patient: bool,
    pub name: String,
    /// Of staff; empty of patients.
    pub role: String,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum MessageWrite {
    /// Begins a conversation. `Conflict` if that id is taken, `Throttled` if too much waits.
    Begin {
        id: String,
        patient: String,
        subject: String,
        writer: Writer,
        text: String,
    },
    /// Adds to one of that patient's. `NotFound` if there is none, `Throttled` if too much waits or stands there.
    Add {
        id: String,
        patient: String,
        writer: Writer,
        text: String,
    },
    /// One side has opened it.
    Opened { id: String, by_patient: bool },
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &MessageWrite,
) -> Result<(), Problem> {
    match write {
        MessageWrite::Begin {
            id,
            patient,
            subject,
            writer,
            text,
        } => {
            check(subject, SUBJECT_CHARS_MAX)?;
            let sql = Sql::new("SELECT COUNT(*) FROM message_thread WHERE patient = $1");
            if count(tx, &sql.with(patient.as_str())).await? >= THREADS_MAX {
                return Err(too_many());
            }
            let sql = Sql::new(
                "INSERT INTO message_thread (id, patient, subject, begun_at, last_at, posts, unread_here, \
                 waiting_since, unread_patient) VALUES ($1, $2, $3, $4, $4, 0, 0, 0, 0) \
                 ON CONFLICT (id) DO NOTHING",
            );
            let sql = sql.with(id.as_str()).with(patient.as_str());
            let sql = sql.with(subject.as_str()).with(now);
            tx.execute_once(&sql, "This was sent already.").await?;
            add(tx, now, (id, patient), (writer, text)).await
        }
        MessageWrite::Add {
            id,
            patient,
            writer,
            text,
        } => add(tx, now, (id, patient), (writer, text)).await,
        MessageWrite::Opened { id, by_patient } => opened(tx, now, id, *by_patient).await,
    }
}

async fn add(
    tx: &mut Tx<'_>,
    now: Millis,
    (id, patient): (&str, &str),
    (writer, text): (&Writer, &str),
) -> Result<(), Problem> {
    check(text, TEXT_CHARS_MAX)?;
    if writer.by_patient {
        let sql = Sql::new(
            "SELECT CAST(COALESCE(SUM(unread_here), 0) AS BIGINT) FROM message_thread WHERE patient = $1",
        );
        if count(tx, &sql.with(patient)).await? >= UNOPENED_MAX {
            let message =
                "Your practice has not opened your last 20 messages yet. Ring them instead.";
            return Err(Problem::new(Kind::Throttled, message));
        }
    }
    let sql = Sql::new("SELECT posts FROM message_thread WHERE id = $1 AND patient = $2");
    let found = tx.row(&sql.with(id).with(patient)).await?;
    let posts = found.map(|row| row.int(0)).transpose()?.ok_or_else(gone)?;
    if posts >= POSTS_MAX {
        return Err(too_many());
    }
    let sql = Sql::new(
        "INSERT INTO message_post (thread, number, by_patient, who, role, at, text, opened_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
    );
    let sql = sql.with(id).with(posts.saturating_add(1));
    let sql = sql.with(writer.by_patient).with(writer.name.as_str());
    let sql = sql.with(writer.role.as_str()).with(now).with(text);
    tx.execute(&sql).await?;
    let sql = match writer.by_patient {
        true => Sql::new(
            "UPDATE message_thread SET posts = posts + 1, last_at = $1, unread_here = unread_here + 1, \
             waiting_since = CASE WHEN waiting_since = 0 THEN $1 ELSE waiting_since END WHERE id = $2",
        ),
        false => Sql::new(
            "UPDATE message_thread SET posts = posts + 1, last_at = $1, unread_patient = unread_patient + 1 \
             WHERE id = $2",
        ),
    };
    tx.execute(&sql.with(now).with(id)).await.map(|_| ())
}

async fn opened(tx: &mut Tx<'_>, now: Millis, id: &str, by_patient: bool) -> Result<(), Problem> {
    // What one side opens, the other has written.
    let sql = Sql::new(
        "UPDATE message_post SET opened_at = $1 WHERE thread = $2 AND by_patient = $3 AND opened_at = 0",
    );
    tx.execute(&sql.with(now).with(id).with(!by_patient))
        .await?;
    let sql = match by_patient {
        true => Sql::new("UPDATE message_thread SET unread_patient = 0 WHERE id = $1"),
        false => {
            Sql::new("UPDATE message_thread SET unread_here = 0, waiting_since = 0 WHERE id = $1")
        }
    };
    tx.execute(&sql.with(id)).await.map(|_| ())
}

async fn count(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<i64, Problem> {
    let row = tx.row(sql).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

fn check(text: &str, most: usize) -> Result<(), Problem> {
    let length = text.trim().chars().count();
    match length {
        0 => Err(Problem::new(Kind::Required, "Write something.")),
        many if many > most => Err(Problem::new(Kind::TooLong, "This is too long.")),
        _ => Ok(()),
    }
}

fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such conversation here.")
}

fn too_many() -> Problem {
    let message = "There are as many messages as can be kept here. Ring the practice.";
    Problem::new(Kind::Throttled, message)
}
