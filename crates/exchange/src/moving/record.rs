//! A record on its way from one practice to another: pieces of bounded size, with references that mean the same at both.

use std::collections::HashSet;

use access::Ods;
use fhir::date::{self, Millis};
use fhir::problem::{Kind, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::moving::{Given, given_types};
use store::parcels::IN_RESOURCE_BYTES_MAX;

use super::ODS;
use crate::keys::sha256_hex;

/// Resources in one piece.
const PIECE_ENTRIES_MAX: usize = 300;
/// About how many bytes a piece has; one that is larger goes alone.
const PIECE_BYTES: usize = 4 << 20;
/// Pieces of one record.
pub(super) const PIECES_MAX: i64 = 200;
/// Hexadecimal digits of a digest that make an id.
const ID_DIGITS: usize = 40;

/// One resource of a piece.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// When the patient may see it, in milliseconds since 1970; none for never.
    pub released: Option<Millis>,
    /// It has the id that it is to have at the new practice, and names the patient as `Patient/-`.
    pub resource: Value,
}

/// The patient of a piece, whoever that is at the new practice.
const PATIENT: &str = "Patient/-";

/// The pieces of a record, and how many resources could not be put into any.
pub(super) fn pieces(given: &Given, own: &Ods, patient: &str) -> (Vec<Vec<u8>>, usize) {
    let there: HashSet<(&str, &str)> = given
        .entries
        .iter()
        .map(|(version, _)| (version.ty.as_str(), version.id.as_str()))
        .collect();
    let (mut pieces, mut left_out) = (Vec::new(), 0);
    let (mut lines, mut bytes) = (Vec::new(), 0);
    for (version, released) in &given.entries {
        let Ok(mut resource) = serde_json::from_slice::<Value>(&version.body) else {
            left_out += 1;
            continue;
        };
        rewrite(&mut resource, own, (patient, &there));
        name(&mut resource, own, (&version.ty, &version.id));
        let entry = json!({ "released": released, "resource": resource }).to_string();
        // Two characters enclose all, and one parts them.
        let fits = u64::try_from(entry.len()).unwrap_or(u64::MAX) < IN_RESOURCE_BYTES_MAX - 2;
        if !fits || i64::try_from(pieces.len()).unwrap_or(i64::MAX) >= PIECES_MAX {
            left_out += 1;
            continue;
        }
        if !lines.is_empty()
            && (bytes + entry.len() > PIECE_BYTES || lines.len() >= PIECE_ENTRIES_MAX)
        {
            pieces.push(piece(&mut lines));
            bytes = 0;
        }
        bytes += entry.len() + 1;
        lines.push(entry);
    }
    if !lines.is_empty() {
        pieces.push(piece(&mut lines));
    }
    (pieces, left_out)
}

fn piece(lines: &mut Vec<String>) -> Vec<u8> {
    let text = format!("[{}]", lines.join(","));
    lines.clear();
    text.into_bytes()
}

/// Reads a piece, for the patient of that id here.
///
/// # Errors
/// `Structure` or `Value` for what is no piece of a record.
pub(super) fn read(bytes: &[u8], patient: &str) -> Result<Vec<Entry>, Problem> {
    let mut entries: Vec<Entry> = serde_json::from_slice(bytes).map_err(|cause| {
        Problem::new(Kind::Structure, "A piece of a record does not read.").because(cause)
    })?;
    if entries.len() > PIECE_ENTRIES_MAX {
        return Err(Problem::new(
            Kind::TooLong,
            "A piece of a record has too many entries.",
        ));
    }
    for entry in &mut entries {
        let ty = entry.resource.get("resourceType").and_then(Value::as_str);
        let id = entry.resource.get("id").and_then(Value::as_str);
        let is_given = ty.is_some_and(|ty| given_types().any(|given| given == ty));
        // Nothing that is here of another origin is written over.
        if !is_given || !id.is_some_and(|id| id.starts_with("m-")) {
            let message = "A piece of a record holds what is not given.";
            return Err(Problem::new(Kind::Value, message));
        }
        named(&mut entry.resource, &format!("Patient/{patient}"));
    }
    Ok(entries)
}

/// The id at the new practice of what has that one at the old one.
fn id_there(own: &Ods, ty: &str, id: &str) -> String {
    let digest = sha256_hex(format!("{own}/{ty}/{id}").as_bytes());
    format!("m-{}", digest.get(..ID_DIGITS).unwrap_or(&digest))
}

fn name(resource: &mut Value, own: &Ods, (ty, id): (&str, &str)) {
    let Some(object) = resource.as_object_mut() else {
        return;
    };
    object.insert("id".into(), id_there(own, ty, id).into());
    let meta = object.entry("meta").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut() {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        meta.insert("source".into(), format!("urn:handover:moved:{own}").into());
    }
}

type There<'a> = (&'a str, &'a HashSet<(&'a str, &'a str)>);

/// References to what goes along name it as it will be called; those to the patient say so; what stays is named, not referred to.
fn rewrite(value: &mut Value, own: &Ods, there: There<'_>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|it| rewrite(it, own, there)),
        Value::Object(object) => {
            reference(object, own, there);
            address(object, own, there);
            object.values_mut().for_each(|it| rewrite(it, own, there));
        }
        _ => {}
    }
}

fn reference(object: &mut Map<String, Value>, own: &Ods, (patient, there): There<'_>) {
    let Some(Value::String(text)) = object.get("reference") else {
        return;
    };
    let text = text.clone();
    let Some((ty, id)) = relative(&text) else {
        return;
    };
    if (ty, id) == ("Patient", patient) {
        object.insert("reference".into(), PATIENT.into());
    } else if there.contains(&(ty, id)) {
        let to = format!("{ty}/{}", id_there(own, ty, id));
        object.insert("reference".into(), to.into());
    } else {
        object.remove("reference");
        let name =
            json!({ "system": "urn:handover:resource", "value": format!("{own}/{ty}/{id}") });
        object.entry("identifier").or_insert(name);
    }
}

/// An attachment's address.
fn address(object: &mut Map<String, Value>, own: &Ods, (_, there): There<'_>) {
    let Some(Value::String(text)) = object.get("url") else {
        return;
    };
    let text = text.clone();
    if let Some(("Binary", id)) = relative(&text) {
        if there.contains(&("Binary", id)) {
            let to = format!("Binary/{}", id_there(own, "Binary", id));
            object.insert("url".into(), to.into());
        } else {
            object.remove("url");
        }
    }
}

/// Type and id of a relative reference; a version that it names is left out.
fn relative(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('/');
    let (ty, id) = (parts.next()?, parts.next()?);
    let is_type = ty.starts_with(|it: char| it.is_ascii_uppercase())
        && ty.bytes().all(|it| it.is_ascii_alphanumeric());
    (is_type && !id.is_empty() && matches!(parts.next(), None | Some("_history")))
        .then_some((ty, id))
}

fn named(value: &mut Value, patient: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|it| named(it, patient)),
        Value::Object(object) => {
            let is_it = object.get("reference").and_then(Value::as_str) == Some(PATIENT);
            if is_it {
                object.insert("reference".into(), patient.into());
            }
            object.values_mut().for_each(|it| named(it, patient));
        }
        _ => {}
    }
}

/// Whence the resources of a piece are.
pub(super) fn provenance(
    (id, targets): (&str, &[String]),
    (from, here): (&Ods, &Ods),
    at: Millis,
) -> Value {
    let target: Vec<Value> = targets
        .iter()
        .map(|it| json!({ "reference": it }))
        .collect();
    let organisation =
        |ods: &Ods| json!({ "identifier": { "system": ODS, "value": ods.as_str() } });
    json!({
        "resourceType": "Provenance",
        "id": id,
        "target": target,
        "recorded": date::instant(at),
        "activity": { "text": "The patient moved to this practice; the record came from the one before." },
        "agent": [{ "who": organisation(from), "onBehalfOf": organisation(here) }],
    })
}
