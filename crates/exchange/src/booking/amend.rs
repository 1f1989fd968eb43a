//! The words of an appointment of this node's diary, changed by who booked it.

use access::{Interaction, Scope};
use fhir::problem::{Kind, Problem};
use store::diary::BookingState;
use store::{Job, Store};

use super::local::{check_live, line, no_booking};
use super::resource::AtHand;
use super::{check_reason, work};

/// Changes why it is and what is to be known besides, if it is still at that version.
///
/// # Errors
/// `NotFound`; `BusinessRule` if it is over or not booked any more; `Conflict` if it has changed since.
pub async fn amend(
    store: &Store,
    scope: &Scope,
    (id, version): (&str, u64),
    words: (&str, &str),
) -> Result<(), Problem> {
    amend_with(store, scope, (id, version), (words, Job::default())).await
}

/// The same, with what else is to be done in its commit.
pub(super) async fn amend_with(
    store: &Store,
    scope: &Scope,
    (id, version): (&str, u64),
    ((reason, comment), beside): ((&str, &str), Job),
) -> Result<(), Problem> {
    check_reason(reason)?;
    check_reason(comment)?;
    let work = work(scope);
    let booking = store.booking(&work, id).await?.ok_or_else(no_booking)?;
    check_live(&booking, store.now())?;
    let visit = AtHand::read(store, &work, "Appointment", id).await?;
    let mut visit = visit.ok_or_else(no_booking)?;
    if booking.state != BookingState::Booked || visit.version() != version {
        let message = "The appointment has changed since it was read; read it again.";
        return Err(Problem::new(Kind::Conflict, message));
    }
    visit.set_reason(reason, comment);
    let mut job = beside;
    job.changes.push(visit.put(store.organisation())?);
    let what = ("Appointment", Some(id));
    let patient = Some(booking.patient.as_str());
    job.traces
        .push(line(scope, Interaction::Book, what, patient));
    store.commit(&work, job).await.map(|_| ())
}
