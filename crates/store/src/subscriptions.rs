//! Subscriptions (<https://hl7.org/fhir/R4/subscription.html>): a change that somebody may be waiting
//! for is written down in the transaction that makes it, and kept until every subscriber was told or
//! has nothing to do with it.

mod draft;
mod event;
mod topic;
mod write;

use fhir::date::Millis;
use fhir::json::Json;
use fhir::problem::{Kind, Problem};

use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

use draft::Draft;
pub use topic::Topic;
pub use write::{NewEvent, SubWrite};
pub(crate) use write::{apply, note};

/// What a resource says of the work of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Sub(Draft),
    Topic(Topic),
}

impl Watch {
    /// # Errors
    /// As `Draft::of` and `Topic::of`.
    pub(crate) fn of(ty: &str, resource: &Json<'_>) -> Result<Option<Watch>, Problem> {
        match ty {
            "Subscription" => Draft::of(resource).map(|draft| Some(Watch::Sub(draft))),
            "Basic" => Ok(Topic::of(resource)?.map(Watch::Topic)),
            _ => Ok(None),
        }
    }
}

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
    /// What the topic of that address says, if it is one that somebody stored.
    pub says: Option<Topic>,
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

impl Sub {
    /// Whether it watches changes such as this.
    pub fn is_of(&self, change: &Changed) -> bool {
        let told = |topic: &Topic| match change.version {
            // What kind of change it is takes a look at the version before.
            _ if topic.looks_back() => true,
            0 | 1 => topic.creates,
            _ => topic.updates,
        };
        change.ty == self.ty && self.says.as_ref().is_none_or(told)
    }

    /// Whether it is told in XML.
    pub fn is_in_xml(&self) -> bool {
        draft::is_xml(&self.payload)
    }

    /// What a resource must match: the topic's query and the subscription's own.
    ///
    /// # Errors
    /// `NotFound` if its topic is gone, `Invalid` if it allows the filter no more.
    pub fn whole_query(&self) -> Result<String, Problem> {
        if let Some(topic) = &self.says {
            topic.allows(&self.query)?;
            if topic.ty != self.ty {
                let message = "The topic is of another type now.";
                return Err(Problem::new(Kind::Invalid, message));
            }
            let both = [topic.query.as_str(), &self.query];
            let both = both.into_iter().filter(|query| !query.is_empty());
            return Ok(both.collect::<Vec<_>>().join("&"));
        }
        if !self.topic.is_empty() && !draft::is_of_every_change(&self.topic) {
            return Err(Problem::new(
                Kind::NotFound,
                "Its topic is not there any more.",
            ));
        }
        Ok(self.query.clone())
    }
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

const SUB: &str = "SELECT s.id, s.account, s.state, s.ty, s.query, s.channel, s.endpoint, s.headers, \
     s.payload, s.content, s.topic, s.heartbeat_seconds, s.ends_at, s.events, s.tries, s.next_try, \
     s.told_at, s.error, t.url, t.ty, t.creates, t.updates, t.query, t.filters, t.shape, t.deletes, \
     t.previous, t.both_hold, t.on_create, t.on_delete, t.path \
     FROM sub s LEFT JOIN sub_topic t ON t.url = s.topic ";
/// Subscriptions of a node, at most.
pub const SUBS_MAX: u32 = 10_000;

impl Store {
    /// All subscriptions.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn subs(&self) -> Result<Vec<Sub>, Problem> {
        let mut sql = Sql::new(SUB);
        sql.push("ORDER BY s.id LIMIT ").bind(SUBS_MAX);
        self.rows_apart(sql).await?.iter().map(sub).collect()
    }

    /// The subscription of that Subscription.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn sub(&self, id: &str) -> Result<Option<Sub>, Problem> {
        let mut sql = Sql::new(SUB);
        sql.push("WHERE s.id = ").bind(id.to_string());
        self.rows(&sql).await?.first().map(sub).transpose()
    }

    /// Account and subscriptions of a websocket's token; nothing if it is unknown or too old.
    ///
    /// # Errors
    /// Whatever the store answers.
    pub async fn sub_token(&self, digest: [u8; 32]) -> Result<Option<(i64, Vec<String>)>, Problem> {
        let sql =
            Sql::new("SELECT account, subs FROM sub_token WHERE digest = $1 AND expires_at > $2");
        let rows = self
            .rows(&sql.with(digest.as_slice()).with(self.now()))
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let subs = row.text(1)?.lines().map(str::to_string).collect();
        Ok(Some((row.int(0)?, subs)))
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
        says: topic(row, 18)?,
        heartbeat_seconds: small(11)?,
        ends_at: row.int_opt(12)?,
        events: unsigned(row.int(13)?),
        tries: small(14)?,
        next_try: row.int(15)?,
        told_at: row.int(16)?,
        error: row.text_opt(17)?.map(str::to_string),
    })
}

/// The topic whose columns begin there, if there is one.
fn topic(row: &Row, first: usize) -> Result<Option<Topic>, Problem> {
    let Some(url) = row.text_opt(first)? else {
        return Ok(None);
    };
    Ok(Some(Topic {
        url: url.to_string(),
        ty: row.text(first + 1)?.to_string(),
        creates: row.int(first + 2)? != 0,
        updates: row.int(first + 3)? != 0,
        query: row.text(first + 4)?.to_string(),
        filters: row.text(first + 5)?.to_string(),
        shape: row.text(first + 6)?.to_string(),
        deletes: row.int(first + 7)? != 0,
        previous: row.text(first + 8)?.to_string(),
        both: row.int(first + 9)? != 0,
        on_create: row.int_opt(first + 10)?.map(|it| it != 0),
        on_delete: row.int_opt(first + 11)?.map(|it| it != 0),
        path: row.text(first + 12)?.to_string(),
    }))
}
