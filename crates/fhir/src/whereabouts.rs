//! Where a restricted patient lives and is treated, taken out of a resource (P13).
//!
//! The NHS flags people whom somebody must not find (`R` or `V` of HL7's confidentiality codes on the
//! Patient). What tells where they are is put out of a resource in two ways: by its place (addresses,
//! telephone numbers, references to organisations and locations), and by its words: every text that
//! repeats a line of the patient's address, a postcode, a number or their practice has these masked.
//! What cannot be read as text (a PDF, a picture) is withheld whole. Each gap says that it is one.

mod places;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::json::{Json, Member};

pub use places::Places;

/// HL7's confidentiality codes (<https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html>).
pub const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
/// The codes with which PDS marks a patient whose whereabouts are kept.
pub const RESTRICTED: [&str; 2] = ["R", "V"];
/// Where the mark that something was taken out comes from.
pub const INTEGRITY: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
/// That mark.
pub const REDACTED: &str = "REDACTED";
/// What stands in a text in place of a word that tells where somebody is.
pub const GAP: &str = "[withheld]";

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// What a document says that cannot be read as text.
const NOTICE: &str = "This document is withheld: where this patient lives is restricted, and the \
     document may say it. Staff who must know can open the patient's whereabouts, with a reason.";
const NARRATIVE: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\">The text is withheld: where \
     this patient lives is restricted.</div>";

/// Elements that tell it by what they are.
const ELEMENTS: [&str; 9] = [
    "address",
    "telecom",
    "valueAddress",
    "valueContactPoint",
    "generalPractitioner",
    "managingOrganization",
    "serviceProvider",
    "custodian",
    "position",
];
/// Types to which no reference is left.
const TYPES: [&str; 5] = [
    "Organization",
    "Location",
    "HealthcareService",
    "PractitionerRole",
    "OrganizationAffiliation",
];

/// Whether a Patient carries the flag.
pub fn is_flagged(patient: &Json<'_>) -> bool {
    let labels = patient.get("meta").map(|meta| meta.items("security"));
    labels.unwrap_or_default().iter().any(is_flag)
}

fn is_flag(label: &Json<'_>) -> bool {
    label.text("system") == Some(CONFIDENTIALITY)
        && label
            .text("code")
            .is_some_and(|code| RESTRICTED.contains(&code))
}

/// Whether a label only says that something was taken out.
pub fn is_redaction(label: &Json<'_>) -> bool {
    label.text("system") == Some(INTEGRITY) && label.text("code") == Some(REDACTED)
}

/// The resource without what tells where its patient is; `None` if nothing of it does. A Patient
/// carries the flag afterwards whatever it carried before.
pub fn redact<'a>(resource: &Json<'a>, places: &Places) -> Option<Json<'a>> {
    let mut redacted = resource.clone();
    let mut walk = Walk {
        places,
        dropped: dropped(resource),
    };
    if let Json::Object(members) = &mut redacted {
        walk.members(members);
    }
    let is_patient = resource.text("resourceType") == Some("Patient");
    if &redacted == resource && (!is_patient || is_flagged(resource)) {
        return None;
    }
    if is_patient && !is_flagged(&redacted) {
        label(&mut redacted, CONFIDENTIALITY, "R");
    }
    if !has_redaction(&redacted) {
        label(&mut redacted, INTEGRITY, REDACTED);
    }
    Some(redacted)
}

fn has_redaction(resource: &Json<'_>) -> bool {
    let labels = resource.get("meta").map(|meta| meta.items("security"));
    labels.unwrap_or_default().iter().any(is_redaction)
}

/// The resource as `redact` was given it, where what it now has is only a gap that `before`, an
/// earlier version of it, can fill: whoever writes back what they read takes nothing away. `None` if
/// there is no such gap.
pub fn fill<'a>(resource: &Json<'a>, before: &Json<'a>) -> Option<Json<'a>> {
    let members = resource.as_object()?;
    let is_fillable = |(name, value): &Member<'a>| is_gap(value) && before.get(name).is_some();
    if !members.iter().any(is_fillable) {
        return None;
    }
    let filled = members.iter().map(|member| {
        let (name, value) = member;
        let old = before.get(name).filter(|_| is_gap(value));
        (name.clone(), old.unwrap_or(value).clone())
    });
    Some(Json::Object(filled.collect()))
}

/// Whether a value is what `redact` leaves in an element's place.
pub fn is_gap(value: &Json<'_>) -> bool {
    match value {
        Json::Array(items) => !items.is_empty() && items.iter().all(is_gap),
        Json::Object(members) => {
            members.len() == 1
                && value.items("extension").iter().any(|it| {
                    it.text("url") == Some(ABSENT) && it.text("valueCode") == Some("masked")
                })
        }
        _ => false,
    }
}

fn gap<'a>() -> Json<'a> {
    let text = |text: &'static str| Json::String(Cow::Borrowed(text));
    let extension = Json::Object(vec![
        (Cow::Borrowed("url"), text(ABSENT)),
        (Cow::Borrowed("valueCode"), text("masked")),
    ]);
    Json::Object(vec![(
        Cow::Borrowed("extension"),
        Json::Array(vec![extension]),
    )])
}

fn label<'a>(resource: &mut Json<'a>, system: &'static str, code: &'static str) {
    let text = |text: &'static str| Json::String(Cow::Borrowed(text));
    let new = Json::Object(vec![
        (Cow::Borrowed("system"), text(system)),
        (Cow::Borrowed("code"), text(code)),
    ]);
    let Json::Object(members) = resource else {
        return;
    };
    let has = |members: &[Member<'_>], name: &str| members.iter().any(|(known, _)| known == name);
    if !has(members, "meta") {
        let at = members.len().min(1);
        members.insert(at, (Cow::Borrowed("meta"), Json::Object(Vec::new())));
    }
    let meta = members.iter_mut().find(|(name, _)| name == "meta");
    let Some((_, Json::Object(meta))) = meta else {
        return;
    };
    if !has(meta, "security") {
        meta.push((Cow::Borrowed("security"), Json::Array(Vec::new())));
    }
    let labels = meta.iter_mut().find(|(name, _)| name == "security");
    if let Some((_, Json::Array(labels))) = labels {
        labels.push(new);
    }
}

/// `#id` of each contained resource that is not left in.
fn dropped(resource: &Json<'_>) -> Vec<String> {
    let contained = resource.items("contained").iter();
    let hidden = contained.filter(|it| is_hidden(it.text("resourceType").unwrap_or_default()));
    hidden
        .filter_map(|it| it.text("id"))
        .map(|id| format!("#{id}"))
        .collect()
}

fn is_hidden(ty: &str) -> bool {
    TYPES.contains(&ty)
}

struct Walk<'p> {
    places: &'p Places,
    dropped: Vec<String>,
}

impl Walk<'_> {
    /// Bounded by the depth that the resource was read with.
    fn members(&mut self, members: &mut Vec<Member<'_>>) {
        let is_attachment = members.iter().any(|(name, _)| name == "contentType");
        if is_attachment {
            self.document(members);
        }
        for (name, value) in members.iter_mut() {
            match (name.as_ref(), &mut *value) {
                ("contained", Json::Array(resources)) => {
                    resources.retain(|it| !is_hidden(it.text("resourceType").unwrap_or_default()));
                    resources.iter_mut().for_each(|it| self.value(it));
                }
                ("text", Json::Object(text)) if text.iter().any(|(name, _)| name == "div") => {
                    for (name, value) in text {
                        if name == "div" {
                            *value = Json::String(Cow::Borrowed(NARRATIVE));
                        }
                    }
                }
                // Names and codes say nothing of where somebody is, and an id is never altered.
                ("resourceType" | "id" | "system" | "url" | "data", Json::String(_)) => {}
                (name, Json::Array(items))
                    if ELEMENTS.contains(&name) && items.iter().all(is_object) =>
                {
                    *items = vec![gap()];
                }
                (name, Json::Object(_)) if ELEMENTS.contains(&name) => *value = gap(),
                _ => self.value(value),
            }
        }
        members.retain(|(name, value)| {
            name != "contained" || value.as_array().is_none_or(|it| !it.is_empty())
        });
    }

    fn value(&mut self, value: &mut Json<'_>) {
        if self.points_at_a_place(value) {
            *value = gap();
            return;
        }
        match value {
            Json::Object(members) => self.members(members),
            Json::Array(items) => items.iter_mut().for_each(|it| self.value(it)),
            Json::String(text) => {
                if let Some(masked) = self.places.mask(text) {
                    *text = Cow::Owned(masked);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    /// Whether it is a reference to an organisation, a location or the like.
    fn points_at_a_place(&self, value: &Json<'_>) -> bool {
        let by_address = value.text("reference").is_some_and(|reference| {
            self.dropped.iter().any(|it| it == reference)
                || reference.rsplit('/').nth(1).is_some_and(is_hidden)
        });
        let by_identifier = value
            .get("identifier")
            .is_some_and(|it| it.text("system") == Some(ODS));
        let by_type = value.text("type").is_some_and(is_hidden);
        by_address || by_identifier || by_type
    }

    /// An Attachment, or a Binary: its words are masked if it is text, and it is withheld if not.
    fn document(&mut self, members: &mut [Member<'_>]) {
        let kind = members.iter().find(|(name, _)| name == "contentType");
        let kind = kind.and_then(|(_, kind)| kind.as_str()).unwrap_or_default();
        let is_text = is_text(kind);
        let mut is_replaced = false;
        for (_, value) in members.iter_mut().filter(|(name, _)| name == "data") {
            let Some(data) = value.as_str() else { continue };
            let bytes = BASE64.decode(data).ok().filter(|_| is_text);
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            match text {
                Some(text) => {
                    if let Some(masked) = self.places.mask(&text) {
                        *value = Json::String(Cow::Owned(BASE64.encode(masked)));
                    }
                }
                None => {
                    *value = Json::String(Cow::Owned(BASE64.encode(NOTICE)));
                    is_replaced = true;
                }
            }
        }
        if is_replaced {
            for (name, value) in members.iter_mut() {
                if name == "contentType" {
                    *value = Json::String(Cow::Borrowed("text/plain;charset=utf-8"));
                }
            }
        }
    }
}

fn is_object(value: &Json<'_>) -> bool {
    matches!(value, Json::Object(_))
}

fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.starts_with("text/")
        || kind.ends_with("json")
        || kind.ends_with("xml")
        || kind.ends_with("/rtf")
        || kind.ends_with("hl7-v2")
}

#[cfg(test)]
mod tests;
