//! From drafts to resources: references written, required elements filled, identities given.

use super::build::{Build, Draft};
use super::draft::{MADE_OF_SEGMENTS, NodeId};
use super::identity::Ids;
use super::names::ODS_CODE;
use super::{Made, Merge};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::HashSet;

/// The elements of which FHIR allows one choice of type: `value[x]` and its like.
const CHOICES: [&str; 8] = [
    "value",
    "effective",
    "deceased",
    "multipleBirth",
    "occurrence",
    "performed",
    "onset",
    "medication",
];

/// The most names, addresses and the like that are gathered of one practitioner.
const REPEATS_MAX: usize = 20;

/// Renders every draft and every linked resource that has an id; those referred to come first.
pub fn resources(build: &Build<'_>, ids: &Ids, message_type: &str) -> Vec<Made> {
    let arena = &build.interpreter.arena;
    let mut made: Vec<Made> = Vec::new();
    let drafts: HashSet<NodeId> = build.drafts.iter().map(|d| d.root).collect();
    for root in arena
        .roots()
        .iter()
        .copied()
        .filter(|r| !drafts.contains(r))
    {
        if let Some(id) = ids.get(&root) {
            add_linked(&mut made, render(build, ids, root, id), arena.ty(root), id);
        }
    }
    let patient = build.of_type("Patient").find_map(|it| ids.get(&it.root));
    for ty in MADE_OF_SEGMENTS {
        for draft in build.of_type(ty) {
            let Some(id) = ids.get(&draft.root) else {
                continue;
            };
            let mut one = made_of(build, ids, draft, id, message_type);
            if is_somebodys(&mut one, patient) {
                made.push(one);
            }
        }
    }
    made
}

/// The elements that say whose something is, where FHIR requires them.
const WHOSE: [(&str, &str); 9] = [
    ("RelatedPerson", "patient"),
    ("AllergyIntolerance", "patient"),
    ("Immunization", "patient"),
    ("Coverage", "beneficiary"),
    ("Condition", "subject"),
    ("Procedure", "subject"),
    ("ServiceRequest", "subject"),
    ("MedicationRequest", "subject"),
    ("EpisodeOfCare", "patient"),
];

/// Whether it is known whose the resource is, where FHIR requires that: what stands out of its order in
/// a message is the message's patient's.
fn is_somebodys(made: &mut Made, patient: Option<&String>) -> bool {
    let Some((_, element)) = WHOSE.iter().find(|(ty, _)| *ty == made.ty) else {
        return true;
    };
    let Value::Object(elements) = &mut made.resource else {
        return false;
    };
    match patient {
        Some(patient) => {
            elements
                .entry(*element)
                .or_insert_with(|| json!({"reference": format!("Patient/{patient}")}));
            true
        }
        None => elements.contains_key(*element),
    }
}

/// How a resource of a message meets one that is here. What a message is about it updates; what it
/// only brings along (the patient of a result, the order behind it) it makes where there is none.
fn meets(ty: &str, message_type: &str) -> Merge {
    match (ty, message_type) {
        ("Patient" | "Encounter", "ADT") => Merge::Update,
        ("Patient" | "Encounter", _) => Merge::KeepExisting,
        ("ServiceRequest" | "Specimen", "ORU" | "MDM") => Merge::KeepExisting,
        ("ServiceRequest" | "Specimen" | "MedicationRequest" | "Appointment", _) => Merge::Update,
        _ => Merge::Replace,
    }
}

fn made_of(build: &Build<'_>, ids: &Ids, draft: &Draft, id: &str, message_type: &str) -> Made {
    let ty = build.interpreter.arena.ty(draft.root);
    let mut resource = render(build, ids, draft.root, id);
    inherit_time(build, ids, draft, &mut resource);
    let filled = fill(build, ty, &mut resource);
    name_components(&mut resource);
    let removed = build
        .interpreter
        .removed
        .iter()
        .filter(|(root, _)| *root == draft.root);
    let absent = |name: &&String| resource.get(name.as_str()).is_none();
    let remove = removed
        .map(|(_, name)| name)
        .filter(absent)
        .cloned()
        .collect();
    Made {
        remove,
        only_if_new: filled,
        ..Made::new(ty, id, resource, meets(ty, message_type))
    }
}

/// One practitioner may stand in several fields: what is told there comes together.
fn add_linked(made: &mut Vec<Made>, resource: Value, ty: &str, id: &str) {
    if let Some(other) = made.iter_mut().find(|m| m.ty == ty && m.id == id) {
        let (Value::Object(there), Value::Object(new)) = (&mut other.resource, resource) else {
            return;
        };
        for (name, value) in new {
            match (there.get_mut(&name), value) {
                // Two names of one person are both told.
                (Some(Value::Array(told)), Value::Array(more)) => {
                    for value in more {
                        if told.len() < REPEATS_MAX && !told.contains(&value) {
                            told.push(value);
                        }
                    }
                }
                (Some(_), _) => {}
                (None, value) => drop(there.insert(name, value)),
            }
        }
        return;
    }
    // A bare identifier is no news of an organisation whose name is known.
    let named = resource.get("name").is_some();
    let merge = if named {
        Merge::Update
    } else {
        Merge::KeepExisting
    };
    made.push(Made::new(ty, id, resource, merge));
}

fn render(build: &Build<'_>, ids: &Ids, root: NodeId, id: &str) -> Value {
    let arena = &build.interpreter.arena;
    let mut resource = Map::new();
    resource.insert("resourceType".to_owned(), json!(arena.ty(root)));
    resource.insert("id".to_owned(), json!(id));
    let contained = RefCell::new(Vec::new());
    let refer = |to: NodeId| refer(build, ids, to, &contained);
    if let Some(Value::Object(elements)) = arena.render(root, &refer) {
        resource.extend(elements);
    }
    let contained = contained.into_inner();
    if !contained.is_empty() {
        resource.insert("contained".to_owned(), Value::Array(contained));
    }
    Value::Object(resource)
}

/// Of several values of a choice, the first stays: rows of ours come before the published ones.
fn one_choice(resource: &mut Map<String, Value>, choice: &str) {
    let mut names = resource.keys().filter(|n| is_choice(n, choice)).cloned();
    let Some(first) = names.next() else { return };
    let others: Vec<String> = names
        .filter(|n| n.trim_start_matches('_') != first)
        .collect();
    for name in others {
        resource.shift_remove(&name);
    }
}

/// A reference to a resource; to one without an id of its own, of which more than a name is told, by
/// way of `contained`.
pub fn refer(build: &Build<'_>, ids: &Ids, to: NodeId, contained: &RefCell<Vec<Value>>) -> Value {
    let Some(told) = inner(build, ids, to) else {
        return reference(build, ids, to);
    };
    let mut contained = contained.borrow_mut();
    let name = format!("c{}", contained.len() + 1);
    let reference = match display(&told) {
        Some(display) => json!({"reference": format!("#{name}"), "display": display}),
        None => json!({"reference": format!("#{name}")}),
    };
    let ty = build.interpreter.arena.ty(to);
    contained.push(with_head(ty, &name, told));
    reference
}

/// What is told of somebody who has no number of their own, beyond a name to show: it is contained in
/// what refers to them.
fn inner(build: &Build<'_>, ids: &Ids, to: NodeId) -> Option<Value> {
    if ids.contains_key(&to) {
        return None;
    }
    let told = build.interpreter.arena.render(to, &|_| Value::Null)?;
    let elements = told.as_object()?;
    elements.keys().any(|name| name != "name").then_some(told)
}

fn with_head(ty: &str, id: &str, told: Value) -> Value {
    let mut resource = Map::new();
    resource.insert("resourceType".to_owned(), json!(ty));
    resource.insert("id".to_owned(), json!(id));
    if let Value::Object(elements) = told {
        resource.extend(elements);
    }
    Value::Object(resource)
}

/// Whether an element of that name is one of a choice: `valueString` of `value`.
fn is_choice(name: &str, choice: &str) -> bool {
    let name = name.trim_start_matches('_');
    name.strip_prefix(choice)
        .is_some_and(|rest| rest.starts_with(char::is_uppercase))
}

/// A reference to what has an id; to what has none, its name alone; to nothing, none. An organisation's
/// ODS code stands beside it, so that who reads the reference alone knows which one it is: a patient's
/// practice is told by it.
fn reference(build: &Build<'_>, ids: &Ids, to: NodeId) -> Value {
    let arena = &build.interpreter.arena;
    let made = arena.render(to, &|_| Value::Null);
    let code = made.as_ref().and_then(ods_code);
    let name = made.as_ref().and_then(display);
    let id = ids.get(&to);
    if id.is_none() && code.is_none() && name.is_none() {
        return Value::Null;
    }
    let mut reference = Map::new();
    match id {
        Some(id) => {
            let address = format!("{}/{id}", arena.ty(to));
            reference.insert("reference".to_owned(), json!(address));
        }
        None => {
            reference.insert("type".to_owned(), json!(arena.ty(to)));
        }
    }
    if let Some(code) = code {
        let identifier = json!({"system": ODS_CODE, "value": code});
        reference.insert("identifier".to_owned(), identifier);
    }
    if let Some(name) = name {
        reference.insert("display".to_owned(), json!(name));
    }
    Value::Object(reference)
}

fn ods_code(resource: &Value) -> Option<&str> {
    let identifiers = resource.get("identifier")?.as_array()?;
    let code = identifiers
        .iter()
        .find(|it| it.get("system").and_then(Value::as_str) == Some(ODS_CODE));
    code?.get("value")?.as_str()
}

/// What to show for a practitioner or an organisation. Patients are never named in references.
fn display(resource: &Value) -> Option<String> {
    match resource.get("name")? {
        Value::String(name) => Some(name.clone()),
        Value::Array(names) if resource.get("birthDate").is_none() => person(names.first()?),
        _ => None,
    }
}

/// A name in the order in which it is said.
pub fn person(name: &Value) -> Option<String> {
    let list = |part: &str| -> Vec<&str> {
        let parts = name.get(part).and_then(Value::as_array);
        parts
            .map(|p| p.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    };
    let family = name.get("family").and_then(Value::as_str);
    let parts: Vec<&str> = list("prefix")
        .into_iter()
        .chain(list("given"))
        .chain(family)
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A result without a time of its own has its order's (OBX-14, else OBR-7).
fn inherit_time(build: &Build<'_>, ids: &Ids, draft: &Draft, resource: &mut Value) {
    let Value::Object(elements) = resource else {
        return;
    };
    let Some(report) = draft.parent else { return };
    if elements.keys().any(|n| n.starts_with("effective")) {
        return;
    }
    let report = render(build, ids, report, "");
    let times = report.as_object().into_iter().flatten();
    for (name, value) in times.filter(|(name, _)| name.starts_with("effective")) {
        elements.insert(name.clone(), value.clone());
    }
}

/// The values of one OBX answer one question, in one unit, against one range: each component has
/// the observation's code, and the first one's unit and range.
fn name_components(resource: &mut Value) {
    let Some(code) = resource.get("code").cloned() else {
        return;
    };
    let components = resource.get_mut("component").and_then(Value::as_array_mut);
    let Some(components) = components else { return };
    let first = components.first().cloned().unwrap_or_default();
    for component in components.iter_mut().filter_map(Value::as_object_mut) {
        component.entry("code").or_insert_with(|| code.clone());
        one_choice(component, "value");
        if let Some(range) = first.get("referenceRange") {
            component
                .entry("referenceRange")
                .or_insert_with(|| range.clone());
        }
        let quantity = component
            .get_mut("valueQuantity")
            .and_then(Value::as_object_mut);
        let unit = first.get("valueQuantity").and_then(Value::as_object);
        if let (Some(quantity), Some(unit)) = (quantity, unit) {
            for name in ["unit", "system", "code"] {
                if let Some(value) = unit.get(name) {
                    quantity.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
    }
}

/// Fills what FHIR requires and the message does not say. Returns the elements that a resource
/// that is here already keeps: a filling is no news.
fn fill(build: &Build<'_>, ty: &str, resource: &mut Value) -> Vec<String> {
    let Value::Object(elements) = resource else {
        return Vec::new();
    };
    let mut filled = Vec::new();
    for (name, value) in build
        .interpreter
        .tables
        .ours
        .defaults
        .get(ty)
        .into_iter()
        .flatten()
    {
        let stem = CHOICES.iter().find(|stem| is_choice(name, stem));
        let chosen = stem.is_some_and(|stem| elements.keys().any(|other| is_choice(other, stem)));
        if !elements.contains_key(name) && !chosen {
            elements.insert(name.clone(), value.clone());
            filled.push(name.clone());
        }
    }
    filled
}
