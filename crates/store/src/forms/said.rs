//! What Tasks say of questionnaires, kept in rows with them.

use fhir::date::Millis;
use fhir::json::Json;
use fhir::problem::Problem;
use fhir::questionnaire::{self, Answerer};

use crate::database::Tx;
use crate::sql::Sql;
use crate::write::Change;

/// What one Task asks; nothing of any other resource.
pub(crate) fn of(ty: &str, resource: &Json<'_>) -> Option<questionnaire::Ask> {
    if ty != "Task" {
        return None;
    }
    // Most Tasks are about something else: these are not read twice.
    let codings = resource
        .get("code")
        .map_or(&[][..], |it| it.items("coding"));
    let mut codes = codings.iter().filter_map(|it| it.text("code"));
    codes.find(|it| *it == questionnaire::COMPLETE)?;
    let task = serde_json::from_slice(&resource.to_bytes()).ok()?;
    questionnaire::ask(&task)
}

/// Writes down what these changes say, in their own transaction.
pub(crate) async fn follow(
    tx: &mut Tx<'_>,
    now: Millis,
    changes: &[Change],
) -> Result<(), Problem> {
    for change in changes {
        match change {
            Change::Put { resource, .. } if resource.ty == "Task" => match &resource.asks {
                Some(said) => put(tx, now, &resource.id, said).await?,
                None => forget(tx, &resource.id).await?,
            },
            Change::Delete { ty, id, .. } if ty == "Task" => forget(tx, id).await?,
            Change::Put { resource, .. } if resource.ty == "QuestionnaireResponse" => {
                // Whoever read it has not read this.
                let sql = Sql::new(
                    "UPDATE form_ask SET seen_at = 0, seen_by = '', answered_at = $1 WHERE response = $2",
                );
                tx.execute(&sql.with(now).with(resource.id.as_str()))
                    .await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn forget(tx: &mut Tx<'_>, id: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM form_ask WHERE task = $1");
    if tx.execute(&sql.with(id)).await? > 0 {
        drop_drafts(tx, id).await?;
    }
    Ok(())
}

async fn drop_drafts(tx: &mut Tx<'_>, id: &str) -> Result<(), Problem> {
    let sql = Sql::new("DELETE FROM form_draft WHERE task = $1");
    tx.execute(&sql.with(id)).await.map(|_| ())
}

async fn put(
    tx: &mut Tx<'_>,
    now: Millis,
    id: &str,
    said: &questionnaire::Ask,
) -> Result<(), Problem> {
    let answered_at = if said.status == "completed" { now } else { 0 };
    let sql = Sql::new(
        "INSERT INTO form_ask (task, patient, canonical, by_patient, status, asked_at, due, response, \
         answered_at, seen_at, seen_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '') \
         ON CONFLICT (task) DO UPDATE SET patient = excluded.patient, canonical = excluded.canonical, \
         by_patient = excluded.by_patient, status = excluded.status, asked_at = excluded.asked_at, \
         due = excluded.due, response = excluded.response, answered_at = excluded.answered_at, \
         seen_at = 0, seen_by = '', \
         reminded_at = CASE WHEN form_ask.due = excluded.due THEN form_ask.reminded_at ELSE 0 END, \
         reminder_opened_at = CASE WHEN form_ask.due = excluded.due THEN form_ask.reminder_opened_at ELSE 0 END",
    );
    let sql = sql.with(id).with(said.patient.as_str());
    let sql = sql.with(said.canonical.as_str());
    let sql = sql.with(said.by == Answerer::Patient);
    let sql = sql.with(said.status.as_str()).with(said.asked_at);
    let sql = sql.with(said.due.unwrap_or_default());
    let sql = sql.with(said.response.as_str()).with(answered_at);
    tx.execute(&sql).await?;
    match said.is_open() {
        true => Ok(()),
        false => drop_drafts(tx, id).await,
    }
}
