//! An appointment over several slots, one right after the other in one schedule.

use access::Scope;
use fhir::problem::{Kind, Problem};
use serde_json::{Map, Value, json};
use store::diary::{Booking, DiaryWrite, Slot};
use store::{Effect, Job, Store};

use super::Offer;
use super::local::{freed, no_slot};

/// What an Appointment says and takes besides what its wish names.
#[derive(Clone, Copy, Debug, Default)]
pub struct More<'m> {
    /// Further members of the resource, such as who booked it.
    pub members: Option<&'m Map<String, Value>>,
    /// Slots that it takes after the wish's, in the order of their times.
    pub further: &'m [String],
}

/// Whether each of these slots begins when the one before it ends, in the same schedule: then one appointment can take them
/// all. GP Connect tells times to the second.
pub fn are_adjacent(slots: &[Slot]) -> bool {
    let second = |at: i64| at.div_euclid(1_000);
    slots.windows(2).all(|pair| match pair {
        [one, next] => {
            !one.schedule.is_empty()
                && one.schedule == next.schedule
                && second(one.ends_at) == second(next.starts_at)
        }
        _ => false,
    })
}

/// The slots that are wanted, the first first.
///
/// # Errors
/// `NotFound` if one is not there; `Value` if they are not adjacent; those of the store.
pub(super) async fn wanted(
    store: &Store,
    work: &Scope,
    (first, further): (&str, &[String]),
) -> Result<Vec<Slot>, Problem> {
    let mut slots = Vec::new();
    for id in std::iter::once(first).chain(further.iter().map(String::as_str)) {
        slots.push(store.slot(work, id).await?.ok_or_else(no_slot)?);
    }
    match are_adjacent(&slots) {
        true => Ok(slots),
        false => Err(Problem::new(
            Kind::Value,
            "Slots are taken together only where each begins when the one before it ends, with the same person.",
        )),
    }
}

/// The time of all of them as one; `None` of no slot.
pub(super) fn as_one(slots: &[Slot]) -> Option<Offer> {
    let (first, last) = (slots.first()?, slots.last()?);
    Some(Offer {
        ends: last.ends_at,
        ..Offer::of(first)
    })
}

/// Makes the Appointment name all of them.
pub(super) fn name_all(visit: &mut Value, slots: &[Slot]) {
    let all = slots
        .iter()
        .map(|it| json!({ "reference": format!("Slot/{}", it.id) }));
    let all: Vec<Value> = all.collect();
    if let (Some(visit), true) = (visit.as_object_mut(), all.len() > 1) {
        visit.insert("slot".into(), Value::Array(all));
    }
}

/// What keeps in mind which slots a booking takes after its first; nothing for one slot.
pub(super) fn kept(booking: &str, slots: &[Slot]) -> Option<Effect> {
    let further: Vec<String> = slots.iter().skip(1).map(|it| it.id.clone()).collect();
    (!further.is_empty()).then(|| {
        Effect::Diary(DiaryWrite::Further {
            booking: booking.to_string(),
            slots: further,
        })
    })
}

/// Frees every slot of a booking that ends, in the job that ends it.
pub(super) async fn free_all(
    store: &Store,
    work: &Scope,
    booking: &Booking,
    job: &mut Job,
) -> Result<(), Problem> {
    job.changes.extend(freed(store, work, &booking.slot).await?);
    let further = store.further_slots(work, &booking.id).await?;
    for slot in &further {
        job.changes.extend(freed(store, work, slot).await?);
    }
    if !further.is_empty() {
        job.effects.push(Effect::Diary(DiaryWrite::Further {
            booking: booking.id.clone(),
            slots: Vec::new(),
        }));
    }
    Ok(())
}
