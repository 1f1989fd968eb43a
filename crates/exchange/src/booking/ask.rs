//! What other organisations offer: a signed question about no patient, answered at once (`docs/protocol/exchange.md`,
//! section 12).

use std::time::Duration;

use access::{Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use bytes::Bytes;
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use fhir::resource::check_id;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use store::diary::{Audience, Free};
use tokio::time::{Instant, timeout_at};

use super::{AHEAD_MILLIS, Offer};
use crate::exchange::Exchange;
use crate::instant;
use crate::jws::{self, Statement, read_strictly};
use crate::manifest::PROTOCOL;
use crate::wire;

/// The body of a question, in bytes.
pub const SLOTS_QUESTION_BYTES_MAX: usize = 8 << 10;
/// The body of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 128 << 10;
/// Offers in one answer.
const OFFERS_MAX: u32 = 100;
/// How far the clocks of two nodes may be apart.
const SKEW_MILLIS: Millis = 120_000;

/// `POST /exchange/v1/slots`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskSlots {
    /// A signed question.
    question: String,
}

/// The question itself. It names nobody.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotsQuestion {
    protocol: u32,
    id: String,
    from: String,
    to: String,
    #[serde(with = "instant")]
    at: Millis,
    /// Slots that start in `[since, until)`.
    #[serde(with = "instant")]
    since: Millis,
    #[serde(with = "instant")]
    until: Millis,
}

/// The answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotsAnswer {
    protocol: u32,
    /// The question's.
    id: String,
    #[serde(with = "instant")]
    at: Millis,
    /// The earliest first.
    offers: Vec<Offer>,
    /// Whether there are more.
    more: bool,
}

/// What one organisation offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeThere {
    pub organisation: Ods,
    /// Or why nothing is known of it.
    pub offers: Result<Vec<Offer>, String>,
}

impl Exchange {
    /// Whether other organisations' appointments are offered here.
    pub fn has_clinics(&self) -> bool {
        !self.settings.clinics.is_empty()
    }

    /// Asks all organisations whose clinics the settings name for what they offer from now on, side by side and within
    /// the set time. Who did not answer is in the result, with the reason.
    ///
    /// # Errors
    /// `Forbidden` for a scope that is not about the diary; those of the store.
    pub async fn free_there(&self, scope: &Scope) -> Result<Vec<FreeThere>, Problem> {
        Box::pin(self.asked_slots(scope)).await
    }

    async fn asked_slots(&self, scope: &Scope) -> Result<Vec<FreeThere>, Problem> {
        let asked: Vec<&Ods> = self.settings.clinics.iter().collect();
        if scope.interaction() != Interaction::Slots {
            let message = "This caller does not look for appointments.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = asked.iter().map(|ods| ods.as_str()).collect();
        let target = Target {
            ty: "Slot".into(),
            query: Some(format!("asked={}", names.join(",")).into()),
            ..Target::default()
        };
        let line = scope.trace(Interaction::Slots, Outcome::Success, target);
        let traced = store::Job {
            traces: vec![line],
            ..store::Job::default()
        };
        let work = Scope::system(SystemPurpose::KeepAppointments).for_request(scope.request_id());
        self.store.commit(&work, traced).await?;
        let ends_at = Instant::now() + Duration::from_millis(self.settings.ask_millis);
        let questions = asked.into_iter().map(|to| async move {
            let offers = timeout_at(ends_at, self.ask_slots(to)).await;
            let offers = offers.unwrap_or_else(|_| {
                let seconds = Duration::from_millis(self.settings.ask_millis).as_secs_f32();
                Err(format!("No answer came within {seconds} s."))
            });
            FreeThere {
                organisation: to.clone(),
                offers,
            }
        });
        Ok(join_all(questions).await)
    }

    async fn ask_slots(&self, to: &Ods) -> Result<Vec<Offer>, String> {
        if let Some((bars, to)) = self.booking_by_bars(to) {
            return self.bars_offers((bars, &to)).await;
        }
        let said = |problem: Problem| problem.message;
        let now = self.store.now();
        let id = uuid::Uuid::new_v4().to_string();
        let question = SlotsQuestion {
            protocol: PROTOCOL,
            id: id.clone(),
            from: self.organisation().to_string(),
            to: to.to_string(),
            at: now,
            since: now,
            until: now.saturating_add(AHEAD_MILLIS),
        };
        let signed = jws::sign(&self.identity.signing(), Statement::Slots, &question);
        let ask = AskSlots {
            question: signed.map_err(said)?,
        };
        let body = Bytes::from(wire::write(&ask).map_err(said)?);
        let came = self.transport.slots(to, body).await;
        let came = came.map_err(|failure| failure.sentence)?;
        let unusable = |problem: Problem| format!("Its answer cannot be used: {}", problem.message);
        let answer = SlotsAnswer::read(&came, &id).map_err(unusable)?;
        let mut offers = answer.offers;
        offers.retain(|it| it.starts > now);
        Ok(offers)
    }

    /// Answers `POST /exchange/v1/slots` from `peer`: what other organisations may book here.
    ///
    /// # Errors
    /// `Security` if the question is not theirs, not for us or not of now; `Throttled` if too many ask at a time;
    /// `Structure`, `Value`, `TooLong` if it is malformed.
    pub async fn answer_slots(&self, peer: &Ods, body: &[u8]) -> Result<Vec<u8>, Problem> {
        if body.len() > SLOTS_QUESTION_BYTES_MAX {
            let message = "A question about appointments has at most 8 KiB.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        let Ok(_place) = self.answering.try_acquire() else {
            let message = "Too many questions at a time; ask again soon.";
            return Err(Problem::new(Kind::Throttled, message));
        };
        let ask: AskSlots = read_strictly(body)?;
        let now = self.store.now();
        let find = |kid: &str| self.book.key(peer, kid, now);
        let question: SlotsQuestion = jws::verify(&ask.question, Statement::Slots, find)?;
        question.check(peer, self.organisation(), now)?;
        let (offers, more) = self.offered_to(&question, now).await?;
        wire::write(&SlotsAnswer {
            protocol: PROTOCOL,
            id: question.id,
            at: now,
            offers,
            more,
        })
    }

    async fn offered_to(
        &self,
        question: &SlotsQuestion,
        now: Millis,
    ) -> Result<(Vec<Offer>, bool), Problem> {
        if !self.settings.keeps_diary {
            return Ok((Vec::new(), false));
        }
        let scope = Scope::system(SystemPurpose::KeepAppointments).for_request(&question.id);
        let free = Free {
            from: question.since.max(now),
            until: question.until.min(now.saturating_add(AHEAD_MILLIS)),
            audience: Audience::Organisations,
            like: None,
            count: OFFERS_MAX + 1,
        };
        let slots = self.store.free_slots(&scope, &free).await?;
        let more = slots.len() > OFFERS_MAX as usize;
        let offers = slots.iter().take(OFFERS_MAX as usize).map(Offer::of);
        Ok((offers.collect(), more))
    }
}

impl SlotsQuestion {
    fn check(&self, peer: &Ods, own: &Ods, now: Millis) -> Result<(), Problem> {
        let security = |message: &'static str| Err(Problem::new(Kind::Security, message));
        if self.protocol != PROTOCOL {
            let message = "Only protocol 1 is spoken here.";
            return Err(Problem::new(Kind::NotSupported, message));
        }
        if self.from != peer.as_str() || self.to != own.as_str() {
            return security(
                "The question is not from who is at the other end, or not for this organisation.",
            );
        }
        if now.abs_diff(self.at) > SKEW_MILLIS.unsigned_abs() {
            return security(
                "The question is too old, or the clocks are more than two minutes apart.",
            );
        }
        check_id(&self.id)
    }
}

impl SlotsAnswer {
    fn read(body: &[u8], id: &str) -> Result<SlotsAnswer, Problem> {
        if body.len() > ANSWER_BYTES_MAX {
            let message = "It sent more than may be sent.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        let answer: SlotsAnswer = read_strictly(body)?;
        if answer.protocol != PROTOCOL || answer.id != id {
            let message = "It is the answer to another question.";
            return Err(Problem::new(Kind::Value, message));
        }
        if answer.offers.len() > OFFERS_MAX as usize {
            let message = "It offers more than was asked for.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        answer.offers.iter().try_for_each(Offer::check)?;
        Ok(answer)
    }
}
