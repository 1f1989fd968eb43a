//! Changes of bookings. Those of slots follow from their resources.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Booking, BookingState, SystemBooking, system};
use crate::database::Tx;
use crate::parcels::{self, event, outgoing};
use crate::referrals;
use crate::sql::Sql;

/// What must be there before a booking is written; otherwise the whole job is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// No booking of that id.
    Nothing,
    /// One in that state.
    In(BookingState),
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum DiaryWrite {
    /// Writes a booking. `Conflict` if what is there is not what `was` says.
    Put { booking: Box<Booking>, was: Was },
    /// What another organisation asked, or answered, has been seen to, in this job. `Conflict` if it had been before.
    TakenIn { pid: i64, patient: String },
    /// A parcel that could not be taken in by itself is to be tried again.
    TakeAgain { pid: i64 },
    /// A booking that could not be delivered is to be sent again, by its Appointment's id.
    SendAgain { id: String },
    /// Which slots a booking takes after its first: these, and no others any more.
    Further { booking: String, slots: Vec<String> },
    /// How far a booking is in the organisation's own system.
    System(SystemBooking),
}

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &DiaryWrite) -> Result<(), Problem> {
    match write {
        DiaryWrite::Put { booking, was } => match was {
            Was::Nothing => insert(tx, booking).await,
            Was::In(state) => update(tx, booking, *state).await,
        },
        DiaryWrite::TakenIn { pid, patient } => {
            parcels::text_taken_in(tx, now, (*pid, parcels::Kind::Booking), patient).await
        }
        DiaryWrite::TakeAgain { pid } => {
            let sql = Sql::new(
                "UPDATE parcel SET due = 1, unmatched = 0 WHERE pid = $1 AND direction = 1 \
                 AND unmatched = 1 AND kind = 'booking'",
            );
            tx.execute(&sql.with(*pid)).await.map(|_| ())
        }
        DiaryWrite::SendAgain { id } => {
            let is_on_its_way =
                referrals::booking_again(tx, now, id).await? || system::again(tx, now, id).await?;
            match is_on_its_way {
                true => Ok(()),
                false => send_again(tx, now, id).await,
            }
        }
        DiaryWrite::Further { booking, slots } => further(tx, booking, slots).await,
        DiaryWrite::System(booking) => system::put(tx, booking).await,
    }
}

fn came_between() -> Problem {
    Problem::new(
        Kind::Conflict,
        "Somebody else has just changed this booking; look again.",
    )
}

async fn insert(tx: &mut Tx<'_>, booking: &Booking) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO diary_booking (id, patient, holder, asker, asked_as, slot, starts_at, state, \
         asked_at, state_at, parcel, instead_of, reason, next) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
         $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(booking.id.as_str()).with(booking.patient.as_str());
    let sql = sql
        .with(booking.holder.as_str())
        .with(booking.asker.as_str());
    let sql = sql
        .with(booking.asked_as.as_str())
        .with(booking.slot.as_str());
    let sql = sql.with(booking.starts_at).with(booking.state.code());
    let sql = sql.with(booking.asked_at).with(booking.state_at);
    let sql = sql.with(booking.parcel.as_str());
    let sql = sql.with(booking.instead_of.as_str());
    let sql = sql
        .with(booking.reason.as_str())
        .with(booking.next.as_str());
    match tx.execute(&sql).await? {
        0 => Err(came_between()),
        _ => Ok(()),
    }
}

async fn update(tx: &mut Tx<'_>, booking: &Booking, was: BookingState) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE diary_booking SET slot = $1, starts_at = $2, state = $3, state_at = $4, parcel = $5, \
         instead_of = $6, reason = $7, next = $8 WHERE id = $9 AND state = $10",
    );
    let sql = sql.with(booking.slot.as_str()).with(booking.starts_at);
    let sql = sql.with(booking.state.code()).with(booking.state_at);
    let sql = sql.with(booking.parcel.as_str());
    let sql = sql.with(booking.instead_of.as_str());
    let sql = sql
        .with(booking.reason.as_str())
        .with(booking.next.as_str());
    let sql = sql.with(booking.id.as_str()).with(was.code());
    match tx.execute(&sql).await? {
        0 => Err(came_between()),
        _ => Ok(()),
    }
}

async fn further(tx: &mut Tx<'_>, booking: &str, slots: &[String]) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM diary_further_slot WHERE booking = $1");
    tx.execute(&sql.with(booking)).await?;
    for slot in slots {
        // A booking that ended may have left it behind.
        let sql = Sql::new(
            "INSERT INTO diary_further_slot (slot, booking) VALUES ($1, $2) ON CONFLICT (slot) \
             DO UPDATE SET booking = excluded.booking",
        );
        tx.execute(&sql.with(slot.as_str()).with(booking)).await?;
    }
    Ok(())
}

async fn send_again(tx: &mut Tx<'_>, now: Millis, id: &str) -> Result<(), Problem> {
    let sql = Sql::new("SELECT asker, parcel FROM diary_booking WHERE id = $1").with(id);
    let row = tx.row(&sql).await?.ok_or_else(outgoing::gone)?;
    let parcel = event::by_id(tx, row.text(0)?, row.text(1)?).await?;
    let parcel = parcel.ok_or_else(outgoing::gone)?;
    parcels::send_again(tx, now, &parcel, &event::Actor::default()).await
}
