//! Many bookings at once: those of different slots are seen to side by side. Of those who want one slot the first is booked alone;
//! once it is theirs, the others have lost it, and are told so with what that system had free a moment before.
//!
//! Invariant: who is told without being asked for had no booking there: the slot was free before the winner's request was
//! confirmed.

use std::collections::BTreeMap;

use fhir::problem::Problem;
use futures_util::future::join_all;
use store::diary::{Booking, BookingState, SystemBooking};

use super::super::Offer;
use super::Step;
use crate::exchange::Exchange;
use crate::gp_connect::System;

/// Slots, or bookings of one slot, that are seen to side by side.
const SIDE_BY_SIDE: usize = 8;

/// A booking that is due, with how far it is there.
type Due = (SystemBooking, Booking);

/// What is due by its slot. Of one patient's for one slot only the first: what comes of it decides about the next.
fn by_slot(due: Vec<Due>) -> Vec<Vec<Due>> {
    let mut slots: BTreeMap<String, Vec<Due>> = BTreeMap::new();
    for one in due {
        let of_slot = slots.entry(one.1.slot.clone()).or_default();
        if !of_slot.iter().any(|it| it.1.patient == one.1.patient) {
            of_slot.push(one);
        }
    }
    slots.into_values().collect()
}

/// Does it for all of them, some at a time; what goes wrong with one stops no other.
async fn side_by_side<T, F: Future<Output = Result<(), Problem>>>(
    all: impl IntoIterator<Item = T>,
    each: impl Fn(T) -> F,
) -> Result<(), Problem> {
    let mut all = all.into_iter();
    let mut done = Ok(());
    loop {
        let some: Vec<F> = all.by_ref().take(SIDE_BY_SIDE).map(&each).collect();
        if some.is_empty() {
            return done;
        }
        done = join_all(some).await.into_iter().fold(done, Result::and);
    }
}

impl Exchange {
    /// Sees to all of these; what goes wrong with one stops no other.
    pub(super) async fn carry_slots(&self, system: &System, due: Vec<Due>) -> Result<(), Problem> {
        side_by_side(by_slot(due), |it| Box::pin(self.carry_slot(system, it))).await
    }

    async fn carry_slot(&self, system: &System, due: Vec<Due>) -> Result<(), Problem> {
        let mut rest = due.into_iter();
        for (row, booking) in rest.by_ref() {
            let step = Box::pin(self.carry_step(system, &row, &booking)).await?;
            let is_taken = matches!(step, Step::Taken(_));
            let next = match &step {
                Step::Won(_, next) => Some(next.clone()),
                _ => None,
            };
            let is_written = self.written_down(&row, &booking, step).await?;
            if let Some(next) = next.filter(|_| is_written) {
                return self.lost(system, (&booking, next), rest.collect()).await;
            }
            if is_taken {
                break;
            }
        }
        side_by_side(rest, |it| Box::pin(self.carry_booking(system, it))).await
    }

    async fn carry_booking(&self, system: &System, (row, booking): Due) -> Result<(), Problem> {
        let step = Box::pin(self.carry_step(system, &row, &booking)).await?;
        self.written_down(&row, &booking, step).await.map(|_| ())
    }

    /// The winner has it: the others are told, and offered what is next.
    async fn lost(
        &self,
        system: &System,
        (won, next): (&Booking, Vec<Offer>),
        others: Vec<Due>,
    ) -> Result<(), Problem> {
        for (row, booking) in others {
            let has_lost =
                booking.state == BookingState::Asked && booking.starts_at == won.starts_at;
            match has_lost {
                true => {
                    let step = Step::Taken(next.clone());
                    self.written_down(&row, &booking, step).await?;
                }
                false => self.carry_booking(system, (row, booking)).await?,
            }
        }
        Ok(())
    }

    /// Writes down what came of it; whether nobody changed it meanwhile: then the next look sees to that.
    async fn written_down(
        &self,
        row: &SystemBooking,
        booking: &Booking,
        step: Step,
    ) -> Result<bool, Problem> {
        match self.taken(row, booking, step).await {
            Err(problem) if problem.came_between() => Ok(false),
            done => done.map(|()| true),
        }
    }
}
