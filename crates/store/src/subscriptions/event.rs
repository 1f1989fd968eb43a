//! Events that a topic may name in place of a change (`eventTrigger` of R5,
//! <https://hl7.org/fhir/R5/subscriptiontopic.html>). The node knows of changes only, so that an event is
//! what it makes of a resource: each of this table is some kinds of changes, and a FHIRPath over the
//! version before and that of now. An event of HL7 v2 here is the change of which systems are told by
//! such a message (`hl7v2::from_fhir`), whether or not it came by one.

use fhir::json::Json;
use fhir::problem::Problem;

use super::topic::{inner, not_done, refused};

/// The codes of HL7 v2's events (<https://terminology.hl7.org/CodeSystem-v2-0003.html>).
const V2: &str = "http://terminology.hl7.org/CodeSystem/v2-0003";
/// What the RESTful API does, of resources of any type: `create`, `update` and `delete`.
const REST: &str = "http://hl7.org/fhir/restful-interaction";

/// What an event is, of resources of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) code: &'static str,
    ty: &'static str,
    kinds: Kinds,
    /// Holds over `%previous` and `%current`; empty where the kind of change says it all.
    pub(super) path: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    Creates,
    Updates,
    Deletes,
    CreatesAndUpdates,
}

use Kinds::{Creates, CreatesAndUpdates, Deletes, Updates};

const fn event(code: &'static str, ty: &'static str, kinds: Kinds, path: &'static str) -> Event {
    Event {
        code,
        ty,
        kinds,
        path,
    }
}

/// A stay begins once, however its status goes on; one that has ended and begins again is A13.
const EVENTS: &[Event] = &[
    event(
        "A01",
        "Encounter",
        CreatesAndUpdates,
        "%current.where(status in ('arrived' | 'triaged' | 'in-progress') and class.where(code in ('IMP' | 'ACUTE' | 'NONAC' | 'SS' | 'OBSENC')).exists()).exists() \
         and %previous.where(status in ('arrived' | 'triaged' | 'in-progress' | 'finished')).empty()",
    ),
    event(
        "A04",
        "Encounter",
        CreatesAndUpdates,
        "%current.where(status in ('arrived' | 'triaged' | 'in-progress') and class.where(code in ('IMP' | 'ACUTE' | 'NONAC' | 'SS' | 'OBSENC')).empty()).exists() \
         and %previous.where(status in ('arrived' | 'triaged' | 'in-progress' | 'finished')).empty()",
    ),
    event(
        "A13",
        "Encounter",
        Updates,
        "%current.where(status in ('arrived' | 'triaged' | 'in-progress')).exists() and %previous.where(status = 'finished').exists()",
    ),
    event(
        "A03",
        "Encounter",
        CreatesAndUpdates,
        "%current.where(status = 'finished').exists() and %previous.where(status = 'finished').empty()",
    ),
    event(
        "A05",
        "Encounter",
        CreatesAndUpdates,
        "%current.where(status = 'planned').exists() and %previous.where(status = 'planned').empty()",
    ),
    event(
        "A11",
        "Encounter",
        CreatesAndUpdates,
        "%current.where(status in ('cancelled' | 'entered-in-error')).exists() \
         and %previous.where(status in ('cancelled' | 'entered-in-error')).empty()",
    ),
    event(
        "A08",
        "Encounter",
        Updates,
        "%current.status = %previous.status and %current.where(status in ('cancelled' | 'entered-in-error' | 'unknown')).empty()",
    ),
    event("A23", "Encounter", Deletes, ""),
    event(
        "A28",
        "Patient",
        Creates,
        "%current.link.where(type = 'replaced-by').empty()",
    ),
    event("A08", "Patient", Updates, NOT_MERGED),
    event("A31", "Patient", Updates, NOT_MERGED),
    event("A29", "Patient", Deletes, ""),
    event(
        "A40",
        "Patient",
        CreatesAndUpdates,
        "%current.link.where(type = 'replaced-by').exists() and %previous.link.where(type = 'replaced-by').empty()",
    ),
    event(
        "A37",
        "Patient",
        Updates,
        "%current.link.where(type = 'replaced-by').empty() and %previous.link.where(type = 'replaced-by').exists()",
    ),
    event(
        "R01",
        "DiagnosticReport",
        CreatesAndUpdates,
        "%current.where(status in ('registered' | 'unknown')).empty()",
    ),
    event(
        "T02",
        "DocumentReference",
        Creates,
        "%current.where(status = 'current').exists() and %current.relatesTo.where(code in ('replaces' | 'appends')).empty()",
    ),
    event(
        "T06",
        "DocumentReference",
        Creates,
        "%current.where(status = 'current').exists() and %current.relatesTo.where(code = 'appends').exists()",
    ),
    event(
        "T08",
        "DocumentReference",
        Updates,
        "%current.where(status = 'current').exists()",
    ),
    event(
        "T10",
        "DocumentReference",
        Creates,
        "%current.where(status = 'current').exists() and %current.relatesTo.where(code = 'replaces').exists()",
    ),
    event(
        "T11",
        "DocumentReference",
        Updates,
        "%current.where(status = 'entered-in-error').exists() and %previous.where(status = 'entered-in-error').empty()",
    ),
    event(
        "S12",
        "Appointment",
        CreatesAndUpdates,
        "%current.where(status in ('booked' | 'arrived' | 'checked-in' | 'fulfilled')).exists() \
         and %previous.where(status in ('booked' | 'arrived' | 'checked-in' | 'fulfilled')).empty()",
    ),
    event(
        "S13",
        "Appointment",
        Updates,
        "%current.where(status in ('booked' | 'arrived' | 'checked-in' | 'fulfilled')).exists() \
         and %previous.where(status in ('booked' | 'arrived' | 'checked-in' | 'fulfilled')).exists() and %current.start.toString() != %previous.start.toString()",
    ),
    event(
        "S14",
        "Appointment",
        Updates,
        "%current.where(status in ('booked' | 'arrived' | 'checked-in' | 'fulfilled')).exists() \
         and %previous.where(status in ('booked' | 'arrived' | 'checked-in' | 'fulfilled')).exists() and (%current.start.toString() != %previous.start.toString()).not()",
    ),
    event(
        "S15",
        "Appointment",
        Updates,
        "%current.where(status = 'cancelled').exists() and %previous.where(status = 'cancelled').empty()",
    ),
    event(
        "S17",
        "Appointment",
        Updates,
        "%current.where(status = 'entered-in-error').exists() and %previous.where(status = 'entered-in-error').empty()",
    ),
    event(
        "S26",
        "Appointment",
        CreatesAndUpdates,
        "%current.where(status = 'noshow').exists() and %previous.where(status = 'noshow').empty()",
    ),
];

/// A change of a person whose record is not given up by it, nor taken back.
const NOT_MERGED: &str = "%current.link.where(type = 'replaced-by').exists() = %previous.link.where(type = 'replaced-by').exists()";

impl Event {
    /// The event that an `eventTrigger` names, of resources of that type: by the first code that the
    /// node knows, since all codes of one concept mean the same.
    ///
    /// # Errors
    /// `Invalid` without a code; `NotSupported` for codes that are in no table here, naming those that
    /// are.
    pub(super) fn of(trigger: &Json<'_>, ty: &str) -> Result<Event, Problem> {
        let concept = inner(trigger, "event").next();
        let codings = concept.and_then(|it| it.get("valueCodeableConcept"));
        let codings = codings.map(|it| it.items("coding")).unwrap_or_default();
        if codings.is_empty() {
            return Err(refused(
                "An eventTrigger needs an event: a valueCodeableConcept with a code.",
            ));
        }
        let mut found = codings
            .iter()
            .filter_map(|it| known(it.text("system")?, it.text("code")?, ty));
        found.next().ok_or_else(|| {
            let all = EVENTS.iter().filter(|event| event.ty == ty);
            let codes: Vec<&str> = all.map(|event| event.code).collect();
            let also = match codes.is_empty() {
                true => String::new(),
                false => format!(", and {} of {V2}", codes.join(", ")),
            };
            not_done(format!(
                "The node does not know of this event; of {ty} it knows create, update and delete of \
                 {REST}{also}."
            ))
        })
    }

    pub(super) fn creates(&self) -> bool {
        matches!(self.kinds, Creates | CreatesAndUpdates)
    }

    pub(super) fn updates(&self) -> bool {
        matches!(self.kinds, Updates | CreatesAndUpdates)
    }

    pub(super) fn deletes(&self) -> bool {
        self.kinds == Deletes
    }
}

fn known(system: &str, code: &str, ty: &str) -> Option<Event> {
    match (system, code) {
        (V2, code) => {
            let mut events = EVENTS.iter();
            events.find(|it| it.code == code && it.ty == ty).copied()
        }
        (REST, "create") => Some(event("create", "", Creates, "")),
        (REST, "update") => Some(event("update", "", Updates, "")),
        (REST, "delete") => Some(event("delete", "", Deletes, "")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use fhir::definitions::Definitions;
    use fhir::fhirpath::{Context, Expression, Node};
    use fhir::json::{Limits, parse};

    use super::*;

    /// The codes of the events that a change is, with a blank between them.
    fn events(before: Option<&str>, now: Option<&str>) -> String {
        let definitions = Definitions::r4();
        let read = |text: &'static str| parse(text.as_bytes(), &Limits::default()).unwrap();
        let leak = |text: Option<&str>| text.map(|it| read(Box::leak(it.to_string().into())));
        let (before, now) = (leak(before), leak(now));
        let root = |json| Node::resource(json, definitions);
        let (previous, current) = (before.as_ref().and_then(root), now.as_ref().and_then(root));
        let ty = now.as_ref().or(before.as_ref()).unwrap();
        let ty = ty.text("resourceType").unwrap();
        let mut found = Vec::new();
        for event in EVENTS.iter().filter(|it| it.ty == ty) {
            let fits = match (previous, current) {
                (None, Some(_)) => event.creates(),
                (Some(_), Some(_)) => event.updates(),
                _ => event.deletes(),
            };
            let context = Context {
                previous,
                current,
                steps_max: 10_000,
                ..Context::of(current.or(previous).unwrap())
            };
            let holds = event.path.is_empty() || {
                let path = Expression::compile(event.path, definitions);
                let path = path.unwrap_or_else(|it| panic!("{}: {it}", event.code));
                path.holds(&context, definitions).unwrap() == Some(true)
            };
            if fits && holds {
                found.push(event.code);
            }
        }
        found.join(" ")
    }

    #[test]
    fn a_change_is_the_events_that_a_message_would_tell() {
        let stay = |status: &str, class: &str| {
            format!(
                r#"{{"resourceType":"Encounter","status":"{status}","class":{{"code":"{class}"}}}}"#
            )
        };
        for (before, now, expected) in [
            ("", "planned IMP", "A05"),
            ("", "in-progress IMP", "A01"),
            ("", "in-progress AMB", "A04"),
            ("planned IMP", "arrived IMP", "A01"),
            ("arrived IMP", "in-progress IMP", ""),
            ("in-progress IMP", "in-progress IMP", "A08"),
            ("in-progress IMP", "finished IMP", "A03"),
            ("finished IMP", "in-progress IMP", "A13"),
            ("planned IMP", "cancelled IMP", "A11"),
            ("cancelled IMP", "entered-in-error IMP", ""),
            ("finished IMP", "", "A23"),
        ] {
            let of = |text: &str| text.split_once(' ').map(|(a, b)| stay(a, b));
            let (was, is) = (of(before), of(now));
            let found = events(was.as_deref(), is.as_deref());
            assert_eq!(found, expected, "{before} -> {now}");
        }
    }

    #[test]
    fn people_are_added_changed_merged_and_parted() {
        let plain = r#"{"resourceType":"Patient","gender":"male"}"#;
        let merged = r#"{"resourceType":"Patient","link":[{"type":"replaced-by","other":{"reference":"Patient/a"}}]}"#;
        for (before, now, expected) in [
            (None, Some(plain), "A28"),
            (Some(plain), Some(plain), "A08 A31"),
            (Some(plain), Some(merged), "A40"),
            (None, Some(merged), "A40"),
            (Some(merged), Some(plain), "A37"),
            (Some(merged), Some(merged), "A08 A31"),
            (Some(plain), None, "A29"),
        ] {
            assert_eq!(events(before, now), expected, "{before:?} -> {now:?}");
        }
    }

    #[test]
    fn reports_letters_and_appointments_have_their_events() {
        let of = |ty: &str, rest: &str| format!(r#"{{"resourceType":"{ty}",{rest}}}"#);
        let at = |status: &str, start: &str| {
            let rest = format!(r#""status":"{status}","start":"{start}""#);
            of("Appointment", &rest)
        };
        let (monday, tuesday) = ("2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z");
        let letter = |rest: &str| of("DocumentReference", &format!(r#""status":{rest}"#));
        for (before, now, expected) in [
            ("", at("booked", monday), "S12"),
            (&*at("proposed", monday), at("booked", monday), "S12"),
            (&*at("booked", monday), at("booked", tuesday), "S13"),
            (&*at("booked", monday), at("arrived", monday), "S14"),
            (&*at("booked", monday), at("cancelled", monday), "S15"),
            (
                &*at("booked", monday),
                at("entered-in-error", monday),
                "S17",
            ),
            (&*at("booked", monday), at("noshow", monday), "S26"),
            ("", of("DiagnosticReport", r#""status":"final""#), "R01"),
            ("", of("DiagnosticReport", r#""status":"registered""#), ""),
            ("", letter(r#""current""#), "T02"),
            (
                "",
                letter(r#""current","relatesTo":[{"code":"replaces"}]"#),
                "T10",
            ),
            (
                "",
                letter(r#""current","relatesTo":[{"code":"appends"}]"#),
                "T06",
            ),
            (&*letter(r#""current""#), letter(r#""current""#), "T08"),
            (
                &*letter(r#""current""#),
                letter(r#""entered-in-error""#),
                "T11",
            ),
        ] {
            let before = (!before.is_empty()).then_some(before);
            let found = events(before, Some(now.as_str()));
            assert_eq!(found, expected, "{before:?} -> {now}");
        }
    }
}
