//! Changes of these rows.

use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{EntryState, Told, VisitState};
use crate::database::Tx;
use crate::sql::Sql;

/// What is written offline about one visit at a time, in bytes.
pub const BODY_BYTES_MAX: usize = 64 << 10;
/// Visits in one pack.
pub const VISITS_IN_PACK_MAX: usize = 60;
/// Packs of an organisation that are out at a time: a person can still look through them.
const OUT_MAX: i64 = 500;
/// Entries that wait for a person.
const HELD_MAX: i64 = 5_000;

/// A visit to plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVisit {
    /// Its Task's.
    pub id: String,
    pub patient: String,
    pub account: i64,
    pub nurse: String,
    /// In the UK: `2026-11-29`.
    pub day: String,
    pub at: Millis,
}

/// A pack to take along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPack {
    pub id: String,
    pub account: i64,
    pub nurse: String,
    pub day: String,
    pub expires_at: Millis,
    /// Hex, 32 bytes.
    pub return_key: String,
    /// Visits, and the version of the Task of each.
    pub visits: Vec<(String, i64)>,
}

/// Something that was written offline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Made where it was written.
    pub id: String,
    pub pack: String,
    pub visit: String,
    pub patient: String,
    pub account: i64,
    pub author: String,
    /// JSON.
    pub body: String,
    pub happened_at: Millis,
    pub written_at: Millis,
    pub arrived_at: Millis,
    /// Who brought it.
    pub arrived_by: String,
    pub state: EntryState,
    pub why: String,
    pub settled_at: Millis,
    pub settled_by: String,
    pub settled_why: String,
    pub told: Told,
}

/// What the writer can do to these rows.
#[derive(Clone, Debug)]
pub enum VisitWrite {
    /// `Conflict` if that id is taken.
    Plan(Box<NewVisit>),
    /// The office changes it; the Task's change in the same job holds the version.
    Change {
        visit: Box<NewVisit>,
        state: VisitState,
    },
    /// `TooLong` if it holds too much, `Throttled` if too many are out.
    TakeAlong(Box<NewPack>),
    /// Writes down what came, once. `Conflict` if it has been written down. One that lands says how the visit stands
    /// now; the Task's change in the same job was to the version after `version`.
    Arrive {
        entry: Box<Entry>,
        lands: Option<(VisitState, i64)>,
    },
    /// Something of the pack came. It is back once all its visits were heard of, and out again if it was said to be.
    Heard { pack: String },
    /// A person decided about what was held. `Conflict` if somebody has.
    Settle {
        id: String,
        state: EntryState,
        by: String,
        why: String,
        visit: Option<VisitState>,
        told: Told,
    },
    /// Nothing more comes of a pack, a person says. `Conflict` unless it was out or had expired.
    End { pack: String, why: String },
    /// Its time is over. `Conflict` unless it was out.
    Expire { pack: String },
}

const BETWEEN: &str = "Somebody else has just changed this; look again.";

/// Applies one change inside the writer's transaction. An error undoes the whole job.
pub(crate) async fn apply(tx: &mut Tx<'_>, now: Millis, write: &VisitWrite) -> Result<(), Problem> {
    match write {
        VisitWrite::Plan(visit) => plan(tx, now, visit).await,
        VisitWrite::Change { visit, state } => {
            let sql = Sql::new(
                "UPDATE visit SET account = $1, nurse = $2, day = $3, at = $4, state = $5, changed_at = $6 \
                 WHERE id = $7 AND patient = $8",
            );
            let sql = sql.with(visit.account).with(visit.nurse.as_str());
            let sql = sql.with(visit.day.as_str()).with(visit.at);
            let sql = sql.with(state.code()).with(now);
            let sql = sql.with(visit.id.as_str()).with(visit.patient.as_str());
            tx.execute_once(&sql, BETWEEN).await
        }
        VisitWrite::TakeAlong(pack) => take_along(tx, now, pack).await,
        VisitWrite::Arrive { entry, lands } => arrive(tx, now, entry, *lands).await,
        VisitWrite::Heard { pack } => heard(tx, now, pack).await,
        VisitWrite::Settle {
            id,
            state,
            by,
            why,
            visit,
            told,
        } => settle(tx, now, (id, *state, told), (by, why), *visit).await,
        VisitWrite::End { pack, why } => {
            let sql = Sql::new(
                "UPDATE visit_pack SET state = 'ended', why = $1 \
                 WHERE id = $2 AND state IN ('out', 'expired')",
            );
            let sql = sql.with(why.as_str()).with(pack.as_str());
            tx.execute_once(&sql, BETWEEN).await
        }
        VisitWrite::Expire { pack } => {
            let sql = Sql::new(
                "UPDATE visit_pack SET state = 'expired' \
                 WHERE id = $1 AND state = 'out' AND expires_at <= $2",
            );
            let sql = sql.with(pack.as_str()).with(now);
            tx.execute_once(&sql, BETWEEN).await
        }
    }
}

async fn plan(tx: &mut Tx<'_>, now: Millis, visit: &NewVisit) -> Result<(), Problem> {
    let sql = Sql::new(
        "INSERT INTO visit (id, patient, account, nurse, day, at, state, changed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'planned', $7) ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(visit.id.as_str()).with(visit.patient.as_str());
    let sql = sql.with(visit.account).with(visit.nurse.as_str());
    let sql = sql.with(visit.day.as_str()).with(visit.at).with(now);
    tx.execute_once(&sql, "This visit is on the list already.")
        .await
}

async fn take_along(tx: &mut Tx<'_>, now: Millis, pack: &NewPack) -> Result<(), Problem> {
    if pack.visits.len() > VISITS_IN_PACK_MAX {
        let message = "A pack holds 60 visits at most.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    let out = Sql::new("SELECT COUNT(*) FROM visit_pack WHERE state = 'out'");
    let out = tx.row(&out).await?.map_or(Ok(0), |row| row.int(0))?;
    if out >= OUT_MAX {
        let message = "Too many packs are out and not back: say first what became of some.";
        return Err(Problem::new(Kind::Throttled, message));
    }
    let sql = Sql::new(
        "INSERT INTO visit_pack (id, account, nurse, day, made_at, expires_at, return_key, state, heard_at, \
         why) VALUES ($1, $2, $3, $4, $5, $6, $7, 'out', 0, '') ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(pack.id.as_str()).with(pack.account);
    let sql = sql.with(pack.nurse.as_str()).with(pack.day.as_str());
    let sql = sql.with(now).with(pack.expires_at);
    let sql = sql.with(pack.return_key.as_str());
    tx.execute_once(&sql, "A pack of that name is there already.")
        .await?;
    for (visit, version) in &pack.visits {
        let sql = Sql::new(
            "INSERT INTO visit_taken (pack, visit, version, heard) VALUES ($1, $2, $3, 0) \
             ON CONFLICT (pack, visit) DO NOTHING",
        );
        let sql = sql.with(pack.id.as_str()).with(visit.as_str());
        tx.execute_once(&sql.with(*version), BETWEEN).await?;
    }
    Ok(())
}

async fn arrive(
    tx: &mut Tx<'_>,
    now: Millis,
    it: &Entry,
    lands: Option<(VisitState, i64)>,
) -> Result<(), Problem> {
    if it.body.len() > BODY_BYTES_MAX {
        let message = "An entry is longer than can be kept.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    if it.state == EntryState::Held {
        let held = Sql::new("SELECT COUNT(*) FROM visit_entry WHERE state = 'held'");
        let held = tx.row(&held).await?.map_or(Ok(0), |row| row.int(0))?;
        if held >= HELD_MAX {
            let message = "Too much waits for a decision here: decide about some first, then bring this again.";
            return Err(Problem::new(Kind::Throttled, message));
        }
    }
    let sql = Sql::new(
        "INSERT INTO visit_entry (id, pack, visit, patient, account, author, body, happened_at, written_at, \
         arrived_at, arrived_by, state, why, settled_at, settled_by, settled_why, told) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, '', '', $14) \
         ON CONFLICT (id) DO NOTHING",
    );
    let sql = sql.with(it.id.as_str()).with(it.pack.as_str());
    let sql = sql.with(it.visit.as_str()).with(it.patient.as_str());
    let sql = sql.with(it.account).with(it.author.as_str());
    let sql = sql.with(it.body.as_str()).with(it.happened_at);
    let sql = sql.with(it.written_at).with(now);
    let sql = sql.with(it.arrived_by.as_str()).with(it.state.code());
    let sql = sql.with(it.why.as_str()).with(it.told.code());
    tx.execute_once(&sql, "This has arrived before.").await?;
    if let Some((state, version)) = lands {
        stands(tx, now, &it.visit, state).await?;
        let sql = Sql::new(
            "UPDATE visit_taken SET version = $1 WHERE pack = $2 AND visit = $3 AND version = $4",
        );
        let sql = sql.with(version.saturating_add(1)).with(it.pack.as_str());
        let sql = sql.with(it.visit.as_str()).with(version);
        tx.execute_once(&sql, BETWEEN).await?;
    }
    let sql = Sql::new("UPDATE visit_taken SET heard = 1 WHERE pack = $1 AND visit = $2");
    let sql = sql.with(it.pack.as_str()).with(it.visit.as_str());
    tx.execute(&sql).await.map(|_| ())
}

/// The row follows the Task.
async fn stands(
    tx: &mut Tx<'_>,
    now: Millis,
    visit: &str,
    state: VisitState,
) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE visit SET state = $1, changed_at = $2 WHERE id = $3");
    let sql = sql.with(state.code()).with(now).with(visit);
    tx.execute_once(&sql, BETWEEN).await
}

async fn heard(tx: &mut Tx<'_>, now: Millis, pack: &str) -> Result<(), Problem> {
    let sql = Sql::new("UPDATE visit_pack SET heard_at = $1 WHERE id = $2");
    tx.execute_once(&sql.with(now).with(pack), BETWEEN).await?;
    let sql = Sql::new(
        "UPDATE visit_pack SET state = 'back' WHERE id = $1 AND state IN ('out', 'expired') \
         AND NOT EXISTS (SELECT 1 FROM visit_taken t WHERE t.pack = visit_pack.id AND t.heard = 0)",
    );
    tx.execute(&sql.with(pack)).await.map(|_| ())
}

async fn settle(
    tx: &mut Tx<'_>,
    now: Millis,
    (id, state, told): (&str, EntryState, &Told),
    (by, why): (&str, &str),
    visit: Option<VisitState>,
) -> Result<(), Problem> {
    let sql = Sql::new(
        "UPDATE visit_entry SET state = $1, settled_at = $2, settled_by = $3, settled_why = $4, \
         told = $5 WHERE id = $6 AND state = 'held'",
    );
    let sql = sql.with(state.code()).with(now).with(by).with(why);
    let sql = sql.with(told.code()).with(id);
    tx.execute_once(&sql, BETWEEN).await?;
    let Some(visit) = visit else { return Ok(()) };
    let found = Sql::new("SELECT visit FROM visit_entry WHERE id = $1").with(id);
    let found = tx.row(&found).await?;
    let of = found.as_ref().map(|row| row.text(0)).transpose()?;
    stands(tx, now, of.unwrap_or_default(), visit).await
}
