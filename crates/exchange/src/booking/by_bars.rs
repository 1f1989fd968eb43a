//! Appointments at organisations that are reached by BaRS (decision 0320): each message that asks for one, or ends it, is on the disk
//! with its ids before it leaves, and what came of it is what the holder says.
//!
//! Invariant: what the holder has not said is booked is never shown as booked.

use std::time::Duration;

use access::{Interaction, NhsNumber, Ods, Outcome as Logged, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::diary::{Booking, BookingState, SystemBooking, Was};
use store::referrals::{BarsOut, ReferralWrite};
use store::{Effect, Job};

use super::answer::MOVED;
use super::bars_text::{Asking, BOOKING, Seen, appointments, offers, slots_query};
use super::local::{no_booking, written};
use super::resource::AtHand;
use super::system::kept;
use super::text::{BookingText, Outcome};
use super::there::answer_text;
use super::{AHEAD_MILLIS, NEXT_MAX, Offer, TRIES_MAX, came_between, work};
use crate::bars::{Bars, Said, Service, Told};
use crate::exchange::Exchange;
use crate::gp_connect::system::encoded;
use crate::manifest::PatientNamed;
use crate::referrals::bars_make::uuid_of;

/// Offers of one organisation that are shown.
const OFFERS_MAX: usize = 100;
/// How often it is looked how a booking stands there.
const LOOK_MILLIS: Millis = 15 * 60_000;
/// How often it is looked whether an answer is here that somebody waits for.
const GLANCE: Duration = Duration::from_millis(50);
const TOO_LATE: &str = "Its time came before it could be booked.";
const THEY_CANCELLED: &str = "They cancelled it.";

/// What came of a message, or of a look.
pub(super) enum Came {
    /// The holder says so: the Appointment's id there, if told.
    Booked(String),
    Taken(Vec<Offer>),
    Refused(&'static str),
    Cancelled(String),
    /// It has another time.
    Moved(Seen),
    /// The holder has the message; how the booking stands is not told.
    Open,
    /// Nothing new.
    Stands,
    /// It is not taken, and will not be: for a person to see to.
    Stuck(String),
    Later(String),
}

/// A step of a booking that leaves.
pub(super) struct Leaving<'l> {
    pub booking: &'l str,
    pub patient: &'l str,
    pub who: &'l PatientNamed,
    pub offer: &'l Offer,
    pub reason: &'l str,
    /// 1 asks for it; each later one ends it.
    pub step: u32,
}

pub(super) fn scope() -> Scope {
    Scope::system(SystemPurpose::KeepAppointments)
}

impl Exchange {
    /// The way to whose diary it is, where that is by BaRS: a member is asked by its node.
    pub(super) fn booking_by_bars(&self, holder: &Ods) -> Option<(&Bars, Service)> {
        match self.book.listed(holder) {
            Some(_) => None,
            None => self.bars_service(holder.as_str()),
        }
    }

    /// What it offers from now on; or why that is not known.
    pub(super) async fn bars_offers(
        &self,
        (bars, to): (&Bars, &Service),
    ) -> Result<Vec<Offer>, String> {
        let now = self.store.now();
        let span = (now, now.saturating_add(AHEAD_MILLIS));
        let query = slots_query(&to.service, span);
        let path = format!("/Slot?{}", encoded(&query));
        let mut found = match self.bars_asked((bars, to), &path).await {
            (Told::There, said) => offers(&said.body, now),
            (Told::NotNow(why) | Told::Refused(why), _) => return Err(why),
        };
        found.truncate(OFFERS_MAX);
        Ok(found)
    }

    pub(super) async fn bars_asked(
        &self,
        (bars, to): (&Bars, &Service),
        path: &str,
    ) -> (Told, Said) {
        let own = self.organisation();
        let name = self.book.name(own.as_str());
        bars.ask(to, path, (own, &name)).await
    }

    /// The message that asks for a booking or ends it: its id, and the effect that queues it.
    pub(super) fn bars_booking(
        &self,
        (bars, to): (&Bars, &Service),
        leaving: &Leaving<'_>,
    ) -> (String, Effect) {
        let own = self.organisation();
        let name = self.book.name(own.as_str());
        let step = leaving.step.to_string();
        let parts = [
            "bars-booking",
            own.as_str(),
            to.ods.as_str(),
            leaving.booking,
            &step,
        ];
        let id = uuid_of(&parts);
        let now = self.store.now();
        let asking = Asking {
            id: &id,
            from: (own, &name),
            to,
            endpoint: &bars.own_endpoint,
            booking: leaving.booking,
            who: leaving.who,
            offer: leaving.offer,
            reason: leaving.reason,
            is_over: leaving.step > 1,
            at: now,
        };
        let message = BarsOut {
            id: id.clone(),
            referral: leaving.booking.to_string(),
            step: leaving.step,
            other: to.ods.to_string(),
            patient: leaving.patient.to_string(),
            event: BOOKING.to_string(),
            body: asking.bundle().to_string(),
            request_id: uuid_of(&["bars-request", &id]),
            correlation_id: uuid_of(&["bars-correlation", own.as_str(), leaving.booking]),
            tries: 0,
            next_try: now,
            made_at: now,
        };
        let queued = ReferralWrite::BarsQueue(Box::new(message));
        (id, Effect::Referral(queued))
    }

    /// The message that ends a booking which was asked for by BaRS; none if it was not.
    ///
    /// # Errors
    /// `BusinessRule` if no way by BaRS leads there any more; those of the store.
    pub(super) async fn bars_ending(
        &self,
        scope: &Scope,
        booking: &Booking,
        reason: &str,
    ) -> Result<Option<(String, Effect)>, Problem> {
        let work = work(scope);
        let steps = self.store.bars_steps(&work, &booking.id).await?;
        if steps == 0 {
            return Ok(None);
        }
        let (bars, to) = self.bars_service(&booking.holder).ok_or_else(|| {
            let message = "No way by BaRS leads to whose diary it is any more: ring them.";
            Problem::new(Kind::BusinessRule, message)
        })?;
        let visit = AtHand::read(&self.store, &work, "Appointment", &booking.id).await?;
        let visit = visit.ok_or_else(no_booking)?;
        let (kind, with, _) = visit.words();
        let offer = Offer {
            slot: booking.slot.clone(),
            starts: booking.starts_at,
            ends: visit.ends().unwrap_or(booking.starts_at),
            kind,
            with,
        };
        let who = self.known_as(&work, &booking.patient).await?;
        let leaving = Leaving {
            booking: &booking.id,
            patient: &booking.patient,
            who: &who,
            offer: &offer,
            reason,
            step: steps.saturating_add(1),
        };
        Ok(Some(self.bars_booking((bars, &to), &leaving)))
    }

    /// How a booking stands that was asked for by BaRS a moment ago, once its holder has answered or the set time is over; `None` if
    /// it goes another way.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bars_answer(&self, scope: &Scope, id: &str) -> Result<Option<Booking>, Problem> {
        let work = work(scope);
        if self.store.bars_steps(&work, id).await? == 0 {
            return Ok(None);
        }
        let limit = Duration::from_millis(self.settings.ask_millis);
        let ends_at = tokio::time::Instant::now() + limit;
        loop {
            let booking = self.store.booking(&work, id).await?;
            let waits = booking
                .as_ref()
                .is_some_and(|it| it.state == BookingState::Asked);
            if !waits || tokio::time::Instant::now() >= ends_at {
                return Ok(booking);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Writes down what came of sending a booking's message.
    pub(crate) async fn bars_booking_told(
        &self,
        (bars, to): (&Bars, &Service),
        it: &BarsOut,
        (told, said): (Told, Said),
    ) -> Result<(), Problem> {
        for _ in 0..TRIES_MAX {
            let booking = self.store.booking(&scope(), &it.referral).await?;
            let booking = booking.ok_or_else(no_booking)?;
            let came = match it.step {
                1 => {
                    self.bars_asked_for((bars, to), &booking, (&told, &said))
                        .await?
                }
                _ => ended((&told, &said), &booking),
            };
            match self.bars_came(&booking, Some(it), came).await {
                // Somebody changed it meanwhile.
                Err(problem) if problem.came_between() => {}
                done => return done,
            }
        }
        Err(came_between())
    }

    async fn bars_asked_for(
        &self,
        way: (&Bars, &Service),
        booking: &Booking,
        (told, said): (&Told, &Said),
    ) -> Result<Came, Problem> {
        let is_taken = said.is_conflict();
        Ok(match told {
            Told::There if !said.is_duplicate() => {
                let found = appointments(&said.body);
                match found.iter().find(|it| it.is_booked()) {
                    Some(seen) => Came::Booked(seen.id.clone()),
                    None => Came::Open,
                }
            }
            Told::NotNow(_) if booking.starts_at <= self.store.now() => Came::Refused(TOO_LATE),
            Told::NotNow(why) => Came::Later(why.clone()),
            Told::Refused(_) if is_taken && self.has_by_another_form(booking).await? => {
                Came::Taken(self.bars_like(way, booking).await?)
            }
            // It may be this very booking, made by a message whose answer was lost.
            Told::There | Told::Refused(_) if is_taken || said.is_duplicate() => {
                match self.bars_standing(way, booking).await? {
                    Err(why) => Came::Later(why),
                    Ok(Some(seen)) if seen.is_booked() => Came::Booked(seen.id),
                    Ok(_) if is_taken => Came::Taken(self.bars_like(way, booking).await?),
                    Ok(Some(seen)) if seen.is_over() => Came::Cancelled(why_over(seen)),
                    Ok(_) => Came::Open,
                }
            }
            Told::There => Came::Open,
            // It is not wanted any more, and they have none.
            Told::Refused(_) if booking.state != BookingState::Asked => {
                Came::Cancelled(booking.reason.clone())
            }
            Told::Refused(why) => Came::Stuck(why.clone()),
        })
    }

    /// The patient's Appointment there in that slot, the one that holds before others; or why that is not known.
    pub(super) async fn bars_standing(
        &self,
        way: (&Bars, &Service),
        booking: &Booking,
    ) -> Result<Result<Option<Seen>, String>, Problem> {
        let who = match self.known_as(&scope(), &booking.patient).await {
            Ok(who) => who,
            // Their record has changed since.
            Err(problem) if problem.kind == Kind::BusinessRule => {
                return Ok(Err(problem.message.to_string()));
            }
            Err(problem) => return Err(problem),
        };
        let number = who.nhs_number.unwrap_or_default();
        let identifier = format!("{}|{number}", NhsNumber::SYSTEM);
        let path = format!(
            "/Appointment?{}",
            encoded(&[("patient:identifier", identifier)])
        );
        Ok(match self.bars_asked(way, &path).await {
            (Told::There, said) => {
                let mut found = appointments(&said.body);
                found.retain(|it| it.is_in(&booking.slot, booking.starts_at));
                found.sort_by_key(|it| !it.is_booked());
                Ok(found.into_iter().next())
            }
            (_, said) if said.is_gone() => Ok(None),
            (Told::NotNow(why) | Told::Refused(why), _) => Err(why),
        })
    }

    /// What is free there of the same sort with the same person.
    async fn bars_like(
        &self,
        way: (&Bars, &Service),
        booking: &Booking,
    ) -> Result<Vec<Offer>, Problem> {
        let visit = AtHand::read(&self.store, &scope(), "Appointment", &booking.id).await?;
        let (kind, with, _) = visit.ok_or_else(no_booking)?.words();
        // That it is taken is told even where nothing else can be offered.
        let mut free = self.bars_offers(way).await.unwrap_or_default();
        free.retain(|it| it.slot != booking.slot && it.kind == kind && it.with == with);
        free.truncate(NEXT_MAX as usize);
        Ok(free)
    }

    /// One commit: how the booking stands, and what becomes of the message.
    pub(super) async fn bars_came(
        &self,
        booking: &Booking,
        sent: Option<&BarsOut>,
        came: Came,
    ) -> Result<(), Problem> {
        let now = self.store.now();
        let known = self.store.system_booking(&scope(), &booking.id).await?;
        let mut row = SystemBooking {
            remote: known.map_or(String::new(), |it| it.remote),
            ..row_of(&booking.id, now.saturating_add(LOOK_MILLIS))
        };
        match &came {
            Came::Booked(remote) => row.remote.clone_from(remote),
            Came::Later(why) if sent.is_none() => {
                row.last_error = why.chars().take(500).collect();
            }
            _ => {}
        }
        let mut job = Job::default();
        job.effects
            .extend(sent.map(|it| self.bars_message_after(it, &came)));
        if let Came::Moved(seen) = &came {
            self.bars_moved(booking, seen, &mut job).await?;
        }
        let mut next = booking.clone();
        if let Some(text) = &self.bars_said(booking, &came).await? {
            next = self
                .booking_answered(&scope(), (text, booking), &mut job)
                .await?;
            job.traces.push(told_line(booking, text));
        }
        if matches!(came, Came::Booked(_)) && booking.state == BookingState::Cancelled {
            // It was ended here before its holder had heard of it: what they hold all the same is ended there.
            let ending = self.bars_ending(&scope(), booking, &booking.reason).await?;
            job.effects.extend(ending.map(|(_, effect)| effect));
        }
        let is_looked_at = matches!(next.state, BookingState::Asked | BookingState::Booked)
            && next.starts_at > now
            && !(sent.is_some() && matches!(came, Came::Later(_) | Came::Stuck(_)));
        if !is_looked_at {
            row.due_at = SystemBooking::NEVER;
        }
        job.effects.push(kept(row));
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    /// What becomes of a message of which that came.
    fn bars_message_after(&self, it: &BarsOut, came: &Came) -> Effect {
        let id = it.id.clone();
        match came {
            Came::Later(why) => self.bars_not_now(it, why.clone()),
            Came::Stuck(reason) => Effect::Referral(ReferralWrite::BarsRefused {
                id,
                reason: reason.clone(),
            }),
            Came::Refused(_) => Effect::Referral(ReferralWrite::BarsOver {
                referral: it.referral.clone(),
                waiting: true,
            }),
            _ => Effect::Referral(ReferralWrite::BarsSent { id }),
        }
    }

    /// What came of it as an answer; none where nothing is said.
    async fn bars_said(
        &self,
        booking: &Booking,
        came: &Came,
    ) -> Result<Option<BookingText>, Problem> {
        let say = |outcome, reason| answer_text(&booking.id, outcome, reason);
        // What is not wanted any more ends for the reason that was given.
        let given = match booking.state {
            BookingState::Cancelling => booking.reason.as_str(),
            _ => "",
        };
        Ok(match came {
            Came::Booked(_) => Some(self.bars_confirmed(booking).await?),
            Came::Taken(next) => Some(BookingText {
                next: next.clone(),
                ..say(Outcome::Taken, given)
            }),
            Came::Refused(why) => Some(say(Outcome::Refused, why)),
            Came::Cancelled(why) => Some(say(Outcome::Cancelled, why)),
            _ => None,
        })
    }

    /// The answer that it is booked as it was asked for.
    async fn bars_confirmed(&self, booking: &Booking) -> Result<BookingText, Problem> {
        let visit = AtHand::read(&self.store, &scope(), "Appointment", &booking.id).await?;
        let visit = visit.ok_or_else(no_booking)?;
        let (kind, with, _) = visit.words();
        Ok(BookingText {
            offer: Some(Offer {
                slot: booking.slot.clone(),
                starts: booking.starts_at,
                ends: visit.ends().unwrap_or(booking.starts_at),
                kind,
                with,
            }),
            ..answer_text(&booking.id, Outcome::Booked, "")
        })
    }

    /// Its holder has moved it.
    async fn bars_moved(
        &self,
        booking: &Booking,
        seen: &Seen,
        job: &mut Job,
    ) -> Result<(), Problem> {
        let visit = AtHand::read(&self.store, &scope(), "Appointment", &booking.id).await?;
        let mut visit = visit.ok_or_else(no_booking)?;
        visit.confirm(&Offer {
            slot: booking.slot.clone(),
            starts: seen.starts,
            ends: seen.ends.max(seen.starts),
            kind: String::new(),
            with: String::new(),
        });
        job.changes.push(visit.put(self.organisation())?);
        let next = Booking {
            starts_at: seen.starts,
            state_at: self.store.now(),
            ..booking.clone()
        };
        job.effects.push(written(next, Was::In(booking.state)));
        Ok(())
    }

    /// A booking in whose place another has come is ended there too: BaRS moves nothing.
    pub(super) async fn bars_replaced(
        &self,
        scope: &Scope,
        old: &Booking,
        job: &mut Job,
    ) -> Result<bool, Problem> {
        let Some((parcel, effect)) = self.bars_ending(scope, old, MOVED).await? else {
            return Ok(false);
        };
        job.effects.push(effect);
        let next = Booking {
            state: BookingState::Cancelling,
            state_at: self.store.now(),
            reason: MOVED.to_string(),
            parcel,
            ..old.clone()
        };
        job.effects.push(written(next, Was::In(old.state)));
        Ok(true)
    }
}

/// The log's line for what its holder said of a booking.
fn told_line(booking: &Booking, text: &BookingText) -> access::AuditEntry {
    let outcome = text.outcome.map_or("", |it| it.state().code());
    let target = Target {
        ty: "Appointment".into(),
        id: Some(booking.id.clone()),
        patient: (!booking.patient.is_empty()).then(|| booking.patient.clone()),
        query: Some(format!("by-bars-of={}&said={outcome}", booking.holder).into()),
        ..Target::default()
    };
    scope().trace(Interaction::System, Logged::Success, target)
}

fn row_of(id: &str, due_at: Millis) -> SystemBooking {
    SystemBooking {
        id: id.to_string(),
        remote: String::new(),
        asked_by: String::new(),
        tries: 0,
        due_at,
        last_error: String::new(),
    }
}

pub(super) fn why_over(seen: Seen) -> String {
    match seen.why.is_empty() {
        true => THEY_CANCELLED.to_string(),
        false => seen.why,
    }
}

/// What came of a message that ends a booking.
fn ended((told, said): (&Told, &Said), booking: &Booking) -> Came {
    match told {
        Told::There => Came::Cancelled(booking.reason.clone()),
        // There is nothing there to be ended.
        Told::Refused(_) if said.is_gone() => Came::Cancelled(booking.reason.clone()),
        Told::Refused(why) => Came::Stuck(why.clone()),
        Told::NotNow(why) => Came::Later(why.clone()),
    }
}
