//! Bookings into this node's diary by the Booking and Referral Standard: what is free, and messages that book and cancel.

use access::{Ods, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::diary::{Audience, Free, Slot};
use store::parcels::Named;
use store::referrals::ReferralWrite;
use store::{Effect, Job};

use super::here::id_for;
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

impl Exchange {
    /// Free slots that other organisations may take and that start within those times, the earliest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn free_by_bars(
        &self,
        scope: &Scope,
        (from, until): (Millis, Millis),
    ) -> Result<Vec<Slot>, Problem> {
        let free = Free {
            // What has begun cannot be booked.
            from: from.max(self.store.now()),
            until,
            audience: Audience::Organisations,
            like: None,
            count: BARS_SLOTS_MAX,
        };
        self.store.free_slots(&work(scope), &free).await
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
                    let message = "Somebody else has that slot. Look for another.";
                    return Err(Problem::new(Kind::Conflict, message));
                }
                Err(problem) if problem.came_between() => {}
                Err(problem) => return Err(problem),
            }
        }
        Err(came_between())
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

fn work_alone() -> Scope {
    Scope::system(access::SystemPurpose::KeepAppointments)
}
