//! Referrals that come by the Booking and Referral Standard: the same work item as those of nodes. The door reads the message.

use access::{Interaction, Ods, Scope};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};
use store::parcels::Named;
use store::referrals::{Referral, ReferralState, ReferralWas, ReferralWrite, Way};
use store::{Effect, Expect, Job, Release};

use super::resource::{self, New};
use super::text::{Act, ReferralText, Request};
use super::{AtHand, TRIES_MAX, came_between, gone, id_here, line, work, written};
use crate::exchange::Exchange;
use crate::letter::{Letter, LetterContent};
use crate::prescriptions::put;

/// A message as the door has read it.
#[derive(Clone, Debug)]
pub struct BarsReferral {
    /// Who sends it: the ODS code and name of the organisation.
    pub sender: Ods,
    pub sender_name: String,
    /// The message's id at its sender, and the digest of its bytes.
    pub message: String,
    pub digest: String,
    pub request_id: String,
    pub correlation_id: String,
    /// The referral's id at its sender.
    pub asked_as: String,
    /// `Refer` for a new one, `Reply` for one that is changed, `Withdraw` for one that is cancelled.
    pub act: Act,
    pub named: Named,
    pub request: Request,
    /// What is said of a change or a cancellation.
    pub words: String,
    /// The message as it came, which is kept.
    pub body: Vec<u8>,
    /// Documents that are in it whole.
    pub enclosed: Vec<LetterContent>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BarsCame {
    /// Taken now: the referral's id here.
    Taken(String),
    /// The same message was taken before.
    Before(String),
    /// Another message was taken under this id.
    Differs,
}

/// A message of BaRS as it is known again.
pub(super) struct Arrived<'m> {
    pub sender: &'m Ods,
    pub message: &'m str,
    pub digest: &'m str,
    pub request_id: &'m str,
    pub correlation_id: &'m str,
}

impl Arrived<'_> {
    fn name(&self) -> String {
        format!("{}/{}", self.sender, self.message)
    }

    /// What came of it before, if it came.
    pub(super) async fn before(
        &self,
        exchange: &Exchange,
        work: &Scope,
    ) -> Result<Option<BarsCame>, Problem> {
        let before = exchange.store.bars_message(work, &self.name()).await?;
        Ok(before.map(|it| match it.digest == self.digest {
            true => BarsCame::Before(it.referral),
            false => BarsCame::Differs,
        }))
    }

    /// That it came, noted in the commit that does what it says.
    pub(super) fn noted(&self, referral: &str) -> Effect {
        Effect::Referral(ReferralWrite::Message {
            id: self.name(),
            digest: self.digest.to_owned(),
            referral: referral.to_owned(),
            request_id: self.request_id.to_owned(),
            correlation_id: self.correlation_id.to_owned(),
        })
    }
}

impl Exchange {
    /// Takes a referral of BaRS, its change or its cancellation, once.
    ///
    /// # Errors
    /// `NotFound` for a change of what is not here; `BusinessRule` if it does not say whose it is, or comes after the end of the
    /// referral; those of the store.
    pub async fn take_bars(&self, scope: &Scope, came: &BarsReferral) -> Result<BarsCame, Problem> {
        Box::pin(self.taking_bars(scope, came)).await
    }

    async fn taking_bars(&self, scope: &Scope, came: &BarsReferral) -> Result<BarsCame, Problem> {
        let work = work(scope);
        let arrived = Arrived {
            sender: &came.sender,
            message: &came.message,
            digest: &came.digest,
            request_id: &came.request_id,
            correlation_id: &came.correlation_id,
        };
        let id = id_here(&format!("bars:{}", came.sender), &came.asked_as);
        for _ in 0..TRIES_MAX {
            // Looked for last: what the same message did meanwhile, sent twice, is then seen here.
            let known = self.store.referral(&work, &id).await?;
            if let Some(before) = arrived.before(self, &work).await? {
                return Ok(before);
            }
            let mut job = match (came.act, known) {
                (Act::Refer, None) => self.bars_new(scope, came, &id).await?,
                (Act::Refer, Some(_)) => {
                    let message = "A referral of this id came in another message. Send a change of it as an update.";
                    return Err(Problem::new(Kind::Conflict, message));
                }
                (_, None) => return Err(gone()),
                (_, Some(known)) => self.bars_change(scope, came, known).await?,
            };
            job.effects.push(arrived.noted(&id));
            match self.store.commit(&work, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| BarsCame::Taken(id)),
            }
        }
        Err(came_between())
    }

    /// Takes a change, or the end, of a referral that the same organisation sent by BaRS, by its address here.
    ///
    /// # Errors
    /// `NotFound` if it sent no such thing; `Conflict` if it has changed since that version; as `take_bars`.
    pub async fn take_bars_change(
        &self,
        scope: &Scope,
        (id, version): (&str, Option<u64>),
        mut came: BarsReferral,
        change: &(dyn Fn(Request) -> Request + Send + Sync),
    ) -> Result<BarsCame, Problem> {
        let work = work(scope);
        let known = self.store.referral(&work, id).await?;
        // What others sent does not exist for them.
        let known =
            known.filter(|it| it.inward && it.way == Way::Bars && it.other == came.sender.as_str());
        let known = known.ok_or_else(gone)?;
        let at_hand = AtHand::read(&self.store, &work, id)
            .await?
            .ok_or_else(gone)?;
        let message = format!("{}/{}", came.sender, came.message);
        let is_before = self.store.bars_message(&work, &message).await?.is_some();
        if !is_before && version.is_some_and(|it| it != at_hand.version) {
            let message =
                "The referral has changed since the version that If-Match names; read it again.";
            return Err(Problem::new(Kind::Conflict, message));
        }
        came.asked_as = known.asked_as;
        came.request = change(resource::requested(&at_hand.body));
        Box::pin(self.taking_bars(scope, &came)).await
    }

    async fn bars_new(&self, scope: &Scope, came: &BarsReferral, id: &str) -> Result<Job, Problem> {
        let (patient, change) = self.registered(scope, &came.named).await?;
        let (now, own) = (self.store.now(), self.organisation());
        let name = self.book.name(own.as_str());
        let made = New {
            id,
            asked_as: &came.asked_as,
            patient: &patient,
            from: (&came.sender, &came.sender_name),
            to: (own, &name),
            made_at: now,
            document: &came.kept_as("document"),
        };
        let mut body = resource::new(&made, &came.request);
        let step = came.step(1, now);
        resource::note(&mut body, &step, &came.sender);
        let mut job = Job {
            changes: change.into_iter().collect(),
            ..Job::default()
        };
        let once = (Expect::Absent, Release::At(now));
        job.changes.push(put(&body, own, once)?);
        for kept in came.kept(&patient, now) {
            // What it says is for the patient once the practice or a rule releases it, as a letter is.
            let once = (Expect::Absent, Release::Keep);
            job.changes.push(put(&kept, own, once)?);
        }
        let referral = Referral {
            id: id.to_string(),
            inward: true,
            way: Way::Bars,
            other: came.sender.to_string(),
            asked_as: came.asked_as.clone(),
            patient: patient.clone(),
            urgency: came.request.urgency.clone(),
            state: ReferralState::Waiting,
            made_at: now,
            state_at: now,
            steps: 0,
            told: 1,
            news: false,
            parcel: String::new(),
            promised_by: 0,
            appointment: String::new(),
            version: 0,
        };
        job.effects.push(written(referral, ReferralWas::Nothing));
        job.traces.push(line(
            scope,
            Interaction::Create,
            (id, &patient),
            came.query(),
        ));
        Ok(job)
    }

    /// An update writes what is asked for anew, and a decision about what it was before is to be looked at again; a
    /// cancellation ends it.
    async fn bars_change(
        &self,
        scope: &Scope,
        came: &BarsReferral,
        known: Referral,
    ) -> Result<Job, Problem> {
        let state = match (came.act, known.state) {
            (_, ReferralState::Returned | ReferralState::Withdrawn) => {
                let message = "This referral was returned or cancelled before. Send a new one.";
                return Err(Problem::new(Kind::BusinessRule, message));
            }
            (Act::Withdraw, _) => ReferralState::Withdrawn,
            (_, ReferralState::Asked) => ReferralState::Waiting,
            (_, state) => state,
        };
        let work = work(scope);
        let at_hand = AtHand::read(&self.store, &work, &known.id).await?;
        let mut at_hand = at_hand.ok_or_else(gone)?;
        let now = self.store.now();
        let step = came.step(known.told.saturating_add(1), now);
        resource::strip(&mut at_hand.body);
        if came.act == Act::Reply {
            resource::asked_anew(&mut at_hand.body, &came.request, &came.sender_name);
        }
        resource::note(&mut at_hand.body, &step, &came.sender);
        resource::stands(&mut at_hand.body, state);
        resource::encloses(&mut at_hand.body, &came.kept_as("document"));
        let own = self.organisation();
        let mut job = Job::change(at_hand.put(own)?);
        for kept in came.kept(&known.patient, now) {
            let once = (Expect::Absent, Release::Keep);
            job.changes.push(put(&kept, own, once)?);
        }
        let was = ReferralWas::At(known.version);
        let about = (known.id.clone(), known.patient.clone());
        let next = Referral {
            state,
            state_at: now,
            told: step.number,
            news: true,
            urgency: match came.act {
                Act::Reply => came.request.urgency.clone(),
                _ => known.urgency.clone(),
            },
            ..known
        };
        job.effects.push(written(next, was));
        let about = (about.0.as_str(), about.1.as_str());
        job.traces
            .push(line(scope, Interaction::Update, about, came.query()));
        Ok(job)
    }
}

impl BarsReferral {
    /// The id of what is kept of the message.
    fn kept_as(&self, what: &str) -> String {
        Letter::parcel_id(&["bars", self.sender.as_str(), &self.message, what])
    }

    /// The whole message, with the documents in it, as a document of the patient's.
    fn kept(&self, patient: &str, at: fhir::date::Millis) -> Vec<Value> {
        let document = self.kept_as("document");
        let subject = json!({ "reference": format!("Patient/{patient}") });
        let mut kept = Vec::new();
        let mut attached = Vec::new();
        let mut part = |id: String, kind: &str, bytes: &[u8]| {
            attached.push(json!({ "attachment": {
                "contentType": kind, "url": format!("Binary/{id}"),
            } }));
            kept.push(json!({
                "resourceType": "Binary",
                "id": id,
                "contentType": kind,
                "securityContext": subject,
                "data": STANDARD.encode(bytes),
            }));
        };
        for (at, it) in self.enclosed.iter().enumerate() {
            let id = self.kept_as(&format!("enclosed-{at}"));
            part(id, &it.content_type, &it.bytes);
        }
        part(self.kept_as("binary"), "application/fhir+json", &self.body);
        kept.push(json!({
            "resourceType": "DocumentReference",
            "id": document,
            "status": "current",
            "type": { "text": "Message of the Booking and Referral Standard" },
            "subject": subject,
            "date": fhir::date::instant(at),
            "content": attached,
        }));
        kept
    }

    fn step(&self, number: u32, at: fhir::date::Millis) -> ReferralText {
        ReferralText {
            act: self.act,
            referral: self.asked_as.clone(),
            number,
            at,
            by: self.request.referrer.clone(),
            role: format!("by BaRS, from {}", self.sender_name),
            words: self.words.clone(),
            request: None,
            promised_by: None,
            appointment: None,
        }
    }

    fn query(&self) -> Option<String> {
        Some(format!("bars={}/{}", self.sender, self.message))
    }
}
