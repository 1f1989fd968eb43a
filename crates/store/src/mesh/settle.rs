//! How messages end: collected, or given up with a report to whoever sent them.

use fhir::date::Millis;
use fhir::problem::Problem;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::write::New;
use super::{MeshDone, MeshState, Way};
use crate::database::Tx;
use crate::parcels::State;
use crate::parcels::event::{self, Actor};
use crate::row::Row;
use crate::sql::Sql;

/// Nobody collected it.
pub(super) const NOT_COLLECTED: &str = "14";
/// There is no such mailbox.
const NOT_REGISTERED: &str = "12";

/// A message as its end needs to know it.
pub(super) struct Ending {
    pub(super) number: i64,
    id: String,
    sender: String,
    local_id: String,
    workflow: String,
    envelope: String,
    way: Way,
    organisation: String,
    /// Why it did not get out when it was tried last; empty if it was not, or did.
    pub(super) reason: String,
}

const ENDING: &str = "SELECT number, id, sender, local_id, workflow, envelope, way, organisation, \
     reason FROM mesh_message WHERE ";

pub(super) fn ending(row: &Row) -> Result<Ending, Problem> {
    let text = |at| row.text(at).map(str::to_string);
    Ok(Ending {
        number: row.int(0)?,
        id: text(1)?,
        sender: text(2)?,
        local_id: text(3)?,
        workflow: text(4)?,
        envelope: text(5)?,
        way: Way::of(row.text(6)?),
        organisation: text(7)?,
        reason: text(8)?,
    })
}

async fn by_number(tx: &mut Tx<'_>, number: i64) -> Result<Option<Ending>, Problem> {
    let mut sql = Sql::new(ENDING);
    sql.push("number = ").bind(number);
    tx.row(&sql).await?.as_ref().map(ending).transpose()
}

/// Messages that a sweep ends: `rest` is the condition and the order.
pub(super) async fn endings(
    tx: &mut Tx<'_>,
    push: impl FnOnce(&mut Sql<'static>),
) -> Result<Vec<Ending>, Problem> {
    let mut sql = Sql::new(ENDING);
    push(&mut sql);
    tx.rows(&sql).await?.iter().map(ending).collect()
}

/// Puts an accepted message into a state; whether it was accepted.
async fn end(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    (state, reason): (&'static str, &str),
) -> Result<bool, Problem> {
    let sql = Sql::new(
        "UPDATE mesh_message SET state = $1, state_at = $2, reason = $3 WHERE number = $4 \
         AND state IN ('accepted', 'uploading')",
    );
    let sql = sql.with(state).with(now).with(reason).with(number);
    Ok(tx.execute(&sql).await? == 1)
}

/// Its recipient here has taken it in; where it came from is told.
pub(super) async fn acknowledge(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
) -> Result<MeshDone, Problem> {
    if !end(tx, now, number, ("acknowledged", "")).await? {
        return Ok(MeshDone::Rows(0));
    }
    if let Some(message) = by_number(tx, number).await?
        && message.way == Way::Arrived
    {
        tell(tx, now, &message, (State::Filed, "")).await?;
    }
    Ok(MeshDone::Rows(1))
}

/// Its recipient elsewhere has taken it in.
pub(super) async fn collected(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
) -> Result<MeshDone, Problem> {
    let ended = end(tx, now, number, ("acknowledged", "")).await?;
    Ok(MeshDone::Rows(u64::from(ended)))
}

pub(super) async fn give_up(
    tx: &mut Tx<'_>,
    now: Millis,
    number: i64,
    code: &str,
    reason: &str,
) -> Result<MeshDone, Problem> {
    let Some(message) = by_number(tx, number).await? else {
        return Ok(MeshDone::Rows(0));
    };
    let ended = undeliverable(tx, now, &message, (code, reason)).await?;
    Ok(MeshDone::Rows(u64::from(ended)))
}

/// Ends a message that does not reach its recipient: a report for a sender here, a receipt for one
/// elsewhere.
pub(super) async fn undeliverable(
    tx: &mut Tx<'_>,
    now: Millis,
    message: &Ending,
    (code, reason): (&str, &str),
) -> Result<bool, Problem> {
    if !end(tx, now, message.number, ("undeliverable", reason)).await? {
        return Ok(false);
    }
    match message.way {
        Way::Arrived => tell(tx, now, message, (State::Returned, reason)).await?,
        // Its sender was told that it is here; it is on the work list.
        Way::Collected => {}
        Way::Here | Way::Member | Way::National => {
            report(tx, now, message, (code, reason)).await?;
        }
    }
    Ok(true)
}

/// Puts an empty message into the sender's mailbox that says what became of theirs.
async fn report(
    tx: &mut Tx<'_>,
    now: Millis,
    message: &Ending,
    (code, reason): (&str, &str),
) -> Result<(), Problem> {
    let digest = Sha256::digest(format!("report on {}", message.id).as_bytes());
    let id = crate::parcels::hex(digest.get(..16).unwrap_or_default()).to_ascii_uppercase();
    let envelope: serde_json::Value = serde_json::from_str(&message.envelope).unwrap_or_default();
    let subject = envelope.get("mex-subject").and_then(|it| it.as_str());
    let envelope = json!({
        "mex-filename": format!("{id}.dat"),
        "mex-subject": format!("NDR: {}", subject.unwrap_or_default()),
    });
    let row = New {
        id: &id,
        recipient: &message.sender,
        local_id: &message.local_id,
        workflow: &message.workflow,
        kind: "REPORT",
        envelope: &envelope.to_string(),
        way: Way::Here.code(),
        state: MeshState::Accepted.code(),
        accepted_at: now,
        linked: &message.id,
        status_code: code,
        reason,
        ..New::default()
    };
    let mut sql = row.insert(now);
    sql.push(" ON CONFLICT (id) DO NOTHING");
    tx.execute(&sql).await.map(|_| ())
}

/// Takes a step with the parcels that brought a message, and queues the receipts.
async fn tell(
    tx: &mut Tx<'_>,
    now: Millis,
    message: &Ending,
    (state, note): (State, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT pid FROM parcel WHERE direction = 1 AND sender = $1 AND unique_id = $2 \
         AND kind = 'mesh-message' ORDER BY pid",
    );
    let sql = sql
        .with(message.organisation.as_str())
        .with(message.id.as_str());
    for row in tx.rows(&sql).await? {
        let Some(parcel) = event::by_pid(tx, row.int(0)?).await? else {
            continue;
        };
        if !parcel.state.may_become(state) {
            continue;
        }
        let seq = event::add(tx, now, &parcel, state.code(), &Actor::default(), note).await?;
        event::set_state(tx, parcel.pid, state, now).await?;
        event::tell(tx, &parcel, seq).await?;
    }
    Ok(())
}

/// What the other node tells of a parcel that carries a message of this node's: `None` is a refusal.
pub(crate) async fn told(
    tx: &mut Tx<'_>,
    now: Millis,
    id: &str,
    (state, note): (Option<State>, &str),
) -> Result<(), Problem> {
    let mut sql = Sql::new(ENDING);
    sql.push("id = ").bind(id).push(" AND way = 'member'");
    let Some(message) = tx.row(&sql).await?.as_ref().map(ending).transpose()? else {
        return Ok(());
    };
    match state {
        Some(State::Filed | State::ActedOn) => {
            end(tx, now, message.number, ("acknowledged", "")).await?;
        }
        Some(State::Returned) => {
            undeliverable(tx, now, &message, (NOT_COLLECTED, note)).await?;
        }
        None => {
            undeliverable(tx, now, &message, (NOT_REGISTERED, note)).await?;
        }
        Some(_) => {}
    }
    Ok(())
}
