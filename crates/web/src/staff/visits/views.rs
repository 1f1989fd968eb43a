//! What the templates of visits show.

use serde::Serialize;

use crate::carried::record::Carried;
use crate::page::parts::{Done, Fault, Label, Person};
use crate::page::words::Moment;

/// `staff/visits.jinja`
#[derive(Serialize)]
pub struct List {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub day: String,
    pub day_said: String,
    pub whose: &'static str,
    pub everybody: bool,
    /// The same day of everybody, or of one alone.
    pub others: String,
    pub visits: Vec<Row>,
    pub more: bool,
    /// Whether the reader has visits here to take along.
    pub takes: bool,
    pub hours: &'static str,
    pub passphrase_error: Option<&'static str>,
    pub again_error: Option<&'static str>,
    pub hours_error: Option<&'static str>,
    pub packs: Vec<Pack>,
    pub more_packs: bool,
    pub held: Vec<Held>,
    pub more_held: bool,
}

/// A visit.
#[derive(Serialize)]
pub struct Row {
    pub href: Option<String>,
    pub time: String,
    pub patient: Person,
    pub lives: Vec<String>,
    pub what: String,
    pub nurse: String,
    pub state: Label,
}

/// A pack that is not back.
#[derive(Serialize)]
pub struct Pack {
    pub nurse: String,
    pub day: String,
    pub made: Moment,
    pub expires: Moment,
    pub expired: bool,
    pub heard: String,
    pub end: String,
}

/// Something that waits for a decision.
#[derive(Serialize)]
pub struct Held {
    pub href: String,
    pub patient: Person,
    pub author: String,
    pub happened: Moment,
    pub arrived: Moment,
    pub why: String,
}

/// The fields of a plan.
#[derive(Serialize)]
pub struct PlanFields {
    pub people: Vec<Choice>,
    pub more: bool,
    pub account_error: Option<&'static str>,
    pub day: String,
    pub time: String,
    pub day_error: Option<&'static str>,
    pub what: String,
    pub what_error: Option<&'static str>,
    pub access: String,
    pub access_error: Option<&'static str>,
}

/// One of several.
#[derive(Serialize)]
pub struct Choice {
    pub value: String,
    pub text: String,
    pub chosen: bool,
}

/// `staff/visit-new.jinja`
#[derive(Serialize)]
pub struct New {
    pub errors: Vec<Fault>,
    pub patient: Person,
    pub patient_id: String,
    pub attempt: String,
    pub form: PlanFields,
}

/// `staff/visit.jinja`
#[derive(Serialize)]
pub struct One {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    pub carried: Carried,
    pub record: String,
    pub when: String,
    pub what: String,
    pub access: String,
    pub nurse: String,
    pub state: Label,
    pub reason: String,
    pub entries: Vec<Entry>,
    pub more: bool,
    pub taken: Vec<Taken>,
    /// Whether it can still be changed.
    pub open: bool,
    pub action: String,
    pub version: String,
    pub form: PlanFields,
    pub why_error: Option<&'static str>,
}

/// Something that was written offline.
#[derive(Serialize)]
pub struct Entry {
    pub happened: Moment,
    pub arrived: Moment,
    pub author: String,
    pub by: String,
    pub state: Label,
    pub why: String,
    pub settled: String,
    /// Whether the patient's practice was told; empty where nobody was to be.
    pub practice: String,
    pub decide: Option<String>,
    pub told: Vec<(&'static str, String)>,
}

/// A pack that holds the visit.
#[derive(Serialize)]
pub struct Taken {
    pub nurse: String,
    pub made: Moment,
    pub back: bool,
}

/// `staff/visits-sync.jinja`
#[derive(Default, Serialize)]
pub struct Sync {
    pub errors: Vec<Fault>,
    pub refused: Option<String>,
    pub came: Option<Came>,
}

/// What came of a file.
#[derive(Serialize)]
pub struct Came {
    pub nurse: String,
    pub landed: usize,
    pub before: usize,
    pub held: usize,
    pub waiting: i64,
    pub told: Vec<Practices>,
}

/// Whom letters went to, or why none did, and of how many entries that holds.
#[derive(Serialize)]
pub struct Practices {
    pub text: String,
    pub entries: usize,
}

/// `staff/visit-entry.jinja`
#[derive(Serialize)]
pub struct Decide {
    pub errors: Vec<Fault>,
    pub held: bool,
    pub can_put_in: bool,
    pub came: Entry,
    pub here: Option<Here>,
    pub others: Vec<Entry>,
    pub version: String,
    pub action: String,
    pub why: String,
    pub why_error: Option<&'static str>,
}

/// The visit as it stands here.
#[derive(Serialize)]
pub struct Here {
    pub href: String,
    pub patient: Person,
    pub when: String,
    pub what: String,
    pub access: String,
    pub nurse: String,
    pub state: Label,
    pub reason: String,
}
