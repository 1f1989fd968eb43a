//! Conversations, as each side is shown them.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::reach::{forbidden, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list at most.
const ROWS_MAX: u32 = 200;

/// A conversation, without what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub id: String,
    pub patient: String,
    pub subject: String,
    pub begun_at: Millis,
    pub last_at: Millis,
    pub posts: u32,
    /// What the patient wrote and nobody here has opened.
    pub unread_here: u32,
    /// Since when the oldest of these waits; 0 for none.
    pub waiting_since: Millis,
    /// What the patient has not opened.
    pub unread_patient: u32,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub by_patient: bool,
    pub who: String,
    pub role: String,
    pub at: Millis,
    pub text: String,
    /// When the other side first opened it; 0 for not yet.
    pub opened_at: Millis,
}

/// Which conversations staff look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadList {
    /// Something of the patient's was not opened yet; longest first.
    Waiting,
    /// All, the newest first.
    All,
}

/// How many there are. No patient is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    pub waiting: u64,
    pub all: u64,
}

/// A conversation in which something waits. Names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    pub id: String,
    pub since: Millis,
    pub count: u32,
}

const THREAD: &str = "SELECT id, patient, subject, begun_at, last_at, posts, unread_here, waiting_since, \
     unread_patient FROM message_thread WHERE ";

impl Store {
    /// A patient's conversations, the newest first.
    ///
    /// # Errors
    /// `Forbidden` if the scope does not reach them; those of the database.
    pub async fn threads_of(&self, scope: &Scope, patient: &str) -> Result<Vec<Thread>, Problem> {
        check(scope, patient)?;
        let mut sql = Sql::new(THREAD);
        sql.push("patient = ").bind(patient.to_string());
        sql.push(" ORDER BY last_at DESC, id LIMIT ").bind(ROWS_MAX);
        let rows = self.rows(&sql).await?;
        self.trace_messages(scope, patient, None).await?;
        rows.iter().map(thread).collect()
    }

    /// One conversation with what was written in it, oldest first.
    ///
    /// # Errors
    /// As `threads_of`.
    pub async fn thread(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<(Thread, Vec<Post>)>, Problem> {
        let mut sql = Sql::new(THREAD);
        sql.push("id = ").bind(id.to_string());
        let rows = self.rows(&sql).await?;
        let found = rows.first().map(thread).transpose()?;
        let Some(found) = found.filter(|it| check(scope, &it.patient).is_ok()) else {
            return Ok(None);
        };
        let sql = Sql::new(
            "SELECT by_patient, who, role, at, text, opened_at FROM message_post WHERE thread = $1 \
             ORDER BY number",
        );
        let rows = self.rows(&sql.with(id)).await?;
        let read = |row: &Row| {
            Ok::<_, Problem>(Post {
                by_patient: row.flag(0)?,
                who: row.text(1)?.to_string(),
                role: row.text(2)?.to_string(),
                at: row.int(3)?,
                text: row.text(4)?.to_string(),
                opened_at: row.int(5)?,
            })
        };
        let posts = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.trace_messages(scope, &found.patient, Some(id)).await?;
        Ok(Some((found, posts)))
    }

    /// One list for staff. Whose each is, is read under their own scope.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is no staff's; those of the database.
    pub async fn threads(
        &self,
        scope: &Scope,
        list: ThreadList,
        count: u32,
    ) -> Result<Vec<Thread>, Problem> {
        staff(scope)?;
        about(scope)?;
        let mut sql = Sql::new(THREAD);
        match list {
            ThreadList::Waiting => sql.push("waiting_since > 0 ORDER BY waiting_since, id LIMIT "),
            ThreadList::All => sql.push("posts > 0 ORDER BY last_at DESC, id LIMIT "),
        };
        sql.bind(count.min(ROWS_MAX));
        let rows = self.rows_apart(sql).await?;
        rows.iter().map(thread).collect()
    }

    /// How many conversations there are, and in how many something waits.
    ///
    /// # Errors
    /// As `threads`.
    pub async fn message_counts(&self, scope: &Scope) -> Result<MessageCounts, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT (SELECT COUNT(*) FROM message_thread WHERE waiting_since > 0), \
             (SELECT COUNT(*) FROM message_thread)",
        );
        let rows = self.rows(&sql).await?;
        let count = |at: usize| {
            let value = rows.first().map_or(Ok(0), |row| row.int(at))?;
            Ok::<u64, Problem>(u64::try_from(value).unwrap_or_default())
        };
        Ok(MessageCounts {
            waiting: count(0)?,
            all: count(1)?,
        })
    }

    /// Conversations in which something has waited since before that time, longest first. Names nobody.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not for the work list; those of the database.
    pub async fn unopened_messages(
        &self,
        scope: &Scope,
        before: Millis,
        count: u32,
    ) -> Result<Vec<Unopened>, Problem> {
        if scope.interaction() != Interaction::WorkList {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT id, waiting_since, unread_here FROM message_thread WHERE waiting_since > 0 \
             AND waiting_since < $1 ORDER BY waiting_since, id LIMIT $2",
        );
        let rows = self
            .rows(&sql.with(before).with(count.min(ROWS_MAX)))
            .await?;
        let read = |row: &Row| {
            Ok(Unopened {
                id: row.text(0)?.to_string(),
                since: row.int(1)?,
                count: u32::try_from(row.int(2)?).unwrap_or(u32::MAX),
            })
        };
        rows.iter().map(read).collect()
    }

    async fn trace_messages(
        &self,
        scope: &Scope,
        patient: &str,
        thread: Option<&str>,
    ) -> Result<(), Problem> {
        let target = Target {
            ty: "Communication".into(),
            patient: Some(patient.to_string()),
            query: thread.map(|id| format!("conversation={id}").into()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Messages, Outcome::Success, target);
        self.traced(vec![line]).await
    }
}

fn thread(row: &Row) -> Result<Thread, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    let number = |at: usize| Ok::<u32, Problem>(u32::try_from(row.int(at)?).unwrap_or(u32::MAX));
    Ok(Thread {
        id: text(0)?,
        patient: text(1)?,
        subject: text(2)?,
        begun_at: row.int(3)?,
        last_at: row.int(4)?,
        posts: number(5)?,
        unread_here: number(6)?,
        waiting_since: row.int(7)?,
        unread_patient: number(8)?,
    })
}

fn about(scope: &Scope) -> Result<(), Problem> {
    match scope.interaction() {
        Interaction::Messages | Interaction::WriteMessage => Ok(()),
        _ => Err(forbidden()),
    }
}

/// The patient themselves, nobody who acts for them; and staff.
fn check(scope: &Scope, patient: &str) -> Result<(), Problem> {
    about(scope)?;
    match scope.reach() {
        Reach::Organisation(_) => Ok(()),
        Reach::Compartment { patient: own, .. } if own == patient && scope.shows().is_none() => {
            Ok(())
        }
        _ => Err(forbidden()),
    }
}
