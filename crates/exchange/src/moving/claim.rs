//! The question: a practice registers a patient who moved to it, and asks the practice before; and what becomes of such a
//! question at who is asked.

use access::{Interaction, NhsNumber, Ods, Scope};
use fhir::date::Millis;
use fhir::json::{self, Limits};
use fhir::problem::{Kind, Problem};
use serde_json::{Value, json};
use store::care::Told;
use store::moving::{Move, MoveState, MoveWrite};
use store::parcels::{Named, ToTakeIn};
use store::{Change, Effect, Expect, Job, Reading, Release};

use super::{Act, HOPS_MAX, MoveText, line, scope, set_practice, step};
use crate::exchange::Exchange;
use crate::letter::Letter;
use crate::manifest::{ParcelKind, ParcelText, PatientNamed};
use crate::pds::said;
use crate::prescriptions::put;
use crate::sharing::named;

/// A patient who registers here and was registered elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registering {
    pub nhs_number: NhsNumber,
    /// `YYYY-MM-DD`
    pub birth_date: String,
    pub family: String,
    pub given: String,
    /// The practice before.
    pub from: Ods,
}

impl Exchange {
    /// Registers somebody who moved here, and asks the practice before, in one commit. Gives the Patient's id.
    ///
    /// # Errors
    /// `NotFound` if the practice before has no node; `BusinessRule` if it is this one, or was asked already, or more than one
    /// record here fits; those of the store.
    pub async fn register_moved(
        &self,
        scope: &Scope,
        new: &Registering,
    ) -> Result<String, Problem> {
        Box::pin(self.registering_moved(scope, new)).await
    }

    async fn registering_moved(&self, by: &Scope, new: &Registering) -> Result<String, Problem> {
        let unfit = |message: &'static str| Err(Problem::new(Kind::BusinessRule, message));
        if &new.from == self.organisation() {
            return unfit("The practice before is another one than this.");
        }
        let now = self.store.now();
        if self.book.listed(&new.from).is_none() {
            let message =
                "The practice before has no node. Ask it for the record by the way used so far.";
            return Err(Problem::new(Kind::NotFound, message));
        }
        let work = scope().for_request(by.request_id());
        let who = Named {
            nhs_number: Some(new.nhs_number.digits().to_string()),
            birth_date: Some(new.birth_date.clone()),
            family: new.family.clone(),
            given: new.given.clone(),
        };
        let (_, mut fitting) = self.fitting(&work, &who).await?;
        if fitting.len() > 1 {
            return unfit("More than one record here fits this person. Link them first.");
        }
        let mut job = Job::default();
        let patient = match fitting.pop() {
            Some((patient, _)) => patient,
            None => {
                let (id, change) = self.new_patient(new, now)?;
                job.changes.push(change);
                id
            }
        };
        let before = self.store.moves_of(&work, &patient).await?;
        if before.iter().any(|it| it.inward && it.state.is_closed()) {
            return unfit("The practice before has been asked already: see the list.");
        }
        let id = [
            "move",
            new.nhs_number.digits(),
            new.from.as_str(),
            &now.to_string(),
        ];
        let row = Move::new(
            Letter::parcel_id(&id),
            (true, MoveState::Asked),
            (&patient, new.from.as_str()),
            (now, now),
        );
        let person = PatientNamed {
            nhs_number: who.nhs_number,
            birth_date: who.birth_date,
            family: who.family,
            given: who.given,
        };
        job.effects
            .push(self.move_parcel(&row, person, (Act::Claim, 0, ""))?);
        let row = Box::new(row);
        job.effects
            .push(Effect::Move(MoveWrite::Begin { row, told: None }));
        let query = format!("asked={}", new.from);
        job.traces
            .push(line(by, Interaction::MovePatient, &patient, query));
        self.store.commit(&work, job).await?;
        Ok(patient)
    }

    /// Whoever is new here names the practice before until it has answered.
    fn new_patient(&self, new: &Registering, now: Millis) -> Result<(String, Change), Problem> {
        let number = new.nhs_number.digits();
        let family = fhir::search::fold(&new.family);
        let id = Letter::parcel_id(&["moved-here", number, &new.birth_date, &family]);
        let given: Vec<&str> = new.given.split_whitespace().collect();
        let mut patient = json!({
            "resourceType": "Patient",
            "id": id,
            "identifier": [{ "system": NhsNumber::SYSTEM, "value": number }],
            "name": [{ "use": "official", "family": new.family, "given": given }],
            "birthDate": new.birth_date,
        });
        if given.is_empty()
            && let Some(name) = patient
                .pointer_mut("/name/0")
                .and_then(Value::as_object_mut)
        {
            name.remove("given");
        }
        set_practice(&mut patient, &new.from);
        let once = (Expect::Absent, Release::At(now));
        let change = put(&patient, self.organisation(), once)?;
        Ok((id, change))
    }

    /// A parcel of a move that has no content.
    pub(super) fn move_parcel(
        &self,
        row: &Move,
        patient: PatientNamed,
        (act, hop, reason): (Act, i64, &str),
    ) -> Result<Effect, Problem> {
        let home = (act == Act::Elsewhere).then(|| reason.to_string());
        let said = MoveText {
            id: row.id.clone(),
            act,
            registered_at: row.registered_at,
            part: 0,
            reason: match home {
                Some(_) => String::new(),
                None => reason.to_string(),
            },
            home,
            proof: Vec::new(),
        };
        let to = Ods::parse(&row.other)?;
        let name = format!("{act:?}");
        let text = ParcelText {
            id: Letter::parcel_id(&["move", &row.id, &name, to.as_str(), &hop.to_string()]),
            made_at: self.store.now(),
            document: row.id.clone(),
            urgent: true,
            patient,
            moving: Some(Box::new(said)),
            ..ParcelText::of(ParcelKind::PracticeMove, self.organisation(), &to)
        };
        text.accepted(&row.patient)
    }

    /// A Patient as others know them, with the resource and its version.
    pub(super) async fn person_here(
        &self,
        patient: &str,
    ) -> Result<Option<(PatientNamed, Value, u64)>, Problem> {
        let Reading::Found(version) = self.store.read(&scope(), "Patient", patient).await? else {
            return Ok(None);
        };
        let who = named(&json::parse(&version.body, &Limits::default())?);
        let value = serde_json::from_slice(&version.body).map_err(|cause| {
            Problem::new(Kind::Exception, "A stored record does not read.").because(cause)
        })?;
        Ok(Some((who, value, version.version)))
    }

    /// The job that asks the practice before of somebody whose record names this practice since; or says that it cannot be
    /// asked.
    pub(super) async fn asking_of(&self, one: &Move) -> Result<Job, Problem> {
        let before = Ods::parse(&one.other).ok();
        let member = before.filter(|it| self.book.listed(it).is_some());
        let person = self.person_here(&one.patient).await?;
        let known = person.filter(|(who, ..)| {
            who.nhs_number.is_some() && who.birth_date.is_some() && !who.family.is_empty()
        });
        let (Some(_), Some((who, ..))) = (member, known) else {
            let reason = "The practice before has no node, or the record here says too little of who it is about.";
            return Ok(Job::effect(step(
                &one.id,
                one.state,
                MoveState::Nowhere,
                reason,
            )));
        };
        let mut job = Job::effect(step(&one.id, one.state, MoveState::Asked, ""));
        job.effects
            .push(self.move_parcel(one, who, (Act::Claim, 0, ""))?);
        let query = format!("asked={}", one.other);
        job.traces
            .push(line(&scope(), Interaction::System, &one.patient, query));
        Ok(job)
    }

    /// Takes in another practice's question.
    pub(super) async fn take_claim(
        &self,
        parcel: &ToTakeIn,
        (text, said): (&ParcelText, &MoveText),
    ) -> Result<Job, Problem> {
        let work = scope();
        let claim = Move::new(
            said.id.clone(),
            (false, MoveState::Claimed),
            ("", parcel.sender.as_str()),
            (said.registered_at, self.store.now()),
        );
        let person = text.patient.clone();
        let refuse = |job: &mut Job, why: &str| -> Result<(), Problem> {
            let answer = self.move_parcel(&claim, person.clone(), (Act::Refuse, 0, why))?;
            job.effects.push(answer);
            Ok(())
        };
        let mut job = Job::default();
        let found = self.whose(&work, parcel).await?;
        let Ok(patient) = found else {
            refuse(&mut job, NOBODY)?;
            return Ok(self.seen_to(job, parcel, ""));
        };
        if self.store.patient_move(&work, &said.id).await?.is_some() {
            return Ok(self.seen_to(job, parcel, &patient));
        }
        let moves = self.store.moves_of(&work, &patient).await?;
        let home = self.store.home_of(&patient).await?;
        let own = self.organisation().as_str();
        if let Some(home) = home.filter(|it| it != own) {
            let is_hidden = self.store.keeps_whereabouts(&patient).await?;
            match home == parcel.sender.as_str() {
                true => refuse(&mut job, HAS_IT)?,
                // Where somebody is registered who must not be found is told to nobody by itself.
                false if is_hidden => refuse(&mut job, RING)?,
                false => {
                    let answer = (Act::Elsewhere, 0, home.as_str());
                    job.effects
                        .push(self.move_parcel(&claim, person.clone(), answer)?);
                }
            }
            return Ok(self.seen_to(job, parcel, &patient));
        }
        let claim = Move {
            patient: patient.clone(),
            ..claim.clone()
        };
        let newer = |it: &&Move| {
            let counts = it.inward || it.state == MoveState::Claimed;
            counts && it.registered_at > claim.registered_at && it.state != MoveState::Refused
        };
        if moves.iter().any(|it| newer(&it)) {
            refuse(&mut job, OLDER)?;
            return Ok(self.seen_to(job, parcel, &patient));
        }
        for older in moves.iter().filter(|it| it.state == MoveState::Claimed) {
            let gone = step(&older.id, MoveState::Claimed, MoveState::Objected, OLDER);
            job.effects.push(gone);
            let answer = (Act::Refuse, 0, OLDER);
            job.effects
                .push(self.move_parcel(older, person.clone(), answer)?);
        }
        let told = self.told_of_claim(&parcel.sender, &patient);
        let (row, told) = (Box::new(claim), Some(Box::new(told)));
        job.effects
            .push(Effect::Move(MoveWrite::Begin { row, told }));
        Ok(self.seen_to(job, parcel, &patient))
    }

    /// A person here says that a patient did not move whom a letter names another practice for.
    ///
    /// # Errors
    /// `NotFound` if the patient is not here, or withheld from who says so; those of the store.
    pub async fn not_moved(&self, by: &Scope, patient: &str) -> Result<(), Problem> {
        let Reading::Found(_) = self.store.read(by, "Patient", patient).await? else {
            let message = "There is no such patient here, or they are withheld from you.";
            return Err(Problem::new(Kind::NotFound, message));
        };
        let patient = patient.to_string();
        let said = "letter=not-moved".to_string();
        let line = line(by, Interaction::MovePatient, &patient, said);
        let mut job = Job::effect(Effect::Move(MoveWrite::NotMoved { patient }));
        job.traces.push(line);
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    /// What the patient is told of a claim.
    fn told_of_claim(&self, claimant: &Ods, patient: &str) -> Told {
        let name = self.book.name(claimant.as_str());
        let reason =
            format!("{name} says that you registered with it. If you did not, tell your practice.");
        Told {
            patient: patient.to_string(),
            organisation: claimant.to_string(),
            account: 0,
            name,
            role: "practice".into(),
            code: String::new(),
            reason,
        }
    }

    /// The job with the mark that the parcel was taken in, and the log's line.
    pub(super) fn seen_to(&self, mut job: Job, parcel: &ToTakeIn, patient: &str) -> Job {
        let (pid, patient) = (parcel.pid, patient.to_string());
        let query = format!("parcel={}/{}", parcel.sender, parcel.id);
        job.traces
            .push(line(&scope(), Interaction::System, &patient, query));
        job.effects
            .push(Effect::Move(MoveWrite::TakenIn { pid, patient }));
        job
    }

    /// The practice that was asked says that the patient is registered with another one by now: that one is asked.
    pub(super) async fn take_elsewhere(
        &self,
        parcel: &ToTakeIn,
        (text, said, row): (&ParcelText, &MoveText, &Move),
    ) -> Result<Job, Problem> {
        let home = said.home.as_deref().and_then(|it| Ods::parse(it).ok());
        let next = home.filter(|it| it != self.organisation() && row.hops < HOPS_MAX);
        let next = next.filter(|it| self.book.listed(it).is_some());
        let mut job = Job::default();
        let Some(next) = next else {
            let reason =
                "The patient is registered with another practice by now, which cannot be asked.";
            job.effects
                .push(step(&row.id, MoveState::Asked, MoveState::Nowhere, reason));
            return Ok(self.seen_to(job, parcel, &row.patient));
        };
        let on = Move {
            other: next.to_string(),
            ..row.clone()
        };
        let act = (Act::Claim, row.hops + 1, "");
        job.effects
            .push(self.move_parcel(&on, text.patient.clone(), act)?);
        job.effects.push(Effect::Move(MoveWrite::SentOn {
            id: row.id.clone(),
            other: next.to_string(),
        }));
        Ok(self.seen_to(job, parcel, &row.patient))
    }

    /// Whether PDS last named the practice that claims the patient.
    pub(super) async fn pds_says(&self, claim: &Move) -> Result<bool, Problem> {
        let traced = self.store.pds_trace(&scope(), &claim.patient).await?;
        let last = traced.and_then(|it| it.said);
        let last = last.filter(|(_, at)| *at >= claim.registered_at);
        let person = last.and_then(|(text, _)| serde_json::from_str::<Value>(&text).ok());
        let practice = person.as_ref().and_then(said::practice);
        Ok(practice.is_some_and(|it| it == claim.other))
    }
}

const NOBODY: &str = "Nobody on record here has this NHS number, date of birth and family name.";
const HAS_IT: &str =
    "The record was given to you before. Ask again by telephone if it did not come.";
const RING: &str = "This cannot be answered between nodes. Ring the practice.";
const OLDER: &str = "Another practice has registered the patient since.";
