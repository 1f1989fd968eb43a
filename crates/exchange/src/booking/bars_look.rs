//! How bookings stand at organisations that are reached by BaRS, looked at again: nobody tells what they cancel or move.

use std::sync::Arc;
use std::time::Duration;

use access::{Interaction, Outcome as Logged, Target};
use fhir::problem::Problem;
use store::Job;
use store::diary::{Booking, BookingState, SystemBooking};
use tokio::sync::watch;

use super::bars_text::appointments;
use super::by_bars::{Came, scope, why_over};
use crate::bars::Told;
use crate::exchange::Exchange;

/// Bookings that are looked at in one go.
const AT_ONCE: u32 = 16;
const GONE: &str = "It is not in their diary any more.";
const NOT_TOLD: &str = "They have the message, and have not said whether it is booked.";

/// The worker that looks how bookings stand there.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    if exchange.settings.bars.is_none() {
        return;
    }
    let nap = Duration::from_millis(exchange.settings.poll_millis.max(1));
    while !*stopped.borrow() {
        if let Err(problem) = Box::pin(exchange.look_by_bars()).await {
            tracing::error!(?problem, "bookings by BaRS could not be looked at");
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

impl Exchange {
    /// Looks how bookings stand there whose time for that has come; gives how many.
    pub(crate) async fn look_by_bars(&self) -> Result<usize, Problem> {
        let due = self.store.bookings_there_due(&scope(), AT_ONCE).await?;
        for (row, booking) in &due {
            let came = self.bars_look(row, booking).await?;
            match self.bars_came(booking, None, came).await {
                // Somebody changed it meanwhile: the next look sees to that.
                Err(problem) if problem.came_between() => {}
                done => done?,
            }
        }
        Ok(due.len())
    }

    async fn bars_look(&self, row: &SystemBooking, booking: &Booking) -> Result<Came, Problem> {
        let is_over = booking.starts_at <= self.store.now();
        if is_over || !matches!(booking.state, BookingState::Asked | BookingState::Booked) {
            return Ok(Came::Stands);
        }
        let Some((bars, to)) = self.bars_service(&booking.holder) else {
            return Ok(Came::Later("No way by BaRS leads there.".into()));
        };
        let target = Target {
            ty: "Appointment".into(),
            id: Some(booking.id.clone()),
            patient: Some(booking.patient.clone()),
            query: Some(format!("asked-by-bars-of={}", to.ods).into()),
            ..Target::default()
        };
        let asked = Job {
            traces: vec![scope().trace(Interaction::System, Logged::Success, target)],
            ..Job::default()
        };
        self.store.commit(&scope(), asked).await?;
        let seen = match row.remote.as_str() {
            "" => match self.bars_standing((bars, &to), booking).await? {
                Ok(seen) => seen,
                Err(why) => return Ok(Came::Later(why)),
            },
            remote => {
                let path = format!("/Appointment/{remote}");
                match self.bars_asked((bars, &to), &path).await {
                    (Told::There, said) => {
                        let found = appointments(&said.body);
                        found.into_iter().find(|it| it.id == remote)
                    }
                    (_, said) if said.is_gone() => return Ok(Came::Cancelled(GONE.into())),
                    (Told::NotNow(why) | Told::Refused(why), _) => return Ok(Came::Later(why)),
                }
            }
        };
        Ok(match seen {
            None => Came::Later(NOT_TOLD.into()),
            Some(seen) if seen.is_over() => Came::Cancelled(why_over(seen)),
            Some(seen) if booking.state == BookingState::Asked && seen.is_booked() => {
                Came::Booked(seen.id)
            }
            Some(seen) if seen.starts > 0 && seen.starts != booking.starts_at => Came::Moved(seen),
            Some(_) => Came::Stands,
        })
    }
}
