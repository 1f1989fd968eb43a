//! Reading ITK3 documents: for the worker, for the work list, and counted.

use access::{Outcome, Scope, Target};
use fhir::date::Millis;
use fhir::problem::Problem;

use super::gone;
use crate::parcels::{Named, PartOf};
use crate::reach::{own, staff};
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// The most rows of one reading.
const COUNT_MAX: u32 = 1000;

/// A letter that can be handed to MESH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSend {
    pub number: i64,
    pub pid: i64,
    pub ods: String,
    /// Empty where MESH is to find the patient's practice.
    pub mailbox: String,
    pub workflow: String,
    pub bundle: String,
    pub header: String,
    /// The bundle of the letter that it replaces; empty for none.
    pub replaced: String,
    pub tries: u32,
    /// The parcel's own name, title and author.
    pub id: String,
    pub title: String,
    pub author: String,
    pub marked: bool,
    pub named: Named,
    pub made_at: Millis,
    pub parts: Vec<PartOf>,
    /// The patient and document here, for the log.
    pub patient: Option<String>,
    pub document: Option<String>,
}

/// Which letters that are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Handing,
    Handed,
    Received,
}

/// A letter that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    pub number: i64,
    pub ods: String,
    /// The process that hands it over.
    pub holder: String,
    pub local_id: String,
    pub outside: String,
}

/// A response that is to leave, and what it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToAnswer {
    pub number: i64,
    pub code: String,
    pub diagnostics: String,
    pub name: String,
    pub tries: u32,
    pub made_at: Millis,
    /// The mailbox that it goes to, and what it answers.
    pub mailbox: String,
    pub workflow: String,
    pub bundle: String,
    pub header: String,
    pub reference: String,
    /// MESH's id of what it answers.
    pub outside: String,
}

/// Which list of the work list's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Out,
    In,
    Answer,
}

/// A row of the work list: reasons, codes and organisations, never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub list: List,
    pub number: i64,
    pub pid: Option<i64>,
    /// The ODS code of the receiver, or the mailbox at the other end.
    pub other: String,
    pub state: String,
    pub state_at: Millis,
    pub reason: String,
    pub next_step: String,
}

/// A message that came, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    pub number: i64,
    pub outside: String,
    pub mailbox: String,
    pub workflow: String,
    pub subject: String,
    pub recipient: String,
    pub received_at: Millis,
    pub bytes: Vec<u8>,
}

/// How many there are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub list: List,
    pub state: String,
    pub count: u64,
    pub work: u64,
}

impl Store {
    /// Letters whose time to be handed to MESH has come, urgent ones first.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own.
    pub async fn itk3_to_send(&self, scope: &Scope, count: u32) -> Result<Vec<ToSend>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT i.number, i.pid, i.ods, i.mailbox, i.workflow, i.bundle, i.header, i.replaced, i.tries, \
             p.id, p.title, p.author, p.marked, p.nhs_number, p.birth_date, p.family, p.given, p.stored_at, \
             p.patient, p.document FROM itk3_out i JOIN parcel p ON p.pid = i.pid \
             WHERE i.state = 'waiting' AND i.next_try <= $1 ORDER BY p.urgent DESC, i.number LIMIT $2",
        );
        let sql = sql.with(self.now()).with(count.min(COUNT_MAX));
        let mut letters = Vec::new();
        for row in &self.rows_apart(sql).await? {
            let text = |at: usize| row.text(at).map(str::to_string);
            let some = |at: usize| row.text_opt(at).map(|it| it.map(str::to_string));
            let pid = row.int(1)?;
            letters.push(ToSend {
                number: row.int(0)?,
                pid,
                ods: text(2)?,
                mailbox: text(3)?,
                workflow: text(4)?,
                bundle: text(5)?,
                header: text(6)?,
                replaced: text(7)?,
                tries: u32::try_from(row.int(8)?).unwrap_or(u32::MAX),
                id: text(9)?,
                title: text(10)?,
                author: text(11)?,
                marked: row.flag(12)?,
                named: Named {
                    nhs_number: some(13)?,
                    birth_date: some(14)?,
                    family: text(15)?,
                    given: text(16)?,
                },
                made_at: row.int(17)?,
                patient: some(18)?,
                document: some(19)?,
                parts: self.parts(pid).await?,
            });
        }
        Ok(letters)
    }

    /// Letters that are under way since before then and on no list yet.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own.
    pub async fn itk3_under_way(
        &self,
        scope: &Scope,
        way: Way,
        before: Millis,
    ) -> Result<Vec<UnderWay>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT number, ods, holder, local_id, outside FROM itk3_out WHERE state = $1 \
             AND state_at <= $2 AND work = 0 ORDER BY number LIMIT 1000",
        );
        let state = match way {
            Way::Handing => "handing",
            Way::Handed => "handed",
            Way::Received => "received",
        };
        let rows = self.rows_apart(sql.with(state).with(before)).await?;
        let under_way = |row: &Row| {
            let text = |at: usize| row.text(at).map(str::to_string);
            Ok(UnderWay {
                number: row.int(0)?,
                ods: text(1)?,
                holder: text(2)?,
                local_id: text(3)?,
                outside: text(4)?,
            })
        };
        rows.iter().map(under_way).collect()
    }

    /// Responses whose time to leave has come.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own.
    pub async fn itk3_to_answer(
        &self,
        scope: &Scope,
        count: u32,
    ) -> Result<Vec<ToAnswer>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT a.number, a.code, a.diagnostics, a.name, a.tries, a.made_at, m.mailbox, m.workflow, \
             m.bundle, m.header, m.reference, m.outside FROM itk3_answer a JOIN itk3_in m \
             ON m.number = a.message WHERE a.state = 'waiting' AND a.next_try <= $1 \
             ORDER BY a.number LIMIT $2",
        );
        let sql = sql.with(self.now()).with(count.min(COUNT_MAX));
        let answer = |row: &Row| {
            let text = |at: usize| row.text(at).map(str::to_string);
            Ok(ToAnswer {
                number: row.int(0)?,
                code: text(1)?,
                diagnostics: text(2)?,
                name: text(3)?,
                tries: u32::try_from(row.int(4)?).unwrap_or(u32::MAX),
                made_at: row.int(5)?,
                mailbox: text(6)?,
                workflow: text(7)?,
                bundle: text(8)?,
                header: text(9)?,
                reference: text(10)?,
                outside: text(11)?,
            })
        };
        self.rows_apart(sql).await?.iter().map(answer).collect()
    }

    /// Whether what MESH has under that id is here already. Nobody is named.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own.
    pub async fn itk3_is_here(&self, scope: &Scope, outside: &str) -> Result<bool, Problem> {
        own(scope)?;
        let sql = Sql::new("SELECT 1 FROM itk3_in WHERE outside = $1 LIMIT 1").with(outside);
        Ok(!self.rows(&sql).await?.is_empty())
    }

    /// A message that came and was not taken, as it came, traced.
    ///
    /// # Errors
    /// `NotFound` if it is taken or its bytes are no longer kept; `Forbidden` for a patient's scope.
    pub async fn itk3_came(&self, scope: &Scope, number: i64) -> Result<Came, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT outside, mailbox, workflow, subject, received_at, recipient FROM itk3_in \
             WHERE number = $1 AND kept = 1 AND state = 'refused' AND work = 1",
        );
        let rows = self.rows(&sql.with(number)).await?;
        let row = rows.first().ok_or_else(gone)?;
        let sql = Sql::new("SELECT bytes FROM itk3_piece WHERE message = $1 ORDER BY part");
        let mut bytes = Vec::new();
        for piece in &self.rows_apart(sql.with(number)).await? {
            bytes.extend_from_slice(piece.bytes(0)?);
        }
        let target = Target {
            query: Some(format!("itk3-in={number}").into()),
            ..Target::default()
        };
        let line = scope.trace(scope.interaction(), Outcome::Success, target);
        let text = |at: usize| row.text(at).map(str::to_string);
        let came = Came {
            number,
            outside: text(0)?,
            mailbox: text(1)?,
            workflow: text(2)?,
            subject: text(3)?,
            received_at: row.int(4)?,
            recipient: text(5)?,
            bytes,
        };
        self.traced(vec![line]).await?;
        Ok(came)
    }

    /// What a person should look at, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope.
    pub async fn itk3_work_list(&self, scope: &Scope, count: u32) -> Result<Vec<Stuck>, Problem> {
        staff(scope)?;
        let sql = Sql::new(
            "SELECT CAST(0 AS BIGINT), number, pid, ods, state, state_at, reason, next_step FROM itk3_out WHERE work = 1 \
             UNION ALL SELECT 1, number, pid, mailbox, state, state_at, trouble, '' FROM itk3_in \
             WHERE work = 1 UNION ALL SELECT 2, a.number, m.pid, m.mailbox, a.state, a.state_at, a.reason, '' \
             FROM itk3_answer a JOIN itk3_in m ON m.number = a.message WHERE a.work = 1 \
             ORDER BY 6, 2 LIMIT $1",
        );
        let stuck = |row: &Row| {
            let text = |at: usize| row.text(at).map(str::to_string);
            Ok(Stuck {
                list: list(row.int(0)?),
                number: row.int(1)?,
                pid: row.int_opt(2)?,
                other: text(3)?,
                state: text(4)?,
                state_at: row.int(5)?,
                reason: text(6)?,
                next_step: text(7)?,
            })
        };
        let rows = self.rows_apart(sql.with(count.min(COUNT_MAX))).await?;
        rows.iter().map(stuck).collect()
    }

    /// How many there are in each state. Nobody is named.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own.
    pub async fn itk3_counts(&self, scope: &Scope) -> Result<Vec<Counted>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT CAST(0 AS BIGINT), state, COUNT(*), CAST(SUM(work) AS BIGINT) FROM itk3_out GROUP BY state UNION ALL \
             SELECT 1, state, COUNT(*), CAST(SUM(work) AS BIGINT) FROM itk3_in GROUP BY state UNION ALL \
             SELECT 2, state, COUNT(*), CAST(SUM(work) AS BIGINT) FROM itk3_answer GROUP BY state ORDER BY 1, 2",
        );
        let counted = |row: &Row| {
            Ok(Counted {
                list: list(row.int(0)?),
                state: row.text(1)?.to_string(),
                count: row.int(2)?.unsigned_abs(),
                work: row.int(3)?.unsigned_abs(),
            })
        };
        self.rows_apart(sql).await?.iter().map(counted).collect()
    }
}

fn list(number: i64) -> List {
    match number {
        0 => List::Out,
        1 => List::In,
        _ => List::Answer,
    }
}
