//! Messages that are mapped again: one that a person puts back from the work list, and those that an engineer selects among what was
//! mapped, when the mapping has changed.

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Hl7Done, gone};
use crate::database::Tx;
use crate::reach::forbidden;
use crate::sql::Sql;
use crate::store::Store;

/// The most messages of one reading.
const COUNT_MAX: u32 = 1000;

/// Which of the messages that were mapped; what is left out selects nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// MSH-3 and MSH-4, as sent.
    pub application: Option<String>,
    pub facility: Option<String>,
    /// Type and event, such as `ADT^A01`, or the type alone.
    pub kind: Option<String>,
    /// MSH-10.
    pub control_id: Option<String>,
    /// Received at this time or later.
    pub since: Option<Millis>,
    /// Received before this time.
    pub until: Option<Millis>,
    /// Those before this place in the order of arrival.
    pub before: Option<i64>,
}

/// A message that was mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Its place in the order of arrival.
    pub number: i64,
    pub received_at: Millis,
    pub mapped_at: Millis,
    pub body: Vec<u8>,
}

impl Store {
    /// Messages that were mapped, from the newest to the oldest; at most `count` and about `bytes_max` bytes of bodies, but always
    /// one. Who reads them sees to the audit log's line of each.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn hl7_mapped(
        &self,
        scope: &Scope,
        selection: &Selection,
        (count, bytes_max): (u32, usize),
    ) -> Result<Vec<Mapped>, Problem> {
        if *scope.reach() != Reach::Everything || !scope.may_change() {
            return Err(forbidden());
        }
        self.caught_up().await;
        // Two readings, so that only the bodies that fit are loaded.
        let mut sql = Sql::new("SELECT number, LENGTH(body)");
        select(&mut sql, selection);
        sql.push(" ORDER BY number DESC LIMIT ")
            .bind(count.min(COUNT_MAX));
        let (mut last, mut bytes) = (None, 0);
        for row in self.rows_apart(sql).await? {
            bytes += usize::try_from(row.int(1)?).unwrap_or(usize::MAX);
            if last.is_some() && bytes > bytes_max {
                break;
            }
            last = Some(row.int(0)?);
        }
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        let mut sql = Sql::new("SELECT number, received_at, state_at, body");
        select(&mut sql, selection);
        sql.push(" AND number >= ").bind(last);
        sql.push(" ORDER BY number DESC LIMIT ")
            .bind(count.min(COUNT_MAX));
        let rows = self.rows_apart(sql).await?;
        rows.iter()
            .map(|row| {
                Ok(Mapped {
                    number: row.int(0)?,
                    received_at: row.int(1)?,
                    mapped_at: row.int(2)?,
                    body: row.bytes(3)?.to_vec(),
                })
            })
            .collect()
    }
}

/// The messages that are meant.
fn select(sql: &mut Sql<'_>, selection: &Selection) {
    sql.push(" FROM hl7_message WHERE state = 'mapped' AND number < ")
        .bind(selection.before.unwrap_or(i64::MAX));
    if let Some(application) = &selection.application {
        sql.push(" AND application = ").bind(application.clone());
    }
    if let Some(facility) = &selection.facility {
        sql.push(" AND facility = ").bind(facility.clone());
    }
    if let Some(kind) = &selection.kind {
        match kind.contains('^') {
            true => sql.push(" AND kind = ").bind(kind.clone()),
            // `_` follows `^` in the order of their codes.
            false => {
                sql.push(" AND kind >= ").bind(format!("{kind}^"));
                sql.push(" AND kind < ").bind(format!("{kind}_"))
            }
        };
    }
    if let Some(control_id) = &selection.control_id {
        sql.push(" AND control_id = ").bind(control_id.clone());
    }
    if let Some(since) = selection.since {
        sql.push(" AND received_at >= ").bind(since);
    }
    if let Some(until) = selection.until {
        sql.push(" AND received_at < ").bind(until);
    }
}

/// Counts one more mapping of a message that was mapped.
pub(super) async fn again(tx: &mut Tx<'_>, number: i64) -> Result<Hl7Done, Problem> {
    let sql =
        Sql::new("UPDATE hl7_message SET tries = tries + 1 WHERE number = $1 AND state = 'mapped'");
    match tx.execute(&sql.with(number)).await? {
        0 => Err(absent_or(tx, number, "This message is not mapped.").await),
        _ => Ok(Hl7Done::Noted),
    }
}

/// Puts a message of the work list back among those that wait to be mapped.
pub(super) async fn replay(tx: &mut Tx<'_>, now: Millis, number: i64) -> Result<Hl7Done, Problem> {
    let sql = Sql::new(
        "UPDATE hl7_message SET state = 'received', state_at = $1, work = 0, reason = NULL, \
         next_step = NULL WHERE number = $2 AND work = 1 AND state <> 'received'",
    );
    match tx.execute(&sql.with(now).with(number)).await? {
        0 => Err(absent_or(tx, number, "This message is not on the work list.").await),
        _ => Ok(Hl7Done::Noted),
    }
}

/// Takes a message off the work list.
pub(super) async fn settled(tx: &mut Tx<'_>, number: i64) -> Result<Hl7Done, Problem> {
    let sql = Sql::new("UPDATE hl7_message SET work = 0 WHERE number = $1 AND work = 1");
    match tx.execute(&sql.with(number)).await? {
        0 => Err(absent_or(tx, number, "This message is not on the work list.").await),
        _ => Ok(Hl7Done::Noted),
    }
}

async fn absent_or(tx: &mut Tx<'_>, number: i64, message: &'static str) -> Problem {
    let known = Sql::new("SELECT number FROM hl7_message WHERE number = $1");
    match tx.row(&known.with(number)).await {
        Ok(Some(_)) => Problem::new(Kind::Conflict, message),
        Ok(None) => gone(),
        Err(problem) => problem,
    }
}
