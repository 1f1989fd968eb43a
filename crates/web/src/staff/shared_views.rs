//! What the page of the shared record is given.

use serde::Serialize;

use crate::page::parts::{Label, Link, Person};
use crate::page::words::Moment;

#[derive(Serialize)]
pub struct SharedPage {
    pub back: Link,
    pub name: String,
    pub patient: Person,
    pub asked: Moment,
    /// Why nobody was asked.
    pub closed: Option<&'static str>,
    /// Why there is nobody to ask.
    pub alone: Option<&'static str>,
    /// Whether anybody else is a source.
    pub others: bool,
    /// Where the record is opened in an emergency.
    pub emergency: String,
    /// How much here is sealed from the reader, and where it is opened.
    pub sealed: u64,
    pub unseal: String,
    /// What was not asked for, since the patient does not want it seen here.
    pub without: String,
    pub restricted: bool,
    /// Whether there were more organisations than are asked.
    pub cut: bool,
    pub groups: Vec<SharedGroup>,
    pub sources: Vec<SharedSource>,
}

#[derive(Serialize)]
pub struct SharedGroup {
    pub title: &'static str,
    /// What is said where there are no rows.
    pub empty: &'static str,
    /// What may be missing, a sentence each.
    pub missing: Vec<String>,
    pub more: bool,
    pub rows: Vec<SharedRow>,
}

#[derive(Serialize)]
pub struct SharedRow {
    /// Of a letter: who holds it, and its id there.
    #[serde(skip)]
    pub letter: Option<(String, String)>,
    /// Where the letter is opened.
    pub href: Option<String>,
    pub what: String,
    pub detail: String,
    pub date: String,
    /// By whom it is held; the newest first.
    pub from: Vec<Badge>,
    /// When its source last changed it.
    pub updated: Option<Moment>,
    /// Whether its source is silent, and this is of before.
    pub stale: bool,
}

/// Whose something is.
#[derive(Serialize)]
pub struct Badge {
    pub name: String,
    /// It is this organisation's.
    pub own: bool,
}

#[derive(Serialize)]
pub struct SharedSource {
    pub name: String,
    /// It is this organisation.
    pub own: bool,
    pub state: Label,
    pub said: String,
    /// When it answered, or was waited for no longer.
    pub at: Option<Moment>,
    pub count: usize,
    /// Of what it withholds something.
    pub withheld: String,
    /// Of what it holds more than it gave.
    pub more: String,
}

impl SharedGroup {
    /// The same with a link to each letter; of a patient whose places are restricted without.
    pub fn with_letters(mut self, patient: &str, masked: bool) -> SharedGroup {
        for row in self.rows.iter_mut().filter(|_| !masked) {
            row.href = row.letter.as_ref().map(|(from, letter)| {
                format!("/staff/patient/{patient}/shared/letter?from={from}&letter={letter}")
            });
        }
        self
    }
}
