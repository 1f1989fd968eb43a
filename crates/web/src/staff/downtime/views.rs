//! What the templates of downtime show.

use serde::Serialize;

use crate::page::parts::{Done, Fault};
use crate::page::words::Moment;

/// `staff/downtime.jinja`
#[derive(Serialize)]
pub struct Downtime {
    pub done: Option<Done>,
    pub errors: Vec<Fault>,
    /// Whether packs are written here.
    pub on: bool,
    /// What is wrong with them.
    pub stuck: Option<String>,
    pub last: Option<Last>,
    pub events: Vec<Event>,
    pub more: bool,
    pub pack: String,
    pub note: String,
    pub kind_error: Option<&'static str>,
    pub pack_error: Option<&'static str>,
}

/// The pack that was written last.
#[derive(Serialize)]
pub struct Last {
    pub made: Moment,
    pub by: String,
    pub patients: i64,
    pub left_out: String,
}

/// What somebody did with a pack.
#[derive(Serialize)]
pub struct Event {
    pub at: Moment,
    pub what: &'static str,
    pub pack: String,
    pub who: String,
    pub note: String,
}

/// `staff/downtime-paper.jinja`
#[derive(Serialize)]
pub struct Paper {
    pub errors: Vec<Fault>,
    pub attempt: String,
    pub who: Vec<Field>,
    pub measured: Vec<Field>,
    pub given: Vec<Field>,
    pub note: String,
    pub note_error: Option<&'static str>,
}

/// A field of one line.
#[derive(Serialize)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub value: String,
    pub error: Option<&'static str>,
}
