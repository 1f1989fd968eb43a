//! What was collected from the organisation's mailbox at the national service, for mailboxes here.
//!
//! Invariant: a message stands in one mailbox here, once, under the id that it has there, however often it is collected.
//! Invariant: what is for no mailbox that is known is kept until it is, and is on the work list. Invariant: what is not packed as
//! it says is given to nobody, kept as it came, and on the work list.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::content::{self, Stored};
use super::lists::{COLUMNS, Message, message, worker};
use super::write::{New, gone};
use super::{MeshDone, MeshState, Way};
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;

/// Why a message stands on the work list that no rule gives to a mailbox.
const NOBODYS: &str = "It came from the national service, and no rule says whose it is: name its workflow in \
     [[mesh_server.collect]], and start the node again";

/// A message of the national service, its content on the disk already.
#[derive(Clone, Debug)]
pub struct FromOutside {
    /// The national service's name for it, which it keeps.
    pub id: String,
    pub sender: String,
    /// The mailbox here; empty if nobody knows whose it is.
    pub recipient: String,
    pub local_id: String,
    pub workflow: String,
    pub is_report: bool,
    /// What else is written on it, as JSON.
    pub envelope: String,
    /// In order; none of a report.
    pub chunks: Vec<Stored>,
    /// Of a report: the message that it is about, and what became of that.
    pub linked: String,
    pub status_code: String,
    pub reason: String,
    /// Why its content, which is not packed as it says, cannot be given to anybody; empty if it can.
    pub spoilt: String,
}

/// Puts it into its mailbox, if it is not there.
pub(super) async fn take(
    tx: &mut Tx<'_>,
    now: Millis,
    it: &FromOutside,
) -> Result<MeshDone, Problem> {
    let known = is_here(&it.id);
    if tx.row(&known).await?.is_some() {
        for stored in &it.chunks {
            content::drop_upload(tx, &stored.upload).await?;
        }
        let id = it.id.clone();
        return Ok(MeshDone::Taken { id, known: true });
    }
    let (state, reason) = match (it.spoilt.as_str(), it.recipient.is_empty()) {
        ("", false) => (MeshState::Accepted, it.reason.as_str()),
        ("", true) => (MeshState::Undeliverable, NOBODYS),
        (why, _) => (MeshState::Undeliverable, why),
    };
    let row = New {
        id: &it.id,
        sender: &it.sender,
        recipient: &it.recipient,
        local_id: &it.local_id,
        workflow: &it.workflow,
        kind: if it.is_report { "REPORT" } else { "DATA" },
        envelope: &it.envelope,
        chunks: u32::try_from(it.chunks.len()).unwrap_or(u32::MAX).max(1),
        way: Way::Collected.code(),
        state: state.code(),
        accepted_at: now,
        linked: &it.linked,
        status_code: &it.status_code,
        reason,
        ..New::default()
    };
    let mut sql = row.insert(now);
    sql.push(" RETURNING number");
    let number = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    for (chunk, stored) in (1..).zip(&it.chunks) {
        content::place(tx, (number, chunk), stored).await?;
    }
    if !it.spoilt.is_empty() {
        let sql = Sql::new("UPDATE mesh_message SET spoilt = 1 WHERE number = $1");
        tx.execute(&sql.with(number)).await?;
    }
    Ok(MeshDone::Taken {
        id: it.id.clone(),
        known: false,
    })
}

fn is_here(id: &str) -> Sql<'_> {
    Sql::new("SELECT number FROM mesh_message WHERE id = $1 AND way = 'collected'").with(id)
}

/// A rule now says whose it is: it stands in that mailbox from now on. One that is spoilt is theirs to ask after, and stays on
/// the work list.
pub(super) async fn claim(
    tx: &mut Tx<'_>,
    now: Millis,
    (number, recipient): (i64, &str),
) -> Result<MeshDone, Problem> {
    let sql = Sql::new(
        "UPDATE mesh_message SET recipient = $1, state = 'accepted', accepted_at = $2, state_at = $3, \
         reason = '' WHERE number = $4 AND way = 'collected' AND recipient = '' AND spoilt = 0",
    );
    let sql = sql.with(recipient).with(now).with(now).with(number);
    let sound = tx.execute(&sql).await?;
    let sql = Sql::new(
        "UPDATE mesh_message SET recipient = $1, state_at = $2 WHERE number = $3 AND way = 'collected' \
         AND recipient = '' AND spoilt = 1",
    );
    let spoilt = tx
        .execute(&sql.with(recipient).with(now).with(number))
        .await?;
    Ok(MeshDone::Rows(sound + spoilt))
}

impl Store {
    /// The message of that id at the national service, if it was collected.
    ///
    /// # Errors
    /// `Forbidden` for any scope but a worker's.
    pub async fn mesh_collected(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<Message>, Problem> {
        worker(scope)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("way = 'collected' AND id = ").bind(id);
        let rows = self.rows(&sql).await?;
        rows.first().map(message).transpose()
    }

    /// Messages that were collected and are for no mailbox that is known, the oldest first, behind that number.
    ///
    /// # Errors
    /// As `mesh_collected`.
    pub async fn mesh_nobodys(
        &self,
        scope: &Scope,
        after: i64,
        count: u32,
    ) -> Result<Vec<Message>, Problem> {
        worker(scope)?;
        let mut sql = Sql::new(COLUMNS);
        sql.push("recipient = '' AND state = 'undeliverable' AND way = 'collected' AND number > ")
            .bind(after)
            .push(" ORDER BY number LIMIT ")
            .bind(count);
        self.rows_apart(sql).await?.iter().map(message).collect()
    }

    /// The message of a mailbox here that left by the national service under that id there, or as that name of ours.
    ///
    /// # Errors
    /// As `mesh_collected`; `NotFound` if there is none.
    pub async fn mesh_left_as(
        &self,
        scope: &Scope,
        outside: &str,
        id: &str,
    ) -> Result<Message, Problem> {
        worker(scope)?;
        let none = || Problem::new(Kind::NotFound, "No such message left from here.");
        if outside.is_empty() && id.is_empty() {
            return Err(none());
        }
        let mut sql = Sql::new(COLUMNS);
        sql.push("way = 'mesh' AND id = ").bind(id);
        let mut rows = self.rows(&sql).await?;
        if rows.is_empty() && !outside.is_empty() {
            let mut sql = Sql::new(COLUMNS);
            sql.push("way = 'mesh' AND outside = ")
                .bind(outside)
                .push(" ORDER BY number DESC LIMIT 1");
            rows = self.rows(&sql).await?;
        }
        rows.first().map(message).transpose()?.ok_or_else(none)
    }
}
