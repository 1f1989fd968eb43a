//! Several organisations' answers as one list: what bears the same business identifier is one thing.

use std::collections::HashMap;

use fhir::date::{self, Millis};
use serde_json::Value;

/// One thing that is known of the patient, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// A resource type.
    pub ty: String,
    /// The newest, as its source gave it.
    pub resource: Value,
    /// When its source last changed it; 0 if it does not say.
    pub updated: Millis,
    /// Whose it is, then who else holds it: places in the list of sources.
    pub sources: Vec<usize>,
}

/// All of them, the newest first.
pub(super) fn merge(answers: Vec<(usize, Vec<Value>)>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    for (source, resources) in answers {
        for resource in resources {
            let ty = text(&resource, "resourceType").to_string();
            let names = names(&resource);
            let same = names
                .iter()
                .find_map(|name| known.get(&(ty.clone(), name.clone())))
                .copied();
            let number = match same.and_then(|at| items.get_mut(at).map(|item| (at, item))) {
                Some((at, item)) => {
                    add(item, source, resource);
                    at
                }
                None => {
                    items.push(Item {
                        updated: updated(&resource),
                        sources: vec![source],
                        ty: ty.clone(),
                        resource,
                    });
                    items.len() - 1
                }
            };
            for name in names {
                known.entry((ty.clone(), name)).or_insert(number);
            }
        }
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.updated));
    items
}

/// The same thing by another source: the newer of the two is shown, and both are named.
fn add(item: &mut Item, source: usize, resource: Value) {
    item.sources.retain(|it| *it != source);
    let at = updated(&resource);
    if at > item.updated {
        item.updated = at;
        item.resource = resource;
        item.sources.insert(0, source);
    } else {
        item.sources.push(source);
    }
}

/// Its business identifiers, each as system and value; one without a system names nothing beyond its
/// source.
fn names(resource: &Value) -> Vec<String> {
    let listed = resource.get("identifier").and_then(Value::as_array);
    let listed = listed.map_or(&[][..], Vec::as_slice).iter();
    let all = listed.chain(resource.get("masterIdentifier"));
    let named = all.filter_map(|identifier| {
        let (system, value) = (text(identifier, "system"), text(identifier, "value"));
        (!system.is_empty() && !value.is_empty()).then(|| format!("{system}|{value}"))
    });
    named.collect()
}

fn updated(resource: &Value) -> Millis {
    let at = resource
        .pointer("/meta/lastUpdated")
        .and_then(Value::as_str);
    at.and_then(date::span).map_or(0, |span| span.low)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(id: &str, number: Option<&str>, day: u8) -> Value {
        let mut resource = json!({
            "resourceType": "Observation",
            "id": id,
            "meta": { "lastUpdated": format!("2026-01-{day:02}T09:00:00Z") },
        });
        if let Some(number) = number {
            resource["identifier"] = json!([{ "system": "urn:lab", "value": number }]);
        }
        resource
    }

    #[test]
    fn what_two_hold_under_one_identifier_is_one_thing_of_both_and_the_newest() {
        let items = merge(vec![
            (0, vec![result("a", Some("1"), 3), result("b", None, 9)]),
            (1, vec![result("c", Some("1"), 5)]),
            (
                2,
                vec![result("d", Some("1"), 4), result("e", Some("2"), 1)],
            ),
        ]);
        let told: Vec<(&str, &[usize])> = items
            .iter()
            .map(|it| (it.resource["id"].as_str().unwrap(), it.sources.as_slice()))
            .collect();
        assert_eq!(
            told,
            [("b", &[0][..]), ("c", &[1, 0, 2][..]), ("e", &[2][..])]
        );
    }

    #[test]
    fn the_same_value_of_another_system_or_type_or_of_none_is_another_thing() {
        let mut other = result("x", Some("1"), 1);
        other["identifier"][0]["system"] = json!("urn:other");
        let mut bare = result("y", Some("1"), 1);
        bare["identifier"][0]
            .as_object_mut()
            .unwrap()
            .remove("system");
        let mut report = result("z", Some("1"), 1);
        report["resourceType"] = json!("DiagnosticReport");
        let own = result("a", Some("1"), 1);
        let items = merge(vec![(0, vec![own]), (1, vec![other, bare, report])]);
        assert_eq!(items.len(), 4);
    }
}
