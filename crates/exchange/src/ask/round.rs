//! One round of asking: whom, side by side, and until when.

use std::collections::BTreeSet;
use std::time::Duration;

use access::{Ods, Outcome, PATIENT, Purpose, Role, Scope, SystemPurpose};
use bytes::Bytes;
use fhir::date::Millis;
use fhir::problem::Problem;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use store::ask::Copy;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answer::Answer;
use super::letter::{LETTER_ANSWER_BYTES_MAX, LETTER_TYPES};
use super::question::{Ask, Emergency, Question};
use super::{Person, SOURCES_MAX};
use crate::exchange::Exchange;
use crate::jws::{self, Statement};
use crate::manifest::{PROTOCOL, PatientNamed};
use crate::wire;

/// After so much of the time, a home practice that has not answered is not waited for: its second keeper
/// is asked who holds something. One part in so many.
const KEEPER_AFTER: u64 = 4;

/// What is asked, in whose name.
pub(super) struct Asking<'a> {
    pub scope: &'a Scope,
    pub patient: &'a str,
    pub person: Person,
    pub who: PatientNamed,
    pub types: Vec<&'static str>,
    /// One letter is asked for, by the id that it has there.
    pub letter: Option<String>,
    /// Code and reason.
    pub emergency: Option<(String, String)>,
    pub ends_at: Instant,
}

/// What came of asking one organisation.
pub(super) struct Heard {
    pub organisation: Ods,
    /// When it came, or was waited for no longer; none where nobody was asked.
    pub at: Option<Millis>,
    /// Or why there is none.
    pub answer: Result<Answer, String>,
    /// As it came.
    pub body: Bytes,
}

/// Those who are named without being asked, at most.
const LEFT_MAX: usize = 400;

type Questions<'q> = FuturesUnordered<BoxFuture<'q, Heard>>;

/// Whom to ask.
struct Whom {
    asked: BTreeSet<Ods>,
    home: Option<Ods>,
    keeper: Option<Ods>,
    /// Who is not asked, because others are already.
    left: BTreeSet<Ods>,
}

impl Exchange {
    /// Asks everybody who may hold something, as soon as they are known, and gives what came of it; and
    /// whether there were more than are asked.
    pub(super) async fn ask_all(
        &self,
        asking: &Asking<'_>,
        copies: &[Copy],
    ) -> Result<(Vec<Heard>, bool), Problem> {
        let (mut whom, first) = self.whom(asking, copies).await?;
        let mut questions: Questions<'_> = FuturesUnordered::new();
        let mut heard = Vec::new();
        self.put_to(asking, &mut whom, &mut questions, first)
            .await?;
        let now = Instant::now();
        let left = asking.ends_at.saturating_duration_since(now);
        let keeper_at = now + left / u32::try_from(KEEPER_AFTER).unwrap_or(1);
        let mut waits_for_home = whom.home.is_some();
        while !questions.is_empty() {
            tokio::select! {
                biased;
                Some(one) = questions.next() => {
                    let is_home = Some(&one.organisation) == whom.home.as_ref();
                    let mut more = pointed_at(&one, &whom);
                    if is_home {
                        waits_for_home = false;
                        if one.answer.is_err() {
                            more.extend(whom.keeper.clone());
                        }
                    }
                    heard.push(one);
                    self.put_to(asking, &mut whom, &mut questions, more).await?;
                }
                () = sleep_until(keeper_at), if waits_for_home => {
                    waits_for_home = false;
                    let keeper = whom.keeper.clone().into_iter().collect();
                    self.put_to(asking, &mut whom, &mut questions, keeper).await?;
                }
            }
        }
        let is_cut = !whom.left.is_empty();
        heard.extend(whom.left.into_iter().map(not_asked));
        Ok((heard, is_cut))
    }

    /// Who is known to hold something: the home practice, those with whom letters about the patient were
    /// exchanged, those who told this organisation so, and those of whom an answer is kept.
    async fn whom(
        &self,
        asking: &Asking<'_>,
        copies: &[Copy],
    ) -> Result<(Whom, Vec<Ods>), Problem> {
        let work = Scope::system(SystemPurpose::KeepPointers);
        let home = self.store.home_of(asking.patient).await?;
        let home = home.and_then(|it| Ods::parse(&it).ok());
        let home = home.filter(|it| it != self.organisation());
        let mut first: Vec<Ods> = home.iter().cloned().collect();
        first.extend(self.store.holders(&work, asking.patient).await?);
        if let (Some(number), Some(birth_date)) = (&asking.who.nhs_number, &asking.who.birth_date) {
            let family = &asking.who.family;
            first.extend(self.store.pointers_held(number, birth_date, family).await?);
        }
        first.extend(copies.iter().filter_map(|it| Ods::parse(&it.source).ok()));
        let standpoints = match &home {
            Some(_) => self.store.standpoints().await?,
            None => Vec::new(),
        };
        let own = standpoints
            .into_iter()
            .find(|it| home.as_ref().is_some_and(|home| home.as_str() == it.home));
        let keeper = own
            .and_then(|it| it.keeper)
            .and_then(|it| Ods::parse(&it).ok());
        let whom = Whom {
            asked: BTreeSet::new(),
            keeper: keeper.filter(|it| it != self.organisation()),
            home,
            left: BTreeSet::new(),
        };
        Ok((whom, first))
    }

    /// Puts the question to those who were not asked yet; its line in the log is on the disk before.
    async fn put_to<'q>(
        &'q self,
        asking: &'q Asking<'_>,
        whom: &mut Whom,
        questions: &mut Questions<'q>,
        more: Vec<Ods>,
    ) -> Result<(), Problem> {
        let mut new = Vec::new();
        for ods in more {
            if &ods == self.organisation() || whom.asked.contains(&ods) {
                continue;
            }
            if whom.asked.len() >= SOURCES_MAX {
                if whom.left.len() < LEFT_MAX {
                    whom.left.insert(ods);
                }
                continue;
            }
            whom.asked.insert(ods.clone());
            new.push(ods);
        }
        if new.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = new.iter().map(Ods::as_str).collect();
        let query = format!("asked={}", names.join(","));
        self.trace_asking(asking.scope, asking.patient, Outcome::Success, query)
            .await?;
        for ods in new {
            questions.push(Box::pin(self.ask_one(asking, ods)));
        }
        Ok(())
    }

    pub(super) async fn ask_one(&self, asking: &Asking<'_>, organisation: Ods) -> Heard {
        let mut body = Bytes::new();
        let asked = timeout_at(
            asking.ends_at,
            self.ask_now(asking, &organisation, &mut body),
        );
        let answer = asked.await.unwrap_or_else(|_| {
            let seconds = Duration::from_millis(self.settings.ask_millis).as_secs_f32();
            Err(format!("No answer came within {seconds} s."))
        });
        Heard {
            organisation,
            at: Some(self.store.now()),
            answer,
            body,
        }
    }

    async fn ask_now(
        &self,
        asking: &Asking<'_>,
        to: &Ods,
        body: &mut Bytes,
    ) -> Result<Answer, String> {
        let id = uuid::Uuid::new_v4().to_string();
        let emergency = asking.emergency.clone();
        let purpose = match asking.person.role {
            Some(_) => Purpose::DirectCare,
            None => Purpose::PatientRequest,
        };
        let question = Question {
            protocol: PROTOCOL,
            id: id.clone(),
            from: self.organisation().to_string(),
            to: to.to_string(),
            at: self.store.now(),
            patient: asking.who.clone(),
            person: asking.person.name.clone(),
            role: asking.person.role.map_or(PATIENT, Role::code).to_string(),
            purpose: purpose.code().to_string(),
            types: asking.types.iter().map(ToString::to_string).collect(),
            letter: asking.letter.clone(),
            emergency: emergency.map(|(code, reason)| Emergency { code, reason }),
        };
        let said = |problem: Problem| problem.message;
        let signed = jws::sign(&self.identity.signing(), Statement::Question, &question);
        let ask = Ask {
            question: signed.map_err(said)?,
        };
        let asked = Bytes::from(wire::write(&ask).map_err(said)?);
        let came = self.transport.record(to, asked).await;
        let came = came.map_err(|failure| failure.sentence)?;
        let read = match &asking.letter {
            Some(_) => Answer::read_upto(&came, &LETTER_TYPES, LETTER_ANSWER_BYTES_MAX),
            None => Answer::read(&came, &asking.types),
        };
        let answer =
            read.map_err(|problem| format!("Its answer cannot be used: {}", problem.message))?;
        if answer.id != id {
            return Err("Its answer is to another question.".to_string());
        }
        *body = came;
        Ok(answer)
    }
}

/// Somebody who holds something and is named, though nobody asked them.
fn not_asked(organisation: Ods) -> Heard {
    Heard {
        organisation,
        at: None,
        answer: Err(format!(
            "Not asked: {SOURCES_MAX} others were, and no more are at a time."
        )),
        body: Bytes::new(),
    }
}

/// Whom that answer points at. Only the home practice and its keeper are believed to know others.
fn pointed_at(one: &Heard, whom: &Whom) -> Vec<Ods> {
    let from = Some(&one.organisation);
    let knows = from == whom.home.as_ref() || from == whom.keeper.as_ref();
    let Some(answer) = one.answer.as_ref().ok().filter(|_| knows) else {
        return Vec::new();
    };
    let pointers = answer.pointers.iter();
    let mut pointed: Vec<Ods> = pointers.filter_map(|it| Ods::parse(it).ok()).collect();
    pointed.dedup();
    pointed
}
