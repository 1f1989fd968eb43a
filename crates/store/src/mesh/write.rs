//! What systems send: tokens, messages and their chunks.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::content::{self, Stored};
use super::{MeshDone, MeshState, Way};
use crate::database::Tx;
use crate::sql::Sql;

/// A message of the same local id, recipient, workflow and content is the same message for so long:
/// real clients send a message again when an answer was lost.
const SAME_MILLIS: Millis = 86_400_000;

/// A message with its first chunk, as the door has checked it.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Its name from now on.
    pub id: String,
    pub sender: String,
    pub recipient: String,
    /// The sender's own name for it; may be empty.
    pub local_id: String,
    pub workflow: String,
    /// What else is written on it, as JSON.
    pub envelope: String,
    /// `gzip`, or empty.
    pub encoding: String,
    pub chunks: u32,
    pub way: Way,
    /// The ODS code of the recipient's organisation; empty if it is not known.
    pub organisation: String,
    pub first: Stored,
}

/// A row for a message: of the national service, of what became of it and of its parts it knows nothing
/// unless that is said.
#[derive(Clone, Copy, Default)]
pub(super) struct New<'n> {
    pub(super) id: &'n str,
    pub(super) sender: &'n str,
    pub(super) recipient: &'n str,
    pub(super) local_id: &'n str,
    pub(super) workflow: &'n str,
    pub(super) kind: &'static str,
    pub(super) envelope: &'n str,
    pub(super) encoding: &'n str,
    pub(super) chunks: u32,
    pub(super) parts: u32,
    pub(super) first_sha256: &'n str,
    pub(super) way: &'static str,
    pub(super) organisation: &'n str,
    pub(super) state: &'static str,
    pub(super) accepted_at: Millis,
    pub(super) linked: &'n str,
    pub(super) status_code: &'n str,
    pub(super) reason: &'n str,
}

impl<'n> New<'n> {
    /// The statement that inserts it, without its end.
    pub(super) fn insert(self, now: Millis) -> Sql<'n> {
        Sql::new(
            "INSERT INTO mesh_message (id, sender, recipient, local_id, workflow, kind, envelope, \
             encoding, chunks, parts, first_sha256, way, organisation, state, begun_at, accepted_at, \
             fetched_at, state_at, handed, outside, linked, status_code, reason, kept) VALUES ($1, \
             $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, $17, 0, '', $18, \
             $19, $20, 1)",
        )
        .with(self.id)
        .with(self.sender)
        .with(self.recipient)
        .with(self.local_id)
        .with(self.workflow)
        .with(self.kind)
        .with(self.envelope)
        .with(self.encoding)
        .with(self.chunks)
        .with(self.parts)
        .with(self.first_sha256)
        .with(self.way)
        .with(self.organisation)
        .with(self.state)
        .with(now)
        .with(self.accepted_at)
        .with(now)
        .with(self.linked)
        .with(self.status_code)
        .with(self.reason)
    }
}

/// All of a message is here: it stands in its mailbox, or may go on its way.
pub(super) async fn is_whole(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE mesh_message SET state = 'accepted', accepted_at = $1, state_at = $2 \
         WHERE number = $3 AND state = 'uploading'",
    );
    tx.execute(&sql.with(now).with(now).with(number)).await?;
    Ok(())
}

pub(super) async fn token(
    tx: &mut Tx<'_>,
    mailbox: &str,
    token: &str,
    until: Millis,
) -> Result<MeshDone, Problem> {
    let sql = Sql::new(
        "INSERT INTO mesh_token (mailbox, token, until) VALUES ($1, $2, $3) \
         ON CONFLICT (mailbox, token) DO NOTHING",
    );
    match tx
        .execute(&sql.with(mailbox).with(token).with(until))
        .await?
    {
        0 => Err(Problem::new(
            Kind::Security,
            "This token has served before; make a new one for each request.",
        )),
        rows => Ok(MeshDone::Rows(rows)),
    }
}

pub(super) async fn free_token(
    tx: &mut Tx<'_>,
    mailbox: &str,
    token: &str,
) -> Result<MeshDone, Problem> {
    let sql = Sql::new("DELETE FROM mesh_token WHERE mailbox = $1 AND token = $2");
    let rows = tx.execute(&sql.with(mailbox).with(token)).await?;
    Ok(MeshDone::Rows(rows))
}

pub(super) async fn accept(
    tx: &mut Tx<'_>,
    now: Millis,
    sending: &Sending,
) -> Result<MeshDone, Problem> {
    if let Some(id) = known(tx, now, sending).await? {
        content::drop_upload(tx, &sending.first.upload).await?;
        return Ok(MeshDone::Taken { id, known: true });
    }
    let whole = sending.chunks == 1;
    let state = match whole {
        true => MeshState::Accepted,
        false => MeshState::Uploading,
    };
    let row = New {
        id: &sending.id,
        sender: &sending.sender,
        recipient: &sending.recipient,
        local_id: &sending.local_id,
        workflow: &sending.workflow,
        kind: "DATA",
        envelope: &sending.envelope,
        encoding: &sending.encoding,
        chunks: sending.chunks,
        first_sha256: &sending.first.sha256,
        way: sending.way.code(),
        organisation: &sending.organisation,
        state: state.code(),
        accepted_at: if whole { now } else { 0 },
        ..New::default()
    };
    let mut sql = row.insert(now);
    sql.push(" RETURNING number");
    let number = tx.row(&sql).await?.ok_or_else(gone)?.int(0)?;
    content::place(tx, (number, 1), &sending.first).await?;
    Ok(MeshDone::Taken {
        id: sending.id.clone(),
        known: false,
    })
}

/// The id that the same message was given before.
async fn known(tx: &mut Tx<'_>, now: Millis, sending: &Sending) -> Result<Option<String>, Problem> {
    if sending.local_id.is_empty() {
        return Ok(None);
    }
    let sql = Sql::new(
        "SELECT id FROM mesh_message WHERE sender = $1 AND local_id = $2 AND recipient = $3 \
         AND workflow = $4 AND chunks = $5 AND first_sha256 = $6 AND begun_at > $7 \
         AND state <> 'undeliverable' ORDER BY number LIMIT 1",
    )
    .with(sending.sender.as_str())
    .with(sending.local_id.as_str())
    .with(sending.recipient.as_str())
    .with(sending.workflow.as_str())
    .with(sending.chunks)
    .with(sending.first.sha256.as_str())
    .with(now.saturating_sub(SAME_MILLIS));
    let row = tx.row(&sql).await?;
    row.map(|row| row.text(0).map(str::to_string)).transpose()
}

pub(super) async fn chunk(
    tx: &mut Tx<'_>,
    now: Millis,
    (number, chunk): (i64, i64),
    stored: &Stored,
    bytes_max: u64,
) -> Result<MeshDone, Problem> {
    let sql = Sql::new("SELECT state, chunks FROM mesh_message WHERE number = $1");
    let row = tx.row(&sql.with(number)).await?.ok_or_else(gone)?;
    if row.text(0)? != MeshState::Uploading.code() {
        let message = "The message is whole already: nothing can be added to it.";
        return Err(Problem::new(Kind::LockError, message));
    }
    let chunks = row.int(1)?;
    content::place(tx, (number, chunk), stored).await?;
    let sql =
        Sql::new("SELECT COUNT(*), CAST(SUM(plain) AS BIGINT) FROM mesh_chunk WHERE message = $1");
    let row = tx.row(&sql.with(number)).await?.ok_or_else(gone)?;
    if row.int(1)? > content::int(bytes_max) {
        let message = "The message is larger than this node takes.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    let whole = row.int(0)? == chunks;
    if whole {
        is_whole(tx, now, number).await?;
    }
    Ok(MeshDone::Whole(whole))
}

pub(super) async fn fetched(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
) -> Result<MeshDone, Problem> {
    let sql =
        Sql::new("UPDATE mesh_message SET fetched_at = $1 WHERE number = $2 AND fetched_at = 0");
    let rows = tx.execute(&sql.with(now).with(number)).await?;
    Ok(MeshDone::Rows(rows))
}

pub(super) async fn handed(
    tx: &mut Tx<'_>,
    number: i64,
    handed: i64,
    last: bool,
) -> Result<MeshDone, Problem> {
    let sql = Sql::new(
        "UPDATE mesh_message SET handed = $1 WHERE number = $2 AND handed = $3 \
         AND state = 'accepted'",
    );
    let sql = sql.with(handed).with(number).with(handed - 1);
    if tx.execute(&sql).await? == 0 {
        let message = "The message is handed over by another.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    if last {
        content::forget(tx, number).await?;
    }
    Ok(MeshDone::Rows(1))
}

pub(super) async fn sent(tx: &mut Tx<'_>, number: i64, outside: &str) -> Result<MeshDone, Problem> {
    let sql = Sql::new("UPDATE mesh_message SET outside = $1, reason = '' WHERE number = $2");
    let rows = tx.execute(&sql.with(outside).with(number)).await?;
    content::forget(tx, number).await?;
    Ok(MeshDone::Rows(rows))
}

pub(super) async fn put_off(
    tx: &mut Tx<'_>,
    number: i64,
    until: Millis,
    reason: &str,
) -> Result<MeshDone, Problem> {
    let sql = Sql::new(
        "UPDATE mesh_message SET next_try = $1, reason = $2 WHERE number = $3 AND state = 'accepted'",
    );
    let rows = tx
        .execute(&sql.with(until).with(reason).with(number))
        .await?;
    Ok(MeshDone::Rows(rows))
}

pub(super) fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such message.")
}
