//! Bookings as messages of BaRS, and what its Slots and Appointments say, in the shapes that are published.

use access::Ods;
use fhir::date::{self, Millis};
use fhir::members::{each, set, text};
use serde_json::{Value, json};

use super::Offer;
use crate::bars::Service;
use crate::manifest::PatientNamed;
use crate::referrals::bars_make::{
    BARS, Head, bundle, organisation, patient, profiled, ukcore, uuid_of,
};

/// The event of a booking, and of its cancellation.
pub(crate) const BOOKING: &str = "booking-request";
/// What names a booking at who asked for it.
const BOOKED_AS: &str = "urn:handover:booking";
const WORDS_CHARS_MAX: usize = 200;
/// What stands where no reason was given: the place is mandatory.
const NO_REASON: &str = "No reason was given.";

/// What a message asks for.
pub(super) struct Asking<'m> {
    /// The Bundle's id.
    pub id: &'m str,
    /// Who asks, and under which name.
    pub from: (&'m Ods, &'m str),
    pub to: &'m Service,
    /// Where answers go.
    pub endpoint: &'m str,
    /// The booking's id here.
    pub booking: &'m str,
    pub who: &'m PatientNamed,
    pub offer: &'m Offer,
    pub reason: &'m str,
    /// Whether it is not wanted any more.
    pub is_over: bool,
    pub at: Millis,
}

impl Asking<'_> {
    /// The message.
    pub(super) fn bundle(&self) -> Value {
        let urn = |what: &str| format!("urn:uuid:{}", uuid_of(&[self.booking, what]));
        let ukcore = |resource| ukcore(resource, self.at);
        let (reason, definition) = match self.is_over {
            true => ("update", "booking-request-cancelled"),
            false => ("new", "booking-request"),
        };
        let head = Head {
            from: self.from,
            to: self.to,
            endpoint: self.endpoint,
            event: BOOKING,
            reason,
            definition,
        };
        let header = profiled(
            head.resource(&urn, &urn("appointment")),
            (
                format!("{BARS}/StructureDefinition/BARSMessageHeader-booking-request"),
                self.at,
            ),
        );
        let mut actors = vec![json!({ "reference": urn("service") })];
        if !self.offer.with.is_empty() {
            actors.push(json!({ "display": self.offer.with }));
        }
        let schedule = json!({ "resourceType": "Schedule", "actor": actors });
        let service = json!({
            "resourceType": "HealthcareService",
            "identifier": [{ "system": format!("{BARS}/Id/dos-service-id"), "value": self.to.service }],
            "active": true,
            "providedBy": { "reference": urn("receiver") },
            "name": self.to.name,
        });
        let receiver = (&self.to.ods, self.to.name.as_str());
        let entries = vec![
            (urn(&format!("header-{}", self.id)), header),
            (urn("appointment"), ukcore(self.appointment(&urn))),
            (urn("patient"), ukcore(patient(self.who))),
            (urn("slot"), ukcore(self.slot(&urn))),
            (urn("schedule"), ukcore(schedule)),
            (urn("service"), ukcore(service)),
            (urn("receiver"), ukcore(organisation(receiver))),
            (urn("sender"), ukcore(organisation(self.from))),
        ];
        bundle(self.id, self.at, entries)
    }

    fn appointment(&self, urn: &dyn Fn(&str) -> String) -> Value {
        let reason = match self.reason {
            "" => NO_REASON,
            reason => reason,
        };
        let mut appointment = json!({
            "resourceType": "Appointment",
            "identifier": [{ "system": BOOKED_AS, "value": self.booking }],
            "status": if self.is_over { "cancelled" } else { "booked" },
            "description": reason,
            "start": date::instant(self.offer.starts),
            "end": date::instant(self.offer.ends),
            "slot": [{ "reference": urn("slot") }],
            "created": date::instant(self.at),
            "participant": [{ "actor": { "reference": urn("patient") }, "status": "accepted" }],
        });
        if self.is_over {
            set(
                &mut appointment,
                "cancelationReason",
                json!({ "text": reason }),
            );
        }
        appointment
    }

    fn slot(&self, urn: &dyn Fn(&str) -> String) -> Value {
        let kind = match self.offer.kind.as_str() {
            "" => "Appointment",
            kind => kind,
        };
        json!({
            "resourceType": "Slot",
            // By which it was offered.
            "id": self.offer.slot,
            "serviceType": [{ "text": kind }],
            "schedule": { "reference": urn("schedule") },
            "status": "busy",
            "start": date::instant(self.offer.starts),
            "end": date::instant(self.offer.ends),
        })
    }
}

/// The query for what is free within those times.
pub(super) fn slots_query(
    service: &str,
    (from, until): (Millis, Millis),
) -> Vec<(&'static str, String)> {
    // To the second, with the offset written out, as it is published.
    let at = |at: Millis| {
        let second: String = date::instant(at).chars().take(19).collect();
        format!("{second}+00:00")
    };
    vec![
        ("status", "free".to_string()),
        ("start", format!("ge{}", at(from))),
        ("start", format!("le{}", at(until))),
        ("Schedule.actor:HealthcareService", service.to_string()),
        ("_include", "Slot:schedule".to_string()),
        ("_include", "Schedule:actor:HealthcareService".to_string()),
        ("_include", "Schedule:actor:Practitioner".to_string()),
    ]
}

fn resources(bundle: &Value) -> impl Iterator<Item = &Value> {
    each(bundle, "/entry").filter_map(|it| it.get("resource"))
}

/// What a reference names in the same Bundle: by an entry's address, or by type and id.
fn named<'b>(bundle: &'b Value, reference: &str) -> &'b Value {
    static NOTHING: Value = Value::Null;
    if reference.is_empty() {
        return &NOTHING;
    }
    let is_it = |entry: &&Value| {
        let resource = entry.get("resource").unwrap_or(&NOTHING);
        let path = format!(
            "{}/{}",
            text(resource, "/resourceType"),
            text(resource, "/id")
        );
        text(entry, "/fullUrl") == reference
            || reference == path
            || reference.ends_with(&format!("/{path}"))
    };
    let found = each(bundle, "/entry").find(is_it);
    found.and_then(|it| it.get("resource")).unwrap_or(&NOTHING)
}

fn first(value: &Value, places: &[&str]) -> String {
    let mut texts = places.iter().map(|it| text(value, it).trim());
    let found = texts.find(|it| !it.is_empty()).unwrap_or_default();
    found.chars().take(WORDS_CHARS_MAX).collect()
}

/// A person's name in words.
fn name(practitioner: &Value) -> String {
    let whole = text(practitioner, "/name/0/text");
    if !whole.is_empty() {
        return whole.to_string();
    }
    let parts = ["/name/0/prefix", "/name/0/given"].map(|it| each(practitioner, it));
    let parts = parts.into_iter().flatten().filter_map(Value::as_str);
    let family = text(practitioner, "/name/0/family");
    let parts: Vec<&str> = parts.chain([family]).filter(|it| !it.is_empty()).collect();
    parts.join(" ")
}

/// With whom a Schedule is: the person that one of its actors is.
fn with(bundle: &Value, schedule: &Value) -> String {
    let mut named = each(schedule, "/actor").map(|actor| {
        let who = self::named(bundle, text(actor, "/reference"));
        match text(who, "/resourceType") {
            "Practitioner" => name(who),
            "PractitionerRole" => name(self::named(bundle, text(who, "/practitioner/reference"))),
            "" => text(actor, "/display").to_string(),
            _ => String::new(),
        }
    });
    let found = named.find(|it| !it.is_empty()).unwrap_or_default();
    found.chars().take(WORDS_CHARS_MAX).collect()
}

/// What the answer to a search for slots offers after now, the earliest first.
pub(super) fn offers(bundle: &Value, now: Millis) -> Vec<Offer> {
    let slots = resources(bundle).filter(|it| text(it, "/resourceType") == "Slot");
    let offers = slots
        .filter(|it| text(it, "/status") == "free")
        .filter_map(|slot| {
            let at = |place: &str| date::span(text(slot, place)).map(|it| it.low);
            let schedule = named(bundle, text(slot, "/schedule/reference"));
            Some(Offer {
                slot: text(slot, "/id").to_string(),
                starts: at("/start")?,
                ends: at("/end")?,
                kind: first(
                    slot,
                    &[
                        "/serviceType/0/text",
                        "/serviceType/0/coding/0/display",
                        "/appointmentType/text",
                        "/appointmentType/coding/0/display",
                        "/serviceCategory/0/coding/0/display",
                    ],
                ),
                with: with(bundle, schedule),
            })
        });
    let mut offers: Vec<Offer> = offers
        .filter(|it| it.starts > now && it.check().is_ok())
        .collect();
    offers.sort_by(|a, b| a.starts.cmp(&b.starts).then_with(|| a.slot.cmp(&b.slot)));
    offers.dedup_by(|a, b| a.slot == b.slot);
    offers
}

/// An Appointment as its holder tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub id: String,
    pub status: String,
    /// 0 where it is not told.
    pub starts: Millis,
    pub ends: Millis,
    /// Why it was cancelled.
    pub why: String,
    slots: Vec<String>,
}

impl Seen {
    /// Whether it is over: cancelled, or never meant.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "cancelled" | "entered-in-error")
    }

    /// Whether it holds.
    pub(super) fn is_booked(&self) -> bool {
        matches!(
            self.status.as_str(),
            "booked" | "arrived" | "checked-in" | "fulfilled"
        )
    }

    /// Whether it is in that slot, or where none is named, at that time.
    pub(super) fn is_in(&self, slot: &str, starts: Millis) -> bool {
        match self.slots.as_slice() {
            [] => self.starts == starts,
            slots => slots.iter().any(|it| it == slot),
        }
    }
}

/// The Appointments of a Bundle, or the one that it is.
pub(super) fn appointments(said: &Value) -> Vec<Seen> {
    let all = resources(said).chain([said]);
    let all = all.filter(|it| text(it, "/resourceType") == "Appointment");
    let slot = |it: &Value| {
        let reference = text(it, "/reference");
        let copy = text(named(said, reference), "/id");
        match copy {
            "" => {
                let end = reference.rsplit(['/', ':']).next();
                end.unwrap_or_default().to_string()
            }
            id => id.to_string(),
        }
    };
    let read = |it: &Value| {
        let at = |place: &str| date::span(text(it, place)).map_or(0, |it| it.low);
        Seen {
            id: text(it, "/id").to_string(),
            status: text(it, "/status").to_string(),
            starts: at("/start"),
            ends: at("/end"),
            why: first(
                it,
                &[
                    "/cancelationReason/text",
                    "/cancelationReason/coding/0/display",
                ],
            ),
            slots: each(it, "/slot").map(slot).collect(),
        }
    };
    all.map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn made(is_over: bool) -> Value {
        let (own, ods) = (Ods::parse("A81001").unwrap(), Ods::parse("RYE").unwrap());
        let to = Service {
            ods,
            name: "Receiver".into(),
            url: "https://x.example".into(),
            service: "111111111".into(),
            token: "t".into(),
        };
        let offer = Offer {
            slot: "slot001".into(),
            starts: 1_767_605_400_000,
            ends: 1_767_606_000_000,
            kind: "Clinic".into(),
            with: "Dr Joe Bloggs".into(),
        };
        let who = PatientNamed {
            nhs_number: Some("9990000018".into()),
            birth_date: Some("1951-03-04".into()),
            family: "Tester".into(),
            given: "Amina".into(),
        };
        Asking {
            id: &uuid_of(&["m"]),
            from: (&own, "Anytown"),
            to: &to,
            endpoint: "https://fhir.nhs.uk/Id/dos-service-id|1",
            booking: "b1",
            who: &who,
            offer: &offer,
            reason: "",
            is_over,
            at: 1_700_000_000_000,
        }
        .bundle()
    }

    fn example(file: &str) -> Option<Value> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = folder.join("../../../shared/data/nhs/bars/specification/examples1.4.0");
        let Ok(bytes) = std::fs::read(folder.join(file)) else {
            eprintln!("SKIPPED: the published examples of BaRS are not here");
            return None;
        };
        Some(serde_json::from_slice(&bytes).unwrap())
    }

    fn entry<'b>(bundle: &'b Value, kind: &str) -> &'b Value {
        let mut found = resources(bundle);
        found
            .find(|it| text(it, "/resourceType") == kind)
            .unwrap_or(&Value::Null)
    }

    #[test]
    fn a_booking_is_the_same_at_each_try_and_refers_only_to_what_is_in_it() {
        for is_over in [false, true] {
            let bundle = made(is_over);
            assert_eq!(bundle, made(is_over), "the same bytes at every try");
            let urls: Vec<&str> = each(&bundle, "/entry")
                .map(|it| text(it, "/fullUrl"))
                .collect();
            let written = bundle.to_string();
            for reference in written.split("\"reference\":\"").skip(1) {
                let reference = reference.split('"').next().unwrap();
                assert!(urls.contains(&reference), "{reference}");
            }
            assert_eq!(entry(&bundle, "Slot")["id"], "slot001", "as it was offered");
        }
        let cancels = made(true);
        assert_eq!(entry(&cancels, "Appointment")["status"], "cancelled");
        let read = appointments(&made(false));
        assert!(read[0].is_booked() && read[0].is_in("slot001", 0));
    }

    #[test]
    fn a_booking_says_in_the_published_places_what_the_published_one_says() {
        let Some(published) = example("process_message/request/Booking (POST).json") else {
            return;
        };
        let own = made(false);
        for (kind, without) in [
            ("MessageHeader", ["contact", "id"].as_slice()),
            ("Appointment", &[]),
            // What sort of appointment it is, is told in words.
            ("Slot", &["serviceCategory", "appointmentType"]),
        ] {
            let members = entry(&published, kind).as_object().unwrap();
            assert!(!members.is_empty());
            for (name, value) in members {
                let ours = entry(&own, kind).get(name);
                let is_left_out = without.contains(&name.as_str());
                assert!(is_left_out || ours.is_some(), "{kind}.{name} of {value}");
            }
        }
        let of = |bundle, place| entry(bundle, "MessageHeader").pointer(place).cloned();
        for place in ["/eventCoding", "/reason", "/definition"] {
            assert_eq!(of(&own, place), of(&published, place), "{place}");
        }
        assert_eq!(own["type"], published["type"]);
        assert_eq!(own["meta"]["profile"], published["meta"]["profile"]);
    }

    #[test]
    fn the_published_slots_are_offered_and_the_published_appointments_read() {
        let Some(slots) = example("slots/GET-success.json") else {
            return;
        };
        let found = offers(&slots, 0);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].slot, "slot001");
        assert_eq!(found[0].kind, "Emergency appointment");
        assert_eq!(found[0].with, "Dr Joe Bloggs");
        assert_eq!(date::instant(found[0].starts), "2021-10-06T09:00:00.000Z");
        assert!(offers(&slots, found[2].starts).is_empty(), "what is past");
        for file in [
            "process_message/response/Booking (HTTP Response) .json",
            "appointment/id/GET-success.json",
            "appointment/GET-success.json",
        ] {
            let read = appointments(&example(file).unwrap());
            assert!(read.first().is_some_and(Seen::is_booked), "{file} {read:?}");
        }
    }
}
