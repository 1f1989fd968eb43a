//! Ambulance crews' handovers to emergency departments (`docs/protocol/exchange.md`, section 17; decision 240). Each step of a
//! crew is a parcel of kind `handover` with the whole sheet as it then stands, so that steps may come in any order: the highest
//! number stands. That the department has opened it, and who has taken over, the crew learns by the parcel's signed receipts.
//!
//! Invariant: an older sheet never stands in a newer one's place, and what was measured longer ago is never the newest.
//! Invariant: received is what a named clinician's receipt says, and nothing else: neither sent nor delivered is seen.

mod crew;
mod department;
mod letter;
mod moving;
pub mod news2;
mod resource;
mod take;
#[cfg(test)]
mod tests;
mod text;

use access::{AuditEntry, Interaction, Outcome, Scope, SystemPurpose, Target};
use fhir::date::Millis;
use fhir::problem::{Kind, Problem};
use store::handovers::{
    By, Handover, HandoverState, HandoverStep, HandoverWas, HandoverWrite, StepSide,
};
use store::{Change, Effect, Release};

use crate::exchange::Exchange;
use crate::letter::Letter;
use resource::Of;

pub use crew::NewHandover;
pub use text::{
    Act, Consciousness, HandoverText, NAME_CHARS_MAX, OBSERVATIONS_MAX, Observations, Sheet,
    TREATMENTS_MAX, Treatment, WORDS_CHARS_MAX,
};

/// In the place of a letter's id: why the practice is not written to.
pub const NO_PRACTICE: &str = "no-practice";
/// How often something is looked at anew because somebody else came between.
const TRIES_MAX: usize = 8;
const DAY_MILLIS: Millis = 86_400_000;

/// The node's own work, for the request at hand; who may have it done is decided before.
fn work(scope: &Scope) -> Scope {
    Scope::system(SystemPurpose::KeepHandovers).for_request(scope.request_id())
}

fn gone() -> Problem {
    let message = "There is no such handover here, or it is withheld.";
    Problem::new(Kind::NotFound, message)
}

/// The handover's id here, of one that came from somebody.
fn id_here(sender: &str, asked_as: &str) -> String {
    Letter::parcel_id(&["handover-from", sender, asked_as])
}

/// The steps of a handover as they were sent, in order of their numbers, the crew's first.
pub fn read(steps: &[HandoverStep]) -> Vec<HandoverText> {
    let text = |it: &HandoverStep| serde_json::from_str::<HandoverText>(&it.text).ok();
    steps.iter().filter_map(text).collect()
}

/// The sheet that stands: that of the crew's highest number.
pub fn standing(said: &[HandoverText]) -> Option<&Sheet> {
    let sheets = said.iter().filter(|it| it.sheet.is_some());
    sheets.max_by_key(|it| it.number)?.sheet.as_ref()
}

/// A step as it is kept.
fn kept(step: &HandoverText, came_at: Millis) -> Result<Box<HandoverStep>, Problem> {
    let text = serde_json::to_string(step).map_err(|cause| {
        Problem::new(Kind::Exception, "A step could not be written.").because(cause)
    })?;
    Ok(Box::new(HandoverStep {
        side: match step.act.is_departments() {
            true => StepSide::Department,
            false => StepSide::Crew,
        },
        number: step.number,
        said_at: step.at,
        came_at,
        text,
    }))
}

fn written(handover: Handover, was: HandoverWas, step: Option<Box<HandoverStep>>) -> Effect {
    Effect::Handover(HandoverWrite::Put {
        handover: Box::new(handover),
        was,
        step,
    })
}

/// The log's line for a step.
fn line(
    scope: &Scope,
    action: Interaction,
    (id, patient): (&str, &str),
    query: Option<String>,
) -> AuditEntry {
    let target = Target {
        ty: "Encounter".into(),
        id: (!id.is_empty()).then(|| id.to_string()),
        patient: (!patient.is_empty()).then(|| patient.to_string()),
        query: query.map(Into::into),
        ..Target::default()
    };
    scope.trace(action, Outcome::Success, target)
}

/// Who takes a step.
fn by(scope: &Scope) -> By {
    let agent = scope.agent();
    By {
        who: agent.name.chars().take(NAME_CHARS_MAX).collect(),
        role: agent.role.clone().unwrap_or_default().into_owned(),
        account: agent.account,
    }
}

/// How it stands by a sheet, while nothing of the department says otherwise.
fn stands(act: Act, sheet: &Sheet) -> HandoverState {
    match act {
        Act::Withdraw | Act::Close => HandoverState::Withdrawn,
        _ if sheet.arrived_at.is_some() => HandoverState::Arrived,
        _ => HandoverState::Coming,
    }
}

/// A row with what the newest sheet says.
fn with_sheet(row: Handover, step: &HandoverText, sheet: &Sheet) -> Handover {
    let state = match (stands(step.act, sheet), row.state) {
        // What was taken over stays so, whatever the crew says later.
        (_, HandoverState::Received) => HandoverState::Received,
        (HandoverState::Withdrawn, _) => HandoverState::Withdrawn,
        (_, HandoverState::Begun) => HandoverState::Begun,
        (state, _) => state,
    };
    let is_over = state == HandoverState::Withdrawn && row.state != HandoverState::Withdrawn;
    Handover {
        state,
        pre_alert: sheet.pre_alert,
        weight: news2::weight(sheet.newest(), sheet.age_at(step.at)),
        due_at: sheet.due_at.unwrap_or_default(),
        arrived_at: sheet.arrived_at.unwrap_or_default(),
        ended_at: if is_over { step.at } else { row.ended_at },
        ended_by: if is_over {
            step.by.clone()
        } else {
            row.ended_by.clone()
        },
        crew_told: step.number,
        ..row
    }
}

/// A row with what the department says. Who does not wait any longer waits again for a crew that says something new.
fn by_department(row: &Handover, step: &HandoverText) -> Handover {
    let mut next = Handover {
        dept_told: step.number,
        news: false,
        ..row.clone()
    };
    if !row.state.is_open() || step.act == Act::Move {
        return next;
    }
    if step.act == Act::Close {
        next.state = HandoverState::Withdrawn;
        (next.ended_at, next.ended_by) = (step.at, step.by.clone());
    } else {
        next.state = HandoverState::Begun;
        (next.begun_at, next.begun_by) = (step.at, step.by.clone());
    }
    next
}

impl Exchange {
    /// What is written of a handover about a patient: as it stands, and what was measured that was not before.
    fn handover_changes(
        &self,
        row: &Handover,
        sheet: &Sheet,
        known: &[Observations],
    ) -> Result<Vec<Change>, Problem> {
        if row.patient.is_empty() {
            return Ok(Vec::new());
        }
        self.written_of(row, |of| {
            resource::changes(of, sheet, (row.state, row.ended_at), known)
        })
    }

    /// What is made of a handover, by where it stands.
    fn written_of(
        &self,
        row: &Handover,
        make: impl FnOnce(&Of<'_>) -> Result<Vec<Change>, Problem>,
    ) -> Result<Vec<Change>, Problem> {
        let own = self.organisation();
        let other = access::Ods::parse(&row.other)?;
        let names = (self.book.name(own.as_str()), self.book.name(&row.other));
        let (here, there) = ((own, names.0.as_str()), (&other, names.1.as_str()));
        let (crew, department) = match row.inward {
            true => (there, here),
            false => (here, there),
        };
        let days = i64::from(self.settings.release_after_days);
        let of = Of {
            id: &row.record,
            asked_as: &row.asked_as,
            patient: &row.patient,
            crew,
            department,
            own,
            release: Release::At(row.made_at.saturating_add(days * DAY_MILLIS)),
            made_at: row.made_at,
            inward: row.inward,
        };
        make(&of)
    }
}
