//! The answer: what the practice that is left gives, and that it is the home practice no more, in one commit.

use std::collections::BTreeSet;

use access::{Interaction, Ods, Scope};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::moving::{Move, MoveState, MoveWrite};
use store::parcels::{Outgoing, ParcelWrite};
use store::{Effect, Expect, Job, Reading, Release};

use super::{Act, Acting, Facts, MoveText, PROOFS_MAX, line, record, scope, set_practice, step};
use crate::exchange::Exchange;
use crate::keys::sha256_hex;
use crate::letter::Letter;
use crate::manifest::{ContentNamed, ParcelKind, ParcelText, PatientNamed};
use crate::prescriptions::put;
use crate::sharing::RuleText;

/// How often it is tried anew when something changes in between.
const TRIES_MAX: usize = 4;
const JSON: &str = "application/json";

impl Exchange {
    /// A person here says that the patient did move: the record is given.
    ///
    /// # Errors
    /// `NotFound` if no claim of that id waits, or the scope does not reach its patient; `BusinessRule` if the record here cannot be told from
    /// others'; those of the store.
    pub async fn agree_to_move(&self, by: &Scope, id: &str) -> Result<(), Problem> {
        self.claim_within(by, id).await?;
        Box::pin(self.give(by, id)).await
    }

    /// A person here says that the patient did not move: the practice that claims them reads why.
    ///
    /// # Errors
    /// As `agree_to_move`; `Required` without a reason.
    pub async fn object_to_move(&self, by: &Scope, id: &str, reason: &str) -> Result<(), Problem> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(Problem::new(
                Kind::Required,
                "Say why the patient did not move.",
            ));
        }
        if reason.chars().count() > super::REASON_CHARS_MAX {
            return Err(Problem::new(
                Kind::TooLong,
                "This is more than 500 characters.",
            ));
        }
        let claim = self.claim_within(by, id).await?;
        let Some((who, ..)) = self.person_here(&claim.patient).await? else {
            return Err(gone());
        };
        let mut job = Job::effect(step(id, MoveState::Claimed, MoveState::Objected, reason));
        job.effects
            .push(self.move_parcel(&claim, who, (Act::Refuse, 1, reason))?);
        let query = format!("move={id}&objected");
        job.traces
            .push(line(by, Interaction::MovePatient, &claim.patient, query));
        let work = scope().for_request(by.request_id());
        self.store.commit(&work, job).await.map(|_| ())
    }

    /// A claim that waits, of a patient whom the scope reaches.
    async fn claim_within(&self, by: &Scope, id: &str) -> Result<Move, Problem> {
        let found = self.store.patient_move(by, id).await?;
        let claim = found
            .filter(|it| it.state == MoveState::Claimed)
            .ok_or_else(gone)?;
        match self.store.read(by, "Patient", &claim.patient).await? {
            Reading::Found(_) => Ok(claim),
            _ => Err(gone()),
        }
    }

    /// Gives what a claim asks for.
    pub(super) async fn give(&self, by: &Scope, id: &str) -> Result<(), Problem> {
        let work = scope().for_request(by.request_id());
        let mut tries = 0;
        loop {
            tries += 1;
            let found = self.store.patient_move(&work, id).await?;
            let claim = found
                .filter(|it| it.state == MoveState::Claimed)
                .ok_or_else(gone)?;
            let mut job = self.giving(&work, &claim).await?;
            let query = format!("move={id}&given-to={}", claim.other);
            let action = match by.interaction() {
                Interaction::MovePatient => Interaction::MovePatient,
                _ => Interaction::System,
            };
            job.traces.push(line(by, action, &claim.patient, query));
            match self.store.commit(&work, job).await {
                Err(problem) if problem.kind == Kind::Conflict && tries < TRIES_MAX => {}
                done => return done.map(|_| ()),
            }
        }
    }

    async fn giving(&self, work: &Scope, claim: &Move) -> Result<Job, Problem> {
        let patient = claim.patient.as_str();
        // Before what it counts is read: what changes meanwhile undoes the job.
        let sharing_version = self.store.sharing_version(patient).await?;
        let Some((who, mut resource, version)) = self.person_here(patient).await? else {
            return Err(gone());
        };
        if who.nhs_number.is_none() || who.birth_date.is_none() || who.family.is_empty() {
            let message =
                "The record here has no NHS number, date of birth or family name: it is not given.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let to = Ods::parse(&claim.other)?;
        let given = self.store.record_to_give(work, patient).await?;
        let own = self.organisation();
        let (pieces, too_large) = record::pieces(&given, own, patient);
        let mut facts = self.facts(work, (patient, &who, &to)).await?;
        facts.given = given.entries.len() - too_large;
        (facts.sealed, facts.shared) = (given.sealed, given.shared);
        facts.left_out = given.left_out + too_large;
        let mut proof = self.store.move_proof(work, patient).await?;
        proof.push(self.signed_moved(&to, &who)?);
        let over = proof.len().saturating_sub(PROOFS_MAX);
        proof.drain(..over);
        set_practice(&mut resource, &to);
        let how = (Expect::Version(version), Release::Keep);
        let mut job = Job::change(put(&resource, own, how)?);
        job.effects.push(Effect::Move(MoveWrite::Give {
            id: claim.id.clone(),
            was: claim.state,
            sharing_version,
            facts: told(&facts)?,
        }));
        let parts = i64::try_from(pieces.len()).unwrap_or(i64::MAX);
        let content = told(&facts)?.into_bytes();
        job.effects
            .push(self.given_parcel(claim, &who, (Act::Give, parts, proof), content)?);
        for (part, piece) in (1..).zip(pieces) {
            let said = (Act::Record, part, Vec::new());
            job.effects
                .push(self.given_parcel(claim, &who, said, piece)?);
        }
        Ok(job)
    }

    /// What is known here beside the record.
    async fn facts(
        &self,
        work: &Scope,
        (patient, who, to): (&str, &PatientNamed, &Ods),
    ) -> Result<Facts, Problem> {
        let rules = self.store.sharing_rules(work, patient, None).await?;
        let number = who.nhs_number.as_deref().unwrap_or_default();
        let born = who.birth_date.as_deref().unwrap_or_default();
        let pointers = self.store.pointers_held(number, born, &who.family).await?;
        let mut holders: BTreeSet<Ods> = pointers.iter().cloned().collect();
        holders.extend(self.store.holders(work, patient).await?);
        holders.extend(self.settings.second_keeper.clone());
        holders.insert(self.organisation().clone());
        holders.remove(to);
        let acting = self.store.acting_for(work, patient).await?;
        let acting = acting.into_iter().map(|(name, sees, by_practice)| Acting {
            name,
            sees,
            by_practice,
        });
        Ok(Facts {
            rules: rules.into_iter().map(RuleText::from).collect(),
            restricted: self.store.keeps_whereabouts(patient).await?,
            holders: holders.iter().map(Ods::to_string).collect(),
            pointers: pointers.iter().map(Ods::to_string).collect(),
            acting: acting.collect(),
            ..Facts::default()
        })
    }

    /// A parcel of a move that has a content.
    fn given_parcel(
        &self,
        claim: &Move,
        who: &PatientNamed,
        (act, part, proof): (Act, i64, Vec<String>),
        bytes: Vec<u8>,
    ) -> Result<Effect, Problem> {
        let said = MoveText {
            id: claim.id.clone(),
            act,
            registered_at: claim.registered_at,
            part,
            home: None,
            reason: String::new(),
            proof,
        };
        let to = Ods::parse(&claim.other)?;
        let piece = match act {
            Act::Record => part.to_string(),
            _ => String::new(),
        };
        let content = ContentNamed {
            sha256: sha256_hex(&bytes),
            size: bytes.len() as u64,
            content_type: JSON.into(),
        };
        let text = ParcelText {
            id: Letter::parcel_id(&["move-given", &claim.id, to.as_str(), &piece]),
            made_at: self.store.now(),
            document: claim.id.clone(),
            urgent: act == Act::Give,
            patient: who.clone(),
            contents: vec![content],
            moving: Some(Box::new(said)),
            ..ParcelText::of(ParcelKind::PracticeMove, self.organisation(), &to)
        };
        let written = text.written()?;
        let outgoing = Outgoing {
            parcel: text.to_parcel(written)?,
            patient: claim.patient.clone(),
            document: String::new(),
            contents: vec![bytes],
        };
        Ok(Effect::Parcel(ParcelWrite::Accept(Box::new(outgoing))))
    }
}

fn told(facts: &Facts) -> Result<String, Problem> {
    let value: Value = serde_json::to_value(facts).map_err(|cause| {
        Problem::new(Kind::Exception, "What is given could not be written.").because(cause)
    })?;
    Ok(value.to_string())
}

fn gone() -> Problem {
    Problem::new(
        Kind::NotFound,
        "No such claim waits here, or its patient is withheld from you.",
    )
}
