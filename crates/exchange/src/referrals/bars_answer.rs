//! What comes back of a referral that left by BaRS. Another node's answer names its step; of any other system's only what the
//! ServiceRequest says for certain moves the referral on, and nothing but a named clinician's step makes it accepted.

use access::{Interaction, Ods, Scope};
use fhir::problem::Problem;
use store::Job;
use store::referrals::{Referral, ReferralWas, Way};

use super::bars::{Arrived, BarsCame};
use super::text::{Act, ReferralText, WORDS_CHARS_MAX};
use super::{AtHand, TRIES_MAX, came_between, follows, gone, line, resource, work, written};
use crate::exchange::Exchange;

/// An answer as the door has read it.
#[derive(Clone, Debug)]
pub struct BarsAnswer {
    /// Who answers: the ODS code and name of the organisation.
    pub sender: Ods,
    pub sender_name: String,
    /// The answer's id at its sender, and the digest of its bytes.
    pub message: String,
    pub digest: String,
    pub request_id: String,
    pub correlation_id: String,
    /// The id of our message that it answers.
    pub answers: String,
    /// `Accept`, `Ask` or `Return`; `Reply` for words that decide nothing.
    pub act: Act,
    /// Who answers, by name.
    pub by: String,
    pub words: String,
    /// The day by which the patient is to be seen.
    pub promised_by: Option<String>,
}

impl Exchange {
    /// Takes an answer to a referral that left by BaRS, once.
    ///
    /// # Errors
    /// `NotFound` if it answers nothing that its sender was sent from here; those of the store.
    pub async fn take_bars_answer(
        &self,
        scope: &Scope,
        came: &BarsAnswer,
    ) -> Result<BarsCame, Problem> {
        Box::pin(self.taking_bars_answer(scope, came)).await
    }

    async fn taking_bars_answer(
        &self,
        scope: &Scope,
        came: &BarsAnswer,
    ) -> Result<BarsCame, Problem> {
        let work = work(scope);
        let arrived = Arrived {
            sender: &came.sender,
            message: &came.message,
            digest: &came.digest,
            request_id: &came.request_id,
            correlation_id: &came.correlation_id,
        };
        for _ in 0..TRIES_MAX {
            let about = self.store.bars_referral(&work, &came.answers).await?;
            let known = match about {
                Some(id) => self.store.referral(&work, &id).await?,
                None => None,
            };
            let is_theirs = |it: &Referral| {
                !it.inward && it.way == Way::Bars && it.other == came.sender.as_str()
            };
            let known = known.filter(is_theirs).ok_or_else(gone)?;
            if let Some(before) = arrived.before(self, &work).await? {
                return Ok(before);
            }
            let id = known.id.clone();
            let mut job = self.bars_answered(scope, came, known).await?;
            job.effects.push(arrived.noted(&id));
            match self.store.commit(&work, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| BarsCame::Taken(id)),
            }
        }
        Err(came_between())
    }

    async fn bars_answered(
        &self,
        scope: &Scope,
        came: &BarsAnswer,
        known: Referral,
    ) -> Result<Job, Problem> {
        let at_hand = AtHand::read(&self.store, &work(scope), &known.id).await?;
        let mut at_hand = at_hand.ok_or_else(gone)?;
        let now = self.store.now();
        let step = ReferralText {
            act: came.act,
            referral: known.asked_as.clone(),
            number: known.told.saturating_add(1),
            at: now,
            by: came.by.clone(),
            role: format!("by BaRS, from {}", came.sender_name),
            words: came.words.chars().take(WORDS_CHARS_MAX).collect(),
            request: None,
            promised_by: came.promised_by.clone(),
            appointment: None,
        };
        // Words that decide nothing are no answer of ours to a question.
        let state = match came.act.is_receivers() {
            true => follows(known.state, came.act),
            false => None,
        };
        resource::strip(&mut at_hand.body);
        resource::note(&mut at_hand.body, &step, &came.sender);
        resource::stands(&mut at_hand.body, state.unwrap_or(known.state));
        let mut job = Job::change(at_hand.put(self.organisation())?);
        let was = ReferralWas::At(known.version);
        let about = (known.id.clone(), known.patient.clone());
        let mut next = Referral {
            told: step.number,
            news: true,
            ..known
        };
        if let Some(state) = state {
            next.state = state;
            next.state_at = now;
            if let Some(day) = &step.promised_by {
                next.promised_by = fhir::date::span(day).map_or(0, |it| it.low);
            }
        }
        job.effects.push(written(next, was));
        let query = Some(format!("bars={}/{}", came.sender, came.message));
        let about = (about.0.as_str(), about.1.as_str());
        job.traces
            .push(line(scope, Interaction::Update, about, query));
        Ok(job)
    }
}
