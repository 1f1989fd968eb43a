//! What other organisations ask of this node's diary. The slot, the Appointment, the answer and the mark that the parcel was
//! taken in are one commit, so that a booking is made once and always answered.

use access::{Ods, Scope};
use fhir::problem::Problem;
use store::diary::{Audience, Booking, BookingState, DiaryWrite, Free, Was};
use store::parcels::ToTakeIn;
use store::{Effect, Expect, Job, Release};

use super::adjacent::{More, free_all};
use super::local::{asked_row, booked, booking_id, once, with_status, written};
use super::resource::{AtHand, NewVisit, put};
use super::text::{Act, BookingText, Outcome};
use super::there::{answer_text, parcel_line};
use super::{AHEAD_MILLIS, Came, NEXT_MAX, Offer, TRIES_MAX, Wish, came_between, is_open, work};
use crate::exchange::Exchange;
use crate::letter::Letter;
use crate::manifest::PatientNamed;

const NOT_HERE: &str = "Appointments here are kept in a system of our own. Contact us to book.";
const UNKNOWN: &str = "Nobody with this NHS number, date of birth and family name is on record here. Contact us, or ask for a referral.";
const MOVED: &str = "Moved to another time.";
const WITHDRAWN: &str = "It was cancelled before it came.";

/// What else is to be done in a booking's commit.
pub(crate) type Beside<'b> = &'b (dyn Fn() -> Result<Job, Problem> + Send + Sync);

impl Exchange {
    /// Books a slot of this node's diary. Where the patient's practice is another member it is told, as if it had asked: the
    /// patient sees the appointment in its pages, and moves or cancels it there.
    ///
    /// # Errors
    /// As `booking::book`.
    pub async fn book_here(&self, scope: &Scope, wish: &Wish<'_>) -> Result<Came, Problem> {
        self.book_here_with(scope, wish, More::default()).await
    }

    /// The same, with further members of the Appointment, such as who booked it, and over further slots.
    ///
    /// # Errors
    /// As `booking::book`; `Value` if the slots are not adjacent.
    pub async fn book_here_with(
        &self,
        scope: &Scope,
        wish: &Wish<'_>,
        more: More<'_>,
    ) -> Result<Came, Problem> {
        let nothing = || Ok(Job::default());
        Box::pin(self.booking_here(scope, wish, (more, &nothing))).await
    }

    /// The same, with what else is to be done in its commit.
    ///
    /// # Errors
    /// As `booking::book`; `Conflict` where somebody changed meanwhile what that is about: nothing is booked then.
    pub async fn book_with(
        &self,
        scope: &Scope,
        wish: &Wish<'_>,
        beside: Job,
    ) -> Result<Came, Problem> {
        let once = once(beside);
        Box::pin(self.booking_here(scope, wish, (More::default(), &once))).await
    }

    async fn booking_here(
        &self,
        scope: &Scope,
        wish: &Wish<'_>,
        (more, beside): (More<'_>, Beside<'_>),
    ) -> Result<Came, Problem> {
        let (own, asked_as) = (self.organisation(), booking_id(wish));
        let home = self.home_to_tell(wish.patient).await?;
        let who = self.known_as(&work(scope), wish.patient).await;
        // Who cannot be told from others there is booked here alone.
        let (Some(home), Ok(who)) = (home, who) else {
            let names = (asked_as.as_str(), own, asked_as.as_str());
            let alone = |_: &Offer| beside();
            return booked(&self.store, scope, wish, names, (more, &alone)).await;
        };
        let id = id_for(home.as_str(), &asked_as);
        let tell = |offer: &Offer| {
            let text = BookingText {
                offer: Some(offer.clone()),
                ..answer_text(&asked_as, Outcome::Booked, wish.reason)
            };
            let about = (who.clone(), wish.patient);
            let mut job = beside()?;
            job.effects.push(self.booking_parcel(&home, about, text)?.1);
            Ok(job)
        };
        let names = (id.as_str(), &home, asked_as.as_str());
        booked(&self.store, scope, wish, names, (more, &tell)).await
    }

    /// The patient's practice, if it is another member.
    pub(super) async fn home_to_tell(&self, patient: &str) -> Result<Option<Ods>, Problem> {
        let home = self.store.home_of(patient).await?;
        let home = home.and_then(|code| Ods::parse(&code).ok());
        let is_other = |it: &Ods| it != self.organisation() && self.book.listed(it).is_some();
        Ok(home.filter(is_other))
    }

    /// Takes in a parcel of kind `booking`.
    pub(crate) async fn take_booking(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (who, text): (&PatientNamed, &BookingText),
    ) -> Result<(), Problem> {
        if text.act == Act::Answer {
            return self.take_answer(scope, parcel, text).await;
        }
        let id = id_here(parcel, &text.booking);
        for _ in 0..TRIES_MAX {
            let known = self.store.booking(scope, &id).await?;
            let job = match text.act {
                Act::Cancel => {
                    self.cancel_job(scope, parcel, (who, text), (&id, known))
                        .await?
                }
                _ => {
                    self.book_job(scope, parcel, (who, text), (&id, known))
                        .await?
                }
            };
            // Somebody else came between before the slot was there to be had.
            let Some(job) = job else { continue };
            match self.store.commit(scope, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| ()),
            }
        }
        Err(came_between())
    }

    async fn book_job(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (who, text): (&PatientNamed, &BookingText),
        (id, known): (&str, Option<Booking>),
    ) -> Result<Option<Job>, Problem> {
        let say = |outcome, reason| answer_text(&text.booking, outcome, reason);
        if let Some(known) = known {
            // It was booked before, or cancelled before it came.
            let answer = match (known.state, &text.offer) {
                (BookingState::Booked, Some(offer)) => BookingText {
                    offer: Some(offer.clone()),
                    ..say(Outcome::Booked, "")
                },
                _ => say(Outcome::Cancelled, WITHDRAWN),
            };
            let about = (who, known.patient.as_str());
            return self
                .answer_job(scope, parcel, about, answer)
                .await
                .map(Some);
        }
        let (_, mut fitting) = self.fitting(scope, &parcel.named).await?;
        let one = (fitting.len() == 1).then(|| fitting.pop()).flatten();
        let Some((patient, _)) = one else {
            let answer = say(Outcome::Refused, UNKNOWN);
            return self
                .answer_job(scope, parcel, (who, ""), answer)
                .await
                .map(Some);
        };
        let about = (who, patient.as_str());
        if !self.settings.keeps_diary {
            let answer = say(Outcome::Refused, NOT_HERE);
            return self
                .answer_job(scope, parcel, about, answer)
                .await
                .map(Some);
        }
        let (now, own) = (self.store.now(), self.organisation());
        let Some(wanted) = &text.offer else {
            return Ok(None);
        };
        let slot = self.store.slot(scope, &wanted.slot).await?;
        let open = slot.filter(|it| {
            is_open(it, Audience::Organisations, now) && it.starts_at == wanted.starts
        });
        let Some(slot) = open else {
            let answer = BookingText {
                next: self.like(scope, wanted).await?,
                ..say(Outcome::Taken, "")
            };
            return self
                .answer_job(scope, parcel, about, answer)
                .await
                .map(Some);
        };
        let offer = Offer::of(&slot);
        let visit = NewVisit {
            patient: &patient,
            offer: &offer,
            reason: &text.reason,
            holder: own,
            is_here: true,
            is_booked: true,
            created: now,
        };
        let Some(taken) = with_status(&self.store, scope, &slot, "busy").await? else {
            return Ok(None);
        };
        let answer = BookingText {
            offer: Some(offer.clone()),
            ..say(Outcome::Booked, "")
        };
        let mut job = self.answer_job(scope, parcel, about, answer).await?;
        job.changes.push(taken);
        let made = (Expect::Absent, Release::At(now));
        job.changes.push(put(&visit.resource(), id, own, made)?);
        let booking = Booking {
            slot: slot.id.clone(),
            starts_at: slot.starts_at,
            state: BookingState::Booked,
            ..self.row(parcel, (id, &patient), &text.booking)
        };
        job.effects.push(written(booking, Was::Nothing));
        if let Some(old) = &text.instead_of {
            let old = id_here(parcel, old);
            self.end(scope, &old, MOVED, &mut job).await?;
        }
        Ok(Some(job))
    }

    async fn cancel_job(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (who, text): (&PatientNamed, &BookingText),
        (id, known): (&str, Option<Booking>),
    ) -> Result<Option<Job>, Problem> {
        let answer = answer_text(&text.booking, Outcome::Cancelled, &text.reason);
        let patient = known.as_ref().map_or("", |it| it.patient.as_str());
        let mut job = self
            .answer_job(scope, parcel, (who, patient), answer)
            .await?;
        match known {
            // It overtook the booking, which then finds this.
            None => {
                let booking = Booking {
                    state: BookingState::Cancelled,
                    ..self.row(parcel, (id, ""), &text.booking)
                };
                job.effects.push(written(booking, Was::Nothing));
            }
            Some(_) => self.end(scope, id, &text.reason, &mut job).await?,
        }
        Ok(Some(job))
    }

    /// What ends a booking that holds here, and frees its slot if its time is still to come.
    async fn end(
        &self,
        scope: &Scope,
        id: &str,
        reason: &str,
        job: &mut Job,
    ) -> Result<(), Problem> {
        let booked = self.store.booking(scope, id).await?;
        let Some(booked) = booked.filter(|it| it.state == BookingState::Booked) else {
            return Ok(());
        };
        let now = self.store.now();
        if let Some(mut visit) = AtHand::read(&self.store, scope, "Appointment", id).await? {
            visit.cancel(reason);
            job.changes.push(visit.put(self.organisation())?);
        }
        if booked.starts_at > now {
            free_all(&self.store, scope, &booked, job).await?;
        }
        let ended = Booking {
            state: BookingState::Cancelled,
            state_at: now,
            reason: reason.to_string(),
            ..booked
        };
        job.effects
            .push(written(ended, Was::In(BookingState::Booked)));
        Ok(())
    }

    /// A row of a booking that came in this parcel.
    fn row(&self, parcel: &ToTakeIn, (id, patient): (&str, &str), asked_as: &str) -> Booking {
        let (own, now) = (self.organisation(), self.store.now());
        Booking {
            parcel: parcel.id.clone(),
            ..asked_row((id, patient), own, (&parcel.sender, asked_as), now)
        }
    }

    /// The job that answers, and marks the parcel as taken in.
    async fn answer_job(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (who, patient): (&PatientNamed, &str),
        answer: BookingText,
    ) -> Result<Job, Problem> {
        let mut job = Job::default();
        let booking = answer.booking.clone();
        let own = self.organisation().as_str();
        let answer_id = self.booking_parcel_id(&parcel.sender, &answer);
        // What was said before is on its way, or there.
        if self.store.made_of(scope, own, &answer_id).await?.is_none() {
            let about = (who.clone(), patient);
            let (_, sent) = self.booking_parcel(&parcel.sender, about, answer)?;
            job.effects.push(sent);
        }
        job.effects.push(Effect::Diary(DiaryWrite::TakenIn {
            pid: parcel.pid,
            patient: patient.to_string(),
        }));
        let id = id_here(parcel, &booking);
        job.traces.push(parcel_line(scope, parcel, &id, patient));
        Ok(job)
    }

    /// What is free of the same sort and with the same person.
    async fn like(&self, scope: &Scope, wanted: &Offer) -> Result<Vec<Offer>, Problem> {
        let now = self.store.now();
        let free = Free {
            from: now,
            until: now.saturating_add(AHEAD_MILLIS),
            audience: Audience::Organisations,
            like: Some((&wanted.kind, &wanted.with)),
            count: NEXT_MAX,
        };
        let slots = self.store.free_slots(scope, &free).await?;
        Ok(slots.iter().map(Offer::of).collect())
    }
}

/// The Appointment's id here of another organisation's booking.
fn id_here(parcel: &ToTakeIn, booking: &str) -> String {
    id_for(parcel.sender.as_str(), booking)
}

pub(super) fn id_for(asker: &str, booking: &str) -> String {
    Letter::parcel_id(&["appointment-for", asker, booking])
}
