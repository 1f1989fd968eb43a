//! What the templates about the diary show.

use serde::Serialize;

use crate::page::parts::{Done, Fault, Label, Link, Person};

/// `staff/slots.jinja`
#[derive(Serialize)]
pub struct Slots {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    /// `2026-01-05`, and in words.
    pub day: String,
    pub day_words: String,
    pub today: String,
    pub before: String,
    pub after: String,
    pub rows: Vec<SlotRow>,
    /// Why no slots are published here.
    pub closed: Option<&'static str>,
    /// The way to other organisations' free appointments.
    pub there: Option<String>,
    /// The task to book that somebody is at.
    pub task: Option<ForTask>,
    pub form: SessionForm,
}

/// For whom, and why, somebody looks for a slot.
#[derive(Serialize)]
pub struct ForTask {
    pub patient: Person,
    pub what: String,
    pub href: String,
    /// Only slots of that kind are shown.
    pub only: Option<String>,
    /// Where all are.
    pub all: String,
}

/// One slot of a day.
#[derive(Serialize)]
pub struct SlotRow {
    pub id: String,
    pub time: String,
    pub kind: String,
    pub with: String,
    pub who_may: &'static str,
    pub state: Label,
    /// For whom it is booked, as far as shown.
    pub patient: Option<String>,
    pub patient_href: Option<String>,
    /// The organisation that booked it, if another.
    pub by: Option<String>,
    pub book: Option<String>,
    /// What can be done with it: word and text.
    pub actions: Vec<SlotAction>,
    pub can_cancel: bool,
}

/// A button.
#[derive(Serialize)]
pub struct SlotAction {
    pub word: &'static str,
    pub text: &'static str,
}

/// The session to publish, as it was typed.
#[derive(Default, Serialize)]
pub struct SessionForm {
    pub date: String,
    pub from: String,
    pub until: String,
    pub minutes: String,
    pub with: String,
    pub kind: String,
    pub who_may: String,
    /// The field at fault, and what is wrong with it.
    pub fault: String,
    pub fault_text: String,
}

/// `staff/slots-there.jinja`
#[derive(Serialize)]
pub struct There {
    pub taken: Option<Taken>,
    pub sources: Vec<ThereSource>,
}

/// What somebody else had a moment before.
#[derive(Serialize)]
pub struct Taken {
    pub name: String,
    pub when: String,
    /// What was free instead.
    pub next: Vec<ThereRow>,
}

/// What one organisation offers.
#[derive(Serialize)]
pub struct ThereSource {
    pub name: String,
    pub silent: Option<String>,
    pub rows: Vec<ThereRow>,
}

/// A free appointment there.
#[derive(Serialize)]
pub struct ThereRow {
    pub when: String,
    pub kind: String,
    pub with: String,
    pub book: String,
}

/// `staff/slot-book.jinja`
#[derive(Serialize)]
pub struct SlotBook {
    pub errors: Vec<Fault>,
    pub back: Link,
    pub when: String,
    pub what: String,
    pub place: String,
    pub note: Option<String>,
    pub action: String,
    pub attempt: String,
    /// The task that is done with the booking; empty for none.
    pub task: String,
    pub nhs_number: String,
    pub born: String,
    pub family: String,
    pub reason: String,
    pub error: Option<String>,
}
