//! ITK3 documents over MESH (`docs/itk3.md`): letters to practices that have no node, documents that come for us, and
//! the two responses to each: that of machines (infrastructure) and that of people (business).
//!
//! Invariant: that a letter is about to be handed to MESH is durable before it is; what was cut off there and MESH
//! does not know goes before a person. Invariant: MESH is told that a message was taken only once it is durable here.
//! Invariant: no patient is named in a log, an error or a response.

mod collect;
mod make;
mod reply;
mod routing;
mod send;
mod take;
#[cfg(test)]
mod tests;

use std::time::Duration;

use access::{AuditEntry, Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::json::Limits;
use fhir::problem::{Kind, Problem};
use store::itk3::{Itk3Write, NewIn};
use store::{Effect, Job, Store};
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::mesh::Mesh;
use crate::mllp::stopped;

pub use routing::{DateOrder, Receiver, Routed, Routes, patient_of};
pub use take::{Arrived, read};

/// The kind of the alarm about a mailbox that cannot be looked into.
pub const ALARM: &str = "itk3";
/// A letter as GP Connect Send Document sends it, and as a consultation report.
pub const SEND_DOCUMENT: &str = "GPCONNECT_SEND_DOCUMENT";
pub const CONSULTATION_REPORT: &str = "GPFED_CONSULT_REPORT";
/// Workflows whose documents are taken in.
pub const TAKEN: [&str; 6] = [
    SEND_DOCUMENT,
    CONSULTATION_REPORT,
    "TOC_FHIR_IP_DISCH",
    "TOC_FHIR_EC_DISCH",
    "TOC_FHIR_MH_DISCH",
    "TOC_FHIR_OP_ATTEN",
];
/// What follows a workflow's id for the responses to its messages.
pub const ANSWERS: &str = "_ACK";
/// How long the worker sleeps between two rounds.
const SLEEP: Duration = Duration::from_secs(1);
/// How long nothing is sent after MESH could not be reached.
const REST_MILLIS: Millis = 30_000;
const HOUR_MILLIS: Millis = 3_600_000;
const DAY_MILLIS: Millis = 24 * HOUR_MILLIS;

/// How documents are sent and taken.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The organisation's name and telephone number, for what is sent.
    pub name: String,
    pub telephone: String,
    /// So often MESH may fail to take a message before a person looks.
    pub tries_max: u32,
    /// Without an infrastructure response, or after it a business response, a letter goes onto the work list after so
    /// many hours.
    pub infrastructure_hours: u32,
    pub business_hours: u32,
    /// For how long messages that were taken or settled are kept as they came.
    pub keep_days: u32,
    pub message_bytes_max: usize,
    /// How often our mailbox is looked into.
    pub look_seconds: u32,
    pub date_order: DateOrder,
    /// The MessageDefinition that Transfer of Care documents name instead of the one published last.
    pub discharge_definition: Option<String>,
}

/// The worker of one node.
pub struct Itk3 {
    store: Store,
    mesh: Mesh,
    settings: Settings,
    scope: Scope,
    backoff: Backoff,
    /// This process among those that serve the node.
    holder: String,
}

/// When what is to be done next.
#[derive(Default)]
struct Times {
    look_at: Millis,
    send_at: Millis,
    tidy_at: Millis,
    /// Whether what an earlier process left has been looked at.
    began: bool,
}

impl Itk3 {
    pub fn new(store: Store, mesh: Mesh, settings: Settings) -> Itk3 {
        Itk3 {
            store,
            mesh,
            settings,
            scope: Scope::system(SystemPurpose::CarryItk3),
            backoff: Backoff::default(),
            holder: uuid::Uuid::new_v4().to_string(),
        }
    }

    /// Works until `stop` says true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut times = Times::default();
        while !*stop.borrow() {
            self.round(&mut times, &stop).await;
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = tokio::time::sleep(SLEEP) => {}
            }
        }
    }

    /// One round. What fails is tried in a later one.
    async fn round(&self, times: &mut Times, stop: &watch::Receiver<bool>) {
        let now = self.store.now();
        if now >= times.send_at {
            match self.sending(times.began, stop).await {
                Ok(()) => times.began = true,
                Err(problem) => {
                    times.send_at = now + REST_MILLIS;
                    tracing::warn!(%problem, "ITK3 messages could not be handed to MESH");
                }
            }
        }
        if now >= times.look_at {
            times.look_at = now + i64::from(self.settings.look_seconds) * 1000;
            let looked = self.collect(stop).await;
            self.show(looked).await;
        }
        if let Err(problem) = self.unanswered().await {
            tracing::error!(%problem, "missing ITK3 responses could not be looked for");
        }
        if now >= times.tidy_at {
            times.tidy_at = now + HOUR_MILLIS;
            let before = now - i64::from(self.settings.keep_days) * DAY_MILLIS;
            if let Err(problem) = self.write(Itk3Write::Tidy { before }).await {
                tracing::error!(%problem, "old ITK3 messages could not be forgotten");
            }
        }
    }

    /// What an earlier process left, then what is due.
    async fn sending(&self, began: bool, stop: &watch::Receiver<bool>) -> Result<(), Problem> {
        self.cut_off(!began).await?;
        self.answer_all(stop).await?;
        self.send_all(stop).await
    }

    /// What keeps the mailbox from being collected stands on the work list until it is.
    async fn show(&self, looked: Result<(), Problem>) {
        let what = match looked {
            Ok(()) => None,
            Err(problem) => {
                tracing::warn!(%problem, "the mailbox for ITK3 documents could not be collected");
                Some(problem.message)
            }
        };
        if let Err(problem) = self.store.set_alarm(ALARM, what).await {
            tracing::error!(%problem, "that ITK3 documents cannot be collected could not be put on the work list");
        }
    }

    /// A change that somebody else may have made meanwhile.
    async fn passed(&self, write: Itk3Write) -> Result<(), Problem> {
        match self.write(write).await {
            Err(problem) if problem.kind == Kind::Conflict => Ok(()),
            other => other,
        }
    }

    async fn write(&self, write: Itk3Write) -> Result<(), Problem> {
        self.traced(write, None).await
    }

    async fn traced(&self, write: Itk3Write, line: Option<AuditEntry>) -> Result<(), Problem> {
        let mut job = Job::effect(Effect::Itk3(write));
        job.traces.extend(line);
        // The future of a commit is large; it is boxed where it begins.
        Box::pin(self.store.commit(&self.scope, job))
            .await
            .map(|_| ())
    }

    /// A line of the audit log.
    fn line(&self, query: String, patient: Option<String>, document: Option<String>) -> AuditEntry {
        let target = Target {
            ty: "DocumentReference".into(),
            id: document,
            version: None,
            patient,
            query: Some(query.into()),
        };
        self.scope
            .trace(Interaction::System, Outcome::Success, target)
    }

    /// How large and deep a message may be.
    fn limits(&self) -> Limits {
        limits(self.settings.message_bytes_max)
    }
}

/// The bounds of a message that is read.
pub(crate) fn limits(bytes: usize) -> Limits {
    Limits {
        depth: 64,
        bytes,
        nodes: 200_000,
    }
}

/// The change that keeps a message, with its line in the log.
fn take(new: NewIn) -> Itk3Write {
    Itk3Write::Take(Box::new(new))
}
