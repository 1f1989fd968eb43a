//! A pointer: what a producer's DocumentReference must say, and how one is shown.

use access::{NhsNumber, Ods};
use fhir::date;
use fhir::definitions::Definitions;
use fhir::json::{Limits, parse};
use fhir::members::text;
use fhir::validate::validate;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::ask::DocumentPointer;

use super::answer::Refused;

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// What an update leaves as it is.
const FIXED: [&str; 9] = [
    "subject",
    "custodian",
    "type",
    "masterIdentifier",
    "identifier",
    "status",
    "date",
    "relatesTo",
    "author",
];
/// Pointers that one replaces at most.
const REPLACED_MAX: usize = 20;

fn items<'v>(value: &'v Value, place: &str) -> &'v [Value] {
    let found = value.pointer(place).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

/// Reads what a producer sent.
///
/// # Errors
/// `VALIDATION_ERROR`, naming the element.
pub(super) fn read(body: &[u8], custodian: &Ods) -> Result<(Value, DocumentPointer), Refused> {
    let json = parse(body, &Limits::default())?;
    if json.text("resourceType") != Some("DocumentReference") {
        return Err(Refused::invalid(
            "resourceType",
            "The body is no DocumentReference.",
        ));
    }
    validate(&json, Definitions::r4())?;
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| Refused::invalid("DocumentReference", "The body is no JSON."))?;
    let subject = value.pointer("/subject/identifier").unwrap_or(&Value::Null);
    let number = NhsNumber::parse(text(subject, "/value")).ok();
    let number = number.filter(|_| text(subject, "/system") == NhsNumber::SYSTEM);
    let Some(number) = number else {
        let said = "subject.identifier holds an NHS number with its system.";
        return Err(Refused::invalid("DocumentReference.subject", said));
    };
    let keeper = value
        .pointer("/custodian/identifier")
        .unwrap_or(&Value::Null);
    if text(keeper, "/system") != ODS || text(keeper, "/value") != custodian.as_str() {
        let said = "The custodian is the organisation that NHSD-End-User-Organisation-ODS names.";
        return Err(Refused::invalid("DocumentReference.custodian", said));
    }
    let coding = value.pointer("/type/coding/0").unwrap_or(&Value::Null);
    let (system, code) = (text(coding, "/system"), text(coding, "/code"));
    if system.is_empty() || code.is_empty() {
        let said = "The type is a coding with system and code.";
        return Err(Refused::invalid("DocumentReference.type", said));
    }
    if items(&value, "/category").is_empty() {
        let said = "The category says the broader class of the type.";
        return Err(Refused::invalid("DocumentReference.category", said));
    }
    for content in items(&value, "/content") {
        let url = text(content, "/attachment/url");
        if url.is_empty() || text(content, "/attachment/contentType").is_empty() {
            let said = "Each content has an attachment with url and contentType.";
            return Err(Refused::invalid("DocumentReference.content", said));
        }
    }
    if text(&value, "/status") != "current" {
        let said = "A pointer's status is current; DELETE takes it away.";
        return Err(Refused::invalid("DocumentReference.status", said));
    }
    let pointer = DocumentPointer {
        id: text(&value, "/id").to_owned(),
        custodian: custodian.to_string(),
        nhs_number: number.digits().to_owned(),
        kind: format!("{system}|{code}"),
        version: 1,
        at: 0,
        body: value.to_string(),
    };
    Ok((value, pointer))
}

/// The ids of the pointers that it replaces.
///
/// # Errors
/// `VALIDATION_ERROR` for another code than `replaces`, or a target without a value.
pub(super) fn replaced(value: &Value) -> Result<Vec<String>, Refused> {
    let related = items(value, "/relatesTo");
    if related.len() > REPLACED_MAX {
        let said = "A pointer replaces 20 others at most.";
        return Err(Refused::invalid("DocumentReference.relatesTo", said));
    }
    let mut ids = Vec::new();
    for one in related {
        let id = text(one, "/target/identifier/value");
        if text(one, "/code") != "replaces" || id.is_empty() {
            let said =
                "relatesTo has the code replaces, and the other's id in target.identifier.value.";
            return Err(Refused::invalid("DocumentReference.relatesTo", said));
        }
        if !ids.iter().any(|it| it == id) {
            ids.push(id.to_owned());
        }
    }
    Ok(ids)
}

/// Whether an id is one that the custodian may give: its ODS code, a hyphen and more.
pub(super) fn is_theirs(id: &str, custodian: &Ods) -> bool {
    let rest = id.strip_prefix(custodian.as_str());
    let rest = rest.and_then(|it| it.strip_prefix('-'));
    rest.is_some_and(|it| !it.is_empty()) && fhir::resource::check_id(id).is_ok()
}

/// An element that an update must not change, and does.
pub(super) fn changed(before: &Value, after: &Value) -> Option<&'static str> {
    FIXED
        .into_iter()
        .find(|name| before.get(*name) != after.get(*name))
}

/// A pointer as it is shown.
pub(super) fn shown(pointer: &DocumentPointer) -> Value {
    let mut value: Value = serde_json::from_str(&pointer.body).unwrap_or(Value::Null);
    if let Some(members) = value.as_object_mut() {
        members.insert("id".to_owned(), pointer.id.clone().into());
        let mut meta = members.get("meta").cloned().unwrap_or_else(|| json!({}));
        if let Some(meta) = meta.as_object_mut() {
            let version = pointer.version.to_string();
            meta.insert("versionId".to_owned(), version.into());
            meta.insert("lastUpdated".to_owned(), date::instant(pointer.at).into());
        }
        members.insert("meta".to_owned(), meta);
    }
    value
}

/// "That organisation holds something about this person", in the same shape: it names no document.
pub(super) fn held(custodian: &Ods, number: &str) -> Value {
    let digest = Sha256::digest(format!("{number}/{custodian}").as_bytes());
    let hex: String = digest
        .iter()
        .take(12)
        .map(|it| format!("{it:02x}"))
        .collect();
    json!({
        "resourceType": "DocumentReference",
        "id": format!("{custodian}-held-{hex}"),
        "status": "current",
        "type": { "text": "Something is held about this patient; ask the custodian" },
        "subject": { "identifier": { "system": NhsNumber::SYSTEM, "value": number } },
        "custodian": { "identifier": { "system": ODS, "value": custodian.as_str() } },
        "content": [{ "attachment": { "title": "Ask the custodian" } }],
    })
}
