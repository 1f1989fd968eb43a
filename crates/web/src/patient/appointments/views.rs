//! What the templates about appointments show.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::page::parts::{Fault, Label};
use crate::patient::record::views::Sources;

/// The texts of a language, by id.
pub type Texts = &'static BTreeMap<&'static str, String>;

/// `patient/appointments.jinja`
#[derive(Serialize)]
pub struct List {
    pub t: Texts,
    pub lang: &'static str,
    pub coming: Vec<Row>,
    /// What is said where none is to come.
    pub none: Option<&'static str>,
    pub past: Vec<Row>,
    /// What may be missing, a sentence each.
    pub missing: Vec<String>,
    /// Who was asked, and when they answered.
    pub sources: Sources,
    /// Where else appointments are, said honestly.
    pub note: String,
}

/// An appointment in a list.
#[derive(Serialize)]
pub struct Row {
    /// Its page, where it can be changed or cancelled; none for what only another organisation holds.
    pub href: Option<String>,
    pub when: String,
    /// What it is and with whom.
    pub what: String,
    /// Whose it is.
    pub place: String,
    pub state: Label,
    /// Who told it from elsewhere, and when.
    pub told: Option<String>,
    /// Where it is changed or cancelled, if not here.
    pub ring: Option<String>,
}

/// `patient/appointment.jinja`
#[derive(Serialize)]
pub struct One {
    pub t: Texts,
    pub lang: &'static str,
    pub done: Option<String>,
    pub errors: Vec<Fault>,
    pub when: String,
    pub kind: String,
    pub with: String,
    pub place: String,
    pub reason: String,
    pub state: Label,
    /// What that means, in a sentence.
    pub explain: Option<String>,
    pub id: String,
    /// Other times that it can be moved to.
    pub days: Vec<Day>,
    pub can_move: bool,
    pub can_cancel: bool,
    pub why: Vec<Why>,
    pub why_error: Option<String>,
    /// What was free instead of what was taken.
    pub next: Vec<Day>,
}

/// A reason to choose.
#[derive(Serialize)]
pub struct Why {
    pub value: &'static str,
    pub text: String,
}

/// `patient/book.jinja`
#[derive(Serialize)]
pub struct Book {
    pub t: Texts,
    pub lang: &'static str,
    pub errors: Vec<Fault>,
    pub reason: String,
    pub reason_error: Option<String>,
    pub sources: Vec<Source>,
    /// Back to the earliest.
    pub earliest: Option<&'static str>,
}

/// What one organisation offers, or why nothing is shown of it.
#[derive(Serialize)]
pub struct Source {
    pub place: String,
    pub days: Vec<Day>,
    pub note: Option<String>,
    /// It did not answer, or books nothing here.
    pub silent: Option<String>,
    pub empty: bool,
    /// With whom, to choose among.
    pub sorts: Vec<Sort>,
    pub later: Option<String>,
}

/// One sort of appointment with somebody.
#[derive(Serialize)]
pub struct Sort {
    pub href: String,
    pub text: String,
    pub current: bool,
}

/// The free times of one day.
#[derive(Serialize)]
pub struct Day {
    pub day: String,
    pub times: Vec<Time>,
}

/// A free time: what pressing it sends, and what it says.
#[derive(Serialize)]
pub struct Time {
    pub value: String,
    pub time: String,
    pub what: String,
}

/// `patient/book-check.jinja`
#[derive(Serialize)]
pub struct Check {
    pub t: Texts,
    pub lang: &'static str,
    pub title: String,
    pub when: String,
    pub kind: String,
    pub with: String,
    pub place: String,
    pub reason: String,
    pub whose: String,
    pub note: Option<String>,
    pub instead: Option<String>,
    pub choice: String,
    pub attempt: String,
    pub instead_of: String,
    pub button: String,
    pub back: String,
}

/// `patient/book-taken.jinja`
#[derive(Serialize)]
pub struct Taken {
    pub t: Texts,
    pub lang: &'static str,
    /// What the times below are.
    pub said: &'static str,
    pub days: Vec<Day>,
    pub reason: String,
    pub instead_of: String,
    /// Where what was asked for stands as not booked.
    pub stands: Option<String>,
}
