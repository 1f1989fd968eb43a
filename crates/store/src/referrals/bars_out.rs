//! Messages of BaRS that leave: durable before anything goes, in the order of their referral's steps, until the receiver has each.

use access::{Interaction, Scope};
use fhir::date::Millis;
use fhir::problem::Problem;

use super::lists::may;
use crate::database::Tx;
use crate::parcels::State;
use crate::reach::forbidden;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// A message that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarsOut {
    /// The Bundle's id.
    pub id: String,
    /// The ServiceRequest here, or the Appointment of a booking.
    pub referral: String,
    /// The number of this side's step.
    pub step: u32,
    /// The organisation it is for: its ODS code.
    pub other: String,
    pub patient: String,
    /// Its event: `servicerequest-request`, `servicerequest-response` or `booking-request`.
    pub event: String,
    pub body: String,
    pub request_id: String,
    pub correlation_id: String,
    pub tries: u32,
    pub next_try: Millis,
    pub made_at: Millis,
}

/// A message that was given up. Names no patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckBars {
    pub id: String,
    pub other: String,
    pub event: String,
    pub since: Millis,
    pub reason: String,
}

impl Store {
    /// Messages whose time has come, the oldest first: of each referral only the first that its receiver does not have.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not about referrals; those of the database.
    pub async fn bars_due(&self, scope: &Scope, count: u32) -> Result<Vec<BarsOut>, Problem> {
        may(scope)?;
        let sql = Sql::new(
            "SELECT o.id, o.referral, o.step, o.other, o.patient, o.event, o.body, o.request_id, o.correlation_id, \
             o.tries, o.next_try, o.made_at FROM bars_out o WHERE o.state = 'waiting' AND o.next_try <= $1 \
             AND NOT EXISTS (SELECT 1 FROM bars_out e WHERE e.referral = o.referral AND e.step < o.step \
             AND e.state NOT IN ('sent', 'over')) ORDER BY o.next_try, o.id LIMIT $2",
        );
        let rows = self.rows(&sql.with(self.now()).with(count)).await?;
        rows.iter().map(message).collect()
    }

    /// The number of the last step by which a booking was asked for or ended by BaRS; 0 if it goes another way.
    ///
    /// # Errors
    /// As `bars_due`.
    pub async fn bars_steps(&self, scope: &Scope, booking: &str) -> Result<u32, Problem> {
        may(scope)?;
        let sql = Sql::new("SELECT COALESCE(MAX(step), 0) FROM bars_out WHERE referral = $1");
        let rows = self.rows(&sql.with(booking)).await?;
        let steps = rows.first().map(|row| row.int(0)).transpose()?;
        Ok(u32::try_from(steps.unwrap_or_default()).unwrap_or(u32::MAX))
    }

    /// Messages that were given up, the oldest first: those of bookings that wait for an answer stand among the bookings.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not for the work list; those of the database.
    pub async fn stuck_bars(&self, scope: &Scope, count: u32) -> Result<Vec<StuckBars>, Problem> {
        if scope.interaction() != Interaction::WorkList {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT o.id, o.other, o.event, o.state_at, o.reason FROM bars_out o WHERE o.state = 'undeliverable' \
             AND NOT EXISTS (SELECT 1 FROM diary_booking b WHERE b.parcel = o.id AND b.state IN ('asked', 'cancelling')) \
             ORDER BY o.state_at, o.id LIMIT $1",
        );
        let rows = self.rows(&sql.with(count)).await?;
        let read = |row: &Row| {
            let text = |at: usize| row.text(at).map(str::to_string);
            Ok(StuckBars {
                id: text(0)?,
                other: text(1)?,
                event: text(2)?,
                since: row.int(3)?,
                reason: text(4)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// How far a message got, in the words for parcels, and why not farther.
    pub(crate) async fn bars_out_state(
        &self,
        id: &str,
    ) -> Result<Option<(State, Millis, String)>, Problem> {
        let sql = Sql::new("SELECT state, tries, state_at, reason FROM bars_out WHERE id = $1");
        let rows = self.rows(&sql.with(id)).await?;
        let read = |row: &Row| {
            let state = match row.text(0)? {
                "sent" => State::Delivered,
                "undeliverable" => State::Undeliverable,
                _ if row.int(1)? > 0 => State::Waiting,
                _ => State::Accepted,
            };
            Ok((state, row.int(2)?, row.text(3)?.to_string()))
        };
        rows.first().map(read).transpose()
    }
}

fn message(row: &Row) -> Result<BarsOut, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    let number = |at: usize| Ok::<u32, Problem>(u32::try_from(row.int(at)?).unwrap_or(u32::MAX));
    Ok(BarsOut {
        id: text(0)?,
        referral: text(1)?,
        step: number(2)?,
        other: text(3)?,
        patient: text(4)?,
        event: text(5)?,
        body: text(6)?,
        request_id: text(7)?,
        correlation_id: text(8)?,
        tries: number(9)?,
        next_try: row.int(10)?,
        made_at: row.int(11)?,
    })
}

const OTHERS: &str = "Somebody else has this message, or it waits no more.";

pub(super) async fn queue(tx: &mut Tx<'_>, it: &BarsOut) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO bars_out (id, referral, step, other, patient, event, body, request_id, correlation_id, state, \
         tries, next_try, made_at, state_at, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', 0, $10, \
         $11, $12, '') ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(it.id.as_str()).with(it.referral.as_str());
    let sql = sql.with(i64::from(it.step)).with(it.other.as_str());
    let sql = sql.with(it.patient.as_str()).with(it.event.as_str());
    let sql = sql.with(it.body.as_str()).with(it.request_id.as_str());
    let sql = sql.with(it.correlation_id.as_str()).with(it.next_try);
    let sql = sql.with(it.made_at).with(it.made_at);
    tx.execute_once(&sql, OTHERS).await
}

pub(super) async fn sending(
    tx: &mut Tx<'_>,
    id: &str,
    (seen, until): (Millis, Millis),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE bars_out SET next_try = $1, tries = tries + 1 WHERE id = $2 AND state = 'waiting' AND next_try = $3",
    );
    tx.execute_once(&sql.with(until).with(id).with(seen), OTHERS)
        .await
}

pub(super) async fn sent(tx: &mut Tx<'_>, now: Millis, id: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE bars_out SET state = 'sent', state_at = $1, reason = '' WHERE id = $2 AND state <> 'sent'",
    );
    tx.execute(&sql.with(now).with(id)).await.map(|_| ())
}

pub(super) async fn not_now(
    tx: &mut Tx<'_>,
    id: &str,
    (next_try, reason): (Millis, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE bars_out SET next_try = $1, reason = $2 WHERE id = $3 AND state = 'waiting'",
    );
    let sql = sql.with(next_try).with(reason).with(id);
    tx.execute(&sql).await.map(|_| ())
}

pub(super) async fn refused(
    tx: &mut Tx<'_>,
    now: Millis,
    (id, reason): (&str, &str),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE bars_out SET state = 'undeliverable', state_at = $1, reason = $2 WHERE id = $3 AND state = 'waiting'",
    );
    let sql = sql.with(now).with(reason).with(id);
    tx.execute(&sql).await.map(|_| ())
}

/// It begins anew: its time to be given up counts from now.
pub(super) async fn again(tx: &mut Tx<'_>, now: Millis, id: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE bars_out SET state = 'waiting', tries = 0, next_try = $1, made_at = $2, state_at = $3 \
         WHERE id = $4 AND state = 'undeliverable'",
    );
    let sql = sql.with(now).with(now).with(now).with(id);
    tx.execute_once(&sql, OTHERS).await
}

/// What was given up of that booking is left so; what still waits too, if that is said.
pub(super) async fn over(
    tx: &mut Tx<'_>,
    now: Millis,
    (referral, waiting): (&str, bool),
) -> Result<(), Problem> {
    let sql = Sql::new(match waiting {
        true => {
            "UPDATE bars_out SET state = 'over', state_at = $1 WHERE referral = $2 AND state IN ('undeliverable', 'waiting')"
        }
        false => {
            "UPDATE bars_out SET state = 'over', state_at = $1 WHERE referral = $2 AND state = 'undeliverable'"
        }
    });
    tx.execute(&sql.with(now).with(referral)).await.map(|_| ())
}

/// The message by which a booking was asked for or ended last is tried again; whether one had been given up.
pub(crate) async fn booking_again(
    tx: &mut Tx<'_>,
    now: Millis,
    booking: &str,
) -> Result<bool, Problem> {
    let sql = Sql::new(
        "SELECT o.id FROM bars_out o JOIN diary_booking b ON b.parcel = o.id WHERE b.id = $1 AND o.state = 'undeliverable'",
    );
    match tx.row(&sql.with(booking)).await? {
        Some(row) => {
            let id = row.text(0)?.to_string();
            again(tx, now, &id).await.map(|()| true)
        }
        None => Ok(false),
    }
}
