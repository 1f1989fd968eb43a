//! Reading messages: what waits to be mapped, what stands on the work list, one message whole.

use access::{AgentKind, Outcome, Reach, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::Problem;
use fhir::search::{Clause, Criterion, Search, System};

use super::gone;
use super::masked::masked;
use crate::reach::forbidden;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// The most rows of one reading.
const COUNT_MAX: u32 = 1000;

/// Identifiers of a message that are looked up, and patients that are found by them.
const NAMED_MAX: usize = 50;
const PATIENTS_MAX: u32 = 50;

/// A message that waits to be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place in the order of arrival.
    pub number: i64,
    pub received_at: Millis,
    pub body: Vec<u8>,
    /// Whether it was mapped before, and a person wants it mapped again.
    pub mapped_before: bool,
    /// Whether it stood on the work list first: messages that came after it may have been mapped.
    pub late: bool,
}

/// A message on the work list: reasons and names of systems, never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckMessage {
    pub number: i64,
    /// MSH-3, MSH-4 and MSH-10.
    pub application: String,
    pub facility: String,
    pub control_id: String,
    /// Type and event, such as `MDM^T02`.
    pub kind: String,
    pub received_at: Millis,
    /// `failed`, `quarantined`, `refused`, or `mapped` where only its letter is stuck.
    pub state: String,
    /// What the sender was answered: `AA`, `AE` or `AR`.
    pub answer: String,
    /// Plain sentences.
    pub reason: String,
    pub next_step: String,
}

/// One message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    pub stuck: StuckMessage,
    pub sha256: Vec<u8>,
    pub body: Vec<u8>,
    /// The answer's bytes, without frame.
    pub ack: Vec<u8>,
    /// Whether `body` and `ack` are the structure alone, their values masked.
    pub is_masked: bool,
    /// The patients whose record the asking scope does not reach, for whom it is masked.
    pub withheld: Vec<String>,
    /// Restricted patients, whose whereabouts it would tell, for whom it is masked.
    pub restricted: Vec<String>,
}

const COLUMNS: &str = "SELECT number, application, facility, control_id, kind, received_at, state, \
     answer, COALESCE(reason, ''), COALESCE(next_step, '')";

fn stuck(row: &Row) -> Result<StuckMessage, Problem> {
    let text = |column: usize| row.text(column).map(str::to_string);
    Ok(StuckMessage {
        number: row.int(0)?,
        application: text(1)?,
        facility: text(2)?,
        control_id: text(3)?,
        kind: text(4)?,
        received_at: row.int(5)?,
        state: text(6)?,
        answer: text(7)?,
        reason: text(8)?,
        next_step: text(9)?,
    })
}

impl Store {
    /// What waits to be mapped, in the order of arrival, after that number; at most `count` and
    /// about `bytes_max` bytes of bodies, but always one. The job that maps a message carries the
    /// audit log's line for it.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn hl7_waiting(
        &self,
        scope: &Scope,
        after: i64,
        count: u32,
        bytes_max: usize,
    ) -> Result<Vec<Waiting>, Problem> {
        if *scope.reach() != Reach::Everything || !scope.may_change() {
            return Err(forbidden());
        }
        // In a burst that the journal holds, the tables have the first of what waits, in order, and more in a while.
        if !self.is_pressed() {
            self.caught_up().await;
        }
        // Two readings, so that only the bodies that fit are loaded.
        let sql = Sql::new(
            "SELECT number, LENGTH(body) FROM hl7_message WHERE state = 'received' AND number > $1 \
             ORDER BY number LIMIT $2",
        );
        let mut last = None;
        let mut bytes = 0;
        for row in self
            .rows_apart(sql.with(after).with(count.min(COUNT_MAX)))
            .await?
        {
            bytes += usize::try_from(row.int(1)?).unwrap_or(usize::MAX);
            if last.is_some() && bytes > bytes_max {
                break;
            }
            last = Some(row.int(0)?);
        }
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        let sql = Sql::new(
            "SELECT number, received_at, body, mapped, state_at FROM hl7_message WHERE state = 'received' \
             AND number > $1 AND number <= $2 ORDER BY number",
        );
        let rows = self.rows_apart(sql.with(after).with(last)).await?;
        rows.iter()
            .map(|row| {
                Ok(Waiting {
                    number: row.int(0)?,
                    received_at: row.int(1)?,
                    body: row.bytes(2)?.to_vec(),
                    mapped_before: row.flag(3)?,
                    late: row.int(4)? != row.int(1)?,
                })
            })
            .collect()
    }

    /// What stands on the work list, oldest first, after that number (0 for the first page).
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope; those of the database.
    pub async fn hl7_work_list(
        &self,
        scope: &Scope,
        after: i64,
        count: u32,
    ) -> Result<Vec<StuckMessage>, Problem> {
        if matches!(scope.reach(), Reach::Compartment { .. } | Reach::Mailbox(_)) {
            return Err(forbidden());
        }
        self.caught_up().await;
        let mut sql = Sql::new(COLUMNS);
        sql.push(" FROM hl7_message WHERE work = 1 AND number > ")
            .bind(after);
        sql.push(" ORDER BY number LIMIT ")
            .bind(count.min(COUNT_MAX));
        self.rows_apart(sql).await?.iter().map(stuck).collect()
    }

    /// How many messages wait to be mapped, and how many stand on the work list.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn hl7_counts(&self, _scope: &Scope) -> Result<(u64, u64), Problem> {
        self.caught_up().await;
        let sql = Sql::new(
            "SELECT (SELECT COUNT(*) FROM hl7_message WHERE state = 'received'), \
             (SELECT COUNT(*) FROM hl7_message WHERE work = 1)",
        );
        let rows = self.rows_apart(sql).await?;
        let row = rows.first().ok_or_else(gone)?;
        Ok((row.int(0)?.unsigned_abs(), row.int(1)?.unsigned_abs()))
    }

    /// One message as it came: patient data, so it leaves its line in the audit log, one for each patient
    /// here whom it may be about. `named` gives the identifiers of patients that a message holds. Of a
    /// message about a patient whose record the scope does not reach, and for a scope that shows no
    /// records, there is only the structure, its values masked. People see what stands on the work list,
    /// where it needs them; the rest is as absent.
    ///
    /// # Errors
    /// `Forbidden` for a patient's scope; `NotFound`; those of the database.
    pub async fn hl7_message(
        &self,
        scope: &Scope,
        number: i64,
        named: fn(&[u8]) -> Vec<String>,
    ) -> Result<RawMessage, Problem> {
        if matches!(scope.reach(), Reach::Compartment { .. } | Reach::Mailbox(_)) {
            return Err(forbidden());
        }
        let mut sql = Sql::new(COLUMNS);
        sql.push(", sha256, body, ack FROM hl7_message WHERE number = ")
            .bind(number);
        if scope.agent().kind != AgentKind::Node {
            sql.push(" AND work = 1");
        }
        let rows = self.rows_apart(sql).await?;
        let target = Target {
            query: Some(format!("hl7-message={number}").into()),
            ..Target::default()
        };
        let Some(row) = rows.first() else {
            let line = scope.trace(scope.interaction(), Outcome::Absent, target);
            self.traced(vec![line]).await?;
            return Err(gone());
        };
        let (body, ack) = (row.bytes(11)?, row.bytes(12)?);
        let shows = scope.may_look();
        let patients = match shows {
            true => self.may_be_about(scope, named(body)).await?,
            false => Vec::new(),
        };
        let withheld: Vec<String> = patients
            .iter()
            .filter(|(_, is_within)| !is_within)
            .map(|(patient, _)| patient.clone())
            .collect();
        let mut restricted = Vec::new();
        for (patient, _) in patients.iter().filter(|(_, is_within)| *is_within) {
            let located = scope.withholds().map_or(&[][..], |it| &it.located);
            if !located.contains(patient) && self.keeps_whereabouts(patient).await? {
                restricted.push(patient.clone());
            }
        }
        let outcome = match withheld.is_empty() && restricted.is_empty() {
            true => Outcome::Success,
            false => Outcome::Withheld,
        };
        let mut targets = vec![target.clone()];
        if !patients.is_empty() {
            let about = |(patient, _): (String, bool)| Target {
                patient: Some(patient),
                ..target.clone()
            };
            targets = patients.into_iter().map(about).collect();
        }
        let lines = targets
            .into_iter()
            .map(|target| scope.trace(scope.interaction(), outcome, target));
        self.traced(lines.collect()).await?;
        let is_masked = !shows || !withheld.is_empty() || !restricted.is_empty();
        let said = |bytes: &[u8]| match is_masked {
            true => masked(bytes),
            false => bytes.to_vec(),
        };
        Ok(RawMessage {
            stuck: stuck(row)?,
            sha256: row.bytes(10)?.to_vec(),
            body: said(body),
            ack: said(ack),
            is_masked,
            withheld,
            restricted,
        })
    }

    /// The patients here that have one of these identifiers, each with whether the scope reaches their
    /// record.
    async fn may_be_about(
        &self,
        scope: &Scope,
        identifiers: Vec<String>,
    ) -> Result<Vec<(String, bool)>, Problem> {
        if identifiers.is_empty() || scope.agent().kind == AgentKind::Node {
            return Ok(Vec::new());
        }
        let criterion = |code: String| Criterion::Token {
            system: System::Any,
            code: Some(code),
        };
        let named = identifiers.into_iter().take(NAMED_MAX).map(criterion);
        let mut search = Search::all("Patient", PATIENTS_MAX);
        search.clauses.push(Clause {
            code: "identifier".into(),
            negated: false,
            criteria: named.collect(),
        });
        // Whose it is, the node finds out; what of it is shown is decided for who asks.
        let own = Scope::system(SystemPurpose::MapMessages).for_request(scope.request_id());
        let found = self.search(&own, &search).await?;
        let mut patients = Vec::with_capacity(found.entries.len());
        for patient in found.entries {
            let is_within = self.reaches(scope, "Patient", &patient.id).await?;
            patients.push((patient.id, is_within));
        }
        Ok(patients)
    }
}
