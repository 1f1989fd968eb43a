//! Composites: values that belong together since they stand in one element.

use super::values;
use crate::definitions::Definitions;
use crate::json::Json;
use crate::path::Item;
use crate::search::canonical;
use crate::search::parameter::Parameter;
use crate::search::value::Value;

/// Entries that one element may have: an element of many codings and many values is cut there.
const COMBINATIONS_MAX: usize = 256;

/// The entries of one element, as given and with its quantities in base units.
pub(super) fn of(
    item: Item<'_>,
    parameter: &Parameter,
    resource: &Json<'_>,
    definitions: &Definitions,
    out: &mut dyn FnMut(&'static str, Value),
) {
    let mut parts: Vec<Vec<Value>> = Vec::with_capacity(parameter.components.len());
    for component in &parameter.components {
        let mut found = Vec::new();
        let mut each = |item: Item<'_>| {
            values::of(item, component.kind, definitions, &mut |value| {
                found.push(value)
            });
        };
        if component.from_resource {
            component.path.each(resource, definitions, &mut each);
        } else {
            component
                .path
                .each_from(resource, item, definitions, &mut each);
        }
        if found.is_empty() {
            return;
        }
        parts.push(found);
    }
    for combined in product(&parts) {
        if let Some(base) = in_base_units(&combined) {
            out(parameter.asides.canonical, Value::Composite(base));
        }
        out(parameter.code, Value::Composite(combined));
    }
}

fn product(parts: &[Vec<Value>]) -> Vec<Vec<Value>> {
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for part in parts {
        let longer = all.iter().flat_map(|start| {
            part.iter().map(|value| {
                let mut combined = start.clone();
                combined.push(value.clone());
                combined
            })
        });
        all = longer.take(COMBINATIONS_MAX).collect();
    }
    all
}

/// With its quantities in base units, if it has one that can be.
fn in_base_units(combined: &[Value]) -> Option<Vec<Value>> {
    let mut base = combined.to_vec();
    let mut any = false;
    for value in &mut base {
        if let Some(canonical) = canonical::value(value) {
            *value = canonical;
            any = true;
        }
    }
    any.then_some(base)
}
