//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use sha2::{Digest, Sha256};

use super::{Move, MoveState};
use crate::care::{self, Told};
use crate::database::Tx;
use crate::parcels::{self, State, content, event, outgoing};
use crate::sharing;
use crate::sql::Sql;

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum MoveWrite {
    /// Begins a move, told to the patient if so said. `Conflict` if another one to or from here is open for them.
    Begin {
        row: Box<Move>,
        told: Option<Box<Told>>,
    },
    /// A move goes on. `Conflict` if it does not stand as `was` says.
    Step {
        id: String,
        was: MoveState,
        state: MoveState,
        reason: String,
    },
    /// The question goes on to a further practice. `Conflict` if the move does not wait for an answer.
    SentOn { id: String, other: String },
    /// The record has been put on its way, in this job. `Conflict` if the move does not stand as `was` says, or if what the patient
    /// wants shared is another statement by now.
    Give {
        id: String,
        was: MoveState,
        sharing_version: i64,
        facts: String,
    },
    /// What the practice before knows is here, in this job.
    Arrive {
        id: String,
        parts: i64,
        facts: String,
        proof: Vec<String>,
        holders: Vec<String>,
    },
    /// A piece of the record is here, in this job.
    Part { id: String, part: i64 },
    /// What a parcel of a move says has been seen to, in this job. `Conflict` if it had been before.
    TakenIn { pid: i64, patient: String },
    /// A person says that somebody did not move whom letters name another practice for.
    NotMoved { patient: String },
    /// A letter for somebody who moved goes back to its sender, with the reason.
    Return { pid: i64, reason: String },
}

const BETWEEN: &str = "Somebody else has just changed this move; look again.";
const OPEN: &str = "There is a move under way for this patient already.";

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &MoveWrite) -> Result<(), Problem> {
    match write {
        MoveWrite::Begin { row, told } => {
            begin(tx, row).await?;
            match told {
                Some(told) => care::notify(tx, now, "moved", told).await,
                None => Ok(()),
            }
        }
        MoveWrite::Step {
            id,
            was,
            state,
            reason,
        } => {
            let sql = Sql::new(
                "UPDATE patient_move SET state = $1, state_at = $2, reason = $3 WHERE id = $4 AND state = $5",
            );
            let sql = sql.with(state.code()).with(now).with(reason.as_str());
            tx.execute_once(&sql.with(id.as_str()).with(was.code()), BETWEEN)
                .await
        }
        MoveWrite::SentOn { id, other } => {
            let sql = Sql::new(
                "UPDATE patient_move SET other = $1, state_at = $2, hops = hops + 1 WHERE id = $3 AND state = 'asked'",
            );
            let sql = sql.with(other.as_str()).with(now).with(id.as_str());
            tx.execute_once(&sql, BETWEEN).await
        }
        MoveWrite::Give {
            id,
            was,
            sharing_version,
            facts,
        } => give(tx, now, (id, *was), *sharing_version, facts).await,
        MoveWrite::Arrive {
            id,
            parts,
            facts,
            proof,
            holders,
        } => arrive(tx, now, (id, *parts), (facts, proof), holders).await,
        MoveWrite::Part { id, part } => {
            let sql = Sql::new(
                "INSERT INTO patient_move_part (id, part) VALUES ($1, $2) ON CONFLICT (id, part) DO NOTHING",
            );
            tx.execute(&sql.with(id.as_str()).with(*part)).await?;
            settle(tx, now, id).await
        }
        MoveWrite::TakenIn { pid, patient } => {
            parcels::whole_taken_in(tx, now, (*pid, parcels::Kind::PracticeMove), patient).await
        }
        MoveWrite::NotMoved { patient } => {
            let sql = Sql::new(
                "UPDATE itk3_in SET practice = '' WHERE practice <> '' \
                 AND pid IN (SELECT pid FROM parcel WHERE patient = $1)",
            );
            tx.execute(&sql.with(patient.as_str())).await.map(|_| ())
        }
        MoveWrite::Return { pid, reason } => give_back(tx, now, *pid, reason).await,
    }
}

async fn begin(tx: &mut Tx<'_>, it: &Move) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT 1 FROM patient_move WHERE patient = $1 AND inward = $2 AND state IN ('asked', 'claimed') LIMIT 1",
    );
    let open = tx
        .row(&sql.with(it.patient.as_str()).with(it.inward))
        .await?;
    if open.is_some() {
        return Err(Problem::new(Kind::Conflict, OPEN));
    }
    let sql = Sql::new(
        "INSERT INTO patient_move (id, inward, patient, other, state, registered_at, state_at, reason, hops, parts, \
         facts, proof) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '') ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(it.id.as_str()).with(it.inward);
    let sql = sql.with(it.patient.as_str()).with(it.other.as_str());
    let sql = sql.with(it.state.code()).with(it.registered_at);
    let sql = sql.with(it.state_at).with(it.reason.as_str());
    let sql = sql.with(it.hops).with(it.parts).with(it.facts.as_str());
    tx.execute_once(&sql, OPEN).await
}

/// A patient's record, which named that practice, names this one now: the practice before is to be asked. Until it has
/// answered nobody is answered about them here.
pub(crate) async fn noticed(
    tx: &mut Tx<'_>,
    now: Millis,
    patient: &str,
    before: &str,
) -> Result<(), Problem> {
    let digest = Sha256::digest(format!("noticed {patient} {before} {now}").as_bytes());
    let id: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let sql = Sql::new(
        "INSERT INTO patient_move (id, inward, patient, other, state, registered_at, state_at, reason, hops, parts, \
         facts, proof) SELECT $1, 1, $2, $3, 'noticed', CAST($4 AS BIGINT), CAST($4 AS BIGINT), '', 0, -1, '', '' \
         WHERE NOT EXISTS (SELECT 1 FROM patient_move m WHERE m.patient = $2 AND m.inward = 1 \
         AND m.state IN ('noticed', 'asked')) ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(id).with(patient).with(before).with(now);
    tx.execute(&sql).await.map(|_| ())
}

async fn give(
    tx: &mut Tx<'_>,
    now: Millis,
    (id, was): (&str, MoveState),
    sharing_version: i64,
    facts: &str,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT COALESCE((SELECT s.version FROM sharing s WHERE s.patient = m.patient), 0) FROM patient_move m \
         WHERE m.id = $1",
    );
    let version = tx
        .row(&sql.with(id))
        .await?
        .map_or(Ok(0), |row| row.int(0))?;
    if version != sharing_version {
        return Err(Problem::new(Kind::Conflict, BETWEEN));
    }
    let sql = Sql::new(
        "UPDATE patient_move SET state = 'given', state_at = $1, facts = $2, reason = '' WHERE id = $3 AND state = $4",
    );
    let sql = sql.with(now).with(facts).with(id).with(was.code());
    tx.execute_once(&sql, BETWEEN).await
}

async fn arrive(
    tx: &mut Tx<'_>,
    now: Millis,
    (id, parts): (&str, i64),
    (facts, proof): (&str, &[String]),
    holders: &[String],
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE patient_move SET state = 'arriving', state_at = $1, parts = $2, facts = $3, proof = $4, reason = '' \
         WHERE id = $5 AND state = 'asked' RETURNING patient",
    );
    let sql = sql.with(now).with(parts).with(facts);
    let sql = sql.with(proof.join("\n")).with(id);
    let Some(row) = tx.row(&sql).await? else {
        return Err(Problem::new(Kind::Conflict, BETWEEN));
    };
    let patient = row.text(0)?.to_string();
    for holder in holders {
        let sql = Sql::new(
            "INSERT INTO patient_move_holder (patient, holder) VALUES ($1, $2) ON CONFLICT (patient, holder) DO NOTHING",
        );
        tx.execute(&sql.with(patient.as_str()).with(holder.as_str()))
            .await?;
    }
    // Whoever holds something learns from the next statement that the practice is another one.
    sharing::changed(tx, now, &patient).await?;
    settle(tx, now, id).await
}

/// All pieces are here.
async fn settle(tx: &mut Tx<'_>, now: Millis, id: &str) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE patient_move SET state = 'done', state_at = $1 WHERE id = $2 AND state = 'arriving' AND parts <= \
         (SELECT COUNT(*) FROM patient_move_part p WHERE p.id = $2)",
    );
    tx.execute(&sql.with(now).with(id)).await.map(|_| ())
}

async fn give_back(tx: &mut Tx<'_>, now: Millis, pid: i64, reason: &str) -> Result<(), Problem> {
    let parcel = event::by_pid(tx, pid).await?.ok_or_else(outgoing::gone)?;
    if !parcel.state.may_become(State::Returned) {
        return Err(Problem::new(
            Kind::Conflict,
            "The letter was settled meanwhile.",
        ));
    }
    let nobody = event::Actor::default();
    let seq = event::add(tx, now, &parcel, State::Returned.code(), &nobody, reason).await?;
    event::set_state(tx, pid, State::Returned, now).await?;
    event::set_reason(tx, pid, reason).await?;
    if parcel.by_itk3 {
        crate::itk3::stepped(tx, now, pid, (State::Returned, reason)).await?;
    }
    event::stop_taking_in(tx, pid).await?;
    content::release(tx, pid, &parcel.sender).await?;
    event::tell(tx, &parcel, seq).await
}

/// The new home practice's statement is in force: what the patient said here while this was their home practice, and what
/// the practices before told, counts no more.
pub(crate) async fn left_for(
    tx: &mut Tx<'_>,
    now: Millis,
    patient: &str,
    home: &str,
) -> Result<(), Problem> {
    let sql = Sql::new("SELECT 1 FROM sharing_home WHERE patient = $1 AND home = $2");
    if tx.row(&sql.with(patient).with(home)).await?.is_none() {
        return Ok(());
    }
    let sql = Sql::new("SELECT home FROM sharing_held WHERE patients = $1 AND home <> $2");
    for row in tx.rows(&sql.with(patient).with(home)).await? {
        crate::whereabouts::told(tx, now, patient, (row.text(0)?, false)).await?;
    }
    let sql = Sql::new(
        "DELETE FROM care_dissent WHERE patient = $1 AND consent LIKE 'home:%' AND consent <> $2",
    );
    tx.execute(&sql.with(patient).with(format!("home:{home}")))
        .await?;
    let sql = Sql::new(
        "DELETE FROM care_dissent WHERE patient = $1 AND consent NOT LIKE 'home:%' AND EXISTS (SELECT 1 \
         FROM patient_move m WHERE m.patient = $1 AND m.inward = 0 AND m.state = 'given')",
    );
    tx.execute(&sql.with(patient)).await.map(|_| ())
}
