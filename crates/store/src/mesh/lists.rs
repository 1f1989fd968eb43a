//! What stands in mailboxes, and what is still to be handed over.

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::content::{Stored, forbidden};
use super::{MeshState, Way};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// A message without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub number: i64,
    pub id: String,
    /// Empty for a report.
    pub sender: String,
    pub recipient: String,
    pub local_id: String,
    pub workflow: String,
    pub is_report: bool,
    /// What else is written on it, as JSON.
    pub envelope: String,
    /// `gzip`, or empty.
    pub encoding: String,
    pub chunks: u32,
    pub way: Way,
    /// The other organisation's ODS code; empty if it is not known.
    pub organisation: String,
    pub state: MeshState,
    pub begun_at: Millis,
    /// When it was whole; 0 before.
    pub accepted_at: Millis,
    /// When it was first looked at; 0 before.
    pub fetched_at: Millis,
    pub state_at: Millis,
    /// Parts that were handed over.
    pub handed: u32,
    /// The national service's id of it; empty before.
    pub outside: String,
    /// Of a report: the message that it is about, and what became of that.
    pub linked: String,
    pub status_code: String,
    pub reason: String,
    /// Whether its content is still here.
    pub kept: bool,
    /// Of a message that was collected: its content is here as it came, and is not packed as it says.
    pub spoilt: bool,
}

pub(super) const COLUMNS: &str = "SELECT number, id, sender, recipient, local_id, workflow, kind, envelope, \
     encoding, chunks, way, organisation, state, begun_at, accepted_at, fetched_at, state_at, \
     handed, outside, linked, status_code, reason, kept, spoilt FROM mesh_message WHERE ";

pub(super) fn message(row: &Row) -> Result<Message, Problem> {
    let text = |at| row.text(at).map(str::to_string);
    let count = |at| row.int(at).map(|count| u32::try_from(count).unwrap_or(0));
    Ok(Message {
        number: row.int(0)?,
        id: text(1)?,
        sender: text(2)?,
        recipient: text(3)?,
        local_id: text(4)?,
        workflow: text(5)?,
        is_report: row.text(6)? == "REPORT",
        envelope: text(7)?,
        encoding: text(8)?,
        chunks: count(9)?,
        way: Way::of(row.text(10)?),
        organisation: text(11)?,
        state: MeshState::of(row.text(12)?),
        begun_at: row.int(13)?,
        accepted_at: row.int(14)?,
        fetched_at: row.int(15)?,
        state_at: row.int(16)?,
        handed: count(17)?,
        outside: text(18)?,
        linked: text(19)?,
        status_code: text(20)?,
        reason: text(21)?,
        kept: row.flag(22)?,
        spoilt: row.flag(23)?,
    })
}

/// A message that is to be handed over, with its chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToHand {
    pub message: Message,
    /// In order.
    pub chunks: Vec<Stored>,
}

/// How one mailbox stands: counts and times, nothing of what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub mailbox: String,
    /// Messages that wait to be collected, and since when the oldest does.
    pub waiting: u64,
    pub oldest: Millis,
    /// Messages from it that are still on their way.
    pub under_way: u64,
    /// Messages from it that could not be delivered in the last 30 days.
    pub failed: u64,
}

/// The mailbox of a scope.
fn own(scope: &Scope) -> Result<&str, Problem> {
    match scope.reach() {
        Reach::Mailbox(mailbox) => Ok(mailbox),
        _ => Err(forbidden()),
    }
}

/// Workers alone see the messages of all mailboxes.
pub(super) fn worker(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything => Ok(()),
        _ => Err(forbidden()),
    }
}

impl Store {
    /// The message of that id, if the mailbox sent it or it came for it.
    ///
    /// # Errors
    /// `NotFound` if there is none; `Forbidden` if it is another mailbox's.
    pub async fn mesh_message(&self, scope: &Scope, id: &str) -> Result<Message, Problem> {
        let mailbox = own(scope)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("id = ").bind(id);
        let rows = self.rows(&sql).await?;
        let found = rows.first().map(message).transpose()?;
        match found {
            None => Err(super::write::gone()),
            Some(found) if found.sender == mailbox || found.recipient == mailbox => Ok(found),
            Some(_) => Err(forbidden()),
        }
    }

    /// The messages that wait for the mailbox, the oldest first, behind that number.
    ///
    /// # Errors
    /// `Forbidden` for any scope but a mailbox's.
    pub async fn mesh_inbox(
        &self,
        scope: &Scope,
        after: i64,
        count: u32,
    ) -> Result<Vec<Message>, Problem> {
        let mailbox = own(scope)?.to_string();
        let mut sql = Sql::new(COLUMNS);
        sql.push("recipient = ")
            .bind(mailbox)
            .push(
                " AND state = 'accepted' AND way IN ('here', 'arrived', 'collected') AND number > ",
            )
            .bind(after)
            .push(" ORDER BY number LIMIT ")
            .bind(count);
        self.rows_apart(sql).await?.iter().map(message).collect()
    }

    /// How many messages wait for the mailbox.
    ///
    /// # Errors
    /// As `mesh_inbox`.
    pub async fn mesh_inbox_count(&self, scope: &Scope) -> Result<i64, Problem> {
        let sql = Sql::new(
            "SELECT COUNT(*) FROM mesh_message WHERE recipient = $1 AND state = 'accepted' \
             AND way IN ('here', 'arrived', 'collected')",
        );
        let sql = sql.with(own(scope)?.to_string());
        let rows = self.rows_apart(sql).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    /// The newest two messages that the mailbox sent under that local id.
    ///
    /// # Errors
    /// As `mesh_inbox`.
    pub async fn mesh_sent_as(
        &self,
        scope: &Scope,
        local_id: &str,
    ) -> Result<Vec<Message>, Problem> {
        let mut sql = Sql::new(COLUMNS);
        sql.push("sender = ").bind(own(scope)?);
        sql.push(" AND local_id = ")
            .bind(local_id)
            .push(" ORDER BY number DESC LIMIT 2");
        self.rows(&sql).await?.iter().map(message).collect()
    }

    /// Where the bytes of a chunk are. `None`: the message has no such chunk.
    ///
    /// # Errors
    /// `Forbidden` if the message is not one of the mailbox's.
    pub async fn mesh_chunk(
        &self,
        scope: &Scope,
        message: &Message,
        chunk: i64,
    ) -> Result<Option<Stored>, Problem> {
        if let Reach::Mailbox(mailbox) = scope.reach()
            && (&message.sender == mailbox || &message.recipient == mailbox)
        {
            let sql = Sql::new(
                "SELECT upload, size, plain FROM mesh_chunk WHERE message = $1 AND chunk = $2",
            );
            let rows = self.rows(&sql.with(message.number).with(chunk)).await?;
            return rows.first().map(stored).transpose();
        }
        Err(forbidden())
    }

    /// Bytes of a message's content, unpacked, as far as its chunks are here.
    ///
    /// # Errors
    /// As `mesh_chunk`.
    pub async fn mesh_size(&self, scope: &Scope, message: &Message) -> Result<i64, Problem> {
        let mailbox = own(scope)?;
        if message.sender != mailbox && message.recipient != mailbox {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT CAST(COALESCE(SUM(plain), 0) AS BIGINT) FROM mesh_chunk WHERE message = $1",
        );
        let rows = self.rows(&sql.with(message.number)).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    /// Whole messages that go that way, are not handed over yet and are due: those that were not tried first, the oldest
    /// before the others, so that one which does not get out keeps none from it. For the node's own workers.
    ///
    /// # Errors
    /// `Forbidden` for any other scope.
    pub async fn mesh_to_hand(
        &self,
        scope: &Scope,
        way: Way,
        count: u32,
    ) -> Result<Vec<ToHand>, Problem> {
        worker(scope)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("state = 'accepted' AND way = ")
            .bind(way.code())
            .push(" AND kept = 1 AND outside = '' AND next_try <= ")
            .bind(self.now())
            .push(" ORDER BY next_try, number LIMIT ")
            .bind(count);
        let mut found = Vec::new();
        for row in self.rows_apart(sql).await? {
            let message = message(&row)?;
            let sql = Sql::new(
                "SELECT upload, size, plain FROM mesh_chunk WHERE message = $1 ORDER BY chunk",
            );
            let rows = self.rows(&sql.with(message.number)).await?;
            let chunks = rows.iter().map(stored).collect::<Result<_, _>>()?;
            found.push(ToHand { message, chunks });
        }
        Ok(found)
    }

    /// Messages that the national service has and whose end is not known, the oldest first, behind that number.
    ///
    /// # Errors
    /// As `mesh_to_hand`.
    pub async fn mesh_outside(
        &self,
        scope: &Scope,
        after: i64,
        count: u32,
    ) -> Result<Vec<Message>, Problem> {
        worker(scope)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("state = 'accepted' AND way = 'mesh' AND outside <> '' AND number > ")
            .bind(after)
            .push(" ORDER BY number LIMIT ")
            .bind(count);
        self.rows_apart(sql).await?.iter().map(message).collect()
    }

    /// What could not be delivered in the last 30 days, of all mailboxes, the newest first: for those
    /// who run the node.
    ///
    /// # Errors
    /// `Forbidden` for a patient's or a mailbox's scope.
    pub async fn mesh_failed(&self, scope: &Scope, count: u32) -> Result<Vec<Message>, Problem> {
        runs_the_node(scope)?;
        let mut sql = Sql::new(COLUMNS);
        // What is nobody's is there until it is somebody's.
        sql.push("state = 'undeliverable' AND (recipient = '' OR kind = 'DATA' AND state_at > ")
            .bind(self.now().saturating_sub(super::KEEP_MILLIS))
            .push(") ORDER BY number DESC LIMIT ")
            .bind(count.min(1000));
        self.rows_apart(sql).await?.iter().map(message).collect()
    }

    /// How the mailboxes stand that have messages, by name.
    ///
    /// # Errors
    /// As `mesh_failed`.
    pub async fn mesh_standing(&self, scope: &Scope) -> Result<Vec<Standing>, Problem> {
        runs_the_node(scope)?;
        let mut found: std::collections::BTreeMap<String, Standing> = Default::default();
        let inbox = Sql::new(
            "SELECT recipient, COUNT(*), MIN(accepted_at) FROM mesh_message \
             WHERE state = 'accepted' AND way IN ('here', 'arrived', 'collected') GROUP BY recipient",
        );
        for row in self.rows_apart(inbox).await? {
            let one = of(&mut found, row.text(0)?);
            one.waiting = u64::try_from(row.int(1)?).unwrap_or(0);
            one.oldest = row.int(2)?;
        }
        let outbox = Sql::new(
            "SELECT sender, state, COUNT(*) FROM mesh_message WHERE kind = 'DATA' \
             AND way NOT IN ('arrived', 'collected') AND (state = 'accepted' OR (state = 'undeliverable' \
             AND state_at > $1)) GROUP BY sender, state",
        );
        let since = self.now().saturating_sub(super::KEEP_MILLIS);
        for row in self.rows_apart(outbox.with(since)).await? {
            let one = of(&mut found, row.text(0)?);
            let count = u64::try_from(row.int(2)?).unwrap_or(0);
            match MeshState::of(row.text(1)?) {
                MeshState::Accepted => one.under_way = count,
                _ => one.failed = count,
            }
        }
        Ok(found.into_values().collect())
    }
}

fn of<'f>(
    found: &'f mut std::collections::BTreeMap<String, Standing>,
    mailbox: &str,
) -> &'f mut Standing {
    found
        .entry(mailbox.to_string())
        .or_insert_with(|| Standing {
            mailbox: mailbox.to_string(),
            ..Standing::default()
        })
}

fn stored(row: &Row) -> Result<Stored, Problem> {
    let unsigned = |at| {
        row.int(at)
            .map(|value| u64::try_from(value).unwrap_or_default())
    };
    Ok(Stored {
        upload: row.text(0)?.to_string(),
        size: unsigned(1)?,
        plain: unsigned(2)?,
        sha256: String::new(),
    })
}

fn runs_the_node(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything | Reach::Organisation(_) => Ok(()),
        Reach::Compartment { .. } | Reach::Mailbox(_) => Err(Problem::new(
            Kind::Forbidden,
            "This list is for those who run the node.",
        )),
    }
}
