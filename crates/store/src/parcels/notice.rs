//! Whoever opened what is later withdrawn or superseded is told.

use access::Scope;
use fhir::date::Millis;
use fhir::problem::Problem;

use super::ParcelDone;
use super::shown::{self, Shown};
use super::state::State;
use crate::database::Tx;
use crate::sql::Sql;
use crate::store::Store;

/// The most notices shown at once.
const SHOWN_MAX: i64 = 50;

/// A letter that someone opened, and what became of it since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub pid: i64,
    /// Empty, as the sender is, where it is withheld by now.
    pub title: String,
    pub sender: String,
    pub shown: Shown,
    /// Withdrawn or superseded.
    pub state: State,
    pub at: Millis,
    /// Whether it was an ambulance's handover, which has a page of its own.
    pub is_handover: bool,
}

/// Leaves a notice to everyone who opened, filed or acted on the letter.
pub(crate) async fn leave(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    state: State,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO parcel_notice (shard, account, pid, event, at) \
         SELECT DISTINCT shard, account, pid, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM parcel_event \
         WHERE pid = $3 AND account IS NOT NULL \
         ON CONFLICT (account, pid, event, shard) DO NOTHING",
    )
    .with(state.code())
    .with(now)
    .with(pid);
    tx.execute(&sql).await.map(|_| ())
}

/// The notice has been read.
pub(crate) async fn seen(
    tx: &mut Tx<'_>,
    now: Millis,
    account: i64,
    pid: i64,
) -> Result<ParcelDone, Problem> {
    let sql = Sql::new(
        "UPDATE parcel_notice SET seen_at = $1 WHERE account = $2 AND pid = $3 AND seen_at IS NULL",
    )
    .with(now)
    .with(account)
    .with(pid);
    tx.execute(&sql).await.map(ParcelDone::Rows)
}

impl Store {
    /// What the caller opened and was withdrawn or superseded since, unread, newest first.
    ///
    /// # Errors
    /// `Forbidden` if the scope shows no records; those of the database.
    pub async fn notices(&self, scope: &Scope) -> Result<Vec<Notice>, Problem> {
        let owner = super::lists::owner(self, scope)?;
        let Some(account) = scope.agent().account else {
            return Ok(Vec::new());
        };
        let mut sql = Sql::new(
            "SELECT n.pid, p.title, p.sender, n.event, n.at, p.document, p.patient, p.kind, ",
        );
        shown::push_shown(&mut sql, scope);
        sql.push(" FROM parcel_notice n JOIN parcel p ON p.pid = n.pid AND p.shard = n.shard");
        shown::push_document(&mut sql, scope, self.document_word().await?);
        sql.push(" WHERE n.account = ").bind(account);
        sql.push(" AND n.seen_at IS NULL AND p.owner = ")
            .bind(owner);
        shown::push_unlocked(&mut sql, scope);
        sql.push(" ORDER BY n.at DESC LIMIT ").bind(SHOWN_MAX);
        let rows = self.rows_apart(sql).await?;
        let mut notices = Vec::new();
        let mut lines = Vec::new();
        for row in &rows {
            let shown = Shown::from_row(row, 8)?;
            lines.push(super::lists::line(
                scope,
                row.int(0)?,
                (row.text_opt(5)?, row.text_opt(6)?),
                shown.outcome(),
            ));
            let text = |column: usize| match shown {
                Shown::Whole => row.text(column).map(str::to_string),
                Shown::Sealed | Shown::Withheld => Ok(String::new()),
            };
            notices.push(Notice {
                pid: row.int(0)?,
                title: text(1)?,
                sender: text(2)?,
                shown,
                state: State::from_code(row.text(3)?).unwrap_or(State::Withdrawn),
                at: row.int(4)?,
                is_handover: row.text(7)? == super::Kind::Handover.code(),
            });
        }
        self.traced(lines).await?;
        Ok(notices)
    }
}
