//! Messages of BaRS as they leave: a Bundle whose first entry is a MessageHeader, in the shapes that are published.

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::{self, Millis};
use fhir::members::set;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::referrals::ReferralState;

use super::resource::{ACT, APPOINTMENT};
use super::text::{Act, ReferralText, Request};
use crate::bars::{ODS_CODE, Service};
use crate::letter::LetterContent;
use crate::manifest::PatientNamed;

pub(super) const REQUEST: &str = "servicerequest-request";
pub(super) const RESPONSE: &str = "servicerequest-response";
pub(crate) const BARS: &str = "https://fhir.nhs.uk";
const UKCORE: &str = "https://fhir.hl7.org.uk/StructureDefinition/UKCore";

/// A UUID of those parts: the same for the same parts.
pub(crate) fn uuid_of(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let mut bytes = [0u8; 16];
    for (into, from) in bytes.iter_mut().zip(digest.finalize()) {
        *into = from;
    }
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Who sends a message to whom, and what sort it is.
pub(crate) struct Head<'h> {
    pub(crate) from: (&'h Ods, &'h str),
    pub(crate) to: &'h Service,
    /// Where answers go.
    pub(crate) endpoint: &'h str,
    pub(crate) event: &'h str,
    pub(crate) reason: &'h str,
    /// The end of its definition's address.
    pub(crate) definition: &'h str,
}

impl Head<'_> {
    /// The MessageHeader, with its focus.
    pub(crate) fn resource(&self, urn: &dyn Fn(&str) -> String, focus: &str) -> Value {
        json!({
            "resourceType": "MessageHeader",
            "eventCoding": { "system": format!("{BARS}/CodeSystem/message-events-bars"), "code": self.event },
            "destination": [{
                "endpoint": format!("{BARS}/Id/dos-service-id|{}", self.to.service),
                "receiver": { "reference": urn("receiver") },
            }],
            "sender": { "reference": urn("sender") },
            "source": {
                "name": self.from.1,
                "software": "Handover",
                "version": env!("CARGO_PKG_VERSION"),
                "endpoint": self.endpoint,
            },
            "reason": { "coding": [{
                "system": format!("{BARS}/CodeSystem/message-reason-bars"), "code": self.reason,
            }] },
            "focus": [{ "reference": focus }],
            "definition": format!("{BARS}/MessageDefinition/bars-message-{}", self.definition),
        })
    }
}

/// A resource with the profile that it follows.
pub(crate) fn profiled(mut resource: Value, (profile, at): (String, Millis)) -> Value {
    let meta = json!({ "lastUpdated": date::instant(at), "profile": [profile] });
    set(&mut resource, "meta", meta);
    resource
}

/// The same with UK Core's profile of its type.
pub(crate) fn ukcore(resource: Value, at: Millis) -> Value {
    let kind = fhir::members::text(&resource, "/resourceType").to_string();
    profiled(resource, (format!("{UKCORE}-{kind}"), at))
}

/// An organisation by its ODS code and name.
pub(crate) fn organisation((ods, name): (&Ods, &str)) -> Value {
    json!({
        "resourceType": "Organization",
        "identifier": [{ "system": ODS_CODE, "value": ods.as_str() }],
        "name": name,
    })
}

/// The message of those entries; what has no id of its own gets that of its address.
pub(crate) fn bundle(id: &str, at: Millis, entries: Vec<(String, Value)>) -> Value {
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(url, mut resource)| {
            if resource.get("id").is_none() {
                set(&mut resource, "id", urn_of(&url).into());
            }
            json!({ "fullUrl": url, "resource": resource })
        })
        .collect();
    let at = date::instant(at);
    json!({
        "resourceType": "Bundle",
        "id": id,
        "meta": {
            "lastUpdated": at,
            "profile": [format!("{BARS}/StructureDefinition/BARSBundleMessage")],
        },
        "type": "message",
        "timestamp": at,
        "entry": entries,
    })
}

/// What a message tells.
pub(super) struct Telling<'m> {
    /// The Bundle's id.
    pub(super) id: &'m str,
    /// Who sends, and under which name.
    pub(super) from: (&'m Ods, &'m str),
    pub(super) to: &'m Service,
    /// Where answers go.
    pub(super) endpoint: &'m str,
    /// The referral's id at who refers.
    pub(super) asked_as: &'m str,
    pub(super) patient: &'m PatientNamed,
    pub(super) request: &'m Request,
    pub(super) step: &'m ReferralText,
    /// How the referral stands after the step.
    pub(super) state: ReferralState,
    /// What is enclosed.
    pub(super) enclosed: &'m [LetterContent],
    /// Of an answer: the message that it answers.
    pub(super) answers: &'m str,
}

impl Telling<'_> {
    fn event(&self) -> &'static str {
        match self.step.act.is_receivers() {
            true => RESPONSE,
            false => REQUEST,
        }
    }

    /// The Bundle.
    pub(super) fn bundle(&self) -> Value {
        let urn = |what: &str| format!("urn:uuid:{}", uuid_of(&[self.asked_as, what]));
        let profiled = |resource, profile| profiled(resource, (profile, self.step.at));
        let ukcore = |resource| ukcore(resource, self.step.at);
        let mut documents = Vec::new();
        for (at, content) in self.enclosed.iter().enumerate() {
            let urn = urn(&format!("document-{at}"));
            documents.push((urn.clone(), self.document(content, &urn_of(&urn))));
        }
        let references: Vec<&str> = documents.iter().map(|(urn, _)| urn.as_str()).collect();
        let organisation = |named| ukcore(organisation(named));
        let event = self.event();
        let asked = profiled(
            self.asked(&urn, &references),
            format!("{BARS}/StructureDefinition/BARSServiceRequest-request-casetransfer"),
        );
        let header = profiled(
            self.header(&urn),
            format!("{BARS}/StructureDefinition/BARSMessageHeader-{event}"),
        );
        let service = profiled(
            json!({
                "resourceType": "HealthcareService",
                "identifier": [{ "system": format!("{BARS}/Id/dos-service-id"), "value": self.to.service }],
                "active": true,
                "providedBy": { "reference": urn("receiver") },
                "name": self.request.service,
            }),
            format!("{UKCORE}-HealthcareService"),
        );
        let mut entries = vec![
            (urn(&format!("header-{}", self.id)), header),
            (urn("request"), asked),
            (urn("patient"), ukcore(patient(self.patient))),
            (urn("encounter"), ukcore(self.encounter(&urn))),
            (
                urn("practitioner"),
                ukcore(practitioner(&self.request.referrer)),
            ),
            (
                urn("role"),
                ukcore(json!({
                    "resourceType": "PractitionerRole",
                    "practitioner": { "reference": urn("practitioner") },
                    "organization": { "reference": urn("sender") },
                })),
            ),
            (urn("sender"), organisation(self.from)),
            (urn("receiver"), organisation((&self.to.ods, &self.to.name))),
            (urn("service"), service),
            (
                urn("consent"),
                ukcore(consent(&urn("patient"), self.step.at)),
            ),
        ];
        entries.extend(documents.into_iter().map(|(urn, it)| (urn, ukcore(it))));
        bundle(self.id, self.step.at, entries)
    }

    fn header(&self, urn: &dyn Fn(&str) -> String) -> Value {
        let event = self.event();
        let reason = match self.step.act {
            Act::Reply | Act::Withdraw => "update",
            _ => "new",
        };
        let kind = match self.step.act {
            Act::Withdraw => "cancelled",
            _ => "referral",
        };
        let head = Head {
            from: self.from,
            to: self.to,
            endpoint: self.endpoint,
            event,
            reason,
            definition: &format!("{event}-{kind}"),
        };
        let mut header = head.resource(urn, &urn("request"));
        if !self.answers.is_empty() {
            let response = json!({ "identifier": self.answers, "code": "ok" });
            set(&mut header, "response", response);
        }
        header
    }

    fn asked(&self, urn: &dyn Fn(&str) -> String, documents: &[&str]) -> Value {
        let status = match self.state {
            ReferralState::Waiting | ReferralState::Accepted => "active",
            ReferralState::Asked => "on-hold",
            ReferralState::Returned | ReferralState::Withdrawn => "revoked",
        };
        let mut asked = json!({
            "resourceType": "ServiceRequest",
            "identifier": [{ "system": super::resource::REFERRAL, "value": self.asked_as }],
            "status": status,
            "intent": "plan",
            "category": [{ "coding": [{
                "system": format!("{BARS}/CodeSystem/message-category-servicerequest"),
                "code": "referral",
                "display": "Transfer of Care",
            }] }],
            "priority": self.request.urgency,
            "code": { "text": self.request.service },
            "subject": { "reference": urn("patient") },
            "encounter": { "reference": urn("encounter") },
            "authoredOn": date::instant(self.step.at),
            "requester": { "reference": urn("practitioner") },
            "performer": [{ "reference": urn("service") }],
            "reasonCode": [{ "text": self.request.reason }],
        });
        if !self.request.question.is_empty() {
            let question = json!([{ "text": self.request.question }]);
            set(&mut asked, "orderDetail", question);
        }
        if !documents.is_empty() {
            let all: Vec<Value> = documents
                .iter()
                .map(|it| json!({ "reference": it }))
                .collect();
            set(&mut asked, "supportingInfo", all.into());
        }
        if let Some(day) = &self.step.promised_by {
            set(&mut asked, "occurrencePeriod", json!({ "end": day }));
        }
        if self.step.act != Act::Refer {
            set(&mut asked, "note", json!([self.note()]));
        }
        asked
    }

    /// The step, in words for people, and named for another node.
    fn note(&self) -> Value {
        let mut extension = vec![json!({ "url": ACT, "valueCode": self.step.act.code() })];
        if let Some(appointment) = &self.step.appointment {
            let starts = date::instant(appointment.offer.starts);
            extension.push(json!({ "url": APPOINTMENT, "valueDateTime": starts }));
        }
        let words = match (self.step.words.trim(), self.step.act) {
            ("", Act::Accept) => "Accepted.",
            ("", _) => "–",
            (words, _) => words,
        };
        json!({
            "extension": extension,
            "authorString": format!("{}, {}", self.step.by, self.step.role),
            "time": date::instant(self.step.at),
            "text": words,
        })
    }

    fn encounter(&self, urn: &dyn Fn(&str) -> String) -> Value {
        json!({
            "resourceType": "Encounter",
            "identifier": [{ "system": super::resource::REFERRAL, "value": self.asked_as }],
            "status": if self.step.act.is_receivers() { "in-progress" } else { "triaged" },
            "class": {
                "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory",
            },
            "subject": { "reference": urn("patient") },
        })
    }

    fn document(&self, content: &LetterContent, id: &str) -> Value {
        json!({
            "resourceType": "DocumentReference",
            "identifier": [{ "system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}") }],
            "status": "current",
            "type": { "text": "Enclosed with a referral" },
            "content": [{ "attachment": {
                "contentType": content.content_type,
                "data": STANDARD.encode(&content.bytes),
            } }],
        })
    }
}

/// Whom a message is about.
pub(crate) fn patient(named: &PatientNamed) -> Value {
    let mut patient = json!({
        "resourceType": "Patient",
        "name": [{ "use": "official", "family": named.family }],
    });
    if !named.given.trim().is_empty() {
        let given: Vec<&str> = named.given.split_whitespace().collect();
        let name = json!([{ "use": "official", "family": named.family, "given": given }]);
        set(&mut patient, "name", name);
    }
    if let Some(number) = &named.nhs_number {
        let identifier = json!([{ "system": access::NhsNumber::SYSTEM, "value": number }]);
        set(&mut patient, "identifier", identifier);
    }
    if let Some(born) = &named.birth_date {
        set(&mut patient, "birthDate", born.clone().into());
    }
    patient
}

fn urn_of(url: &str) -> String {
    url.trim_start_matches("urn:uuid:").to_string()
}

/// A clinician of that name, whose parts nobody has told apart: the last word leads lists.
fn practitioner(name: &str) -> Value {
    let name = name.trim();
    let parts = name.rsplit_once(' ');
    let name = match parts {
        Some((given, family)) => json!({ "text": name, "family": family, "given": [given] }),
        None => json!({ "text": name, "family": name }),
    };
    json!({ "resourceType": "Practitioner", "name": [name] })
}

/// That who refers has asked the patient as care needs it.
fn consent(patient: &str, at: Millis) -> Value {
    let coded =
        |system: &str, code: &str| json!({ "coding": [{ "system": system, "code": code }] });
    json!({
        "resourceType": "Consent",
        "status": "active",
        "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [coded(&format!("{BARS}/CodeSystem/consent-categories-bars"), "DRC")],
        "patient": { "reference": patient },
        "dateTime": date::instant(at),
        "policyRule": coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMPLIED"),
    })
}
