//! A handover that stands in a wrong record is put into the right one by a person. What was written of it in the one is marked
//! as entered in error and stays; in the other it is written anew, under names of its own. The crew is told, and of a letter
//! that went to the practice of the wrong one it is taken back.

use access::{Interaction, Ods, Scope};
use fhir::members::set;
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::handovers::{Handover, HandoverState, HandoverWas, HandoverWrite};
use store::parcels::ParcelWrite;
use store::{Change, Effect, Expect, Job, Reading, Release};

use super::crew::{check_words, sets};
use super::letter::document;
use super::resource;
use super::text::{Act, HandoverText, Observations, Sheet};
use super::{by, gone, kept, line, read, standing, work, written};
use crate::exchange::Exchange;
use crate::letter::Letter;
use crate::manifest::PatientNamed;
use crate::prescriptions::put;

/// The letter's reason for being taken back, as its reader sees it.
const WRONG: &str = "It was about somebody else: the handover had been put into a wrong record.";

impl Exchange {
    /// A person puts a handover from the record that it stands in into another's, and says why.
    ///
    /// # Errors
    /// `NotFound` if either record is not there for the caller; `Required` without a reason; `BusinessRule` if it is there
    /// already; `Conflict` if somebody came between; those of the store.
    pub async fn move_handover(
        &self,
        scope: &Scope,
        id: &str,
        (patient, words): (&str, &str),
    ) -> Result<(), Problem> {
        check_words(words, "Say why it is put into another record.")?;
        let row = self.matched_handover(scope, id).await?;
        if row.patient == patient {
            let message = "The handover is in this patient’s record already.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let back = row.patient.clone();
        Box::pin(self.moving_handover(scope, row, (patient, &back, words.trim()))).await
    }

    /// A handover that was put into another record is put back into the one that it stood in.
    ///
    /// # Errors
    /// As `move_handover`; `BusinessRule` if it was not moved, or put back already.
    pub async fn move_handover_back(&self, scope: &Scope, id: &str) -> Result<(), Problem> {
        let row = self.matched_handover(scope, id).await?;
        if row.moved_from.is_empty() {
            let message = "This handover is where it first was, or was put back already.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let patient = row.moved_from.clone();
        let words = "Put back: it had been put into the other record by mistake.";
        Box::pin(self.moving_handover(scope, row, (&patient, "", words))).await
    }

    /// One that came in and stands in a record that the caller may read.
    async fn matched_handover(&self, scope: &Scope, id: &str) -> Result<Handover, Problem> {
        let row = self.store.handover(&work(scope), id).await?;
        let row = row.filter(|it| it.inward && !it.patient.is_empty());
        let row = row.ok_or_else(gone)?;
        self.check_reach(scope, &row).await?;
        Ok(row)
    }

    async fn moving_handover(
        &self,
        scope: &Scope,
        row: Handover,
        (patient, back, words): (&str, &str, &str),
    ) -> Result<(), Problem> {
        let Reading::Found(_) = self.store.read(scope, "Patient", patient).await? else {
            let message = "There is no such patient here, or their record is withheld.";
            return Err(Problem::new(Kind::NotFound, message));
        };
        let work = work(scope);
        let said = read(&self.store.handover_steps(&work, &row).await?);
        let sheet = standing(&said).ok_or_else(gone)?;
        let who = by(scope);
        let step = HandoverText {
            act: Act::Move,
            handover: row.asked_as.clone(),
            number: row.dept_told.saturating_add(1),
            at: self.store.now(),
            by: who.who,
            role: who.role,
            words: words.to_string(),
            sheet: None,
        };
        let moved = row.version.to_string();
        let mut next = Handover {
            patient: patient.to_string(),
            record: Letter::parcel_id(&["handover-moved", &row.id, patient, &moved]),
            moved_from: back.to_string(),
            dept_told: step.number,
            letter: String::new(),
            ..row.clone()
        };
        let whole = with_all(sheet, &sets(&said));
        let mut job = Job {
            changes: self.handover_in_error(&row, &whole)?,
            ..Job::default()
        };
        job.changes
            .extend(self.handover_changes(&next, &whole, &[])?);
        self.take_letter_back(&work, &row, &mut job).await?;
        if next.state == HandoverState::Received {
            self.tell_practice(&mut next, (sheet, ""), &mut job).await?;
        }
        let to = Ods::parse(&row.other)?;
        let about = (PatientNamed::default(), next.patient.as_str());
        job.effects.push(self.handover_parcel(&to, about, &step)?);
        job.effects.push(Effect::Handover(HandoverWrite::Moved {
            other: row.other.clone(),
            asked_as: row.asked_as.clone(),
            patient: next.patient.clone(),
        }));
        // Each of the two can read in the log that it was done.
        for it in [&row, &next] {
            let query = Some(format!("act=move&handover={}", row.id));
            let about = (it.record.as_str(), it.patient.as_str());
            job.traces
                .push(line(scope, Interaction::MatchLetter, about, query));
        }
        let was = HandoverWas::At(row.version);
        job.effects
            .push(written(next, was, Some(kept(&step, step.at)?)));
        self.store.commit(&work, job).await.map(|_| ())
    }

    /// All that was written of it, as entered in error.
    fn handover_in_error(&self, row: &Handover, whole: &Sheet) -> Result<Vec<Change>, Problem> {
        self.written_of(row, |of| {
            resource::in_error(of, whole, (row.state, row.ended_at))
        })
    }

    /// The letter to the practice, if there is one: withdrawn, and marked in the record here.
    async fn take_letter_back(
        &self,
        work: &Scope,
        row: &Handover,
        job: &mut Job,
    ) -> Result<(), Problem> {
        if row.letter.is_empty() {
            return Ok(());
        }
        let id = document(row);
        if let Reading::Found(version) = self.store.read(work, "DocumentReference", &id).await? {
            let read = serde_json::from_slice::<Value>(&version.body);
            let mut document = read.map_err(|cause| {
                Problem::new(Kind::Exception, "A stored document does not read.").because(cause)
            })?;
            for member in ["status", "docStatus"] {
                set(&mut document, member, "entered-in-error".into());
            }
            let expect = (Expect::Version(version.version), Release::Keep);
            job.changes
                .push(put(&document, self.organisation(), expect)?);
        }
        job.effects
            .push(Effect::Parcel(ParcelWrite::CancelDocument {
                document: id,
                reason: WRONG.into(),
            }));
        Ok(())
    }
}

/// The sheet with all that was ever measured, each once.
fn with_all(sheet: &Sheet, sets: &[Observations]) -> Sheet {
    let mut whole = sheet.clone();
    for set in sets {
        if !whole.observations.contains(set) {
            whole.observations.push(set.clone());
        }
    }
    whole
}
