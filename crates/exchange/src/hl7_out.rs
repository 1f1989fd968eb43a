//! Changes told to other systems by HL7 v2: messages made of what changed, kept, and sent until the
//! system has taken them.
//!
//! Invariant: a change that is told is written down in its own commit, so none is missed, wherever the
//! process stops. Invariant: to one system about one patient, no message overtakes another. Invariant:
//! what a system refuses stands on the work list, and what follows it about that patient waits.

mod make;
mod send;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use access::{Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind as Fault, Problem};
use rustls::ClientConfig;
use store::hl7_out::{Hl7OutWrite, NewMessage, Outgoing};
use store::{Effect, Job, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::backoff::Backoff;
use crate::mllp::stopped;

/// How long the workers sleep when there is nothing to do.
const SLEEP: Duration = Duration::from_secs(1);
/// Old rows are forgotten every so often.
const TIDY: Duration = Duration::from_secs(3600);

/// A kind of message that a system is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Adt,
    Oru,
    Mdm,
    Siu,
}

impl Kind {
    /// # Errors
    /// `Value` for any other word.
    pub fn parse(text: &str) -> Result<Kind, Problem> {
        match text {
            "ADT" => Ok(Kind::Adt),
            "ORU" => Ok(Kind::Oru),
            "MDM" => Ok(Kind::Mdm),
            "SIU" => Ok(Kind::Siu),
            _ => {
                let message = format!("{text:?} is none of ADT, ORU, MDM and SIU");
                Err(Problem::new(Fault::Value, message))
            }
        }
    }

    /// The types of resources whose changes it tells.
    pub fn told_of(self) -> &'static [&'static str] {
        match self {
            Kind::Adt => &["Patient", "Encounter"],
            Kind::Oru => &["DiagnosticReport"],
            Kind::Mdm => &["DocumentReference"],
            Kind::Siu => &["Appointment"],
        }
    }
}

/// A system that is told of changes.
#[derive(Clone, Debug)]
pub struct Destination {
    /// By which it is known on the work list.
    pub name: String,
    /// `host:port`.
    pub address: String,
    pub kinds: Vec<Kind>,
    /// MSH-5 and MSH-6; may be empty.
    pub application: String,
    pub facility: String,
    /// With what TLS is spoken, if it is.
    pub tls: Option<Arc<ClientConfig>>,
    /// How long an answer is waited for.
    pub answer_within: Duration,
}

/// What a line of the audit log says of a message.
struct About {
    what: String,
    /// The id of the patient it is about.
    patient: String,
}

impl About {
    /// It is about to be told; written before a byte of it leaves.
    fn to_be_told(message: &NewMessage) -> About {
        let (to, id) = (&message.destination, &message.control_id);
        About {
            what: format!("hl7-out-to={to}&control-id={id}&kind={}", message.kind),
            patient: message.patient.clone(),
        }
    }

    /// The system answered.
    fn answered(message: &Outgoing) -> About {
        About {
            what: format!("hl7-out={}", message.number),
            patient: message.patient.clone(),
        }
    }
}

/// The workers of one node.
pub struct Outwards {
    store: Store,
    destinations: Vec<Destination>,
    scope: Scope,
    backoff: Backoff,
}

impl Outwards {
    /// Workers that tell these systems of the store's changes.
    pub fn new(store: Store, destinations: Vec<Destination>) -> Outwards {
        Outwards {
            store,
            destinations,
            scope: Scope::system(SystemPurpose::TellSystems),
            backoff: Backoff::default(),
        }
    }

    /// Works until `stop` says true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let mut sending = JoinSet::new();
        for number in 0..this.destinations.len() {
            let (this, stop) = (this.clone(), stop.clone());
            sending.spawn(async move { this.send_to(number, stop).await });
        }
        let mut tidied = tokio::time::Instant::now();
        while !*stop.borrow() {
            let made = this.make_all().await;
            if let Err(problem) = &made {
                tracing::error!(%problem, "HL7 v2 messages to other systems could not be made");
            }
            if tidied.elapsed() > TIDY {
                tidied = tokio::time::Instant::now();
                if let Err(problem) = this.write(Hl7OutWrite::Tidy, Vec::new()).await {
                    tracing::error!(%problem, "old HL7 v2 messages could not be forgotten");
                }
            }
            if !matches!(made, Ok(count) if count > 0) {
                tokio::select! {
                    () = stopped(&mut stop) => {}
                    () = tokio::time::sleep(SLEEP) => {}
                }
            }
        }
        while sending.join_next().await.is_some() {}
    }

    /// One change of the rows, with the audit log's lines for what is said of which patients.
    async fn write(&self, write: Hl7OutWrite, about: Vec<About>) -> Result<(), Problem> {
        let mut job = Job::effect(Effect::Hl7Out(write));
        job.traces.extend(about.into_iter().map(|about| {
            let target = Target {
                query: Some(about.what.into()),
                patient: Some(about.patient),
                ..Target::default()
            };
            self.scope
                .trace(Interaction::System, Outcome::Success, target)
        }));
        self.store.commit(&self.scope, job).await.map(|_| ())
    }

    fn now(&self) -> Millis {
        self.store.now()
    }
}
