//! What is free, what a day holds, and how bookings stand.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Audience, Booking, BookingState, Slot};
use crate::parcels::State;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Slots in one answer at most.
const SLOTS_MAX: u32 = 1_000;

/// A booking whose time is so near is before a person when nobody has answered it for so long.
pub(crate) const SOON_MILLIS: Millis = 86_400_000;
pub(crate) const SOON_UNANSWERED_MILLIS: Millis = 15 * 60_000;

/// What is looked for among the free slots.
#[derive(Clone, Debug)]
pub struct Free<'f> {
    /// Those that start in `[from, until)`.
    pub from: Millis,
    pub until: Millis,
    /// Those that this audience may take.
    pub audience: Audience,
    /// Of that sort and with that person only, if given.
    pub like: Option<(&'f str, &'f str)>,
    pub count: u32,
}

/// A booking at another organisation that does not get on by itself. Names no patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckBooking {
    /// The Appointment's id here.
    pub id: String,
    pub holder: String,
    pub state: BookingState,
    pub since: Millis,
    /// How far its parcel got, and why not farther.
    pub parcel: Option<State>,
    pub reason: String,
}

const SLOT: &str = "SELECT d.id, d.schedule, d.status, d.starts_at, d.ends_at, d.kind, d.held_by, d.audience, \
     r.ver FROM diary_slot d JOIN place p ON p.id = d.id JOIN res r ON r.shard = p.shard AND r.rid = p.rid \
     WHERE p.ty = ";
pub(super) const BOOKING: &str = "SELECT b.id, b.patient, b.holder, b.asker, b.asked_as, b.slot, b.starts_at, b.state, \
     b.asked_at, b.state_at, b.parcel, b.instead_of, b.reason, b.next FROM diary_booking b WHERE ";

impl Store {
    /// The free slots, the earliest first. About nobody; the look is traced all the same.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not about the diary; those of the database.
    pub async fn free_slots(&self, scope: &Scope, free: &Free<'_>) -> Result<Vec<Slot>, Problem> {
        self.slots_of(scope, (free, "free")).await
    }

    /// The same of slots that are booked: who has them is not told.
    ///
    /// # Errors
    /// As `free_slots`.
    pub async fn busy_slots(&self, scope: &Scope, free: &Free<'_>) -> Result<Vec<Slot>, Problem> {
        self.slots_of(scope, (free, "busy")).await
    }

    async fn slots_of(
        &self,
        scope: &Scope,
        (free, status): (&Free<'_>, &'static str),
    ) -> Result<Vec<Slot>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(SLOT);
        sql.bind(self.word("Slot").await?);
        sql.push(" AND d.status = ").bind(status);
        sql.push(" AND d.starts_at >= ").bind(free.from);
        sql.push(" AND d.starts_at < ").bind(free.until);
        sql.push(" AND d.audience >= ").bind(free.audience.number());
        if let Some((kind, held_by)) = free.like {
            sql.push(" AND d.kind = ").bind(kind.to_string());
            sql.push(" AND d.held_by = ").bind(held_by.to_string());
        }
        sql.push(" ORDER BY d.starts_at, d.id LIMIT ")
            .bind(free.count.min(SLOTS_MAX));
        let slots = self.rows(&sql).await?;
        self.trace_slots(scope, status).await?;
        slots.iter().map(slot).collect()
    }

    /// The sorts of appointment that are free, each with whom; by when the first is.
    ///
    /// # Errors
    /// As `free_slots`.
    pub async fn free_sorts(
        &self,
        scope: &Scope,
        free: &Free<'_>,
    ) -> Result<Vec<(String, String)>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(
            "SELECT kind, held_by, MIN(starts_at) FROM diary_slot WHERE status = 'free' AND starts_at >= ",
        );
        sql.bind(free.from)
            .push(" AND starts_at < ")
            .bind(free.until);
        sql.push(" AND audience >= ").bind(free.audience.number());
        sql.push(" GROUP BY kind, held_by ORDER BY 3, 1, 2 LIMIT ")
            .bind(free.count);
        let read = |row: &Row| Ok((row.text(0)?.to_string(), row.text(1)?.to_string()));
        self.rows(&sql).await?.iter().map(read).collect()
    }

    /// All slots that start in `[from, until)`, each with the booking that took it. For staff.
    ///
    /// # Errors
    /// As `free_slots`; `Forbidden` for patients.
    pub async fn slots_between(
        &self,
        scope: &Scope,
        (from, until): (Millis, Millis),
    ) -> Result<Vec<(Slot, Option<Booking>)>, Problem> {
        may(scope)?;
        if !matches!(scope.reach(), Reach::Organisation(_) | Reach::Everything) {
            return Err(forbidden());
        }
        let mut sql = Sql::new(SLOT);
        sql.bind(self.word("Slot").await?);
        sql.push(" AND d.starts_at >= ").bind(from);
        sql.push(" AND d.starts_at < ").bind(until);
        sql.push(
            " AND d.status <> 'entered-in-error' ORDER BY d.starts_at, d.held_by, d.id LIMIT ",
        )
        .bind(SLOTS_MAX);
        let slots = self.rows(&sql).await?;
        let mut sql = Sql::new(BOOKING);
        sql.push(
            "b.state = 'booked' AND b.slot IN (SELECT d.id FROM diary_slot d WHERE d.starts_at >= ",
        )
        .bind(from);
        sql.push(" AND d.starts_at < ")
            .bind(until)
            .push(") LIMIT ")
            .bind(SLOTS_MAX);
        let rows = self.rows(&sql).await?;
        self.trace_slots(scope, "day").await?;
        let mut bookings = rows.iter().map(booking).collect::<Result<Vec<_>, _>>()?;
        let mut day = Vec::new();
        for row in &slots {
            let slot = slot(row)?;
            let at = bookings.iter().position(|it| it.slot == slot.id);
            day.push((slot, at.map(|at| bookings.swap_remove(at))));
        }
        Ok(day)
    }

    /// One slot.
    ///
    /// # Errors
    /// As `free_slots`.
    pub async fn slot(&self, scope: &Scope, id: &str) -> Result<Option<Slot>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(SLOT);
        sql.bind(self.word("Slot").await?);
        sql.push(" AND d.id = ").bind(id);
        let rows = self.rows(&sql).await?;
        rows.first().map(slot).transpose()
    }

    /// The booking of that Appointment, if it was made through this node and the scope reaches its patient.
    ///
    /// # Errors
    /// `Forbidden` for a scope that may not look; those of the database.
    pub async fn booking(&self, scope: &Scope, id: &str) -> Result<Option<Booking>, Problem> {
        self.may_look(scope)?;
        let mut sql = Sql::new(BOOKING);
        sql.push("b.id = ").bind(id);
        let rows = self.rows(&sql).await?;
        let found = rows.first().map(booking).transpose()?;
        Ok(found.filter(|it| reaches(scope, it)))
    }

    /// The slots that a booking of this diary takes after its first, the earliest first.
    ///
    /// # Errors
    /// `Forbidden` for a scope that may not look; those of the database.
    pub async fn further_slots(
        &self,
        scope: &Scope,
        booking: &str,
    ) -> Result<Vec<String>, Problem> {
        self.may_look(scope)?;
        let sql = Sql::new(
            "SELECT f.slot FROM diary_further_slot f JOIN diary_slot s ON s.id = f.slot \
             WHERE f.booking = $1 ORDER BY s.starts_at LIMIT $2",
        );
        let rows = self.rows(&sql.with(booking).with(SLOTS_MAX)).await?;
        let slots = rows.iter().map(|row| row.text(0).map(str::to_string));
        slots.collect()
    }

    /// All bookings of one patient, as far as the scope reaches them.
    ///
    /// # Errors
    /// As `booking`.
    pub async fn bookings_of(&self, scope: &Scope, patient: &str) -> Result<Vec<Booking>, Problem> {
        self.may_look(scope)?;
        let mut sql = Sql::new(BOOKING);
        sql.push("b.patient = ").bind(patient);
        sql.push(" ORDER BY b.starts_at DESC LIMIT ")
            .bind(SLOTS_MAX);
        let rows = self.rows(&sql).await?;
        let mut found = rows.iter().map(booking).collect::<Result<Vec<_>, _>>()?;
        found.retain(|it| reaches(scope, it));
        Ok(found)
    }

    /// Bookings that could not be delivered, that nobody has answered since `before`, or whose time comes within a day and
    /// that nobody has answered for a quarter of an hour; the oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not for the work list; those of the database.
    pub async fn stuck_bookings(
        &self,
        scope: &Scope,
        before: Millis,
        count: u32,
    ) -> Result<Vec<StuckBooking>, Problem> {
        if scope.interaction() != Interaction::WorkList {
            return Err(forbidden());
        }
        let mut sql = Sql::new(
            "SELECT b.id, b.holder, b.state, b.state_at, COALESCE(p.state, o.state), \
             COALESCE(p.reason, q.last_error, NULLIF(o.reason, ''), s.last_error, '') FROM diary_booking b \
             LEFT JOIN system_booking s ON s.id = b.id LEFT JOIN bars_out o ON o.id = b.parcel \
             LEFT JOIN parcel p ON p.sender = b.asker AND p.id = b.parcel \
             LEFT JOIN parcel_peer q ON q.peer = p.recipient AND p.due = 1 \
             WHERE (b.parcel <> '' OR s.id IS NOT NULL) AND b.asker = ",
        );
        sql.bind(self.organisation().as_str().to_string());
        sql.push(" AND b.state IN ('asked', 'cancelling') AND (p.state = 'undeliverable' OR o.state = 'undeliverable' \
             OR b.state_at < ")
            .bind(before);
        let now = self.now();
        sql.push(" OR b.state_at < ")
            .bind(now.saturating_sub(SOON_UNANSWERED_MILLIS));
        sql.push(" AND b.starts_at < ")
            .bind(now.saturating_add(SOON_MILLIS));
        sql.push(") ORDER BY b.state_at, b.id LIMIT ").bind(count);
        let stuck = |row: &Row| {
            Ok(StuckBooking {
                id: row.text(0)?.to_string(),
                holder: row.text(1)?.to_string(),
                state: state(row, 2)?,
                since: row.int(3)?,
                parcel: row.text_opt(4)?.and_then(State::from_code),
                reason: row.text(5)?.to_string(),
            })
        };
        self.rows_apart(sql).await?.iter().map(stuck).collect()
    }

    /// How far the parcel of a booking got, or its message of BaRS: its state, and why not farther.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn booking_parcel(
        &self,
        booking: &Booking,
    ) -> Result<Option<(State, String)>, Problem> {
        let sql = Sql::new(
            "SELECT p.state, COALESCE(p.reason, '') FROM parcel p WHERE p.sender = $1 AND p.id = $2",
        );
        let sql = sql
            .with(booking.asker.as_str())
            .with(booking.parcel.as_str());
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            let by_bars = self.bars_out_state(&booking.parcel).await?;
            return Ok(by_bars.map(|(state, _, reason)| (state, reason)));
        };
        let state = State::from_code(row.text(0)?);
        Ok(state.map(|state| (state, row.text(1).unwrap_or_default().to_string())))
    }

    /// Bookings of other organisations that could not be taken in by themselves: the number of the parcel, who sent it,
    /// since when and why.
    ///
    /// # Errors
    /// As `stuck_bookings`.
    pub async fn bookings_set_aside(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<(i64, String, Millis, String)>, Problem> {
        if scope.interaction() != Interaction::WorkList {
            return Err(forbidden());
        }
        let sql = Sql::new(
            "SELECT pid, sender, stored_at, COALESCE(reason, '') FROM parcel WHERE direction = 1 \
             AND unmatched = 1 AND kind = 'booking' ORDER BY pid LIMIT $1",
        );
        let rows = self.rows(&sql.with(count)).await?;
        let read = |row: &Row| {
            let text = |at: usize| row.text(at).map(str::to_string);
            Ok((row.int(0)?, text(1)?, row.int(2)?, text(3)?))
        };
        rows.iter().map(read).collect()
    }

    async fn trace_slots(&self, scope: &Scope, what: &'static str) -> Result<(), Problem> {
        let target = Target {
            ty: "Slot".into(),
            query: Some(what.into()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Slots, Outcome::Success, target);
        self.traced(vec![line]).await
    }
}

fn slot(row: &Row) -> Result<Slot, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(Slot {
        id: text(0)?,
        schedule: text(1)?,
        status: text(2)?,
        starts_at: row.int(3)?,
        ends_at: row.int(4)?,
        kind: text(5)?,
        held_by: text(6)?,
        audience: Audience::from_number(row.int(7)?),
        version: row.int(8)?.unsigned_abs(),
    })
}

pub(super) fn booking(row: &Row) -> Result<Booking, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(Booking {
        id: text(0)?,
        patient: text(1)?,
        holder: text(2)?,
        asker: text(3)?,
        asked_as: text(4)?,
        slot: text(5)?,
        starts_at: row.int(6)?,
        state: state(row, 7)?,
        asked_at: row.int(8)?,
        state_at: row.int(9)?,
        parcel: text(10)?,
        instead_of: text(11)?,
        reason: text(12)?,
        next: text(13)?,
    })
}

fn state(row: &Row, at: usize) -> Result<BookingState, Problem> {
    let nameless = || Problem::new(Kind::Exception, "A booking is in a state of no name.");
    BookingState::from_code(row.text(at)?).ok_or_else(nameless)
}

/// Whether a scope is about the diary.
fn may(scope: &Scope) -> Result<(), Problem> {
    let is_about = matches!(
        scope.interaction(),
        Interaction::Slots
            | Interaction::KeepDiary
            | Interaction::Book
            | Interaction::CancelAppointment
    );
    if is_about || matches!(scope.reach(), Reach::Everything) {
        return Ok(());
    }
    Err(forbidden())
}

/// A booking holds no more than its Appointment, which is read under the scope itself; the patient's is asked here too.
fn reaches(scope: &Scope, booking: &Booking) -> bool {
    match scope.reach() {
        Reach::Compartment { patient, .. } => *patient == booking.patient,
        Reach::Organisation(_) | Reach::Everything => true,
        Reach::Mailbox(_) => false,
    }
}

fn forbidden() -> Problem {
    Problem::new(Kind::Forbidden, "This is not part of the diary for you.")
}
