//! One parcel with all its steps, and the steps of a patient's letter.

use access::{Outcome, Reach, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::PartOf;
use super::act::{HELD_BACK, RELEASED};
use super::bulk::{FILED_UNDONE, PUT_BACK};
use super::large::{IN_RESOURCE_BYTES_MAX, Large};
use super::lists::{self, Letter};
use super::outgoing::gone;
use super::shown::{self, Shown};
use super::state::State;
use crate::resources::facts;
use crate::sql::Sql;
use crate::store::Store;

/// A step of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// In the order in which they became known here, from 1.
    pub seq: u64,
    /// The state that it brought; `None` for other happenings.
    pub state: Option<State>,
    /// The state's word, or `taken-in`, `matched`, `refused`, `held-back`, `released`, `recalled`, `rung`.
    pub event: String,
    pub at: Millis,
    /// A person's name; empty where the node did it by itself.
    pub who: String,
    pub role: String,
    /// The ODS code of the organisation where it was taken.
    pub organisation: String,
    /// An outcome or reason.
    pub note: String,
    /// The signed statement (JWS) that told it, where another organisation did.
    pub proof: Option<String>,
}

/// A parcel as one page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub letter: Letter,
    pub events: Vec<Event>,
    pub parts: Vec<PartOf>,
    /// The parcel's text, as it was accepted; empty where it is withheld.
    pub text: String,
    /// Whether it came in (else it goes out).
    pub inward: bool,
    /// Copies that came under the same id with another text, and were refused.
    pub tampered: u64,
    /// Steps that the other side has not been told yet, or refused to hear.
    pub untold: u64,
}

/// One part of a parcel's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub content_type: String,
    /// Empty where it is large.
    pub bytes: Vec<u8>,
    /// Where its bytes are, if it is too large to be read as a whole.
    pub large: Option<Large>,
}

const EVENTS: &str = "SELECT e.seq, e.event, e.at, e.who, e.role, e.origin, e.note, j.jws \
     FROM parcel_event e LEFT JOIN parcel_proof j ON j.sha256 = e.proof \
     WHERE e.pid = $1 ORDER BY e.seq LIMIT 500";

impl Store {
    /// A parcel with its steps, traced; of one that is withheld, only that it is there.
    ///
    /// # Errors
    /// `NotFound` if the caller's organisation has no such parcel, or it is locked; `Forbidden`.
    pub async fn item(&self, scope: &Scope, pid: i64) -> Result<Item, Problem> {
        let owner = lists::owner(self, scope)?;
        let mut sql = lists::reading(scope, owner.clone(), self.document_word().await?);
        sql.push(" AND p.pid = ").bind(pid);
        let rows = self.rows_apart(sql).await?;
        let Some(row) = rows.first() else {
            return self.no_letter(scope, &owner, pid).await;
        };
        let letter = lists::letter(row)?;
        let line = lists::line(
            scope,
            pid,
            shown::named(&letter.made),
            letter.shown.outcome(),
        );
        if letter.shown != Shown::Whole {
            self.traced(vec![line]).await?;
            return Ok(Item {
                inward: !letter.outward,
                letter,
                events: Vec::new(),
                parts: Vec::new(),
                text: String::new(),
                tampered: 0,
                untold: 0,
            });
        }
        let sql = Sql::new(
            "SELECT tampered, (SELECT COUNT(*) FROM parcel_receipt r WHERE r.pid = $1), \
             text FROM parcel WHERE pid = $2",
        )
        .with(pid)
        .with(pid);
        let rows = self.rows(&sql).await?;
        let more = rows.first().ok_or_else(gone)?;
        let item = Item {
            inward: !letter.outward,
            letter,
            events: self.events(pid).await?,
            parts: self.parts(pid).await?,
            tampered: u64::try_from(more.int(0)?).unwrap_or_default(),
            untold: u64::try_from(more.int(1)?).unwrap_or_default(),
            text: more.text(2)?.to_string(),
        };
        self.traced(vec![line]).await?;
        Ok(item)
    }

    async fn events(&self, pid: i64) -> Result<Vec<Event>, Problem> {
        let rows = self.rows(&Sql::new(EVENTS).with(pid)).await?;
        rows.iter()
            .map(|row| {
                Ok(Event {
                    seq: u64::try_from(row.int(0)?).unwrap_or_default(),
                    state: State::from_code(row.text(1)?),
                    event: row.text(1)?.to_string(),
                    at: row.int(2)?,
                    who: row.text(3)?.to_string(),
                    role: row.text(4)?.to_string(),
                    organisation: row.text(5)?.to_string(),
                    note: row.text(6)?.to_string(),
                    proof: row.text_opt(7)?.map(str::to_string),
                })
            })
            .collect()
    }

    /// A part of a parcel that is not taken in (an unmatched letter, say), traced. Once it is taken
    /// in the Binary holds it.
    ///
    /// # Errors
    /// `NotFound` if there is no such parcel or part, or its bytes are no longer kept here;
    /// `Forbidden` if it is withheld.
    pub async fn part(&self, scope: &Scope, pid: i64, number: usize) -> Result<Part, Problem> {
        let owner = lists::owner(self, scope)?;
        self.letter_within(scope, &owner, pid).await?;
        let sql =
            Sql::new("SELECT sender, patient, document FROM parcel WHERE pid = $1 AND owner = $2")
                .with(pid)
                .with(owner);
        let rows = self.rows(&sql).await?;
        let row = rows.first().ok_or_else(gone)?;
        let parts = self.parts(pid).await?;
        let part = parts.get(number).ok_or_else(gone)?;
        let sender = access::Ods::parse(row.text(0)?)?;
        let large = (part.size > IN_RESOURCE_BYTES_MAX).then(|| Large {
            sender: sender.clone(),
            sha256: part.sha256.clone(),
            size: part.size,
        });
        let (bytes, is_here) = if large.is_some() {
            let held = self.content_held(&sender, &part.sha256).await?;
            (Vec::new(), held.is_some_and(|held| held.complete))
        } else {
            let reading = self.content_bytes(scope, &sender, &part.sha256, 0, true);
            let bytes = reading.await?;
            let is_here = bytes.len() as u64 == part.size;
            (bytes, is_here)
        };
        if !is_here {
            return Err(Problem::new(
                Kind::NotFound,
                "The content is no longer kept here.",
            ));
        }
        self.traced(vec![lists::line(
            scope,
            pid,
            (row.text_opt(2)?, row.text_opt(1)?),
            Outcome::Success,
        )])
        .await?;
        Ok(Part {
            content_type: part.content_type.clone(),
            bytes,
            large,
        })
    }

    /// The steps of the letter that this DocumentReference holds; none if it came or went in no
    /// parcel, or the scope does not reach it. A patient's scope reaches what is released to them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn journey(&self, scope: &Scope, document: &str) -> Result<Vec<Event>, Problem> {
        let mut sql = Sql::new("SELECT pid, patient FROM parcel p WHERE p.document = ");
        sql.bind(document.to_string());
        match scope.reach() {
            Reach::Everything => {}
            Reach::Organisation(ods) => {
                sql.push(" AND p.owner = ").bind(ods.to_string());
            }
            Reach::Compartment { patient, .. } => {
                sql.push(" AND p.patient = ").bind(patient.clone());
            }
            Reach::Mailbox(_) => return Ok(Vec::new()),
        }
        if *scope.reach() != Reach::Everything {
            sql.push(
                " AND EXISTS (SELECT 1 FROM word w JOIN place l ON l.ty = w.id \
                 JOIN res r ON r.shard = l.shard AND r.rid = l.rid \
                 WHERE w.text = 'DocumentReference' AND l.id = p.document AND r.del = 0",
            );
            facts::push_scope(&mut sql, scope);
            sql.push(")");
        }
        sql.push(" ORDER BY pid DESC LIMIT 1");
        let rows = self.rows_apart(sql).await?;
        let Some(row) = rows.first() else {
            return Ok(Vec::new());
        };
        let pid = row.int(0)?;
        let mut events = self.events(pid).await?;
        if matches!(scope.reach(), Reach::Compartment { .. }) {
            let hidden = [HELD_BACK, RELEASED, FILED_UNDONE, PUT_BACK];
            events.retain(|it| !hidden.contains(&it.event.as_str()));
        }
        self.traced(vec![lists::line(
            scope,
            pid,
            (Some(document), row.text_opt(1)?),
            Outcome::Success,
        )])
        .await?;
        Ok(events)
    }
}
