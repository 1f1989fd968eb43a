//! The resources that a letter becomes at its receiver (FHIR R4
//! <https://hl7.org/fhir/R4/documentreference.html>).

use access::Ods;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date;
use serde_json::{Map, Value, json};
use store::Effect;
use store::parcels::{Large, ParcelWrite, ToTakeIn};

use crate::keys::sha256_hex;
use crate::manifest::{Mark, ParcelText};

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const PARCEL: &str = "urn:handover:parcel";
/// Of what came as an ITK3 document: no signature stands behind its sender.
const ITK3: &str = "urn:handover:itk3";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const MARKS: &str = "urn:handover:mark";
/// Hexadecimal digits of a digest that make an id: 160 bits, and room for what stands before them.
const ID_DIGITS: usize = 40;

/// What one letter becomes.
pub(super) struct Made {
    pub(super) document_id: String,
    pub(super) binary_ids: Vec<String>,
    resources: Vec<Value>,
    /// Binaries whose bytes stay where they came, by their ids.
    large: Vec<(String, Large)>,
}

/// What a content of a letter is here.
pub(super) enum Part {
    Whole(Vec<u8>),
    /// Too large for a resource: its Binary has no data.
    Large(Large),
}

impl Made {
    /// All of them, those referred to first.
    pub(super) fn all(&self) -> &[Value] {
        &self.resources
    }

    /// What keeps the bytes of the large ones, in the commit that makes them.
    pub(super) fn keeps(&self) -> Vec<Effect> {
        let keep = |(binary, large): &(String, Large)| {
            Effect::Parcel(ParcelWrite::Large {
                binary: binary.clone(),
                large: large.clone(),
            })
        };
        self.large.iter().map(keep).collect()
    }
}

/// Makes them. The same parcel gives the same ids, however often.
pub(super) fn make(
    parcel: &ToTakeIn,
    text: &ParcelText,
    patient: &str,
    contents: Vec<Part>,
    here: &Ods,
) -> Made {
    let id = |what: &str| {
        let digest = sha256_hex(format!("{}/{}/{what}", parcel.sender, parcel.id).as_bytes());
        format!("p-{}", digest.get(..ID_DIGITS).unwrap_or(&digest))
    };
    let binary_ids: Vec<String> = (0..contents.len())
        .map(|number| id(&format!("binary-{number}")))
        .collect();
    let document_id = id("document");
    let mut resources = Vec::new();
    let mut large = Vec::new();
    for ((binary, part), named) in binary_ids.iter().zip(contents).zip(&text.contents) {
        let mut resource = json!({
            "resourceType": "Binary",
            "id": binary,
            "contentType": named.content_type,
            "securityContext": { "reference": format!("Patient/{patient}") },
        });
        match part {
            Part::Whole(bytes) => {
                if let Some(members) = resource.as_object_mut() {
                    members.insert("data".into(), STANDARD.encode(bytes).into());
                }
            }
            Part::Large(content) => large.push((binary.clone(), content)),
        }
        resources.push(resource);
    }
    resources.push(document(
        parcel,
        text,
        patient,
        &document_id,
        &binary_ids,
        here,
    ));
    resources.push(provenance(
        parcel,
        &id("provenance"),
        &document_id,
        &binary_ids,
        here,
    ));
    Made {
        document_id,
        binary_ids,
        resources,
        large,
    }
}

fn document(
    parcel: &ToTakeIn,
    text: &ParcelText,
    patient: &str,
    id: &str,
    binaries: &[String],
    here: &Ods,
) -> Value {
    let mut document = Map::new();
    document.insert("resourceType".into(), "DocumentReference".into());
    document.insert("id".into(), id.into());
    let name = format!("{}/{}", parcel.sender, parcel.id);
    document.insert(
        "masterIdentifier".into(),
        json!({ "system": system(parcel), "value": name }),
    );
    if !text.document.is_empty() {
        let assigner = json!({ "identifier": organisation(&parcel.sender) });
        let number = json!([{ "value": text.document, "assigner": assigner }]);
        document.insert("identifier".into(), number);
    }
    document.insert("status".into(), "current".into());
    document.insert("docStatus".into(), "final".into());
    if !text.title.is_empty() {
        document.insert("type".into(), json!({ "text": text.title }));
    }
    document.insert(
        "subject".into(),
        json!({ "reference": format!("Patient/{patient}") }),
    );
    document.insert("date".into(), date::instant(text.made_at).into());
    let mut author = Map::new();
    author.insert("identifier".into(), organisation(&parcel.sender));
    if !text.author.is_empty() {
        author.insert("display".into(), text.author.clone().into());
    }
    document.insert("author".into(), json!([author]));
    document.insert(
        "custodian".into(),
        json!({ "identifier": organisation(here) }),
    );
    if !text.title.is_empty() {
        document.insert("description".into(), text.title.clone().into());
    }
    if !text.marks.is_empty() {
        document.insert("securityLabel".into(), labels(&text.marks));
    }
    let content = text.contents.iter().zip(binaries).map(|(named, binary)| {
        let mut attachment = Map::new();
        attachment.insert("contentType".into(), named.content_type.clone().into());
        attachment.insert("url".into(), format!("Binary/{binary}").into());
        attachment.insert("size".into(), named.size.into());
        if !text.title.is_empty() {
            attachment.insert("title".into(), text.title.clone().into());
        }
        json!({ "attachment": attachment })
    });
    document.insert("content".into(), content.collect());
    Value::Object(document)
}

/// Restricted, and why.
fn labels(marks: &[Mark]) -> Value {
    let mark = |mark: &Mark| match mark {
        Mark::ThirdParty => "third-party",
        Mark::SeriousHarm => "serious-harm",
    };
    let restricted = json!({ "coding": [{ "system": CONFIDENTIALITY, "code": "R" }] });
    let why = marks
        .iter()
        .map(|it| json!({ "coding": [{ "system": MARKS, "code": mark(it) }] }));
    std::iter::once(restricted).chain(why).collect()
}

fn provenance(
    parcel: &ToTakeIn,
    id: &str,
    document: &str,
    binaries: &[String],
    here: &Ods,
) -> Value {
    let mut target = vec![json!({ "reference": format!("DocumentReference/{document}") })];
    target.extend(
        binaries
            .iter()
            .map(|it| json!({ "reference": format!("Binary/{it}") })),
    );
    let name = format!("{}/{}", parcel.sender, parcel.id);
    let received = date::instant(parcel.received_at);
    json!({
        "resourceType": "Provenance",
        "id": id,
        "target": target,
        "occurredDateTime": received,
        "recorded": received,
        "agent": [{
            "who": { "identifier": organisation(&parcel.sender) },
            "onBehalfOf": { "identifier": organisation(here) },
        }],
        "entity": [{
            "role": "source",
            "what": { "identifier": { "system": system(parcel), "value": name } },
        }],
    })
}

/// Which names the parcel's name is one of.
fn system(parcel: &ToTakeIn) -> &'static str {
    match parcel.by_itk3 {
        true => ITK3,
        false => PARCEL,
    }
}

fn organisation(ods: &Ods) -> Value {
    json!({ "system": ODS, "value": ods.as_str() })
}
