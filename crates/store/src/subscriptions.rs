//! Subscriptions (<https://hl7.org/fhir/R4/subscription.html>): a change that somebody may be waiting
//! for is written down in the transaction that makes it, and kept until every subscriber was told or
//! has nothing to do with it.

mod draft;
mod write;

use fhir::date::Millis;
use fhir::problem::Problem;

use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

pub(crate) use draft::Draft;
pub use write::{NewEvent, SubWrite};
pub(crate) use write::{apply, note};

/// What becomes of a subscription (<https://hl7.org/fhir/R4/valueset-subscription-status.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubState {
    /// Not told of anything yet.
    Requested,
    Active,
    /// Given up until a person or the subscriber does something.
    Error,
    Off,
}

impl SubState {
    pub fn code(self) -> &'static str {
        match self {
            SubState::Requested => "requested",
            SubState::Active => "active",
            SubState::Error => "error",
            SubState::Off => "off",
        }
    }

    pub fn of(code: &str) -> SubState {
        match code {
            "requested" => SubState::Requested,
            "active" => SubState::Active,
            "off" => SubState::Off,
            _ => SubState::Error,
        }
    }
}

/// A subscription, as the work needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sub {
    /// The id of the Subscription.
    pub id: String,
    /// Under whose scope it is told of anything.
    pub account: i64,
    pub state: SubState,
    /// The type that is watched, and the query that a resource must match.
    pub ty: String,
    pub query: String,
    /// `rest-hook` or `websocket`.
    pub channel: String,
    pub endpoint: String,
    /// `Name: value`, one a line.
    pub headers: String,
    /// The media type; empty for none.
    pub payload: String,
    /// `empty`, `id-only` or `full-resource`.
    pub content: String,
    /// The topic's address, under the R5 backport; else empty.
    pub topic: String,
    /// 0 for none.
    pub heartbeat_seconds: u32,
    pub ends_at: Option<Millis>,
    /// How many events there were.
    pub events: u64,
    /// Failures since the last success.
    pub tries: u32,
    pub next_try: Millis,
    pub told_at: Millis,
    pub error: Option<String>,
}

/// A change that is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    pub seq: i64,
    pub ty: String,
    pub id: String,
    pub version: u64,
    pub at: Millis,
}

/// What a subscriber is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub number: u64,
    pub ty: String,
    pub id: String,
    pub version: u64,
    pub at: Millis,
}

const SUB: &str = "SELECT id, account, state, ty, query, channel, endpoint, headers, payload, \
     content, topic, heartbeat_seconds, ends_at, events, tries, next_try, told_at, error FROM sub ";
/// Subscriptions of a node, at most.
pub const SUBS_MAX: u32 = 10_000;

impl Store {
    /// All subscriptions.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn subs(&self) -> Result<Vec<Sub>, Problem> {
        let mut sql = Sql::varied(SUB);
        sql.push("ORDER BY id LIMIT ").bind(SUBS_MAX);
        self.rows_apart(sql).await?.iter().map(sub).collect()
    }

    /// The subscription of that Subscription.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn sub(&self, id: &str) -> Result<Option<Sub>, Problem> {
        let mut sql = Sql::varied(SUB);
        sql.push("WHERE id = ").bind(id.to_string());
        self.rows(&sql).await?.first().map(sub).transpose()
    }

    /// Changes that nobody has looked at, the oldest first.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn sub_changes(&self, count: u32) -> Result<Vec<Changed>, Problem> {
        let sql = Sql::new("SELECT seq, ty, id, ver, at FROM sub_change ORDER BY seq LIMIT $1");
        let rows = self.rows_apart(sql.with(count)).await?;
        let changed = |row: &Row| {
            Ok(Changed {
                seq: row.int(0)?,
                ty: row.text(1)?.to_string(),
                id: row.text(2)?.to_string(),
                version: unsigned(row.int(3)?),
                at: row.int(4)?,
            })
        };
        rows.iter().map(changed).collect()
    }

    /// What a subscriber was or is to be told of: events with these numbers.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn sub_events(
        &self,
        id: &str,
        numbers: std::ops::RangeInclusive<u64>,
        only_unsent: bool,
        count: u32,
    ) -> Result<Vec<Event>, Problem> {
        let sent_max = i64::from(!only_unsent);
        let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let sql = Sql::new(
            "SELECT number, ty, id, ver, at FROM sub_event WHERE sub = $1 AND number >= $2 \
             AND number <= $3 AND sent <= $4 ORDER BY number LIMIT $5",
        );
        let sql = sql.with(id.to_string()).with(bound(*numbers.start()));
        let sql = sql.with(bound(*numbers.end())).with(sent_max).with(count);
        let event = |row: &Row| {
            Ok(Event {
                number: unsigned(row.int(0)?),
                ty: row.text(1)?.to_string(),
                id: row.text(2)?.to_string(),
                version: unsigned(row.int(3)?),
                at: row.int(4)?,
            })
        };
        self.rows_apart(sql).await?.iter().map(event).collect()
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn sub(row: &Row) -> Result<Sub, Problem> {
    let text = |column| row.text(column).map(str::to_string);
    let small = |column| Ok::<u32, Problem>(u32::try_from(row.int(column)?).unwrap_or(u32::MAX));
    Ok(Sub {
        id: text(0)?,
        account: row.int(1)?,
        state: SubState::of(row.text(2)?),
        ty: text(3)?,
        query: text(4)?,
        channel: text(5)?,
        endpoint: text(6)?,
        headers: text(7)?,
        payload: text(8)?,
        content: text(9)?,
        topic: text(10)?,
        heartbeat_seconds: small(11)?,
        ends_at: row.int_opt(12)?,
        events: unsigned(row.int(13)?),
        tries: small(14)?,
        next_try: row.int(15)?,
        told_at: row.int(16)?,
        error: row.text_opt(17)?.map(str::to_string),
    })
}
