//! HL7 v2 messages translated to FHIR R4 resources.
//!
//! The mapping is data: HL7's published tables (message → segment → data type → code system,
//! <https://github.com/HL7/v2-to-fhir>, content CC0), distilled by `cargo xtask v2-tables`, with a
//! small layer of rows of our own (`tables/ours.json`) where the published ones are prose or UK
//! practice differs. This module interprets them.

use crate::message::Message;
use crate::time::{Millis, Zone};
use fhir::problem::{Kind, Problem};
use serde_json::Value;

/// What the translation must know beside the message.
#[derive(Debug, Clone)]
pub struct Context {
    /// When the message was received: stands in where the message gives no time of its own.
    pub received_at: Millis,
    /// The zone of times that name none.
    pub zone: Zone,
    /// The ODS code of the organisation whose node this is.
    pub organisation: String,
}

/// What to do with a resource of that id that is here already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The message tells all there is to tell: it replaces what is here.
    Replace,
    /// Elements that the message gives replace those here; others stay ([`merge::update`]).
    Update,
    /// What is here stays as it is.
    KeepExisting,
}

/// One resource made from a message.
#[derive(Debug, Clone)]
pub struct Made {
    /// The resource type.
    pub ty: String,
    /// The id: a digest of who names the thing and how, the same in every message about it.
    pub id: String,
    /// The resource, `id` included; references to others of the message are `Type/id`.
    pub resource: Value,
    /// How it meets one that is here already.
    pub merge: Merge,
    /// Top-level elements that the sender asks to remove (HL7's null, `""`).
    pub remove: Vec<String>,
}

/// One part of a letter's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// A MIME type, such as `text/plain; charset=utf-8` or `application/pdf`.
    pub content_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The id of the Binary that holds them.
    pub binary: String,
}

/// A letter that a document message (MDM) carries: what sending it on needs to know.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The id of the DocumentReference.
    pub document: String,
    /// The id of the Patient.
    pub patient: String,
    /// The NHS number, digits only, checked; `None` when the message has none that is sound.
    pub nhs_number: Option<String>,
    /// The patient's date of birth, `YYYY-MM-DD`.
    pub birth_date: Option<String>,
    /// The patient's family name.
    pub family: Option<String>,
    /// The patient's given names, separated by spaces.
    pub given: Option<String>,
    /// The ODS code of the practice the patient is registered with (PD1-4, else PD1-3).
    pub practice: Option<String>,
    /// What the letter is: TXA-25, else the document type's text.
    pub title: String,
    /// Whether the sender marks it urgent (TXA-18 aside; from OBR-27 or TXA-2's own words).
    pub urgent: bool,
    /// TXA-12, the sender's own number of the document.
    pub unique_id: String,
    /// TXA-13: the sender's number of the document that this one replaces.
    pub replaces: Option<String>,
    /// Whether TXA-17 says that somebody has authenticated it; only then is it sent on.
    pub authenticated: bool,
    /// The content, main part first; never empty.
    pub content: Vec<Content>,
}

/// What became of a message.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// The resources, those referred to before those that refer.
    pub resources: Vec<Made>,
    /// The letter, if the message carries one.
    pub letter: Option<Letter>,
    /// What became of every field that was sent.
    pub account: Vec<FieldAccount>,
}

/// What became of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldAccount {
    /// The place, such as `PID-3`.
    pub field: String,
    /// The line of the message, counted from 1.
    pub line: u32,
    /// Where its content went, or why it went nowhere.
    pub outcome: Outcome,
}

/// Where a field's content went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// To these elements.
    Mapped(Vec<String>),
    /// Nowhere, by this rule. (The raw message is kept, so nothing is lost.)
    Ignored(String),
}

/// Whether messages of this type and trigger event (MSH-9.1, MSH-9.2) can be translated.
pub fn supports(message_type: &str, trigger: &str) -> bool {
    matches!(
        (message_type, trigger),
        ("ADT", "A01" | "A03" | "A08") | ("ORU", "R01") | ("MDM", "T02")
    )
}

/// Translates a message. Errors are for people: they name what is missing and where.
pub fn map(_message: &Message, _context: &Context) -> Result<Mapped, Problem> {
    Err(Problem::new(
        Kind::NotSupported,
        "messages are not translated yet",
    ))
}
