//! The worker that asks PDS who the people here are: whoever is new or has another number, name or birth date,
//! one after another, and again when an answer is old.

use std::sync::Arc;

use access::{Interaction, NhsNumber, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::json::{self, Limits};
use fhir::members::text;
use fhir::problem::{Kind, Problem};
use fhir::search::{Clause, Search};
use serde_json::Value;
use store::pds::{Due, PdsWrite, TraceState};
use store::{Effect, Expect, Job, Reading, Release, Version};
use tokio::sync::watch;

use super::client::{Answer, Pds};
use super::judge::{self, Judged};
use super::said;
use crate::exchange::Exchange;
use crate::prescriptions::{number::uuid, put};

/// Versions that are looked through in one go.
const VERSIONS_AT_ONCE: u32 = 200;
/// Patients asked about in one go.
const AT_ONCE: u32 = 20;
/// Old answers that are asked for anew in one go.
const RENEWED_AT_ONCE: u32 = 20;
/// After so many tries the wait grows no longer.
const DOUBLINGS_MAX: u32 = 9;
const SECOND: Millis = 1_000;

pub(super) fn scope() -> Scope {
    Scope::system(SystemPurpose::TracePeople)
}

/// The worker, where PDS is set up.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    let Some(pds) = exchange.settings.pds.clone() else {
        return;
    };
    let nap = std::time::Duration::from_millis(exchange.settings.poll_millis.max(1));
    while !*stopped.borrow() {
        exchange.store.let_others_first().await;
        let tracing = Box::pin(exchange.trace_people(&pds));
        let more = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            more = tracing => more,
        };
        let more = more.unwrap_or_else(|problem| {
            tracing::error!(?problem, "PDS could not be asked who the people here are");
            false
        });
        if more {
            continue;
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

impl Exchange {
    /// PDS, where it is set up.
    pub fn pds(&self) -> Option<&Arc<Pds>> {
        self.settings.pds.as_ref()
    }

    /// Notes who is new here, and asks PDS about those whose turn it is; gives whether there is more. The worker
    /// does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn trace_people(&self, pds: &Pds) -> Result<bool, Problem> {
        let more = self.note_new_patients().await?;
        let before = self.store.now().saturating_sub(pds.fresh_for);
        if self.store.pds_is_any_old(&scope(), before).await? {
            let count = RENEWED_AT_ONCE;
            self.pds_write(PdsWrite::Renew { before, count }).await?;
        }
        let due = self.store.pds_due(&scope(), AT_ONCE).await?;
        for patient in &due {
            match Box::pin(self.trace_one(pds, patient)).await {
                Ok(()) => {}
                // The record was changed meanwhile: it is asked about again.
                Err(problem) if matches!(problem.kind, Kind::Conflict | Kind::LockError) => {}
                Err(problem) if super::super::taking_in::passes(&problem) => return Err(problem),
                Err(problem) => {
                    tracing::warn!(?problem, "what PDS says of a patient could not be kept");
                    self.pds_refused(patient, problem.message.to_string())
                        .await?;
                }
            }
            tokio::time::sleep(pds.pace).await;
        }
        Ok(more || due.len() >= AT_ONCE as usize)
    }

    async fn note_new_patients(&self) -> Result<bool, Problem> {
        let Some((ids, upto)) = self.store.new_patients(&scope(), VERSIONS_AT_ONCE).await? else {
            return Ok(false);
        };
        let mut patients = Vec::new();
        for new in &ids {
            let Some((_, patient)) = self.patient_json(&scope(), &new.id).await? else {
                continue;
            };
            if let Some(identity) = judge::identity(&patient) {
                patients.push((new.id.clone(), identity));
            }
        }
        self.pds_write(PdsWrite::Noted { patients, upto }).await?;
        Ok(true)
    }

    /// A Patient here, and its version.
    pub(super) async fn patient_json(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<(Version, Value)>, Problem> {
        let Reading::Found(version) = self.store.read(scope, "Patient", id).await? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&version.body).map_err(|cause| {
            Problem::new(Kind::Exception, "A Patient here does not read.").because(cause)
        })?;
        Ok(Some((version, value)))
    }

    async fn trace_one(&self, pds: &Pds, due: &Due) -> Result<(), Problem> {
        let Some((version, ours)) = self.patient_json(&scope(), &due.patient).await? else {
            return self.pds_answered(due, TraceState::Settled, "", None).await;
        };
        let (Some(identity), Some(number)) = (judge::identity(&ours), judge::number(&ours)) else {
            let why = "The record here lacks a number, a name or a date of birth by now.";
            return self.pds_answered(due, TraceState::Settled, why, None).await;
        };
        if identity != due.identity {
            // Its new version has yet to be noted.
            return self
                .pds_later(due, "The record here changed.".into(), None)
                .await;
        }
        let request = uuid(&format!(
            "pds/{}/{}/{}",
            due.patient, due.identity, due.since
        ));
        match pds.read(&number, &request, self.store.now()).await {
            Answer::Said(said) => self.pds_said(due, (version, &ours), (&number, &said)).await,
            Answer::Unknown => {
                let why = "PDS does not know this number.";
                self.pds_answered(due, TraceState::Unknown, why, None).await
            }
            Answer::Invalidated => {
                let why = "PDS has taken this number out of use, and gives no other.";
                self.pds_answered(due, TraceState::Invalid, why, None).await
            }
            Answer::NotNow(why, after) => self.pds_later(due, why, after).await,
            Answer::Refused(why) => self.pds_refused(due, why).await,
        }
    }

    /// PDS said who has the number.
    async fn pds_said(
        &self,
        due: &Due,
        (version, ours): (Version, &Value),
        (number, pds): (&NhsNumber, &Value),
    ) -> Result<(), Problem> {
        let body = json::parse(&version.body, &Limits::default())?;
        let practice = self.practice_of(&due.patient, &body).await?;
        let new = text(pds, "/id");
        let elsewhere = new != number.digits() && self.carries(new, &due.patient).await?;
        let Judged {
            state,
            reason,
            changed,
        } = judge::judge(ours, pds, number, (practice.as_deref(), elsewhere))?;
        let hidden = self.store.keeps_whereabouts(&due.patient).await?;
        let kept = said::kept(pds, hidden);
        let named = said::practice(&kept).unwrap_or_default().to_string();
        let mut job = Job::default();
        job.effects.push(Effect::Pds(PdsWrite::Answered {
            patient: due.patient.clone(),
            identity: due.identity.clone(),
            state,
            reason,
            said: Some(kept.to_string()),
            practice: named,
        }));
        if let Some(patient) = &changed {
            let as_read = (Expect::Version(version.version), Release::Keep);
            job.changes
                .push(put(patient, self.organisation(), as_read)?);
            if let Some(identity) = judge::identity(patient)
                && identity != due.identity
            {
                let patient = due.patient.clone();
                let followed = PdsWrite::Followed { patient, identity };
                job.effects.push(Effect::Pds(followed));
            }
        }
        job.traces.push(line(&due.patient, state));
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    /// Whether another record here carries that number.
    async fn carries(&self, number: &str, but: &str) -> Result<bool, Problem> {
        Ok(!self.carrying(number, but).await?.is_empty())
    }

    /// The other records here that carry that number and are in use.
    pub(super) async fn carrying(&self, number: &str, but: &str) -> Result<Vec<Version>, Problem> {
        let mut search = Search::all("Patient", AT_ONCE);
        let clause = Clause::identifier(NhsNumber::SYSTEM, number);
        search.clauses.push(clause);
        let page = self.store.search(&scope(), &search).await?;
        let mut found = page.entries;
        found.retain(|it| {
            let value: Value = serde_json::from_slice(&it.body).unwrap_or(Value::Null);
            let current = judge::number(&value);
            it.id != but
                && it.ty == "Patient"
                && current.is_some_and(|it| it.digits() == number)
                && value.get("active") != Some(&Value::Bool(false))
        });
        Ok(found)
    }

    async fn pds_answered(
        &self,
        due: &Due,
        state: TraceState,
        reason: &str,
        said: Option<String>,
    ) -> Result<(), Problem> {
        let write = PdsWrite::Answered {
            patient: due.patient.clone(),
            identity: due.identity.clone(),
            state,
            reason: reason.to_string(),
            said,
            practice: String::new(),
        };
        let mut job = Job::effect(Effect::Pds(write));
        job.traces.push(line(&due.patient, state));
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    async fn pds_refused(&self, due: &Due, why: String) -> Result<(), Problem> {
        self.pds_answered(due, TraceState::Refused, &why, None)
            .await
    }

    /// The same question is put again, under the same id.
    async fn pds_later(
        &self,
        due: &Due,
        reason: String,
        after: Option<u64>,
    ) -> Result<(), Problem> {
        let doubled = SECOND << due.tries.min(DOUBLINGS_MAX);
        let asked = after.and_then(|it| i64::try_from(it).ok());
        let wait = asked.map_or(doubled, |it| it.saturating_mul(SECOND).max(SECOND));
        let write = PdsWrite::Later {
            patient: due.patient.clone(),
            next_try: self.store.now().saturating_add(wait),
            reason,
        };
        self.pds_write(write).await
    }

    pub(super) async fn pds_write(&self, write: PdsWrite) -> Result<(), Problem> {
        let job = Job::effect(Effect::Pds(write));
        self.store.commit(&scope(), job).await.map(|_| ())
    }
}

fn line(patient: &str, state: TraceState) -> access::AuditEntry {
    let target = Target {
        patient: Some(patient.to_string()),
        query: Some(format!("pds={}", state.code()).into()),
        ..Target::default()
    };
    scope().trace(Interaction::System, Outcome::Success, target)
}
