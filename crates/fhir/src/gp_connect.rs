//! GP Connect Appointment Management (FHIR STU3 in JSON, API 1.2): what the systems of practices offer, take and answer
//! (<https://developer.nhs.uk/apis/gpconnect-1-2-7/appointments.html>), as plain data. Nothing of STU3 is taken for R4:
//! what is read becomes the few facts below, and what is written is written out of them.

mod appointment;
mod slot;
#[cfg(test)]
mod tests;
mod trouble;

use crate::members::text;
use serde_json::{Value, json};

use crate::date::{self, Millis};

pub use appointment::{
    BookedBy, Change, Seen, Visit, Wanted, appointment, cancel, read, read_change, read_wanted,
    wanted,
};
pub use slot::{Asked, Free, Offered, Within, free_slots, offered, patient_search};
pub use trouble::{Refusal, Trouble};

/// Where the door stands, below a node's own address, and the version of the API in its name.
pub const PATH: &str = "/gpconnect/stu3/1";
pub const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
pub const CONTENT_TYPE: &str = "application/fhir+json";
pub(crate) const PROFILES: &str = "https://fhir.nhs.uk/STU3/StructureDefinition/";
pub(crate) const BOOKED_BY: &str =
    "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-GPConnect-BookingOrganisation-1";
pub(crate) const WHY_CANCELLED: &str = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-GPConnect-AppointmentCancellationReason-1";
/// A search asks for two weeks at most.
pub const WINDOW_MILLIS: Millis = 14 * DAY;
/// The longest description and comment, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 100;
pub const COMMENT_CHARS_MAX: usize = 500;
const DAY: Millis = 86_400_000;
const HOUR: Millis = 3_600_000;

/// What is asked of a system, each with an interaction id of its own
/// (<https://developer.nhs.uk/apis/gpconnect-1-2-7/integration_interaction_ids.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Metadata,
    FindPatient,
    ReadPatient,
    ReadLocation,
    ReadOrganization,
    FindSlots,
    ReadAppointment,
    PatientAppointments,
    Book,
    Amend,
    Cancel,
}

impl Call {
    /// The header `Ssp-InteractionID`.
    pub fn id(self) -> &'static str {
        match self {
            Call::Metadata => "urn:nhs:names:services:gpconnect:fhir:rest:read:metadata-1",
            Call::FindPatient => "urn:nhs:names:services:gpconnect:fhir:rest:search:patient-1",
            Call::ReadPatient => "urn:nhs:names:services:gpconnect:fhir:rest:read:patient-1",
            Call::ReadLocation => "urn:nhs:names:services:gpconnect:fhir:rest:read:location-1",
            Call::ReadOrganization => {
                "urn:nhs:names:services:gpconnect:fhir:rest:read:organization-1"
            }
            Call::FindSlots => "urn:nhs:names:services:gpconnect:fhir:rest:search:slot-1",
            Call::ReadAppointment => {
                "urn:nhs:names:services:gpconnect:fhir:rest:read:appointment-1"
            }
            Call::PatientAppointments => {
                "urn:nhs:names:services:gpconnect:fhir:rest:search:patient_appointments-1"
            }
            Call::Book => "urn:nhs:names:services:gpconnect:fhir:rest:create:appointment-1",
            Call::Amend => "urn:nhs:names:services:gpconnect:fhir:rest:update:appointment-1",
            Call::Cancel => "urn:nhs:names:services:gpconnect:fhir:rest:cancel:appointment-1",
        }
    }

    /// The claim `requested_scope` of its token.
    pub fn scope(self) -> &'static str {
        match self {
            Call::Metadata | Call::ReadLocation | Call::ReadOrganization | Call::FindSlots => {
                "organization/*.read"
            }
            Call::FindPatient
            | Call::ReadPatient
            | Call::ReadAppointment
            | Call::PatientAppointments => "patient/*.read",
            Call::Book | Call::Amend | Call::Cancel => "patient/*.write",
        }
    }
}

/// A time as GP Connect writes it: UK local time to the second with its offset.
pub fn local(at: Millis) -> String {
    let (shift, offset) = match is_summer(at) {
        true => (HOUR, "+01:00"),
        false => (0, "+00:00"),
    };
    let text: String = date::instant(at.saturating_add(shift))
        .chars()
        .take(19)
        .collect();
    format!("{text}{offset}")
}

/// The day of a time in the UK.
pub fn local_day(at: Millis) -> String {
    local(at).chars().take(10).collect()
}

/// The span of a whole day in the UK, such as `2017-09-22`.
pub fn uk_day(day: &str) -> Option<date::Span> {
    let whole = date::span(day).filter(|_| day.len() == 10)?;
    let begins = |midnight: Millis| midnight - if is_summer(midnight) { HOUR } else { 0 };
    Some(date::Span {
        low: begins(whole.low),
        high: begins(whole.low + DAY),
    })
}

/// Whether British Summer Time holds: from 01:00 UTC on the last Sunday of March to the same of October.
fn is_summer(at: Millis) -> bool {
    let year: String = date::date(at).chars().take(4).collect();
    let last_sunday = |day: &str| {
        let low = date::span(&format!("{year}-{day}")).map_or(0, |span| span.low);
        // 1 January 1970 was a Thursday.
        let weekday = (low.div_euclid(DAY) + 4).rem_euclid(7);
        low - weekday * DAY + HOUR
    };
    (last_sunday("03-31")..last_sunday("10-31")).contains(&at)
}

pub(crate) fn time(value: &Value, place: &str) -> Option<Millis> {
    date::span(text(value, place)).map(|span| span.low)
}

/// The id in a reference to a resource of that type; nothing for another.
pub(crate) fn id_of<'v>(reference: &'v str, ty: &str) -> Option<&'v str> {
    let id = match reference.rsplit_once('/') {
        Some((before, id)) if before == ty || before.ends_with(&format!("/{ty}")) => id,
        _ => return None,
    };
    crate::resource::check_id(id).is_ok().then_some(id)
}

/// `meta` with that profile, and the version if there is one.
pub(crate) fn meta(profile: &str, version: Option<u64>) -> Value {
    let mut meta = json!({ "profile": [format!("{PROFILES}{profile}")] });
    if let (Some(version), Some(members)) = (version, meta.as_object_mut()) {
        members.insert("versionId".into(), version.to_string().into());
    }
    meta
}

/// A searchset of these resources.
pub fn bundle(resources: impl IntoIterator<Item = Value>) -> Value {
    let entry: Vec<Value> = resources
        .into_iter()
        .map(|resource| json!({ "resource": resource }))
        .collect();
    json!({ "resourceType": "Bundle", "type": "searchset", "entry": entry })
}

/// The organisation whose diary it is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    pub ods: &'p str,
    pub name: &'p str,
}

impl Place<'_> {
    /// Its one location here, named as its code.
    pub fn location(&self) -> Value {
        json!({
            "resourceType": "Location",
            "id": self.ods,
            "meta": meta("CareConnect-GPC-Location-1", None),
            "name": self.name,
            "managingOrganization": { "reference": format!("Organization/{}", self.ods) },
        })
    }

    pub fn organization(&self) -> Value {
        json!({
            "resourceType": "Organization",
            "id": self.ods,
            "meta": meta("CareConnect-GPC-Organization-1", None),
            "identifier": [{ "system": ODS, "value": self.ods }],
            "name": self.name,
        })
    }
}

/// The capability statement of a door that keeps a diary.
pub fn capabilities(version: &str, released: &str) -> Value {
    let resource = |ty: &str, codes: &[&str], parameters: &[(&str, &str)]| {
        let interaction: Vec<Value> = codes.iter().map(|code| json!({ "code": code })).collect();
        let parameters = parameters
            .iter()
            .map(|(name, ty)| json!({ "name": name, "type": ty }));
        json!({
            "type": ty,
            "interaction": interaction,
            "searchParam": parameters.collect::<Vec<Value>>(),
        })
    };
    let read = ["read"];
    let slots = [
        ("start", "date"),
        ("end", "date"),
        ("status", "token"),
        ("searchFilter", "token"),
    ];
    let profile = |name: &str| json!({ "reference": format!("{PROFILES}{name}") });
    let mut slot = resource("Slot", &["search-type"], &slots);
    if let Some(slot) = slot.as_object_mut() {
        let includes = [
            "Slot:schedule",
            "Schedule:actor:Practitioner",
            "Schedule:actor:Location",
            "Location:managingOrganization",
        ];
        slot.insert("searchInclude".into(), json!(includes));
    }
    let mut visit = resource(
        "Appointment",
        &["read", "create", "update", "search-type"],
        &[("start", "date")],
    );
    if let Some(visit) = visit.as_object_mut() {
        visit.insert("updateCreate".into(), json!(false));
    }
    json!({
        "resourceType": "CapabilityStatement",
        "version": "1.2.7",
        "name": "GP Connect",
        "status": "active",
        "date": released,
        "publisher": "Handover",
        "description": "Appointment Management of the GP Connect API version 1.2.7, in JSON",
        "kind": "capability",
        "software": { "name": "Handover", "version": version },
        "fhirVersion": "3.0.1",
        "acceptUnknown": "both",
        "format": [CONTENT_TYPE, "application/fhir+xml"],
        "profile": [
            profile("CareConnect-GPC-Patient-1"),
            profile("CareConnect-GPC-Organization-1"),
            profile("CareConnect-GPC-Practitioner-1"),
            profile("CareConnect-GPC-Location-1"),
            profile("GPConnect-OperationOutcome-1"),
            profile("GPConnect-Appointment-1"),
            profile("GPConnect-Schedule-1"),
            profile("GPConnect-Slot-1"),
        ],
        "rest": [{
            "mode": "server",
            "resource": [
                resource("Patient", &["read", "search-type"], &[("identifier", "token")]),
                resource("Organization", &read, &[]),
                resource("Location", &read, &[]),
                visit,
                slot,
            ],
        }],
    })
}
