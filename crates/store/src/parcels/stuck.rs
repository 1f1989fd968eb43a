//! What is stuck, for those who run the node: reasons and times, never content or names. What somebody must see to is apart
//! from what is tried again by itself, of which one dead neighbour brings thousands.

use std::fmt;

use access::Scope;
use fhir::date::Millis;
use fhir::problem::{Kind as ProblemKind, Problem};

use super::state::State;
use super::{Kind, shown};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// The most rows of one page.
const PAGE_MAX: u32 = 1000;
/// So many rows behind a page are counted at most.
pub const REST_MAX: u64 = 10_000;

/// A place in the list of what is stuck: behind that parcel, or that receipt of it. The default is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pid: i64,
    /// 0 for the parcel itself, which comes before its receipts.
    receipt: i64,
}

impl Place {
    /// The place of that text, as it is written in addresses: `pid.receipt`.
    ///
    /// # Errors
    /// `Value` if it is none.
    pub fn parse(text: &str) -> Result<Place, Problem> {
        let numbers = text.split_once('.');
        let place = numbers.and_then(|(pid, receipt)| {
            let (pid, receipt) = (pid.parse::<i64>().ok()?, receipt.parse::<i64>().ok()?);
            Some(Place { pid, receipt })
        });
        let wrong = || Problem::new(ProblemKind::Value, "There is no such page of this list.");
        place.ok_or_else(wrong)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.pid, self.receipt)
    }
}

/// A parcel or receipt that does not get on without somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub place: Place,
    pub pid: i64,
    pub id: String,
    /// The other organisation's ODS code.
    pub other: String,
    pub inward: bool,
    pub kind: Kind,
    pub state: State,
    pub since: Millis,
    /// A plain sentence.
    pub reason: String,
}

/// Some of what is stuck.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StuckPage {
    pub rows: Vec<Stuck>,
    /// How many there are behind these, counted up to `REST_MAX`.
    pub rest: u64,
}

/// What waits for one neighbour, of one kind, and is tried again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The other organisation's ODS code.
    pub other: String,
    pub kind: Kind,
    pub count: u64,
    /// Since when the oldest waits.
    pub since: Millis,
    /// A plain sentence: what the last try met.
    pub reason: String,
    pub next_try: Option<Millis>,
}

/// Where rows of the list come from. Each walks an index in its order: `parcel_list` by direction and state, and
/// `parcel_receipt_refused`.
#[derive(Clone, Copy)]
enum Source {
    Parcels,
    Receipts,
}

const SOURCES: [Source; 2] = [Source::Parcels, Source::Receipts];

impl Source {
    fn columns(self) -> &'static str {
        match self {
            Source::Parcels => {
                "SELECT p.pid, CAST(0 AS BIGINT), p.id, p.recipient, p.direction, p.state, p.state_at, \
                 COALESCE(p.reason, ''), p.kind"
            }
            Source::Receipts => {
                "SELECT p.pid, x.number, p.id, x.peer, p.direction, p.state, p.state_at, x.refused, p.kind"
            }
        }
    }

    /// The rows behind a place. What is locked is its workgroup's to see to.
    fn push_rows(self, sql: &mut Sql<'_>, (scope, document_ty): (&Scope, i64), after: Place) {
        match self {
            // Messages of mailboxes, bookings, referrals and ITK3 documents have lists of their own.
            Source::Parcels => {
                sql.push(" FROM parcel p");
                shown::push_document(sql, scope, document_ty);
                sql.push(
                    " WHERE p.direction = 0 AND p.state = 'undeliverable' \
                     AND p.kind NOT IN ('mesh-message', 'booking', 'itk3', 'referral') AND p.pid > ",
                );
                sql.bind(after.pid);
            }
            Source::Receipts => {
                sql.push(
                    " FROM parcel_receipt x JOIN parcel p ON p.pid = x.pid AND p.shard = x.shard",
                );
                shown::push_document(sql, scope, document_ty);
                sql.push(" WHERE x.refused IS NOT NULL AND x.pid >= ")
                    .bind(after.pid);
                sql.push(" AND (x.pid > ").bind(after.pid);
                sql.push(" OR x.number > ").bind(after.receipt).push(")");
            }
        }
        shown::push_unlocked(sql, scope);
    }

    fn order(self) -> &'static str {
        match self {
            Source::Parcels => " ORDER BY p.pid LIMIT ",
            Source::Receipts => " ORDER BY x.pid, x.number LIMIT ",
        }
    }
}

impl Store {
    /// What could not be delivered, and what the other side does not take: what was accepted first stands first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn stuck(
        &self,
        scope: &Scope,
        after: Place,
        count: u32,
    ) -> Result<StuckPage, Problem> {
        let count = count.clamp(1, PAGE_MAX);
        let within = (scope, self.document_word().await?);
        let mut rows = Vec::new();
        for source in SOURCES {
            let sql = rows_of(source, within, after, count + 1);
            for row in &self.rows_apart(sql).await? {
                rows.push(stuck(row)?);
            }
        }
        rows.sort_by_key(|it| it.place);
        let more = rows.len() > count as usize;
        rows.truncate(count as usize);
        let last = rows.last().filter(|_| more).map(|it| it.place);
        let rest = match last {
            Some(last) => self.stuck_behind(within, last).await?,
            None => 0,
        };
        Ok(StuckPage { rows, rest })
    }

    async fn stuck_behind(&self, within: (&Scope, i64), place: Place) -> Result<u64, Problem> {
        let mut rest = 0;
        for source in SOURCES {
            let mut sql = Sql::new("SELECT COUNT(*) FROM (SELECT 1 AS one");
            source.push_rows(&mut sql, within, place);
            sql.push(" LIMIT 10000) y");
            let rows = self.rows_apart(sql).await?;
            rest += rows.first().map_or(Ok(0), |row| row.int(0))?.unsigned_abs();
        }
        Ok(rest.min(REST_MAX))
    }

    /// What waits for each neighbour and is tried again by itself, by its kind; whoever has waited longest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn waits(&self, scope: &Scope, count: u32) -> Result<Vec<Waits>, Problem> {
        let document_ty = self.document_word().await?;
        let mut sql = Sql::new(
            "SELECT p.recipient, p.kind, COUNT(*), MIN(p.state_at), \
             COALESCE(MAX(COALESCE(p.reason, q.last_error)), ''), MAX(q.next_try) \
             FROM parcel p LEFT JOIN parcel_peer q ON q.peer = p.recipient AND p.due = 1",
        );
        shown::push_document(&mut sql, scope, document_ty);
        // What a fax server has waits for no node.
        sql.push(
            " WHERE p.direction = 0 AND p.state = 'waiting' \
             AND p.kind NOT IN ('mesh-message', 'booking', 'itk3', 'referral', 'fax')",
        );
        shown::push_unlocked(&mut sql, scope);
        sql.push(" GROUP BY p.recipient, p.kind ORDER BY 4, 1, 2 LIMIT ")
            .bind(count.min(PAGE_MAX));
        let waits = |row: &Row| {
            Ok(Waits {
                other: row.text(0)?.to_string(),
                kind: Kind::from_code(row.text(1)?).unwrap_or(Kind::Letter),
                count: row.int(2)?.unsigned_abs(),
                since: row.int(3)?,
                reason: row.text(4)?.to_string(),
                next_try: row.int_opt(5)?.filter(|at| *at > 0),
            })
        };
        self.rows_apart(sql).await?.iter().map(waits).collect()
    }
}

fn rows_of(source: Source, within: (&Scope, i64), after: Place, count: u32) -> Sql<'static> {
    let mut sql = Sql::new(source.columns());
    source.push_rows(&mut sql, within, after);
    sql.push(source.order()).bind(count);
    sql
}

fn stuck(row: &Row) -> Result<Stuck, Problem> {
    let pid = row.int(0)?;
    let receipt = row.int(1)?;
    Ok(Stuck {
        place: Place { pid, receipt },
        pid,
        id: row.text(2)?.to_string(),
        other: row.text(3)?.to_string(),
        inward: row.flag(4)?,
        state: State::from_code(row.text(5)?).unwrap_or(State::Undeliverable),
        since: row.int(6)?,
        reason: row.text(7)?.to_string(),
        kind: Kind::from_code(row.text(8)?).unwrap_or(Kind::Letter),
    })
}

#[cfg(test)]
mod tests {
    use access::SystemPurpose;

    use super::*;
    use crate::testing::on_each_database;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is() {
        let place = Place {
            pid: 12,
            receipt: 3,
        };
        assert_eq!(Place::parse(&place.to_string()).unwrap(), place);
        for wrong in ["", "12", "12.", "a.b", "1.2.3"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Place::default() < place);
    }

    /// The list is asked for each time that the work list is opened.
    #[test]
    fn what_is_stuck_is_walked_in_the_order_of_an_index() {
        on_each_database(async |ground| {
            if !ground.is_sqlite() {
                return;
            }
            let store = ground.open().await;
            let scope = Scope::system(SystemPurpose::Measure);
            let within = (&scope, 1);
            for (source, index) in SOURCES
                .into_iter()
                .zip(["parcel_list", "parcel_receipt_refused"])
            {
                let sql = rows_of(source, within, Place::default(), 100);
                let plan = store.rows_apart(sql.explained("EXPLAIN QUERY PLAN ")).await;
                let plan = plan.unwrap();
                let lines: Vec<&str> = plan.iter().map(|row| row.text(3).unwrap()).collect();
                assert!(lines.iter().any(|it| it.contains(index)), "{lines:?}");
                let sorts = lines
                    .iter()
                    .any(|it| it.contains("USE TEMP B-TREE FOR ORDER BY"));
                assert!(!sorts, "{lines:?}");
            }
            store.close().await;
        });
    }
}
