//! How what a message says meets what is here already.

use super::{Made, Merge};
use serde_json::{Map, Value};

/// The resource to store, or `None` when what is here already stays as it is.
///
/// `existing` is the stored resource, `None` when there is none. Its labels, profiles and tags stay
/// (a message only ever adds a label: who takes one away decides that elsewhere).
/// HL7 means: a field that is empty says nothing, one that holds `""` asks for removal, any other
/// replaces what is known.
pub fn update(made: &Made, existing: Option<&Value>) -> Option<Value> {
    let Some(Value::Object(existing)) = existing else {
        return Some(made.resource.clone());
    };
    let mut merged = match made.merge {
        Merge::KeepExisting => return None,
        Merge::Replace => made.resource.clone(),
        Merge::Update => {
            let mut merged = existing.clone();
            merged.shift_remove("meta");
            for (name, value) in made.resource.as_object().into_iter().flatten() {
                if !made.only_if_new.contains(name) || !existing.contains_key(name) {
                    for stem in choice_stems(name) {
                        merged.retain(|other, _| other == name || !is_choice_of(other, stem));
                    }
                    merged.insert(name.clone(), value.clone());
                }
            }
            for name in &made.remove {
                if let Some((name, part)) = name.split_once('.') {
                    let element = merged.get_mut(name).and_then(Value::as_object_mut);
                    let left = element.map(|element| {
                        element.shift_remove(part);
                        element.len()
                    });
                    if left == Some(0) {
                        merged.shift_remove(name);
                    }
                    continue;
                }
                merged.shift_remove(name);
                merged.shift_remove(&format!("_{name}"));
            }
            links(made, existing, &mut merged);
            drop_unnamed(&mut merged);
            Value::Object(merged)
        }
    };
    let mut before = existing.clone();
    meta(&mut before, existing.get("meta"), None);
    if let Value::Object(merged) = &mut merged {
        meta(
            merged,
            existing.get("meta"),
            made.resource.pointer("/meta/security"),
        );
    }
    (merged != Value::Object(before)).then_some(merged)
}

/// Gives a resource the `meta` that stays, with further labels.
fn meta(resource: &mut Map<String, Value>, here: Option<&Value>, labels: Option<&Value>) {
    let mut kept = Map::new();
    for name in ["profile", "security", "tag"] {
        if let Some(value) = here.and_then(|meta| meta.get(name)) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    let labels = labels.and_then(Value::as_array).into_iter().flatten();
    for label in labels {
        let all = kept
            .entry("security")
            .or_insert_with(|| Value::Array(Vec::new()));
        let same = |it: &Value| {
            it.get("system") == label.get("system") && it.get("code") == label.get("code")
        };
        if let Some(all) = all.as_array_mut()
            && !all.iter().any(same)
        {
            all.push(label.clone());
        }
    }
    resource.shift_remove("meta");
    if !kept.is_empty() {
        resource.insert("meta".to_owned(), Value::Object(kept));
    }
}

/// Leaves out what is contained and no element refers to any more.
fn drop_unnamed(merged: &mut Map<String, Value>) {
    let Some(Value::Array(contained)) = merged.shift_remove("contained") else {
        return;
    };
    let mut named = Vec::new();
    merged.values().for_each(|it| references(it, &mut named));
    // One that is contained may refer to another.
    contained.iter().for_each(|it| references(it, &mut named));
    let is_named = |it: &Value| {
        let id = it.get("id").and_then(Value::as_str).unwrap_or_default();
        named.iter().any(|name| name == id)
    };
    let kept: Vec<Value> = contained.into_iter().filter(is_named).collect();
    if !kept.is_empty() {
        merged.insert("contained".to_owned(), Value::Array(kept));
    }
}

/// The ids of what is referred to inside the resource.
fn references(value: &Value, named: &mut Vec<String>) {
    match value {
        Value::Object(elements) => {
            for (name, value) in elements {
                match value {
                    Value::String(text) if name == "reference" => {
                        named.extend(text.strip_prefix('#').map(str::to_owned));
                    }
                    value => references(value, named),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|it| references(it, named)),
        _ => {}
    }
}

/// The links of a patient are added to, never written over: each says that two records are one
/// person's, or which one took the other's place.
fn links(made: &Made, existing: &Map<String, Value>, merged: &mut Map<String, Value>) {
    let of = |from: &Map<String, Value>| -> Vec<Value> {
        let links = from.get("link").and_then(Value::as_array);
        links.cloned().unwrap_or_default()
    };
    if made.ty != "Patient" || (made.resource.get("link").is_none() && made.unlink.is_empty()) {
        return;
    }
    fn other(link: &Value) -> Option<&str> {
        link.pointer("/other/reference").and_then(Value::as_str)
    }
    let mut links = of(existing);
    let added = made.resource.as_object().map(of).unwrap_or_default();
    links.retain(|link| {
        let replaced = added.iter().any(|new| other(new) == other(link));
        let ended = made
            .unlink
            .iter()
            .any(|gone| Some(gone.as_str()) == other(link));
        !replaced && !ended
    });
    links.extend(added);
    if links.is_empty() {
        merged.shift_remove("link");
    } else {
        merged.insert("link".to_owned(), Value::Array(links));
    }
}

/// `deceasedBoolean` must not stand beside `deceasedDateTime`.
fn choice_stems(name: &str) -> impl Iterator<Item = &'static str> {
    ["deceased", "multipleBirth"]
        .into_iter()
        .filter(move |stem| is_choice_of(name, stem))
}

pub(super) fn is_choice_of(name: &str, stem: &str) -> bool {
    let rest = name.trim_start_matches('_').strip_prefix(stem);
    rest.is_some_and(|rest| rest.starts_with(char::is_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(merge: Merge, resource: Value) -> Made {
        Made {
            ty: "Patient".into(),
            id: "1".into(),
            resource,
            merge,
            remove: vec!["telecom".into()],
            only_if_new: vec!["status".into()],
            unlink: Vec::new(),
            members: None,
            is_ordered: false,
        }
    }

    #[test]
    fn labels_are_added_and_never_taken_away() {
        let label = |code: &str| json!({"system": "urn:labels", "code": code, "display": code});
        let here = json!({"id": "1", "meta": {"versionId": "7", "tag": [{"code": "t"}], "security": [label("R")]}});
        for merge in [Merge::Update, Merge::Replace] {
            let new = json!({"id": "1", "gender": "female"});
            let merged = update(&made(merge, new), Some(&here)).unwrap();
            assert_eq!(
                merged["meta"],
                json!({"security": [label("R")], "tag": [{"code": "t"}]})
            );
            let new = json!({"id": "1", "meta": {"security": [label("R"), label("V")]}});
            let merged = update(&made(merge, new), Some(&here)).unwrap();
            assert_eq!(merged["meta"]["security"], json!([label("R"), label("V")]));
        }
        let same = json!({"id": "1", "meta": {"security": [label("R")]}});
        assert_eq!(update(&made(Merge::Update, same), Some(&here)), None);
    }

    #[test]
    fn links_are_added_and_taken_away_one_by_one() {
        let link = |to: &str, kind: &str| json!({"other": {"reference": to}, "type": kind});
        let here = json!({"id": "1", "link": [link("Patient/a", "seealso"), link("Patient/b", "replaces")]});
        let new = json!({"id": "1", "link": [link("Patient/b", "replaced-by"), link("Patient/c", "replaces")]});
        let merged = update(&made(Merge::Update, new), Some(&here)).unwrap();
        let expected = [
            link("Patient/a", "seealso"),
            link("Patient/b", "replaced-by"),
            link("Patient/c", "replaces"),
        ];
        assert_eq!(merged["link"], json!(expected));
        let mut ended = made(Merge::Update, json!({"id": "1"}));
        ended.unlink = vec!["Patient/b".into()];
        let merged = update(&ended, Some(&here)).unwrap();
        assert_eq!(merged["link"], json!([link("Patient/a", "seealso")]));
    }

    #[test]
    fn a_part_of_an_element_is_removed_and_the_rest_of_it_stays() {
        let here = json!({"id": "1", "period": {"start": "2024", "end": "2025"}});
        let mut made = made(Merge::Update, json!({"id": "1"}));
        made.remove = vec!["period.end".into()];
        let merged = update(&made, Some(&here)).unwrap();
        assert_eq!(merged["period"], json!({"start": "2024"}));
    }

    #[test]
    fn an_update_keeps_what_it_does_not_mention_and_removes_what_it_nulls() {
        let here = json!({"id": "1", "meta": {"versionId": "3"}, "address": [1], "telecom": [2],
            "deceasedBoolean": false, "status": "finished"});
        let new = json!({"id": "1", "name": [3], "deceasedDateTime": "2024", "status": "unknown"});
        let merged = update(&made(Merge::Update, new), Some(&here)).unwrap();
        let expected = json!({"id": "1", "address": [1], "status": "finished", "name": [3],
            "deceasedDateTime": "2024"});
        assert_eq!(merged, expected);
    }

    #[test]
    fn the_same_again_is_no_change() {
        let new = json!({"id": "1", "name": [3]});
        let here = json!({"id": "1", "meta": {"versionId": "1"}, "name": [3]});
        for merge in [Merge::Update, Merge::Replace, Merge::KeepExisting] {
            assert_eq!(update(&made(merge, new.clone()), Some(&here)), None);
        }
        assert!(update(&made(Merge::KeepExisting, new), None).is_some());
    }
}
