//! Referrals between nodes (`docs/protocol/exchange.md`, section 16; decision 0210): a structured request in a signed parcel of
//! kind `referral`; at its receiver a named clinician accepts it, asks, or gives it back, and each step is a parcel too.
//!
//! Invariant: a referral is accepted only by a named clinician's step, and shown as accepted only once that step is here.
//! Invariant: a step, what follows of it, its trace and the parcel that tells the other side are one commit.

mod bars;
mod bars_answer;
pub(crate) mod bars_make;
pub(crate) mod bars_send;
#[cfg(test)]
mod bars_tests;
mod refer;
mod resource;
mod take;
#[cfg(test)]
mod tests;
mod text;
mod triage;

use access::{AuditEntry, Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::referrals::{Referral, ReferralState, ReferralWas, ReferralWrite};
use store::{Change, Effect, Expect, Reading, Release, Store};

use crate::letter::Letter;
use crate::manifest::PatientNamed;
use crate::prescriptions::put;

pub use bars::{BarsCame, BarsReferral};
pub use bars_answer::BarsAnswer;
pub use refer::NewReferral;
pub use resource::{Said, requested, said};
pub use text::{Act, Promised, ReferralText, Request, URGENCIES, WORDS_CHARS_MAX};
pub use triage::Acceptance;

/// How often something is looked at anew because somebody else came between.
const TRIES_MAX: usize = 8;

/// The node's own work, for the request at hand; who may have it done is decided before.
fn work(scope: &Scope) -> Scope {
    Scope::system(SystemPurpose::KeepReferrals).for_request(scope.request_id())
}

fn came_between() -> Problem {
    let message = "Others are changing the same referral; look again.";
    Problem::new(Kind::Conflict, message)
}

fn gone() -> Problem {
    let message = "There is no such referral here, or it is withheld.";
    Problem::new(Kind::NotFound, message)
}

/// The referral's id here, of one that came from somebody.
fn id_here(sender: &str, asked_as: &str) -> String {
    Letter::parcel_id(&["referral-from", sender, asked_as])
}

/// The state that follows from a step; none where it changes nothing.
fn follows(state: ReferralState, act: Act) -> Option<ReferralState> {
    use ReferralState::{Accepted, Asked, Returned, Waiting, Withdrawn};
    match (act, state) {
        (Act::Ask, Waiting | Asked) => Some(Asked),
        (Act::Accept, Waiting | Asked) => Some(Accepted),
        (Act::Return, Waiting | Asked) => Some(Returned),
        (Act::Reply, Asked) => Some(Waiting),
        (Act::Withdraw, Waiting | Asked | Accepted) => Some(Withdrawn),
        _ => None,
    }
}

/// A ServiceRequest as read, with the version that a change of it rests on.
struct AtHand {
    body: Value,
    version: u64,
}

impl AtHand {
    async fn read(store: &Store, scope: &Scope, id: &str) -> Result<Option<AtHand>, Problem> {
        let Reading::Found(version) = store.read(scope, "ServiceRequest", id).await? else {
            return Ok(None);
        };
        let body = serde_json::from_slice(&version.body).map_err(|cause| {
            Problem::new(Kind::Exception, "A stored record does not read.").because(cause)
        })?;
        Ok(Some(AtHand {
            body,
            version: version.version,
        }))
    }

    fn put(&self, own: &access::Ods) -> Result<Change, Problem> {
        put(
            &self.body,
            own,
            (Expect::Version(self.version), Release::Keep),
        )
    }
}

fn written(referral: Referral, was: ReferralWas) -> Effect {
    let referral = Box::new(referral);
    Effect::Referral(ReferralWrite::Put { referral, was })
}

/// The log's line for a step.
fn line(
    scope: &Scope,
    action: Interaction,
    (id, patient): (&str, &str),
    query: Option<String>,
) -> AuditEntry {
    let target = Target {
        ty: "ServiceRequest".into(),
        id: (!id.is_empty()).then(|| id.to_string()),
        patient: (!patient.is_empty()).then(|| patient.to_string()),
        query: query.map(Into::into),
        ..Target::default()
    };
    scope.trace(action, Outcome::Success, target)
}

/// The name and role of who takes a step.
fn who(scope: &Scope) -> (String, String) {
    let agent = scope.agent();
    let role = agent.role.clone().unwrap_or_default().into_owned();
    (agent.name.chars().take(200).collect(), role)
}

/// What a person must give.
fn check_words(words: &str, missing: &'static str) -> Result<(), Problem> {
    if words.trim().is_empty() {
        return Err(Problem::new(Kind::Required, missing));
    }
    if words.chars().count() > WORDS_CHARS_MAX {
        let message = "This is more than 1,500 characters.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    Ok(())
}

/// Nobody, where a step is found by its referral alone.
fn unnamed() -> PatientNamed {
    PatientNamed::default()
}
