//! Who refers: makes a referral, answers what is asked about it, withdraws it.

use access::{Interaction, Ods, Scope};
use fhir::problem::{Kind, Problem};
use store::parcels::{Large, Outgoing, ParcelWrite};
use store::referrals::{Referral, ReferralState, ReferralWas, Way};
use store::{Effect, Expect, Job, Release};

use super::bars_send::To;
use super::resource::{self, New};
use super::text::{Act, ReferralText, Request};
use super::{check_words, follows, gone, line, unnamed, who, work, written};
use crate::exchange::Exchange;
use crate::keys::sha256_hex;
use crate::letter::{Letter, LetterContent};
use crate::manifest::{ContentNamed, Mark, ParcelKind, ParcelText, PatientNamed};
use crate::prescriptions::put;

/// A referral to be.
#[derive(Clone, Debug)]
pub struct NewReferral<'r> {
    /// The Patient's id here.
    pub patient: &'r str,
    pub to: &'r Ods,
    pub request: &'r Request,
    /// What is enclosed: an earlier letter, a summary of the record.
    pub enclosed: Vec<LetterContent>,
    /// The same of what is here in pieces, by its type; it goes only to a node.
    pub large: &'r [(String, Large)],
    /// The DocumentReferences here that it is made of.
    pub documents: &'r [String],
    /// Knowing it may seriously harm somebody: the patient does not read it online.
    pub held_back: bool,
    /// What the form was made with: the same form sent again refers once.
    pub attempt: &'r str,
}

impl Exchange {
    /// Refers a patient to another organisation of the network; gives the referral's id.
    ///
    /// # Errors
    /// `Required`, `Value`, `TooLong` for what is missing or too much; `NotFound` if the directory does not list the receiver;
    /// `BusinessRule` if it is this organisation, or the patient's record lacks what they are known by there; those of the
    /// store.
    pub async fn refer(&self, scope: &Scope, new: NewReferral<'_>) -> Result<String, Problem> {
        Box::pin(self.referring(scope, new)).await
    }

    async fn referring(&self, scope: &Scope, new: NewReferral<'_>) -> Result<String, Problem> {
        new.request.check()?;
        let way = self.check_hospital(new.to)?;
        let work = work(scope);
        let own = self.organisation();
        let id = Letter::parcel_id(&["refer", own.as_str(), new.patient, new.attempt]);
        if let Some(known) = self.store.referral(&work, &id).await? {
            return Ok(known.id);
        }
        let named = self.known_as(&work, new.patient).await?;
        let now = self.store.now();
        let (by, role) = who(scope);
        let step = ReferralText {
            act: Act::Refer,
            referral: id.clone(),
            number: 1,
            at: now,
            by,
            role,
            words: String::new(),
            request: Some(new.request.clone()),
            promised_by: None,
            appointment: None,
        };
        let (way, (parcel, sent), to_name) = match way {
            To::Member => (
                Way::Node,
                self.referral_parcel(&new, (named, step.clone()))?,
                self.book.name(new.to.as_str()),
            ),
            To::Bars(_, to) if !new.large.is_empty() => {
                let message = format!(
                    "{} is reached by BaRS, which carries no document of more than 10 MiB. Leave it out.",
                    to.name
                );
                return Err(Problem::new(Kind::BusinessRule, message));
            }
            To::Bars(bars, to) => {
                let about = (id.as_str(), new.patient);
                let said = (&named, new.request, &step);
                let sent = self.bars_referral((bars, &to), about, said, &new.enclosed)?;
                (Way::Bars, sent, to.name.clone())
            }
        };
        let names = (self.book.name(own.as_str()), to_name);
        let made = New {
            id: &id,
            asked_as: &id,
            patient: new.patient,
            from: (own, &names.0),
            to: (new.to, &names.1),
            made_at: now,
            document: "",
        };
        let mut body = resource::new(&made, new.request);
        for document in new.documents {
            resource::encloses(&mut body, document);
        }
        resource::note(&mut body, &step, own);
        let release = match new.held_back {
            true => Release::Never,
            false => Release::At(now),
        };
        let mut job = Job::change(put(&body, own, (Expect::Absent, release))?);
        job.effects.push(sent);
        let referral = Referral {
            id: id.clone(),
            inward: false,
            way,
            other: new.to.to_string(),
            asked_as: id.clone(),
            patient: new.patient.to_string(),
            urgency: new.request.urgency.clone(),
            state: ReferralState::Waiting,
            made_at: now,
            state_at: now,
            steps: 1,
            told: 0,
            news: false,
            parcel,
            promised_by: 0,
            appointment: String::new(),
            version: 0,
        };
        job.effects.push(written(referral, ReferralWas::Nothing));
        let about = (id.as_str(), new.patient);
        job.traces
            .push(line(scope, Interaction::Refer, about, None));
        match self.store.commit(&work, job).await {
            // The same form came twice at a time.
            Err(problem) if problem.came_between() => {
                match self.store.referral(&work, &id).await? {
                    Some(known) => Ok(known.id),
                    None => Err(problem),
                }
            }
            done => done.map(|_| id),
        }
    }

    fn check_hospital(&self, to: &Ods) -> Result<To<'_>, Problem> {
        if to == self.organisation() {
            let message = "The receiver is this organisation itself.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        self.referral_way(to).ok_or_else(|| {
            let message = format!(
                "{to} has no node in this network and no address for BaRS, so a referral cannot be sent to it from here."
            );
            Problem::new(Kind::NotFound, message)
        })
    }

    /// The parcel of a new referral, with what is enclosed: its id, and the effect that accepts it.
    fn referral_parcel(
        &self,
        new: &NewReferral<'_>,
        (patient, step): (PatientNamed, ReferralText),
    ) -> Result<(String, Effect), Problem> {
        let named = |content: &LetterContent| ContentNamed {
            sha256: sha256_hex(&content.bytes),
            size: content.bytes.len() as u64,
            content_type: content.content_type.clone(),
        };
        let large = new.large.iter().map(|(content_type, large)| ContentNamed {
            sha256: large.sha256.clone(),
            size: large.size,
            content_type: content_type.clone(),
        });
        let id = step_id(new.to, &step);
        let text = ParcelText {
            id: id.clone(),
            made_at: step.at,
            title: format!("Referral: {}", new.request.service),
            author: new.request.referrer.clone(),
            urgent: new.request.is_urgent(),
            marks: match new.held_back {
                true => vec![Mark::SeriousHarm],
                false => Vec::new(),
            },
            document: step.referral.clone(),
            patient,
            contents: new.enclosed.iter().map(named).chain(large).collect(),
            referral: Some(Box::new(step)),
            ..ParcelText::of(ParcelKind::Referral, self.organisation(), new.to)
        };
        let written = text.written()?;
        let parcel = text.to_parcel(written)?;
        self.check_size(&parcel.parts)?;
        let contents = new.enclosed.iter().map(|it| it.bytes.clone());
        let outgoing = Outgoing {
            parcel,
            patient: new.patient.to_string(),
            document: String::new(),
            contents: contents
                .chain(new.large.iter().map(|_| Vec::new()))
                .collect(),
        };
        let accepted = ParcelWrite::Accept(Box::new(outgoing));
        Ok((id, Effect::Parcel(accepted)))
    }

    /// The parcel of a step that is all in its text.
    pub(super) fn step_parcel(
        &self,
        to: &Ods,
        (named, patient): (PatientNamed, &str),
        (step, urgent): (&ReferralText, bool),
    ) -> Result<(String, Effect), Problem> {
        let id = step_id(to, step);
        let text = ParcelText {
            id: id.clone(),
            made_at: step.at,
            urgent,
            document: step.referral.clone(),
            patient: named,
            referral: Some(Box::new(step.clone())),
            ..ParcelText::of(ParcelKind::Referral, self.organisation(), to)
        };
        Ok((id, text.accepted(patient)?))
    }

    /// Answers what the receiver asks.
    ///
    /// # Errors
    /// `Required`, `TooLong`; `NotFound`; `BusinessRule` if nothing is asked; `Conflict` if somebody else came between; those
    /// of the store.
    pub async fn reply_to_question(
        &self,
        scope: &Scope,
        id: &str,
        words: &str,
    ) -> Result<(), Problem> {
        check_words(words, "Write the answer.")?;
        Box::pin(self.own_step(scope, id, (Act::Reply, words))).await
    }

    /// Takes a referral back.
    ///
    /// # Errors
    /// As `reply_to_question`; `BusinessRule` if it was returned or withdrawn.
    pub async fn withdraw_referral(
        &self,
        scope: &Scope,
        id: &str,
        words: &str,
    ) -> Result<(), Problem> {
        check_words(words, "Say why it is withdrawn.")?;
        Box::pin(self.own_step(scope, id, (Act::Withdraw, words))).await
    }

    async fn own_step(
        &self,
        scope: &Scope,
        id: &str,
        (act, words): (Act, &str),
    ) -> Result<(), Problem> {
        let work = work(scope);
        let referral = self.store.referral(&work, id).await?;
        let referral = referral.filter(|it| !it.inward).ok_or_else(gone)?;
        let Some(state) = follows(referral.state, act) else {
            let message = match act {
                Act::Reply => "Nothing is asked about this referral now.",
                _ => "This referral was returned or withdrawn already.",
            };
            return Err(Problem::new(Kind::BusinessRule, message));
        };
        let step = self.step(scope, &referral, (act, words));
        let job = self
            .step_job(scope, (&referral, state), &step, Interaction::Refer)
            .await?;
        self.store.commit(&work, job).await.map(|_| ())
    }

    /// The next step of this side.
    pub(super) fn step(
        &self,
        scope: &Scope,
        referral: &Referral,
        (act, words): (Act, &str),
    ) -> ReferralText {
        let (by, role) = who(scope);
        ReferralText {
            act,
            referral: referral.asked_as.clone(),
            number: referral.steps.saturating_add(1),
            at: self.store.now(),
            by,
            role,
            words: words.trim().to_string(),
            request: None,
            promised_by: None,
            appointment: None,
        }
    }

    /// The job of a step here: the resource, the row, the parcel that tells the other side, the trace.
    pub(super) async fn step_job(
        &self,
        scope: &Scope,
        (referral, state): (&Referral, ReferralState),
        step: &ReferralText,
        action: Interaction,
    ) -> Result<Job, Problem> {
        // Under the caller's own scope: who does not see it does nothing about it.
        let at_hand = super::AtHand::read(&self.store, scope, &referral.id).await?;
        let mut at_hand = at_hand.ok_or_else(gone)?;
        resource::strip(&mut at_hand.body);
        resource::note(&mut at_hand.body, step, self.organisation());
        resource::stands(&mut at_hand.body, state);
        let mut job = Job::change(at_hand.put(self.organisation())?);
        let mut next = Referral {
            state,
            state_at: step.at,
            steps: step.number,
            news: false,
            ..referral.clone()
        };
        if let Some(day) = &step.promised_by {
            next.promised_by = fhir::date::span(day).map_or(0, |it| it.low);
        }
        if let Some(appointment) = &step.appointment {
            next.appointment.clone_from(&appointment.booking);
        }
        if referral.way == Way::Node {
            let patient = referral.patient.as_str();
            // The other side knows it by its id: a record that lacks something here keeps nothing from being said.
            let named = self.known_as(&work(scope), patient).await;
            let about = (named.unwrap_or_else(|_| unnamed()), patient);
            let to = Ods::parse(&referral.other)?;
            let urgent = referral.urgency != "routine";
            let (parcel, sent) = self.step_parcel(&to, about, (step, urgent))?;
            job.effects.push(sent);
            next.parcel = parcel;
        } else {
            let told = self.bars_step(scope, (referral, state), (&at_hand.body, step));
            if let Some((message, queued)) = told.await? {
                job.effects.push(queued);
                next.parcel = message;
            }
        }
        let was = ReferralWas::At(referral.version);
        job.effects.push(written(next, was));
        let about = (referral.id.as_str(), referral.patient.as_str());
        let what = Some(format!("act={}", step.act.code()));
        job.traces.push(line(scope, action, about, what));
        Ok(job)
    }
}

/// The id of the parcel that carries a step.
fn step_id(to: &Ods, step: &ReferralText) -> String {
    let number = step.number.to_string();
    Letter::parcel_id(&[
        "referral",
        to.as_str(),
        &step.referral,
        step.act.code(),
        &number,
    ])
}
