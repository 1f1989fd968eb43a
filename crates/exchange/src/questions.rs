//! Patients' questions about entries of their record, and about who looked (`docs/protocol/exchange.md`, section 17): asked
//! where the entry was written, by parcel of kind `record-question` where that is another organisation, and answered from there.
//!
//! Invariant: a question or an answer, its trace and the parcel that tells the other side are one commit.

use access::{AuditEntry, Interaction, Ods, Outcome, Reach, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use store::parcels::ToTakeIn;
use store::questions::{
    About, Answer, Question, QuestionState, QuestionWrite, TEXT_CHARS_MAX, Way,
};
use store::{Effect, Job, Store};

use crate::exchange::Exchange;
use crate::instant;
use crate::letter::Letter;
use crate::manifest::{ParcelKind, ParcelText, PatientNamed};

/// A name, a title or a subject, in characters.
const WORDS_CHARS_MAX: usize = 300;

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The patient asks.
    Ask,
    /// Somebody has opened the question.
    Opened,
    /// Somebody has answered it.
    Answer,
    /// Nobody is on record there by these details.
    Unknown,
}

impl Act {
    fn code(self) -> &'static str {
        match self {
            Act::Ask => "ask",
            Act::Opened => "opened",
            Act::Answer => "answer",
            Act::Unknown => "unknown",
        }
    }
}

/// What a parcel of this kind says beside whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionText {
    pub act: Act,
    /// The question's id at who asks.
    pub question: String,
    #[serde(with = "instant")]
    pub at: Millis,
    /// Who asks or answers, and in which role.
    pub by: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub role: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub words: String,
    /// Of a question: `entry` or `look`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub about: String,
    /// Of a question about an entry: `Type/id` at who answers.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub subject: String,
    /// Of a question: what it is about, in words.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub title: String,
}

impl QuestionText {
    /// # Errors
    /// `Value` for what is too long, or lacks what its act needs.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let value = |what: &str| Err(Problem::new(Kind::Value, what));
        fhir::resource::check_id(&self.question)?;
        let short = [
            &self.by,
            &self.role,
            &self.about,
            &self.subject,
            &self.title,
        ];
        if short.iter().any(|it| it.chars().count() > WORDS_CHARS_MAX) {
            return value("A member of the question is longer than 300 characters.");
        }
        if self.words.chars().count() > TEXT_CHARS_MAX {
            return value("A question or answer has up to 2,000 characters.");
        }
        let has_words = !self.words.trim().is_empty();
        if matches!(self.act, Act::Ask | Act::Answer) != has_words {
            return value("A question and an answer have words, and nothing else has.");
        }
        if (self.act == Act::Ask) != About::from_code(&self.about).is_some() {
            return value("A question, and nothing else, says what it is about.");
        }
        Ok(())
    }
}

/// What a patient asks.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    pub about: About,
    /// The organisation that is to answer, if it is not this one.
    pub to: Option<Ods>,
    /// `Type/id` there, or the number of a line of the log here.
    pub subject: String,
    pub title: String,
    pub question: String,
    pub asked_by: String,
}

fn work(scope: &Scope) -> Scope {
    Scope::system(SystemPurpose::KeepQuestions).for_request(scope.request_id())
}

fn no_exchange() -> Problem {
    let message = "This node exchanges nothing with other organisations. Ring them instead.";
    Problem::new(Kind::NotSupported, message)
}

fn gone() -> Problem {
    Problem::new(Kind::NotFound, "There is no such question here.")
}

/// The log's line about a question.
fn line(scope: &Scope, action: Interaction, patient: &str, id: &str) -> AuditEntry {
    let target = Target {
        ty: "Communication".into(),
        patient: (!patient.is_empty()).then(|| patient.to_string()),
        query: Some(format!("question={id}").into()),
        ..Target::default()
    };
    scope.trace(action, Outcome::Success, target)
}

fn cut(text: &str, most: usize) -> String {
    text.trim().chars().take(most).collect()
}

/// A patient asks; gives the question's id. The scope is the patient's own, for `AskAbout`.
///
/// # Errors
/// `Forbidden` for who is not the patient; `Required`, `TooLong` for the words; `Throttled`; `NotSupported` where another
/// organisation would have to be told and cannot be; those of the store.
pub async fn ask(
    store: &Store,
    exchange: Option<&Exchange>,
    scope: &Scope,
    new: NewQuestion,
) -> Result<String, Problem> {
    let patient = match scope.reach() {
        Reach::Compartment { patient, .. } if scope.interaction() == Interaction::AskAbout => {
            patient.clone()
        }
        _ => {
            let message = "Only patients ask here.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
    };
    let id = uuid::Uuid::new_v4().to_string();
    let mut question = Question {
        id: id.clone(),
        way: Way::Here,
        about: new.about,
        other: String::new(),
        asked_as: id.clone(),
        patient: patient.clone(),
        subject: new.subject,
        title: cut(&new.title, WORDS_CHARS_MAX),
        question: new.question.trim().to_string(),
        asked_by: cut(&new.asked_by, WORDS_CHARS_MAX),
        asked_at: store.now(),
        state: QuestionState::Waiting,
        opened_at: 0,
        answer: String::new(),
        answered_by: String::new(),
        answered_role: String::new(),
        answered_at: 0,
        read_at: 0,
        parcel: String::new(),
        version: 1,
    };
    let mut job = Job::default();
    if let Some(to) = new.to.filter(|it| it != store.organisation()) {
        let exchange = exchange.ok_or_else(no_exchange)?;
        question.way = Way::Out;
        question.other = to.to_string();
        let said = QuestionText {
            act: Act::Ask,
            question: id.clone(),
            at: question.asked_at,
            by: question.asked_by.clone(),
            role: access::PATIENT.to_string(),
            words: question.question.clone(),
            about: question.about.code().to_string(),
            // A line of the log here means nothing there.
            subject: match question.about {
                About::Entry => question.subject.clone(),
                About::Look => String::new(),
            },
            title: question.title.clone(),
        };
        let named = exchange.known_as(&work(scope), &patient).await?;
        let (parcel, sent) = exchange.question_parcel(&to, (named, &patient), said)?;
        question.parcel = parcel;
        job.effects.push(sent);
    }
    job.traces
        .push(line(scope, Interaction::AskAbout, &patient, &id));
    let asked = QuestionWrite::Ask(Box::new(question));
    job.effects.push(Effect::Question(asked));
    store.commit(&work(scope), job).await?;
    Ok(id)
}

/// What somebody here does with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Open,
    /// Answers it in the version that they saw.
    Answer {
        text: String,
        version: i64,
    },
}

/// Somebody who may answer opens or answers a question; who asked is told.
///
/// # Errors
/// `NotFound` for a question that is not theirs to answer; `Required`, `TooLong`; `Conflict` if somebody else came between;
/// those of the store.
pub async fn step(
    store: &Store,
    exchange: Option<&Exchange>,
    scope: &Scope,
    id: &str,
    step: &Step,
) -> Result<(), Problem> {
    let question = store.question(scope, id).await?;
    let question = question.filter(|it| it.way != Way::Out).ok_or_else(gone)?;
    if *step == Step::Open && question.state != QuestionState::Waiting {
        return Ok(());
    }
    let agent = scope.agent();
    let role = agent.role.clone().unwrap_or_default().into_owned();
    let by = cut(&agent.name, WORDS_CHARS_MAX);
    let (act, words) = match step {
        Step::Open => (Act::Opened, String::new()),
        Step::Answer { text, .. } => (Act::Answer, text.trim().to_string()),
    };
    let (at, mut parcel) = (store.now(), String::new());
    let mut job = Job::default();
    if question.way == Way::In {
        let exchange = exchange.ok_or_else(no_exchange)?;
        let said = QuestionText {
            act,
            question: question.asked_as.clone(),
            at,
            by: by.clone(),
            role: role.clone(),
            words: words.clone(),
            about: String::new(),
            subject: String::new(),
            title: String::new(),
        };
        let to = Ods::parse(&question.other)?;
        let about = (PatientNamed::default(), question.patient.as_str());
        let (told, sent) = exchange.question_parcel(&to, about, said)?;
        parcel = told;
        job.effects.push(sent);
    }
    let id = id.to_string();
    let write = match step {
        Step::Open => QuestionWrite::Opened {
            id: id.clone(),
            parcel,
            version: question.version,
        },
        Step::Answer { version, .. } => QuestionWrite::Answer {
            id: id.clone(),
            answer: Answer {
                text: words,
                by,
                role,
                at,
            },
            parcel,
            version: *version,
        },
    };
    job.effects.push(Effect::Question(write));
    let action = scope.interaction();
    job.traces.push(line(scope, action, &question.patient, &id));
    store.commit(&work(scope), job).await.map(|_| ())
}

impl Exchange {
    /// The parcel that tells the other side: its id, and the effect that accepts it.
    fn question_parcel(
        &self,
        to: &Ods,
        (who, patient): (PatientNamed, &str),
        said: QuestionText,
    ) -> Result<(String, Effect), Problem> {
        let parts = ["question", to.as_str(), &said.question, said.act.code()];
        let id = Letter::parcel_id(&parts);
        let text = ParcelText {
            id: id.clone(),
            made_at: said.at,
            document: said.question.clone(),
            patient: who,
            question: Some(Box::new(said)),
            ..ParcelText::of(ParcelKind::RecordQuestion, self.organisation(), to)
        };
        Ok((id, text.accepted(patient)?))
    }

    /// Takes in a parcel of kind `record-question`. A question about nobody here is answered so by the node itself.
    pub(crate) async fn take_question(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        said: &QuestionText,
    ) -> Result<(), Problem> {
        let mut job = Job::default();
        let (sender, pid) = (parcel.sender.to_string(), parcel.pid);
        let patient = match said.act {
            Act::Ask => self.asked_by_other(scope, parcel, said, &mut job).await?,
            act => {
                let known = self.store.question(scope, &said.question).await?;
                let state = match act {
                    Act::Opened => QuestionState::Opened,
                    Act::Unknown => QuestionState::Unknown,
                    Act::Ask | Act::Answer => QuestionState::Answered,
                };
                job.effects.push(Effect::Question(QuestionWrite::Told {
                    id: said.question.clone(),
                    sender,
                    state,
                    answer: Answer {
                        text: said.words.clone(),
                        by: said.by.clone(),
                        role: said.role.clone(),
                        at: said.at,
                    },
                }));
                known.map(|it| it.patient).unwrap_or_default()
            }
        };
        let own = Interaction::System;
        job.traces.push(line(scope, own, &patient, &said.question));
        let taken = QuestionWrite::TakenIn { pid, patient };
        job.effects.push(Effect::Question(taken));
        self.store.commit(scope, job).await.map(|_| ())
    }

    async fn asked_by_other(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        said: &QuestionText,
        job: &mut Job,
    ) -> Result<String, Problem> {
        let sender = parcel.sender.as_str();
        let about = About::from_code(&said.about);
        let found = self.whose(scope, parcel).await?;
        let (Ok(patient), Some(about)) = (found, about) else {
            let unknown = QuestionText {
                act: Act::Unknown,
                question: said.question.clone(),
                at: self.store.now(),
                by: String::new(),
                role: String::new(),
                words: String::new(),
                about: String::new(),
                subject: String::new(),
                title: String::new(),
            };
            let nobody = (PatientNamed::default(), "");
            let (_, sent) = self.question_parcel(&parcel.sender, nobody, unknown)?;
            job.effects.push(sent);
            return Ok(String::new());
        };
        let question = Question {
            id: Letter::parcel_id(&["question-from", sender, &said.question]),
            way: Way::In,
            about,
            other: sender.to_string(),
            asked_as: said.question.clone(),
            patient: patient.clone(),
            subject: said.subject.clone(),
            title: said.title.clone(),
            question: said.words.clone(),
            asked_by: said.by.clone(),
            asked_at: said.at,
            state: QuestionState::Waiting,
            opened_at: 0,
            answer: String::new(),
            answered_by: String::new(),
            answered_role: String::new(),
            answered_at: 0,
            read_at: 0,
            parcel: String::new(),
            version: 1,
        };
        let take = QuestionWrite::Take(Box::new(question));
        job.effects.push(Effect::Question(take));
        Ok(patient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(act: Act) -> QuestionText {
        QuestionText {
            act,
            question: "q1".into(),
            at: 1_000,
            by: "Una Example".into(),
            role: "patient".into(),
            words: "This was my sister.".into(),
            about: "entry".into(),
            subject: "Condition/c1".into(),
            title: "Asthma".into(),
        }
    }

    #[test]
    fn a_question_says_what_it_is_about_and_every_word_is_bounded() {
        said(Act::Ask).check().unwrap();
        let wrong = |change: &dyn Fn(&mut QuestionText)| {
            let mut said = said(Act::Ask);
            change(&mut said);
            said.check().unwrap_err();
        };
        wrong(&|it| it.about.clear());
        wrong(&|it| it.words = "  ".into());
        wrong(&|it| it.words = "x".repeat(2_001));
        wrong(&|it| it.title = "x".repeat(301));
        wrong(&|it| it.question = "no id!".into());
        wrong(&|it| it.act = Act::Opened);
        let mut answer = said(Act::Answer);
        answer.about.clear();
        answer.check().unwrap();
    }
}
