//! Appointments in the diary of the organisation's own system (GP Connect): what it offers, what is asked of it, and the
//! end of what it holds. Each is written down here first, and carried by `carry`.
//!
//! Invariant: what that system has not said is booked is never shown as booked.

use std::time::Duration;

use access::{Interaction, Outcome, Scope, Target};
use fhir::date::Millis;
use fhir::gp_connect::{Offered, WINDOW_MILLIS};
use fhir::problem::{Kind, Problem};
use futures_util::future::join_all;
use store::diary::{Audience, Booking, BookingState, DiaryWrite, SystemBooking, Was};
use store::{Effect, Expect, Job, Release};

use super::local::{asked_row, booking_id, check_few, check_live, line, no_booking, written};
use super::resource::{AtHand, NewVisit, put};
use super::{AHEAD_MILLIS, Came, Ended, FreeThere, Offer, Wish, check_reason, work};
use crate::exchange::Exchange;

/// Offers that are shown.
const OFFERS_MAX: usize = 300;

/// How far it is in that system, as an effect.
pub(super) fn kept(booking: SystemBooking) -> Effect {
    Effect::Diary(DiaryWrite::System(booking))
}

pub(super) fn offer(it: &Offered) -> Offer {
    Offer {
        slot: it.slot.clone(),
        starts: it.starts,
        ends: it.ends,
        kind: it.kind.chars().take(200).collect(),
        with: it.with.chars().take(200).collect(),
    }
}

impl Exchange {
    /// Whether the organisation's own system is booked into from here.
    pub fn has_system(&self) -> bool {
        self.settings.system.is_some()
    }

    /// Asks the organisation's own system for what is free in the next six weeks, within the set time, in the name of
    /// that person; `None` where there is no such system.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not about the diary; those of the store.
    pub async fn free_in_system(
        &self,
        scope: &Scope,
        person: &str,
    ) -> Result<Option<FreeThere>, Problem> {
        Box::pin(self.asked_system(scope, person)).await
    }

    async fn asked_system(
        &self,
        scope: &Scope,
        person: &str,
    ) -> Result<Option<FreeThere>, Problem> {
        let Some(system) = &self.settings.system else {
            return Ok(None);
        };
        if scope.interaction() != Interaction::Slots {
            let message = "This caller does not look for appointments.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let target = Target {
            ty: "Slot".into(),
            query: Some("asked=own-system".into()),
            ..Target::default()
        };
        let traced = Job {
            traces: vec![scope.trace(Interaction::Slots, Outcome::Success, target)],
            ..Job::default()
        };
        self.store.commit(&work(scope), traced).await?;
        let now = self.store.now();
        // Two weeks are asked for at a time.
        let windows = (0..AHEAD_MILLIS / WINDOW_MILLIS).map(|number| {
            let from = now.saturating_add(number.saturating_mul(WINDOW_MILLIS));
            system.free((from, from.saturating_add(WINDOW_MILLIS)), (person, now))
        });
        let limit = Duration::from_millis(self.settings.ask_millis);
        let offers = match tokio::time::timeout(limit, join_all(windows)).await {
            Ok(answers) => {
                let all: Result<Vec<Vec<Offered>>, _> = answers.into_iter().collect();
                let all = all.map_err(|no| no.words().to_string());
                all.map(|all| offers(&all.concat(), now))
            }
            Err(_) => {
                let seconds = limit.as_secs_f32();
                Err(format!("No answer came within {seconds} s."))
            }
        };
        Ok(Some(FreeThere {
            organisation: self.organisation().clone(),
            offers,
        }))
    }

    /// Asks the organisation's own system for a slot that it offered. `by` is the name of who asks; `instead_of` the
    /// booking there in whose place it is to come, which stands until the new one is confirmed.
    ///
    /// # Errors
    /// `NotSupported` where there is no such system; `BusinessRule` if the patient's record lacks what they are known by
    /// there, or a patient holds as many as one may; those of the store.
    pub async fn ask_system_for(
        &self,
        scope: &Scope,
        offer: &Offer,
        wish: &Wish<'_>,
        (by, instead_of): (&str, Option<&Booking>),
    ) -> Result<Came, Problem> {
        let came = Box::pin(self.asked_system_for(scope, offer, wish, (by, instead_of))).await;
        self.system_asked.notify_one();
        came
    }

    /// What came of a wish before anybody is asked: it was asked for already, or its time is over. `None`: it can be
    /// asked for.
    pub(super) async fn came_before(
        &self,
        work: &Scope,
        (id, now): (&str, Millis),
        (offer, wish): (&Offer, &Wish<'_>),
        instead_of: Option<&Booking>,
    ) -> Result<Option<Came>, Problem> {
        let few = match wish.audience == Audience::Patients && instead_of.is_none() {
            true => check_few(&self.store, work, wish.patient).await,
            false => Ok(()),
        };
        // After the count, which has the same form's own booking in it if that was sent twice.
        if let Some(known) = self.store.booking(work, id).await? {
            return Ok(Some(Came::Asked(known.id)));
        }
        if offer.starts <= now {
            return Ok(Some(Came::Taken));
        }
        if let Some(old) = instead_of {
            check_live(old, now)?;
        }
        few.map(|()| None)
    }

    async fn asked_system_for(
        &self,
        scope: &Scope,
        offer: &Offer,
        wish: &Wish<'_>,
        (by, instead_of): (&str, Option<&Booking>),
    ) -> Result<Came, Problem> {
        check_reason(wish.reason)?;
        offer.check()?;
        if !self.has_system() {
            let message = "The organisation's own system cannot be asked from here.";
            return Err(Problem::new(Kind::NotSupported, message));
        }
        let work = work(scope);
        let id = booking_id(wish);
        let now = self.store.now();
        let before = self.came_before(&work, (&id, now), (offer, wish), instead_of);
        if let Some(came) = before.await? {
            return Ok(came);
        }
        // Whom nobody could tell from others there is not asked for.
        self.known_as(&work, wish.patient).await?;
        let own = self.organisation();
        let visit = NewVisit {
            patient: wish.patient,
            offer,
            reason: wish.reason,
            holder: own,
            is_here: false,
            is_booked: false,
            created: now,
        };
        let made = (Expect::Absent, Release::At(now));
        let mut job = Job::change(put(&visit.resource(), &id, own, made)?);
        let booking = Booking {
            slot: offer.slot.clone(),
            starts_at: offer.starts,
            instead_of: instead_of.map_or(String::new(), |it| it.id.clone()),
            ..asked_row((&id, wish.patient), own, (own, &id), now)
        };
        job.effects.push(written(booking, Was::Nothing));
        job.effects.push(kept(SystemBooking {
            id: id.clone(),
            remote: String::new(),
            asked_by: by.chars().take(200).collect(),
            tries: 0,
            due_at: now,
            last_error: String::new(),
        }));
        let what = ("Appointment", Some(id.as_str()));
        let patient = Some(wish.patient);
        job.traces
            .push(line(scope, Interaction::Book, what, patient));
        match self.store.commit(&work, job).await {
            // The same form came twice at a time.
            Err(problem) if problem.came_between() => match self.store.booking(&work, &id).await? {
                Some(known) => Ok(Came::Asked(known.id)),
                None => Err(problem),
            },
            done => done.map(|_| Came::Asked(id)),
        }
    }

    /// Has the organisation's own system end a booking; `None` if it is not there, or somebody else came between.
    pub(super) async fn cancel_in_system(
        &self,
        scope: &Scope,
        booking: &Booking,
        reason: &str,
    ) -> Result<Option<Ended>, Problem> {
        let work = work(scope);
        let Some(system) = self.store.system_booking(&work, &booking.id).await? else {
            return Ok(None);
        };
        match booking.state {
            BookingState::Cancelled => return Ok(Some(Ended::Now)),
            BookingState::Cancelling => return Ok(Some(Ended::AskedFor)),
            _ => {}
        }
        let now = self.store.now();
        check_live(booking, now)?;
        let (effects, patient) = ending(booking, system, (reason, now));
        let mut job = Job {
            effects: effects.into(),
            ..Job::default()
        };
        let what = ("Appointment", Some(booking.id.as_str()));
        let action = Interaction::CancelAppointment;
        job.traces.push(line(scope, action, what, Some(&patient)));
        self.store.commit(&work, job).await?;
        Ok(Some(Ended::AskedFor))
    }

    /// Ends here what that system does not answer; whether there is such a booking. What it then holds all the same is
    /// ended there.
    pub(super) async fn settle_in_system(
        &self,
        scope: &Scope,
        booking: &Booking,
        reason: &str,
    ) -> Result<bool, Problem> {
        let work = work(scope);
        if booking.holder != self.organisation().as_str() {
            return Ok(false);
        }
        let Some(system) = self.store.system_booking(&work, &booking.id).await? else {
            return Ok(false);
        };
        if !matches!(
            booking.state,
            BookingState::Asked | BookingState::Cancelling
        ) {
            let message = "This booking does not wait for an answer.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let now = self.store.now();
        let visit = AtHand::read(&self.store, &work, "Appointment", &booking.id).await?;
        let mut visit = visit.ok_or_else(no_booking)?;
        visit.cancel(reason);
        let mut job = Job::change(visit.put(self.organisation())?);
        let ended = Booking {
            state: BookingState::Cancelled,
            state_at: now,
            reason: reason.to_string(),
            ..booking.clone()
        };
        job.effects.push(written(ended, Was::In(booking.state)));
        job.effects.push(kept(SystemBooking {
            tries: 0,
            due_at: now,
            ..system
        }));
        let what = ("Appointment", Some(booking.id.as_str()));
        let action = Interaction::CancelAppointment;
        let patient = Some(booking.patient.as_str());
        job.traces.push(line(scope, action, what, patient));
        self.store.commit(&work, job).await.map(|_| true)
    }
}

/// The effects by which that system is to end a booking, and whom it is about.
pub(super) fn ending(
    booking: &Booking,
    system: SystemBooking,
    (reason, now): (&str, Millis),
) -> ([Effect; 2], String) {
    let next = Booking {
        state: BookingState::Cancelling,
        state_at: now,
        reason: reason.to_string(),
        ..booking.clone()
    };
    let due = SystemBooking {
        tries: 0,
        due_at: now,
        ..system
    };
    let effects = [written(next, Was::In(booking.state)), kept(due)];
    (effects, booking.patient.clone())
}

fn offers(found: &[Offered], now: Millis) -> Vec<Offer> {
    let mut seen = std::collections::BTreeSet::new();
    let ahead = found
        .iter()
        .filter(|it| it.starts > now && seen.insert(it.slot.clone()));
    let offers = ahead.map(offer).filter(|it| it.check().is_ok());
    offers.take(OFFERS_MAX).collect()
}
