//! What the practice before gives, taken in at the new one: first what the patient wants shared, then the record.

use access::{Ods, Scope};
use fhir::members::{each, set, text as text_at};
use fhir::problem::{Kind, Problem};
use fhir::whereabouts::{CONFIDENTIALITY, RESTRICTED};
use serde_json::{Value, json};
use store::ask::{AskWrite, Pointer};
use store::moving::{Move, MoveState, MoveWrite};
use store::parcels::ToTakeIn;
use store::sharing::Rule;
use store::{Effect, Expect, Job, Release};

use super::record::{self, PIECES_MAX};
use super::{Act, Facts, MoveText, line, scope, set_practice, step};
use crate::exchange::Exchange;
use crate::jws::read_strictly;
use crate::letter::Letter;
use crate::manifest::{ParcelText, PatientNamed};
use crate::prescriptions::put;

const HOLDERS_MAX: usize = 500;

impl Exchange {
    /// Takes in a parcel of kind `practice-move`.
    pub(crate) async fn take_move(
        &self,
        parcel: &ToTakeIn,
        said: (&ParcelText, &MoveText),
    ) -> Result<(), Problem> {
        let job = self.move_job(parcel, said).await?;
        self.store.commit(&scope(), job).await.map(|_| ())
    }

    async fn move_job(
        &self,
        parcel: &ToTakeIn,
        (text, said): (&ParcelText, &MoveText),
    ) -> Result<Job, Problem> {
        if said.act == Act::Claim {
            return self.take_claim(parcel, (text, said)).await;
        }
        let work = scope();
        let found = self.store.patient_move(&work, &said.id).await?;
        let ours = found.filter(|it| it.inward && it.other == parcel.sender.as_str());
        let Some(row) = ours else {
            // Nothing of it is believed: nobody here asked that practice, or another one was asked since.
            return Ok(self.seen_to(Job::default(), parcel, ""));
        };
        match said.act {
            Act::Give if row.state == MoveState::Asked => {
                self.take_given(&work, parcel, (text, said, &row)).await
            }
            Act::Record
                if matches!(
                    row.state,
                    MoveState::Asked | MoveState::Arriving | MoveState::Done
                ) =>
            {
                self.take_record(&work, parcel, (said, &row)).await
            }
            Act::Refuse if row.state == MoveState::Asked => {
                let mut job = Job::default();
                let before = Ods::parse(&row.other)?;
                let home = self.store.home_of(&row.patient).await?;
                if home.as_deref() == Some(self.organisation().as_str()) {
                    // It stays the other's patient: its word on what they want shared counts again.
                    job.changes
                        .push(self.named_anew(&row.patient, &before).await?);
                }
                job.effects
                    .push(step(&row.id, row.state, MoveState::Refused, &said.reason));
                Ok(self.seen_to(job, parcel, &row.patient))
            }
            Act::Elsewhere if row.state == MoveState::Asked => {
                self.take_elsewhere(parcel, (text, said, &row)).await
            }
            _ => Ok(self.seen_to(Job::default(), parcel, &row.patient)),
        }
    }

    /// What the practice before knows: the patient is this practice's from the commit on in which what they want shared is
    /// in force here.
    async fn take_given(
        &self,
        work: &Scope,
        parcel: &ToTakeIn,
        (text, said, row): (&ParcelText, &MoveText, &Move),
    ) -> Result<Job, Problem> {
        let Some((who, mut resource, version)) = self.person_here(&row.patient).await? else {
            return Err(Problem::new(
                Kind::NotFound,
                "The patient's record is gone.",
            ));
        };
        let number = who.nhs_number.as_deref().unwrap_or_default();
        let own = self.organisation();
        let ends = (parcel.sender.as_str(), own.as_str());
        let is_said = text.patient.nhs_number.as_deref() == Some(number);
        if !is_said
            || !said
                .proof
                .last()
                .is_some_and(|it| self.leads(std::slice::from_ref(it), ends, number))
        {
            let message = "What the practice before gave is not signed for this patient.";
            return Err(Problem::new(Kind::Security, message));
        }
        let part = parcel.parts.first().ok_or_else(|| {
            Problem::new(Kind::Structure, "What the practice before gave is empty.")
        })?;
        let facts: Facts = read_strictly(&self.content_of(work, parcel, part).await?)?;
        if facts.holders.len() > HOLDERS_MAX
            || facts.pointers.len() > HOLDERS_MAX
            || said.part > PIECES_MAX
        {
            let message = "The practice before gave more than can be taken.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        set_practice(&mut resource, own);
        if facts.restricted {
            restrict(&mut resource);
        }
        let mut job = Job::change(put(
            &resource,
            own,
            (Expect::Version(version), Release::Keep),
        )?);
        // What the patient said at the practice before, under the name that their own page here looks for.
        let rules: Vec<Rule> = facts.rules.iter().cloned().map(Rule::from).collect();
        let id = Letter::parcel_id(&["sharing", &row.patient]);
        let consent = store::sharing::consent(&id, &row.patient, &rules, self.store.now());
        let released = Release::At(self.store.now());
        job.changes
            .push(put(&consent, own, (Expect::Anything, released))?);
        job.effects.extend(pointers(&facts, &who, own)?);
        let holders = facts
            .holders
            .iter()
            .map(|it| Ods::parse(it).map(|it| it.to_string()));
        job.effects.push(Effect::Move(MoveWrite::Arrive {
            id: row.id.clone(),
            parts: said.part,
            facts: serde_json::to_string(&facts).unwrap_or_default(),
            proof: said.proof.clone(),
            holders: holders.collect::<Result<_, _>>()?,
        }));
        Ok(self.seen_to(job, parcel, &row.patient))
    }

    /// A piece of the record.
    async fn take_record(
        &self,
        work: &Scope,
        parcel: &ToTakeIn,
        (said, row): (&MoveText, &Move),
    ) -> Result<Job, Problem> {
        let part = parcel
            .parts
            .first()
            .ok_or_else(|| Problem::new(Kind::Structure, "A piece of the record is empty."))?;
        let bytes = self.content_of(work, parcel, part).await?;
        let (own, mut job, mut targets) = (self.organisation(), Job::default(), Vec::new());
        for entry in record::read(&bytes, &row.patient)? {
            let release = entry.released.map_or(Release::Never, Release::At);
            let ty = text_at(&entry.resource, "/resourceType");
            targets.push(format!("{ty}/{}", text_at(&entry.resource, "/id")));
            job.changes
                .push(super::large(&entry.resource, own, release)?);
        }
        let id = Letter::parcel_id(&["moved-record", &row.id, &said.part.to_string()]);
        let whence = record::provenance((&id, &targets), (&parcel.sender, own), parcel.received_at);
        job.changes
            .push(put(&whence, own, (Expect::Anything, Release::Never))?);
        job.effects.push(Effect::Move(MoveWrite::Part {
            id: row.id.clone(),
            part: said.part,
        }));
        job.traces.push(line(
            work,
            access::Interaction::System,
            &row.patient,
            format!("move={}", row.id),
        ));
        Ok(self.seen_to(job, parcel, &row.patient))
    }
}

/// Who holds something, as the practice before was told.
fn pointers(facts: &Facts, who: &PatientNamed, own: &Ods) -> Result<Vec<Effect>, Problem> {
    let others = facts.pointers.iter().filter(|it| *it != own.as_str());
    let hold = |pointer: &String| {
        let hold = Pointer {
            custodian: Ods::parse(pointer)?.to_string(),
            home: own.to_string(),
            nhs_number: who.nhs_number.clone().unwrap_or_default(),
            birth_date: who.birth_date.clone().unwrap_or_default(),
            family: who.family.clone(),
            // Whoever holds something tells this practice of it anew, under a higher number.
            version: 0,
            withdrawn: false,
        };
        Ok(Effect::Ask(AskWrite::Hold(Box::new(hold))))
    };
    others.map(hold).collect()
}

/// Sets the flag of a restricted patient, if it is not there.
fn restrict(patient: &mut Value) {
    let is_there =
        each(patient, "/meta/security").any(|it| RESTRICTED.contains(&text_at(it, "/code")));
    if is_there {
        return;
    }
    let mut meta = patient.get("meta").cloned().unwrap_or_else(|| json!({}));
    let mut labels: Vec<Value> = each(&meta, "/security").cloned().collect();
    labels.push(json!({ "system": CONFIDENTIALITY, "code": "R" }));
    set(&mut meta, "security", Value::Array(labels));
    set(patient, "meta", meta);
}

impl Exchange {
    /// Sends a letter back that came for somebody who moved away, with the practice that they moved to; gives whether it did.
    /// What a person has matched by hand, or what came by fax, stays: nobody at the other end of a fax reads what goes back.
    pub(crate) async fn gave_back(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        patient: &str,
    ) -> Result<bool, Problem> {
        if parcel.patient.is_some() {
            return Ok(false);
        }
        let Some(to) = self.store.moved_to(patient).await? else {
            return Ok(false);
        };
        if to == parcel.sender {
            return Ok(false);
        }
        // Where somebody is registered who must not be found is told to nobody by itself.
        let reason = match self.store.keeps_whereabouts(patient).await? {
            true => "The patient is not registered here any more. Ring us.".to_string(),
            false => format!(
                "The patient is registered with {} ({to}) now. Send it there.",
                self.book.name(to.as_str())
            ),
        };
        let pid = parcel.pid;
        let mut job = Job::effect(Effect::Move(MoveWrite::Return { pid, reason }));
        let query = format!("parcel={}/{}&returned", parcel.sender, parcel.id);
        job.traces
            .push(line(scope, access::Interaction::System, patient, query));
        self.store.commit(scope, job).await.map(|_| true)
    }
}
