//! What comes of referrals from other organisations: a new one becomes a ServiceRequest and waits for a clinician; a step moves
//! the referral on that it is about. What was made, the row and the mark that the parcel was taken in are one commit.

use access::{Interaction, Ods, Scope};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::parcels::{ParcelWrite, ToTakeIn};
use store::referrals::{Referral, ReferralState, ReferralWas, ReferralWrite, Way};
use store::{Change, Effect, Expect, Job, Release};

use super::resource::{self, New};
use super::text::{Act, ReferralText, Request};
use super::{AtHand, TRIES_MAX, came_between, follows, gone, id_here, line, work, written};
use crate::exchange::Exchange;
use crate::manifest::ParcelText;
use crate::prescriptions::put;

const DAY_MILLIS: Millis = 86_400_000;

impl Exchange {
    /// Takes in a parcel of kind `referral`; gives why not, where a person must say whose it is.
    pub(crate) async fn take_referral(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (text, step): (&ParcelText, &ReferralText),
    ) -> Result<Option<&'static str>, Problem> {
        for _ in 0..TRIES_MAX {
            let job = match &step.request {
                Some(request) => {
                    let found = self.new_job(scope, parcel, (text, step), request).await?;
                    match found {
                        Ok(job) => job,
                        Err(why) => return Ok(Some(why)),
                    }
                }
                None => self.told_of(scope, parcel, step).await?,
            };
            match self.store.commit(scope, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| None),
            }
        }
        Err(came_between())
    }

    async fn new_job(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (text, step): (&ParcelText, &ReferralText),
        request: &Request,
    ) -> Result<Result<Job, &'static str>, Problem> {
        let id = id_here(parcel.sender.as_str(), &step.referral);
        let known = self.store.referral(scope, &id).await?;
        let mut job = Job::default();
        // It was taken in before, or decided before anybody said whose it is.
        if let Some(known) = known
            .as_ref()
            .filter(|it| !it.patient.is_empty() || it.state != ReferralState::Withdrawn)
        {
            let patient = known.patient.clone();
            let pid = parcel.pid;
            let taken = ReferralWrite::TakenIn { pid, patient };
            job.effects.push(Effect::Referral(taken));
            return Ok(Ok(job));
        }
        let patient = match self.whose(scope, parcel).await? {
            Ok(patient) => patient,
            Err(why) => return Ok(Err(why)),
        };
        let (now, own) = (self.store.now(), self.organisation());
        let release = match text.marks.is_empty() {
            true => Release::At(now),
            false => Release::Never,
        };
        let (changes, document) = self
            .enclosed(scope, parcel, (text, &patient), &mut job)
            .await?;
        job.changes = changes;
        let names = (
            self.book.name(parcel.sender.as_str()),
            self.book.name(own.as_str()),
        );
        let made = New {
            id: &id,
            asked_as: &step.referral,
            patient: &patient,
            from: (&parcel.sender, &names.0),
            to: (own, &names.1),
            made_at: step.at,
            document: &document,
        };
        let mut body = resource::new(&made, request);
        resource::note(&mut body, step, &parcel.sender);
        let state = match &known {
            Some(withdrawn) => withdrawn.state,
            None => ReferralState::Waiting,
        };
        resource::stands(&mut body, state);
        job.changes
            .push(put(&body, own, (Expect::Absent, release))?);
        let was = known
            .as_ref()
            .map_or(ReferralWas::Nothing, |it| ReferralWas::At(it.version));
        let referral = Referral {
            id: id.clone(),
            inward: true,
            way: Way::Node,
            other: parcel.sender.to_string(),
            asked_as: step.referral.clone(),
            patient: patient.clone(),
            urgency: request.urgency.clone(),
            state,
            made_at: parcel.received_at,
            state_at: now,
            steps: known.as_ref().map_or(0, |it| it.steps),
            told: known.as_ref().map_or(step.number, |it| it.told),
            news: false,
            parcel: String::new(),
            promised_by: 0,
            appointment: String::new(),
            version: 0,
        };
        job.effects.push(written(referral, was));
        job.traces.push(self.came(scope, parcel, (&id, &patient)));
        Ok(Ok(job))
    }

    /// What was enclosed, as resources; the DocumentReference's id, empty if nothing was. The job marks the parcel as taken in.
    async fn enclosed(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (text, patient): (&ParcelText, &str),
        job: &mut Job,
    ) -> Result<(Vec<Change>, String), Problem> {
        let (pid, patient) = (parcel.pid, patient.to_string());
        if parcel.parts.is_empty() {
            let taken = ReferralWrite::TakenIn { pid, patient };
            job.effects.push(Effect::Referral(taken));
            return Ok((Vec::new(), String::new()));
        }
        let days = i64::from(self.settings.release_after_days);
        let release = match text.marks.is_empty() {
            true => Release::At(parcel.received_at.saturating_add(days * DAY_MILLIS)),
            false => Release::Never,
        };
        let enclosed = self
            .resources_of(scope, parcel, (text, &patient), release)
            .await?;
        job.effects.extend(enclosed.keeps);
        job.effects.push(Effect::Parcel(ParcelWrite::TakenIn {
            pid,
            patient,
            document: enclosed.document.clone(),
            binaries: enclosed.binaries,
        }));
        Ok((enclosed.changes, enclosed.document))
    }

    /// The job of a step that the other side took.
    async fn told_of(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        step: &ReferralText,
    ) -> Result<Job, Problem> {
        let sender = parcel.sender.as_str();
        // What the receiver says is about a referral of ours; what who refers says, about one that came.
        let id = match step.act.is_receivers() {
            true => step.referral.clone(),
            false => id_here(sender, &step.referral),
        };
        let known = self.store.referral(scope, &id).await?;
        let Some(known) = known else {
            return self.overtook(scope, parcel, (step, &id));
        };
        if known.other != sender || known.inward == step.act.is_receivers() {
            let message = "It is about a referral that is not between this sender and us.";
            return Err(Problem::new(Kind::Value, message));
        }
        let is_newer = step.number > known.told;
        let state = follows(known.state, step.act).filter(|_| is_newer);
        let mut job = Job::default();
        if let Some(mut at_hand) = AtHand::read(&self.store, scope, &id).await? {
            resource::strip(&mut at_hand.body);
            resource::note(&mut at_hand.body, step, &parcel.sender);
            resource::stands(&mut at_hand.body, state.unwrap_or(known.state));
            job.changes.push(at_hand.put(self.organisation())?);
        }
        let mut next = Referral {
            told: known.told.max(step.number),
            news: true,
            ..known.clone()
        };
        if let Some(state) = state {
            next.state = state;
            next.state_at = self.store.now();
            if let Some(day) = &step.promised_by {
                next.promised_by = fhir::date::span(day).map_or(0, |it| it.low);
            }
            if let Some(appointment) = &step.appointment {
                next.appointment.clone_from(&appointment.booking);
            }
        }
        let was = ReferralWas::At(known.version);
        job.effects.push(written(next, was));
        let (pid, patient) = (parcel.pid, known.patient.clone());
        let about = (id.as_str(), known.patient.as_str());
        job.traces.push(self.came(scope, parcel, about));
        let taken = ReferralWrite::TakenIn { pid, patient };
        job.effects.push(Effect::Referral(taken));
        Ok(job)
    }

    /// A step about a referral that is not here. That it is withdrawn can overtake it: whoever takes it in then finds that.
    fn overtook(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (step, id): (&ReferralText, &str),
    ) -> Result<Job, Problem> {
        if step.act != Act::Withdraw {
            let message = "It is about a referral that is not here.";
            return Err(Problem::new(Kind::Value, message));
        }
        let now = self.store.now();
        let referral = Referral {
            id: id.to_string(),
            inward: true,
            way: Way::Node,
            other: parcel.sender.to_string(),
            asked_as: step.referral.clone(),
            patient: String::new(),
            urgency: "routine".into(),
            state: ReferralState::Withdrawn,
            made_at: now,
            state_at: now,
            steps: 0,
            told: step.number,
            news: false,
            parcel: String::new(),
            promised_by: 0,
            appointment: String::new(),
            version: 0,
        };
        let mut job = Job::default();
        job.effects.push(written(referral, ReferralWas::Nothing));
        let (pid, patient) = (parcel.pid, String::new());
        let taken = ReferralWrite::TakenIn { pid, patient };
        job.effects.push(Effect::Referral(taken));
        job.effects.push(Effect::Referral(ReferralWrite::NotWanted {
            sender: parcel.sender.to_string(),
            asked_as: step.referral.clone(),
        }));
        job.traces.push(self.came(scope, parcel, (id, "")));
        Ok(job)
    }

    fn came(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (id, patient): (&str, &str),
    ) -> access::AuditEntry {
        let query = Some(format!("parcel={}/{}", parcel.sender, parcel.id));
        line(scope, Interaction::System, (id, patient), query)
    }

    /// A person says whose a referral is that came: somebody on record here.
    ///
    /// # Errors
    /// `NotFound` if there is no such patient for the caller, or the referral does not wait; those of the store.
    pub async fn match_referral(
        &self,
        scope: &Scope,
        pid: i64,
        patient: &str,
    ) -> Result<(), Problem> {
        let found = self.store.read(scope, "Patient", patient).await?;
        if !matches!(found, store::Reading::Found(_)) {
            let message = "There is no such patient here, or their record is withheld.";
            return Err(Problem::new(Kind::NotFound, message));
        }
        self.matched(scope, pid, (patient, Vec::new())).await
    }

    /// A person says that a referral is about somebody who is not on record here yet: a record is made of what it says of them,
    /// and the referral taken in to it.
    ///
    /// # Errors
    /// `NotFound` if the referral does not wait; `BusinessRule` if it does not say enough of who it is about; those of the
    /// store.
    pub async fn register_for_referral(&self, scope: &Scope, pid: i64) -> Result<(), Problem> {
        Box::pin(self.registering(scope, pid)).await
    }

    async fn registering(&self, scope: &Scope, pid: i64) -> Result<(), Problem> {
        let waiting = self.store.referrals_unmatched(scope, Some(pid), 1).await?;
        let waiting = waiting.into_iter().next().ok_or_else(gone)?;
        let (patient, change) = self.registered(scope, &waiting.named).await?;
        self.matched(scope, pid, (&patient, change.into_iter().collect()))
            .await
    }

    async fn matched(
        &self,
        scope: &Scope,
        pid: i64,
        (patient, changes): (&str, Vec<Change>),
    ) -> Result<(), Problem> {
        let agent = scope.agent();
        let mut job = Job {
            changes,
            ..Job::default()
        };
        job.effects.push(Effect::Referral(ReferralWrite::Match {
            pid,
            patient: patient.to_string(),
            who: agent.name.clone(),
            role: agent.role.clone().unwrap_or_default().into_owned(),
            account: agent.account,
        }));
        let query = Some(format!("parcel={pid}"));
        let action = scope.interaction();
        job.traces.push(line(scope, action, ("", patient), query));
        self.store.commit(&work(scope), job).await.map(|_| ())
    }

    /// The Patient of those names: one that is here, or a new one of what is said of them.
    ///
    /// # Errors
    /// `BusinessRule` without an NHS number, a date of birth and a family name.
    pub(crate) async fn registered(
        &self,
        scope: &Scope,
        named: &store::parcels::Named,
    ) -> Result<(String, Option<Change>), Problem> {
        let work = work(scope);
        let (Some(number), Some(born)) = (&named.nhs_number, &named.birth_date) else {
            return Err(not_enough());
        };
        if named.family.trim().is_empty() {
            return Err(not_enough());
        }
        let (_, mut fitting) = self.fitting(&work, named).await?;
        if fitting.len() == 1
            && let Some((patient, _)) = fitting.pop()
        {
            return Ok((patient, None));
        }
        let name = format!("{number}/{born}/{}", fhir::search::fold(&named.family));
        let id = crate::letter::Letter::parcel_id(&["referred", &name]);
        if let store::Reading::Found(_) = self.store.read(&work, "Patient", &id).await? {
            return Ok((id, None));
        }
        let mut who = serde_json::json!({ "use": "official", "family": named.family });
        if !named.given.is_empty() {
            let given: Vec<&str> = named.given.split_whitespace().collect();
            fhir::members::set(&mut who, "given", given.into());
        }
        let patient = serde_json::json!({
            "resourceType": "Patient",
            "id": id,
            "identifier": [{ "system": access::NhsNumber::SYSTEM, "value": number }],
            "name": [who],
            "birthDate": born,
        });
        let once = (Expect::Absent, Release::At(self.store.now()));
        let own: &Ods = self.organisation();
        Ok((id, Some(put(&patient, own, once)?)))
    }
}

fn not_enough() -> Problem {
    let message = "It does not say NHS number, date of birth and family name: no record can be made of that. Match it to somebody, or return it.";
    Problem::new(Kind::BusinessRule, message)
}
