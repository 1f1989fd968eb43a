//! What the organisation's own system (GP Connect) holds in its diary for one patient, asked when they look. Nothing of it is
//! kept here.

use std::time::Duration;

use access::{Interaction, Outcome, Scope};
use fhir::date::Millis;
use fhir::gp_connect::Seen;
use fhir::problem::{Kind, Problem};
use store::Reading;
use store::diary::BookingState;

use super::work;
use crate::exchange::Exchange;
use crate::gp_connect::System;

const DAY_MILLIS: Millis = 86_400_000;
/// How far ahead appointments are asked for: a year. Days that are over cannot be asked for.
const AHEAD_MILLIS: Millis = 365 * DAY_MILLIS;
/// Appointments of one patient, at most.
const LISTED_MAX: usize = 200;

/// An appointment there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its id there.
    pub id: String,
    /// The booking here that it is, if it was booked from here.
    pub booking: Option<String>,
    /// FHIR's word.
    pub status: String,
    pub starts: Millis,
    pub ends: Millis,
    /// Why it was cancelled; may be empty.
    pub cancelled: String,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InSystem {
    /// When it answered, or was waited for no longer.
    pub at: Millis,
    /// None if it has nobody who is the same by number, date of birth and family name; or why nothing is told.
    pub appointments: Result<Option<Vec<Listed>>, String>,
}

impl Exchange {
    /// Asks the organisation's own system for the appointments of the patient, whom the scope reaches, from today on; within
    /// the set time, in the name of that person. `None` where there is no such system.
    ///
    /// # Errors
    /// `Forbidden` for who does not ask for themselves; `NotFound` if the scope does not reach the patient; those of the store.
    pub async fn listed_in_system(
        &self,
        scope: &Scope,
        patient: &str,
        person: &str,
    ) -> Result<Option<InSystem>, Problem> {
        Box::pin(self.listing(scope, patient, person)).await
    }

    async fn listing(
        &self,
        scope: &Scope,
        patient: &str,
        person: &str,
    ) -> Result<Option<InSystem>, Problem> {
        let Some(system) = self.settings.system.clone() else {
            return Ok(None);
        };
        if scope.interaction() != Interaction::AskForOneself {
            let message = "This caller may not ask the practice's own system for a patient.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let Reading::Found(_) = self.store.read(scope, "Patient", patient).await? else {
            return Err(Problem::new(
                Kind::NotFound,
                "There is no such patient here.",
            ));
        };
        let query = "asked=own-system&_type=Appointment".to_string();
        self.trace_asking(scope, patient, Outcome::Success, query)
            .await?;
        let limit = Duration::from_millis(self.settings.ask_millis);
        let asked = self.listed_now(&system, patient, person);
        let appointments = match tokio::time::timeout(limit, asked).await {
            Ok(answer) => answer?,
            Err(_) => Err(format!("No answer came within {} s.", limit.as_secs_f32())),
        };
        let appointments = match appointments {
            Ok(Some(seen)) => Ok(Some(self.with_bookings(scope, patient, seen).await?)),
            Ok(None) => Ok(None),
            Err(why) => Err(why),
        };
        Ok(Some(InSystem {
            at: self.store.now(),
            appointments,
        }))
    }

    async fn listed_now(
        &self,
        system: &System,
        patient: &str,
        person: &str,
    ) -> Result<Result<Option<Vec<Seen>>, String>, Problem> {
        let now = self.store.now();
        let asker = (person, now);
        let there = match self.same_there(system, (patient, asker)).await? {
            Ok(Some(there)) => there,
            Ok(None) => return Ok(Ok(None)),
            Err(why) => return Ok(Err(why)),
        };
        let span = (now, now.saturating_add(AHEAD_MILLIS));
        let seen = system.appointments(&there.id, span, asker).await;
        Ok(match seen {
            Ok(mut seen) => {
                seen.retain(|it| it.patient == there.id);
                seen.sort_by_key(|it| it.starts);
                seen.truncate(LISTED_MAX);
                Ok(Some(seen))
            }
            Err(no) => Err(no.words().to_string()),
        })
    }

    /// Each with the booking here that it is.
    async fn with_bookings(
        &self,
        scope: &Scope,
        patient: &str,
        seen: Vec<Seen>,
    ) -> Result<Vec<Listed>, Problem> {
        let own = self.organisation().as_str();
        let work = work(scope);
        let mut known = Vec::new();
        for booking in self.store.bookings_of(&work, patient).await? {
            // What is over is not listed there.
            if booking.holder != own || booking.starts_at < self.store.now() - DAY_MILLIS {
                continue;
            }
            if let Some(row) = self.store.system_booking(&work, &booking.id).await? {
                known.push((row.remote, booking));
            }
        }
        let named = |it: &Seen| {
            let same = known.iter().find(|(remote, booking)| {
                let waits = matches!(
                    booking.state,
                    BookingState::Asked | BookingState::Cancelling
                );
                let is_asked = waits && remote.is_empty() && booking.starts_at == it.starts;
                (!remote.is_empty() && *remote == it.id)
                    || (is_asked && it.slots.contains(&booking.slot))
            });
            same.map(|(_, booking)| booking.id.clone())
        };
        let listed = seen.into_iter().map(|it| Listed {
            booking: named(&it),
            id: it.id,
            status: it.status,
            starts: it.starts,
            ends: it.ends,
            cancelled: it.cancelled.chars().take(500).collect(),
        });
        Ok(listed.collect())
    }
}
