//! The code systems and value sets that R4 defines, a line each, with what a CodeSystem or ValueSet
//! resource would say but for descriptions:
//! `s<TAB>address<TAB>address of the value set of all its codes<TAB>JSON`, `v<TAB>address<TAB><TAB>JSON`.
//!
//! Left out are systems that others define (DICOM, SNOMED CT), those that are only examples or a part,
//! and value sets that need one of these.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Source, items, text};

/// Addresses of what HL7 itself defines.
const OWN: [&str; 2] = ["http://hl7.org/fhir/", "http://terminology.hl7.org/"];

/// Properties that say how a concept stands, beside its place in the hierarchy.
const PROPERTIES: [&str; 3] = ["status", "notSelectable", "child"];

/// What a CodeSystem says of itself.
const HEAD: [&str; 7] = [
    "url",
    "version",
    "name",
    "title",
    "content",
    "valueSet",
    "caseSensitive",
];

pub fn systems(source: &Source) -> String {
    let own = |url: &str| OWN.iter().any(|start| url.starts_with(start));
    let mut lines = BTreeMap::new();
    for (url, system) in &source.code_systems {
        if own(url) && text(system, "content") == "complete" {
            let mut kept = kept(system, &HEAD);
            kept.insert("resourceType".into(), json!("CodeSystem"));
            let concepts: Vec<Value> = items(system, "concept").iter().map(concept).collect();
            kept.insert("concept".into(), Value::from(concepts));
            let all = text(system, "valueSet")
                .split('|')
                .next()
                .unwrap_or_default();
            lines.insert(format!("s\t{url}\t{all}"), Value::Object(kept));
        }
    }
    for (url, set) in &source.value_sets {
        if own(url) && is_listed(source, set) {
            let mut kept = kept(set, &["url", "version", "name", "title"]);
            kept.insert("resourceType".into(), json!("ValueSet"));
            kept.insert("compose".into(), compose(&set["compose"]));
            lines.insert(format!("v\t{url}\t"), Value::Object(kept));
        }
    }
    let lines = lines.iter().map(|(head, json)| format!("{head}\t{json}\n"));
    lines.collect()
}

fn kept(resource: &Value, names: &[&str]) -> Map<String, Value> {
    let mut kept = Map::new();
    for name in names {
        if let Some(value) = resource.get(*name) {
            kept.insert((*name).to_string(), value.clone());
        }
    }
    kept
}

fn concept(known: &Value) -> Value {
    let mut out = kept(known, &["code", "display"]);
    let properties = items(known, "property").iter();
    let properties: Vec<Value> = properties
        .filter(|property| PROPERTIES.contains(&text(property, "code")))
        .cloned()
        .collect();
    if !properties.is_empty() {
        out.insert("property".into(), Value::from(properties));
    }
    let below: Vec<Value> = items(known, "concept").iter().map(concept).collect();
    if !below.is_empty() {
        out.insert("concept".into(), Value::from(below));
    }
    Value::Object(out)
}

/// Whether all that it is composed of is HL7's own, or named code by code.
fn is_listed(source: &Source, set: &Value) -> bool {
    let Some(compose) = set.get("compose") else {
        return false;
    };
    let mut parts = items(compose, "include")
        .iter()
        .chain(items(compose, "exclude"));
    parts.all(|part| {
        let system = text(part, "system");
        let is_own = OWN.iter().any(|start| system.starts_with(start));
        let is_whole = || {
            let system = source.code_systems.get(system);
            is_own && system.is_some_and(|system| text(system, "content") == "complete")
        };
        system.is_empty() || part.get("concept").is_some() && is_own || is_whole()
    })
}

/// Without what is only said about codes.
fn compose(compose: &Value) -> Value {
    let parts = |name: &str| -> Vec<Value> {
        let parts = items(compose, name).iter();
        let part = |part: &Value| {
            let mut out = kept(part, &["system", "filter", "valueSet"]);
            let codes: Vec<Value> = items(part, "concept")
                .iter()
                .map(|code| Value::Object(kept(code, &["code", "display"])))
                .collect();
            if !codes.is_empty() {
                out.insert("concept".into(), Value::from(codes));
            }
            Value::Object(out)
        };
        parts.map(part).collect()
    };
    let (include, exclude) = (parts("include"), parts("exclude"));
    match exclude.is_empty() {
        true => json!({ "include": include }),
        false => json!({ "include": include, "exclude": exclude }),
    }
}
