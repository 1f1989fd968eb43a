//! Ask: reads of what other organisations hold of one patient, now, in the name of a person
//! (`docs/protocol/exchange.md`, section 10).
//!
//! Invariant: no question leaves, and no answer, before its line in the audit log is on the disk.
//! Invariant: whoever was to be asked is in the result: answered, or named with the reason why not.

mod answer;
mod letter;
mod merge;
mod question;
mod round;
#[cfg(test)]
mod tests;

use std::time::Duration;

use access::{Interaction, NhsNumber, Ods, Outcome, Role, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::json::{self, Json, Limits};
use fhir::problem::{Kind, Problem};
use fhir::whereabouts::{Places, redact};
use serde_json::Value;
use store::ask::{AskWrite, Copy, PLANS, Receivable, TYPES};
use store::{Effect, Job, Reading};
use tokio::time::Instant;

use crate::exchange::Exchange;
use crate::manifest::PatientNamed;
use crate::sharing::named;
use answer::Answer;
pub use letter::{LetterPart, LetterState, SharedLetter};
use merge::merge;
pub use merge::{Item, names};
pub use question::QUESTION_BYTES_MAX;
use round::{Asking, Heard};

/// Organisations that are asked about one patient, at most.
pub const SOURCES_MAX: usize = 32;
const HOUR_MILLIS: Millis = 3_600_000;

/// In whose name other organisations are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    /// None for the patient themselves: they are given what is released to them, and nothing is kept of it.
    pub role: Option<Role>,
}

/// What other organisations hold of one patient, as far as they answered.
#[derive(Clone, Debug, Default)]
pub struct SharedRecord {
    pub asked_at: Millis,
    /// Everybody who was to be asked, by ODS code in order.
    pub sources: Vec<Source>,
    /// The newest first.
    pub items: Vec<Item>,
    /// Types that were not asked for, since the patient does not want them seen here.
    pub without: Vec<String>,
    /// Why nobody was asked, if that is so.
    pub closed: Option<Closed>,
    /// Whether nobody is to learn where the patient is treated.
    pub is_restricted: bool,
    /// Whether there were more organisations than are asked.
    pub is_cut: bool,
}

/// Why nobody was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The patient does not want other organisations' records seen here.
    Unwanted,
    /// The home practice may have new preferences to tell, and does not answer.
    Unconfirmed,
    /// The record lacks NHS number, date of birth or family name, without which nobody is asked.
    Unidentified,
}

/// What is held here of the patient, as far as the reader may see it: a source like the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// FHIR resources, in JSON.
    pub resources: Vec<Value>,
    /// Types of which something is withheld from the reader.
    pub withheld: Vec<String>,
    /// Types of which there is more than was read.
    pub cut: Vec<String>,
}

/// One organisation that was to be asked, or this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub organisation: Ods,
    pub state: SourceState,
    /// When it answered, or was waited for no longer; none where nobody was asked.
    pub heard_at: Option<Millis>,
    /// Types of which it withholds something.
    pub withheld: Vec<String>,
    /// Types of which it holds more than it gave.
    pub cut: Vec<String>,
    /// How many resources of its are among the items.
    pub count: usize,
}

/// What came of asking one organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    Answered,
    /// It does not know the patient.
    Unknown,
    /// It did not answer, for that reason; what it said then is shown, if there is a time.
    Silent {
        why: String,
        copy_from: Option<Millis>,
    },
}

impl Source {
    /// When what is shown of it was so: now, or when it last answered.
    pub fn is_stale(&self) -> bool {
        matches!(
            self.state,
            SourceState::Silent {
                copy_from: Some(_),
                ..
            }
        )
    }
}

impl SharedRecord {
    /// What is here alone: nobody else was asked.
    ///
    /// # Errors
    /// `Exception` if what is held cannot be written.
    pub fn of_here(
        own: &Ods,
        (at, is_restricted): (Millis, bool),
        held: Held,
    ) -> Result<SharedRecord, Problem> {
        let mut shared = SharedRecord {
            asked_at: at,
            is_restricted,
            ..SharedRecord::default()
        };
        let answer = shared.hold(own, held);
        shared.gather(vec![answer])?;
        Ok(shared)
    }

    /// Names this organisation as a source that answered; its place, and what it says.
    fn hold(&mut self, own: &Ods, held: Held) -> (usize, Vec<Value>) {
        self.sources.push(Source {
            organisation: own.clone(),
            state: SourceState::Answered,
            heard_at: Some(self.asked_at),
            withheld: held.withheld,
            cut: held.cut,
            count: 0,
        });
        (self.sources.len() - 1, held.resources)
    }

    /// Merges what the sources said, and counts how much is whose.
    fn gather(&mut self, answers: Vec<(usize, Vec<Value>)>) -> Result<(), Problem> {
        self.items = merge(answers);
        for item in &self.items {
            for number in &item.sources {
                if let Some(source) = self.sources.get_mut(*number) {
                    source.count += 1;
                }
            }
        }
        if self.is_restricted {
            for item in &mut self.items {
                item.resource = without_places(&item.resource)?;
            }
        }
        Ok(())
    }
}

impl Exchange {
    /// Asks all who hold something about the patient, whom the scope reaches; ends within the set
    /// time, whoever answers.
    ///
    /// # Errors
    /// `NotFound` if the scope does not reach the patient; `Forbidden` for somebody who may not ask;
    /// those of the store.
    pub async fn shared_record(
        &self,
        scope: &Scope,
        patient: &str,
        person: Person,
    ) -> Result<SharedRecord, Problem> {
        // Its type is in no caller's: the compiler would look through it again in each of them.
        Box::pin(self.asked_around(scope, (patient, person), &TYPES, None)).await
    }

    /// The same of appointments and referrals: those of `PLANS` that are named. They are the patient's own to ask for.
    ///
    /// # Errors
    /// As `shared_record`; `Forbidden` for staff.
    pub async fn shared_plans(
        &self,
        scope: &Scope,
        (patient, person): (&str, Person),
        types: &[&str],
    ) -> Result<SharedRecord, Problem> {
        if scope.interaction() != Interaction::AskForOneself || person.role.is_some() {
            let message = "Appointments and referrals elsewhere are the patient's own to ask for.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let known = PLANS.into_iter();
        let types: Vec<&'static str> = known.filter(|it| types.contains(it)).collect();
        Box::pin(self.asked_around(scope, (patient, person), &types, None)).await
    }

    /// The shared record with what is held here as the first of the sources. That is there even where nobody may be asked.
    ///
    /// # Errors
    /// As `shared_record`.
    pub async fn shared_record_beside(
        &self,
        scope: &Scope,
        patient: &str,
        person: Person,
        held: Held,
    ) -> Result<SharedRecord, Problem> {
        Box::pin(self.asked_around(scope, (patient, person), &TYPES, Some(held))).await
    }

    async fn asked_around(
        &self,
        scope: &Scope,
        (patient, person): (&str, Person),
        types: &[&'static str],
        held: Option<Held>,
    ) -> Result<SharedRecord, Problem> {
        let began = Instant::now();
        if !matches!(
            scope.interaction(),
            Interaction::Ask | Interaction::AskForOneself
        ) {
            let message = "This caller may not ask other organisations.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let Reading::Found(version) = self.store.read(scope, "Patient", patient).await? else {
            let message =
                "There is no such patient here, or nobody has recorded that you care for them.";
            return Err(Problem::new(Kind::NotFound, message));
        };
        let who = named(&json::parse(&version.body, &Limits::default())?);
        let receivable = self.store.receivable(scope, patient).await?;
        let mut shared = SharedRecord {
            asked_at: self.store.now(),
            without: receivable.without.clone(),
            closed: closed(&receivable, &who, types),
            is_restricted: self.store.keeps_whereabouts(patient).await?,
            ..SharedRecord::default()
        };
        let own = held.map(|held| shared.hold(self.organisation(), held));
        let mut answers = Vec::from_iter(own);
        if shared.closed.is_some() {
            let query = "nobody was asked".to_string();
            self.trace_asking(scope, patient, Outcome::Withheld, query)
                .await?;
            shared.gather(answers)?;
            return Ok(shared);
        }
        // What staff were answered is not all released to the patient.
        let copies = match person.role {
            Some(_) => self.store.copies_of(scope, patient).await?,
            None => Vec::new(),
        };
        let asking = Asking {
            types: wanted(&receivable, types),
            letter: None,
            ends_at: began + Duration::from_millis(self.settings.ask_millis),
            scope,
            patient,
            person,
            who,
            emergency: receivable.emergency.clone(),
        };
        let (heard, is_cut) = self.ask_all(&asking, &copies).await?;
        shared.is_cut = is_cut;
        self.keep_copies(&asking, &receivable, shared.is_restricted, &heard)
            .await;
        answers.extend(self.settled(heard, &asking, &copies, &mut shared)?);
        shared.gather(answers)?;
        Ok(shared)
    }

    /// Each source as it is shown, and what it says: now, or in its last good answer.
    fn settled(
        &self,
        mut heard: Vec<Heard>,
        asking: &Asking<'_>,
        copies: &[Copy],
        shared: &mut SharedRecord,
    ) -> Result<Vec<(usize, Vec<Value>)>, Problem> {
        heard.sort_by(|a, b| a.organisation.cmp(&b.organisation));
        let mut answers = Vec::new();
        for one in heard {
            let number = shared.sources.len();
            let (answer, state) = match one.answer {
                Ok(answer) if answer.known => (Some(answer), SourceState::Answered),
                Ok(_) => (None, SourceState::Unknown),
                Err(why) => {
                    let own = one.organisation.as_str();
                    let copy = copies.iter().find(|it| it.source == own);
                    let kept = copy.and_then(|it| {
                        let answer = Answer::read(&it.body, &TYPES).ok()?;
                        answer.known.then_some((answer, it.at))
                    });
                    let copy_from = kept.as_ref().map(|(_, at)| *at);
                    let kept = kept.map(|(answer, _)| answer.only(&asking.types));
                    (kept, SourceState::Silent { why, copy_from })
                }
            };
            let mut source = Source {
                organisation: one.organisation,
                state,
                heard_at: one.at,
                withheld: Vec::new(),
                cut: Vec::new(),
                count: 0,
            };
            if let Some(answer) = answer {
                source.withheld.clone_from(&answer.withheld);
                source.cut.clone_from(&answer.cut);
                answers.push((number, answer.resources()?));
            }
            shared.sources.push(source);
        }
        Ok(answers)
    }

    /// Keeps good answers for when their source is down. Nothing that an emergency opened, and nothing
    /// of whom keeps something from this organisation: what is not kept need not be taken back.
    async fn keep_copies(
        &self,
        asking: &Asking<'_>,
        receivable: &Receivable,
        is_restricted: bool,
        heard: &[Heard],
    ) {
        let hours = self.settings.ask_keep_hours;
        let keeps = hours > 0
            && asking.person.role.is_some()
            && receivable.emergency.is_none()
            && receivable.without.is_empty()
            && !is_restricted;
        let until = self
            .store
            .now()
            .saturating_add(Millis::from(hours) * HOUR_MILLIS);
        let kept = heard.iter().filter(|it| it.answer.is_ok() && keeps);
        let effects: Vec<Effect> = kept
            .map(|it| {
                Effect::Ask(AskWrite::Keep {
                    patient: asking.patient.to_string(),
                    source: it.organisation.to_string(),
                    until,
                    body: it.body.to_vec(),
                })
            })
            .collect();
        if effects.is_empty() {
            return;
        }
        let job = Job {
            effects,
            ..Job::default()
        };
        let scope = Scope::system(SystemPurpose::KeepPointers);
        // Without a copy the answer is as good as before.
        if let Err(problem) = self.store.commit(&scope, job).await {
            tracing::warn!(?problem, "answers of other organisations were not kept");
        }
    }

    /// Writes the line that says who is asked; on the disk before anybody is.
    pub(super) async fn trace_asking(
        &self,
        scope: &Scope,
        patient: &str,
        outcome: Outcome,
        query: String,
    ) -> Result<(), Problem> {
        let target = Target {
            patient: Some(patient.to_string()),
            query: Some(query.into()),
            ..Target::default()
        };
        let job = Job {
            traces: vec![scope.trace(scope.interaction(), outcome, target)],
            ..Job::default()
        };
        let work = Scope::system(SystemPurpose::KeepPointers).for_request(scope.request_id());
        self.store.commit(&work, job).await.map(|_| ())
    }

    /// Forgets copies that are too old or may not be shown any more. The workers do this by themselves.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tidy_copies(&self) -> Result<(), Problem> {
        let organisation = self.organisation().to_string();
        let scope = Scope::system(SystemPurpose::KeepPointers);
        let job = Job::effect(Effect::Ask(AskWrite::Tidy { organisation }));
        self.store.commit(&scope, job).await.map(|_| ())
    }
}

fn closed(receivable: &Receivable, who: &PatientNamed, types: &[&'static str]) -> Option<Closed> {
    let number = who.nhs_number.as_deref();
    let is_number = number.is_some_and(|it| NhsNumber::parse(it).is_ok());
    if !is_number || who.birth_date.is_none() || who.family.is_empty() {
        return Some(Closed::Unidentified);
    }
    if receivable.nothing || wanted(receivable, types).is_empty() {
        return Some(Closed::Unwanted);
    }
    receivable.is_closed.then_some(Closed::Unconfirmed)
}

/// Those of the types that the patient has not said they do not want seen here.
fn wanted(receivable: &Receivable, types: &[&'static str]) -> Vec<&'static str> {
    let unwanted = |ty: &&str| receivable.without.iter().any(|it| it == ty);
    let types = types.iter().copied();
    types.filter(|ty| !unwanted(ty)).collect()
}

/// What came about a restricted patient, without what tells where they are, should its source not know.
fn without_places(resource: &Value) -> Result<Value, Problem> {
    let text = resource.to_string();
    let json = json::parse(text.as_bytes(), &Limits::default())?;
    let Some(redacted) = redact(&json, &Places::default()) else {
        return Ok(resource.clone());
    };
    rewritten(&redacted)
}

fn rewritten(json: &Json<'_>) -> Result<Value, Problem> {
    let mut text = Vec::new();
    json::write(json, &mut text);
    serde_json::from_slice(&text).map_err(|cause| {
        Problem::new(Kind::Exception, "What was asked for could not be written.").because(cause)
    })
}
