//! One letter that another organisation holds, opened here: asked for in a person's name, with its content.

use std::time::Duration;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::Millis;
use fhir::json::{self, Limits};
use fhir::members::{each, text};
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use serde_json::Value;
use store::ask::{AskWrite, LETTER_BYTES_MAX, Receivable};
use store::{Effect, Job, Reading};
use tokio::time::Instant;

use super::answer::Answer;
use super::question::LETTER;
use super::round::{Asking, Heard};
use super::{Closed, HOUR_MILLIS, Person, closed};
use crate::exchange::Exchange;
use crate::sharing::named;

/// What an answer about a letter holds.
pub(super) const LETTER_TYPES: [&str; 2] = [LETTER, "Binary"];
pub(super) const LETTER_ANSWER_BYTES_MAX: usize = LETTER_BYTES_MAX + (64 << 10);

/// A letter that another organisation holds.
#[derive(Clone, Debug)]
pub struct SharedLetter {
    pub asked_at: Millis,
    pub source: Ods,
    pub state: LetterState,
    /// Its entry, as its source gave it.
    pub entry: Option<Value>,
    /// In the order in which the entry names them.
    pub parts: Vec<LetterPart>,
    /// Whether there are parts that are too large to be sent, or withheld.
    pub is_cut: bool,
}

/// One part of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterPart {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// What came of asking for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterState {
    /// Nobody was asked.
    Closed(Closed),
    /// Nobody was asked: where the patient is treated is restricted, and a letter tells it.
    Restricted,
    Answered,
    /// It is there, and not shared with this organisation.
    Withheld,
    /// It is not there, or not any more.
    Gone,
    /// Its source did not answer, for that reason; what is shown is of then, if there is a time.
    Silent {
        why: String,
        copy_from: Option<Millis>,
    },
}

impl Exchange {
    /// Opens a letter about the patient, whom the scope reaches, that `source` holds under that id; ends within the set time.
    ///
    /// # Errors
    /// `NotFound` if the scope does not reach the patient, or there is no such organisation; `Forbidden` for somebody who
    /// may not ask; those of the store.
    pub async fn shared_letter(
        &self,
        scope: &Scope,
        (patient, person): (&str, Person),
        (source, id): (&Ods, &str),
    ) -> Result<SharedLetter, Problem> {
        Box::pin(self.letter_of(scope, (patient, person), (source, id))).await
    }

    async fn letter_of(
        &self,
        scope: &Scope,
        (patient, person): (&str, Person),
        (source, id): (&Ods, &str),
    ) -> Result<SharedLetter, Problem> {
        let began = Instant::now();
        check_id(id)?;
        let is_own = scope.interaction() == Interaction::AskForOneself && person.role.is_none();
        if scope.interaction() != Interaction::Ask && !is_own {
            let message = "This caller may not ask other organisations.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        if source == self.organisation() || self.book.listed(source).is_none() {
            return Err(Problem::new(
                Kind::NotFound,
                "There is no such organisation to ask.",
            ));
        }
        let Reading::Found(version) = self.store.read(scope, "Patient", patient).await? else {
            let message =
                "There is no such patient here, or nobody has recorded that you care for them.";
            return Err(Problem::new(Kind::NotFound, message));
        };
        let who = named(&json::parse(&version.body, &Limits::default())?);
        let receivable = self.store.receivable(scope, patient).await?;
        let mut letter = SharedLetter {
            asked_at: self.store.now(),
            source: source.clone(),
            state: LetterState::Gone,
            entry: None,
            parts: Vec::new(),
            is_cut: false,
        };
        let why = match receivable.without.iter().any(|it| it == LETTER) {
            true => Some(Closed::Unwanted),
            false => closed(&receivable, &who, &[LETTER]),
        };
        let is_restricted = self.store.keeps_whereabouts(patient).await?;
        if is_restricted || why.is_some() {
            let query = format!("letter={source}/{id}&nobody was asked");
            self.trace_asking(scope, patient, Outcome::Withheld, query)
                .await?;
            letter.state = why.map_or(LetterState::Restricted, LetterState::Closed);
            return Ok(letter);
        }
        let key = format!("{source}/{id}");
        let asking = Asking {
            types: vec![LETTER],
            letter: Some(id.to_string()),
            ends_at: began + Duration::from_millis(self.settings.ask_millis),
            scope,
            patient,
            person,
            who,
            emergency: receivable.emergency.clone(),
        };
        let query = format!("asked={source}&letter={id}");
        self.trace_asking(scope, patient, Outcome::Success, query)
            .await?;
        let heard = self.ask_one(&asking, source.clone()).await;
        self.keep_letter(&asking, &receivable, &key, &heard).await;
        self.letter_told(&asking, (&key, id), heard.answer, &mut letter)
            .await?;
        Ok(letter)
    }

    /// What came of asking: the letter, or what was kept of it and why it is that.
    async fn letter_told(
        &self,
        asking: &Asking<'_>,
        (key, id): (&str, &str),
        answer: Result<Answer, String>,
        letter: &mut SharedLetter,
    ) -> Result<(), Problem> {
        let why = match answer {
            Ok(answer) => {
                letter.state = state_of(&answer);
                return fill(letter, &answer, id);
            }
            Err(why) => why,
        };
        // What staff were answered is not all released to the patient.
        let copy = match asking.person.role {
            Some(_) => {
                self.store
                    .letter_copy(asking.scope, asking.patient, key)
                    .await?
            }
            None => None,
        };
        let kept = copy.and_then(|it| {
            let read = Answer::read_upto(&it.body, &LETTER_TYPES, LETTER_ANSWER_BYTES_MAX);
            Some((read.ok()?, it.at))
        });
        let copy_from = kept.as_ref().map(|(_, at)| *at);
        letter.state = LetterState::Silent { why, copy_from };
        match kept {
            Some((answer, _)) => fill(letter, &answer, id),
            None => Ok(()),
        }
    }

    /// Keeps it for when its source is down, under the conditions of all answers; and forgets it once its source says that it is
    /// withheld or gone.
    async fn keep_letter(
        &self,
        asking: &Asking<'_>,
        receivable: &Receivable,
        key: &str,
        heard: &Heard,
    ) {
        // Of what a patient was answered nothing is kept, and what they are not shown tells nothing of what staff may see.
        let (Ok(answer), Some(_)) = (&heard.answer, asking.person.role) else {
            return;
        };
        let hours = Millis::from(self.settings.ask_keep_hours);
        let is_open = receivable.emergency.is_none() && receivable.without.is_empty();
        let keeps = hours > 0 && is_open && state_of(answer) == LetterState::Answered;
        let now = self.store.now();
        let kept = AskWrite::Keep {
            patient: asking.patient.to_string(),
            source: key.to_string(),
            until: if keeps {
                now.saturating_add(hours * HOUR_MILLIS)
            } else {
                now
            },
            body: if keeps {
                heard.body.to_vec()
            } else {
                Vec::new()
            },
        };
        let scope = Scope::system(SystemPurpose::KeepPointers);
        let job = Job::effect(Effect::Ask(kept));
        if let Err(problem) = self.store.commit(&scope, job).await {
            tracing::warn!(?problem, "a letter of another organisation was not kept");
        }
    }
}

fn state_of(answer: &Answer) -> LetterState {
    match (answer.entries.is_empty(), answer.withheld.is_empty()) {
        (false, _) => LetterState::Answered,
        (true, false) => LetterState::Withheld,
        (true, true) => LetterState::Gone,
    }
}

/// The entry and its parts: those that the entry names, in its order.
fn fill(letter: &mut SharedLetter, answer: &Answer, id: &str) -> Result<(), Problem> {
    let resources = answer.resources()?;
    let of = |ty: &str, id: &str| {
        let mut all = resources.iter();
        all.find(|it| text(it, "/resourceType") == ty && text(it, "/id") == id)
    };
    letter.is_cut = !answer.cut.is_empty();
    let Some(entry) = of(LETTER, id) else {
        return Ok(());
    };
    for content in each(entry, "/content") {
        let url = text(content, "/attachment/url");
        let inline = text(content, "/attachment/data");
        let binary = url.strip_prefix("Binary/").and_then(|id| of("Binary", id));
        let (content_type, data) = match binary {
            Some(binary) => (text(binary, "/contentType"), text(binary, "/data")),
            None => (text(content, "/attachment/contentType"), inline),
        };
        match STANDARD.decode(data) {
            Ok(bytes) if !bytes.is_empty() => letter.parts.push(LetterPart {
                content_type: content_type.to_string(),
                bytes,
            }),
            _ => letter.is_cut = true,
        }
    }
    letter.entry = Some(entry.clone());
    Ok(())
}
