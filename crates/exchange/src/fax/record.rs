//! What a fax becomes once a person has said whose it is: the organisation's own DocumentReference, Binary
//! and Provenance, and a letter in the inbox.

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date;
use fhir::date::Millis;
use fhir::json::{self, Limits};
use fhir::problem::Problem;
use serde_json::{Value, json};
use store::fax::{FaxIn, Matched};
use store::parcels::{Kind, Named, Parcel, PartOf};
use store::{Change, Expect, Prepared, Release};

use super::{number, pdf, tiff};
use crate::keys::sha256_hex;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const FAX: &str = "urn:handover:fax";
/// Hexadecimal digits of a digest that make an id, as for parcels.
const ID_DIGITS: usize = 40;
/// A Binary with the largest fax.
const RESOURCE_BYTES_MAX: usize = 64 << 20;
const PDF: &str = "application/pdf";
const PARTICIPANT: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// What a person says of a fax, and who says it.
#[derive(Clone, Debug)]
pub struct Said {
    /// The id of the Patient here.
    pub patient: String,
    /// The three that agree with the patient's record, and the given name as the record has it.
    pub named: Named,
    pub title: String,
    pub urgent: bool,
    pub who: String,
    pub role: String,
    pub account: Option<i64>,
    pub at: Millis,
}

/// The name of the organisation whose number the list says it is. A caller's number is easily feigned, so
/// it is told as what the list says and never as who sent it.
pub fn from(fax: &FaxIn, listed: Option<&str>) -> String {
    let caller = match fax.caller.as_str() {
        "" => "an unknown number".to_owned(),
        caller => number::shown(caller),
    };
    match listed {
        Some(name) => format!("Fax from {caller}, listed as {name}"),
        None => format!("Fax from {caller}"),
    }
}

/// The changes that put the fax into the record, and what notes that it is there. One job takes both.
///
/// # Errors
/// `Structure` and its like if the file cannot be read.
pub fn matched(
    fax: &FaxIn,
    file: &[u8],
    said: &Said,
    listed: Option<&str>,
    here: &Ods,
) -> Result<(Vec<Change>, Matched), Problem> {
    // Its pages were counted when it came; no more are read now.
    let pages = tiff::read(file, usize::try_from(fax.pages).unwrap_or(usize::MAX))?;
    let pdf = pdf::of_fax(file, &pages)?;
    let made = Made::new(fax, said, from(fax, listed), here);
    let changes = made.resources(&pdf).into_iter();
    let changes = changes.map(|it| put(&it, here));
    let changes = changes.collect::<Result<Vec<_>, _>>()?;
    let matched = Matched {
        number: fax.number,
        round: fax.round,
        parcel: made.parcel(&pdf),
        patient: said.patient.clone(),
        document: made.document.clone(),
        binaries: vec![made.binary.clone()],
        who: said.who.clone(),
        role: said.role.clone(),
        account: said.account,
    };
    Ok((changes, matched))
}

/// What becomes of a fax, by its names.
struct Made<'a> {
    fax: &'a FaxIn,
    said: &'a Said,
    here: &'a Ods,
    /// Who sent it, as far as anybody knows.
    author: String,
    /// The fax's name, another in each round.
    name: String,
    binary: String,
    document: String,
    provenance: String,
}

impl<'a> Made<'a> {
    fn new(fax: &'a FaxIn, said: &'a Said, author: String, here: &'a Ods) -> Made<'a> {
        let name = format!("{here}/{}.{}", fax.number, fax.round);
        let id = |what: &str| {
            let digest = sha256_hex(format!("fax/{name}/{what}").as_bytes());
            format!("f-{}", digest.get(..ID_DIGITS).unwrap_or(&digest))
        };
        Made {
            binary: id("binary"),
            document: id("document"),
            provenance: id("provenance"),
            fax,
            said,
            here,
            author,
            name,
        }
    }

    /// Those referred to first.
    fn resources(&self, pdf: &[u8]) -> [Value; 3] {
        let Made {
            fax, said, here, ..
        } = self;
        let (binary, document) = (&self.binary, &self.document);
        let binary_resource = json!({
            "resourceType": "Binary",
            "id": binary,
            "contentType": PDF,
            "securityContext": { "reference": format!("Patient/{}", said.patient) },
            "data": STANDARD.encode(pdf),
        });
        let document_resource = json!({
            "resourceType": "DocumentReference",
            "id": document,
            "masterIdentifier": { "system": FAX, "value": self.name },
            "status": "current",
            "docStatus": "final",
            "type": { "text": said.title },
            "subject": { "reference": format!("Patient/{}", said.patient) },
            "date": date::instant(fax.received_at),
            "author": [{ "display": self.author }],
            "custodian": { "identifier": { "system": ODS, "value": here.as_str() } },
            "description": said.title,
            "content": [{ "attachment": {
                "contentType": PDF,
                "url": format!("Binary/{binary}"),
                "size": pdf.len(),
                "title": said.title,
            }}],
        });
        let provenance = json!({
            "resourceType": "Provenance",
            "id": self.provenance,
            "target": [
                { "reference": format!("DocumentReference/{document}") },
                { "reference": format!("Binary/{binary}") },
            ],
            "occurredDateTime": date::instant(fax.received_at),
            "recorded": date::instant(said.at),
            "agent": [{
                // Who said whose it is: a fax itself proves nobody.
                "type": { "coding": [{ "system": PARTICIPANT, "code": "enterer" }] },
                "who": { "display": said.who },
                "onBehalfOf": { "identifier": { "system": ODS, "value": here.as_str() } },
            }],
            "entity": [{
                "role": "source",
                "what": { "identifier": { "system": FAX, "value": self.name }, "display": self.author },
            }],
        });
        [binary_resource, document_resource, provenance]
    }

    /// What stands for it in the inbox.
    fn parcel(&self, pdf: &[u8]) -> Parcel {
        let Made {
            fax, said, here, ..
        } = self;
        let text = json!({ "fax": self.name, "title": said.title, "file": fax.sha256 }).to_string();
        Parcel {
            kind: Kind::Fax,
            // Whose parcel it is; who sent the fax stands in `author`.
            sender: (*here).clone(),
            recipient: (*here).clone(),
            id: format!("fax-{}.{}", fax.number, fax.round),
            digest: sha256_hex(text.as_bytes()),
            text,
            title: said.title.clone(),
            author: self.author.clone(),
            urgent: said.urgent,
            marked: false,
            unique_id: String::new(),
            replaces: None,
            named: said.named.clone(),
            parts: vec![PartOf {
                sha256: sha256_hex(pdf),
                size: pdf.len() as u64,
                content_type: PDF.to_owned(),
            }],
        }
    }
}

fn put(resource: &Value, here: &Ods) -> Result<Change, Problem> {
    let text = resource.to_string();
    let limits = Limits {
        bytes: RESOURCE_BYTES_MAX,
        ..Limits::default()
    };
    let json = json::parse(text.as_bytes(), &limits)?;
    let id = resource.get("id").and_then(Value::as_str);
    Ok(Change::Put {
        resource: Prepared::new(&json, id.unwrap_or_default(), here)?,
        expect: Expect::Absent,
        // No machine has read whether it tells of somebody else: no rule of days shows it to the patient,
        // only a person who files it.
        release: Release::Never,
    })
}
