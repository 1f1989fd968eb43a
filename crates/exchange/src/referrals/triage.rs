//! Who was asked: a named clinician accepts a referral, asks about it, or gives it back.

use access::{Interaction, Ods, Scope};
use fhir::date;
use fhir::problem::{Kind, Problem};
use store::diary::Audience;
use store::referrals::{Referral, ReferralState, ReferralWas, ReferralWrite, Way};
use store::{Effect, Job};

use super::text::{Act, Promised, ReferralText};
use super::{check_words, follows, gone, id_here, line, who, work, written};
use crate::booking::{Came, Offer, Wish};
use crate::exchange::Exchange;
use crate::manifest::{ParcelText, PatientNamed};

/// How a referral is accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acceptance<'a> {
    /// What who referred is told; may be empty.
    pub words: &'a str,
    /// The day by which the patient is to be seen (`YYYY-MM-DD`); may be empty.
    pub promised_by: &'a str,
    /// A free slot of this node's diary for the first appointment; may be empty.
    pub slot: &'a str,
}

impl Exchange {
    /// A named clinician accepts a referral, with a first appointment if a slot is given. Slot, Appointment, the referral and
    /// what tells the other side are one commit.
    ///
    /// # Errors
    /// `NotFound`; `Value` for a day that is none or is past; `BusinessRule` if it was decided before; `Conflict` if the slot
    /// is taken or somebody else came between; those of the store.
    pub async fn accept_referral(
        &self,
        scope: &Scope,
        id: &str,
        acceptance: &Acceptance<'_>,
    ) -> Result<(), Problem> {
        Box::pin(self.accepting(scope, id, acceptance)).await
    }

    async fn accepting(
        &self,
        scope: &Scope,
        id: &str,
        acceptance: &Acceptance<'_>,
    ) -> Result<(), Problem> {
        if !acceptance.words.is_empty() {
            check_words(acceptance.words, "")?;
        }
        let (referral, state) = self.to_decide(scope, id, Act::Accept).await?;
        let mut step = self.step(scope, &referral, (Act::Accept, acceptance.words));
        step.promised_by = self.promised(acceptance.promised_by)?;
        if acceptance.slot.is_empty() {
            let action = Interaction::TriageReferral;
            let job = self
                .step_job(scope, (&referral, state), &step, action)
                .await?;
            return self.store.commit(&work(scope), job).await.map(|_| ());
        }
        let attempt = format!("referral/{id}");
        let wish = Wish {
            patient: &referral.patient,
            slot: acceptance.slot,
            reason: "Referral",
            attempt: &attempt,
            audience: Audience::Staff,
        };
        let slot = self.store.slot(&work(scope), acceptance.slot).await?;
        let offer = slot.as_ref().map(Offer::of).ok_or_else(|| {
            Problem::new(Kind::NotFound, "There is no such slot in the diary here.")
        })?;
        let booking = crate::booking::id_of(&wish);
        step.appointment = Some(Box::new(Promised { booking, offer }));
        let action = Interaction::TriageReferral;
        let job = self
            .step_job(scope, (&referral, state), &step, action)
            .await?;
        match self.book_with(scope, &wish, job).await? {
            Came::Booked(_) | Came::Asked(_) => Ok(()),
            Came::Taken => {
                let message =
                    "Somebody else has that slot now. Choose another: nothing was accepted.";
                Err(Problem::new(Kind::Conflict, message))
            }
        }
    }

    /// The day that is promised, checked.
    fn promised(&self, day: &str) -> Result<Option<String>, Problem> {
        if day.is_empty() {
            return Ok(None);
        }
        let span = date::span(day).filter(|_| day.len() == 10);
        match span {
            Some(span) if span.high > self.store.now() => Ok(Some(day.to_string())),
            _ => Err(Problem::new(
                Kind::Value,
                "The day by which the patient is seen is a day to come, such as 2027-03-31.",
            )),
        }
    }

    /// A named clinician asks who refers.
    ///
    /// # Errors
    /// As `accept_referral`; `Required` without a question.
    pub async fn ask_referrer(&self, scope: &Scope, id: &str, words: &str) -> Result<(), Problem> {
        check_words(words, "Write the question.")?;
        Box::pin(self.decided(scope, id, (Act::Ask, words))).await
    }

    /// A named clinician gives a referral back.
    ///
    /// # Errors
    /// As `accept_referral`; `Required` without a reason.
    pub async fn return_referral(
        &self,
        scope: &Scope,
        id: &str,
        words: &str,
    ) -> Result<(), Problem> {
        check_words(words, "Say why it is returned.")?;
        Box::pin(self.decided(scope, id, (Act::Return, words))).await
    }

    async fn decided(
        &self,
        scope: &Scope,
        id: &str,
        (act, words): (Act, &str),
    ) -> Result<(), Problem> {
        let (referral, state) = self.to_decide(scope, id, act).await?;
        let step = self.step(scope, &referral, (act, words));
        let action = Interaction::TriageReferral;
        let job = self
            .step_job(scope, (&referral, state), &step, action)
            .await?;
        self.store.commit(&work(scope), job).await.map(|_| ())
    }

    async fn to_decide(
        &self,
        scope: &Scope,
        id: &str,
        act: Act,
    ) -> Result<(Referral, ReferralState), Problem> {
        if scope.interaction() != Interaction::TriageReferral {
            let message = "Only a named clinician decides about a referral.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let referral = self.store.referral(&work(scope), id).await?;
        let referral = referral.filter(|it| it.inward).ok_or_else(gone)?;
        match follows(referral.state, act) {
            Some(state) => Ok((referral, state)),
            None => Err(Problem::new(
                Kind::BusinessRule,
                "This referral was decided or withdrawn already. Look at it again.",
            )),
        }
    }

    /// Gives back a referral of which nobody here can say whose it is.
    ///
    /// # Errors
    /// `Required` without a reason; `NotFound` or `Conflict` if it does not wait any more; those of the store.
    pub async fn return_unmatched(
        &self,
        scope: &Scope,
        pid: i64,
        words: &str,
    ) -> Result<(), Problem> {
        check_words(words, "Say why it is returned.")?;
        Box::pin(self.returning(scope, pid, words)).await
    }

    async fn returning(&self, scope: &Scope, pid: i64, words: &str) -> Result<(), Problem> {
        let waiting = self.store.referrals_unmatched(scope, Some(pid), 1).await?;
        let waiting = waiting.into_iter().next().ok_or_else(gone)?;
        let text = ParcelText::parse(&waiting.text)?;
        let came = text.referral.filter(|it| it.act == Act::Refer);
        let came = came.ok_or_else(gone)?;
        let sender = Ods::parse(&waiting.sender)?;
        let (by, role) = who(scope);
        let now = self.store.now();
        let step = ReferralText {
            act: Act::Return,
            referral: came.referral.clone(),
            number: 1,
            at: now,
            by,
            role,
            words: words.trim().to_string(),
            request: None,
            promised_by: None,
            appointment: None,
        };
        let id = id_here(sender.as_str(), &came.referral);
        let urgency = came.request.as_ref().map(|it| it.urgency.clone());
        let about: (PatientNamed, &str) = (text.patient, "");
        let (parcel, sent) = self.step_parcel(&sender, about, (&step, waiting.urgent))?;
        let referral = Referral {
            id: id.clone(),
            inward: true,
            way: Way::Node,
            other: sender.to_string(),
            asked_as: came.referral.clone(),
            patient: String::new(),
            urgency: urgency.unwrap_or_default(),
            state: ReferralState::Returned,
            made_at: waiting.came_at,
            state_at: now,
            steps: 1,
            told: came.number,
            news: false,
            parcel,
            promised_by: 0,
            appointment: String::new(),
            version: 0,
        };
        let mut job = Job::effect(Effect::Referral(ReferralWrite::GivenBack { pid }));
        job.effects.push(sent);
        job.effects.push(written(referral, ReferralWas::Nothing));
        let query = Some(format!("act=return&parcel={pid}"));
        let action = Interaction::TriageReferral;
        job.traces.push(line(scope, action, (&id, ""), query));
        self.store.commit(&work(scope), job).await.map(|_| ())
    }
}
