//! What is to do, for the node's workers.

use access::{Ods, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::state::State;
use super::{Made, Named, PartOf, event};
use crate::sql::Sql;
use crate::store::Store;

/// A neighbour for which there is something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerWork {
    pub peer: Ods,
    /// Failures since its last answer.
    pub tries: u32,
    pub next_try: Millis,
    pub last_try_at: Option<Millis>,
    /// Something was accepted for it that was never tried.
    pub fresh: bool,
}

/// A parcel that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToDeliver {
    pub pid: i64,
    pub id: String,
    pub text: String,
    pub digest: String,
    pub parts: Vec<PartOf>,
    /// The resources here that it was made of, for the audit log.
    pub made: Made,
    pub urgent: bool,
    /// Whether the patient's later parcels wait for it already (`ParcelWrite::Holds`).
    pub holds: bool,
}

/// A step that another organisation is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToTell {
    /// The receipt's number in the queue.
    pub number: i64,
    pub sender: String,
    pub id: String,
    pub digest: String,
    pub state: State,
    pub at: Millis,
    pub seq: u64,
    pub who: String,
    pub role: String,
    pub note: String,
}

/// A parcel that is to be taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToTakeIn {
    pub pid: i64,
    pub sender: Ods,
    pub id: String,
    pub text: String,
    pub received_at: Millis,
    pub named: Named,
    pub parts: Vec<PartOf>,
    /// The Patient here, where a person has matched it.
    pub patient: Option<String>,
    /// Whether it came as an ITK3 document: no signature proves its sender.
    pub by_itk3: bool,
}

impl Store {
    /// The neighbours for which there is something to do. No patient is named.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn peers_to_serve(&self) -> Result<Vec<PeerWork>, Problem> {
        let sql = Sql::new(
            "SELECT peer, tries, next_try, last_try_at, \
             (SELECT p.state FROM parcel p WHERE p.direction = 0 AND p.due = 1 \
             AND p.recipient = parcel_peer.peer AND p.urgent = 1 ORDER BY p.pid DESC LIMIT 1), \
             (SELECT p.state FROM parcel p WHERE p.direction = 0 AND p.due = 1 \
             AND p.recipient = parcel_peer.peer AND p.urgent = 0 ORDER BY p.pid DESC LIMIT 1) \
             FROM parcel_peer WHERE \
             EXISTS (SELECT 1 FROM parcel p WHERE p.direction = 0 AND p.due = 1 \
             AND p.recipient = parcel_peer.peer) OR \
             EXISTS (SELECT 1 FROM parcel_receipt r WHERE r.peer = parcel_peer.peer \
             AND r.refused IS NULL AND r.held_until <= $1) ORDER BY next_try LIMIT 10000",
        )
        .with(self.now());
        let rows = self.rows(&sql).await?;
        rows.iter()
            .map(|row| {
                Ok(PeerWork {
                    peer: Ods::parse(row.text(0)?)?,
                    tries: u32::try_from(row.int(1)?).unwrap_or(u32::MAX),
                    next_try: row.int(2)?,
                    last_try_at: row.int_opt(3)?,
                    // A failure makes waiting what is accepted: where something is, the newest is.
                    fresh: [row.text_opt(4)?, row.text_opt(5)?]
                        .contains(&Some(State::Accepted.code())),
                })
            })
            .collect()
    }

    /// What is to be delivered to a neighbour, urgent letters first, then the oldest. Not what is about a patient of whom
    /// something was sent before that is not taken yet, unless this is urgent and that is not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn to_deliver(
        &self,
        scope: &Scope,
        peer: &Ods,
        count_max: u32,
    ) -> Result<Vec<ToDeliver>, Problem> {
        check(scope)?;
        let of = |urgent: bool, count_max: u32| due(peer.as_str(), urgent, count_max);
        let mut rows = self.rows(&of(true, count_max)).await?;
        let left = count_max.saturating_sub(u32::try_from(rows.len()).unwrap_or(count_max));
        if left > 0 {
            rows.extend(self.rows(&of(false, left)).await?);
        }
        let mut parcels = Vec::new();
        for row in rows {
            let pid = row.int(0)?;
            parcels.push(ToDeliver {
                pid,
                id: row.text(1)?.to_string(),
                text: row.text(2)?.to_string(),
                digest: row.text(3)?.to_string(),
                parts: self.parts(pid).await?,
                made: event::made(&row, 4)?,
                urgent: row.flag(7)?,
                holds: row.text_opt(8)?.is_some(),
            });
        }
        Ok(parcels)
    }

    /// What was made of a parcel here. `None`: there is no such parcel.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn made_of(
        &self,
        scope: &Scope,
        sender: &str,
        id: &str,
    ) -> Result<Option<(State, Made)>, Problem> {
        check(scope)?;
        let sql = Sql::new(
            "SELECT state, patient, document, binaries FROM parcel WHERE sender = $1 AND id = $2 \
             AND shard = $3",
        )
        .with(sender)
        .with(id)
        .with(event::shard(sender, id));
        let rows = self.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let state = State::from_code(row.text(0)?).unwrap_or(State::Delivered);
        Ok(Some((state, event::made(row, 1)?)))
    }

    /// The parts of a parcel, main part first.
    pub(crate) async fn parts(&self, pid: i64) -> Result<Vec<PartOf>, Problem> {
        let sql = Sql::new(
            "SELECT sha256, size, content_type FROM parcel_part WHERE pid = $1 ORDER BY number",
        )
        .with(pid);
        let rows = self.rows(&sql).await?;
        let part = |row: &crate::row::Row| {
            Ok(PartOf {
                sha256: row.text(0)?.to_string(),
                size: u64::try_from(row.int(1)?).unwrap_or_default(),
                content_type: row.text(2)?.to_string(),
            })
        };
        rows.iter().map(part).collect()
    }

    /// What a neighbour is to be told, in the order in which it happened.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn to_tell(
        &self,
        scope: &Scope,
        peer: &Ods,
        count_max: u32,
    ) -> Result<Vec<ToTell>, Problem> {
        check(scope)?;
        let sql = Sql::new(
            "SELECT r.number, p.sender, p.id, p.digest, e.event, e.at, e.origin_seq, e.who, e.role, \
             e.note FROM parcel_receipt r JOIN parcel p ON p.pid = r.pid \
             AND p.shard = r.shard \
             JOIN parcel_event e ON e.pid = r.pid AND e.seq = r.seq \
             AND e.shard = r.shard \
             WHERE r.peer = $1 AND r.refused IS NULL AND r.held_until <= $2 \
             ORDER BY r.number LIMIT $3",
        )
        .with(peer.as_str())
        .with(self.now())
        .with(count_max);
        let rows = self.rows(&sql).await?;
        let nameless = || Problem::new(Kind::Exception, "A receipt is of a state of no name.");
        rows.iter()
            .map(|row| {
                Ok(ToTell {
                    number: row.int(0)?,
                    sender: row.text(1)?.to_string(),
                    id: row.text(2)?.to_string(),
                    digest: row.text(3)?.to_string(),
                    state: State::from_code(row.text(4)?).ok_or_else(nameless)?,
                    at: row.int(5)?,
                    seq: u64::try_from(row.int(6)?).unwrap_or_default(),
                    who: row.text(7)?.to_string(),
                    role: row.text(8)?.to_string(),
                    note: row.text(9)?.to_string(),
                })
            })
            .collect()
    }

    /// What is to be taken in, urgent letters first, then the oldest.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn to_take_in(
        &self,
        scope: &Scope,
        count_max: u32,
    ) -> Result<Vec<ToTakeIn>, Problem> {
        check(scope)?;
        let of = |urgent: bool, count_max: u32| {
            // As in `to_deliver`: a backlog is not sorted anew for each batch of it.
            Sql::new(
                "SELECT pid, sender, id, text, stored_at, nhs_number, birth_date, family, given, \
                 patient, kind FROM parcel WHERE direction = 1 AND due = 1 AND urgent = $1 \
                 ORDER BY pid LIMIT $2",
            )
            .with(urgent)
            .with(count_max)
        };
        let mut rows = self.rows(&of(true, count_max)).await?;
        let left = count_max.saturating_sub(u32::try_from(rows.len()).unwrap_or(count_max));
        if left > 0 {
            rows.extend(self.rows(&of(false, left)).await?);
        }
        let mut parcels = Vec::new();
        for row in rows {
            let pid = row.int(0)?;
            parcels.push(ToTakeIn {
                pid,
                sender: Ods::parse(row.text(1)?)?,
                id: row.text(2)?.to_string(),
                text: row.text(3)?.to_string(),
                received_at: row.int(4)?,
                named: Named {
                    nhs_number: row.text_opt(5)?.map(str::to_string),
                    birth_date: row.text_opt(6)?.map(str::to_string),
                    family: row.text(7)?.to_string(),
                    given: row.text(8)?.to_string(),
                },
                parts: self.parts(pid).await?,
                patient: row.text_opt(9)?.map(str::to_string),
                by_itk3: row.text(10)? == super::Kind::Itk3.code(),
            });
        }
        Ok(parcels)
    }
}

/// What is due to a neighbour. One urgency at a time, so that the index alone tells the order, however many wait. Few hold: they are
/// found by their patient, and by no other index (`+`).
pub(super) fn due(peer: &str, urgent: bool, count_max: u32) -> Sql<'_> {
    Sql::new(
        "SELECT p.pid, p.id, p.text, p.digest, p.patient, p.document, p.binaries, p.urgent, p.holds FROM parcel p \
         WHERE p.direction = 0 AND p.due = 1 AND p.recipient = $1 AND p.urgent = $2 AND NOT EXISTS \
         (SELECT 1 FROM parcel b WHERE b.holds = p.patient AND b.pid < p.pid AND +b.direction = 0 AND +b.due = 1 \
         AND b.recipient = p.recipient AND +b.urgent >= p.urgent) ORDER BY p.pid LIMIT $3",
    )
    .with(peer)
    .with(urgent)
    .with(count_max)
}

/// Workers alone read across all patients.
pub(super) fn check(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        access::Reach::Everything if scope.may_look() => Ok(()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is for the node's own workers.",
        )),
    }
}
