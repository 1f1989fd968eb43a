//! Bookings into this node's diary by the Booking and Referral Standard: what is free, and messages that book and cancel.

use access::{Ods, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::diary::{Audience, Booking, BookingState, Free, Slot};
use store::parcels::Named;
use store::referrals::ReferralWrite;
use store::{Effect, Job};

use super::amend::amend_with;
use super::here::id_for;
use super::local::{move_to, no_booking};
use super::resource::AtHand;
use super::{Came, TRIES_MAX, Wish, came_between, id_of, work};
use crate::exchange::Exchange;
use crate::referrals::BarsCame;

/// Slots in one answer at most.
pub const BARS_SLOTS_MAX: u32 = 500;

/// A message that books, or cancels what was booked, as the door has read it.
#[derive(Clone, Debug)]
pub struct BarsBooking {
    /// Who sends it: the ODS code of the organisation.
    pub sender: Ods,
    /// The message's id at its sender, and the digest of its bytes.
    pub message: String,
    pub digest: String,
    pub request_id: String,
    pub correlation_id: String,
    /// The appointment's id at its sender.
    pub asked_as: String,
    pub cancelled: bool,
    /// The Slot's id here.
    pub slot: String,
    pub named: Named,
    pub reason: String,
}

/// A change of what was booked by BaRS, by the Appointment's address here.
#[derive(Clone, Debug)]
pub struct BarsChange {
    /// Who asks: the ODS code of the organisation.
    pub sender: Ods,
    /// What the request is known again by, and the digest of what it says.
    pub message: String,
    pub digest: String,
    pub request_id: String,
    pub correlation_id: String,
    /// The Appointment here.
    pub id: String,
    /// The version that it is to be at still.
    pub version: Option<u64>,
    pub wish: BarsWish,
}

/// What is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BarsWish {
    Cancel {
        reason: String,
    },
    /// Other words, and another slot of this diary where one is named; what is not said stays.
    Amend {
        reason: Option<String>,
        comment: Option<String>,
        slot: Option<String>,
    },
}

impl Exchange {
    /// Slots that other organisations may take, or that are taken, and that start within those times, the earliest first. Who has
    /// one is not told.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn free_by_bars(
        &self,
        scope: &Scope,
        (from, until): (Millis, Millis),
        (is_free, is_busy): (bool, bool),
    ) -> Result<Vec<Slot>, Problem> {
        let free = Free {
            // What has begun cannot be booked.
            from: from.max(self.store.now()),
            until,
            audience: Audience::Organisations,
            like: None,
            count: BARS_SLOTS_MAX,
        };
        let mut found = Vec::new();
        if is_free {
            found.extend(self.store.free_slots(&work(scope), &free).await?);
        }
        if is_busy {
            found.extend(self.store.busy_slots(&work(scope), &free).await?);
        }
        found.sort_by(|a, b| a.starts_at.cmp(&b.starts_at).then_with(|| a.id.cmp(&b.id)));
        found.truncate(BARS_SLOTS_MAX as usize);
        Ok(found)
    }

    /// Books, or cancels, once.
    ///
    /// # Errors
    /// `Conflict` if the slot is taken; `NotFound` for a slot or a booking that is not here; `BusinessRule` if it does not say
    /// whose it is; those of the store.
    pub async fn take_bars_booking(
        &self,
        scope: &Scope,
        came: &BarsBooking,
    ) -> Result<BarsCame, Problem> {
        Box::pin(self.taking_bars_booking(scope, came)).await
    }

    async fn taking_bars_booking(
        &self,
        scope: &Scope,
        came: &BarsBooking,
    ) -> Result<BarsCame, Problem> {
        let message = format!("{}/{}", came.sender, came.message);
        let attempt = format!("bars/{}/{}", came.sender, came.asked_as);
        for _ in 0..TRIES_MAX {
            if let Some(known) = self.store.bars_message(&work(scope), &message).await? {
                return Ok(match known.digest == came.digest {
                    true => BarsCame::Before(known.referral),
                    false => BarsCame::Differs,
                });
            }
            let (patient, change) = self.registered(scope, &came.named).await?;
            let wish = Wish {
                patient: &patient,
                slot: &came.slot,
                reason: &came.reason,
                attempt: &attempt,
                audience: Audience::Organisations,
            };
            let ids = self.bars_booking_ids(&wish).await?;
            let id = ids.0.clone();
            let mut beside = Job::effect(Effect::Referral(ReferralWrite::Message {
                id: message.clone(),
                digest: came.digest.clone(),
                referral: id.clone(),
                request_id: came.request_id.clone(),
                correlation_id: came.correlation_id.clone(),
            }));
            if came.cancelled {
                let id = self.bars_booked(scope, ids).await?;
                // What is cancelled stays so: the same message after a crash finds that.
                let by = (came.reason.as_str(), came.sender.as_str());
                self.cancel_booking(scope, &id, by).await?;
                match self.store.commit(&work(scope), beside).await {
                    Err(problem) if problem.came_between() => continue,
                    done => return done.map(|_| BarsCame::Taken(id)),
                }
            }
            beside.changes.extend(change);
            // It was booked before by another message: told so, and not booked twice.
            match self.book_with(scope, &wish, beside).await {
                Ok(Came::Booked(id)) => return Ok(BarsCame::Taken(id)),
                Ok(Came::Asked(_) | Came::Taken) => {
                    return Err(taken());
                }
                Err(problem) if problem.came_between() => {}
                Err(problem) => return Err(problem),
            }
        }
        Err(came_between())
    }

    /// Changes, or cancels, what the same organisation booked by BaRS, once.
    ///
    /// # Errors
    /// `NotFound` if it booked no such thing here; `Conflict` if it has changed since that version, or another slot is taken;
    /// `BusinessRule` if it is over; those of the store.
    pub async fn take_bars_booking_change(
        &self,
        scope: &Scope,
        came: &BarsChange,
    ) -> Result<BarsCame, Problem> {
        Box::pin(self.taking_bars_booking_change(scope, came)).await
    }

    async fn taking_bars_booking_change(
        &self,
        scope: &Scope,
        came: &BarsChange,
    ) -> Result<BarsCame, Problem> {
        let work = work(scope);
        let message = format!("{}/{}", came.sender, came.message);
        let id = came.id.as_str();
        for _ in 0..TRIES_MAX {
            if let Some(known) = self.store.bars_message(&work, &message).await? {
                return Ok(match known.digest == came.digest {
                    true => BarsCame::Before(known.referral),
                    false => BarsCame::Differs,
                });
            }
            let (last, _) = self.store.last_bars_message(&work, id).await?;
            let booking = self.store.booking(&work, id).await?;
            // What others booked does not exist for them.
            let is_theirs = last.split_once('/').map(|it| it.0) == Some(came.sender.as_str());
            let booking = booking.filter(|_| is_theirs).ok_or_else(no_booking)?;
            let noted = Job::effect(Effect::Referral(ReferralWrite::Message {
                id: message.clone(),
                digest: came.digest.clone(),
                referral: id.to_string(),
                request_id: came.request_id.clone(),
                correlation_id: came.correlation_id.clone(),
            }));
            let done = match self.bars_wish(scope, came, &booking, noted).await? {
                // What was done stays so: the same request after a crash finds that.
                Some(noted) => self.store.commit(&work, noted).await.map(|_| ()),
                None => Ok(()),
            };
            match done {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|()| BarsCame::Taken(id.to_string())),
            }
        }
        Err(came_between())
    }

    /// Does it; gives back what is still to be noted.
    async fn bars_wish(
        &self,
        scope: &Scope,
        came: &BarsChange,
        booking: &Booking,
        noted: Job,
    ) -> Result<Option<Job>, Problem> {
        let id = came.id.as_str();
        let visit = AtHand::read(&self.store, &work(scope), "Appointment", id).await?;
        let visit = visit.ok_or_else(no_booking)?;
        let version = visit.version();
        let is_stale = came.version.is_some_and(|it| it != version);
        let check = |is_done: bool| match is_stale && !is_done {
            true => Err(Problem::new(
                Kind::Conflict,
                "The appointment has changed since the version that If-Match names; read it again.",
            )),
            false => Ok(()),
        };
        match &came.wish {
            BarsWish::Cancel { reason } => {
                check(booking.state == BookingState::Cancelled)?;
                let by = (reason.as_str(), came.sender.as_str());
                self.cancel_booking(scope, id, by).await?;
                Ok(Some(noted))
            }
            BarsWish::Amend {
                slot: Some(slot), ..
            } => {
                check(&booking.slot == slot)?;
                if booking.asker != self.organisation().as_str() {
                    let message = "The patient's practice was told of this time: cancel it, and book another.";
                    return Err(Problem::new(Kind::BusinessRule, message));
                }
                let to = (slot.as_str(), Audience::Organisations);
                match move_to(&self.store, scope, booking, to).await? {
                    Came::Booked(_) => Ok(Some(noted)),
                    Came::Asked(_) | Came::Taken => Err(taken()),
                }
            }
            BarsWish::Amend {
                reason, comment, ..
            } => {
                check(false)?;
                let (_, _, known) = visit.words();
                let noted_before = visit.comment();
                let words = (
                    reason.as_deref().unwrap_or(&known),
                    comment.as_deref().unwrap_or(&noted_before),
                );
                amend_with(&self.store, scope, (id, version), (words, noted)).await?;
                Ok(None)
            }
        }
    }

    /// What the booking is called here: now, and if the patient's practice was or is another by then.
    async fn bars_booking_ids(&self, wish: &Wish<'_>) -> Result<(String, String), Problem> {
        let alone = id_of(wish);
        let home = self.home_to_tell(wish.patient).await?;
        let known = self.known_as(&work_alone(), wish.patient).await;
        Ok(match (home, known) {
            (Some(home), Ok(_)) => (id_for(home.as_str(), &alone), alone),
            _ => (alone.clone(), alone),
        })
    }

    async fn bars_booked(
        &self,
        scope: &Scope,
        (now, alone): (String, String),
    ) -> Result<String, Problem> {
        for id in [now, alone] {
            if self.store.booking(&work(scope), &id).await?.is_some() {
                return Ok(id);
            }
        }
        let message = "There is no such booking here.";
        Err(Problem::new(Kind::NotFound, message))
    }
}

fn taken() -> Problem {
    let message = "Somebody else has that slot. Look for another.";
    Problem::new(Kind::Conflict, message)
}

fn work_alone() -> Scope {
    Scope::system(access::SystemPurpose::KeepAppointments)
}
