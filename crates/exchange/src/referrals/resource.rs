//! A referral as a ServiceRequest (<https://hl7.org/fhir/R4/servicerequest.html>). What was said of it stands in its notes, each
//! with who, when and which step it was; so it is read, released, withheld and traced as the record that it is.

use access::Ods;
use fhir::date::{self, Millis};
use fhir::members::{each, set, text};
use serde_json::{Value, json};
use store::referrals::ReferralState;

use super::text::{Act, ReferralText, Request};

const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// The system of the identifier that both sides know a referral by.
pub(super) const REFERRAL: &str = "urn:handover:referral";
/// Extensions of a note: which step it was, at which organisation, and the first appointment.
pub(super) const ACT: &str = "urn:handover:referral-act";
const ORGANISATION: &str = "urn:handover:referral-organisation";
pub(super) const APPOINTMENT: &str = "urn:handover:referral-appointment";

/// What names a new one.
pub(super) struct New<'n> {
    pub(super) id: &'n str,
    pub(super) asked_as: &'n str,
    pub(super) patient: &'n str,
    /// Who refers, and to whom: organisations and their names.
    pub(super) from: (&'n Ods, &'n str),
    pub(super) to: (&'n Ods, &'n str),
    pub(super) made_at: Millis,
    /// A DocumentReference here of what was enclosed; may be empty.
    pub(super) document: &'n str,
}

pub(super) fn new(it: &New<'_>, request: &Request) -> Value {
    let organisation = |(ods, name): (&Ods, &str)| {
        json!({
            "type": "Organization",
            "identifier": { "system": ODS_CODE, "value": ods.as_str() },
            "display": name,
        })
    };
    let mut requester = organisation(it.from);
    let by = format!("{}, {}", request.referrer, it.from.1);
    set(&mut requester, "display", by.into());
    let mut resource = json!({
        "resourceType": "ServiceRequest",
        "id": it.id,
        "identifier": [{ "system": REFERRAL, "value": format!("{}/{}", it.from.0, it.asked_as) }],
        "status": "active",
        "intent": "order",
        "category": [{ "coding": [{
            "system": "http://snomed.info/sct", "code": "3457005", "display": "Patient referral",
        }] }],
        "priority": request.urgency,
        "code": { "text": request.service },
        "subject": { "reference": format!("Patient/{}", it.patient) },
        "authoredOn": date::instant(it.made_at),
        "requester": requester,
        "performer": [organisation(it.to)],
        "reasonCode": [{ "text": request.reason }],
    });
    if !request.question.is_empty() {
        set(
            &mut resource,
            "orderDetail",
            json!([{ "text": request.question }]),
        );
    }
    if !it.document.is_empty() {
        let reference = format!("DocumentReference/{}", it.document);
        set(
            &mut resource,
            "supportingInfo",
            json!([{ "reference": reference }]),
        );
    }
    resource
}

/// What is asked for now, in the place of what was asked for before.
pub(super) fn asked_anew(resource: &mut Value, request: &Request, organisation: &str) {
    set(resource, "priority", request.urgency.clone().into());
    set(resource, "code", json!({ "text": request.service }));
    set(resource, "reasonCode", json!([{ "text": request.reason }]));
    if !request.question.is_empty() {
        let question = json!([{ "text": request.question }]);
        set(resource, "orderDetail", question);
    }
    let by = format!("{}, {organisation}", request.referrer);
    if let Some(requester) = resource.get_mut("requester") {
        set(requester, "display", by.into());
    }
}

/// Adds a document to what is enclosed.
pub(super) fn encloses(resource: &mut Value, document: &str) {
    let mut all: Vec<Value> = each(resource, "/supportingInfo").cloned().collect();
    all.push(json!({ "reference": format!("DocumentReference/{document}") }));
    set(resource, "supportingInfo", all.into());
}

/// What is asked for, read back: with the referrer's name as it is shown, organisation and all.
pub fn requested(resource: &Value) -> Request {
    Request {
        service: text(resource, "/code/text").to_string(),
        urgency: text(resource, "/priority").to_string(),
        reason: text(resource, "/reasonCode/0/text").to_string(),
        question: text(resource, "/orderDetail/0/text").to_string(),
        referrer: text(resource, "/requester/display").to_string(),
    }
}

/// A step, as its note tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub act: Act,
    pub at: Millis,
    /// Name and role.
    pub by: String,
    /// ODS code.
    pub organisation: String,
    pub words: String,
    /// When a first appointment starts.
    pub appointment: Option<Millis>,
}

/// The steps of a referral, oldest first.
pub fn said(resource: &Value) -> Vec<Said> {
    let at = |text: &str| date::span(text).map(|it| it.low);
    let read = |note: &Value| {
        let of = |url: &str, member: &str| {
            let mut found = each(note, "/extension").filter(|it| text(it, "/url") == url);
            let found = found.next().map(|it| text(it, member).to_string());
            found.filter(|it| !it.is_empty())
        };
        Some(Said {
            act: Act::from_code(&of(ACT, "/valueCode")?)?,
            at: at(text(note, "/time"))?,
            by: text(note, "/authorString").to_string(),
            organisation: of(ORGANISATION, "/valueString").unwrap_or_default(),
            words: match text(note, "/text") {
                "–" => String::new(),
                words => words.to_string(),
            },
            appointment: of(APPOINTMENT, "/valueDateTime").and_then(|it| at(&it)),
        })
    };
    each(resource, "/note").filter_map(read).collect()
}

/// Adds a step to the notes.
pub(super) fn note(resource: &mut Value, step: &ReferralText, organisation: &Ods) {
    let mut extension = vec![
        json!({ "url": ACT, "valueCode": step.act.code() }),
        json!({ "url": ORGANISATION, "valueString": organisation.as_str() }),
    ];
    if let Some(appointment) = &step.appointment {
        let starts = date::instant(appointment.offer.starts);
        extension.push(json!({ "url": APPOINTMENT, "valueDateTime": starts }));
    }
    let words = match step.words.trim() {
        // A note's text is never empty.
        "" => "–",
        words => words,
    };
    let note = json!({
        "extension": extension,
        "authorString": format!("{}, {}", step.by, step.role),
        "time": date::instant(step.at),
        "text": words,
    });
    let mut notes: Vec<Value> = each(resource, "/note").cloned().collect();
    notes.push(note);
    set(resource, "note", notes.into());
    if let Some(day) = &step.promised_by {
        set(resource, "occurrencePeriod", json!({ "end": day }));
    }
}

/// The resource's status for a state.
pub(super) fn stands(resource: &mut Value, state: ReferralState) {
    let status = match state {
        ReferralState::Waiting | ReferralState::Accepted => "active",
        ReferralState::Asked => "on-hold",
        ReferralState::Returned | ReferralState::Withdrawn => "revoked",
    };
    set(resource, "status", status.into());
}

/// The system would write these anew.
pub(super) fn strip(resource: &mut Value) {
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("versionId");
        meta.remove("lastUpdated");
    }
}
