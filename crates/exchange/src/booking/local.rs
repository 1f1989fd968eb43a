//! This node's own diary: sessions are published, slots held, booked, moved and freed, each in one commit.

use access::{Interaction, Ods, Outcome, Scope, Target};
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::diary::{Audience, BOOKABLE_BY, Booking, BookingState, DiaryWrite, Slot, Was};
use store::{Effect, Expect, Job, Release, Store};

use super::adjacent::{More, as_one, free_all, kept, name_all, wanted};
use super::resource::{AtHand, NewVisit, put};
use super::{Came, LIVE_MAX, Offer, TRIES_MAX, Wish, came_between, check_reason, is_open, work};
use crate::letter::Letter;

/// Slots of one session at most.
const SESSION_SLOTS_MAX: Millis = 200;
const MINUTE: Millis = 60_000;

/// A stretch of time in which somebody sees patients one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub from: Millis,
    pub until: Millis,
    /// How long each appointment is.
    pub minutes: Millis,
    /// With whom, and what sort of appointment, in words.
    pub with: String,
    pub kind: String,
    pub audience: Audience,
}

/// What staff do with a slot that is not booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Hold,
    Release,
    /// It is not offered any more.
    TakeBack,
}

impl Session {
    /// Id of its Schedule: one for each who sees patients here.
    fn schedule(&self, own: &Ods) -> String {
        Letter::parcel_id(&["schedule", own.as_str(), &self.with])
    }

    fn starts(&self) -> impl Iterator<Item = Millis> + use<> {
        let step = self.minutes.saturating_mul(MINUTE).max(MINUTE);
        let (from, last) = (self.from, self.until.saturating_sub(step));
        (0..SESSION_SLOTS_MAX)
            .map(move |number| from.saturating_add(number.saturating_mul(step)))
            .take_while(move |start| *start <= last)
    }

    /// The changes that publish it. A slot's id follows from who, when and what, so that the same session published twice
    /// is refused and not there twice.
    fn changes(&self, own: &Ods) -> Result<Vec<store::Change>, Problem> {
        let schedule = self.schedule(own);
        let resource = json!({
            "resourceType": "Schedule",
            "active": true,
            "actor": [{ "type": "HealthcareService", "display": self.with }],
        });
        let kept = (Expect::Anything, Release::Keep);
        let mut changes = vec![put(&resource, &schedule, own, kept)?];
        for start in self.starts() {
            let end = start.saturating_add(self.minutes.saturating_mul(MINUTE));
            let mut slot = json!({
                "resourceType": "Slot",
                "schedule": { "reference": format!("Schedule/{schedule}"), "display": self.with },
                "serviceType": [{ "text": self.kind }],
                "status": "free",
                "start": date::instant(start),
                "end": date::instant(end),
            });
            if let (Some(code), Some(slot)) = (self.audience.code(), slot.as_object_mut()) {
                let tag = json!({ "tag": [{ "system": BOOKABLE_BY, "code": code }] });
                slot.insert("meta".into(), tag);
            }
            let id = Letter::parcel_id(&["slot", &schedule, &date::instant(start)]);
            changes.push(put(&slot, &id, own, (Expect::Absent, Release::Keep))?);
        }
        Ok(changes)
    }
}

/// Publishes a session; gives how many slots it has.
///
/// # Errors
/// `Value` for one without a slot; `Duplicate` if one of its slots is there already, and then none is made; those of the
/// store.
pub async fn publish(store: &Store, scope: &Scope, session: &Session) -> Result<usize, Problem> {
    let changes = session.changes(store.organisation())?;
    let count = changes.len().saturating_sub(1);
    if count == 0 {
        let message = "The session is too short for one appointment of that length.";
        return Err(Problem::new(Kind::Value, message));
    }
    let job = Job {
        changes,
        traces: vec![line(
            scope,
            Interaction::KeepDiary,
            ("Schedule", None),
            None,
        )],
        ..Job::default()
    };
    store.commit(&work(scope), job).await?;
    Ok(count)
}

/// Holds a slot, releases it or takes it back.
///
/// # Errors
/// `NotFound`; `BusinessRule` if it is booked; `Conflict` if others came between again and again.
pub async fn change_slot(
    store: &Store,
    scope: &Scope,
    id: &str,
    hold: Hold,
) -> Result<(), Problem> {
    let status = match hold {
        Hold::Hold => "busy-tentative",
        Hold::Release => "free",
        Hold::TakeBack => "busy-unavailable",
    };
    let work = work(scope);
    for _ in 0..TRIES_MAX {
        let Some(mut slot) = AtHand::read(store, &work, "Slot", id).await? else {
            return Err(no_slot());
        };
        if slot.status() == "busy" {
            let message = "This slot is booked. Cancel its appointment first, which frees it.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        slot.set("status", json!(status));
        let mut job = Job::change(slot.put(store.organisation())?);
        let what = ("Slot", Some(id));
        job.traces
            .push(line(scope, Interaction::KeepDiary, what, None));
        match store.commit(&work, job).await {
            Err(problem) if problem.came_between() => {}
            done => return done.map(|_| ()),
        }
    }
    Err(came_between())
}

/// Books a slot of this node's diary.
///
/// # Errors
/// `NotFound` if there is no such slot; `BusinessRule` if a patient holds as many as one may; `Conflict` if others came
/// between again and again; those of the store.
pub async fn book(store: &Store, scope: &Scope, wish: &Wish<'_>) -> Result<Came, Problem> {
    book_with(store, scope, wish, More::default()).await
}

/// The same, with further members of the Appointment, such as who booked it, and over further slots.
///
/// # Errors
/// As `book`; `Value` if the slots are not adjacent.
pub async fn book_with(
    store: &Store,
    scope: &Scope,
    wish: &Wish<'_>,
    more: More<'_>,
) -> Result<Came, Problem> {
    let id = booking_id(wish);
    let own = store.organisation().clone();
    let names = (id.as_str(), &own, id.as_str());
    // Its type is in no caller's.
    let nothing = &|_: &Offer| Ok(Job::default());
    Box::pin(booked(store, scope, wish, names, (more, nothing))).await
}

/// The same, with what else is to be done in its commit, for a node that exchanges with nobody.
///
/// # Errors
/// As `book`; `Conflict` where somebody changed meanwhile what that is about: nothing is booked then.
pub async fn book_beside(
    store: &Store,
    scope: &Scope,
    wish: &Wish<'_>,
    beside: Job,
) -> Result<Came, Problem> {
    let id = booking_id(wish);
    let own = store.organisation().clone();
    let names = (id.as_str(), &own, id.as_str());
    let once = once(beside);
    let tell = &|_: &Offer| once();
    Box::pin(booked(store, scope, wish, names, (More::default(), tell))).await
}

/// A job that can be had once: it was made for things as they were, and what others change meanwhile is looked at anew by who
/// made it.
pub(super) fn once(beside: Job) -> impl Fn() -> Result<Job, Problem> + Send + Sync {
    let beside = Mutex::new(Some(beside));
    move || beside.lock().take().ok_or_else(came_between)
}

/// Books under that Appointment's id, as asked for by that organisation under the second id, with what the job says beside.
pub(super) async fn booked(
    store: &Store,
    scope: &Scope,
    wish: &Wish<'_>,
    (id, asker, asked_as): (&str, &Ods, &str),
    (more, tell): (More<'_>, TellingOffer<'_>),
) -> Result<Came, Problem> {
    check_reason(wish.reason)?;
    let (own, work) = (store.organisation(), work(scope));
    for _ in 0..TRIES_MAX {
        let now = store.now();
        let few = match wish.audience {
            Audience::Patients => check_few(store, &work, wish.patient).await,
            Audience::Staff | Audience::Organisations => Ok(()),
        };
        let slots = wanted(store, &work, (wish.slot, more.further)).await;
        // Looked for last: what the same form did meanwhile, sent twice, is then seen here and not taken for somebody
        // else's in what was read before.
        if let Some(known) = store.booking(&work, id).await? {
            return Ok(Came::Booked(known.id));
        }
        let slots = slots?;
        if !slots.iter().all(|it| is_open(it, wish.audience, now)) {
            return Ok(Came::Taken);
        }
        few?;
        let offer = as_one(&slots).ok_or_else(no_slot)?;
        let visit = NewVisit {
            patient: wish.patient,
            offer: &offer,
            reason: wish.reason,
            holder: own,
            is_here: true,
            is_booked: true,
            created: now,
        };
        let mut job = Job::default();
        for slot in &slots {
            job.changes
                .extend(with_status(store, &work, slot, "busy").await?);
        }
        if job.changes.len() < slots.len() {
            continue;
        }
        let made = (Expect::Absent, Release::At(now));
        let mut resource = visit.resource_with(more.members);
        name_all(&mut resource, &slots);
        job.changes.push(put(&resource, id, own, made)?);
        job.effects.extend(kept(id, &slots));
        let told = tell(&offer)?;
        job.changes.extend(told.changes);
        job.effects.extend(told.effects);
        job.traces.extend(told.traces);
        let booking = Booking {
            slot: offer.slot.clone(),
            starts_at: offer.starts,
            state: BookingState::Booked,
            ..asked_row((id, wish.patient), own, (asker, asked_as), now)
        };
        job.effects.push(written(booking, Was::Nothing));
        let what = ("Appointment", Some(id));
        let patient = Some(wish.patient);
        job.traces
            .push(line(scope, Interaction::Book, what, patient));
        match store.commit(&work, job).await {
            Err(problem) if problem.came_between() => {}
            done => return done.map(|_| Came::Booked(id.to_string())),
        }
    }
    Err(came_between())
}

/// The row of a booking in that holder's diary, as it is asked for: under which id the asker has it, and of no slot yet.
pub(super) fn asked_row(
    (id, patient): (&str, &str),
    holder: &Ods,
    (asker, asked_as): (&Ods, &str),
    now: Millis,
) -> Booking {
    Booking {
        id: id.to_string(),
        patient: patient.to_string(),
        holder: holder.to_string(),
        asker: asker.to_string(),
        asked_as: asked_as.to_string(),
        slot: String::new(),
        starts_at: 0,
        state: BookingState::Asked,
        asked_at: now,
        state_at: now,
        parcel: String::new(),
        instead_of: String::new(),
        reason: String::new(),
        next: String::new(),
    }
}

/// Moves an appointment of this node's diary to another slot of it: the old one is free and the new one taken in one
/// commit.
///
/// # Errors
/// As `book`; `BusinessRule` if the appointment cannot be moved.
pub async fn move_to(
    store: &Store,
    scope: &Scope,
    booking: &Booking,
    (slot, audience): (&str, Audience),
) -> Result<Came, Problem> {
    Box::pin(moved(store, scope, booking, (slot, audience))).await
}

async fn moved(
    store: &Store,
    scope: &Scope,
    booking: &Booking,
    (to, audience): (&str, Audience),
) -> Result<Came, Problem> {
    let (own, work) = (store.organisation(), work(scope));
    for _ in 0..TRIES_MAX {
        let slot = store.slot(&work, to).await?;
        // After the slot, as in `booked`.
        let booking = store.booking(&work, &booking.id).await?;
        let booking = booking.ok_or_else(no_booking)?;
        let now = store.now();
        if booking.slot == to && booking.state == BookingState::Booked {
            return Ok(Came::Booked(booking.id));
        }
        check_live(&booking, now)?;
        check_one_slot(store, &work, &booking).await?;
        let slot = slot.ok_or_else(no_slot)?;
        if !is_open(&slot, audience, now) {
            return Ok(Came::Taken);
        }
        let visit = AtHand::read(store, &work, "Appointment", &booking.id).await?;
        let mut visit = visit.ok_or_else(no_booking)?;
        visit.move_to(&Offer::of(&slot));
        let Some(taken) = with_status(store, &work, &slot, "busy").await? else {
            continue;
        };
        let mut job = Job::change(taken);
        job.changes.push(visit.put(own)?);
        job.changes
            .extend(freed(store, &work, &booking.slot).await?);
        let id = booking.id.clone();
        let patient = booking.patient.clone();
        let next = Booking {
            slot: slot.id.clone(),
            starts_at: slot.starts_at,
            state_at: now,
            ..booking
        };
        job.effects
            .push(written(next, Was::In(BookingState::Booked)));
        let what = ("Appointment", Some(id.as_str()));
        job.traces
            .push(line(scope, Interaction::Book, what, Some(&patient)));
        match store.commit(&work, job).await {
            Err(problem) if problem.came_between() => {}
            done => return done.map(|_| Came::Booked(id)),
        }
    }
    Err(came_between())
}

/// Cancels an appointment of this node's diary; its slot is free again, unless its time is over. What is cancelled
/// already stays so.
///
/// # Errors
/// `NotFound`; `BusinessRule` if it is over; `Conflict` if others came between again and again; those of the store.
pub async fn cancel(store: &Store, scope: &Scope, id: &str, reason: &str) -> Result<(), Problem> {
    Box::pin(cancelled(store, scope, (id, reason), &|_| Ok(Vec::new()))).await
}

/// What goes with a booking in its commit: by which another organisation is told of what is booked, and why it was.
pub(super) type TellingOffer<'t> = &'t (dyn Fn(&Offer) -> Result<Job, Problem> + Send + Sync);

/// The effects by which another organisation is told of it.
pub(super) type Telling<'t> = &'t (dyn Fn(&Booking) -> Result<Vec<Effect>, Problem> + Send + Sync);

pub(super) async fn cancelled(
    store: &Store,
    scope: &Scope,
    (id, reason): (&str, &str),
    tell: Telling<'_>,
) -> Result<(), Problem> {
    check_reason(reason)?;
    let (own, work) = (store.organisation(), work(scope));
    for _ in 0..TRIES_MAX {
        let booking = store.booking(&work, id).await?;
        let booking = booking.ok_or_else(no_booking)?;
        if booking.state == BookingState::Cancelled {
            return Ok(());
        }
        let now = store.now();
        check_live(&booking, now)?;
        let visit = AtHand::read(store, &work, "Appointment", id).await?;
        let mut visit = visit.ok_or_else(no_booking)?;
        visit.cancel(reason);
        let mut job = Job::change(visit.put(own)?);
        free_all(store, &work, &booking, &mut job).await?;
        let patient = booking.patient.clone();
        let next = Booking {
            state: BookingState::Cancelled,
            state_at: now,
            reason: reason.to_string(),
            ..booking
        };
        job.effects.extend(tell(&next)?);
        job.effects
            .push(written(next, Was::In(BookingState::Booked)));
        let what = ("Appointment", Some(id));
        let action = Interaction::CancelAppointment;
        job.traces.push(line(scope, action, what, Some(&patient)));
        match store.commit(&work, job).await {
            Err(problem) if problem.came_between() => {}
            done => return done.map(|_| ()),
        }
    }
    Err(came_between())
}

/// The id of the Appointment that a form makes: the same form makes the same.
pub(crate) fn booking_id(wish: &Wish<'_>) -> String {
    Letter::parcel_id(&["appointment", wish.patient, wish.attempt])
}

pub(super) fn written(booking: Booking, was: Was) -> Effect {
    let booking = Box::new(booking);
    Effect::Diary(DiaryWrite::Put { booking, was })
}

/// The slot's resource with another status, if it is still at the version that was looked at.
pub(super) async fn with_status(
    store: &Store,
    work: &Scope,
    slot: &Slot,
    status: &str,
) -> Result<Option<store::Change>, Problem> {
    let Some(mut at_hand) = AtHand::read(store, work, "Slot", &slot.id).await? else {
        return Ok(None);
    };
    if at_hand.status() != slot.status {
        return Ok(None);
    }
    at_hand.set("status", Value::from(status));
    at_hand.put(store.organisation()).map(Some)
}

/// What frees the slot of a booking that ends, if it is there and was busy with it.
pub(super) async fn freed(
    store: &Store,
    work: &Scope,
    slot: &str,
) -> Result<Option<store::Change>, Problem> {
    let Some(slot) = store.slot(work, slot).await? else {
        return Ok(None);
    };
    match slot.status.as_str() {
        "busy" => with_status(store, work, &slot, "free").await,
        _ => Ok(None),
    }
}

/// A booking over several slots is not moved: the time it would move to is one slot's.
async fn check_one_slot(store: &Store, work: &Scope, booking: &Booking) -> Result<(), Problem> {
    if store.further_slots(work, &booking.id).await?.is_empty() {
        return Ok(());
    }
    let message =
        "This appointment is longer than one slot. Cancel it, and book another in its place.";
    Err(Problem::new(Kind::BusinessRule, message))
}

/// Whether a booking can still be moved or cancelled.
pub(super) fn check_live(booking: &Booking, now: Millis) -> Result<(), Problem> {
    if !booking.state.is_live() {
        let message = "This appointment is not booked any more.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    if booking.starts_at <= now {
        let message = "This appointment has begun or is over; it cannot be changed any more.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    Ok(())
}

pub(super) async fn check_few(store: &Store, work: &Scope, patient: &str) -> Result<(), Problem> {
    let now = store.now();
    let live = store.bookings_of(work, patient).await?;
    let live = live
        .iter()
        .filter(|it| it.state.is_live() && it.starts_at > now);
    if live.count() >= LIVE_MAX {
        let message =
            "You have as many appointments as can be booked online. Contact the practice for more.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    Ok(())
}

/// The log's line for what somebody did.
pub(super) fn line(
    scope: &Scope,
    action: Interaction,
    (ty, id): (&'static str, Option<&str>),
    patient: Option<&str>,
) -> access::AuditEntry {
    let target = Target {
        ty: ty.into(),
        id: id.map(str::to_string),
        patient: patient.map(str::to_string),
        ..Target::default()
    };
    scope.trace(action, Outcome::Success, target)
}

pub(super) fn no_slot() -> Problem {
    Problem::new(
        Kind::NotFound,
        "There is no such appointment to be had here.",
    )
}

pub(super) fn no_booking() -> Problem {
    Problem::new(Kind::NotFound, "There is no such appointment here.")
}
