//! FHIR R4 resources told to systems that speak HL7 v2: which change becomes which message, and the
//! messages.
//!
//! Messages are of version 2.4, which hospitals' systems read, in UTF-8. What FHIR holds and a
//! message has no place for is left out; the resource stays where it was.

mod adt;
mod mdm;
mod oru;
mod segment;
mod siu;
mod values;

use crate::time::Millis;
use serde_json::Value;

pub use mdm::Part;
use segment::Writer;

/// Who sends to whom, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// MSH-10: at most 20 characters, the same for the same message.
    pub control_id: String,
    /// MSH-7.
    pub sent_at: Millis,
    /// MSH-4: the ODS code of the organisation whose node this is.
    pub organisation: String,
    /// MSH-5 and MSH-6; may be empty.
    pub application: String,
    pub facility: String,
}

/// Type and event of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// MSH-9.1, such as `ADT`.
    pub message_type: &'static str,
    /// MSH-9.2, such as `A31`.
    pub trigger: &'static str,
    /// MSH-9.3, such as `ADT_A05`.
    structure: &'static str,
}

impl Event {
    /// Type and event as people write them: `ADT^A31`.
    pub fn shown(&self) -> String {
        format!("{}^{}", self.message_type, self.trigger)
    }
}

/// A change that systems may be told of: the resource as it is now, and as it was before.
#[derive(Debug, Clone, Copy)]
pub struct Change<'c> {
    pub now: &'c Value,
    /// `None` for a resource that is new.
    pub before: Option<&'c Value>,
}

/// What a message needs beside the resource that changed.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The patient whom it is about.
    pub patient: Value,
    /// The patient whose place they took, or by whom they were replaced (ADT^A40).
    pub other: Option<Value>,
    /// The results of a report, in its order.
    pub results: Vec<Value>,
    /// The content of a document, or the forms of a report.
    pub parts: Vec<Part>,
}

/// The message that a change becomes; `None` for one that no message tells.
pub fn event(change: Change<'_>) -> Option<Event> {
    let of = |message_type, trigger, structure| Event {
        message_type,
        trigger,
        structure,
    };
    match text(change.now, "/resourceType")? {
        "Patient" | "Encounter" => adt::event(change).map(|(e, s)| of("ADT", e, s)),
        "DiagnosticReport" => oru::is_told(change).then(|| of("ORU", "R01", "ORU_R01")),
        "DocumentReference" => mdm::event(change).map(|(e, s)| of("MDM", e, s)),
        "Appointment" => siu::event(change).map(|e| of("SIU", e, "SIU_S12")),
        _ => None,
    }
}

/// The message, its segments ended by CR, without frame.
pub fn message(event: Event, resource: &Value, around: &Around, envelope: &Envelope) -> Vec<u8> {
    let mut writer = Writer::new();
    header(&mut writer, event, envelope);
    match event.message_type {
        "ADT" => adt::write(&mut writer, event.trigger, resource, around, envelope),
        "ORU" => oru::write(&mut writer, resource, around, envelope),
        "MDM" => mdm::write(&mut writer, event.trigger, resource, around, envelope),
        _ => siu::write(&mut writer, resource, around, envelope),
    }
    writer.end()
}

fn header(writer: &mut Writer, event: Event, envelope: &Envelope) {
    let kind = [event.message_type, event.trigger, event.structure].map(segment::part);
    let fields = [
        (3, segment::part("HANDOVER")),
        (4, segment::part(&envelope.organisation)),
        (5, segment::part(&envelope.application)),
        (6, segment::part(&envelope.facility)),
        (7, crate::time::dtm(envelope.sent_at)),
        (9, kind.join("^")),
        (10, segment::part(&envelope.control_id)),
        (11, "P".to_owned()),
        (12, "2.4".to_owned()),
        (18, "UNICODE UTF-8".to_owned()),
    ];
    writer.segment("MSH", &fields);
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The items of a list; none where there is no list.
fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let items = value.get(name).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}
