//! What is due by time.

use fhir::date::Millis;
use fhir::problem::Problem;

use super::settle::{self, NOT_COLLECTED};
use super::{MeshDone, content};
use crate::database::Tx;
use crate::parcels;
use crate::sql::Sql;

const DAY: Millis = 86_400_000;
/// A message that nobody collected for so long is undeliverable.
pub const COLLECT_MILLIS: Millis = 5 * DAY;
/// Content is kept for so long.
pub const KEEP_MILLIS: Millis = 30 * DAY;
/// What another node has and says nothing about is given up after so long: its own time to collect,
/// and a night for the receipt.
const SILENT_MILLIS: Millis = 2 * COLLECT_MILLIS;
/// What is written on messages is kept for so long.
const NAMED_MILLIS: Millis = 365 * DAY;
/// Bytes that belong to no chunk are dropped after so long.
const UPLOAD_MILLIS: Millis = DAY;
/// Rows of each sort in one sweep: other writes wait for it.
const ROWS_MAX: u32 = 50;
const TOKENS_MAX: u32 = 5000;

const UNCOLLECTED: &str = "Message not collected by recipient after 5 days";
const UNFINISHED: &str = "Not all chunks of the message came in 5 days";
const NOT_DELIVERED: &str = "The recipient's node could not be reached in 5 days";
const NOT_TAKEN: &str = "The national service did not take the message in 5 days";

/// One sweep; `Rows` tells how many rows it concerned, so that the caller goes on while there are.
pub(super) async fn sweep(tx: &mut Tx<'_>, now: Millis) -> Result<MeshDone, Problem> {
    let mut rows = uncollected(tx, now).await?;
    rows += unfinished(tx, now).await?;
    rows += untaken(tx, now).await?;
    rows += undelivered(tx, now).await?;
    rows += old_content(tx, now).await?;
    rows += old_uploads(tx, now).await?;
    let tokens = Sql::new(
        "DELETE FROM mesh_token WHERE (mailbox, token) IN (SELECT t.mailbox, t.token \
         FROM mesh_token t WHERE t.until < $1 ORDER BY t.until LIMIT $2)",
    );
    rows += tx.execute(&tokens.with(now).with(TOKENS_MAX)).await?;
    Ok(MeshDone::Rows(rows))
}

async fn uncollected(tx: &mut Tx<'_>, now: Millis) -> Result<u64, Problem> {
    let before = now.saturating_sub(COLLECT_MILLIS);
    let due = settle::endings(tx, |sql| {
        sql.push("state = 'accepted' AND kind = 'DATA' AND way IN ('here', 'arrived', 'collected') AND accepted_at < ")
            .bind(before)
            .push(" ORDER BY number LIMIT ")
            .bind(ROWS_MAX);
    });
    let due = due.await?;
    for message in &due {
        settle::undeliverable(tx, now, message, (NOT_COLLECTED, UNCOLLECTED)).await?;
    }
    Ok(due.len() as u64)
}

async fn unfinished(tx: &mut Tx<'_>, now: Millis) -> Result<u64, Problem> {
    let before = now.saturating_sub(COLLECT_MILLIS);
    let due = settle::endings(tx, |sql| {
        sql.push("state = 'uploading' AND begun_at < ")
            .bind(before)
            .push(" ORDER BY number LIMIT ")
            .bind(ROWS_MAX);
    });
    let due = due.await?;
    for message in &due {
        settle::undeliverable(tx, now, message, ("02", UNFINISHED)).await?;
        content::forget(tx, message.number).await?;
    }
    Ok(due.len() as u64)
}

/// Messages to other members: those that their node does not have are taken back from delivery.
async fn undelivered(tx: &mut Tx<'_>, now: Millis) -> Result<u64, Problem> {
    let before = now.saturating_sub(COLLECT_MILLIS);
    let sql = Sql::new(
        "SELECT m.number, p.pid FROM mesh_message m JOIN parcel p ON p.direction = 0 \
         AND p.unique_id = m.id AND p.kind = 'mesh-message' WHERE m.state = 'accepted' \
         AND m.way = 'member' AND m.accepted_at < $1 AND p.due = 1 ORDER BY p.pid LIMIT $2",
    );
    let rows = tx.rows(&sql.with(before).with(ROWS_MAX)).await?;
    for row in &rows {
        parcels::set_aside(tx, now, row.int(1)?, NOT_DELIVERED).await?;
        settle::give_up(tx, now, row.int(0)?, NOT_COLLECTED, NOT_DELIVERED).await?;
    }
    let silent = now.saturating_sub(SILENT_MILLIS);
    let due = settle::endings(tx, |sql| {
        sql.push("state = 'accepted' AND way IN ('member', 'mesh') AND accepted_at < ")
            .bind(silent)
            .push(" ORDER BY number LIMIT ")
            .bind(ROWS_MAX);
    });
    let due = due.await?;
    for message in &due {
        settle::undeliverable(tx, now, message, (NOT_COLLECTED, UNCOLLECTED)).await?;
    }
    Ok(rows.len() as u64 + due.len() as u64)
}

/// Messages that the national service did not take: their sender is told why, as far as that is known. What it has is
/// given up by `undelivered`.
async fn untaken(tx: &mut Tx<'_>, now: Millis) -> Result<u64, Problem> {
    let before = now.saturating_sub(COLLECT_MILLIS);
    let due = settle::endings(tx, |sql| {
        sql.push("state = 'accepted' AND way = 'mesh' AND outside = '' AND accepted_at < ")
            .bind(before)
            .push(" ORDER BY number LIMIT ")
            .bind(ROWS_MAX);
    });
    let due = due.await?;
    for message in &due {
        let reason = match message.reason.as_str() {
            "" => NOT_TAKEN.to_owned(),
            last => format!("{NOT_TAKEN}. {last}"),
        };
        settle::undeliverable(tx, now, message, (NOT_COLLECTED, &reason)).await?;
    }
    Ok(due.len() as u64)
}

async fn old_content(tx: &mut Tx<'_>, now: Millis) -> Result<u64, Problem> {
    let sql = Sql::new(
        "SELECT number FROM mesh_message WHERE kept = 1 AND accepted_at < $1 AND begun_at < $2 \
         AND (recipient <> '' OR way <> 'collected') ORDER BY accepted_at LIMIT $3",
    );
    let before = now.saturating_sub(KEEP_MILLIS);
    let rows = tx
        .rows(&sql.with(before).with(before).with(ROWS_MAX))
        .await?;
    for row in &rows {
        content::forget(tx, row.int(0)?).await?;
    }
    let named = Sql::new(
        "SELECT number FROM mesh_message WHERE kept = 0 AND accepted_at < $1 AND begun_at < $2 \
         ORDER BY accepted_at LIMIT $3",
    );
    let before = now.saturating_sub(NAMED_MILLIS);
    let old = tx
        .rows(&named.with(before).with(before).with(ROWS_MAX))
        .await?;
    for row in &old {
        for sql in [
            Sql::new("DELETE FROM mesh_chunk WHERE message = $1"),
            Sql::new("DELETE FROM mesh_part WHERE message = $1"),
            Sql::new("DELETE FROM mesh_message WHERE number = $1"),
        ] {
            tx.execute(&sql.with(row.int(0)?)).await?;
        }
    }
    Ok(rows.len() as u64 + old.len() as u64)
}

async fn old_uploads(tx: &mut Tx<'_>, now: Millis) -> Result<u64, Problem> {
    let sql = Sql::new("SELECT upload FROM mesh_upload WHERE begun_at < $1 LIMIT $2");
    let before = now.saturating_sub(UPLOAD_MILLIS);
    let rows = tx.rows(&sql.with(before).with(ROWS_MAX)).await?;
    for row in &rows {
        content::drop_upload(tx, row.text(0)?).await?;
    }
    Ok(rows.len() as u64)
}
