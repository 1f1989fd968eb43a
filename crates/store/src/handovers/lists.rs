//! The board, and what was said of one handover.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Handover, HandoverState, HandoverStep, StepSide};
use crate::parcels::State;
use crate::reach::{forbidden, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Rows of one list, and steps of one handover, at most.
const ROWS_MAX: u32 = 200;

/// Which handovers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// Come in: on their way, waiting or being taken over; the worst first.
    Open,
    /// Come in: taken over, or not coming, since that moment; the newest first.
    Ended(Millis),
    /// Sent by crews here: those that were not withdrawn, and those withdrawn since that moment; the newest first.
    Sent(Millis),
}

/// How far this side's newest parcel of a handover got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub state: State,
    pub at: Millis,
    /// Why not farther; may be empty.
    pub why: String,
}

/// What the department did, as its signed receipts say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Of which of the crew's steps, by its number.
    pub step: u32,
    pub state: State,
    pub at: Millis,
    pub who: String,
    pub role: String,
    pub note: String,
}

const HANDOVER: &str = "SELECT h.id, h.inward, h.other, h.asked_as, h.patient, h.state, h.pre_alert, h.weight, h.made_at, \
     h.due_at, h.arrived_at, h.begun_at, h.begun_by, h.ended_at, h.ended_by, h.crew_told, h.dept_told, h.pid, h.letter, \
     h.news, h.version, CASE h.record WHEN '' THEN h.id ELSE h.record END, h.moved_from FROM crew_handover h WHERE ";
const OPEN: &str = "h.inward = 1 AND h.state IN ('coming', 'arrived', 'begun')";

impl Store {
    /// The handover of that id, if there is one.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is about something else; those of the database.
    pub async fn handover(&self, scope: &Scope, id: &str) -> Result<Option<Handover>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(HANDOVER);
        sql.push("h.id = ").bind(id);
        let rows = self.rows(&sql).await?;
        let found = rows.first().map(handover).transpose()?;
        Ok(found.filter(|it| reaches(scope, it)))
    }

    /// One list, for staff; names no patient but by id. What was said of each is read under the caller's own scope.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is no staff's; those of the database.
    pub async fn handovers(
        &self,
        scope: &Scope,
        board: Board,
        count: u32,
    ) -> Result<Vec<Handover>, Problem> {
        staff(scope)?;
        may(scope)?;
        let mut sql = Sql::new(HANDOVER);
        match board {
            Board::Open => {
                sql.push(OPEN).push(
                    " ORDER BY h.pre_alert DESC, h.weight DESC, h.arrived_at, h.due_at, h.id",
                );
            }
            Board::Ended(since) => {
                sql.push(
                    "h.inward = 1 AND h.state IN ('received', 'withdrawn') AND h.ended_at >= ",
                );
                sql.bind(since);
                sql.push(" ORDER BY h.news DESC, h.ended_at DESC, h.id");
            }
            Board::Sent(since) => {
                sql.push("h.inward = 0 AND (h.state <> 'withdrawn' OR h.ended_at >= ");
                sql.bind(since);
                sql.push(") ORDER BY h.made_at DESC, h.id");
            }
        }
        sql.push(" LIMIT ").bind(count.min(ROWS_MAX));
        let rows = self.rows_apart(sql).await?;
        rows.iter().map(handover).collect()
    }

    /// What was said of a handover, the crew's steps and the department's, each in order of their numbers. It is traced: the
    /// caller has seen to it that they may read what the handover is about.
    ///
    /// # Errors
    /// As `handover`.
    pub async fn handover_steps(
        &self,
        scope: &Scope,
        of: &Handover,
    ) -> Result<Vec<HandoverStep>, Problem> {
        may(scope)?;
        let mut sql = Sql::new(
            "SELECT side, number, said_at, came_at, text FROM crew_handover_step WHERE handover = ",
        );
        sql.bind(of.id.as_str());
        // The newest first, so that a bound leaves out the oldest.
        sql.push(" ORDER BY side DESC, number DESC LIMIT ")
            .bind(ROWS_MAX);
        let rows = self.rows(&sql).await?;
        let mut found = rows.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        found.reverse();
        if !matches!(scope.reach(), Reach::Everything) {
            let target = Target {
                ty: "Encounter".into(),
                id: Some(of.record.clone()),
                patient: (!of.patient.is_empty()).then(|| of.patient.clone()),
                ..Target::default()
            };
            let line = scope.trace(scope.interaction(), Outcome::Success, target);
            self.traced(vec![line]).await?;
        }
        Ok(found)
    }

    /// How far the newest parcel of a handover got that this side sent, and why not farther.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn handover_sent(&self, of: &Handover) -> Result<Option<Sent>, Problem> {
        let mut sql = Sql::new(
            "SELECT state, state_at, COALESCE(reason, '') FROM parcel WHERE kind = 'handover' AND direction = 0 \
             AND unique_id = ",
        );
        sql.bind(of.asked_as.as_str());
        sql.push(" AND recipient = ").bind(of.other.as_str());
        sql.push(" ORDER BY pid DESC LIMIT 1");
        let rows = self.rows(&sql).await?;
        let read = |row: &Row| {
            Ok(Sent {
                state: State::from_code(row.text(0)?).unwrap_or(State::Waiting),
                at: row.int(1)?,
                why: row.text(2)?.to_string(),
            })
        };
        rows.first().map(read).transpose()
    }

    /// What the department did with a handover that was sent from here, the oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn handover_receipts(&self, of: &Handover) -> Result<Vec<Receipt>, Problem> {
        // Each step of the crew is one parcel, in the order of their numbers.
        let mut sql = Sql::new(
            "SELECT e.event, e.at, e.who, e.role, e.note, (SELECT COUNT(*) FROM parcel q WHERE q.kind = 'handover' \
             AND q.direction = 0 AND q.sender = p.sender AND q.unique_id = p.unique_id AND q.recipient = p.recipient \
             AND q.pid <= p.pid) FROM parcel p JOIN parcel_event e ON e.pid = p.pid AND e.shard = p.shard WHERE p.kind = 'handover' AND p.direction = 0 AND p.unique_id = ",
        );
        sql.bind(of.asked_as.as_str());
        sql.push(" AND p.recipient = ").bind(of.other.as_str());
        sql.push(" AND e.origin = ").bind(of.other.as_str());
        sql.push(" ORDER BY e.at, p.pid, e.seq LIMIT ")
            .bind(ROWS_MAX);
        let rows = self.rows(&sql).await?;
        let mut found = Vec::new();
        for row in &rows {
            // Refusals stand at the parcel itself.
            let Some(state) = State::from_code(row.text(0)?) else {
                continue;
            };
            found.push(Receipt {
                step: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
                state,
                at: row.int(1)?,
                who: row.text(2)?.to_string(),
                role: row.text(3)?.to_string(),
                note: row.text(4)?.to_string(),
            });
        }
        Ok(found)
    }

    /// How many are on their way or wait.
    ///
    /// # Errors
    /// As `handovers`.
    pub async fn handovers_open(&self, scope: &Scope) -> Result<u64, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT COUNT(*) FROM crew_handover h WHERE h.inward = 1 AND h.state IN ('coming', 'arrived', 'begun')",
        );
        let rows = self.rows(&sql).await?;
        let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

fn handover(row: &Row) -> Result<Handover, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    let number = |at: usize| Ok::<u32, Problem>(u32::try_from(row.int(at)?).unwrap_or(u32::MAX));
    let nameless = || Problem::new(Kind::Exception, "A handover is in a state of no name.");
    Ok(Handover {
        id: text(0)?,
        inward: row.flag(1)?,
        other: text(2)?,
        asked_as: text(3)?,
        patient: text(4)?,
        state: HandoverState::from_code(row.text(5)?).ok_or_else(nameless)?,
        pre_alert: row.flag(6)?,
        weight: number(7)?,
        made_at: row.int(8)?,
        due_at: row.int(9)?,
        arrived_at: row.int(10)?,
        begun_at: row.int(11)?,
        begun_by: text(12)?,
        ended_at: row.int(13)?,
        ended_by: text(14)?,
        crew_told: number(15)?,
        dept_told: number(16)?,
        pid: row.int(17)?,
        letter: text(18)?,
        news: row.flag(19)?,
        version: row.int(20)?,
        record: text(21)?,
        moved_from: text(22)?,
    })
}

fn step(row: &Row) -> Result<HandoverStep, Problem> {
    Ok(HandoverStep {
        side: match row.flag(0)? {
            true => StepSide::Department,
            false => StepSide::Crew,
        },
        number: u32::try_from(row.int(1)?).unwrap_or(u32::MAX),
        said_at: row.int(2)?,
        came_at: row.int(3)?,
        text: row.text(4)?.to_string(),
    })
}

/// Whether a scope is about handovers.
fn may(scope: &Scope) -> Result<(), Problem> {
    let is_about = matches!(
        scope.interaction(),
        Interaction::Handovers
            | Interaction::HandOver
            | Interaction::TakeOver
            | Interaction::MatchLetter
    );
    if is_about || matches!(scope.reach(), Reach::Everything) {
        return Ok(());
    }
    Err(forbidden())
}

/// A row tells no more than that there is a handover; what it is about is in the Encounter, which is read under the scope
/// itself. The patient's is asked here too.
fn reaches(scope: &Scope, of: &Handover) -> bool {
    match scope.reach() {
        Reach::Compartment { patient, .. } => *patient == of.patient,
        Reach::Organisation(_) | Reach::Everything => true,
        Reach::Mailbox(_) => false,
    }
}
