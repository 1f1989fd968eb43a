//! HL7 v2 outwards: a change that a system is told of is written down in the transaction that makes
//! it; the messages of it wait here until the system has taken them.
//!
//! Invariant: to one destination about one patient, no message goes before the one before it is over.

#[cfg(test)]
mod tests;
mod write;

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::Problem;

use crate::reach::{forbidden, own};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;
use crate::subscriptions::Changed;

pub use write::{Hl7OutWrite, NewMessage};
pub(crate) use write::{apply, note};

/// The most rows of one reading.
const COUNT_MAX: u32 = 1000;

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub number: i64,
    /// The id of the patient it is about.
    pub patient: String,
    /// Type and event, such as `ADT^A31`.
    pub kind: String,
    /// MSH-10.
    pub control_id: String,
    /// The message's bytes, without frame.
    pub body: Vec<u8>,
    /// How often it was tried.
    pub tries: u32,
    /// Not before then.
    pub next_try: Millis,
}

/// A message on the work list: reasons and names of systems, never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckOutgoing {
    pub number: i64,
    pub destination: String,
    pub kind: String,
    pub control_id: String,
    /// `waiting` (the system cannot be reached) or `refused`.
    pub state: String,
    pub made_at: Millis,
    /// Plain sentences.
    pub reason: String,
    pub next_step: String,
}

impl Store {
    /// Changes of which no messages were made yet, the oldest first.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn hl7_changes(&self, scope: &Scope, count: u32) -> Result<Vec<Changed>, Problem> {
        own(scope)?;
        let sql = Sql::new("SELECT seq, ty, id, ver, at FROM hl7_change ORDER BY seq LIMIT $1");
        let rows = self.rows_apart(sql.with(count.min(COUNT_MAX))).await?;
        let changed = |row: &Row| {
            Ok(Changed {
                seq: row.int(0)?,
                ty: row.text(1)?.to_string(),
                id: row.text(2)?.to_string(),
                version: row.int(3)?.unsigned_abs(),
                at: row.int(4)?,
            })
        };
        rows.iter().map(changed).collect()
    }

    /// What can be sent to a destination next, about one patient one message each, in order, whether
    /// its time has come or not; at most `count`.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn hl7_outgoing(
        &self,
        scope: &Scope,
        destination: &str,
        count: u32,
    ) -> Result<Vec<Outgoing>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT o.number, o.patient, o.kind, o.control_id, o.body, o.tries, o.next_try \
             FROM hl7_out o WHERE o.destination = $1 AND o.state = 'waiting' AND NOT EXISTS \
             (SELECT 1 FROM hl7_out b WHERE b.destination = o.destination \
             AND b.patient = o.patient AND b.number < o.number \
             AND (b.state = 'waiting' OR b.state = 'refused')) ORDER BY o.number LIMIT $2",
        );
        let sql = sql.with(destination.to_owned()).with(count.min(COUNT_MAX));
        let outgoing = |row: &Row| {
            Ok(Outgoing {
                number: row.int(0)?,
                patient: row.text(1)?.to_string(),
                kind: row.text(2)?.to_string(),
                control_id: row.text(3)?.to_string(),
                body: row.bytes(4)?.to_vec(),
                tries: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
                next_try: row.int(6)?,
            })
        };
        self.rows_apart(sql).await?.iter().map(outgoing).collect()
    }

    /// Outgoing messages on the work list, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope; those of the database.
    pub async fn hl7_out_work_list(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<StuckOutgoing>, Problem> {
        if matches!(scope.reach(), Reach::Compartment { .. }) {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT number, destination, kind, control_id, state, made_at, COALESCE(reason, ''), \
             COALESCE(next_step, '') FROM hl7_out WHERE work = 1 ORDER BY number LIMIT $1",
        );
        let stuck = |row: &Row| {
            let text = |column: usize| row.text(column).map(str::to_string);
            Ok(StuckOutgoing {
                number: row.int(0)?,
                destination: text(1)?,
                kind: text(2)?,
                control_id: text(3)?,
                state: text(4)?,
                made_at: row.int(5)?,
                reason: text(6)?,
                next_step: text(7)?,
            })
        };
        let rows = self.rows_apart(sql.with(count.min(COUNT_MAX))).await?;
        rows.iter().map(stuck).collect()
    }
}
