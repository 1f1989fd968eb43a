//! A message that is older than what is here of a patient or a visit: what it says is not written over what was said later, and a
//! person is told what was not applied.

use std::collections::BTreeSet;

use hl7v2::to_fhir::Made;
use hl7v2::to_fhir::said::Met;
use store::Change;
use store::hl7_inbox::{Hl7Write, WorkNote};

use super::post::note;

/// Elements that are named; how many there are beyond is said.
const NAMED_MAX: usize = 12;

/// What comes of one resource of a message.
#[derive(Default)]
pub(super) struct Meeting {
    pub change: Option<Change>,
    /// What is kept of when its elements were said, where that is new.
    pub said: Option<Hl7Write>,
    /// `Encounter.status` and the like, of which something newer stands here.
    overtaken: Vec<String>,
}

impl Meeting {
    /// How an ordered resource met the one that is here; `before` is what was kept of when its elements were said.
    pub(super) fn of(made: &Made, before: &str, met: &Met) -> Meeting {
        let said = met.said.write();
        let overtaken = met.overtaken.iter().map(|it| format!("{}.{it}", made.ty));
        Meeting {
            change: None,
            overtaken: overtaken.collect(),
            said: (said != before).then(|| Hl7Write::Said {
                reference: reference(made),
                before: before.to_owned(),
                said,
            }),
        }
    }
}

/// `Type/id`
pub(super) fn reference(made: &Made) -> String {
    format!("{}/{}", made.ty, made.id)
}

/// Whether how the visit stands was said later by another message: what this one takes back is no more.
pub(super) fn is_overtaken(meetings: &[Meeting]) -> bool {
    let mut all = meetings.iter().flat_map(|it| &it.overtaken);
    all.any(|it| it == "Encounter.status" || it == "Encounter.period.end")
}

/// What a person is told of it: names of elements, no content.
pub(super) fn note_of(meetings: &[Meeting]) -> Option<WorkNote> {
    let all: BTreeSet<&str> = meetings
        .iter()
        .flat_map(|it| it.overtaken.iter().map(String::as_str))
        .collect();
    if all.is_empty() {
        return None;
    }
    let mut named: Vec<&str> = all.iter().copied().take(NAMED_MAX).collect();
    let more = format!("{} more", all.len().saturating_sub(NAMED_MAX));
    if all.len() > NAMED_MAX {
        named.push(&more);
    }
    Some(note(
        format!(
            "An older message came after a newer one about the same patient or visit (by EVN-2, else MSH-7). What the newer one \
             said stands, and this was not applied: {}. What only the older one said was added.",
            named.join(", ")
        ),
        "Nothing, if the newer one is right. If not, ask the sender to send how it stands once more (A08).",
    ))
}

/// Two notes of one message as one.
pub(super) fn both(first: Option<WorkNote>, second: Option<WorkNote>) -> Option<WorkNote> {
    match (first, second) {
        (Some(first), Some(second)) => Some(WorkNote {
            reason: format!("{} {}", first.reason, second.reason),
            next_step: format!("{} {}", first.next_step, second.next_step),
        }),
        (first, second) => first.or(second),
    }
}
