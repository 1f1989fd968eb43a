//! Appointments in another organisation's diary: asked for, moved and cancelled by durable parcels; how they stand is what
//! its answers say.

use access::{Interaction, NhsNumber, Ods, Outcome as Logged, Scope, Target};
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use store::diary::{Booking, BookingState, DiaryWrite, Was};
use store::parcels::ToTakeIn;
use store::referrals::ReferralWrite;
use store::{Effect, Expect, Job, Reading, Release};

use super::by_bars::Leaving;
use super::local::{asked_row, booking_id, cancelled, check_live, line, no_booking, written};
use super::resource::{AtHand, NewVisit, put};
use super::text::{Act, BookingText, Outcome};
use super::{Came, Ended, Offer, TRIES_MAX, Wish, came_between, check_reason, work};
use crate::exchange::Exchange;
use crate::letter::Letter;
use crate::manifest::{ParcelKind, ParcelText, PatientNamed};
use crate::sharing::named;

impl Exchange {
    /// Asks another organisation for a slot that it offered. `by` is the name of who asks; `instead_of` the booking there
    /// in whose place it is to come, which stands until the new one is confirmed.
    ///
    /// # Errors
    /// `NotFound` if it is none whose clinics are offered here; `BusinessRule` if the patient's record lacks what they are
    /// known by there, or a patient holds as many as one may; those of the store.
    pub async fn ask_for(
        &self,
        scope: &Scope,
        (holder, offer): (&Ods, &Offer),
        wish: &Wish<'_>,
        (by, instead_of): (&str, Option<&Booking>),
    ) -> Result<Came, Problem> {
        Box::pin(self.asked_for(scope, (holder, offer), wish, (by, instead_of))).await
    }

    async fn asked_for(
        &self,
        scope: &Scope,
        (holder, offer): (&Ods, &Offer),
        wish: &Wish<'_>,
        (by, instead_of): (&str, Option<&Booking>),
    ) -> Result<Came, Problem> {
        check_reason(wish.reason)?;
        offer.check()?;
        if !self.settings.clinics.contains(holder) {
            let message = "That organisation's appointments cannot be booked from here.";
            return Err(Problem::new(Kind::NotFound, message));
        }
        let work = work(scope);
        let id = booking_id(wish);
        let now = self.store.now();
        let before = self.came_before(&work, (&id, now), (offer, wish), instead_of);
        if let Some(came) = before.await? {
            return Ok(came);
        }
        let who = self.known_as(&work, wish.patient).await?;
        let visit = NewVisit {
            patient: wish.patient,
            offer,
            reason: wish.reason,
            holder,
            is_here: false,
            is_booked: false,
            created: now,
        };
        let asked = (who, wish, id.as_str(), offer);
        let (parcel, sent) = self.asking_told(holder, asked, (by, instead_of))?;
        let own = self.organisation();
        let made = (Expect::Absent, Release::At(now));
        let mut job = Job::change(put(&visit.resource(), &id, own, made)?);
        job.effects.push(sent);
        let booking = Booking {
            slot: offer.slot.clone(),
            starts_at: offer.starts,
            parcel,
            instead_of: instead_of.map_or(String::new(), |it| it.id.clone()),
            ..asked_row((&id, wish.patient), holder, (own, &id), now)
        };
        job.effects.push(written(booking, Was::Nothing));
        let what = ("Appointment", Some(id.as_str()));
        job.traces
            .push(line(scope, Interaction::Book, what, Some(wish.patient)));
        match self.store.commit(&work, job).await {
            // The same form came twice at a time.
            Err(problem) if problem.came_between() => match self.store.booking(&work, &id).await? {
                Some(known) => Ok(Came::Asked(known.id)),
                None => Err(problem),
            },
            done => done.map(|_| Came::Asked(id)),
        }
    }

    /// What asks whose diary it is: a parcel, or a message of BaRS where it has no node.
    fn asking_told(
        &self,
        holder: &Ods,
        (who, wish, id, offer): (PatientNamed, &Wish<'_>, &str, &Offer),
        (by, instead_of): (&str, Option<&Booking>),
    ) -> Result<(String, Effect), Problem> {
        if let Some((bars, to)) = self.booking_by_bars(holder) {
            let leaving = Leaving {
                booking: id,
                patient: wish.patient,
                who: &who,
                offer,
                reason: wish.reason,
                step: 1,
            };
            return Ok(self.bars_booking((bars, &to), &leaving));
        }
        let text = BookingText {
            act: Act::Book,
            booking: id.to_string(),
            offer: Some(offer.clone()),
            instead_of: instead_of.map(|it| it.id.clone()),
            reason: wish.reason.to_string(),
            by: by.chars().take(200).collect(),
            outcome: None,
            next: Vec::new(),
        };
        self.booking_parcel(holder, (who, wish.patient), text)
    }

    /// Cancels an appointment, in whosever diary it is. What is another organisation's is cancelled when it has said so.
    ///
    /// # Errors
    /// `NotFound`; `BusinessRule` if it is over or not booked any more; those of the store.
    pub async fn cancel_booking(
        &self,
        scope: &Scope,
        id: &str,
        (reason, by): (&str, &str),
    ) -> Result<Ended, Problem> {
        Box::pin(self.cancelling(scope, id, (reason, by))).await
    }

    async fn cancelling(
        &self,
        scope: &Scope,
        id: &str,
        (reason, by): (&str, &str),
    ) -> Result<Ended, Problem> {
        check_reason(reason)?;
        let work = work(scope);
        for _ in 0..TRIES_MAX {
            let booking = self.store.booking(&work, id).await?;
            let booking = booking.ok_or_else(no_booking)?;
            if booking.holder == self.organisation().as_str() {
                match self.cancel_in_system(scope, &booking, reason).await {
                    Err(problem) if problem.came_between() => continue,
                    Ok(None) => {}
                    Ok(Some(ended)) => return Ok(ended),
                    Err(problem) => return Err(problem),
                }
                self.cancel_here(scope, &booking, reason).await?;
                return Ok(Ended::Now);
            }
            match booking.state {
                BookingState::Cancelled => return Ok(Ended::Now),
                BookingState::Cancelling => return Ok(Ended::AskedFor),
                _ => {}
            }
            let now = self.store.now();
            check_live(&booking, now)?;
            let was = booking.state;
            let (parcel, sent) = self.ending_told(&work, &booking, (reason, by)).await?;
            let mut job = Job::effect(sent);
            let patient = booking.patient.clone();
            let next = Booking {
                state: BookingState::Cancelling,
                state_at: now,
                reason: reason.to_string(),
                parcel,
                ..booking
            };
            job.effects.push(written(next, Was::In(was)));
            let action = Interaction::CancelAppointment;
            let what = ("Appointment", Some(id));
            job.traces.push(line(scope, action, what, Some(&patient)));
            match self.store.commit(&work, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| Ended::AskedFor),
            }
        }
        Err(came_between())
    }

    /// Ends a booking that its holder does not answer, when a person has found out how it stands; the holder is told, should
    /// it come to hear of it.
    ///
    /// # Errors
    /// `NotFound`; `BusinessRule` if it does not wait for an answer of another organisation; those of the store.
    pub async fn settle_booking(
        &self,
        scope: &Scope,
        id: &str,
        (reason, by): (&str, &str),
    ) -> Result<(), Problem> {
        Box::pin(self.settling(scope, id, (reason, by))).await
    }

    async fn settling(
        &self,
        scope: &Scope,
        id: &str,
        (reason, by): (&str, &str),
    ) -> Result<(), Problem> {
        check_reason(reason)?;
        let work = work(scope);
        for _ in 0..TRIES_MAX {
            let booking = self.store.booking(&work, id).await?;
            let booking = booking.ok_or_else(no_booking)?;
            let was = booking.state;
            let own = self.organisation();
            match self.settle_in_system(scope, &booking, reason).await {
                Err(problem) if problem.came_between() => continue,
                Ok(false) => {}
                done => return done.map(|_| ()),
            }
            let waits = matches!(was, BookingState::Asked | BookingState::Cancelling);
            if !waits || booking.holder == own.as_str() {
                let message = "This booking does not wait for another organisation's answer.";
                return Err(Problem::new(Kind::BusinessRule, message));
            }
            let visit = AtHand::read(&self.store, &work, "Appointment", id).await?;
            let mut visit = visit.ok_or_else(no_booking)?;
            visit.cancel(reason);
            let mut job = Job::change(visit.put(own)?);
            // What has not left by BaRS leaves no more.
            let over = ReferralWrite::BarsOver {
                referral: booking.id.clone(),
                waiting: was == BookingState::Asked,
            };
            job.effects.push(Effect::Referral(over));
            if was == BookingState::Asked {
                let told = self.ending_told(&work, &booking, (reason, by)).await?;
                job.effects.push(told.1);
            }
            let patient = booking.patient.clone();
            let next = Booking {
                state: BookingState::Cancelled,
                state_at: self.store.now(),
                reason: reason.to_string(),
                ..booking
            };
            job.effects.push(written(next, Was::In(was)));
            let action = Interaction::CancelAppointment;
            let what = ("Appointment", Some(id));
            job.traces.push(line(scope, action, what, Some(&patient)));
            match self.store.commit(&work, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| ()),
            }
        }
        Err(came_between())
    }

    /// In this node's diary; another organisation that booked it is told in the same commit.
    async fn cancel_here(
        &self,
        scope: &Scope,
        booking: &Booking,
        reason: &str,
    ) -> Result<(), Problem> {
        let own = self.organisation().as_str();
        let told = match booking.asker == own {
            true => None,
            false => {
                let who = self.known_as(&work(scope), &booking.patient).await?;
                Some((Ods::parse(&booking.asker)?, who))
            }
        };
        let tell = |ended: &Booking| {
            let Some((asker, who)) = &told else {
                return Ok(Vec::new());
            };
            let text = answer_text(&ended.asked_as, Outcome::Cancelled, &ended.reason);
            let about = (who.clone(), ended.patient.as_str());
            let (_, sent) = self.booking_parcel(asker, about, text)?;
            Ok(vec![sent])
        };
        cancelled(&self.store, scope, (&booking.id, reason), &tell).await
    }

    /// What tells whose diary it is that a booking is not wanted any more, by the way on which it was asked for.
    async fn ending_told(
        &self,
        work: &Scope,
        booking: &Booking,
        (reason, by): (&str, &str),
    ) -> Result<(String, Effect), Problem> {
        if let Some(told) = self.bars_ending(work, booking, reason).await? {
            return Ok(told);
        }
        let who = self.known_as(work, &booking.patient).await?;
        let text = cancel_text(&booking.asked_as, (reason, by));
        let about = (who, booking.patient.as_str());
        self.booking_parcel(&Ods::parse(&booking.holder)?, about, text)
    }

    /// The patient as other organisations know them.
    pub(crate) async fn known_as(
        &self,
        work: &Scope,
        patient: &str,
    ) -> Result<PatientNamed, Problem> {
        let Reading::Found(version) = self.store.read(work, "Patient", patient).await? else {
            return Err(Problem::new(
                Kind::NotFound,
                "There is no such patient here.",
            ));
        };
        let who = named(&json::parse(&version.body, &Limits::default())?);
        let number = who.nhs_number.as_deref();
        let is_number = number.is_some_and(|it| NhsNumber::parse(it).is_ok());
        if !is_number || who.birth_date.is_none() || who.family.is_empty() {
            let message = "The record lacks NHS number, date of birth or family name, without which another organisation cannot be asked.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        Ok(who)
    }

    /// The parcel that says so: its id, and the effect that accepts it.
    pub(super) fn booking_parcel(
        &self,
        to: &Ods,
        (who, patient): (PatientNamed, &str),
        booking: BookingText,
    ) -> Result<(String, Effect), Problem> {
        let id = self.booking_parcel_id(to, &booking);
        let text = ParcelText {
            id: id.clone(),
            made_at: self.store.now(),
            // It is worth nothing once its time has come.
            urgent: true,
            patient: who,
            booking: Some(Box::new(booking)),
            ..ParcelText::of(ParcelKind::Booking, self.organisation(), to)
        };
        Ok((id, text.accepted(patient)?))
    }

    pub(super) fn booking_parcel_id(&self, to: &Ods, booking: &BookingText) -> String {
        let what = match (booking.act, booking.outcome) {
            (Act::Book, _) => "book",
            (Act::Cancel, _) => "cancel",
            (Act::Answer, outcome) => outcome.map_or("", |it| it.state().code()),
        };
        Letter::parcel_id(&["booking", to.as_str(), &booking.booking, what])
    }

    /// Takes in what whose diary it is says of a booking that was asked for here.
    pub(super) async fn take_answer(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        text: &BookingText,
    ) -> Result<(), Problem> {
        for _ in 0..TRIES_MAX {
            let booking = self.store.booking(scope, &text.booking).await?;
            let own = self.organisation().as_str();
            let job = match booking {
                Some(it) if it.holder == parcel.sender.as_str() && it.asker == own => {
                    self.answered_job(scope, parcel, (text, it)).await?
                }
                None => self.told_job(scope, parcel, text).await?,
                Some(_) => {
                    let message = "It answers a booking that was not asked for there.";
                    return Err(Problem::new(Kind::Value, message));
                }
            };
            match self.store.commit(scope, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| ()),
            }
        }
        Err(came_between())
    }

    async fn answered_job(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (text, booking): (&BookingText, Booking),
    ) -> Result<Job, Problem> {
        let mut job = Job::default();
        let patient = booking.patient.clone();
        let id = booking.id.clone();
        self.booking_answered(scope, (text, &booking), &mut job)
            .await?;
        let taken_in = DiaryWrite::TakenIn {
            pid: parcel.pid,
            patient: patient.clone(),
        };
        job.effects.push(Effect::Diary(taken_in));
        job.traces.push(parcel_line(scope, parcel, &id, &patient));
        Ok(job)
    }

    /// What another organisation has booked for a patient of this one by itself.
    async fn told_job(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        text: &BookingText,
    ) -> Result<Job, Problem> {
        let (now, own) = (self.store.now(), self.organisation());
        let id = text.booking.as_str();
        let mut job = Job::default();
        let (patient, state) = match (text.outcome, &text.offer) {
            (Some(Outcome::Booked), Some(offer)) => {
                let (_, mut fitting) = self.fitting(scope, &parcel.named).await?;
                let one = (fitting.len() == 1).then(|| fitting.pop()).flatten();
                let (patient, _) = one.ok_or_else(|| {
                    let message = "It is booked for somebody whom nobody here is.";
                    Problem::new(Kind::Value, message)
                })?;
                let visit = NewVisit {
                    patient: &patient,
                    offer,
                    reason: &text.reason,
                    holder: &parcel.sender,
                    is_here: false,
                    is_booked: true,
                    created: now,
                };
                let made = (Expect::Absent, Release::At(now));
                job.changes.push(put(&visit.resource(), id, own, made)?);
                (patient, BookingState::Booked)
            }
            // It overtook what it ends.
            (Some(Outcome::Cancelled), _) => (String::new(), BookingState::Cancelled),
            _ => {
                let message = "It answers a booking that was not asked for here.";
                return Err(Problem::new(Kind::Value, message));
            }
        };
        let offer = text.offer.as_ref();
        let booking = Booking {
            slot: offer.map_or(String::new(), |it| it.slot.clone()),
            starts_at: offer.map_or(0, |it| it.starts),
            state,
            ..asked_row((id, &patient), &parcel.sender, (own, id), now)
        };
        job.effects.push(written(booking, Was::Nothing));
        job.effects.push(Effect::Diary(DiaryWrite::TakenIn {
            pid: parcel.pid,
            patient: patient.clone(),
        }));
        job.traces.push(parcel_line(scope, parcel, id, &patient));
        Ok(job)
    }
}

fn cancel_text(booking: &str, (reason, by): (&str, &str)) -> BookingText {
    BookingText {
        act: Act::Cancel,
        booking: booking.to_string(),
        offer: None,
        instead_of: None,
        reason: reason.to_string(),
        by: by.chars().take(200).collect(),
        outcome: None,
        next: Vec::new(),
    }
}

/// An answer without an offer.
pub(super) fn answer_text(booking: &str, outcome: Outcome, reason: &str) -> BookingText {
    BookingText {
        act: Act::Answer,
        booking: booking.to_string(),
        offer: None,
        instead_of: None,
        reason: reason.to_string(),
        by: String::new(),
        outcome: Some(outcome),
        next: Vec::new(),
    }
}

/// The log's line for what a parcel has done.
pub(super) fn parcel_line(
    scope: &Scope,
    parcel: &ToTakeIn,
    id: &str,
    patient: &str,
) -> access::AuditEntry {
    let target = Target {
        ty: "Appointment".into(),
        id: Some(id.to_string()),
        version: None,
        patient: (!patient.is_empty()).then(|| patient.to_string()),
        query: Some(format!("parcel={}/{}", parcel.sender, parcel.id).into()),
    };
    scope.trace(Interaction::System, Logged::Success, target)
}
