//! Letters in messages, on their way to the patient's practice.

use access::{NhsNumber, Ods};
use fhir::problem::{Kind, Problem};
use hl7v2::apart::Apart;
use hl7v2::to_fhir;
use store::Effect;
use store::hl7_inbox::WorkNote;
use store::parcels::{Large, ParcelWrite};

use super::Plan;
use crate::manifest::Mark;
use crate::{Exchange, Letter, LetterContent};

/// What makes a parcel of a letter.
pub trait Post: Send + Sync {
    /// The effect that accepts the letter for delivery, with contents behind its own that are here in pieces, by their types.
    ///
    /// # Errors
    /// `NotFound` if no such organisation can be sent to; `BusinessRule` if it is this one.
    fn send(&self, letter: Letter, large: &[(String, Large)]) -> Result<Effect, Problem>;
}

impl Post for Exchange {
    fn send(&self, letter: Letter, large: &[(String, Large)]) -> Result<Effect, Problem> {
        self.send_large_letter(letter, large)
    }
}

/// What becomes of a message's letter: an effect that sends it, or a note on why it is not sent.
pub(super) fn post(
    plan: &Plan,
    mapped: &to_fhir::Mapped,
    (organisation, post): (&Ods, &dyn Post),
) -> (Option<Effect>, Option<WorkNote>) {
    let Some(letter) = &mapped.letter else {
        return (None, None);
    };
    if letter.cancelled {
        return match letter.unique_id.is_empty() {
            true => (None, Some(taken_back())),
            false => (Some(cancel(organisation, letter)), None),
        };
    }
    // A notification tells of a document without carrying it.
    if letter.content.is_empty() {
        return (None, None);
    }
    let addressed = match address(letter) {
        Ok(addressed) => addressed,
        Err(note) => return (None, Some(note)),
    };
    let practice = addressed.0.clone();
    let large = large(letter, organisation);
    match post.send(parcel(plan, mapped, letter, addressed), &large) {
        Ok(effect) => (Some(effect), None),
        // A letter to one's own organisation is where it should be.
        Err(problem) if problem.kind == Kind::BusinessRule => (None, None),
        Err(problem) if problem.kind == Kind::NotFound => {
            let reason = format!(
                "The letter was kept but not sent: the practice {practice} is not in the directory."
            );
            let next = "Send it by the way used so far. When the practice has joined, map the \
                        message again.";
            (None, Some(note(reason, next)))
        }
        Err(problem) => {
            let reason = format!("The letter was kept but not sent: {}", problem.message);
            (
                None,
                Some(note(
                    reason,
                    "Have it looked at; then map the message again.",
                )),
            )
        }
    }
}

/// Calls back what was sent of a document that its own system has cancelled (MDM^T11). About what has left by fax or by MESH
/// the work list says whom to ring.
fn cancel(organisation: &Ods, letter: &to_fhir::Letter) -> Effect {
    Effect::Parcel(ParcelWrite::Cancel {
        sender: organisation.clone(),
        document_number: letter.unique_id.clone(),
        patient: letter.patient.clone(),
        reason: "The system that wrote the letter has cancelled it (MDM^T11).".into(),
    })
}

/// The sender has cancelled a document that has no number (MDM^T11).
fn taken_back() -> WorkNote {
    note(
        "The sender has taken the document back (MDM^T11). It is marked as an error here.",
        "If it was sent on, look it up among the sent letters and tell the practice that it does not \
         hold.",
    )
}

/// The contents that stand beside the message, by their types.
fn large(letter: &to_fhir::Letter, organisation: &Ods) -> Vec<(String, Large)> {
    let one = |content: &to_fhir::Content| {
        let apart = content.apart.as_ref()?;
        Some((content.content_type.clone(), kept(apart, organisation)))
    };
    letter.content.iter().filter_map(one).collect()
}

/// Where a document is that stands beside its message.
pub(super) fn kept(apart: &Apart, organisation: &Ods) -> Large {
    Large {
        sender: organisation.clone(),
        sha256: apart.sha256.clone(),
        size: apart.size,
    }
}

type Addressed = (Ods, NhsNumber);

/// Where the letter goes and whose it is, or why that cannot be said.
fn address(letter: &to_fhir::Letter) -> Result<Addressed, WorkNote> {
    let kept = |why: &str, next: &str| {
        Err(note(
            format!("The letter was kept but not sent: {why}"),
            next,
        ))
    };
    if !letter.authenticated {
        return kept(
            "it is not authenticated yet (TXA-17).",
            "Nothing, if the sender sends the authenticated document later; else ask for it.",
        );
    }
    let Some(practice) = letter.practice.as_deref() else {
        return kept(
            "the message names no registered practice (PD1-4).",
            "Find the patient's practice and send the letter by hand, or ask the sender to fill \
             PD1-4 and send again.",
        );
    };
    let Ok(practice) = Ods::parse(practice) else {
        return kept(
            "what PD1-4 holds is no ODS code.",
            "Ask the sender to put the practice's ODS code into PD1-4 and send again.",
        );
    };
    let number = letter.nhs_number.as_deref().map(NhsNumber::parse);
    let Some(Ok(number)) = number else {
        return kept(
            "the message holds no sound NHS number (PID-3).",
            "Trace the patient's NHS number, have the sender's record mended, and send again.",
        );
    };
    if letter.birth_date.is_none() || letter.family.is_none() {
        return kept(
            "the date of birth (PID-7) or family name (PID-5) is missing, without which the \
             practice cannot match the patient.",
            "Have the sender's record mended, and send again.",
        );
    }
    Ok((practice, number))
}

fn parcel(
    plan: &Plan,
    mapped: &to_fhir::Mapped,
    letter: &to_fhir::Letter,
    (to, number): Addressed,
) -> Letter {
    // The same message gives the same parcel, however often it is mapped.
    let number_here = plan.waiting.number.to_string();
    let id = Letter::parcel_id(&["hl7v2", &number_here, &letter.document]);
    // What the sender restricts must not reach the patient's page by a rule of days.
    let marks = if letter.restricted {
        vec![Mark::SeriousHarm]
    } else {
        Vec::new()
    };
    let here = letter.content.iter().filter(|it| it.apart.is_none());
    let contents = here.map(|content| LetterContent {
        content_type: content.content_type.clone(),
        bytes: content.bytes.clone(),
    });
    Letter {
        id,
        to,
        made_at: plan.waiting.received_at,
        title: letter.title.clone(),
        author: author(mapped).unwrap_or_default(),
        urgent: letter.urgent,
        marks,
        document_number: letter.unique_id.clone(),
        replaces: letter.replaces.clone(),
        nhs_number: Some(number),
        birth_date: letter.birth_date.clone(),
        family: letter.family.clone().unwrap_or_default(),
        given: letter.given.clone().unwrap_or_default(),
        contents: contents.collect(),
        patient: letter.patient.clone(),
        document: letter.document.clone(),
    }
}

/// The letter's author, as shown.
fn author(mapped: &to_fhir::Mapped) -> Option<String> {
    let document = mapped
        .resources
        .iter()
        .find(|made| made.ty == "DocumentReference")?;
    let author = document.resource.get("author")?.get(0)?;
    author.get("display")?.as_str().map(str::to_owned)
}

pub(super) fn note(reason: impl Into<String>, next_step: impl Into<String>) -> WorkNote {
    WorkNote {
        reason: reason.into(),
        next_step: next_step.into(),
    }
}
