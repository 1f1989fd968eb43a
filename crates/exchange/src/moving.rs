//! A patient moves from one practice to another (`docs/moving.md`, decision 0245): the new practice asks the old one in a
//! parcel, and the old one answers in parcels, in the commit in which it stops being the home practice.

mod claim;
mod give;
mod proof;
mod record;
mod take;
#[cfg(test)]
mod tests;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::json;
use fhir::members::set;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::moving::{MoveState, MoveWrite};
use store::{Change, Effect, Expect, Job, Prepared, Release};

pub use claim::Registering;

use crate::exchange::Exchange;
use crate::instant;
use crate::manifest::PatientNamed;
use crate::sharing::RuleText;

/// Practices that a question is sent on to, one after another, at most.
const HOPS_MAX: i64 = 5;
/// Signed words of practices that were left, one after another, at most.
pub(crate) const PROOFS_MAX: usize = 8;
/// A reason, in characters.
const REASON_CHARS_MAX: usize = 500;
/// Moves that are looked at in one go.
const AT_ONCE: u32 = 50;
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// What a parcel of kind `practice-move` says beside whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveText {
    /// The move's name at both practices: the new one gives it.
    pub id: String,
    pub act: Act,
    /// When the patient registered at the new practice.
    #[serde(with = "instant")]
    pub registered_at: Millis,
    /// Of `give`: how many pieces of the record follow. Of `record`: which one this is, from 1. Else 0.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub part: i64,
    /// Of `elsewhere`: the practice that the patient is registered with (its ODS code).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub home: Option<String>,
    /// Of `refuse`: why.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub reason: String,
    /// Of `give`: the signed words of the practices that the patient left, the oldest first; the sender's own is the last.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub proof: Vec<String>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// What is said about a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The new practice: the patient registered with us.
    Claim,
    /// The old practice: here is what we know beside the record. It is the home practice no more.
    Give,
    /// The old practice: a piece of the record.
    Record,
    /// The old practice: no.
    Refuse,
    /// A practice before the old one: the patient is registered with another one by now.
    Elsewhere,
}

impl MoveText {
    /// # Errors
    /// `Value` for what does not fit together.
    pub(crate) fn check(&self, document: &str, contents: usize) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        fhir::resource::check_id(&self.id)?;
        if document != self.id {
            return value("A move's parcel bears the move's id.");
        }
        let has_content = matches!(self.act, Act::Give | Act::Record);
        if contents != usize::from(has_content) {
            return value("What a practice gives is one content, and a question has none.");
        }
        let fits = match self.act {
            Act::Give => !self.proof.is_empty() && self.proof.len() <= PROOFS_MAX && self.part >= 0,
            Act::Record => self.part > 0,
            Act::Elsewhere => self.home.is_some(),
            Act::Claim | Act::Refuse => true,
        };
        if !fits || self.reason.chars().count() > REASON_CHARS_MAX {
            return value("A step of a move does not say what it must say.");
        }
        Ok(())
    }
}

/// That a practice is a patient's home practice no more, and which one is: signed by the one that was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    pub protocol: u32,
    pub from: String,
    /// The new home practice.
    pub to: String,
    #[serde(with = "instant")]
    pub at: Millis,
    pub patient: PatientNamed,
}

/// What the old practice knows of a patient beside the record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// What the patient does not want shared.
    pub rules: Vec<RuleText>,
    /// Whether nobody is to learn where the patient lives.
    pub restricted: bool,
    /// Who holds something, or was told what the patient wants shared.
    pub holders: Vec<String>,
    /// Who told that they hold something.
    pub pointers: Vec<String>,
    /// Who may act for the patient at the old practice: it is to be proved anew.
    pub acting: Vec<Acting>,
    /// Resources that are given.
    pub given: usize,
    /// Sealed items that stay at the old practice.
    pub sealed: usize,
    /// What is about somebody else too, and stays.
    pub shared: usize,
    /// What there was no room for.
    pub left_out: usize,
}

/// Who may act for the patient at the old practice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acting {
    pub name: String,
    /// Words of what they see.
    pub sees: Vec<String>,
    /// Whether the practice recorded it, and not the patient.
    pub by_practice: bool,
}

fn scope() -> Scope {
    Scope::system(SystemPurpose::MovePatients)
}

/// The log's line for a step.
fn line(scope: &Scope, action: Interaction, patient: &str, query: String) -> access::AuditEntry {
    let target = Target {
        ty: "Patient".into(),
        id: (!patient.is_empty()).then(|| patient.to_string()),
        patient: (!patient.is_empty()).then(|| patient.to_string()),
        query: Some(query.into()),
        ..Target::default()
    };
    scope.trace(action, Outcome::Success, target)
}

/// Sets the practice that a Patient names.
fn set_practice(patient: &mut Value, practice: &Ods) {
    let reference =
        serde_json::json!({ "identifier": { "system": ODS, "value": practice.as_str() } });
    set(
        patient,
        "generalPractitioner",
        serde_json::json!([reference]),
    );
}

fn step(id: &str, was: MoveState, state: MoveState, reason: &str) -> Effect {
    Effect::Move(MoveWrite::Step {
        id: id.to_string(),
        was,
        state,
        reason: reason.chars().take(REASON_CHARS_MAX).collect(),
    })
}

impl Exchange {
    /// Asks the practices before of those whom a record here names as this practice's patients since; and gives to others
    /// what PDS says is theirs. The worker does this by itself.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tell_moves(&self) -> Result<usize, Problem> {
        let scope = scope();
        let noticed = self
            .store
            .moves_in(&scope, MoveState::Noticed, AT_ONCE)
            .await?;
        for one in &noticed {
            let job = self.asking_of(one).await?;
            self.settled_move(job).await?;
        }
        if self.settings.pds.is_some() {
            let claimed = self
                .store
                .moves_in(&scope, MoveState::Claimed, AT_ONCE)
                .await?;
            for one in claimed {
                if self.pds_says(&one).await? {
                    let given = self.give(&scope, &one.id).await;
                    given.or_else(between)?;
                }
            }
        }
        Ok(noticed.len())
    }

    async fn settled_move(&self, job: Job) -> Result<(), Problem> {
        let done = self.store.commit(&scope(), job).await;
        done.map(|_| ()).or_else(between)
    }
}

/// Somebody else did it, or changed what it rests on: the next look sees to it.
fn between(problem: Problem) -> Result<(), Problem> {
    match problem.came_between() {
        true => Ok(()),
        false => Err(problem),
    }
}

/// The change that writes a resource, which may hold a letter.
fn large(resource: &Value, own: &Ods, release: Release) -> Result<Change, Problem> {
    let text = resource.to_string();
    let limits = json::Limits {
        bytes: 32 << 20,
        ..json::Limits::default()
    };
    let json = json::parse(text.as_bytes(), &limits)?;
    let id = resource.get("id").and_then(Value::as_str);
    Ok(Change::Put {
        resource: Prepared::new(&json, id.unwrap_or_default(), own)?,
        expect: Expect::Anything,
        release,
    })
}
