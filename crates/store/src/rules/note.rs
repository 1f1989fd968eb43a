//! Events, noted in the commit that makes them: a row for each rule that is on.

use fhir::date::Millis;
use fhir::problem::Problem;
use fhir::rule::Event;

use crate::database::Tx;
use crate::sql::Sql;
use crate::write::Change;

/// Notes one. What is noted already and not yet judged is not noted again: it is judged by what is there then.
async fn note(
    tx: &mut Tx<'_>,
    now: Millis,
    event: Event,
    (key, resource, pid): (String, &str, i64),
) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO rule_event (rule, event, key, resource, pid, at, tries, next_try, reason) \
         SELECT g.rule, g.event, $1, $2, $3, $4, 0, 0, NULL FROM rule_trigger g WHERE g.event = $5 \
         ON CONFLICT (rule, key) DO NOTHING",
    );
    let sql = sql.with(key).with(resource).with(pid);
    tx.execute(&sql.with(now).with(event.name()))
        .await
        .map(|_| ())
}

/// A letter is in somebody's record.
pub(crate) async fn letter_came(
    tx: &mut Tx<'_>,
    now: Millis,
    pid: i64,
    document: &str,
) -> Result<(), Problem> {
    let key = format!("letter-received:{pid}");
    note(tx, now, Event::LetterReceived, (key, document, pid)).await
}

/// A referral stands here that another organisation made.
pub(crate) async fn referral_came(
    tx: &mut Tx<'_>,
    now: Millis,
    inward: bool,
    id: &str,
) -> Result<(), Problem> {
    if !inward {
        return Ok(());
    }
    let key = format!("referral-received:{id}");
    note(tx, now, Event::ReferralReceived, (key, id, 0)).await
}

/// Resources that were stored and whose coming is an event. Whether it is one, their status says, which is judged later.
pub(crate) async fn follow(
    tx: &mut Tx<'_>,
    now: Millis,
    changes: &[Change],
) -> Result<(), Problem> {
    let came: Vec<(Event, &str)> = changes.iter().flat_map(events).collect();
    if came.is_empty() {
        return Ok(());
    }
    // Most nodes have no rule on these: one question for all that is stored at a time.
    let sql = Sql::new("SELECT DISTINCT event FROM rule_trigger ORDER BY event");
    let mut watched = Vec::new();
    for row in &tx.rows(&sql).await? {
        watched.extend(Event::from_name(row.text(0)?));
    }
    for (event, id) in came {
        if watched.contains(&event) {
            let key = format!("{}:{id}", event.name());
            note(tx, now, event, (key, id, 0)).await?;
        }
    }
    Ok(())
}

/// What a change may be the event of, with the resource's id.
fn events(change: &Change) -> impl Iterator<Item = (Event, &str)> {
    let (ty, id) = match change {
        Change::Put { resource, .. } => (resource.ty(), resource.id()),
        _ => ("", ""),
    };
    let events: &[Event] = match ty {
        "DiagnosticReport" => &[Event::ResultReceived],
        "Appointment" => &[Event::AppointmentBooked, Event::AppointmentMissed],
        "QuestionnaireResponse" => &[Event::QuestionnaireAnswered],
        _ => &[],
    };
    events.iter().map(move |event| (*event, id))
}
