//! A letter that this organisation wrote, as it stands in the record here.

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::{self, Millis};
use serde_json::{Value, json};

/// The media type of letters that are text.
pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// What every such letter has; what more there is to one its writer adds to the DocumentReference.
pub(crate) struct Kept<'k> {
    /// The ids of its two resources.
    pub binary: String,
    pub document: String,
    /// The document's number, by which whoever gets it knows it.
    pub number: String,
    /// A CodeableConcept.
    pub ty: Value,
    /// The Patient's id.
    pub patient: &'k str,
    pub at: Millis,
    pub author: &'k str,
    /// This organisation.
    pub own: &'k Ods,
    pub title: &'k str,
    pub bytes: &'k [u8],
}

impl Kept<'_> {
    /// Its Binary and its DocumentReference.
    pub(crate) fn resources(self) -> [Value; 2] {
        let subject = json!({ "reference": format!("Patient/{}", self.patient) });
        let content = json!({
            "resourceType": "Binary",
            "id": self.binary,
            "contentType": PLAIN,
            "securityContext": subject,
            "data": STANDARD.encode(self.bytes),
        });
        let document = json!({
            "resourceType": "DocumentReference",
            "id": self.document,
            "identifier": [{ "value": self.number }],
            "status": "current",
            "docStatus": "final",
            "type": self.ty,
            "subject": subject,
            "date": date::instant(self.at),
            "author": [{ "display": self.author }],
            "custodian": { "identifier": { "system": ODS_CODE, "value": self.own.as_str() } },
            "description": self.title,
            "content": [{ "attachment": {
                "contentType": PLAIN,
                "url": format!("Binary/{}", self.binary),
                "size": self.bytes.len(),
                "title": self.title,
            } }],
        });
        [content, document]
    }
}
