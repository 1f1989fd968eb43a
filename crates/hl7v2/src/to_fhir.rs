//! HL7 v2 messages translated to FHIR R4 resources.
//!
//! The mapping is data: HL7's published tables (message → segment → data type → code system,
//! <https://github.com/HL7/v2-to-fhir>, content CC0), distilled by `cargo xtask v2-tables`, with a
//! small layer of rows of our own (`tables/ours.json`) where the published ones are prose or UK
//! practice differs. This module interprets them.

mod appointment;
mod build;
mod condition;
mod content;
mod convert;
mod draft;
mod finish;
mod identity;
mod interpret;
mod ledger;
mod letter;
mod linking;
mod mapping;
pub mod merge;
pub mod names;
mod path;
mod provenance;
pub mod said;
mod shape;
mod show;
mod structure;
pub mod tables;

pub use mapping::{Layer, Mapping};
pub use show::show;

use crate::apart::Apart;
use crate::header::{Header, header};
use crate::message::Message;
use crate::time::{Millis, Zone};
use build::Build;
use fhir::problem::{Kind, Problem};
use interpret::Interpreter;
use ledger::Ledger;
use serde_json::Value;
use std::cell::RefCell;

/// What the translation must know beside the message.
#[derive(Debug, Clone)]
pub struct Context {
    /// When the message was received: stands in where the message gives no time of its own.
    pub received_at: Millis,
    /// The zone of times that name none.
    pub zone: Zone,
    /// The ODS code of the organisation whose node this is.
    pub organisation: String,
    /// What to do with a message that does not say who the patient is.
    pub unidentified: Unidentified,
}

/// What to do with a message that does not say who the patient is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unidentified {
    /// It is not translated: a person has to look at it.
    Refuse,
    /// Its patient stands apart, known by the message alone: for checking and showing a mapping,
    /// never for keeping.
    StandApart,
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

/// How a message changes lists of which it does not tell the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Members {
    /// What it names is added, or stands in the place of the same that is there.
    Come,
    /// What it names is taken away; the resource must be here.
    Go,
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
    /// Elements that the sender asks to remove: top-level ones (HL7's null, `""`), and parts of one
    /// (`period.end`).
    pub remove: Vec<String>,
    /// Top-level elements that only a resource that is not here yet takes: FHIR requires them and
    /// the message says nothing of them.
    pub only_if_new: Vec<String>,
    /// References (`Patient/…`) whose links are to be taken from `Patient.link`; links that the
    /// resource holds are added to those that are here.
    pub unlink: Vec<String>,
    /// Whether the message tells of some members only of a booking's services and participants.
    pub members: Option<Members>,
    /// Whether an older message's must not be written over a newer one's: it is met by [`said::update`].
    pub is_ordered: bool,
}

impl Made {
    /// A resource with an id.
    fn new(ty: &str, id: &str, resource: Value, merge: Merge) -> Made {
        Made {
            ty: ty.to_owned(),
            id: id.to_owned(),
            resource,
            merge,
            remove: Vec::new(),
            only_if_new: Vec::new(),
            unlink: Vec::new(),
            members: None,
            is_ordered: false,
        }
    }

    /// Whether it can meet what is here, which may be nothing.
    ///
    /// # Errors
    /// `NotFound` if something of it goes, and it is not here.
    pub fn may_meet(&self, existing: Option<&Value>) -> Result<(), Problem> {
        if self.members != Some(Members::Go) || existing.is_some() {
            return Ok(());
        }
        let message = "The appointment of which a service or participant goes is not here.";
        Err(Problem::new(Kind::NotFound, message).at("SCH-2"))
    }
}

/// One part of a letter's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// A MIME type, such as `text/plain; charset=utf-8` or `application/pdf`.
    pub content_type: String,
    /// The bytes; none of a document that stands beside the message.
    pub bytes: Vec<u8>,
    /// Where it stands beside the message, and its Binary has no data.
    pub apart: Option<Apart>,
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
    /// Whether the order that the message carries (ORC, OBR, TQ1) is urgent; MDM itself has no
    /// priority.
    pub urgent: bool,
    /// TXA-12, the sender's own number of the document, with who assigned it and the facility:
    /// `RXX01/D500^RXX01`. Empty if it has none.
    pub unique_id: String,
    /// TXA-13: that of the document which this one replaces.
    pub replaces: Option<String>,
    /// Whether TXA-18 restricts who may see it (`R` or `V`).
    pub restricted: bool,
    /// Whether TXA-17 says that somebody has authenticated it; only then is it sent on.
    pub authenticated: bool,
    /// Whether the sender takes the document back (MDM^T11).
    pub cancelled: bool,
    /// The content, main part first; empty where the message is a notification without it.
    pub content: Vec<Content>,
}

/// What became of a message.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// When the sender recorded what it tells.
    pub at: said::Moment,
    /// The resources, those referred to before those that refer.
    pub resources: Vec<Made>,
    /// The letter, if the message carries one.
    pub letter: Option<Letter>,
    /// The documents that stand beside the message, by the ids of their Binaries.
    pub apart: Vec<(String, Apart)>,
    /// What became of every field that was sent; empty by `map_to_keep`.
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
    /// What of a mapped field could not be held, and why.
    pub notes: Vec<String>,
}

/// Where a field's content went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// To these elements.
    Mapped(Vec<String>),
    /// To these extensions, since FHIR has no element of its own for it.
    Kept(Vec<String>),
    /// Nowhere, by this rule. (The raw message is kept, so nothing is lost.)
    Ignored(String),
}

/// Whether messages of this type and trigger event (MSH-9.1, MSH-9.2) can be translated by the
/// tables that are built in.
pub fn supports(message_type: &str, trigger: &str) -> bool {
    tables::tables().is_ok_and(|t| t.structure(message_type, trigger).is_some())
}

/// The key by which a message is known: MSH-3, MSH-4 and MSH-10, as sent, with bars between them.
pub fn message_key(header: &Header) -> String {
    let parts = [
        &header.sending_application,
        &header.sending_facility,
        &header.control_id,
    ];
    parts.map(String::as_str).join("|")
}

/// Translates a message by the tables that are built in. Errors are for people: they name what is
/// missing and where.
pub fn map(message: &Message, context: &Context) -> Result<Mapped, Problem> {
    map_by(&Mapping::built_in(), message, context)
}

/// Translates a message by that mapping. Errors are for people: they name what is missing and
/// where.
pub fn map_by(mapping: &Mapping, message: &Message, context: &Context) -> Result<Mapped, Problem> {
    mapped(mapping, message, context, Ledger::default())
}

/// As `map_by` for those who do not ask what became of each field: `Mapped::account` is empty.
pub fn map_to_keep(
    mapping: &Mapping,
    message: &Message,
    context: &Context,
) -> Result<Mapped, Problem> {
    mapped(mapping, message, context, Ledger::closed())
}

fn mapped(
    mapping: &Mapping,
    message: &Message,
    context: &Context,
    ledger: Ledger,
) -> Result<Mapped, Problem> {
    let header = header(message.text().as_bytes())
        .map_err(|f| Problem::new(Kind::Required, f.to_string()))?;
    let tables = mapping.of(&header)?;
    let structure = tables
        .structure(&header.message_type, &header.trigger)
        .ok_or_else(|| {
            let kind = format!("{}^{}", header.message_type, header.trigger);
            Problem::new(
                Kind::NotSupported,
                format!("messages of type {kind} are not translated"),
            )
            .at("MSH-9")
        })?;
    appointment::check_actions(&header, message)?;
    let key = message_key(&header);
    let facility = header.sending_facility.clone();
    let mut interpreter = Interpreter::new(tables, message, context.zone, facility);
    interpreter.ledger = ledger;
    let mut build = Build::walk(interpreter, structure);
    let agents = provenance::agents(&mut build);
    let ids = identity::identify(&build, context, &key)?;
    let mut made = finish::resources(&build, &ids, &header.message_type);
    status_by_event(tables, &header, message, &mut made);
    appointment::complete(&header.trigger, &mut made);
    linking::link(&mut build, &ids, &header, context, &key, &mut made)?;
    let letter = letter::complete(&mut build, &ids, &mut made, &key)?;
    let mut apart = content::attach_to_reports(&mut build, &ids, &mut made)?;
    for content in letter.iter().flat_map(|letter| &letter.content) {
        let it = content.apart.clone();
        apart.extend(it.map(|it| (content.binary.clone(), it)));
    }
    let contained = RefCell::new(Vec::new());
    let who = |root: Option<draft::NodeId>| {
        root.map_or(Value::Null, |root| {
            finish::refer(&build, &ids, root, &contained)
        })
    };
    let agents = [
        ("author", who(agents.sender)),
        ("enterer", who(agents.operator)),
    ];
    let mut provenance = provenance::provenance(&mut build, &header, context, &made, &agents, &key);
    let contained = contained.into_inner();
    if let (Value::Object(elements), false) = (&mut provenance.resource, contained.is_empty()) {
        elements.insert("contained".to_owned(), Value::Array(contained));
    }
    made.push(provenance);
    for one in &mut made {
        one.is_ordered = said::is_ordered(one, &header.message_type);
    }
    let account = build.interpreter.ledger.close(message, tables, structure);
    Ok(Mapped {
        at: said::Moment::of(message, context.received_at, context.zone),
        resources: made,
        letter,
        apart,
        account,
    })
}

/// An admission message tells the visit's status by its event (HL7's concept map
/// Event[EncounterStatus]); an update (A08) tells none, so a visit that is here keeps its own
/// unless the message says that it has ended.
fn status_by_event(tables: &tables::Tables, header: &Header, message: &Message, made: &mut [Made]) {
    if header.message_type != "ADT" {
        return;
    }
    let codes = tables.published.codes.get("event[encounterstatus]");
    let code = codes.and_then(|c| c.iter().find(|c| c.from == header.trigger));
    let ended = message
        .segment("PV1")
        .is_some_and(|s| s.field(45).first().is_valued());
    for encounter in made.iter_mut().filter(|m| m.ty == "Encounter") {
        let Value::Object(elements) = &mut encounter.resource else {
            continue;
        };
        match code.map(|c| c.code.as_str()).filter(|c| *c != "unknown") {
            // "Planned" is the table's word for a registration; one with a start has begun.
            Some("planned") if elements.contains_key("period") => {}
            Some(status) => {
                elements.insert("status".into(), Value::from(status));
            }
            None if !ended => encounter.only_if_new.push("status".into()),
            None => {}
        }
        // The discharge did not happen: its time must not stay.
        if header.trigger == "A13" && !ended {
            encounter.remove.push("period.end".into());
        }
    }
}
