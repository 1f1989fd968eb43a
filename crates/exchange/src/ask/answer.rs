//! Answers: what another organisation is told of a patient here, and what theirs must be like.

use access::{
    Asker, AuditEntry, Caller, Interaction, Ods, PatientAsker, Purpose, Scope, SystemPurpose, Who,
    decide_ask, decide_patient_ask,
};
use fhir::date::Millis;
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use store::ask::{BYTES_MAX, OF_A_TYPE_MAX, TYPES};
use store::care::Told;
use store::parcels::Named;

use super::question::{Ask, Checked, QUESTION_BYTES_MAX, Question, SKEW_MILLIS};
use crate::exchange::Exchange;
use crate::instant;
use crate::jws::{self, Statement, read_strictly};
use crate::manifest::PROTOCOL;
use crate::wire;

/// The body of an answer, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = BYTES_MAX + (64 << 10);
/// Pointers in an answer.
const POINTERS_MAX: usize = 200;

/// The answer to a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub protocol: u32,
    /// The question's.
    pub id: String,
    #[serde(with = "instant")]
    pub at: Millis,
    /// Whether such a person is on record there.
    pub known: bool,
    /// Who else holds something about them, as the home practice and its second keeper know.
    pub pointers: Vec<String>,
    /// Of a home practice: who answers in its place when it is down.
    pub keeper: Option<String>,
    /// Types of which something is withheld.
    pub withheld: Vec<String>,
    /// Types of which there is more.
    pub cut: Vec<String>,
    /// FHIR resources.
    pub entries: Vec<Box<RawValue>>,
}

impl Exchange {
    /// Answers `POST /exchange/v1/ask` from `peer`. The line in the audit log is on the disk before this
    /// returns. Whom nobody here knows, and whom somebody else is here by that number, answer alike.
    ///
    /// # Errors
    /// `Security` if the question is not theirs, not for us or not of now; `Conflict` if it was answered
    /// before; `Forbidden` for who may not ask; `Throttled` if too many ask at a time; `Structure`, `Value`,
    /// `TooLong` if it is malformed.
    pub async fn answer_question(&self, peer: &Ods, body: &[u8]) -> Result<Vec<u8>, Problem> {
        Box::pin(self.answered(peer, body)).await
    }

    async fn answered(&self, peer: &Ods, body: &[u8]) -> Result<Vec<u8>, Problem> {
        if body.len() > QUESTION_BYTES_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "A question has at most 16 KiB.",
            ));
        }
        let Ok(_place) = self.answering.try_acquire() else {
            let message = "Too many questions at a time; ask again soon.";
            return Err(Problem::new(Kind::Throttled, message));
        };
        let ask: Ask = read_strictly(body)?;
        let now = self.store.now();
        let find = |kid: &str| self.book.key(peer, kid, now);
        let question: Question = jws::verify(&ask.question, Statement::Question, find)?;
        let checked = question.check(peer, self.organisation(), now)?;
        let patient = self.patient_of(&question, &checked).await?;
        // To all but their own practice a patient who asks is a stranger.
        let patient = match (checked.role, patient) {
            (None, Some(patient)) if !self.is_home(&patient, peer).await? => None,
            (_, patient) => patient,
        };
        let scope = self.asker_scope(peer, &question, &checked, patient.as_deref(), now);
        let scope = scope.await?;
        let told = question.emergency.as_ref().map(|emergency| Told {
            patient: patient.clone().unwrap_or_default(),
            organisation: peer.to_string(),
            account: 0,
            name: question.person.clone(),
            role: question.role.clone(),
            code: emergency.code.clone(),
            reason: emergency.reason.clone(),
        });
        let asked = store::ask::Question {
            peer,
            id: &question.id,
            until: question.at.saturating_add(2 * SKEW_MILLIS),
            types: &checked.types,
            letter: question.letter.as_deref(),
            emergency: told,
        };
        let given = self.store.answer_ask(&scope, patient.as_deref(), asked);
        let given = given.await?;
        let mut entries = Vec::new();
        for version in given.entries {
            entries.push(raw(&version.body)?);
        }
        wire::write(&Answer {
            protocol: PROTOCOL,
            id: question.id.clone(),
            at: now,
            known: patient.is_some(),
            pointers: self.pointers_for(peer, &question, &checked).await?,
            keeper: self.settings.second_keeper.as_ref().map(Ods::to_string),
            withheld: given.withheld,
            cut: given.cut,
            entries,
        })
    }

    /// The one patient here whom number, date of birth and family name all fit.
    async fn patient_of(
        &self,
        question: &Question,
        checked: &Checked,
    ) -> Result<Option<String>, Problem> {
        let scope = Scope::system(SystemPurpose::AnswerAsks).for_request(&question.id);
        let who = Named {
            nhs_number: Some(checked.nhs_number.clone()),
            birth_date: Some(checked.birth_date.clone()),
            family: question.patient.family.clone(),
            given: String::new(),
        };
        let (_, mut fitting) = self.fitting(&scope, &who).await?;
        let one = (fitting.len() == 1).then(|| fitting.pop()).flatten();
        Ok(one.map(|(patient, _)| patient))
    }

    async fn is_home(&self, patient: &str, peer: &Ods) -> Result<bool, Problem> {
        let home = self.store.home_of(patient).await?;
        Ok(home.as_deref() == Some(peer.as_str()))
    }

    /// The scope for who asks. A refusal is written to the audit log.
    async fn asker_scope(
        &self,
        peer: &Ods,
        question: &Question,
        checked: &Checked,
        patient: Option<&str>,
        now: Millis,
    ) -> Result<Scope, Problem> {
        let standing = self.store.asker_standing(peer, now).await?;
        let Some(role) = checked.role else {
            let asker = PatientAsker {
                organisation: peer.clone(),
                name: question.person.clone(),
                request_id: question.id.as_str().into(),
            };
            return decide_patient_ask(&asker, self.organisation(), (&standing, now));
        };
        let opened = question.emergency.as_ref();
        let asker = Asker {
            organisation: peer.clone(),
            name: question.person.clone(),
            role,
            purpose: checked.purpose,
            request_id: question.id.as_str().into(),
            // Of whom nobody knows here, nothing is opened.
            opened: opened.map(|_| patient.unwrap_or_default().to_string()),
        };
        let decided = decide_ask(&asker, self.organisation(), (&standing, now));
        if decided.is_err() {
            let who = Who::Peer {
                organisation: peer.clone(),
            };
            let caller = Caller::new(who, asker.request_id);
            let refused =
                AuditEntry::refused(&caller, Interaction::Ask, Purpose::DirectCare, "", None);
            self.store.refused(refused).await?;
        }
        decided
    }

    async fn pointers_for(
        &self,
        peer: &Ods,
        question: &Question,
        checked: &Checked,
    ) -> Result<Vec<String>, Problem> {
        let family = &question.patient.family;
        let (number, birth_date) = (&checked.nhs_number, &checked.birth_date);
        let held = self.store.pointers_held(number, birth_date, family).await?;
        let others = held.iter().filter(|ods| *ods != peer);
        Ok(others.take(POINTERS_MAX).map(Ods::to_string).collect())
    }
}

fn raw(body: &[u8]) -> Result<Box<RawValue>, Problem> {
    serde_json::from_slice(body).map_err(|cause| {
        Problem::new(Kind::Exception, "A stored record does not read.").because(cause)
    })
}

impl Answer {
    /// Reads one that came, or was kept; of a question about those types.
    ///
    /// # Errors
    /// `TooLong`, `Structure`, `Value`: nothing of it is believed then.
    pub(super) fn read(body: &[u8], types: &[&str]) -> Result<Answer, Problem> {
        Answer::read_upto(body, types, ANSWER_BYTES_MAX)
    }

    /// The same, of so many bytes at most.
    ///
    /// # Errors
    /// As `read`.
    pub(super) fn read_upto(
        body: &[u8],
        types: &[&str],
        bytes_max: usize,
    ) -> Result<Answer, Problem> {
        if body.len() > bytes_max {
            return Err(Problem::new(
                Kind::TooLong,
                "It sent more than may be sent.",
            ));
        }
        let answer: Answer = read_strictly(body)?;
        let is_type = |ty: &String| {
            let ty = ty.as_str();
            TYPES.contains(&ty) || types.contains(&ty)
        };
        let bounded = answer.entries.len() <= types.len() * OF_A_TYPE_MAX
            && answer.pointers.len() <= POINTERS_MAX
            && answer.withheld.len() <= TYPES.len()
            && answer.cut.len() <= TYPES.len();
        if !bounded || answer.protocol != PROTOCOL {
            return Err(Problem::new(
                Kind::TooLong,
                "It sent more than was asked for.",
            ));
        }
        if !answer.withheld.iter().chain(&answer.cut).all(is_type) {
            return Err(Problem::new(
                Kind::Value,
                "It names types that nobody asked for.",
            ));
        }
        for entry in &answer.entries {
            let limits = Limits {
                bytes: bytes_max,
                ..Limits::default()
            };
            let json = json::parse(entry.get().as_bytes(), &limits)?;
            let is_asked = json
                .text("resourceType")
                .is_some_and(|ty| types.contains(&ty));
            let has_id = json.text("id").is_some_and(|id| check_id(id).is_ok());
            if !is_asked || !has_id {
                let message = "It sent something that is no resource of the types asked for.";
                return Err(Problem::new(Kind::Value, message));
            }
        }
        Ok(answer)
    }

    /// What of it is of those types.
    pub(super) fn only(mut self, types: &[&str]) -> Answer {
        self.entries.retain(|entry| {
            let json = json::parse(entry.get().as_bytes(), &Limits::default());
            json.is_ok_and(|it| {
                it.text("resourceType")
                    .is_some_and(|ty| types.contains(&ty))
            })
        });
        self
    }

    /// The resources as JSON.
    ///
    /// # Errors
    /// `Structure` if one does not read.
    pub(super) fn resources(&self) -> Result<Vec<Value>, Problem> {
        let read = |entry: &RawValue| {
            serde_json::from_str(entry.get()).map_err(|cause| {
                Problem::new(Kind::Structure, "A resource does not read.").because(cause)
            })
        };
        self.entries.iter().map(|entry| read(entry)).collect()
    }
}
