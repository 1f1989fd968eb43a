//! Waiting a moment for what whose diary it is says of a booking that was just asked for, so that who was slower is told on the
//! page. Nothing hangs on it: what comes later is taken in all the same.

use std::time::Duration;

use access::Scope;
use fhir::problem::Problem;
use store::diary::{Booking, BookingState};
use store::parcels::State as Parcel;
use tokio::time::{Instant, sleep, sleep_until};

use super::work;
use crate::exchange::Exchange;

/// How often it is looked at first, and then at the most seldom: many may wait at once.
const FIRST_GLANCE: Duration = Duration::from_millis(50);
const LAST_GLANCE: Duration = Duration::from_millis(400);

impl Exchange {
    /// How a booking stands that was asked for a moment ago: once its holder has answered, cannot be reached, or the set time
    /// for asking is over.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn answered_soon(&self, scope: &Scope, id: &str) -> Result<Option<Booking>, Problem> {
        Box::pin(self.waiting(scope, id)).await
    }

    async fn waiting(&self, scope: &Scope, id: &str) -> Result<Option<Booking>, Problem> {
        let work = work(scope);
        let ends_at = Instant::now() + Duration::from_millis(self.settings.ask_millis);
        let mut glance = FIRST_GLANCE;
        loop {
            let booking = self.store.booking(&work, id).await?;
            let waits = match &booking {
                Some(it) => it.state == BookingState::Asked && !self.has_failed(&work, it).await?,
                None => false,
            };
            let now = Instant::now();
            if !waits || now >= ends_at {
                return Ok(booking);
            }
            match now + glance < ends_at {
                true => sleep(glance).await,
                false => sleep_until(ends_at).await,
            }
            glance = (glance * 2).min(LAST_GLANCE);
        }
    }

    /// Whether a try to reach its holder has failed: then no answer is to be expected at once.
    async fn has_failed(&self, work: &Scope, booking: &Booking) -> Result<bool, Problem> {
        if !booking.parcel.is_empty() {
            let parcel = self.store.booking_parcel(booking).await?;
            if parcel.is_some_and(|it| it.0 == Parcel::Undeliverable) {
                return Ok(true);
            }
            let mut peers = self.store.peers_to_serve().await?.into_iter();
            return Ok(peers.any(|it| it.peer.as_str() == booking.holder && it.tries > 0));
        }
        let row = self.store.system_booking(work, &booking.id).await?;
        Ok(row.is_some_and(|it| it.tries > 0))
    }
}
