//! Search parameters, `[code, kind, [base…], expression, [target…]]`, the patient compartment,
//! `[type, [search parameter code…]]`, and the others, `[what it is of, [[type, [code…]]…]]`.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Source, items, text};

pub fn parameters(source: &Source) -> Result<Vec<Value>> {
    let known = source.search_parameters.iter();
    Ok(known
        .map(|parameter| {
            json!([
                text(parameter, "code"),
                text(parameter, "type"),
                items(parameter, "base"),
                text(parameter, "expression"),
                items(parameter, "target"),
            ])
        })
        .collect())
}

pub fn compartment(source: &Source) -> Result<Vec<Value>> {
    Ok(members(&source.patient_compartment))
}

pub fn compartments(source: &Source) -> Vec<Value> {
    let mut found: Vec<Value> = source
        .other_compartments
        .iter()
        .map(|other| json!([text(other, "code"), members(other)]))
        .collect();
    found.sort_by_key(|other| other[0].to_string());
    found
}

fn members(compartment: &Value) -> Vec<Value> {
    items(compartment, "resource")
        .iter()
        .filter(|resource| !items(resource, "param").is_empty())
        .map(|resource| json!([text(resource, "code"), items(resource, "param")]))
        .collect()
}
