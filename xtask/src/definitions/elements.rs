//! Types and their elements.
//!
//! A type is `[name, kind, regex or null, [element…]]`; kind is `primitive`, `complex`, `resource`
//! or `abstract`. An element inside an element is a type of its own, named by its path
//! (`Patient.contact`). An element is `[name, min, many, [type…], [target…], value set or -1]`;
//! many is 1 where it repeats, else 0.

use std::collections::HashSet;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::value_sets::ValueSets;
use super::{Source, items, text};

/// What the package adds to R4 (its own, and elements of later releases). Whatever starts with one
/// of these paths is left out.
const NOT_R4: &[&str] = &[
    "SubscriptionStatus",
    "Meta.project",
    "Meta.author",
    "Meta.onBehalfOf",
    "Meta.account",
    "Meta.accounts",
    "Meta.compartment",
    "Binary.url",
    "DeviceDefinition.bodySite",
    "DeviceDefinition.classification",
    "ObservationDefinition.publisher",
    "ResearchStudy.associatedParty",
    "ResearchStudy.classifier",
    "ResearchStudy.comparisonGroup",
    "ResearchStudy.descriptionSummary",
    "ResearchStudy.label",
    "ResearchStudy.name",
    "ResearchStudy.objective.description",
    "ResearchStudy.outcomeMeasure",
    "ResearchStudy.progressStatus",
    "ResearchStudy.recruitment",
    "ResearchStudy.region",
    "ResearchStudy.result",
    "ResearchStudy.studyDesign",
    "ResearchStudy.whyStopped",
    "EvidenceVariable.characteristic.definitionByCombination",
    "EvidenceVariable.characteristic.definitionByTypeAndValue",
    "EvidenceVariable.characteristic.definitionCanonical",
    "EvidenceVariable.characteristic.definitionCodeableConcept",
    "EvidenceVariable.characteristic.definitionExpression",
    "EvidenceVariable.characteristic.definitionId",
    "EvidenceVariable.characteristic.definitionReference",
    "EvidenceVariable.characteristic.duration[x]",
    "EvidenceVariable.characteristic.instances[x]",
    "EvidenceVariable.characteristic.linkId",
    "EvidenceVariable.characteristic.note",
    "EvidenceVariable.characteristic.timeFromEvent",
];

/// Elements of R4 that the package has replaced by those of a later release; they are taken from
/// its data element definitions, which are R4's.
const TAKEN_FROM_DATA_ELEMENTS: &[&str] = &[
    "EvidenceVariable.characteristic.definition[x]",
    "EvidenceVariable.characteristic.usageContext",
    "EvidenceVariable.characteristic.participantEffective[x]",
    "EvidenceVariable.characteristic.timeFromStart",
    "EvidenceVariable.characteristic.groupMeasure",
];

/// Elements that R4 requires and the package, following a later release, does not.
const REQUIRED: &[&str] = &["EvidenceVariable.characteristic"];

pub fn types(source: &Source, value_sets: &mut ValueSets) -> Result<Vec<Value>> {
    let mut types = Vec::new();
    for structure in &source.structures {
        let name = text(structure, "type");
        // Profiles, such as SimpleQuantity, and logical models are not types in data.
        let is_type = text(structure, "id") == name && text(structure, "kind") != "logical";
        if !is_type || is_added(name) {
            continue;
        }
        types.extend(types_of(structure, source, value_sets)?);
    }
    Ok(types)
}

fn is_added(path: &str) -> bool {
    NOT_R4.iter().any(|added| {
        path.strip_prefix(added)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The type itself and one for each element that has elements.
fn types_of(structure: &Value, source: &Source, value_sets: &mut ValueSets) -> Result<Vec<Value>> {
    let name = text(structure, "type");
    let mut elements: Vec<&Value> = items(&structure["snapshot"], "element")
        .iter()
        .filter(|element| !is_added(text(element, "path")))
        .collect();
    for path in TAKEN_FROM_DATA_ELEMENTS
        .iter()
        .filter(|path| path.split('.').next() == Some(name))
    {
        elements.push(
            source
                .data_elements
                .get(*path)
                .with_context(|| path.to_string())?,
        );
    }
    let parents: HashSet<&str> = elements
        .iter()
        .filter_map(|element| parent(text(element, "path")))
        .collect();
    let mut types = Vec::new();
    for owner in elements.iter().map(|element| text(element, "path")) {
        if !parents.contains(owner) {
            continue;
        }
        let regex = elements.iter().find_map(|element| regex(element));
        let is_top = owner == name;
        let kind = if is_top { kind(structure)? } else { "complex" };
        let own = elements
            .iter()
            .filter(|element| parent(text(element, "path")) == Some(owner));
        let own: Result<Vec<Value>> = own
            .filter(|element| kind != "primitive" || !text(element, "path").ends_with(".value"))
            .map(|element| described(element, &parents, source, value_sets))
            .collect();
        types.push(json!([owner, kind, regex.filter(|_| is_top), own?]));
    }
    Ok(types)
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(parent, _)| parent)
}

fn kind(structure: &Value) -> Result<&'static str> {
    Ok(match text(structure, "kind") {
        _ if structure["abstract"] == true => "abstract",
        "primitive-type" => "primitive",
        "complex-type" => "complex",
        "resource" => "resource",
        kind => anyhow::bail!("unknown kind {kind}"),
    })
}

/// The format of a primitive type, which stands on its `value` element.
fn regex(element: &Value) -> Option<&str> {
    let path = text(element, "path");
    if path.matches('.').count() != 1 || !path.ends_with(".value") {
        return None;
    }
    extension(element, "http://hl7.org/fhir/StructureDefinition/regex")
}

fn extension<'v>(element: &'v Value, url: &str) -> Option<&'v str> {
    let mut extensions = items(element, "type")
        .iter()
        .flat_map(|ty| items(ty, "extension"));
    let found = extensions.find(|extension| text(extension, "url") == url)?;
    ["valueString", "valueUrl"]
        .iter()
        .find_map(|name| found.get(*name)?.as_str())
}

fn described(
    element: &Value,
    parents: &HashSet<&str>,
    source: &Source,
    value_sets: &mut ValueSets,
) -> Result<Value> {
    let path = text(element, "path");
    let (_, name) = path
        .rsplit_once('.')
        .context("an element without a parent")?;
    let types = type_names(element, parents, source)?;
    let value_set = match element.get("binding") {
        Some(binding)
            if text(binding, "strength") == "required"
                && (types == ["code"] || types == ["CodeableConcept"]) =>
        {
            value_sets.index(text(binding, "valueSet"))
        }
        _ => None,
    };
    let min = if REQUIRED.contains(&path) {
        1
    } else {
        element["min"].as_u64().context("min")?
    };
    let many = u8::from(text(element, "max") == "*");
    let value_set = value_set.map_or(json!(-1), |index| json!(index));
    Ok(json!([name, min, many, types, targets(element), value_set]))
}

fn type_names(element: &Value, parents: &HashSet<&str>, source: &Source) -> Result<Vec<String>> {
    let path = text(element, "path");
    if let Some(reference) = element.get("contentReference").and_then(Value::as_str) {
        let (_, target) = reference
            .rsplit_once('#')
            .context("a contentReference without #")?;
        return Ok(vec![target.to_string()]);
    }
    if parents.contains(path) {
        return Ok(vec![path.to_string()]);
    }
    // Where the two differ, the data element is R4's.
    let element = source.data_elements.get(path).unwrap_or(element);
    Ok(items(element, "type")
        .iter()
        .map(
            |ty| match text(ty, "code").strip_prefix("http://hl7.org/fhirpath/System.") {
                Some(_) if is_resource_id(path, source) => "id".to_string(),
                Some(_) => {
                    let url =
                        "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
                    extension(element, url).unwrap_or("string").to_string()
                }
                None => text(ty, "code").to_string(),
            },
        )
        .collect())
}

/// `Patient.id` is an `id`; `HumanName.id` and `Patient.contact.id` are any string.
fn is_resource_id(path: &str, source: &Source) -> bool {
    let Some((owner, "id")) = path.split_once('.') else {
        return false;
    };
    source
        .structures
        .iter()
        .any(|structure| text(structure, "type") == owner && text(structure, "kind") == "resource")
}

/// The resource types that a Reference (or canonical) may point at; none if any.
fn targets(element: &Value) -> Vec<&str> {
    let mut targets: Vec<&str> = items(element, "type")
        .iter()
        .filter(|ty| text(ty, "code") == "Reference")
        .flat_map(|ty| items(ty, "targetProfile"))
        .filter_map(Value::as_str)
        .filter_map(|profile| profile.rsplit('/').next())
        .filter(|target| *target != "Resource")
        .collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// The invariants: `[path, key, is an error, expression]`. The path names a type (`Period`,
/// `Patient.contact`), or an element that has invariants beside those of its type
/// (`Organization.telecom`). What every element or every DomainResource must hold stands once.
pub fn invariants(source: &Source) -> Vec<Value> {
    let mut found = Vec::new();
    for structure in &source.structures {
        let name = text(structure, "type");
        let is_type = text(structure, "id") == name && text(structure, "kind") != "logical";
        if !is_type || is_added(name) {
            continue;
        }
        for element in items(&structure["snapshot"], "element") {
            let path = text(element, "path");
            let stem = path.strip_suffix("[x]").unwrap_or(path);
            for constraint in items(element, "constraint") {
                let key = text(constraint, "key");
                let inherited = key == "ele-1"
                    || (key.starts_with("dom-") && path != "DomainResource")
                    || (key == "ext-1" && path != "Extension");
                if !inherited && !is_added(path) {
                    let is_error = u8::from(text(constraint, "severity") == "error");
                    found.push(json!([stem, key, is_error, text(constraint, "expression")]));
                }
            }
        }
    }
    found
}
