//! Appointments as GP Connect's profile has them (GPConnect-Appointment-1): asked for, answered, changed.

use serde_json::{Map, Value, json};

use super::{
    BOOKED_BY, COMMENT_CHARS_MAX, DESCRIPTION_CHARS_MAX, ODS, PROFILES, Refusal, Trouble,
    WHY_CANCELLED, id_of, local, meta, time,
};
use crate::date::Millis;
use crate::members::{each, text};

const ORGANISATION_TYPES: &str = "https://fhir.nhs.uk/STU3/CodeSystem/GPConnect-OrganisationType-1";
/// The longest words that an organisation is described by, in characters.
const WORDS_MAX: usize = 200;
const SLOTS_MAX: usize = 50;

/// The organisation that booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookedBy {
    pub ods: String,
    pub name: String,
    pub phone: String,
    /// A code of GPConnect-OrganisationType-1; may be empty.
    pub sort: String,
}

/// What a request to book asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub patient: String,
    pub location: String,
    pub slots: Vec<String>,
    pub starts: Millis,
    pub ends: Millis,
    pub created: Millis,
    pub description: String,
    pub comment: String,
    pub booked_by: BookedBy,
}

/// An appointment to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    pub id: String,
    pub version: u64,
    /// FHIR's word, the same in STU3.
    pub status: String,
    pub starts: Millis,
    pub ends: Millis,
    pub created: Millis,
    pub patient: String,
    pub location: String,
    /// The Slots' ids; none where the appointment came another way.
    pub slots: Vec<String>,
    pub kind: String,
    pub practitioner: Option<String>,
    pub description: String,
    pub comment: String,
    pub cancelled: String,
    pub booked_by: Option<BookedBy>,
}

/// What a client reads of an appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub version: String,
    pub status: String,
    pub starts: Millis,
    pub ends: Millis,
    pub patient: String,
    pub slots: Vec<String>,
    pub cancelled: String,
}

fn invalid(words: impl Into<String>) -> Refusal {
    Refusal::new(Trouble::InvalidResource, words)
}

fn has_profile(resource: &Value) -> bool {
    let profile = format!("{PROFILES}GPConnect-Appointment-1");
    each(resource, "/meta/profile").any(|it| it.as_str() == Some(&profile))
}

/// The one participant of that type.
fn participant<'v>(visit: &'v Value, ty: &str) -> Option<&'v str> {
    let mut actors = each(visit, "/participant").map(|it| text(it, "/actor/reference"));
    actors.find_map(|it| id_of(it, ty))
}

fn extension<'v>(visit: &'v Value, url: &str) -> Option<&'v Value> {
    each(visit, "/extension").find(|it| text(it, "/url") == url)
}

fn slot_ids(visit: &Value) -> Option<Vec<String>> {
    let ids =
        each(visit, "/slot").map(|it| id_of(text(it, "/reference"), "Slot").map(str::to_string));
    ids.collect()
}

impl BookedBy {
    /// The contained organisation to which the extension points.
    fn read(visit: &Value) -> Option<BookedBy> {
        let extension = extension(visit, BOOKED_BY)?;
        let id = text(extension, "/valueReference/reference").strip_prefix('#')?;
        let organisation = each(visit, "/contained")
            .find(|it| text(it, "/resourceType") == "Organization" && text(it, "/id") == id)?;
        let mut codes = each(organisation, "/identifier").filter(|it| text(it, "/system") == ODS);
        Some(BookedBy {
            ods: codes.next().map_or("", |it| text(it, "/value")).to_string(),
            name: text(organisation, "/name").to_string(),
            phone: text(organisation, "/telecom/0/value").to_string(),
            sort: text(organisation, "/type/0/coding/0/code").to_string(),
        })
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.ods.is_empty() || self.name.is_empty() || self.phone.is_empty() {
            return Err(invalid(
                "The booking organisation has an ODS code, a name and a telecom.",
            ));
        }
        let all = [&self.ods, &self.name, &self.phone, &self.sort];
        if all.iter().any(|it| it.chars().count() > WORDS_MAX) {
            return Err(invalid(
                "The booking organisation is described in up to 200 characters each.",
            ));
        }
        Ok(())
    }

    fn contained(&self) -> Value {
        let mut organisation = json!({
            "resourceType": "Organization",
            "id": "1",
            "meta": meta("CareConnect-GPC-Organization-1", None),
            "identifier": [{ "system": ODS, "value": self.ods }],
            "name": self.name,
            "telecom": [{ "system": "phone", "value": self.phone }],
        });
        if let (false, Some(members)) = (self.sort.is_empty(), organisation.as_object_mut()) {
            let coding = json!([{ "system": ORGANISATION_TYPES, "code": self.sort }]);
            members.insert("type".into(), json!([{ "coding": coding }]));
        }
        organisation
    }

    /// As members of an R4 Appointment, which keep it beside what R4 has of its own.
    pub fn kept(&self) -> Map<String, Value> {
        let mut organisation = self.contained();
        if let Some(members) = organisation.as_object_mut() {
            // The profile is STU3's.
            members.remove("meta");
        }
        let extension = json!({ "url": BOOKED_BY, "valueReference": { "reference": "#1" } });
        let mut kept = Map::new();
        kept.insert("contained".into(), json!([organisation]));
        kept.insert("extension".into(), json!([extension]));
        kept
    }

    /// What `kept` has kept.
    pub fn of(appointment: &Value) -> Option<BookedBy> {
        BookedBy::read(appointment)
    }
}

/// Description and comment, within their bounds.
fn words(visit: &Value) -> Result<(String, String), Refusal> {
    let (description, comment) = (text(visit, "/description"), text(visit, "/comment"));
    if description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(invalid("description has up to 100 characters."));
    }
    if comment.chars().count() > COMMENT_CHARS_MAX {
        return Err(invalid("comment has up to 500 characters."));
    }
    Ok((description.to_string(), comment.to_string()))
}

fn check_kind(visit: &Value) -> Result<(), Refusal> {
    if text(visit, "/resourceType") != "Appointment" {
        return Err(invalid("The resource is an Appointment."));
    }
    if !has_profile(visit) {
        return Err(invalid("meta.profile names GPConnect-Appointment-1."));
    }
    for name in ["reason", "specialty"] {
        if visit.get(name).is_some() {
            return Err(invalid(format!("{name} is not sent.")));
        }
    }
    Ok(())
}

/// Reads a request to book.
///
/// # Errors
/// `InvalidResource`, which names the element.
pub fn read_wanted(visit: &Value) -> Result<Wanted, Refusal> {
    check_kind(visit)?;
    if visit.get("id").is_some() {
        return Err(invalid("A new appointment has no id."));
    }
    if text(visit, "/status") != "booked" {
        return Err(invalid("status is booked."));
    }
    let (Some(starts), Some(ends)) = (time(visit, "/start"), time(visit, "/end")) else {
        return Err(invalid("start and end are needed."));
    };
    let created = time(visit, "/created").ok_or_else(|| invalid("created is needed."))?;
    if each(visit, "/participant").any(|it| text(it, "/actor/reference").is_empty()) {
        return Err(invalid("Each participant has an actor.reference."));
    }
    let needed = |ty: &str| {
        let found = participant(visit, ty).map(str::to_string);
        found.ok_or_else(|| invalid(format!("A participant is a {ty}.")))
    };
    let (patient, location) = (needed("Patient")?, needed("Location")?);
    let slots = slot_ids(visit).ok_or_else(|| invalid("slot holds references to Slots."))?;
    if slots.is_empty() || slots.len() > SLOTS_MAX {
        return Err(invalid("slot names the free slot that is wanted."));
    }
    let booked_by = BookedBy::read(visit).ok_or_else(|| {
        invalid("The extension BookingOrganisation points to a contained Organization.")
    })?;
    booked_by.check()?;
    let (description, comment) = words(visit)?;
    if description.is_empty() {
        return Err(invalid("description is needed."));
    }
    Ok(Wanted {
        patient,
        location,
        slots,
        starts,
        ends,
        created,
        description,
        comment,
        booked_by,
    })
}

/// A request to book.
pub fn wanted(wanted: &Wanted) -> Value {
    let slots: Vec<Value> = wanted.slots.iter().map(slot_reference).collect();
    let mut visit = json!({
        "resourceType": "Appointment",
        "meta": meta("GPConnect-Appointment-1", None),
        "contained": [wanted.booked_by.contained()],
        "extension": [{ "url": BOOKED_BY, "valueReference": { "reference": "#1" } }],
        "status": "booked",
        "description": wanted.description,
        "start": local(wanted.starts),
        "end": local(wanted.ends),
        "slot": slots,
        "created": local(wanted.created),
        "participant": [
            { "actor": { "reference": format!("Patient/{}", wanted.patient) }, "status": "accepted" },
            { "actor": { "reference": format!("Location/{}", wanted.location) }, "status": "accepted" },
        ],
    });
    if let (false, Some(visit)) = (wanted.comment.is_empty(), visit.as_object_mut()) {
        visit.insert("comment".into(), json!(wanted.comment));
    }
    visit
}

fn slot_reference(id: &String) -> Value {
    json!({ "reference": format!("Slot/{id}") })
}

/// An appointment as it is answered.
pub fn appointment(visit: &Visit) -> Value {
    let mut extensions = Vec::new();
    if visit.booked_by.is_some() {
        extensions.push(json!({ "url": BOOKED_BY, "valueReference": { "reference": "#1" } }));
    }
    if visit.status == "cancelled" {
        extensions.push(json!({ "url": WHY_CANCELLED, "valueString": visit.cancelled }));
    }
    let actor = |ty: &str, id: &str| json!({ "actor": { "reference": format!("{ty}/{id}") }, "status": "accepted" });
    let mut participants = vec![
        actor("Patient", &visit.patient),
        actor("Location", &visit.location),
    ];
    participants.extend(
        visit
            .practitioner
            .iter()
            .map(|id| actor("Practitioner", id)),
    );
    let mut resource = json!({
        "resourceType": "Appointment",
        "id": visit.id,
        "meta": meta("GPConnect-Appointment-1", Some(visit.version)),
        "status": visit.status,
        "start": local(visit.starts),
        "end": local(visit.ends),
        "created": local(visit.created),
        "participant": participants,
    });
    let mut set = |name: &str, is_there: bool, value: Value| {
        if let (true, Some(members)) = (is_there, resource.as_object_mut()) {
            members.insert(name.into(), value);
        }
    };
    let contained: Vec<Value> = visit.booked_by.iter().map(BookedBy::contained).collect();
    set("contained", !contained.is_empty(), json!(contained));
    set("extension", !extensions.is_empty(), json!(extensions));
    let slots: Vec<Value> = visit.slots.iter().map(slot_reference).collect();
    set("slot", !slots.is_empty(), json!(slots));
    set(
        "serviceType",
        !visit.kind.is_empty(),
        json!([{ "text": visit.kind }]),
    );
    set(
        "description",
        !visit.description.is_empty(),
        json!(visit.description),
    );
    set("comment", !visit.comment.is_empty(), json!(visit.comment));
    resource
}

/// What a change makes of an appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its words are others.
    Words {
        description: String,
        comment: String,
    },
    /// It ends, for that reason.
    Cancelled { reason: String },
}

/// Reads a change of an appointment that stands as `known`: its words, or that it is cancelled, and nothing else.
///
/// # Errors
/// `InvalidResource`, which names what may not be changed.
pub fn read_change(changed: &Value, known: &Visit) -> Result<Change, Refusal> {
    check_kind(changed)?;
    if text(changed, "/id") != known.id {
        return Err(invalid("id is the one of the address."));
    }
    let (description, comment) = words(changed)?;
    let same = [
        ("start", time(changed, "/start") == Some(known.starts)),
        ("end", time(changed, "/end") == Some(known.ends)),
        ("slot", slot_ids(changed).as_ref() == Some(&known.slots)),
        (
            "the patient",
            participant(changed, "Patient") == Some(&known.patient),
        ),
        (
            "the location",
            participant(changed, "Location") == Some(&known.location),
        ),
        (
            "the booking organisation",
            BookedBy::read(changed).map(|it| it.ods)
                == known.booked_by.as_ref().map(|it| it.ods.clone()),
        ),
    ];
    if let Some((name, _)) = same.iter().find(|(_, is_same)| !is_same) {
        return Err(invalid(format!(
            "{name} cannot be changed; cancel, and book another."
        )));
    }
    let reason = extension(changed, WHY_CANCELLED).map(|it| text(it, "/valueString"));
    match (text(changed, "/status"), reason) {
        ("booked", None) => Ok(Change::Words {
            description,
            comment,
        }),
        ("cancelled", Some(reason)) if !reason.is_empty() => {
            if (description, comment) != (known.description.clone(), known.comment.clone()) {
                return Err(invalid("With a cancellation nothing else is changed."));
            }
            Ok(Change::Cancelled {
                reason: reason.chars().take(COMMENT_CHARS_MAX).collect(),
            })
        }
        ("cancelled", _) => Err(invalid("A cancellation has its reason.")),
        _ => Err(invalid("status is booked, or cancelled with its reason.")),
    }
}

/// Reads an appointment that another system answered.
pub fn read(visit: &Value) -> Option<Seen> {
    if text(visit, "/resourceType") != "Appointment" {
        return None;
    }
    let id = text(visit, "/id");
    crate::resource::check_id(id).ok()?;
    Some(Seen {
        id: id.to_string(),
        version: text(visit, "/meta/versionId").to_string(),
        status: text(visit, "/status").to_string(),
        starts: time(visit, "/start")?,
        ends: time(visit, "/end")?,
        patient: participant(visit, "Patient")?.to_string(),
        slots: slot_ids(visit)?,
        cancelled: extension(visit, WHY_CANCELLED)
            .map_or("", |it| text(it, "/valueString"))
            .to_string(),
    })
}

/// The same appointment, cancelled for that reason: all else stays as its holder wrote it.
pub fn cancel(visit: &Value, reason: &str) -> Value {
    let mut visit = visit.clone();
    if let Some(members) = visit.as_object_mut() {
        members.insert("status".into(), json!("cancelled"));
        let why = json!({ "url": WHY_CANCELLED, "valueString": reason });
        match members.get_mut("extension").and_then(Value::as_array_mut) {
            Some(list) => list.push(why),
            None => {
                members.insert("extension".into(), json!([why]));
            }
        }
    }
    visit
}
