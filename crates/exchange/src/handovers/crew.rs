//! The crew: hands somebody over, says what changed, arrives, goes elsewhere, or does not come.

use access::{Interaction, Ods, Scope};
use fhir::problem::{Kind, Problem};
use store::handovers::{Handover, HandoverState, HandoverWas};
use store::{Effect, Job};

use super::text::{Act, HandoverText, Observations, STEPS_MAX, Sheet, WORDS_CHARS_MAX};
use super::{by, gone, kept, line, read, standing, with_sheet, work, written};
use crate::exchange::Exchange;
use crate::letter::Letter;
use crate::manifest::{ParcelKind, ParcelText, PatientNamed};

/// A handover to be.
#[derive(Clone, Debug)]
pub struct NewHandover<'h> {
    /// The Patient's id here; empty for somebody who is not known here.
    pub patient: &'h str,
    pub to: &'h Ods,
    /// Whom it is about is taken from the record, where there is one.
    pub sheet: Sheet,
    /// What the form was made with: the same form sent again hands over once.
    pub attempt: &'h str,
}

impl Exchange {
    /// A crew hands somebody over to another organisation of the network; gives the handover's id.
    ///
    /// # Errors
    /// `Required`, `Value`, `TooLong` for what is missing or too much; `NotFound` if the directory does not list the receiver;
    /// `BusinessRule` if it is this organisation; those of the store.
    pub async fn hand_over(&self, scope: &Scope, new: NewHandover<'_>) -> Result<String, Problem> {
        Box::pin(self.handing_over(scope, new)).await
    }

    async fn handing_over(&self, scope: &Scope, new: NewHandover<'_>) -> Result<String, Problem> {
        let work = work(scope);
        let own = self.organisation();
        let id = Letter::parcel_id(&["hand-over", own.as_str(), new.to.as_str(), new.attempt]);
        if let Some(known) = self.store.handover(&work, &id).await? {
            return Ok(known.id);
        }
        let job = self.started(scope, new, &id).await?;
        match self.store.commit(&work, job).await {
            // The same form came twice at a time.
            Err(problem) if problem.came_between() => {
                match self.store.handover(&work, &id).await? {
                    Some(known) => Ok(known.id),
                    None => Err(problem),
                }
            }
            done => done.map(|_| id),
        }
    }

    async fn started(&self, scope: &Scope, new: NewHandover<'_>, id: &str) -> Result<Job, Problem> {
        self.check_department(new.to)?;
        let mut sheet = new.sheet;
        if !new.patient.is_empty() {
            sheet.person = self.known_as(&work(scope), new.patient).await?;
        }
        let now = self.store.now();
        let row = Handover {
            id: id.to_string(),
            inward: false,
            other: new.to.to_string(),
            asked_as: id.to_string(),
            patient: new.patient.to_string(),
            state: HandoverState::Coming,
            pre_alert: false,
            weight: 0,
            made_at: now,
            due_at: 0,
            arrived_at: 0,
            begun_at: 0,
            begun_by: String::new(),
            ended_at: 0,
            ended_by: String::new(),
            crew_told: 0,
            dept_told: 0,
            pid: 0,
            letter: String::new(),
            record: id.to_string(),
            moved_from: String::new(),
            news: false,
            version: 0,
        };
        let was = (HandoverWas::Nothing, &[][..]);
        self.crew_job(scope, (row, was), (Act::Start, "", sheet))
    }

    fn check_department(&self, to: &Ods) -> Result<(), Problem> {
        if to == self.organisation() {
            let message = "The receiver is this organisation itself.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        // A crew that rings now is better off than one whose handover waits.
        if self.book.has_ended(self.store.now()) {
            let message = "The network's directory has ended, so nothing can be sent from here now: ring them.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        if self.book.listed(to).is_none() {
            let message = format!(
                "{to} has no node in this network, so nothing can be sent to it from here: ring them."
            );
            return Err(Problem::new(Kind::NotFound, message));
        }
        Ok(())
    }

    /// A crew says what changed: the whole sheet as it now stands. `seen` is the number of the step that it was written upon.
    ///
    /// # Errors
    /// As `hand_over`; `NotFound`; `BusinessRule` if it was withdrawn; `Conflict` if somebody else has said something since.
    pub async fn update_handover(
        &self,
        scope: &Scope,
        (id, seen): (&str, u32),
        sheet: Sheet,
    ) -> Result<(), Problem> {
        Box::pin(async move {
            let (row, said) = self.own_handover(scope, id).await?;
            if row.crew_told != seen {
                let message = "Somebody else of the crew has just said something; look again.";
                return Err(Problem::new(Kind::Conflict, message));
            }
            self.crew_step(scope, (row, said), (Act::Update, ""), |standing| Sheet {
                // Whom it is about, and when they arrived, are said elsewhere.
                person: match standing.is_unknown() {
                    true => sheet.person,
                    false => standing.person,
                },
                arrived_at: standing.arrived_at,
                ..sheet
            })
            .await
        })
        .await
    }

    /// The crew is at the department: the clock starts.
    ///
    /// # Errors
    /// As `update_handover`; `BusinessRule` if it said so before.
    pub async fn crew_arrived(&self, scope: &Scope, id: &str) -> Result<(), Problem> {
        Box::pin(async move {
            let (row, said) = self.own_handover(scope, id).await?;
            if row.arrived_at > 0 {
                let message = "The crew has arrived already.";
                return Err(Problem::new(Kind::BusinessRule, message));
            }
            let now = self.store.now();
            self.crew_step(scope, (row, said), (Act::Arrive, ""), |standing| Sheet {
                arrived_at: Some(now),
                ..standing
            })
            .await
        })
        .await
    }

    /// The crew does not come.
    ///
    /// # Errors
    /// As `update_handover`; `Required` without a reason.
    pub async fn withdraw_handover(
        &self,
        scope: &Scope,
        id: &str,
        words: &str,
    ) -> Result<(), Problem> {
        check_words(words, "Say why you are not coming.")?;
        Box::pin(async move {
            let of = self.own_handover(scope, id).await?;
            self.crew_step(scope, of, (Act::Withdraw, words), |standing| standing)
                .await
        })
        .await
    }

    /// The crew goes to another department: withdrawn at the first and handed over to the second in one commit. Gives the new
    /// handover's id.
    ///
    /// # Errors
    /// As `withdraw_handover` and `hand_over`.
    pub async fn divert_handover(
        &self,
        scope: &Scope,
        (id, to): (&str, &Ods),
        words: &str,
    ) -> Result<String, Problem> {
        check_words(words, "Say why you go to another hospital.")?;
        Box::pin(self.diverted(scope, (id, to), words)).await
    }

    async fn diverted(
        &self,
        scope: &Scope,
        (id, to): (&str, &Ods),
        words: &str,
    ) -> Result<String, Problem> {
        let (row, said) = self.own_handover(scope, id).await?;
        if row.other == to.as_str() {
            let message = "You are on your way there already. Choose another hospital.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let standing = standing(&said).ok_or_else(gone)?.clone();
        let own = self.organisation();
        let number = row.crew_told.to_string();
        let next = Letter::parcel_id(&["divert", own.as_str(), id, to.as_str(), &number]);
        let new = NewHandover {
            patient: &row.patient.clone(),
            to,
            sheet: Sheet {
                arrived_at: None,
                due_at: None,
                ..standing.clone()
            },
            attempt: "",
        };
        let mut job = self.started(scope, new, &next).await?;
        let name = self.book.name(to.as_str());
        let words = format!("Diverted to {name}: {}", words.trim());
        let words: String = words.chars().take(WORDS_CHARS_MAX).collect();
        let known = sets(&said);
        let was = (HandoverWas::At(row.version), known.as_slice());
        let ended = self.crew_job(scope, (row, was), (Act::Withdraw, &words, standing))?;
        job.changes.extend(ended.changes);
        job.effects.extend(ended.effects);
        job.traces.extend(ended.traces);
        self.store.commit(&work(scope), job).await.map(|_| next)
    }

    /// A handover that was sent from here and is not withdrawn, with what was said of it.
    async fn own_handover(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<(Handover, Vec<HandoverText>), Problem> {
        if scope.interaction() != Interaction::HandOver {
            return Err(Problem::new(
                Kind::Forbidden,
                "This is not part of your role.",
            ));
        }
        let work = work(scope);
        let row = self.store.handover(&work, id).await?;
        let row = row.filter(|it| !it.inward).ok_or_else(gone)?;
        self.check_reach(scope, &row).await?;
        if row.state == HandoverState::Withdrawn {
            let message = "This handover was withdrawn. Write a new one.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        if row.crew_told >= STEPS_MAX {
            let message = "Too much was said of this handover. Tell the rest by voice.";
            return Err(Problem::new(Kind::BusinessRule, message));
        }
        let said = read(&self.store.handover_steps(&work, &row).await?);
        Ok((row, said))
    }

    /// Who does not see whom it is about does nothing about it.
    pub(super) async fn check_reach(&self, scope: &Scope, row: &Handover) -> Result<(), Problem> {
        if row.patient.is_empty() {
            return Ok(());
        }
        match self.store.read(scope, "Encounter", &row.record).await? {
            store::Reading::Found(_) => Ok(()),
            _ => Err(gone()),
        }
    }

    async fn crew_step(
        &self,
        scope: &Scope,
        (row, said): (Handover, Vec<HandoverText>),
        (act, words): (Act, &str),
        change: impl FnOnce(Sheet) -> Sheet,
    ) -> Result<(), Problem> {
        let sheet = change(standing(&said).ok_or_else(gone)?.clone());
        let known = sets(&said);
        let was = (HandoverWas::At(row.version), known.as_slice());
        let job = self.crew_job(scope, (row, was), (act, words, sheet))?;
        self.store.commit(&work(scope), job).await.map(|_| ())
    }

    /// The job of a step: the record, the row, the parcel that tells the department, the trace.
    fn crew_job(
        &self,
        scope: &Scope,
        (row, (was, known)): (Handover, (HandoverWas, &[Observations])),
        (act, words, sheet): (Act, &str, Sheet),
    ) -> Result<Job, Problem> {
        sheet.check()?;
        let by = by(scope);
        let step = HandoverText {
            act,
            handover: row.asked_as.clone(),
            number: row.crew_told.saturating_add(1),
            at: self.store.now(),
            by: by.who,
            role: by.role,
            words: words.trim().to_string(),
            sheet: Some(sheet.clone()),
        };
        let to = Ods::parse(&row.other)?;
        let sent = self.handover_parcel(&to, (sheet.person.clone(), &row.patient), &step)?;
        let row = with_sheet(row, &step, &sheet);
        let mut job = Job {
            changes: self.handover_changes(&row, &sheet, known)?,
            ..Job::default()
        };
        job.effects.push(sent);
        let about = (row.id.as_str(), row.patient.as_str());
        let what = Some(format!("act={}", act.code()));
        job.traces
            .push(line(scope, Interaction::HandOver, about, what));
        let kept = kept(&step, step.at)?;
        job.effects.push(written(row, was, Some(kept)));
        Ok(job)
    }

    /// The effect that accepts the parcel of a step.
    pub(super) fn handover_parcel(
        &self,
        to: &Ods,
        (named, patient): (PatientNamed, &str),
        step: &HandoverText,
    ) -> Result<Effect, Problem> {
        let number = step.number.to_string();
        let parts = [
            "handover",
            to.as_str(),
            &step.handover,
            step.act.code(),
            &number,
        ];
        let text = ParcelText {
            id: Letter::parcel_id(&parts),
            made_at: step.at,
            title: "Ambulance handover".into(),
            author: step.by.clone(),
            urgent: true,
            document: step.handover.clone(),
            patient: named,
            handover: Some(Box::new(step.clone())),
            ..ParcelText::of(ParcelKind::Handover, self.organisation(), to)
        };
        text.accepted(patient).map_err(|problem| {
            if problem.kind == Kind::TooLong {
                let message = "This is more than one sheet holds. Shorten what is written, and tell the rest by voice.";
                return Problem::new(Kind::TooLong, message);
            }
            problem
        })
    }
}

/// All that was measured, as far as it was said.
pub(super) fn sets(said: &[HandoverText]) -> Vec<Observations> {
    let sheets = said.iter().filter_map(|it| it.sheet.as_ref());
    sheets
        .flat_map(|it| it.observations.iter().cloned())
        .collect()
}

pub(super) fn check_words(words: &str, missing: &'static str) -> Result<(), Problem> {
    if words.trim().is_empty() {
        return Err(Problem::new(Kind::Required, missing));
    }
    if words.chars().count() > 500 {
        let message = "This is more than 500 characters.";
        return Err(Problem::new(Kind::TooLong, message));
    }
    Ok(())
}
