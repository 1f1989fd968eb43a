//! Changes of handovers' rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Handover, HandoverStep, StepSide};
use crate::database::Tx;
use crate::parcels::{self, State, event, outgoing};
use crate::sql::Sql;

/// What must be there before a handover is written; otherwise the whole job is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverWas {
    /// No handover of that id.
    Nothing,
    /// One of that version.
    At(i64),
}

/// Who takes a step that the other side gets a receipt for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    pub who: String,
    pub role: String,
    pub account: Option<i64>,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum HandoverWrite {
    /// Writes a handover with the step that moved it. `Conflict` if what is there is not what `was` says.
    Put {
        handover: Box<Handover>,
        was: HandoverWas,
        step: Option<Box<HandoverStep>>,
    },
    /// A parcel that came has been seen to, in this job. `Conflict` if it had been before.
    TakenIn { pid: i64, patient: String },
    /// Somebody here has looked at what that organisation says of its handover `asked_as`: the crew gets a receipt for the first
    /// look at each step of it that is here; who has looked is remembered, once, at the parcel `pid`.
    Opened {
        pid: i64,
        other: String,
        asked_as: String,
        by: By,
    },
    /// Its parcels are about another patient than was thought.
    Moved {
        other: String,
        asked_as: String,
        patient: String,
    },
    /// A named clinician has taken over, in this job: the crew gets a receipt. `Conflict` if somebody had before.
    Received { pid: i64, by: By, note: String },
    /// What somebody here had opened does not come: each of them is told.
    Tell { pid: i64 },
    /// Somebody here has looked at what was new.
    Seen { id: String },
}

/// Steps of one crew, at most.
const STEPS_MAX: i64 = 150;
const BETWEEN: &str = "Something has just changed this handover; look again.";

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    now: Millis,
    write: &HandoverWrite,
) -> Result<(), Problem> {
    match write {
        HandoverWrite::Put {
            handover,
            was,
            step,
        } => {
            match was {
                HandoverWas::Nothing => insert(tx, handover).await?,
                HandoverWas::At(version) => update(tx, handover, *version).await?,
            }
            match step {
                Some(step) => keep(tx, &handover.id, step).await,
                None => Ok(()),
            }
        }
        HandoverWrite::TakenIn { pid, patient } => {
            parcels::text_taken_in(tx, now, (*pid, parcels::Kind::Handover), patient).await
        }
        HandoverWrite::Opened {
            pid,
            other,
            asked_as,
            by,
        } => {
            opened(tx, now, *pid, by).await?;
            opened_later(tx, now, (*pid, other, asked_as), by).await
        }
        HandoverWrite::Moved {
            other,
            asked_as,
            patient,
        } => {
            let sql = Sql::new(
                "UPDATE parcel SET patient = $1 WHERE direction = 1 AND sender = $2 AND unique_id = $3 \
                 AND kind = 'handover' AND due = 0",
            );
            let sql = sql.with(patient.as_str()).with(other.as_str());
            tx.execute(&sql.with(asked_as.as_str())).await.map(|_| ())
        }
        HandoverWrite::Received { pid, by, note } => {
            let parcel = event::by_pid(tx, *pid).await?.ok_or_else(outgoing::gone)?;
            if !parcel.state.may_become(State::ActedOn) {
                return Err(Problem::new(Kind::Conflict, BETWEEN));
            }
            step(tx, now, &parcel, (State::ActedOn, by, note)).await
        }
        HandoverWrite::Tell { pid } => parcels::left(tx, now, *pid, State::Withdrawn).await,
        HandoverWrite::Seen { id } => {
            let sql = Sql::new("UPDATE crew_handover SET news = 0 WHERE id = $1 AND news = 1");
            tx.execute(&sql.with(id.as_str())).await.map(|_| ())
        }
    }
}

async fn insert(tx: &mut Tx<'_>, it: &Handover) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO crew_handover (id, inward, other, asked_as, patient, state, pre_alert, weight, made_at, due_at, \
         arrived_at, begun_at, begun_by, ended_at, ended_by, crew_told, dept_told, pid, letter, news, version) VALUES \
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 1) \
         ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(it.id.as_str()).with(it.inward);
    let sql = sql.with(it.other.as_str()).with(it.asked_as.as_str());
    let sql = sql.with(it.patient.as_str()).with(it.state.code());
    let sql = sql.with(it.pre_alert).with(i64::from(it.weight));
    let sql = sql.with(it.made_at).with(it.due_at).with(it.arrived_at);
    let sql = sql.with(it.begun_at).with(it.begun_by.as_str());
    let sql = sql.with(it.ended_at).with(it.ended_by.as_str());
    let sql = sql
        .with(i64::from(it.crew_told))
        .with(i64::from(it.dept_told));
    let sql = sql.with(it.pid).with(it.letter.as_str()).with(it.news);
    tx.execute_once(&sql, BETWEEN).await
}

async fn update(tx: &mut Tx<'_>, it: &Handover, was: i64) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE crew_handover SET patient = $1, state = $2, pre_alert = $3, weight = $4, due_at = $5, arrived_at = $6, \
         begun_at = $7, begun_by = $8, ended_at = $9, ended_by = $10, crew_told = $11, dept_told = $12, letter = $13, \
         news = $14, record = $15, moved_from = $16, version = version + 1 WHERE id = $17 AND version = $18",
    );
    let sql = sql.with(it.patient.as_str()).with(it.state.code());
    let sql = sql.with(it.pre_alert).with(i64::from(it.weight));
    let sql = sql.with(it.due_at).with(it.arrived_at);
    let sql = sql.with(it.begun_at).with(it.begun_by.as_str());
    let sql = sql.with(it.ended_at).with(it.ended_by.as_str());
    let sql = sql
        .with(i64::from(it.crew_told))
        .with(i64::from(it.dept_told));
    let sql = sql.with(it.letter.as_str()).with(it.news);
    let sql = sql.with(it.record.as_str()).with(it.moved_from.as_str());
    let sql = sql.with(it.id.as_str()).with(was);
    tx.execute_once(&sql, BETWEEN).await
}

/// What was said first under a number stays.
async fn keep(tx: &mut Tx<'_>, handover: &str, step: &HandoverStep) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO crew_handover_step (handover, side, number, said_at, came_at, text) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (handover, side, number) DO NOTHING",
    );
    let sql = sql.with(handover).with(step.side == StepSide::Department);
    let sql = sql.with(i64::from(step.number)).with(step.said_at);
    let sql = sql.with(step.came_at).with(step.text.as_str());
    tx.execute(&sql).await.map(|_| ())
}

async fn opened(tx: &mut Tx<'_>, now: Millis, pid: i64, by: &By) -> Result<(), Problem> {
    let parcel = event::by_pid(tx, pid).await?.ok_or_else(outgoing::gone)?;
    if parcel.state.may_become(State::Opened) {
        return step(tx, now, &parcel, (State::Opened, by, "")).await;
    }
    let sql = Sql::new("SELECT 1 FROM parcel_event WHERE pid = $1 AND account = $2 LIMIT 1");
    let known = tx.row(&sql.with(pid).with(by.account)).await?;
    if by.account.is_some() && known.is_none() {
        let code = State::Opened.code();
        event::add(tx, now, &parcel, code, &actor(by), "").await?;
    }
    Ok(())
}

/// The first look at each step that came after the parcel `pid` and is taken in.
async fn opened_later(
    tx: &mut Tx<'_>,
    now: Millis,
    (pid, other, asked_as): (i64, &str, &str),
    by: &By,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "SELECT pid FROM parcel WHERE direction = 1 AND sender = $1 AND unique_id = $2 AND kind = 'handover' \
         AND due = 0 AND state = $3 AND pid <> $4 ORDER BY pid LIMIT $5",
    );
    let sql = sql.with(other).with(asked_as).with(State::Delivered.code());
    for row in tx.rows(&sql.with(pid).with(STEPS_MAX)).await? {
        let parcel = event::by_pid(tx, row.int(0)?).await?;
        let parcel = parcel.ok_or_else(outgoing::gone)?;
        step(tx, now, &parcel, (State::Opened, by, "")).await?;
    }
    Ok(())
}

/// A step of the department that moves the parcel on and is told to the crew.
async fn step(
    tx: &mut Tx<'_>,
    now: Millis,
    parcel: &event::Known,
    (state, by, note): (State, &By, &str),
) -> Result<(), Problem> {
    let seq = event::add(tx, now, parcel, state.code(), &actor(by), note).await?;
    event::set_state(tx, parcel.pid, state, now).await?;
    event::tell(tx, parcel, seq).await
}

fn actor(by: &By) -> event::Actor {
    event::Actor {
        who: by.who.clone(),
        role: by.role.clone(),
        account: by.account,
    }
}
