//! The worker that sees to bookings in the organisation's own system: books, cancels, and looks again how they stand.
//! Whether a request that broke off was done is not guessed: the patient's appointments there are read first.

mod slots;

use std::sync::Arc;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::gp_connect::{DESCRIPTION_CHARS_MAX, Offered, Seen, WINDOW_MILLIS, Wanted};
use fhir::problem::{Kind, Problem};
use fhir::search::fold;
use store::Job;
use store::diary::{Booking, BookingState, SystemBooking, Was};
use tokio::sync::watch;

use super::local::{no_booking, written};
use super::resource::AtHand;
use super::system::{ending, kept, offer};
use super::{NEXT_MAX, Offer};
use crate::exchange::Exchange;
use crate::gp_connect::System;
use crate::gp_connect::system::{Known, No};

/// Bookings that are seen to in one go.
const AT_ONCE: u32 = 100;
const SECOND: Millis = 1_000;
/// After so many tries the wait grows no longer.
const DOUBLINGS_MAX: i64 = 8;
/// How often it is looked how a booking stands there.
const LOOK_MILLIS: Millis = 15 * 60_000;
const MOVED: &str = "Moved to another time.";
const UNKNOWN: &str =
    "The practice's system knows nobody with this NHS number, date of birth and family name.";
const TOO_LATE: &str = "Its time came before it could be booked.";
const GONE: &str = "It is not in the practice's diary any more.";
const THEY_CANCELLED: &str = "The practice cancelled it.";

/// What came of seeing to one.
enum Step {
    Booked(Seen),
    /// It was booked just now, and free a moment before; what is free like it.
    Won(Seen, Vec<Offer>),
    Taken(Vec<Offer>),
    Refused(String),
    Cancelled(String),
    /// It stands as it is known.
    Stands,
    /// Nothing can be told yet, for that reason.
    Later(String),
    /// Nothing is to be seen to any more.
    Over,
}

impl From<No> for Step {
    fn from(no: No) -> Step {
        Step::Later(no.words().to_string())
    }
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::KeepAppointments)
}

/// The worker, where there is such a system.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    if !exchange.has_system() {
        return;
    }
    let nap = std::time::Duration::from_millis(exchange.settings.poll_millis.max(1));
    while !*stopped.borrow() {
        match Box::pin(exchange.carry_system_bookings()).await {
            Ok(count) if count >= AT_ONCE as usize => continue,
            Ok(_) => {}
            Err(problem) => {
                tracing::error!(?problem, "bookings in the own system could not be seen to");
            }
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = exchange.system_asked.notified() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

impl Exchange {
    /// Sees to what is due; gives how many bookings. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn carry_system_bookings(&self) -> Result<usize, Problem> {
        let Some(system) = self.settings.system.clone() else {
            return Ok(0);
        };
        let due = self.store.system_bookings_due(&scope(), AT_ONCE).await?;
        let count = due.len();
        Box::pin(self.carry_slots(&system, due)).await?;
        Ok(count)
    }

    async fn carry_step(
        &self,
        system: &System,
        row: &SystemBooking,
        booking: &Booking,
    ) -> Result<Step, Problem> {
        let now = self.store.now();
        let is_over = booking.starts_at <= now;
        Ok(match booking.state {
            BookingState::Asked if is_over => Step::Refused(TOO_LATE.into()),
            BookingState::Asked => self.book_there(system, row, booking).await?,
            BookingState::Booked if is_over => Step::Over,
            BookingState::Booked => look(system, row, booking, now).await,
            BookingState::Cancelling | BookingState::Cancelled if is_over => {
                Step::Cancelled(booking.reason.clone())
            }
            BookingState::Cancelling | BookingState::Cancelled => {
                match self.end_there(system, row, booking).await? {
                    Ok(()) => Step::Cancelled(booking.reason.clone()),
                    Err(why) => Step::Later(why),
                }
            }
            BookingState::Taken | BookingState::Refused => Step::Over,
        })
    }

    /// The patient there, who is the same by number, date of birth and family name.
    async fn patient_there(
        &self,
        system: &System,
        (patient, asker): (&str, (&str, Millis)),
    ) -> Result<Result<Known, Step>, Problem> {
        let who = match self.known_as(&scope(), patient).await {
            Err(problem) if matches!(problem.kind, Kind::BusinessRule | Kind::NotFound) => {
                return Ok(Err(Step::Refused(problem.message.to_string())));
            }
            who => who?,
        };
        let number = who.nhs_number.clone().unwrap_or_default();
        Ok(match system.patient(&number, asker).await {
            Err(no @ No::NotNow(_)) => Err(no.into()),
            Err(No::Refused(..)) | Ok(None) => Err(Step::Refused(UNKNOWN.into())),
            Ok(Some(known)) => {
                let family = fold(&who.family);
                let same_name = known.families.iter().any(|it| fold(it) == family);
                match same_name && who.birth_date.as_deref() == Some(known.born.as_str()) {
                    true => Ok(known),
                    false => Err(Step::Refused(UNKNOWN.into())),
                }
            }
        })
    }

    /// The same person there, if there is one; or why that is not told.
    pub(super) async fn same_there(
        &self,
        system: &System,
        about: (&str, (&str, Millis)),
    ) -> Result<Result<Option<Known>, String>, Problem> {
        Ok(match self.patient_there(system, about).await? {
            Ok(known) => Ok(Some(known)),
            Err(Step::Later(why)) => Err(why),
            Err(_) => Ok(None),
        })
    }

    async fn book_there(
        &self,
        system: &System,
        row: &SystemBooking,
        booking: &Booking,
    ) -> Result<Step, Problem> {
        let now = self.store.now();
        let asker = (row.asked_by.as_str(), now);
        let about = (booking.patient.as_str(), asker);
        let patient = match self.patient_there(system, about).await? {
            Ok(known) => known.id,
            Err(step) => return Ok(step),
        };
        if self.has_by_another_form(booking).await? {
            // It is theirs already, by another form.
            return Ok(Step::Taken(Vec::new()));
        }
        match standing(system, &patient, booking, asker).await {
            Err(no) => return Ok(no.into()),
            Ok(Some(seen)) => return Ok(Step::Booked(seen)),
            Ok(None) => {}
        }
        let visit = AtHand::read(&self.store, &scope(), "Appointment", &booking.id).await?;
        let visit = visit.ok_or_else(no_booking)?;
        let (kind, with, reason) = visit.words();
        let span = (
            booking.starts_at,
            booking.starts_at.saturating_add(WINDOW_MILLIS),
        );
        let free = match system.free(span, asker).await {
            Ok(free) => free,
            Err(no) => return Ok(no.into()),
        };
        let next = |free: &[Offered]| {
            let like = free
                .iter()
                .filter(|it| it.kind == kind && it.with == with && it.slot != booking.slot);
            let offers = like.map(offer).filter(|it| it.check().is_ok());
            offers.take(NEXT_MAX as usize).collect::<Vec<Offer>>()
        };
        let slot = free
            .iter()
            .find(|it| it.slot == booking.slot && it.starts == booking.starts_at);
        let Some(slot) = slot else {
            return Ok(Step::Taken(next(&free)));
        };
        let wanted = wanted(system, (patient.clone(), slot), &reason, now);
        Ok(match system.book(&wanted, asker).await {
            Ok(seen) if seen.status == "booked" && seen.patient == patient => {
                Step::Won(seen, next(&free))
            }
            Ok(_) => Step::Later("It answered with another appointment.".into()),
            // It may be this very booking, made by a request whose answer was lost.
            Err(no) if no.is_taken() => match standing(system, &patient, booking, asker).await {
                Ok(Some(seen)) => Step::Booked(seen),
                Ok(None) => Step::Taken(next(&free)),
                Err(no) => no.into(),
            },
            Err(No::Refused(_, words)) => {
                Step::Refused(format!("The practice's system did not book it. {words}"))
            }
            Err(no) => no.into(),
        })
    }

    /// Whether the patient has that slot already, by another form.
    pub(super) async fn has_by_another_form(&self, booking: &Booking) -> Result<bool, Problem> {
        let known = self.store.bookings_of(&scope(), &booking.patient).await?;
        Ok(known.iter().any(|it| {
            it.id != booking.id
                && it.holder == booking.holder
                && it.slot == booking.slot
                && it.state == BookingState::Booked
        }))
    }

    /// Ends it there, if it is there; or why that is not known yet.
    async fn end_there(
        &self,
        system: &System,
        row: &SystemBooking,
        booking: &Booking,
    ) -> Result<Result<(), String>, Problem> {
        let asker = (row.asked_by.as_str(), self.store.now());
        let said = |no: No| Ok(Err(no.words().to_string()));
        let remote = match row.remote.as_str() {
            "" => {
                let about = (booking.patient.as_str(), asker);
                let patient = match self.patient_there(system, about).await? {
                    Ok(known) => known.id,
                    Err(Step::Later(why)) => return Ok(Err(why)),
                    // Nobody there for whom anything could be booked.
                    Err(_) => return Ok(Ok(())),
                };
                match standing(system, &patient, booking, asker).await {
                    Ok(Some(seen)) => seen.id,
                    Ok(None) => return Ok(Ok(())),
                    Err(no) => return said(no),
                }
            }
            remote => remote.to_string(),
        };
        let (seen, whole) = match system.appointment(&remote, asker).await {
            Ok(read) => read,
            Err(no) if no.is_gone() => return Ok(Ok(())),
            Err(no) => return said(no),
        };
        if seen.status == "cancelled" {
            return Ok(Ok(()));
        }
        let reason = match booking.reason.as_str() {
            "" => "No reason was given.",
            reason => reason,
        };
        match system.cancel((&seen, &whole), reason, asker).await {
            Ok(()) => Ok(Ok(())),
            Err(no) => said(no),
        }
    }

    /// Writes down what came of it, in one commit.
    async fn taken(
        &self,
        row: &SystemBooking,
        booking: &Booking,
        step: Step,
    ) -> Result<(), Problem> {
        let now = self.store.now();
        let mut job = Job::default();
        let mut kept_row = SystemBooking {
            tries: 0,
            due_at: SystemBooking::NEVER,
            last_error: String::new(),
            ..row.clone()
        };
        let mut next = Booking {
            state_at: now,
            ..booking.clone()
        };
        match step {
            Step::Stands => kept_row.due_at = now.saturating_add(LOOK_MILLIS),
            Step::Over => {}
            Step::Later(why) => {
                let wait = match booking.state {
                    BookingState::Booked => LOOK_MILLIS,
                    _ => SECOND << row.tries.clamp(0, DOUBLINGS_MAX),
                };
                kept_row.tries = row.tries.saturating_add(1);
                kept_row.due_at = now.saturating_add(wait);
                kept_row.last_error = why.chars().take(500).collect();
            }
            Step::Booked(seen) | Step::Won(seen, _) => {
                kept_row.remote.clone_from(&seen.id);
                kept_row.due_at = now.saturating_add(LOOK_MILLIS);
                next.state = BookingState::Booked;
                next.starts_at = seen.starts;
                self.change(booking, &next, Some(&seen), &mut job).await?;
                if booking.state == BookingState::Asked {
                    self.end_replaced(&booking.instead_of, now, &mut job)
                        .await?;
                }
            }
            Step::Taken(offers) => {
                next.state = BookingState::Taken;
                next.next = serde_json::to_string(&offers).unwrap_or_default();
                self.change(booking, &next, None, &mut job).await?;
            }
            Step::Refused(why) => {
                next.state = BookingState::Refused;
                next.reason = why;
                self.change(booking, &next, None, &mut job).await?;
            }
            Step::Cancelled(_) if booking.state == BookingState::Cancelled => {}
            Step::Cancelled(why) => {
                next.state = BookingState::Cancelled;
                next.reason = why;
                self.change(booking, &next, None, &mut job).await?;
            }
        }
        job.effects.push(kept(kept_row));
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    /// The booking, and its Appointment, from how they stood to how they stand.
    async fn change(
        &self,
        booking: &Booking,
        next: &Booking,
        seen: Option<&Seen>,
        job: &mut Job,
    ) -> Result<(), Problem> {
        let visit = AtHand::read(&self.store, &scope(), "Appointment", &booking.id).await?;
        let mut visit = visit.ok_or_else(no_booking)?;
        match seen {
            Some(seen) => visit.confirm(&Offer {
                slot: booking.slot.clone(),
                starts: seen.starts,
                ends: seen.ends,
                kind: String::new(),
                with: String::new(),
            }),
            None => visit.cancel(&next.reason),
        }
        job.changes.push(visit.put(self.organisation())?);
        job.effects
            .push(written(next.clone(), Was::In(booking.state)));
        let target = Target {
            ty: "Appointment".into(),
            id: Some(booking.id.clone()),
            patient: Some(booking.patient.clone()),
            query: Some(format!("own-system={}", next.state.code()).into()),
            ..Target::default()
        };
        job.traces
            .push(scope().trace(Interaction::System, Outcome::Success, target));
        Ok(())
    }

    /// What the new one came in the place of is ended there too: GP Connect moves nothing.
    async fn end_replaced(&self, old: &str, now: Millis, job: &mut Job) -> Result<(), Problem> {
        if old.is_empty() {
            return Ok(());
        }
        let booking = self.store.booking(&scope(), old).await?;
        let system = self.store.system_booking(&scope(), old).await?;
        if let (Some(booking), Some(system)) = (booking.filter(|it| it.state.is_live()), system) {
            job.effects.extend(ending(&booking, system, (MOVED, now)).0);
        }
        Ok(())
    }
}

/// The patient's booked appointment there in that slot.
async fn standing(
    system: &System,
    patient: &str,
    booking: &Booking,
    asker: (&str, Millis),
) -> Result<Option<Seen>, No> {
    let span = (booking.starts_at, booking.starts_at);
    let theirs = system.appointments(patient, span, asker).await?;
    let found = theirs.into_iter().find(|it| {
        it.status == "booked" && it.patient == patient && it.slots.contains(&booking.slot)
    });
    Ok(found)
}

async fn look(system: &System, row: &SystemBooking, booking: &Booking, now: Millis) -> Step {
    let asker = (row.asked_by.as_str(), now);
    match system.appointment(&row.remote, asker).await {
        Ok((seen, _)) if matches!(seen.status.as_str(), "cancelled" | "entered-in-error") => {
            Step::Cancelled(match seen.cancelled.as_str() {
                "" => THEY_CANCELLED.into(),
                why => why.chars().take(500).collect(),
            })
        }
        Ok((seen, _)) if seen.starts != booking.starts_at => Step::Booked(seen),
        Ok(_) => Step::Stands,
        Err(no) if no.is_gone() => Step::Cancelled(GONE.into()),
        Err(no) => no.into(),
    }
}

fn wanted(
    system: &System,
    (patient, slot): (String, &Offered),
    reason: &str,
    now: Millis,
) -> Wanted {
    let fits = reason.chars().count() <= DESCRIPTION_CHARS_MAX;
    Wanted {
        patient,
        location: slot.location.clone(),
        slots: vec![slot.slot.clone()],
        starts: slot.starts,
        ends: slot.ends,
        created: now,
        description: match (reason.is_empty(), fits) {
            (true, _) => "Booked online".to_string(),
            (false, true) => reason.to_string(),
            (false, false) => "Booked online; the reason is in the comment".to_string(),
        },
        comment: match fits {
            true => String::new(),
            false => reason.to_string(),
        },
        booked_by: system.booked_by.clone(),
    }
}
