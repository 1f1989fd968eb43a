//! Requests for medicines that the organisation's own system holds: what is to be asked of it, and when.

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// How far a request is in that system. Its Task here has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderThere {
    pub id: String,
    /// In whose name, and by whom, it is asked.
    pub nhs_number: String,
    pub asked_by: String,
    /// The Task's id in that system; empty until known.
    pub remote: String,
    /// How often it came to nothing, one after another.
    pub tries: u32,
    /// When it is seen to next; `NEVER` when all is done, and then nothing is kept of it.
    pub due_at: Millis,
    /// Why the last try came to nothing; may be empty.
    pub last_error: String,
}

impl OrderThere {
    /// The time at which nothing is seen to any more.
    pub const NEVER: Millis = Millis::MAX;
}

fn read(row: &Row) -> Result<OrderThere, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(OrderThere {
        id: text(0)?,
        nhs_number: text(1)?,
        asked_by: text(2)?,
        remote: text(3)?,
        tries: u32::try_from(row.int(4)?).unwrap_or(u32::MAX),
        due_at: row.int(5)?,
        last_error: text(6)?,
    })
}

/// Writes how far it is. Of what nothing more is to be seen to, nothing is kept.
pub(super) async fn put(tx: &mut Tx<'_>, order: &OrderThere) -> Result<(), Problem> {
    if order.due_at == OrderThere::NEVER {
        let sql = Sql::new("DELETE FROM order_there WHERE id = $1").with(order.id.as_str());
        return tx.execute(&sql).await.map(|_| ());
    }
    let sql = Sql::new(
        "INSERT INTO order_there (id, nhs_number, asked_by, remote, tries, due_at, last_error) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET remote = excluded.remote, \
         tries = excluded.tries, due_at = excluded.due_at, last_error = excluded.last_error",
    )
    .with(order.id.as_str())
    .with(order.nhs_number.as_str())
    .with(order.asked_by.as_str())
    .with(order.remote.as_str())
    .with(i64::from(order.tries))
    .with(order.due_at)
    .with(order.last_error.as_str());
    tx.execute(&sql).await.map(|_| ())
}

impl Store {
    /// The requests that are to be seen to now, the longest waiting first.
    ///
    /// # Errors
    /// `Forbidden` for any but the node's own work; those of the database.
    pub async fn orders_there_due(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<OrderThere>, Problem> {
        may(scope)?;
        let sql = Sql::new(
            "SELECT id, nhs_number, asked_by, remote, tries, due_at, last_error FROM order_there \
             WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2",
        );
        let rows = self.rows(&sql.with(self.now()).with(count)).await?;
        rows.iter().map(read).collect()
    }

    /// How many requests that system has not taken after so many tries.
    ///
    /// # Errors
    /// As `orders_there_due`.
    pub async fn orders_untaken(&self, scope: &Scope, tries: u32) -> Result<i64, Problem> {
        may(scope)?;
        let sql = Sql::new("SELECT COUNT(*) FROM order_there WHERE remote = '' AND tries >= $1");
        let rows = self.rows(&sql.with(i64::from(tries))).await?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }
}

fn may(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything => Ok(()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is the node's own work.",
        )),
    }
}
