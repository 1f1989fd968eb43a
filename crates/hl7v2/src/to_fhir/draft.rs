//! Resources while they are being built: nodes in an arena, so that rows of several segments can
//! add to the same element, and one resource can refer to another before either has an id.

use super::path::Step;
use super::shape::{Shape, is_primitive, required, shape};
use serde_json::{Map, Value};

/// A node's place in the arena.
pub type NodeId = usize;

/// Which occurrence of a repeating element is meant: of which segment or value, by which label,
/// of which repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The application of a map that the element belongs to.
    pub application: u32,
    /// The label in the table, if any.
    pub label: Option<u16>,
    /// The repetition of the field.
    pub repetition: u16,
}

#[derive(Debug, Default)]
struct Node {
    ty: &'static str,
    value: Option<Value>,
    refers_to: Option<NodeId>,
    elements: Vec<Element>,
}

/// All occurrences of an element.
#[derive(Debug)]
struct Element {
    name: String,
    shape: Shape,
    entries: Vec<(Key, NodeId)>,
}

/// A path with what the definitions say of it, from a resource or data type on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Of each step that is an element.
    shapes: Vec<Option<Shape>>,
    /// The step that takes a repetition: the first labelled one, else the last that repeats.
    repeating: Option<usize>,
}

impl Walk {
    /// The error is a sentence on why the path cannot be followed.
    pub fn of(from: &'static str, steps: &[Step]) -> Result<Walk, String> {
        let mut ty = from;
        let (mut last, mut labelled) = (None, None);
        let mut shapes = Vec::with_capacity(steps.len());
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Into(into) => {
                    let made = MADE_BY_REFERENCE.into_iter().find(|ty| ty == into);
                    ty = made.ok_or_else(|| format!("no {into} is made"))?;
                    shapes.push(None);
                }
                Step::Element { name, label } => {
                    let shape =
                        shape(ty, name).ok_or_else(|| format!("FHIR has no {ty}.{name}"))?;
                    if shape.many && !is_shared(*label) {
                        last = Some(n);
                        labelled = labelled.or(label.map(|_| n));
                    }
                    ty = shape.ty;
                    shapes.push(Some(shape));
                }
            }
        }
        Ok(Walk {
            shapes,
            repeating: labelled.or(last),
        })
    }
}

fn is_shared(label: Option<u16>) -> bool {
    label.is_some_and(|label| label >= SHARED_LABEL)
}

/// All nodes of all resources that are being built.
#[derive(Debug, Default)]
pub struct Arena {
    nodes: Vec<Node>,
    roots: Vec<NodeId>,
}

/// The resource types that are made by way of a reference.
const MADE_BY_REFERENCE: [&str; 3] = ["Practitioner", "Organization", "Location"];

/// The resource types that are made of segments, those referred to before those that refer.
pub const MADE_OF_SEGMENTS: [&str; 17] = [
    "Patient",
    "RelatedPerson",
    "Coverage",
    "Condition",
    "AllergyIntolerance",
    "Encounter",
    "EpisodeOfCare",
    "Procedure",
    "Specimen",
    "ServiceRequest",
    "MedicationRequest",
    "Immunization",
    "Appointment",
    "Device",
    "Observation",
    "DiagnosticReport",
    "DocumentReference",
];

/// From this label on an element is one for all segments of a resource: RXE and RXR describe one
/// dosage.
const SHARED_LABEL: u16 = 900;

impl Arena {
    /// A new resource; `None` for a type whose shape is not known.
    pub fn resource(&mut self, ty: &str) -> Option<NodeId> {
        let mut types = MADE_OF_SEGMENTS.iter().chain(&MADE_BY_REFERENCE).copied();
        let ty = types.find(|t| *t == ty)?;
        let root = self.node(ty);
        self.roots.push(root);
        Some(root)
    }

    /// The roots of all resources, in the order in which they were begun.
    pub fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// The node's FHIR type.
    pub fn ty(&self, node: NodeId) -> &'static str {
        self.nodes.get(node).map_or("", |n| n.ty)
    }

    /// The node that the path leads to from `from`, made where it is not there yet.
    ///
    /// The error is a sentence on why the path cannot be followed; nothing is made then.
    pub fn follow(
        &mut self,
        from: NodeId,
        steps: &[Step],
        application: u32,
        repetition: u16,
    ) -> Result<NodeId, String> {
        let walk = Walk::of(self.ty(from), steps)?;
        self.walk(from, (steps, &walk), application, repetition)
    }

    /// As `follow`, by a walk of the node's own type.
    pub fn walk(
        &mut self,
        from: NodeId,
        (steps, walk): (&[Step], &Walk),
        application: u32,
        repetition: u16,
    ) -> Result<NodeId, String> {
        let mut at = from;
        for (n, (step, shape)) in steps.iter().zip(&walk.shapes).enumerate() {
            match (step, shape) {
                (Step::Into(ty), _) => at = self.referred(at, ty)?,
                (Step::Element { name, label }, Some(shape)) => {
                    let is_meant = walk.repeating == Some(n);
                    let key = Key {
                        application: if is_shared(*label) { 0 } else { application },
                        label: *label,
                        repetition: if is_meant { repetition } else { 0 },
                    };
                    at = self.child(at, (name, *shape), key);
                }
                (Step::Element { name, .. }, None) => return Err(format!("no {name} is made")),
            }
        }
        Ok(at)
    }

    /// A child element; of one that does not repeat there is only ever one.
    pub fn element(&mut self, of: NodeId, name: &str, key: Key) -> Result<NodeId, String> {
        let ty = self.ty(of);
        let shape = shape(ty, name).ok_or_else(|| format!("FHIR has no {ty}.{name}"))?;
        Ok(self.child(of, (name, shape), key))
    }

    fn child(&mut self, of: NodeId, (name, shape): (&str, Shape), key: Key) -> NodeId {
        let id = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(of) {
            match node.elements.iter_mut().find(|it| it.name == name) {
                Some(element) => {
                    let mut entries = element.entries.iter();
                    if let Some((_, id)) = entries.find(|(k, _)| !shape.many || *k == key) {
                        return *id;
                    }
                    element.entries.push((key, id));
                }
                None => node.elements.push(Element {
                    name: name.to_owned(),
                    shape,
                    entries: vec![(key, id)],
                }),
            }
        }
        self.node(shape.ty)
    }

    /// The resource that a Reference refers to, begun where it refers to none yet.
    fn referred(&mut self, reference: NodeId, ty: &str) -> Result<NodeId, String> {
        if let Some(root) = self.nodes.get(reference).and_then(|n| n.refers_to) {
            let other = self.ty(root);
            return match other == ty {
                true => Ok(root),
                false => Err(format!(
                    "FHIR refers to one there, which is a {other} already"
                )),
            };
        }
        let root = self.resource(ty).ok_or(format!("no {ty} is made"))?;
        self.refer(reference, root);
        Ok(root)
    }

    /// Makes a Reference refer to a resource.
    pub fn refer(&mut self, reference: NodeId, to: NodeId) {
        if let Some(node) = self.nodes.get_mut(reference) {
            node.refers_to = Some(to);
        }
    }

    /// The resource that the first Reference in an element of a resource refers to.
    pub fn referred_by(&self, root: NodeId, element: &str) -> Option<NodeId> {
        let elements = &self.nodes.get(root)?.elements;
        let entries = &elements.iter().find(|it| it.name == element)?.entries;
        let (_, reference) = entries.first()?;
        self.nodes.get(*reference)?.refers_to
    }

    /// Gives a primitive its value. A value that is there already stays; `false` tells so.
    pub fn set(&mut self, node: NodeId, value: Value) -> bool {
        match self.nodes.get_mut(node) {
            Some(node) if node.value.is_none() => {
                node.value = Some(value);
                true
            }
            Some(node) => node.value.as_ref() == Some(&value),
            None => false,
        }
    }

    /// Takes the value and elements of a node away.
    pub fn clear(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.value = None;
            node.refers_to = None;
            node.elements.clear();
        }
    }

    fn node(&mut self, ty: &'static str) -> NodeId {
        self.nodes.push(Node {
            ty,
            ..Node::default()
        });
        self.nodes.len() - 1
    }

    /// The node as JSON, its references written by `reference` (given the root that is referred
    /// to; `Null` drops the reference); `None` when it holds nothing.
    pub fn render(&self, node: NodeId, reference: &dyn Fn(NodeId) -> Value) -> Option<Value> {
        let node = self.nodes.get(node)?;
        if let Some(to) = node.refers_to {
            return Some(reference(to)).filter(|v| !v.is_null());
        }
        if is_primitive(node.ty) {
            return node.value.clone();
        }
        let mut object = Map::new();
        let mut chosen: Vec<&str> = Vec::new();
        for element in &node.elements {
            // Of several types of a choice, the first that holds something stays.
            let choice = element.shape.choice;
            if choice.is_some_and(|choice| chosen.contains(&choice)) {
                continue;
            }
            let before = object.len();
            self.render_element(element, reference, &mut object);
            chosen.extend(choice.filter(|_| object.len() > before));
        }
        // What lacks a part that R4 requires of it cannot stand: a place without its name.
        if required(node.ty)
            .iter()
            .any(|name| !object.contains_key(*name))
        {
            return None;
        }
        let says_something = match node.ty {
            "Extension" => object
                .keys()
                .any(|k| k.starts_with("value") || k == "extension"),
            "Coding" => object.contains_key("code") || object.contains_key("display"),
            _ => !object.is_empty(),
        };
        says_something.then_some(Value::Object(object))
    }

    fn render_element(
        &self,
        Element {
            name,
            shape,
            entries,
        }: &Element,
        reference: &dyn Fn(NodeId) -> Value,
        object: &mut Map<String, Value>,
    ) {
        let mut values: Vec<Value> = Vec::new();
        let mut beside: Vec<Value> = Vec::new();
        for (_, id) in entries {
            let value = self.render(*id, reference);
            let extension = is_primitive(shape.ty)
                .then(|| self.extensions(*id, reference))
                .flatten();
            if value.is_none() && extension.is_none() {
                continue;
            }
            let value = value.unwrap_or(Value::Null);
            // Two fields often say the same (ORC-2 and OBR-2); FHIR needs it once. Long lists are
            // made of what is apart already.
            if values.len() < 50 && values.contains(&value) && extension.is_none() {
                continue;
            }
            values.push(value);
            beside.push(extension.unwrap_or(Value::Null));
        }
        let put = |object: &mut Map<String, Value>, name: String, mut values: Vec<Value>| {
            if values.iter().any(|v| !v.is_null()) {
                let value = if shape.many {
                    Value::Array(values)
                } else {
                    values.swap_remove(0)
                };
                object.insert(name, value);
            }
        };
        put(object, name.clone(), values);
        if beside.iter().any(|v| !v.is_null()) {
            put(object, format!("_{name}"), beside);
        }
    }

    /// What stands beside a primitive: its extensions.
    fn extensions(&self, node: NodeId, reference: &dyn Fn(NodeId) -> Value) -> Option<Value> {
        let node = self.nodes.get(node)?;
        let mut object = Map::new();
        for element in &node.elements {
            self.render_element(element, reference, &mut object);
        }
        (!object.is_empty()).then_some(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::steps;
    use super::*;
    use serde_json::json;

    fn put(arena: &mut Arena, root: NodeId, path: &str, repetition: u16, text: &str) {
        let node = arena
            .follow(root, &steps(path).unwrap(), 1, repetition)
            .unwrap();
        assert!(arena.set(node, json!(text)), "{path}");
    }

    #[test]
    fn labels_and_repetitions_tell_elements_apart() {
        let mut arena = Arena::default();
        let root = arena.resource("Patient").unwrap();
        put(&mut arena, root, "telecom[1].value", 0, "a");
        put(&mut arena, root, "telecom[1].use", 0, "home");
        put(&mut arena, root, "telecom[1].value", 1, "b");
        put(&mut arena, root, "telecom[2].value", 0, "c");
        put(&mut arena, root, "birthDate", 0, "2024");
        put(
            &mut arena,
            root,
            "birthDate.extension[1].url",
            0,
            "http://x",
        );
        put(
            &mut arena,
            root,
            "birthDate.extension[1].valueString",
            0,
            "y",
        );
        put(
            &mut arena,
            root,
            "name[1].extension[1].url",
            0,
            "http://no.value",
        );
        let made = arena.render(root, &|_| Value::Null).unwrap();
        assert_eq!(
            made,
            json!({
                "telecom": [{"value": "a", "use": "home"}, {"value": "b"}, {"value": "c"}],
                "birthDate": "2024",
                "_birthDate": {"extension": [{"url": "http://x", "valueString": "y"}]}
            })
        );
    }

    #[test]
    fn fields_of_one_referred_resource_meet_in_it() {
        let mut arena = Arena::default();
        let root = arena.resource("Observation").unwrap();
        put(
            &mut arena,
            root,
            "performer[2](Organization.name)",
            0,
            "Lab",
        );
        put(
            &mut arena,
            root,
            "performer[2](Organization.address.city)",
            0,
            "Leeds",
        );
        assert_eq!(arena.roots().len(), 2);
        let made = arena.render(root, &|to| json!({"reference": to})).unwrap();
        assert_eq!(made["performer"].as_array().unwrap().len(), 1);
        let path = steps("note[1].colour").unwrap();
        assert!(arena.follow(root, &path, 1, 0).is_err());
    }
}
