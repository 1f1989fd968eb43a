//! Referrals, their changes and decisions about them as messages of BaRS that leave (decision 0300): each is queued in the commit
//! of its step, and sent in the order of the steps until its receiver has it or a person must look.

use std::sync::Arc;

use access::{AuditEntry, Interaction, Ods, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::referrals::{BarsOut, Referral, ReferralState, ReferralWrite};
use store::{Effect, Job};
use tokio::sync::watch;

use super::bars_make::{REQUEST, RESPONSE, Telling, uuid_of};
use super::resource;
use super::text::{Act, ReferralText, Request};
use super::{unnamed, work};
use crate::bars::{Bars, Message, Service, Told};
use crate::booking::bars_text::BOOKING;
use crate::exchange::Exchange;
use crate::letter::LetterContent;
use crate::manifest::PatientNamed;
use crate::workers;

/// The largest message that leaves, in bytes: what our own receiver takes.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// Messages of one round.
const AT_ONCE: u32 = 16;
/// A message that is being sent is nobody else's for so long: a little longer than an answer is waited for.
const SENDING_MILLIS: Millis = 35_000;
const DAY_MILLIS: Millis = 86_400_000;

/// How a referral goes to whom it is for.
pub(super) enum To<'e> {
    Member,
    Bars(&'e Bars, Service),
}

impl Exchange {
    /// Organisations that may be referred to: their ODS codes and names, each once.
    pub fn referred_to(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = self
            .book
            .members()
            .into_iter()
            .map(|it| (it.ods.to_string(), it.name.clone()))
            .collect();
        let services = self.settings.bars.iter().flat_map(|it| it.services());
        for it in services {
            if !all.iter().any(|(ods, _)| ods == it.ods.as_str()) {
                all.push((it.ods.to_string(), format!("{}, by BaRS", it.name)));
            }
        }
        for it in self.book.all_by_bars(self.store.now()) {
            let is_there = all.iter().any(|(ods, _)| *ods == it.ods);
            if !is_there && self.bars_service(&it.ods).is_some() {
                all.push((it.ods.clone(), format!("{}, by BaRS", it.name)));
            }
        }
        all.retain(|(ods, _)| ods != self.organisation().as_str());
        all
    }

    /// Whether a decision about a referral that came by BaRS gets back by it.
    pub fn answers_by_bars(&self, ods: &str) -> bool {
        self.bars_service(ods).is_some()
    }

    /// Where an organisation is reached by BaRS.
    pub(crate) fn bars_service(&self, ods: &str) -> Option<(&Bars, Service)> {
        let bars = self.settings.bars.as_deref()?;
        // The settings stand before the directory.
        if let Some(service) = bars.service(ods) {
            return Some((bars, service.clone()));
        }
        let listed = self.book.by_bars(ods, self.store.now())?;
        Some((bars, bars.listed(&listed)?))
    }

    /// The way to an organisation: its node before anything else.
    pub(super) fn referral_way(&self, to: &Ods) -> Option<To<'_>> {
        if self.book.listed(to).is_some() {
            return Some(To::Member);
        }
        let (bars, service) = self.bars_service(to.as_str())?;
        Some(To::Bars(bars, service))
    }

    /// A new referral's message: its id, and the effect that queues it.
    pub(super) fn bars_referral(
        &self,
        (bars, to): (&Bars, &Service),
        (referral, patient): (&str, &str),
        (named, request, step): (&PatientNamed, &Request, &ReferralText),
        enclosed: &[LetterContent],
    ) -> Result<(String, Effect), Problem> {
        let own = self.organisation();
        let name = self.book.name(own.as_str());
        let id = message_id(own, to, step);
        let telling = Telling {
            id: &id,
            from: (own, &name),
            to,
            endpoint: &bars.own_endpoint,
            asked_as: &step.referral,
            patient: named,
            request,
            step,
            state: ReferralState::Waiting,
            enclosed,
            answers: "",
        };
        let correlation = uuid_of(&["bars-correlation", own.as_str(), &step.referral]);
        let body = telling.bundle();
        let effect = queued(&telling, &body, (referral, patient), correlation)?;
        Ok((id, effect))
    }

    /// The message of a later step about a referral by BaRS; none where the settings name no way to the other side.
    pub(super) async fn bars_step(
        &self,
        scope: &Scope,
        (referral, state): (&Referral, ReferralState),
        (resource, step): (&Value, &ReferralText),
    ) -> Result<Option<(String, Effect)>, Problem> {
        let Some((bars, to)) = self.bars_service(&referral.other) else {
            return match referral.inward {
                // Told otherwise, as the page says.
                true => Ok(None),
                false => Err(Problem::new(
                    Kind::BusinessRule,
                    "The settings name no way by BaRS to who was asked any more: nothing can be sent there.",
                )),
            };
        };
        let own = self.organisation();
        let name = self.book.name(own.as_str());
        let named = self.known_as(&work(scope), &referral.patient).await;
        let named = named.unwrap_or_else(|_| unnamed());
        let mut request = resource::requested(resource);
        if let Some((referrer, _)) = request.referrer.rsplit_once(", ") {
            request.referrer = referrer.to_string();
        }
        let (answers, correlation) = match referral.inward {
            true => {
                self.store
                    .last_bars_message(&work(scope), &referral.id)
                    .await?
            }
            false => (
                String::new(),
                uuid_of(&["bars-correlation", own.as_str(), &referral.asked_as]),
            ),
        };
        let id = message_id(own, &to, step);
        let telling = Telling {
            id: &id,
            from: (own, &name),
            to: &to,
            endpoint: &bars.own_endpoint,
            asked_as: &referral.asked_as,
            patient: &named,
            request: &request,
            step,
            state,
            enclosed: &[],
            answers: answers.rsplit('/').next().unwrap_or_default(),
        };
        let body = telling.bundle();
        let about = (referral.id.as_str(), referral.patient.as_str());
        let effect = queued(&telling, &body, about, correlation)?;
        Ok(Some((id, effect)))
    }

    /// Sends what is due; gives whether there may be more.
    pub(crate) async fn send_bars(&self) -> Result<bool, Problem> {
        if self.settings.bars.is_none() {
            return Ok(false);
        }
        let scope = Scope::system(SystemPurpose::KeepReferrals);
        let due = self.store.bars_due(&scope, AT_ONCE).await?;
        for it in &due {
            self.send_one_bars(&scope, it).await?;
        }
        Ok(!due.is_empty())
    }

    async fn send_one_bars(&self, scope: &Scope, it: &BarsOut) -> Result<(), Problem> {
        let id = it.id.clone();
        let now = self.store.now();
        let sending = ReferralWrite::BarsSending {
            id: id.clone(),
            seen: it.next_try,
            until: now.saturating_add(SENDING_MILLIS),
        };
        let mut job = Job::effect(Effect::Referral(sending));
        // Before anything leaves, the line that says so is on the disk.
        job.traces.push(leaves(scope, it));
        match self.store.commit(scope, job).await {
            // Another process of this node has it.
            Err(problem) if problem.kind == Kind::Conflict => return Ok(()),
            done => done?,
        };
        let own = self.organisation();
        let name = self.book.name(own.as_str());
        let is_first = it.step <= 1 || it.event == RESPONSE;
        let told = match self.bars_service(&it.other) {
            None => Told::NotNow("No way by BaRS leads to the receiver any more.".into()),
            Some((bars, to)) => {
                let message = Message {
                    event: &it.event,
                    reason: if is_first { "new" } else { "update" },
                    body: &it.body,
                    request_id: &it.request_id,
                    correlation_id: &it.correlation_id,
                    sender: (own, &name),
                };
                let answer = Box::pin(bars.send(&to, &message)).await;
                if it.event == BOOKING {
                    return Box::pin(self.bars_booking_told((bars, &to), it, answer)).await;
                }
                answer.0
            }
        };
        let effect = match told {
            Told::There => Effect::Referral(ReferralWrite::BarsSent { id }),
            Told::Refused(reason) => Effect::Referral(ReferralWrite::BarsRefused { id, reason }),
            Told::NotNow(reason) => self.bars_not_now(it, reason),
        };
        let job = Job::effect(effect);
        self.store.commit(scope, job).await.map(|_| ())
    }

    /// What becomes of a message that was not taken: it is tried again, or given up when it has waited for too long.
    pub(crate) fn bars_not_now(&self, it: &BarsOut, reason: String) -> Effect {
        let (id, now) = (it.id.clone(), self.store.now());
        let days = Millis::from(self.settings.undeliverable_after_days);
        let waited = now.saturating_sub(it.made_at);
        if waited >= days.saturating_mul(DAY_MILLIS) {
            return Effect::Referral(ReferralWrite::BarsRefused { id, reason });
        }
        tracing::info!(
            message = it.id,
            reason,
            "a message of BaRS was not taken yet"
        );
        let tries = it.tries.saturating_add(1);
        Effect::Referral(ReferralWrite::BarsNotNow {
            id,
            next_try: self.settings.backoff.next_try(now, tries),
            reason,
        })
    }
}

/// The worker that sends them.
pub(crate) async fn run(exchange: Arc<Exchange>, mut stopped: watch::Receiver<bool>) {
    if exchange.settings.bars.is_none() {
        return;
    }
    let mut changed = exchange.store.parcels_changed();
    while !*stopped.borrow() {
        changed.mark_unchanged();
        let more = match exchange.send_bars().await {
            Ok(more) => more,
            Err(problem) => {
                tracing::error!(?problem, "messages of BaRS could not be sent");
                false
            }
        };
        if !more {
            let millis = exchange.settings.poll_millis;
            workers::wait(&mut stopped, &mut changed, millis).await;
        }
    }
}

fn leaves(scope: &Scope, it: &BarsOut) -> AuditEntry {
    let target = Target {
        ty: match it.event.as_str() {
            BOOKING => "Appointment".into(),
            _ => "ServiceRequest".into(),
        },
        id: Some(it.referral.clone()),
        patient: (!it.patient.is_empty()).then(|| it.patient.clone()),
        query: Some(format!("sent-by-bars-to={}&message={}", it.other, it.id).into()),
        ..Target::default()
    };
    scope.trace(Interaction::System, Outcome::Success, target)
}

/// The id of the message that carries a step.
fn message_id(own: &Ods, to: &Service, step: &ReferralText) -> String {
    let number = step.number.to_string();
    let parts = [
        "bars",
        own.as_str(),
        to.ods.as_str(),
        &step.referral,
        step.act.code(),
        &number,
    ];
    uuid_of(&parts)
}

fn queued(
    telling: &Telling<'_>,
    body: &Value,
    (referral, patient): (&str, &str),
    correlation_id: String,
) -> Result<Effect, Problem> {
    let body = body.to_string();
    if body.len() > MESSAGE_BYTES_MAX {
        let message = "With what is enclosed the message is larger than 2 MiB, which is not sent by BaRS. Enclose less.";
        return Err(Problem::new(Kind::BusinessRule, message));
    }
    let event = match telling.step.act {
        Act::Accept | Act::Ask | Act::Return => RESPONSE,
        Act::Refer | Act::Reply | Act::Withdraw => REQUEST,
    };
    let message = BarsOut {
        id: telling.id.to_string(),
        referral: referral.to_string(),
        step: telling.step.number,
        other: telling.to.ods.to_string(),
        patient: patient.to_string(),
        event: event.to_string(),
        body,
        request_id: uuid_of(&["bars-request", telling.id]),
        correlation_id,
        tries: 0,
        next_try: telling.step.at,
        made_at: telling.step.at,
    };
    Ok(Effect::Referral(ReferralWrite::BarsQueue(Box::new(
        message,
    ))))
}
