//! Search parameters, `[code, kind, [base…], expression, [target…]]`, and the patient compartment,
//! `[type, [search parameter code…]]`.

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
    Ok(items(&source.patient_compartment, "resource")
        .iter()
        .filter(|resource| !items(resource, "param").is_empty())
        .map(|resource| json!([text(resource, "code"), items(resource, "param")]))
        .collect())
}
