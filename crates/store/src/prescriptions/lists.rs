//! What the worker and the pages ask of these rows.

use access::{Interaction, Outcome, Reach, Scope, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};

use super::write::EpsKind;
use crate::row::Row;
use crate::sql::Sql;
use crate::store::Store;

/// A message that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpsMessage {
    pub number: i64,
    pub key: String,
    pub kind: EpsKind,
    pub subject: String,
    pub patient: String,
    pub tasks: Vec<String>,
    pub draft: String,
    /// Empty before it is signed.
    pub payload: String,
    pub tries: u32,
    pub next_try: Millis,
}

/// A message that EPS did not take, or that waits: reasons and times, never content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpsStuck {
    pub number: i64,
    pub kind: EpsKind,
    /// The prescription's number.
    pub subject: String,
    pub refused: bool,
    pub since: Millis,
    pub reason: String,
    pub next_try: Millis,
}

/// A prescription's status that another organisation told and that fits nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckStatus {
    pub pid: i64,
    pub sender: String,
    /// The prescription's number.
    pub subject: String,
    pub since: Millis,
    pub reason: String,
}

impl Store {
    /// The pharmacy that a patient chose here, if any: its ODS code.
    ///
    /// # Errors
    /// `Forbidden` if the scope does not reach the patient.
    pub async fn nominated_pharmacy(
        &self,
        scope: &Scope,
        patient: &str,
    ) -> Result<Option<String>, Problem> {
        check_patient(scope, patient)?;
        let sql = Sql::new("SELECT pharmacy FROM nominated_pharmacy WHERE patient = $1");
        let rows = self.rows(&sql.with(patient)).await?;
        let target = Target {
            patient: Some(patient.to_string()),
            ..Target::default()
        };
        let line = scope.trace(scope.interaction(), Outcome::Success, target);
        if scope.interaction() != Interaction::System {
            self.traced(vec![line]).await?;
        }
        let row = rows.first();
        row.map(|row| row.text(0).map(str::to_string)).transpose()
    }

    /// What waits to be sent to EPS, oldest first. Of one prescription only the first that waits.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn eps_waiting(
        &self,
        scope: &Scope,
        kind: Option<EpsKind>,
        count_max: u32,
    ) -> Result<Vec<EpsMessage>, Problem> {
        own(scope)?;
        let mut sql = Sql::new(
            "SELECT number, key, kind, subject, patient, tasks, draft, payload, tries, next_try \
             FROM eps_message m WHERE m.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM eps_message e \
             WHERE e.subject <> '' AND e.subject = m.subject AND e.number < m.number \
             AND (e.state = 'waiting' OR e.state = 'refused'))",
        );
        sql.push(match kind {
            Some(_) => " AND m.kind = ",
            None => " AND m.kind <> ",
        });
        sql.bind(kind.unwrap_or(EpsKind::Release).code());
        sql.push(" ORDER BY m.number LIMIT ")
            .bind(count_max.min(200));
        let rows = self.rows_apart(sql).await?;
        rows.iter().map(message).collect()
    }

    /// The message by which a prescription was sent, as it was before it was signed; `None` if it was not from here.
    ///
    /// # Errors
    /// `Forbidden` for any scope but the node's own; those of the database.
    pub async fn eps_order(&self, scope: &Scope, number: &str) -> Result<Option<String>, Problem> {
        own(scope)?;
        let sql = Sql::new(
            "SELECT draft FROM eps_message WHERE subject = $1 AND kind = 'order' \
             ORDER BY number LIMIT 1",
        );
        let rows = self.rows(&sql.with(number)).await?;
        let row = rows.first();
        row.map(|row| row.text(0).map(str::to_string)).transpose()
    }

    /// What EPS did not take, and what has waited through several tries; oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn eps_work_list(
        &self,
        scope: &Scope,
        count_max: u32,
    ) -> Result<Vec<EpsStuck>, Problem> {
        work_list(scope)?;
        let sql = Sql::new(
            "SELECT number, kind, subject, state, state_at, reason, next_try FROM eps_message \
             WHERE state = 'refused' OR (state = 'waiting' AND tries > 0) ORDER BY number LIMIT $1",
        );
        let rows = self.rows_apart(sql.with(count_max.min(1000))).await?;
        let stuck = |row: &Row| {
            Ok(EpsStuck {
                number: row.int(0)?,
                kind: EpsKind::parse(row.text(1)?)?,
                subject: row.text(2)?.to_string(),
                refused: row.text(3)? == "refused",
                since: row.int(4)?,
                reason: row.text(5)?.to_string(),
                next_try: row.int(6)?,
            })
        };
        rows.iter().map(stuck).collect()
    }

    /// Statuses of prescriptions that came in and fit nothing here; oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn statuses_unmatched(
        &self,
        scope: &Scope,
        count_max: u32,
    ) -> Result<Vec<StuckStatus>, Problem> {
        work_list(scope)?;
        let sql = Sql::new(
            "SELECT pid, sender, unique_id, stored_at, COALESCE(reason, '') FROM parcel \
             WHERE kind = 'prescription-status' AND direction = 1 AND unmatched = 1 \
             ORDER BY pid LIMIT $1",
        );
        let rows = self.rows_apart(sql.with(count_max.min(1000))).await?;
        let stuck = |row: &Row| {
            Ok(StuckStatus {
                pid: row.int(0)?,
                sender: row.text(1)?.to_string(),
                subject: row.text(2)?.to_string(),
                since: row.int(3)?,
                reason: row.text(4)?.to_string(),
            })
        };
        rows.iter().map(stuck).collect()
    }
}

fn message(row: &Row) -> Result<EpsMessage, Problem> {
    let text = |at: usize| row.text(at).map(str::to_string);
    Ok(EpsMessage {
        number: row.int(0)?,
        key: text(1)?,
        kind: EpsKind::parse(row.text(2)?)?,
        subject: text(3)?,
        patient: text(4)?,
        tasks: row
            .text(5)?
            .split_whitespace()
            .map(str::to_string)
            .collect(),
        draft: text(6)?,
        payload: text(7)?,
        tries: u32::try_from(row.int(8)?).unwrap_or(u32::MAX),
        next_try: row.int(9)?,
    })
}

fn check_patient(scope: &Scope, patient: &str) -> Result<(), Problem> {
    let reaches = match scope.reach() {
        Reach::Everything | Reach::Organisation(_) => scope.may_look(),
        Reach::Compartment { patient: own, .. } => own == patient,
        Reach::Mailbox(_) => false,
    };
    match reaches {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Forbidden,
            "Which pharmacy a patient chose is for them and their practice to see.",
        )),
    }
}

fn own(scope: &Scope) -> Result<(), Problem> {
    match scope.reach() {
        Reach::Everything => Ok(()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "Messages to EPS are the node's own work.",
        )),
    }
}

fn work_list(scope: &Scope) -> Result<(), Problem> {
    match scope.interaction() {
        Interaction::WorkList | Interaction::System => Ok(()),
        _ => Err(Problem::new(
            Kind::Forbidden,
            "This is part of the work list.",
        )),
    }
}
