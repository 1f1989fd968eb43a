//! What comes: a crew's step puts a row onto the board, whoever it is about; the department's step tells the crew.

use access::{AuditEntry, Interaction, Scope};
use fhir::problem::{Kind, Problem};
use store::Effect;
use store::Job;
use store::handovers::{Handover, HandoverState, HandoverWas, HandoverWrite};
use store::parcels::ToTakeIn;

use super::crew::sets;
use super::text::{HandoverText, Sheet};
use super::{TRIES_MAX, by_department, id_here, kept, line, read, standing, with_sheet, written};
use crate::exchange::Exchange;

impl Exchange {
    /// Takes in a parcel of kind `handover`. Nothing of it waits for somebody to say whose it is: the board shows it at once,
    /// and without a record where nobody here fits.
    pub(crate) async fn take_handover(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        step: &HandoverText,
    ) -> Result<(), Problem> {
        for _ in 0..TRIES_MAX {
            let job = match &step.sheet {
                Some(sheet) => self.crew_came(scope, parcel, (step, sheet)).await?,
                None => self.department_came(scope, parcel, step).await?,
            };
            match self.store.commit(scope, job).await {
                Err(problem) if problem.came_between() => {}
                done => return done.map(|_| ()),
            }
        }
        let message = "Others are changing the same handover; look again.";
        Err(Problem::new(Kind::Conflict, message))
    }

    async fn crew_came(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        (step, sheet): (&HandoverText, &Sheet),
    ) -> Result<Job, Problem> {
        let id = id_here(parcel.sender.as_str(), &step.handover);
        let now = self.store.now();
        let known = self.store.handover(scope, &id).await?;
        let was = match &known {
            Some(row) => HandoverWas::At(row.version),
            None => HandoverWas::Nothing,
        };
        let said = match &known {
            Some(row) => read(&self.store.handover_steps(scope, row).await?),
            None => Vec::new(),
        };
        let mut job = Job::default();
        let was_open = known.as_ref().is_some_and(|it| it.state.is_open());
        let mut row = known.unwrap_or_else(|| new_row(&id, parcel, step));
        let is_newer = step.number > row.crew_told;
        if is_newer {
            row = with_sheet(row, step, sheet);
        }
        // What was measured before anybody knew whose it was is written when that is known.
        let before = match row.patient.is_empty() {
            true => Vec::new(),
            false => sets(&said),
        };
        let is_found = row.patient.is_empty() && self.find_person(scope, parcel, &mut row).await?;
        if is_newer || is_found {
            let stands = match is_newer {
                true => sheet,
                false => standing(&said).unwrap_or(sheet),
            };
            job.changes = self.handover_changes(&row, stands, &before)?;
        }
        if is_newer && row.state == HandoverState::Withdrawn && was_open {
            job.effects
                .push(Effect::Handover(HandoverWrite::Tell { pid: row.pid }));
        }
        row.news |= is_newer;
        let patient = row.patient.clone();
        job.traces
            .push(came(scope, parcel, (&row.record, &patient)));
        job.effects.push(written(row, was, Some(kept(step, now)?)));
        let pid = parcel.pid;
        let taken = HandoverWrite::TakenIn { pid, patient };
        job.effects.push(Effect::Handover(taken));
        Ok(job)
    }

    /// Looks for the one here whom number, date of birth and family name fit; a number alone finds nobody.
    async fn find_person(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        row: &mut Handover,
    ) -> Result<bool, Problem> {
        if parcel.named.nhs_number.is_none() {
            return Ok(false);
        }
        if let Ok(patient) = self.whose(scope, parcel).await? {
            row.patient = patient;
        }
        Ok(!row.patient.is_empty())
    }

    /// The department has begun to take over.
    async fn department_came(
        &self,
        scope: &Scope,
        parcel: &ToTakeIn,
        step: &HandoverText,
    ) -> Result<Job, Problem> {
        let known = self.store.handover(scope, &step.handover).await?;
        let known = known.filter(|it| !it.inward && it.other == parcel.sender.as_str());
        let Some(row) = known else {
            let message = "It is about a handover that is not between this sender and us.";
            return Err(Problem::new(Kind::Value, message));
        };
        let was = HandoverWas::At(row.version);
        let mut next = row.clone();
        if step.number > row.dept_told {
            next = by_department(&row, step);
            next.news = true;
            // It is for the crew to say whether it comes.
            if next.state == HandoverState::Withdrawn {
                next.state = row.state;
                (next.ended_at, next.ended_by) = (row.ended_at, row.ended_by.clone());
            }
        }
        let mut job = Job::default();
        let said = read(&self.store.handover_steps(scope, &row).await?);
        if let Some(sheet) = standing(&said).filter(|_| next.state != row.state) {
            job.changes = self.handover_changes(&next, sheet, &sets(&said))?;
        }
        let patient = row.patient.clone();
        job.traces.push(came(scope, parcel, (&row.id, &patient)));
        let now = self.store.now();
        job.effects.push(written(next, was, Some(kept(step, now)?)));
        let pid = parcel.pid;
        let taken = HandoverWrite::TakenIn { pid, patient };
        job.effects.push(Effect::Handover(taken));
        Ok(job)
    }
}

fn new_row(id: &str, parcel: &ToTakeIn, step: &HandoverText) -> Handover {
    Handover {
        id: id.to_string(),
        inward: true,
        other: parcel.sender.to_string(),
        asked_as: step.handover.clone(),
        patient: String::new(),
        state: HandoverState::Coming,
        pre_alert: false,
        weight: 0,
        made_at: parcel.received_at,
        due_at: 0,
        arrived_at: 0,
        begun_at: 0,
        begun_by: String::new(),
        ended_at: 0,
        ended_by: String::new(),
        crew_told: 0,
        dept_told: 0,
        pid: parcel.pid,
        letter: String::new(),
        record: id.to_string(),
        moved_from: String::new(),
        news: true,
        version: 0,
    }
}

fn came(scope: &Scope, parcel: &ToTakeIn, about: (&str, &str)) -> AuditEntry {
    let query = Some(format!("parcel={}/{}", parcel.sender, parcel.id));
    line(scope, Interaction::System, about, query)
}
