//! What a neighbour has lost that was put back to an old copy of itself: parcels that it had receipted go again, and
//! what was told it since then is told again. It knows what it still has, and answers as before.

use access::{Ods, Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::event::{self, Actor, Known};
use super::state::State;
use super::{ParcelDone, PartOf, content};
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;

/// Parcels that are listed at once.
pub const LISTED_MAX: u32 = 200;
/// What a step's number at the lost copy becomes, less the step's number here: the new copy counts anew.
const LOST: i64 = -1_000_000;

/// A parcel of which the neighbour was told, or told, something since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewound {
    pub pid: i64,
    /// The sender's name for it.
    pub id: String,
    /// The DocumentReference here, if one was made of it.
    pub document: Option<String>,
    /// Whether it is to go again; otherwise only its steps are told again.
    pub goes: bool,
    /// Contents that it needs to go and that are kept no longer as a parcel's.
    pub wanted: Vec<PartOf>,
}

impl Store {
    /// The parcels with that neighbour of which a step was told either way at or after `since`, from the number
    /// `after` on, `LISTED_MAX` at most. Only what travels between nodes.
    ///
    /// # Errors
    /// `Forbidden` unless the scope is a worker's; those of the database.
    pub async fn rewound(
        &self,
        scope: &Scope,
        peer: &Ods,
        (since, after): (Millis, i64),
    ) -> Result<Vec<Rewound>, Problem> {
        if *scope.reach() != Reach::Everything || !scope.may_look() {
            let message = "This is for the node's own workers.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let sql = Sql::new(
            "SELECT p.pid, p.id, p.document, p.direction, p.state, p.sender, \
             (SELECT COUNT(*) FROM parcel_event d WHERE d.pid = p.pid AND d.shard = p.shard \
             AND d.origin = p.recipient AND d.event = 'delivered' AND d.at >= $1) \
             FROM parcel p WHERE p.pid > $2 AND p.kind NOT IN ('fax', 'itk3') \
             AND (p.direction = 0 AND p.recipient = $3 OR p.direction = 1 AND p.sender = $4) \
             AND EXISTS (SELECT 1 FROM parcel_event e WHERE e.pid = p.pid AND e.shard = p.shard \
             AND e.at >= $5) ORDER BY p.pid LIMIT $6",
        )
        .with(since)
        .with(after)
        .with(peer.to_string())
        .with(peer.to_string())
        .with(since)
        .with(LISTED_MAX);
        let mut found = Vec::new();
        for row in self.rows_apart(sql).await? {
            let pid = row.int(0)?;
            let outward = row.int(3)? == 0;
            let state = State::from_code(row.text(4)?);
            let goes = outward && row.int(6)? > 0 && state.is_some_and(was_taken);
            let mut wanted = Vec::new();
            if goes {
                let sender = Ods::parse(row.text(5)?)?;
                for part in self.parts(pid).await? {
                    let held = self.content_held(&sender, &part.sha256).await?;
                    if !held.is_some_and(|held| held.complete) {
                        wanted.push(part);
                    }
                }
            }
            found.push(Rewound {
                pid,
                id: row.text(1)?.to_string(),
                document: row.text_opt(2)?.map(str::to_string),
                goes,
                wanted,
            });
        }
        Ok(found)
    }
}

/// States of what the neighbour had stored. What it returned or the sender took back does not go again.
fn was_taken(state: State) -> bool {
    use State::{ActedOn, Delivered, Filed, Opened};
    matches!(state, Delivered | Opened | Filed | ActedOn)
}

/// Puts a parcel on its way again, or queues its steps anew. Contents are those that `rewound` wanted: SHA-256 and bytes.
pub(crate) async fn again(
    tx: &mut Tx<'_>,
    now: Millis,
    (pid, since): (i64, Millis),
    contents: &[(String, Vec<u8>)],
) -> Result<ParcelDone, Problem> {
    let parcel = event::by_pid(tx, pid).await?;
    let parcel = parcel.ok_or_else(super::outgoing::gone)?;
    let lost = number_lost(tx, &parcel, since).await?;
    let told = tell_again(tx, &parcel, since).await?;
    if !(parcel.outward && lost && was_taken(parcel.state)) {
        return Ok(ParcelDone::Rows(told));
    }
    for (sha256, bytes) in contents {
        let named = (sha256.as_str(), bytes.len() as u64);
        content::keep_one(tx, now, &parcel.sender, named, bytes).await?;
    }
    let state = State::Waiting;
    let note = "sent again: the receiver was put back to an older copy of its records";
    event::add(tx, now, &parcel, state.code(), &Actor::default(), note).await?;
    // Not a step that may follow by itself: what the receiver said of it, it does not know any more.
    event::set_state(tx, pid, state, now).await?;
    let sql = Sql::new("UPDATE parcel SET due = 1, due_since = $1, reason = NULL WHERE pid = $2")
        .with(now)
        .with(pid);
    tx.execute(&sql).await?;
    super::peers::know(tx, parcel.peer()).await?;
    Ok(ParcelDone::Rows(told + 1))
}

/// The neighbour's steps since then stay as history, under numbers that its new ones do not meet. Gives whether its
/// receipt for the parcel is among them.
async fn number_lost(tx: &mut Tx<'_>, parcel: &Known, since: Millis) -> Result<bool, Problem> {
    let sql = Sql::new(
        "SELECT 1 FROM parcel_event WHERE pid = $1 AND origin = $2 AND at >= $3 \
         AND origin_seq > 0 AND event = 'delivered' LIMIT 1",
    )
    .with(parcel.pid)
    .with(parcel.peer())
    .with(since);
    let lost = tx.row(&sql).await?.is_some();
    let sql = Sql::new(
        "UPDATE parcel_event SET origin_seq = CAST($1 AS BIGINT) - seq WHERE pid = $2 \
         AND origin = $3 AND at >= $4 AND origin_seq > 0",
    )
    .with(LOST)
    .with(parcel.pid)
    .with(parcel.peer())
    .with(since);
    tx.execute(&sql).await?;
    Ok(lost)
}

/// Queues what was told the neighbour since then; gives how many steps.
async fn tell_again(tx: &mut Tx<'_>, parcel: &Known, since: Millis) -> Result<u64, Problem> {
    let text = match parcel.outward {
        true => {
            "SELECT seq FROM parcel_event e WHERE pid = $1 AND origin = $2 AND at >= $3 \
             AND event IN ('withdrawn', 'superseded') AND NOT EXISTS (SELECT 1 FROM parcel_receipt r \
             WHERE r.pid = e.pid AND r.seq = e.seq AND r.shard = e.shard) ORDER BY seq"
        }
        false => {
            "SELECT seq FROM parcel_event e WHERE pid = $1 AND origin = $2 AND at >= $3 \
             AND event IN ('opened', 'filed', 'acted-on', 'returned') AND NOT EXISTS (SELECT 1 \
             FROM parcel_receipt r WHERE r.pid = e.pid AND r.seq = e.seq AND r.shard = e.shard) \
             ORDER BY seq"
        }
    };
    let sql = Sql::new(text)
        .with(parcel.pid)
        .with(parcel.owner.as_str())
        .with(since);
    let rows = tx.rows(&sql).await?;
    for row in &rows {
        event::tell(tx, parcel, row.int(0)?).await?;
    }
    Ok(rows.len() as u64)
}
