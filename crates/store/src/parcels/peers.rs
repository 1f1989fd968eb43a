//! How it goes with each neighbour: when it last answered, what failed, when the next try is.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use super::ParcelDone;
use super::state::State;
use crate::database::Tx;
use crate::forward;
use crate::sql::Sql;
use crate::store::Store;

/// No lease is taken for longer.
const LEASE_MILLIS_MAX: Millis = 60_000;

/// One neighbour's health and queue. No patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub ods: String,
    /// Parcels that it does not have yet.
    pub waiting: u64,
    /// Receipts that it has not been told yet.
    pub untold: u64,
    /// Failures since the last success.
    pub tries: u32,
    /// When it is tried next; in the past if nothing failed.
    pub next_try: Millis,
    pub last_try_at: Option<Millis>,
    pub last_ok_at: Option<Millis>,
    /// One plain sentence.
    pub last_error: Option<String>,
}

/// Makes the neighbour's row if it is not there.
pub(crate) async fn know(tx: &mut Tx<'_>, peer: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO parcel_peer (peer, tries, next_try, lease, lease_until) \
         VALUES ($1, 0, 0, '', 0) ON CONFLICT (peer) DO NOTHING",
    )
    .with(peer);
    tx.execute(&sql).await.map(|_| ())
}

/// Parcels that become `waiting` with one failure, so that a long backlog holds up no other write.
const WAITING_MAX: i64 = 5000;

/// A try failed. What was only accepted becomes `waiting`, once; the reason stands beside it. Of very much the newest
/// does, and the rest with the next failures.
pub(crate) async fn failed(
    tx: &mut Tx<'_>,
    now: Millis,
    peer: &str,
    error: &str,
    tries: u32,
    next_try: Millis,
) -> Result<ParcelDone, Problem> {
    know(tx, peer).await?;
    let sql = Sql::new(
        "UPDATE parcel_peer SET tries = $1, next_try = $2, last_try_at = $3, last_error = $4 \
         WHERE peer = $5",
    )
    .with(tries)
    .with(next_try)
    .with(now)
    .with(error)
    .with(peer);
    tx.execute(&sql).await?;
    // The newest first: that they are waiting tells that nothing new has come since.
    let sql = Sql::new(
        "SELECT MIN(pid) FROM (SELECT pid FROM parcel WHERE direction = 0 AND due = 1 \
         AND recipient = $1 AND state = 'accepted' ORDER BY pid DESC LIMIT $2) newest",
    )
    .with(peer)
    .with(WAITING_MAX);
    let first = tx.row(&sql).await?;
    let Some(first) = first.and_then(|row| row.int_opt(0).ok().flatten()) else {
        return Ok(ParcelDone::Rows(0));
    };
    let sql = Sql::new(
        "INSERT INTO parcel_event (shard, pid, seq, origin, origin_seq, event, at, who, role, note) \
         SELECT p.shard, p.pid, e.seq, p.owner, e.seq, 'waiting', CAST($1 AS BIGINT), '', '', \
         CAST($2 AS TEXT) FROM parcel p JOIN \
         (SELECT shard, pid, MAX(seq) + 1 AS seq FROM parcel_event WHERE pid >= $3 \
         GROUP BY shard, pid) e ON e.pid = p.pid AND e.shard = p.shard \
         WHERE p.direction = 0 AND p.due = 1 AND p.recipient = $4 AND p.state = 'accepted' \
         AND p.pid >= $5",
    )
    .with(now)
    .with(error)
    .with(first)
    .with(peer)
    .with(first);
    tx.execute(&sql).await?;
    let sql = Sql::new(
        "UPDATE parcel SET state = $1, state_at = $2 WHERE direction = 0 AND due = 1 \
         AND recipient = $3 AND state = 'accepted' AND pid >= $4",
    )
    .with(State::Waiting.code())
    .with(now)
    .with(peer)
    .with(first);
    tx.execute(&sql).await.map(ParcelDone::Rows)
}

/// It answered.
pub(crate) async fn reached(
    tx: &mut Tx<'_>,
    now: Millis,
    peer: &str,
) -> Result<ParcelDone, Problem> {
    know(tx, peer).await?;
    let sql = Sql::new(
        "UPDATE parcel_peer SET tries = 0, next_try = 0, last_try_at = $1, last_ok_at = $2, \
         last_error = NULL WHERE peer = $3",
    )
    .with(now)
    .with(now)
    .with(peer);
    tx.execute(&sql).await.map(ParcelDone::Rows)
}

/// Remembers the newest directory that was ever in force, so that an older one is refused after a
/// restart too.
pub(crate) async fn directory(tx: &mut Tx<'_>, version: u64) -> Result<ParcelDone, Problem> {
    let directory = ("directory", "directory");
    let rows = forward::remember(tx, directory, version).await?;
    Ok(ParcelDone::Rows(rows))
}

/// It has been heard from.
pub(crate) async fn try_now(tx: &mut Tx<'_>, peer: &str) -> Result<ParcelDone, Problem> {
    let sql = Sql::new("UPDATE parcel_peer SET next_try = 0 WHERE peer = $1").with(peer);
    tx.execute(&sql).await.map(ParcelDone::Rows)
}

/// Takes or renews the work for a neighbour, so that of many processes one does it. Delivering twice
/// does no harm; this only saves the work.
pub(crate) async fn lease(
    tx: &mut Tx<'_>,
    now: Millis,
    peer: &str,
    holder: &str,
    until: Millis,
) -> Result<ParcelDone, Problem> {
    know(tx, peer).await?;
    let sql = Sql::new(
        "UPDATE parcel_peer SET lease = $1, lease_until = $2 \
         WHERE peer = $3 AND (lease = $4 OR lease_until <= $5 OR lease_until > $6)",
    )
    .with(holder)
    .with(until)
    .with(peer)
    .with(holder)
    .with(now)
    // Longer than any lease: the clock was put back.
    .with(now.saturating_add(LEASE_MILLIS_MAX));
    tx.execute(&sql)
        .await
        .map(|rows| ParcelDone::Lease(rows == 1))
}

/// Gives back whatever was leased: its holders are gone.
pub(crate) async fn end_leases(tx: &mut Tx<'_>) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE parcel_peer SET lease_until = 0 WHERE lease_until > 0");
    tx.execute(&sql).await.map(|_| ())
}

impl Store {
    /// How it goes with each neighbour that something was sent to or is to be told.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn neighbours(&self, _scope: &Scope) -> Result<Vec<Neighbour>, Problem> {
        let sql = Sql::new(
            "SELECT peer, tries, next_try, last_try_at, last_ok_at, last_error, \
             (SELECT COUNT(*) FROM parcel WHERE direction = 0 AND due = 1 AND recipient = peer), \
             (SELECT COUNT(*) FROM parcel_receipt r WHERE r.peer = parcel_peer.peer) \
             FROM parcel_peer ORDER BY peer LIMIT 10000",
        );
        let unsigned = |value: i64| u64::try_from(value).unwrap_or_default();
        self.rows_apart(sql)
            .await?
            .iter()
            .map(|row| {
                Ok(Neighbour {
                    ods: row.text(0)?.to_string(),
                    tries: u32::try_from(row.int(1)?).unwrap_or(u32::MAX),
                    next_try: row.int(2)?,
                    last_try_at: row.int_opt(3)?,
                    last_ok_at: row.int_opt(4)?,
                    last_error: row.text_opt(5)?.map(str::to_string),
                    waiting: unsigned(row.int(6)?),
                    untold: unsigned(row.int(7)?),
                })
            })
            .collect()
    }
}

/// Parcels of a neighbour that are looked at for its last receipt.
const LOOKED_AT: i64 = 200;

impl Store {
    /// When the oldest parcel that waits for a neighbour was accepted, and when it last signed something of the newest parcels
    /// that it has. No patient is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn neighbour_times(
        &self,
        peer: &str,
    ) -> Result<(Option<Millis>, Option<Millis>), Problem> {
        let first =
            |rows: Vec<crate::row::Row>| rows.first().map_or(Ok(None), |row| row.int_opt(0));
        // The first of each urgency, which the index tells: a backlog is not looked through.
        let oldest = |urgent: bool| {
            Sql::new(
                "SELECT stored_at FROM parcel WHERE direction = 0 AND due = 1 AND recipient = $1 \
                 AND urgent = $2 ORDER BY pid LIMIT 1",
            )
            .with(peer.to_owned())
            .with(urgent)
        };
        let receipt = Sql::new(
            "SELECT MAX(e.at) FROM (SELECT pid, shard FROM parcel WHERE direction = 0 AND due = 0 \
             AND recipient = $1 AND urgent IN (0, 1) ORDER BY pid DESC LIMIT $2) p \
             JOIN parcel_event e ON e.pid = p.pid AND e.shard = p.shard \
             WHERE e.origin = $3 AND e.proof IS NOT NULL",
        )
        .with(peer.to_owned())
        .with(LOOKED_AT)
        .with(peer.to_owned());
        let urgent = first(self.rows_apart(oldest(true)).await?)?;
        let other = first(self.rows_apart(oldest(false)).await?)?;
        Ok((
            urgent.into_iter().chain(other).min(),
            first(self.rows_apart(receipt).await?)?,
        ))
    }
}
