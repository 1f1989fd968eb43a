//! The department: looks, begins, and a named clinician takes over. With that the practice is written to.

use access::{Interaction, Scope};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::handovers::{Handover, HandoverState, HandoverWas, HandoverWrite};
use store::{Change, Effect, Job, Reading};

use super::crew::{check_words, sets};
use super::text::{Act, HandoverText, WORDS_CHARS_MAX};
use super::{by, by_department, gone, kept, line, read, standing, work, written};
use crate::exchange::Exchange;
use crate::manifest::PatientNamed;

impl Exchange {
    /// Somebody of the department looks at a handover: the crew gets a receipt for the first look.
    ///
    /// # Errors
    /// `NotFound`; those of the store.
    pub async fn open_handover(&self, scope: &Scope, id: &str) -> Result<(), Problem> {
        let work = work(scope);
        let row = self.store.handover(&work, id).await?;
        let row = row.filter(|it| it.inward).ok_or_else(gone)?;
        let mut job = Job::default();
        if row.pid > 0 {
            job.effects.push(Effect::Handover(HandoverWrite::Opened {
                pid: row.pid,
                other: row.other.clone(),
                asked_as: row.asked_as.clone(),
                by: by(scope),
            }));
        }
        if row.news {
            let id = row.id.clone();
            job.effects
                .push(Effect::Handover(HandoverWrite::Seen { id }));
        }
        self.store.commit(&work, job).await.map(|_| ())
    }

    /// A named clinician begins to take over; the crew is told.
    ///
    /// # Errors
    /// `Forbidden` for who is none; `NotFound`; `BusinessRule` if it was begun, or has ended; `Conflict`; those of the store.
    pub async fn begin_handover(&self, scope: &Scope, id: &str) -> Result<(), Problem> {
        Box::pin(self.department_step(scope, id, (Act::Begin, ""))).await
    }

    /// A named clinician does not wait for a crew any longer that did not come; the crew is told. What the crew says later
    /// opens it again.
    ///
    /// # Errors
    /// As `begin_handover`; `Required` without a reason.
    pub async fn close_handover(
        &self,
        scope: &Scope,
        id: &str,
        words: &str,
    ) -> Result<(), Problem> {
        check_words(words, "Say why you do not wait any longer.")?;
        Box::pin(self.department_step(scope, id, (Act::Close, words.trim()))).await
    }

    async fn department_step(
        &self,
        scope: &Scope,
        id: &str,
        (act, words): (Act, &str),
    ) -> Result<(), Problem> {
        let (row, said) = self.to_take_over(scope, id).await?;
        if act == Act::Begin && row.state == HandoverState::Begun {
            let message = "Somebody has begun to take over already. Look again.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let who = by(scope);
        let step = HandoverText {
            act,
            handover: row.asked_as.clone(),
            number: row.dept_told.saturating_add(1),
            at: self.store.now(),
            by: who.who,
            role: who.role,
            words: words.to_string(),
            sheet: None,
        };
        let next = by_department(&row, &step);
        let sheet = standing(&said).ok_or_else(gone)?;
        let mut job = Job {
            changes: self.handover_changes(&next, sheet, &sets(&said))?,
            ..Job::default()
        };
        let to = access::Ods::parse(&row.other)?;
        let about = (PatientNamed::default(), row.patient.as_str());
        job.effects.push(self.handover_parcel(&to, about, &step)?);
        let about = (row.record.as_str(), row.patient.as_str());
        let what = Some(format!("act={}", act.code()));
        job.traces
            .push(line(scope, Interaction::TakeOver, about, what));
        let was = HandoverWas::At(row.version);
        job.effects
            .push(written(next, was, Some(kept(&step, step.at)?)));
        self.store.commit(&work(scope), job).await.map(|_| ())
    }

    /// A named clinician has taken over: the clock stops, the crew gets its receipt, and the patient's practice a letter, in
    /// one commit.
    ///
    /// # Errors
    /// `Forbidden` for who is none; `NotFound`; `BusinessRule` if it has ended; `Conflict` if somebody else came between;
    /// `TooLong`; those of the store.
    pub async fn receive_handover(
        &self,
        scope: &Scope,
        id: &str,
        words: &str,
    ) -> Result<(), Problem> {
        if words.chars().count() > WORDS_CHARS_MAX {
            let message = "This is more than 1,500 characters.";
            return Err(Problem::new(Kind::TooLong, message));
        }
        Box::pin(self.receiving_handover(scope, id, words.trim())).await
    }

    async fn receiving_handover(
        &self,
        scope: &Scope,
        id: &str,
        words: &str,
    ) -> Result<(), Problem> {
        let (row, said) = self.to_take_over(scope, id).await?;
        let who = by(scope);
        let now = self.store.now();
        let was = HandoverWas::At(row.version);
        let mut next = Handover {
            state: HandoverState::Received,
            ended_at: now,
            ended_by: who.who.clone(),
            news: false,
            ..row
        };
        let sheet = standing(&said).ok_or_else(gone)?;
        let mut job = Job {
            changes: self.handover_changes(&next, sheet, &sets(&said))?,
            ..Job::default()
        };
        self.tell_practice(&mut next, (sheet, words), &mut job)
            .await?;
        job.effects.push(Effect::Handover(HandoverWrite::Received {
            pid: next.pid,
            by: who,
            note: words.to_string(),
        }));
        let about = (next.record.as_str(), next.patient.as_str());
        let what = Some("act=receive".to_string());
        job.traces
            .push(line(scope, Interaction::TakeOver, about, what));
        job.effects.push(written(next, was, None));
        self.store.commit(&work(scope), job).await.map(|_| ())
    }

    async fn to_take_over(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<(Handover, Vec<HandoverText>), Problem> {
        let is_clinician = scope.agent().role.as_deref() == Some("clinician");
        if scope.interaction() != Interaction::TakeOver || !is_clinician {
            let message = "Only a named clinician takes over from a crew.";
            return Err(Problem::new(Kind::Forbidden, message));
        }
        let work = work(scope);
        let row = self.store.handover(&work, id).await?;
        let row = row.filter(|it| it.inward).ok_or_else(gone)?;
        self.check_reach(scope, &row).await?;
        if !row.state.is_open() {
            let message = "This handover has ended: somebody took over, or the crew does not come. Look again.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let said = read(&self.store.handover_steps(&work, &row).await?);
        Ok((row, said))
    }

    /// A person says who somebody is that the crew did not know, or whom nobody here fitted: somebody on record here.
    ///
    /// # Errors
    /// `NotFound` if there is no such patient for the caller, or no such handover without one; those of the store.
    pub async fn match_handover(
        &self,
        scope: &Scope,
        id: &str,
        patient: &str,
    ) -> Result<(), Problem> {
        let Reading::Found(_) = self.store.read(scope, "Patient", patient).await? else {
            let message = "There is no such patient here, or their record is withheld.";
            return Err(Problem::new(Kind::NotFound, message));
        };
        Box::pin(self.matching_handover(scope, id, (patient, Vec::new()))).await
    }

    /// A record is made of what the crew says of somebody who is not on record here yet.
    ///
    /// # Errors
    /// `NotFound`; `BusinessRule` if it does not say enough of who it is; those of the store.
    pub async fn register_for_handover(&self, scope: &Scope, id: &str) -> Result<(), Problem> {
        Box::pin(async move {
            let work = work(scope);
            let row = self.unmatched_handover(&work, id).await?;
            let said = read(&self.store.handover_steps(&work, &row).await?);
            let person = &standing(&said).ok_or_else(gone)?.person;
            let named = store::parcels::Named {
                nhs_number: person.nhs_number.clone(),
                birth_date: person.birth_date.clone(),
                family: person.family.clone(),
                given: person.given.clone(),
            };
            let (patient, change) = self.registered(scope, &named).await?;
            let changes = change.into_iter().collect();
            self.matching_handover(scope, id, (&patient, changes)).await
        })
        .await
    }

    async fn unmatched_handover(&self, work: &Scope, id: &str) -> Result<Handover, Problem> {
        let row = self.store.handover(work, id).await?;
        row.filter(|it| it.inward && it.patient.is_empty())
            .ok_or_else(|| {
                let message = "This handover does not wait for somebody to say who it is.";
                Problem::new(Kind::NotFound, message)
            })
    }

    async fn matching_handover(
        &self,
        scope: &Scope,
        id: &str,
        (patient, changes): (&str, Vec<Change>),
    ) -> Result<(), Problem> {
        let work = work(scope);
        let row = self.unmatched_handover(&work, id).await?;
        let was = HandoverWas::At(row.version);
        let said = read(&self.store.handover_steps(&work, &row).await?);
        let sheet = standing(&said).ok_or_else(gone)?;
        let mut next = Handover {
            patient: patient.to_string(),
            ..row
        };
        let mut job = Job {
            changes,
            ..Job::default()
        };
        job.changes
            .extend(self.handover_changes(&next, sheet, &[])?);
        if next.state == HandoverState::Received {
            self.tell_practice(&mut next, (sheet, ""), &mut job).await?;
        }
        let query = Some(format!("act=match&handover={id}"));
        let action = scope.interaction();
        job.traces.push(line(scope, action, (id, patient), query));
        job.effects.push(written(next, was, None));
        self.store.commit(&work, job).await.map(|_| ())
    }

    /// The Patient as stored here.
    pub(super) async fn patient_of_handover(
        &self,
        work: &Scope,
        id: &str,
    ) -> Result<Option<Value>, Problem> {
        let Reading::Found(version) = self.store.read(work, "Patient", id).await? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&version.body).map_err(|cause| {
            Problem::new(Kind::Exception, "A stored record does not read.").because(cause)
        })?;
        Ok(Some(read))
    }
}
