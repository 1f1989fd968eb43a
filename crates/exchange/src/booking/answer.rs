//! What the answer of whose diary it is changes of a booking that was asked for here.

use access::Scope;
use fhir::problem::Problem;
use store::Job;
use store::diary::{Booking, BookingState, Was};

use super::local::{no_booking, written};
use super::resource::AtHand;
use super::text::{BookingText, Outcome};
use crate::exchange::Exchange;

/// What a patient reads of an appointment in whose place another came.
pub(super) const MOVED: &str = "Moved to another time.";

impl Exchange {
    /// What an answer changes of a booking; how it stands then.
    pub(super) async fn booking_answered(
        &self,
        scope: &Scope,
        (text, booking): (&BookingText, &Booking),
        job: &mut Job,
    ) -> Result<Booking, Problem> {
        let outcome = text.outcome.unwrap_or(Outcome::Refused);
        let Some(state) = follows(booking.state, outcome) else {
            return Ok(booking.clone());
        };
        let visit = AtHand::read(&self.store, scope, "Appointment", &booking.id).await?;
        let mut visit = visit.ok_or_else(no_booking)?;
        let mut next = Booking {
            state,
            state_at: self.store.now(),
            reason: text.reason.clone(),
            next: String::new(),
            ..booking.clone()
        };
        if let (BookingState::Booked, Some(offer)) = (state, &text.offer) {
            visit.confirm(offer);
            next.starts_at = offer.starts;
            next.slot.clone_from(&offer.slot);
            self.replaced(scope, &next.instead_of, job).await?;
        } else {
            visit.cancel(&text.reason);
            next.next = serde_json::to_string(&text.next).unwrap_or_default();
        }
        job.changes.push(visit.put(self.organisation())?);
        job.effects
            .push(written(next.clone(), Was::In(booking.state)));
        Ok(next)
    }

    /// What the new one came in the place of has ended.
    async fn replaced(&self, scope: &Scope, old: &str, job: &mut Job) -> Result<(), Problem> {
        if old.is_empty() {
            return Ok(());
        }
        let Some(old) = self.store.booking(scope, old).await? else {
            return Ok(());
        };
        if !old.state.is_live() || self.bars_replaced(scope, &old, job).await? {
            return Ok(());
        }
        let visit = AtHand::read(&self.store, scope, "Appointment", &old.id).await?;
        let Some(mut visit) = visit else {
            return Ok(());
        };
        visit.cancel(MOVED);
        job.changes.push(visit.put(self.organisation())?);
        let was = old.state;
        let ended = Booking {
            state: BookingState::Cancelled,
            state_at: self.store.now(),
            reason: MOVED.to_string(),
            ..old
        };
        job.effects.push(written(ended, Was::In(was)));
        Ok(())
    }
}

/// The state that follows from an answer; none where it changes nothing.
fn follows(state: BookingState, outcome: Outcome) -> Option<BookingState> {
    match (state, outcome) {
        (BookingState::Asked, outcome) => Some(outcome.state()),
        // That it was booked was said before that it is not wanted any more was heard.
        (BookingState::Cancelling, Outcome::Booked) => None,
        (BookingState::Cancelling, _) => Some(BookingState::Cancelled),
        (BookingState::Booked, Outcome::Cancelled) => Some(BookingState::Cancelled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_changes_only_what_still_waits_for_it_or_holds() {
        use BookingState::{Asked, Booked, Cancelled, Cancelling, Refused, Taken};
        for (state, expected) in [
            (
                Asked,
                [Some(Booked), Some(Taken), Some(Refused), Some(Cancelled)],
            ),
            (Booked, [None, None, None, Some(Cancelled)]),
            (
                Cancelling,
                [None, Some(Cancelled), Some(Cancelled), Some(Cancelled)],
            ),
            (Taken, [None; 4]),
            (Refused, [None; 4]),
            (Cancelled, [None; 4]),
        ] {
            let outcomes = [
                Outcome::Booked,
                Outcome::Taken,
                Outcome::Refused,
                Outcome::Cancelled,
            ];
            assert_eq!(outcomes.map(|it| follows(state, it)), expected, "{state:?}");
        }
    }
}
