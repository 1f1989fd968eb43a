//! Steps of parcels: taken here, or told by another organisation.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::outgoing::New;
use super::state::{Side, State};
use super::{Made, ParcelDone, Telling, Told, content, notice, proof};
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;

/// The most steps kept of one parcel: a neighbour cannot fill the disk with them.
const STEPS_MAX: i64 = 200;

/// Who took a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Actor {
    pub(crate) who: String,
    pub(crate) role: String,
    pub(crate) account: Option<i64>,
}

/// A parcel as steps need to know it.
pub(crate) struct Known {
    pub(crate) shard: i64,
    pub(crate) pid: i64,
    pub(crate) owner: String,
    pub(crate) outward: bool,
    pub(crate) sender: String,
    pub(crate) recipient: String,
    pub(crate) state: State,
    pub(crate) digest: String,
    pub(crate) unmatched: bool,
    pub(crate) made: Made,
    /// The message for a mailbox that it carries.
    pub(crate) message: Option<String>,
    /// Whether it came or goes by fax.
    pub(crate) by_fax: bool,
    /// Whether it came or goes as an ITK3 document.
    pub(crate) by_itk3: bool,
}

impl Known {
    /// The organisation at the other end.
    pub(crate) fn peer(&self) -> &str {
        if self.outward {
            &self.recipient
        } else {
            &self.sender
        }
    }
}

const KNOWN: &str = "SELECT pid, owner, direction, sender, recipient, state, digest, unmatched, \
     patient, document, binaries, shard, kind, unique_id FROM parcel WHERE ";

/// The shard of a parcel and of all its rows.
pub(crate) fn shard(sender: &str, id: &str) -> i64 {
    crate::shard::of(format!("{sender} {id}").as_bytes())
}

/// The parcel of that number.
pub(crate) async fn by_pid(tx: &mut Tx<'_>, pid: i64) -> Result<Option<Known>, Problem> {
    let mut sql = Sql::new(KNOWN);
    sql.push("pid = ").bind(pid);
    read(tx, &sql).await
}

/// The parcel of that sender and id.
pub(crate) async fn by_id(
    tx: &mut Tx<'_>,
    sender: &str,
    id: &str,
) -> Result<Option<Known>, Problem> {
    let mut sql = Sql::new(KNOWN);
    sql.push("sender = ")
        .bind(sender)
        .push(" AND id = ")
        .bind(id)
        .push(" AND shard = ")
        .bind(shard(sender, id));
    read(tx, &sql).await
}

async fn read(tx: &mut Tx<'_>, sql: &Sql<'_>) -> Result<Option<Known>, Problem> {
    let Some(row) = tx.row(sql).await? else {
        return Ok(None);
    };
    let state = State::from_code(row.text(5)?)
        .ok_or_else(|| Problem::new(Kind::Exception, "A parcel is in a state of no name."))?;
    Ok(Some(Known {
        shard: row.int(11)?,
        pid: row.int(0)?,
        owner: row.text(1)?.to_string(),
        outward: row.int(2)? == 0,
        sender: row.text(3)?.to_string(),
        recipient: row.text(4)?.to_string(),
        state,
        digest: row.text(6)?.to_string(),
        unmatched: row.flag(7)?,
        made: made(&row, 8)?,
        message: match row.text(12)? == super::Kind::MeshMessage.code() {
            true => Some(row.text(13)?.to_string()),
            false => None,
        },
        by_fax: row.text(12)? == super::Kind::Fax.code(),
        by_itk3: row.text(12)? == super::Kind::Itk3.code(),
    }))
}

/// The columns `patient, document, binaries` from that column on.
pub(crate) fn made(row: &Row, column: usize) -> Result<Made, Problem> {
    let binaries = row.text_opt(column + 2)?.unwrap_or_default();
    Ok(Made {
        patient: row.text_opt(column)?.map(str::to_string),
        document: row.text_opt(column + 1)?.map(str::to_string),
        binaries: binaries.split_whitespace().map(str::to_string).collect(),
    })
}

/// Adds a step taken here. `event` is a state's word or another happening's. Gives its number.
pub(crate) async fn add(
    tx: &mut Tx<'_>,
    now: Millis,
    parcel: &Known,
    event: &str,
    actor: &Actor,
    note: &str,
) -> Result<i64, Problem> {
    let seq = next(tx, parcel.pid).await?;
    let at = (parcel.shard, parcel.pid, seq);
    insert(tx, now, at, &parcel.owner, event, actor, note).await?;
    Ok(seq)
}

/// Adds the first step of a parcel whose rows were just made: that it is in the state it is in.
pub(crate) async fn begin(
    tx: &mut Tx<'_>,
    now: Millis,
    (new, pid): (&New<'_>, i64),
    note: &str,
) -> Result<(), Problem> {
    let (event, nobody) = (new.state.code(), Actor::default());
    insert(
        tx,
        now,
        (new.shard(), pid, 1),
        new.owner(),
        event,
        &nobody,
        note,
    )
    .await
}

/// Inserts a step taken here, at that shard, parcel and number.
async fn insert(
    tx: &mut Tx<'_>,
    now: Millis,
    (shard, pid, seq): (i64, i64, i64),
    owner: &str,
    event: &str,
    actor: &Actor,
    note: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO parcel_event (shard, pid, seq, origin, origin_seq, event, at, who, role, account, \
         note, proof) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL)",
    )
    .with(shard)
    .with(pid)
    .with(seq)
    .with(owner)
    .with(seq)
    .with(event)
    .with(now)
    .with(actor.who.as_str())
    .with(actor.role.as_str())
    .with(actor.account)
    .with(note);
    tx.execute(&sql).await.map(|_| ())
}

async fn next(tx: &mut Tx<'_>, pid: i64) -> Result<i64, Problem> {
    let sql =
        Sql::new("SELECT COALESCE(MAX(seq), 0) + 1 FROM parcel_event WHERE pid = $1").with(pid);
    let row = tx.row(&sql).await?;
    row.map_or(Ok(1), |row| row.int(0))
}

/// Puts the parcel into a state.
pub(crate) async fn set_state(
    tx: &mut Tx<'_>,
    pid: i64,
    state: State,
    at: Millis,
) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE parcel SET state = $1, state_at = $2 WHERE pid = $3")
        .with(state.code())
        .with(at)
        .with(pid);
    tx.execute(&sql).await?;
    match state {
        State::Returned => super::back::note(tx, pid, at).await,
        _ => Ok(()),
    }
}

/// Sets whether the node has something to do for it.
pub(crate) async fn set_due(tx: &mut Tx<'_>, pid: i64, due: bool) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE parcel SET due = $1 WHERE pid = $2")
        .with(due)
        .with(pid);
    tx.execute(&sql).await.map(|_| ())
}

/// Queues a step for the other side to be told. At the other end of a fax there is nobody to tell, and that of an
/// ITK3 document is told by its responses.
pub(crate) async fn tell(tx: &mut Tx<'_>, parcel: &Known, seq: i64) -> Result<(), Problem> {
    tell_after(tx, parcel, seq, 0).await
}

/// The same, but not before that time: a receipt is signed and cannot be taken back, so what can still be undone is told
/// nobody yet.
pub(crate) async fn tell_after(
    tx: &mut Tx<'_>,
    parcel: &Known,
    seq: i64,
    held_until: Millis,
) -> Result<(), Problem> {
    if parcel.by_fax || parcel.by_itk3 {
        return Ok(());
    }
    let sql = Sql::new(
        "INSERT INTO parcel_receipt (shard, peer, pid, seq, held_until) VALUES ($1, $2, $3, $4, $5)",
    )
    .with(parcel.shard)
    .with(parcel.peer())
    .with(parcel.pid)
    .with(seq)
    .with(held_until);
    tx.execute(&sql).await?;
    super::peers::know(tx, parcel.peer()).await
}

/// Takes in what another organisation tells. A step that comes late is kept, but does not move the
/// parcel back; one that is told again has no effect.
pub(crate) async fn told(tx: &mut Tx<'_>, now: Millis, told: &Told) -> Result<ParcelDone, Problem> {
    let Some(parcel) = by_id(tx, &told.sender, &told.id).await? else {
        return unknown(tx, now, told).await;
    };
    check_teller(&parcel, told)?;
    if parcel.made != told.seen {
        return Err(Problem::new(
            Kind::Conflict,
            "The parcel has just been taken in; try again.",
        ));
    }
    let known = match told.state {
        Some(_) => is_known(tx, parcel.pid, told).await?,
        // A refusal has no number: it is news while the parcel could still go.
        None => !parcel.state.may_become(State::Undeliverable),
    };
    if known {
        return Ok(ParcelDone::Told(Telling::Known));
    }
    proof::keep(tx, &told.proof).await?;
    let seq = next(tx, parcel.pid).await?;
    if seq > STEPS_MAX {
        return Err(Problem::new(
            Kind::TooCostly,
            "The parcel has too many steps.",
        ));
    }
    let event = told.state.map_or("refused", State::code);
    let sql = Sql::new(
        "INSERT INTO parcel_event (shard, pid, seq, origin, origin_seq, event, at, who, role, account, \
         note, proof) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, $10, $11)",
    )
    .with(parcel.shard)
    .with(parcel.pid)
    .with(seq)
    .with(told.peer.as_str())
    .with(told.state.map_or(-seq, |_| number(told)))
    .with(event)
    .with(told.at)
    .with(told.who.as_str())
    .with(told.role.as_str())
    .with(told.note.as_str())
    .with(told.proof.name());
    tx.execute(&sql).await?;
    follow(tx, now, &parcel, told).await?;
    Ok(ParcelDone::Told(Telling::News))
}

/// What follows from a step that was told.
async fn follow(tx: &mut Tx<'_>, now: Millis, parcel: &Known, told: &Told) -> Result<(), Problem> {
    if let (Some(message), true) = (&parcel.message, parcel.outward) {
        crate::mesh::told(tx, now, message, (told.state, &told.note)).await?;
    }
    let Some(state) = told.state else {
        if parcel.state.may_become(State::Undeliverable) {
            set_state(tx, parcel.pid, State::Undeliverable, now).await?;
            set_reason(tx, parcel.pid, &told.note).await?;
            set_due(tx, parcel.pid, false).await?;
        }
        return Ok(());
    };
    let moves = parcel.state.may_become(state);
    if moves && parcel.outward && state == State::Delivered {
        arrived(tx, parcel.pid, told).await?;
        return content::release(tx, parcel.pid, &parcel.sender).await;
    }
    if moves {
        set_state(tx, parcel.pid, state, told.at).await?;
        // An outcome, or why it came back, stands beside the state on the sender's board.
        if parcel.outward {
            set_reason(tx, parcel.pid, &told.note).await?;
        }
    }
    if parcel.outward {
        // A later step may overtake this one; it is asked for until it is here, so that the receipt
        // for the delivery itself is always kept.
        if state == State::Delivered {
            set_due(tx, parcel.pid, false).await?;
            content::release(tx, parcel.pid, &parcel.sender).await?;
        }
        return Ok(());
    }
    if parcel.made.document.is_none() {
        // Withdrawn or superseded before it was taken in: it is not taken in any more.
        stop_taking_in(tx, parcel.pid).await?;
    }
    notice::leave(tx, now, parcel.pid, state).await
}

/// Notes that a parcel is where it was to go, with what its receipt says, in one statement: most receipts say this.
async fn arrived(tx: &mut Tx<'_>, pid: i64, told: &Told) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE parcel SET state = $1, state_at = $2, reason = $3, due = 0 WHERE pid = $4",
    )
    .with(State::Delivered.code())
    .with(told.at)
    .with((!told.note.is_empty()).then_some(told.note.as_str()))
    .with(pid);
    tx.execute(&sql).await.map(|_| ())
}

pub(crate) async fn stop_taking_in(tx: &mut Tx<'_>, pid: i64) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE parcel SET due = 0, unmatched = 0 WHERE pid = $1").with(pid);
    tx.execute(&sql).await.map(|_| ())
}

pub(crate) async fn set_reason(tx: &mut Tx<'_>, pid: i64, reason: &str) -> Result<(), Problem> {
    let reason = (!reason.is_empty()).then_some(reason);
    let sql = Sql::new("UPDATE parcel SET reason = $1 WHERE pid = $2")
        .with(reason)
        .with(pid);
    tx.execute(&sql).await.map(|_| ())
}

/// Only the receiver tells the receiver's steps, only the sender the sender's.
fn check_teller(parcel: &Known, told: &Told) -> Result<(), Problem> {
    let side = told.state.map_or(Side::Receiver, State::side);
    let entitled = match side {
        Side::Receiver => parcel.outward && told.peer.as_str() == parcel.recipient,
        Side::Sender => {
            let tellable = matches!(told.state, Some(State::Withdrawn | State::Superseded));
            !parcel.outward && tellable && told.peer.as_str() == parcel.sender
        }
    };
    if !entitled {
        return Err(Problem::new(
            Kind::Security,
            "This organisation may not tell that step.",
        ));
    }
    // Who takes a parcel back before it came names no digest to compare.
    if !parcel.digest.is_empty() && told.digest != parcel.digest {
        return Err(Problem::new(
            Kind::Value,
            "The receipt is for a parcel of another digest.",
        ));
    }
    Ok(())
}

fn number(told: &Told) -> i64 {
    i64::try_from(told.seq).unwrap_or(i64::MAX)
}

async fn is_known(tx: &mut Tx<'_>, pid: i64, told: &Told) -> Result<bool, Problem> {
    let sql =
        Sql::new("SELECT 1 FROM parcel_event WHERE pid = $1 AND origin = $2 AND origin_seq = $3")
            .with(pid)
            .with(told.peer.as_str())
            .with(i64::try_from(told.seq).unwrap_or(i64::MAX));
    Ok(tx.row(&sql).await?.is_some())
}

/// A step of a parcel that is not here. The sender's own taking back is remembered, so that a copy
/// which is still on its way is not taken in afterwards.
async fn unknown(tx: &mut Tx<'_>, now: Millis, told: &Told) -> Result<ParcelDone, Problem> {
    let theirs = told.peer.as_str() == told.sender;
    match told.state {
        Some(state @ (State::Withdrawn | State::Superseded)) if theirs => {
            super::incoming::remember(tx, now, told, state).await?;
            Ok(ParcelDone::Told(Telling::News))
        }
        _ => Ok(ParcelDone::Told(Telling::UnknownParcel)),
    }
}

/// The other side has these.
pub(crate) async fn receipts_taken(
    tx: &mut Tx<'_>,
    numbers: &[i64],
) -> Result<ParcelDone, Problem> {
    let mut rows = 0;
    for number in numbers {
        let sql = Sql::new("DELETE FROM parcel_receipt WHERE number = $1").with(*number);
        rows += tx.execute(&sql).await?;
    }
    Ok(ParcelDone::Rows(rows))
}

/// The other side will not take it: it stays, with the reason, for a person to see.
pub(crate) async fn receipt_refused(
    tx: &mut Tx<'_>,
    number: i64,
    reason: &str,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new("UPDATE parcel_receipt SET refused = $1 WHERE number = $2")
        .with(reason)
        .with(number);
    tx.execute(&sql).await.map(ParcelDone::Rows)
}
