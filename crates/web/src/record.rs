//! What the pages read of FHIR resources: a few fields of Patient, DocumentReference and Binary.

use access::{NhsNumber, Scope};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde_json::Value;
use store::parcels::Large;
use store::{Reading, Version};

use crate::node::Node;

/// The naming system of ODS codes.
const ODS_CODE: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// A stored version as JSON.
///
/// # Errors
/// `Exception` if what is stored does not read.
pub fn json(version: &Version) -> Result<Value, Problem> {
    serde_json::from_slice(&version.body).map_err(|error| {
        Problem::new(Kind::Exception, "A stored record does not read.").because(error)
    })
}

/// A person's name, birth date and NHS number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patient {
    /// Family name in capitals, then given names.
    pub name: String,
    /// Folded, for comparing.
    pub family: String,
    pub birth_date: Option<String>,
    /// Ten digits.
    pub nhs_number: Option<String>,
}

/// Reads a Patient: the official or first name.
pub fn patient(resource: &Value) -> Patient {
    let names = resource["name"].as_array().map_or(&[][..], Vec::as_slice);
    let official = names.iter().find(|name| name["use"] == "official");
    let name = official.or(names.first()).unwrap_or(&Value::Null);
    let family = text(&name["family"]).unwrap_or_default();
    let given: Vec<&str> = items(&name["given"]).filter_map(Value::as_str).collect();
    let shown = match (family.is_empty(), given.is_empty()) {
        (false, false) => format!("{}, {}", family.to_uppercase(), given.join(" ")),
        (false, true) => family.to_uppercase(),
        (true, false) => given.join(" "),
        (true, true) => text(&name["text"]).unwrap_or_default(),
    };
    let number = items(&resource["identifier"]).find(|it| it["system"] == NhsNumber::SYSTEM);
    Patient {
        name: shown,
        family: fhir::search::fold(&family),
        birth_date: text(&resource["birthDate"]),
        nhs_number: number.and_then(|it| text(&it["value"])),
    }
}

/// Where a Patient lives and how they are reached: addresses, then telephone numbers and the like.
pub fn whereabouts(resource: &Value) -> Vec<String> {
    let address = |it: &Value| {
        let lines = items(&it["line"]).filter_map(text);
        let rest = ["city", "district", "postalCode"].map(|part| text(&it[part]));
        let parts: Vec<String> = lines.chain(rest.into_iter().flatten()).collect();
        let words = parts.join(", ");
        if words.is_empty() {
            text(&it["text"])
        } else {
            Some(words)
        }
    };
    let addresses = items(&resource["address"]).filter_map(address);
    let reached = items(&resource["telecom"]).filter_map(|it| text(&it["value"]));
    addresses.chain(reached).collect()
}

/// A letter, as its DocumentReference tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    pub title: String,
    /// Who wrote it: a person, as far as told.
    pub author: Option<String>,
    /// The organisation that it is from: a name, as far as told, else its ODS code.
    pub from: Option<String>,
    pub dated: Option<Millis>,
    /// False for one that was replaced or entered in error.
    pub is_current: bool,
    pub replaced: bool,
    /// Ids of the Binaries that hold it, with the title of each.
    pub attachments: Vec<(String, String)>,
}

/// Reads a DocumentReference.
pub fn letter(resource: &Value) -> Letter {
    let attachments: Vec<(String, String)> = items(&resource["content"])
        .map(|content| &content["attachment"])
        .filter_map(|it| {
            let id = it["url"].as_str()?.strip_prefix("Binary/")?.to_owned();
            Some((id, text(&it["title"]).unwrap_or_default()))
        })
        .collect();
    let title = text(&resource["description"])
        .or_else(|| {
            attachments
                .iter()
                .map(|(_, title)| title.clone())
                .find(|it| !it.is_empty())
        })
        .or_else(|| at(resource, "/type/text"))
        .or_else(|| {
            items(resource.pointer("/type/coding").unwrap_or(&Value::Null))
                .find_map(|it| text(&it["display"]))
        })
        .unwrap_or_else(|| "Letter".to_owned());
    let (people, organisations): (Vec<&Value>, Vec<&Value>) =
        items(&resource["author"]).partition(|it| !is_organisation(it));
    // A letter that came in names its writer, and by the identifier the organisation that sent it.
    let sender = items(&resource["author"]).find_map(ods_code);
    let named = organisations.first().and_then(|it| text(&it["display"]));
    let custodian = &resource["custodian"];
    let keeper = || text(&custodian["display"]).or_else(|| at(custodian, "/identifier/value"));
    Letter {
        title,
        author: people.first().and_then(|it| text(&it["display"])),
        from: sender.or(named).or_else(keeper),
        dated: resource["date"]
            .as_str()
            .and_then(date::span)
            .map(|span| span.low),
        is_current: resource["status"] == "current",
        replaced: resource["status"] == "superseded",
        attachments,
    }
}

/// The ODS code that a reference gives as its identifier.
fn ods_code(reference: &Value) -> Option<String> {
    (at(reference, "/identifier/system")? == ODS_CODE)
        .then(|| at(reference, "/identifier/value"))?
}

fn is_organisation(reference: &Value) -> bool {
    reference["type"] == "Organization"
        || reference["reference"]
            .as_str()
            .is_some_and(|it| it.contains("Organization"))
}

/// What a Binary holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub content_type: String,
    /// None of what is large.
    pub bytes: Vec<u8>,
    /// Where the bytes are of what is too large to be read as a whole.
    pub large: Option<Large>,
}

impl Content {
    /// In bytes.
    pub fn size(&self) -> u64 {
        self.large
            .as_ref()
            .map_or(self.bytes.len() as u64, |large| large.size)
    }
}

/// Reads a Binary: its data, or where they are.
///
/// # Errors
/// `NotFound` if it is not there for that scope, `Exception` if it does not read.
pub async fn content(node: &Node, scope: &Scope, binary: &str) -> Result<Option<Content>, Problem> {
    let version = match node.store.read(scope, "Binary", binary).await? {
        Reading::Found(version) => version,
        Reading::Deleted { .. } | Reading::Absent => return Ok(None),
    };
    let resource = json(&version)?;
    let mut content = self::binary(&resource)?;
    if resource.get("data").is_none() {
        content.large = node.store.large_binary(scope, binary).await?;
    }
    Ok(Some(content))
}

/// Reads a Binary.
///
/// # Errors
/// `Exception` if its data is not base64.
pub fn binary(resource: &Value) -> Result<Content, Problem> {
    let data = resource["data"].as_str().unwrap_or_default();
    let bytes = STANDARD.decode(data).map_err(|error| {
        Problem::new(Kind::Exception, "A stored document does not read.").because(error)
    })?;
    let content_type = text(&resource["contentType"]).unwrap_or_default();
    Ok(Content {
        content_type,
        bytes,
        large: None,
    })
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn at(value: &Value, place: &str) -> Option<String> {
    value.pointer(place).and_then(text)
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patient_is_shown_family_name_first() {
        let read = patient(&json!({
            "name": [{"use": "old", "family": "Was"}, {"use": "official", "family": "O'Neill", "given": ["Jane", "B"]}],
            "birthDate": "1961-02-03",
            "identifier": [{"system": "urn:mrn", "value": "1"}, {"system": NhsNumber::SYSTEM, "value": "9434765919"}],
        }));
        assert_eq!(read.name, "O'NEILL, Jane B");
        assert_eq!(read.nhs_number.as_deref(), Some("9434765919"));
        assert_eq!(patient(&json!({})), Patient::default());
    }

    #[test]
    fn a_letter_is_told_by_its_description_people_and_organisation() {
        let read = letter(&json!({
            "status": "current", "description": "Discharge summary", "date": "2026-01-02T03:04:05Z",
            "author": [{"display": "Dr A. Writer"}, {"type": "Organization", "display": "General Hospital"}],
            "content": [{"attachment": {"url": "Binary/b1", "title": "Letter"}}],
        }));
        assert_eq!(read.title, "Discharge summary");
        assert_eq!(read.author.as_deref(), Some("Dr A. Writer"));
        assert_eq!(read.from.as_deref(), Some("General Hospital"));
        assert_eq!(
            read.attachments,
            vec![("b1".to_owned(), "Letter".to_owned())]
        );
        assert!(read.is_current && read.dated.is_some());
        assert_eq!(letter(&json!({})).title, "Letter");
        let taken_in = letter(&json!({
            "author": [{"display": "Dr A. Writer", "identifier": {"system": ODS_CODE, "value": "RZZ01"}}],
            "custodian": {"identifier": {"system": ODS_CODE, "value": "A81001"}},
        }));
        assert_eq!(
            taken_in.from.as_deref(),
            Some("RZZ01"),
            "who sent it, not who keeps it"
        );
    }
}
