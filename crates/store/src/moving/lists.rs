//! How moves stand, and what is still to do.

use access::{Ods, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::{Move, MoveState};
use crate::reach::{own, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// Holders of one patient's at most.
const HOLDERS_MAX: i64 = 500;

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveList {
    /// Patients who came here.
    Inward,
    /// Patients whom another practice claims, or who went there.
    Outward,
}

const MOVE: &str = "SELECT m.id, m.inward, m.patient, m.other, m.state, m.registered_at, m.state_at, m.reason, m.hops, \
     m.parts, (SELECT COUNT(*) FROM patient_move_part p WHERE p.id = m.id), m.facts, m.proof FROM patient_move m WHERE ";

/// Somebody who moved, as PDS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedSaysPds {
    /// The Patient here.
    pub patient: String,
    /// The practice that PDS names.
    pub to: String,
    /// The practice that the record here names, or this one.
    pub from: String,
    pub said_at: Millis,
}

/// Somebody who moved, as a letter says that came as an ITK3 document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedSaysLetter {
    /// The Patient here.
    pub patient: String,
    /// The practice that the letter names.
    pub to: String,
    /// The practice that the record here names, or this one.
    pub from: String,
    /// Who wrote it, as it says itself.
    pub by: String,
    pub said_at: Millis,
}

impl Store {
    /// The move of that id.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope; those of the database.
    pub async fn patient_move(&self, scope: &Scope, id: &str) -> Result<Option<Move>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(MOVE);
        sql.push("m.id = ").bind(id);
        self.rows(&sql).await?.first().map(read).transpose()
    }

    /// One patient's moves, the newest first.
    ///
    /// # Errors
    /// As `patient_move`.
    pub async fn moves_of(&self, scope: &Scope, patient: &str) -> Result<Vec<Move>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(MOVE);
        sql.push("m.patient = ").bind(patient);
        sql.push(" ORDER BY m.state_at DESC, m.id LIMIT 50");
        self.rows(&sql).await?.iter().map(read).collect()
    }

    /// One list, those first about which somebody has still to do something; `count` at most.
    ///
    /// # Errors
    /// As `patient_move`.
    pub async fn moves(
        &self,
        scope: &Scope,
        list: MoveList,
        count: u32,
    ) -> Result<Vec<Move>, Problem> {
        staff(scope)?;
        let mut sql = Sql::new(MOVE);
        sql.push("m.inward = ").bind(list == MoveList::Inward);
        sql.push(
            " ORDER BY CASE WHEN m.state IN ('done', 'given', 'objected') THEN 1 ELSE 0 END, \
             m.state_at DESC, m.id LIMIT ",
        );
        sql.bind(count);
        self.rows(&sql).await?.iter().map(read).collect()
    }

    /// Patients whom PDS names another practice for than the record here does, where one of both is this, the latest told first,
    /// and no move of theirs is under way.
    ///
    /// # Errors
    /// As `patient_move`.
    pub async fn moved_says_pds(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<MovedSaysPds>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT t.patient, t.practice, COALESCE(h.home, $1), t.said_at FROM pds_trace t \
             LEFT JOIN sharing_home h ON h.patient = t.patient WHERE t.practice <> '' AND t.state = 'matched' \
             AND t.practice <> COALESCE(h.home, $1) AND (t.practice = $1 OR COALESCE(h.home, $1) = $1) \
             AND NOT EXISTS (SELECT 1 FROM patient_move m WHERE m.patient = t.patient \
             AND m.state NOT IN ('done', 'refused', 'nowhere', 'objected')) \
             ORDER BY t.said_at DESC, t.patient LIMIT $2",
        );
        let own = self.organisation().to_string();
        let rows = self.rows_apart(sql.with(own).with(count)).await?;
        let read = |row: &Row| {
            Ok(MovedSaysPds {
                patient: row.text(0)?.to_string(),
                to: row.text(1)?.to_string(),
                from: row.text(2)?.to_string(),
                said_at: row.int(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Patients for whom the latest letter that names a practice names another than the record here does, where one of both is this,
    /// and no move of theirs is under way or came since. The latest told first.
    ///
    /// # Errors
    /// As `patient_move`.
    pub async fn moved_says_letter(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<MovedSaysLetter>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT p.patient, i.practice, COALESCE(h.home, $1), p.sender, i.received_at FROM itk3_in i \
             JOIN parcel p ON p.pid = i.pid LEFT JOIN sharing_home h ON h.patient = p.patient \
             WHERE i.practice <> '' AND p.patient <> '' AND i.practice <> COALESCE(h.home, $1) \
             AND (i.practice = $1 OR COALESCE(h.home, $1) = $1) \
             AND NOT EXISTS (SELECT 1 FROM patient_move m WHERE m.patient = p.patient \
             AND (m.state NOT IN ('done', 'refused', 'nowhere', 'objected') OR m.state_at >= i.received_at)) \
             AND NOT EXISTS (SELECT 1 FROM itk3_in j JOIN parcel k ON k.pid = j.pid WHERE k.patient = p.patient \
             AND j.practice <> '' AND j.number > i.number) ORDER BY i.received_at DESC, p.patient LIMIT $2",
        );
        let own = self.organisation().to_string();
        let rows = self.rows_apart(sql.with(own).with(count)).await?;
        let read = |row: &Row| {
            Ok(MovedSaysLetter {
                patient: row.text(0)?.to_string(),
                to: row.text(1)?.to_string(),
                from: row.text(2)?.to_string(),
                by: row.text(3)?.to_string(),
                said_at: row.int(4)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Moves in that state, the oldest first: the worker's.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn moves_in(
        &self,
        scope: &Scope,
        state: MoveState,
        count: u32,
    ) -> Result<Vec<Move>, Problem> {
        own(scope)?;
        let mut sql = Sql::new(MOVE);
        sql.push("m.state = ").bind(state.code());
        sql.push(" ORDER BY m.state_at, m.id LIMIT ").bind(count);
        self.rows(&sql).await?.iter().map(read).collect()
    }

    /// How many claims of other practices wait for a person here. No patient is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn moves_claimed(&self) -> Result<u64, Problem> {
        let sql =
            Sql::new("SELECT COUNT(*) FROM patient_move WHERE inward = 0 AND state = 'claimed'");
        let rows = self.rows(&sql).await?;
        let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Whether this practice has taken the patient as its own and does not know yet what they want shared.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn is_moving_here(&self, patient: &str) -> Result<bool, Problem> {
        let sql = Sql::new(
            "SELECT 1 FROM patient_move WHERE patient = $1 AND inward = 1 \
             AND state IN ('noticed', 'asked') LIMIT 1",
        );
        Ok(!self.rows(&sql.with(patient)).await?.is_empty())
    }

    /// The practice that a patient, once of this one, is registered with now; `None` if they never left, or are back or on
    /// their way back.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn moved_to(&self, patient: &str) -> Result<Option<Ods>, Problem> {
        let sql = Sql::new(
            "SELECT h.home FROM sharing_home h WHERE h.patient = $1 AND h.home <> $2 AND EXISTS (SELECT 1 FROM \
             patient_move m WHERE m.patient = $1 AND m.inward = 0 AND m.state = 'given') AND NOT EXISTS (SELECT 1 \
             FROM patient_move m WHERE m.patient = $1 AND m.inward = 1 AND m.state IN ('noticed', 'asked'))",
        );
        let sql = sql.with(patient).with(self.organisation().as_str());
        let rows = self.rows(&sql).await?;
        rows.first().map(|row| Ods::parse(row.text(0)?)).transpose()
    }

    /// Whom the practice that the patient left named as holding something.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope; those of the database.
    pub async fn moved_holders(&self, scope: &Scope, patient: &str) -> Result<Vec<Ods>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT holder FROM patient_move_holder WHERE patient = $1 ORDER BY holder LIMIT $2",
        );
        let rows = self.rows(&sql.with(patient).with(HOLDERS_MAX)).await?;
        rows.iter().map(|row| Ods::parse(row.text(0)?)).collect()
    }

    /// The signed words of the practices that the patient left before this one, the oldest first.
    ///
    /// # Errors
    /// As `moved_holders`.
    pub async fn move_proof(&self, scope: &Scope, patient: &str) -> Result<Vec<String>, Problem> {
        let moves = self.moves_of(scope, patient).await?;
        let came = moves
            .into_iter()
            .find(|it| it.inward && !it.proof.is_empty());
        Ok(came.map(|it| it.proof).unwrap_or_default())
    }

    /// The number of the patient's present statement of what they want shared; 0 if they never said.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sharing_version(&self, patient: &str) -> Result<i64, Problem> {
        let sql = Sql::new("SELECT version FROM sharing WHERE patient = $1").with(patient);
        self.rows(&sql)
            .await?
            .first()
            .map_or(Ok(0), |row| row.int(0))
    }
}

fn read(row: &Row) -> Result<Move, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    let state = MoveState::from_code(row.text(4)?)
        .ok_or_else(|| Problem::new(Kind::Exception, "A move is in a state of no name."))?;
    Ok(Move {
        id: text(0)?,
        inward: row.flag(1)?,
        patient: text(2)?,
        other: text(3)?,
        state,
        registered_at: row.int(5)?,
        state_at: row.int(6)?,
        reason: text(7)?,
        hops: row.int(8)?,
        parts: row.int(9)?,
        here: row.int(10)?,
        facts: text(11)?,
        proof: row.text(12)?.lines().map(str::to_string).collect(),
    })
}
