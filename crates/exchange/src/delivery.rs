//! Delivering: what is due goes to each neighbour, urgent letters first, and what it answers is
//! verified and kept. Every step may be taken again with the same effect, so that a crash between
//! any two loses nothing and doubles nothing.

mod pace;
mod parcels;
mod receipts;

use access::{Ods, Scope, SystemPurpose};
use fhir::date::Millis;
use fhir::problem::Problem;
use store::parcels::{ParcelDone, ParcelWrite, PeerWork};
use store::{Done, Effect, Job};

use crate::exchange::Exchange;
use crate::transport::Failure;
pub(crate) use pace::Paces;

/// How long a process keeps the work for a neighbour, and how early it renews that. After a crash
/// another takes over so much later.
const LEASE_MILLIS: Millis = 10_000;
const LEASE_RENEWED_MILLIS: Millis = 4000;
/// Rounds of one go with a neighbour; what is left then follows in the next.
const ROUNDS_MAX: usize = 10_000;
/// After a failure something new is tried at once, but not more often than this.
const FRESH_TRY_MILLIS: Millis = 1000;

/// Why a neighbour could not be served.
pub(crate) enum Trouble {
    /// The neighbour or the way to it: tried again later, the reason shown.
    There(Failure),
    /// This node: tried again later, logged.
    Here(Problem),
}

impl Trouble {
    /// Whether the neighbour can be reached for all that is known, so that more may be tried.
    fn was_answered(&self) -> bool {
        !matches!(self, Trouble::There(failure) if failure.status.is_none())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::There(failure)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Trouble {
        Trouble::Here(problem)
    }
}

/// Milliseconds until a neighbour is to be tried; 0 for now. `cap` is the longest wait there is:
/// a longer one means that the clock was put back, and is not waited for.
pub(crate) fn wait_millis(work: &PeerWork, now: Millis, cap: u64) -> Millis {
    let cap = Millis::try_from(cap).unwrap_or(Millis::MAX);
    let fresh_at = work
        .last_try_at
        .unwrap_or(0)
        .saturating_add(FRESH_TRY_MILLIS);
    let at = if work.fresh {
        work.next_try.min(fresh_at)
    } else {
        work.next_try
    };
    let wait = at.saturating_sub(now);
    if (0..=cap).contains(&wait) { wait } else { 0 }
}

impl Exchange {
    /// Sends a neighbour all that is due to it. What fails is noted with the time of the next try;
    /// gives whether all went well.
    pub async fn serve(&self, peer: &Ods) -> bool {
        let served = self.try_serve(peer).await;
        self.note_clocks().await;
        let trouble = match served {
            Ok(()) => return true,
            Err(trouble) => trouble,
        };
        let sentence = match trouble {
            Trouble::There(failure) => failure.sentence,
            Trouble::Here(problem) => {
                tracing::error!(?problem, %peer, "a neighbour could not be served");
                "This node could not send: see its log.".to_string()
            }
        };
        if let Err(problem) = self.note_failure(peer, sentence).await {
            tracing::error!(?problem, %peer, "a failure could not be noted");
        }
        false
    }

    async fn note_failure(&self, peer: &Ods, error: String) -> Result<(), Problem> {
        let work = self.store.peers_to_serve().await?;
        let known = work.into_iter().find(|it| &it.peer == peer);
        let tries = known.map_or(0, |it| it.tries).saturating_add(1);
        let next_try = self.settings.backoff.next_try(self.store.now(), tries);
        let peer = peer.clone();
        self.write(ParcelWrite::Failed {
            peer,
            error,
            tries,
            next_try,
        })
        .await
        .map(|_| ())
    }

    async fn try_serve(&self, peer: &Ods) -> Result<(), Trouble> {
        if !self.lease(peer).await? {
            return Ok(());
        }
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        // Receipts that are not taken do not hold up letters, nor the other way round.
        let mut untold = None;
        for _ in 0..ROUNDS_MAX {
            let told = match &untold {
                Some(_) => false,
                None => match self.tell(&scope, peer).await {
                    Err(trouble) if !trouble.was_answered() => return Err(trouble),
                    Err(trouble) => {
                        untold = Some(trouble);
                        false
                    }
                    Ok(told) => told,
                },
            };
            let delivered = self.deliver_due(&scope, peer).await?;
            if !told && !delivered {
                break;
            }
        }
        untold.map_or(Ok(()), Err)
    }

    /// Whether this process has the work for the neighbour. Renewed only when it is about to end, so
    /// that most rounds need no commit for it.
    async fn lease(&self, peer: &Ods) -> Result<bool, Problem> {
        if !self.store.is_shared() {
            return Ok(true);
        }
        let now = self.store.now();
        let held = self.leases.lock().get(peer).copied().unwrap_or(0);
        if held > now + LEASE_RENEWED_MILLIS && held <= now + LEASE_MILLIS {
            return Ok(true);
        }
        let until = now + LEASE_MILLIS;
        let holder = self.holder.clone();
        let write = ParcelWrite::Lease {
            peer: peer.clone(),
            holder,
            until,
        };
        let ours = self.write(write).await? == Some(ParcelDone::Lease(true));
        if ours {
            self.leases.lock().insert(peer.clone(), until);
        }
        Ok(ours)
    }

    pub(crate) async fn write(&self, write: ParcelWrite) -> Result<Option<ParcelDone>, Problem> {
        let scope = Scope::system(SystemPurpose::DeliverParcels);
        let committed = self
            .store
            .commit(&scope, Job::effect(Effect::Parcel(write)))
            .await?;
        Ok(committed
            .done
            .into_iter()
            .next()
            .and_then(|done| match done {
                Done::Parcel(done) => Some(done),
                Done::Hl7(_)
                | Done::Hl7Out
                | Done::Account(_)
                | Done::Terminology(_)
                | Done::Bulk
                | Done::Reindex
                | Done::Sub
                | Done::Package
                | Done::Oauth(_)
                | Done::Audit
                | Done::Care(_)
                | Done::Copy
                | Done::Sharing
                | Done::Whereabouts
                | Done::OptOut
                | Done::Mesh(_)
                | Done::People(_)
                | Done::Fax(_)
                | Done::Itk3(_)
                | Done::Ask
                | Done::Diary
                | Done::Prescription
                | Done::Draft
                | Done::Pds
                | Done::Referral
                | Done::Handover
                | Done::Move
                | Done::Visit
                | Done::Downtime
                | Done::Message
                | Done::Question
                | Done::PatientApp
                | Done::Desk
                | Done::Blueprint
                | Done::Form
                | Done::Rule => None,
            }))
    }
}

fn unreadable(problem: Problem) -> Trouble {
    tracing::warn!(?problem, "a neighbour's answer was not taken");
    Trouble::There(Failure::answered(format!(
        "The other node's answer was not taken: {}",
        problem.message
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_tried_in_its_time_and_something_new_once_a_second() {
        let work = |next_try, last_try_at, fresh| PeerWork {
            peer: Ods::parse("A81001").unwrap(),
            tries: 1,
            next_try,
            last_try_at,
            fresh,
        };
        assert_eq!(wait_millis(&work(0, None, false), 5000, 60_000), 0);
        assert_eq!(
            wait_millis(&work(9000, Some(4900), false), 5000, 60_000),
            4000
        );
        assert_eq!(
            wait_millis(&work(9000, Some(4900), true), 5000, 60_000),
            900
        );
        assert_eq!(wait_millis(&work(9000, Some(1000), true), 5000, 60_000), 0);
        // The clock was put back by an hour.
        assert_eq!(
            wait_millis(&work(3_600_000, Some(3_599_000), false), 5000, 60_000),
            0
        );
    }
}
