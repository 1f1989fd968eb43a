//! What a Slot resource says (<https://hl7.org/fhir/R4/slot.html>), kept in rows with it.

use access::{Scope, SystemPurpose};
use fhir::date;
use fhir::json::Json;
use fhir::problem::{Kind, Problem};

use super::{Audience, BOOKABLE_BY};
use crate::database::Tx;
use crate::sql::Sql;
use crate::write::Change;

/// The longest words kept, in characters; what is longer stays in the resource.
const WORDS_MAX: usize = 200;

/// What one Slot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotSaid {
    schedule: String,
    status: String,
    starts_at: i64,
    ends_at: i64,
    kind: String,
    held_by: String,
    audience: Audience,
}

impl SlotSaid {
    /// Reads it; one without times says nothing that could be booked.
    pub(crate) fn of(ty: &str, resource: &Json<'_>) -> Option<SlotSaid> {
        if ty != "Slot" {
            return None;
        }
        let at = |name: &str| resource.text(name).and_then(date::span);
        let schedule = resource.get("schedule");
        let reference = schedule.and_then(|it| it.text("reference"));
        let id = reference.and_then(|it| it.strip_prefix("Schedule/"));
        let held_by = schedule.and_then(|it| it.text("display"));
        Some(SlotSaid {
            schedule: id.unwrap_or_default().to_string(),
            status: words(resource.text("status").unwrap_or_default()),
            starts_at: at("start")?.low,
            ends_at: at("end")?.low,
            kind: words(kind(resource).unwrap_or_default()),
            held_by: words(held_by.unwrap_or_default()),
            audience: audience(resource),
        })
    }
}

fn words(text: &str) -> String {
    text.trim().chars().take(WORDS_MAX).collect()
}

fn kind<'r>(slot: &'r Json<'_>) -> Option<&'r str> {
    let of = |it: &'r Json<'_>| {
        let display = it.items("coding").iter().find_map(|it| it.text("display"));
        it.text("text").or(display)
    };
    let types = slot.items("serviceType").iter();
    types.chain(slot.get("appointmentType")).find_map(of)
}

fn audience(slot: &Json<'_>) -> Audience {
    let tags = slot.get("meta").map_or(&[][..], |it| it.items("tag"));
    let ours = tags
        .iter()
        .filter(|it| it.text("system") == Some(BOOKABLE_BY));
    let read = |code: &str| match code {
        "organisations" => Audience::Organisations,
        "patients" => Audience::Patients,
        _ => Audience::Staff,
    };
    let widest = ours.filter_map(|it| it.text("code")).map(read).max();
    widest.unwrap_or(Audience::Staff)
}

/// Writes down what these changes say of slots, in their own transaction. What is booked is made free only by the node's
/// own work on bookings, with the end of the booking.
pub(crate) async fn follow(
    tx: &mut Tx<'_>,
    scope: &Scope,
    changes: &[Change],
) -> Result<(), Problem> {
    let is_own = scope.purpose() == SystemPurpose::KeepAppointments.code();
    for change in changes {
        match change {
            Change::Put { resource, .. } => {
                let Some(said) = &resource.slot else { continue };
                if !is_own && said.status != "busy" {
                    check_not_booked(tx, &resource.id).await?;
                }
                put(tx, &resource.id, said).await?;
            }
            Change::Delete { ty, id, .. } if ty == "Slot" => {
                if !is_own {
                    check_not_booked(tx, id).await?;
                }
                let sql = Sql::new("DELETE FROM diary_slot WHERE id = $1");
                tx.execute(&sql.with(id.as_str())).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn check_not_booked(tx: &mut Tx<'_>, id: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT 1 FROM diary_booking b JOIN diary_slot s ON s.id = b.slot \
         WHERE b.slot = $1 AND b.state = 'booked' UNION ALL SELECT 1 FROM diary_further_slot f \
         JOIN diary_booking b ON b.id = f.booking WHERE f.slot = $2 AND b.state = 'booked' LIMIT 1",
    );
    match tx.row(&sql.with(id).with(id)).await? {
        None => Ok(()),
        Some(_) => {
            let message = "This slot is booked. Cancel its appointment first, which frees it.";
            Err(Problem::new(Kind::BusinessRule, message).at(format!("Slot/{id}")))
        }
    }
}

async fn put(tx: &mut Tx<'_>, id: &str, said: &SlotSaid) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO diary_slot (id, schedule, status, starts_at, ends_at, kind, held_by, audience) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
         schedule = excluded.schedule, status = excluded.status, starts_at = excluded.starts_at, \
         ends_at = excluded.ends_at, kind = excluded.kind, held_by = excluded.held_by, \
         audience = excluded.audience",
    );
    let sql = sql.with(id).with(said.schedule.as_str());
    let sql = sql.with(said.status.as_str()).with(said.starts_at);
    let sql = sql.with(said.ends_at).with(said.kind.as_str());
    let sql = sql.with(said.held_by.as_str()).with(said.audience.number());
    tx.execute(&sql).await.map(|_| ())
}
