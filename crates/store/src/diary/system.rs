//! Bookings in the diary of the organisation's own system, or of an organisation that is reached by BaRS: what is to be asked of it,
//! and when.

use access::{Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Booking, lists};
use crate::database::Tx;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// How far a booking is in that system. Its Booking has the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemBooking {
    pub id: String,
    /// The Appointment's id in that system; empty until known.
    pub remote: String,
    /// In whose name it is asked: a person's.
    pub asked_by: String,
    /// How often it came to nothing, one after another.
    pub tries: i64,
    /// When it is seen to next; `NEVER` when all is done.
    pub due_at: Millis,
    /// Why the last try came to nothing; may be empty.
    pub last_error: String,
}

impl SystemBooking {
    /// The time at which nothing is seen to any more.
    pub const NEVER: Millis = Millis::MAX;
}

const SYSTEM: &str = "SELECT s.id, s.remote, s.asked_by, s.tries, s.due_at, s.last_error FROM system_booking s WHERE ";

fn read(row: &Row) -> Result<SystemBooking, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(SystemBooking {
        id: text(0)?,
        remote: text(1)?,
        asked_by: text(2)?,
        tries: row.int(3)?,
        due_at: row.int(4)?,
        last_error: text(5)?,
    })
}

impl Store {
    /// The bookings that are to be seen to now, the longest waiting first.
    ///
    /// # Errors
    /// `Forbidden` for any but the node's own work; those of the database.
    pub async fn system_bookings_due(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<(SystemBooking, Booking)>, Problem> {
        self.bookings_due(scope, ("b.holder = ", count)).await
    }

    /// The same of bookings in the diaries of other organisations.
    ///
    /// # Errors
    /// As `system_bookings_due`.
    pub async fn bookings_there_due(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<(SystemBooking, Booking)>, Problem> {
        self.bookings_due(scope, ("b.holder <> ", count)).await
    }

    async fn bookings_due(
        &self,
        scope: &Scope,
        (whose, count): (&'static str, u32),
    ) -> Result<Vec<(SystemBooking, Booking)>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(SYSTEM);
        sql.push("s.due_at <= ").bind(self.now());
        sql.push(" AND EXISTS (SELECT 1 FROM diary_booking b WHERE b.id = s.id AND ");
        sql.push(whose)
            .bind(self.organisation().as_str().to_string());
        sql.push(") ORDER BY s.due_at, s.id LIMIT ").bind(count);
        let mut due = Vec::new();
        for row in self.rows(&sql).await? {
            let system = read(&row)?;
            let mut sql = Sql::new(lists::BOOKING);
            sql.push("b.id = ").bind(system.id.as_str());
            let rows = self.rows(&sql).await?;
            if let Some(row) = rows.first() {
                due.push((system, lists::booking(row)?));
            }
        }
        Ok(due)
    }

    /// How far that booking is in the organisation's own system; `None` if it is not there.
    ///
    /// # Errors
    /// As `system_bookings_due`.
    pub async fn system_booking(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<SystemBooking>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(SYSTEM);
        sql.push("s.id = ").bind(id);
        let rows = self.rows(&sql).await?;
        rows.first().map(read).transpose()
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

/// Writes how far it is.
pub(super) async fn put(tx: &mut Tx<'_>, booking: &SystemBooking) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO system_booking (id, remote, asked_by, tries, due_at, last_error) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET \
         remote = excluded.remote, tries = excluded.tries, due_at = excluded.due_at, \
         last_error = excluded.last_error",
    );
    let sql = sql
        .with(booking.id.as_str())
        .with(booking.remote.as_str())
        .with(booking.asked_by.as_str());
    let sql = sql
        .with(booking.tries)
        .with(booking.due_at)
        .with(booking.last_error.as_str());
    tx.execute(&sql).await.map(|_| ())
}

/// Has it seen to now; whether there is one of that id.
pub(super) async fn again(tx: &mut Tx<'_>, now: Millis, id: &str) -> Result<bool, Problem> {
    let sql = Sql::new("UPDATE system_booking SET due_at = $1, tries = 0 WHERE id = $2");
    Ok(tx.execute(&sql.with(now).with(id)).await? > 0)
}
