//! The worker that sees to what a patient has here already when they become restricted, or are so no
//! more: batches of resources, each all its versions, until none is left (P14).

use std::time::Duration;

use access::{Scope, SystemPurpose};
use fhir::problem::Problem;

use super::WhereaboutsWrite;
use crate::sql::Sql;
use crate::store::{Store, Weak};
use crate::write::{Change, Effect, Job};

/// How often the worker looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Resources in one step.
const AT_ONCE: i64 = 50;
/// Patients in one look.
const PATIENTS_AT_ONCE: i64 = 20;

/// Starts the worker, which ends with the store.
pub(crate) fn start(store: Weak) {
    tokio::spawn(async move {
        loop {
            let Some(store) = store.upgrade() else { return };
            if let Err(problem) = look(&store).await {
                tracing::warn!(?problem, "seeing to a restricted patient's record waits");
            }
            drop(store);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

async fn look(store: &Store) -> Result<(), Problem> {
    let due = Sql::new(
        "SELECT patient, swept FROM restricted WHERE swept IS NOT NULL ORDER BY patient LIMIT $1",
    );
    for row in store.rows(&due.with(PATIENTS_AT_ONCE)).await? {
        let (patient, mut after) = (row.text(0)?.to_string(), row.int(1)?);
        loop {
            store.let_others_first().await;
            match step(store, &patient, after).await? {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    Ok(())
}

/// One batch; the last row of it, or `None` if there was none left.
async fn step(store: &Store, patient: &str, after: i64) -> Result<Option<i64>, Problem> {
    // What is deleted is in no compartment any more, but its versions are still told by its history.
    let sql = Sql::new(
        "SELECT a.rid, w.text, a.id FROM (SELECT r.rid, r.ty, r.id FROM compartment c \
         JOIN res r ON r.shard = c.shard AND r.rid = c.rid WHERE c.patient = $1 AND c.rid > $2 \
         UNION SELECT r.rid, r.ty, r.id FROM res r WHERE r.shard = $3 AND r.rid > $2 \
         AND r.del = 1 AND r.patients = $1) a \
         JOIN word w ON w.id = a.ty ORDER BY a.rid LIMIT $4",
    );
    let shard = crate::shard::of_patient(Some(patient));
    let sql = sql.with(patient.to_string()).with(after).with(shard);
    let rows = store.rows(&sql.with(AT_ONCE)).await?;
    let upto = rows.last().map(|row| row.int(0)).transpose()?;
    let mut job = Job::effect(Effect::Whereabouts(WhereaboutsWrite::Swept {
        patient: patient.to_string(),
        from: after,
        upto,
    }));
    for row in &rows {
        job.changes.push(Change::Veil {
            ty: row.text(1)?.to_string(),
            id: row.text(2)?.to_string(),
        });
    }
    let scope = Scope::system(SystemPurpose::KeepWhereabouts);
    store.commit(&scope, job).await?;
    Ok(upto)
}
