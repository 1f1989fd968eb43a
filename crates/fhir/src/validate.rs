//! Whether a resource has the structure that R4 defines (<https://hl7.org/fhir/R4/json.html>):
//! known elements, types, cardinality, formats, codes of required value sets, choices, contained
//! resources, `_field` siblings, the types that references point at, and the invariants. What a
//! profile asks is `profile`'s to look at.
//!
//! Invariant: recursion goes no deeper than the JSON reader's depth limit.

mod form;
mod found;
mod invariant;
mod place;
mod target;

use crate::definitions::{Definitions, Element, Form, Key, Shape, Type, TypeId, TypeKind};
use crate::fhirpath::{Node, R4Only, World};
use crate::json::{Json, Member};
use crate::problem::{Kind, Problem};

use found::{Found, two_choices};
pub(crate) use invariant::Invariants;
pub(crate) use place::Place;

/// No more faults than this are told of one resource.
const FAULTS_MAX: usize = 20;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    pub severity: Severity,
    pub problem: Problem,
}

/// How bad it is (<https://hl7.org/fhir/R4/valueset-issue-severity.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    /// Not checked, and why.
    Information,
}

/// Checks a resource against R4.
///
/// # Errors
/// Every fault found (up to 20), the first one leading: `Structure` (unknown elements, wrong JSON
/// types, references to types that are not allowed), `Required` (missing elements), `Value` (formats),
/// `CodeInvalid` (required codes), `Invariant` (rules; only looked at where the structure has no
/// fault); each with its FHIRPath.
pub fn validate(resource: &Json<'_>, definitions: &Definitions) -> Result<(), Problem> {
    let mut walk = Walk::new(definitions, &R4Only, false);
    walk.resource(resource, None);
    Problem::all(walk.faults).map_or(Ok(()), Err)
}

/// As `validate`, but without the invariants and without looking at what references point at: for what
/// is translated from messages, where a contradiction of the sender's (a period that ends before it
/// starts) is kept as it was sent.
///
/// # Errors
/// As `validate`, but `Invariant`.
pub fn structure(resource: &Json<'_>, definitions: &Definitions) -> Result<(), Problem> {
    let mut walk = Walk::new(definitions, &R4Only, false);
    walk.holding = false;
    walk.resource(resource, None);
    Problem::all(walk.faults).map_or(Ok(()), Err)
}

/// Checks a resource against R4 and tells warnings too.
pub fn issues(resource: &Json<'_>, definitions: &Definitions, world: &dyn World) -> Vec<Issue> {
    let mut walk = Walk::new(definitions, world, true);
    walk.resource(resource, None);
    let errors = walk.faults.into_iter().map(|problem| Issue {
        severity: Severity::Error,
        problem,
    });
    errors.chain(walk.remarks).collect()
}

struct Walk<'a> {
    definitions: &'a Definitions,
    faults: Vec<Problem>,
    /// Warnings and what could not be checked.
    remarks: Vec<Issue>,
    /// Whether those are wanted.
    remarking: bool,
    /// Whether invariants are held, and references to the types that their elements allow.
    holding: bool,
    world: &'a dyn World,
    /// The resource that is walked, and the one that contains it.
    resource: Option<Node<'a>>,
    root: Option<Node<'a>>,
    /// What the Bundle brings that is walked.
    entries: target::Entries<'a>,
}

impl<'a> Walk<'a> {
    fn new(definitions: &'a Definitions, world: &'a dyn World, remarking: bool) -> Walk<'a> {
        Walk {
            definitions,
            faults: Vec::new(),
            remarks: Vec::new(),
            remarking,
            holding: true,
            world,
            resource: None,
            root: None,
            entries: target::Entries::new(),
        }
    }

    fn fault(&mut self, kind: Kind, message: impl Into<String>, place: &Place<'_>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults
                .push(Problem::new(kind, message).at(place.to_string()));
        }
    }

    /// `place` is `None` for the resource itself, whose FHIRPath starts with its type.
    fn resource(&mut self, json: &'a Json<'a>, place: Option<&Place<'_>>) {
        let unnamed = Place::root("Resource");
        if json.as_object().is_none() {
            let message = "A resource must be a JSON object.";
            return self.fault(Kind::Structure, message, place.unwrap_or(&unnamed));
        }
        let Some(name) = json.text("resourceType") else {
            let message = "The resourceType is missing, or no string.";
            return self.fault(Kind::Required, message, place.unwrap_or(&unnamed));
        };
        let Some(id) = self.definitions.resource(name) else {
            let message = "The resourceType is not one of FHIR R4.";
            return self.fault(Kind::Structure, message, place.unwrap_or(&unnamed));
        };
        let root = Place::root(name);
        let node = Node {
            json: Some(json),
            sibling: None,
            ty: id,
            element: None,
        };
        let outer = (self.resource.replace(node), self.root);
        // What stands in a Bundle or Parameters stands alone; what is contained does not.
        let is_contained = place.is_some_and(|place| place.name() == "contained");
        if !is_contained {
            self.root = Some(node);
        }
        let outer_entries =
            (name == "Bundle").then(|| std::mem::replace(&mut self.entries, target::entries(json)));
        self.object(json, id, place.unwrap_or(&root));
        (self.resource, self.root) = outer;
        if let Some(entries) = outer_entries {
            self.entries = entries;
        }
    }

    fn object(&mut self, json: &'a Json<'a>, id: TypeId, place: &Place<'_>) {
        match json.as_object() {
            Some(members) => {
                let before = self.faults.len();
                let seen = self.members(members, self.definitions.ty(id), place);
                if self.holding && self.faults.len() == before {
                    self.invariants(json, id, seen, place);
                }
            }
            None => self.fault(Kind::Structure, "A JSON object was expected.", place),
        }
    }

    /// Which elements are there, as a bit each.
    fn members(&mut self, members: &'a [Member<'a>], ty: &'a Type, place: &Place<'_>) -> u64 {
        let is_resource = ty.kind == TypeKind::Resource;
        if members.is_empty() {
            self.fault(Kind::Structure, "An element must have content.", place);
            return 0;
        }
        let mut seen: u64 = 0;
        for (name, value) in members {
            if is_resource && name == "resourceType" {
                continue;
            }
            let (plain, is_sibling) = match name.strip_prefix('_') {
                Some(plain) => (plain, true),
                None => (name.as_ref(), false),
            };
            let Some((key, element)) = ty.key(plain) else {
                self.unknown(name, ty, place);
                continue;
            };
            let place = place.element(element.name);
            let bit = 1 << key.element;
            if seen & bit != 0 && element.is_choice && two_choices(members, ty, key) {
                self.fault(
                    Kind::Structure,
                    "Only one type of a choice may be given.",
                    &place,
                );
            }
            seen |= bit;
            self.member(
                Found {
                    members,
                    plain,
                    value,
                    is_sibling,
                },
                element,
                key,
                &place,
            );
        }
        self.missing(ty, seen, place);
        seen
    }

    fn unknown(&mut self, name: &str, ty: &Type, place: &Place<'_>) {
        // A name that does not look like an element's may be anything, so it is not repeated.
        let plain =
            name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain {
            let message = format!("{} has no element of this name.", ty.name);
            self.fault(Kind::Structure, message, &place.element(name));
        } else {
            let message = format!("{} has an element that FHIR R4 does not know.", ty.name);
            self.fault(Kind::Structure, message, place);
        }
    }

    fn missing(&mut self, ty: &Type, seen: u64, place: &Place<'_>) {
        let missing = ty.required & !seen;
        if missing == 0 {
            return;
        }
        for (position, element) in ty.elements.iter().enumerate() {
            if missing & (1 << position) != 0 {
                let message = format!("{} must have this element.", ty.name);
                self.fault(Kind::Required, message, &place.element(element.name));
            }
        }
    }

    fn member(&mut self, found: Found<'a>, element: &'a Element, key: Key, place: &Place<'_>) {
        let definitions = self.definitions;
        let ty = definitions.ty(key.ty);
        let Shape::Primitive(form) = ty.shape else {
            if found.is_sibling {
                let message = "Only a primitive element has a sibling that starts with _.";
                return self.fault(Kind::Structure, message, place);
            }
            return self.complex(found.value, element, key.ty, place);
        };
        match (found.is_sibling, element.many) {
            (false, false) => {
                self.primitive(found.value, form, element, place);
                self.element_invariants(found.value, element, key.ty, place);
            }
            (false, true) => self.primitives(&found, form, element, place),
            (true, false) => self.object(found.value, key.ty, place),
            (true, true) => self.siblings(&found, key.ty, place),
        }
    }

    fn complex(
        &mut self,
        value: &'a Json<'a>,
        element: &'a Element,
        ty: TypeId,
        place: &Place<'_>,
    ) {
        if !element.many {
            return self.one(value, element, ty, place);
        }
        let Some(items) = self.array(value, place) else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.one(item, element, ty, &place.at(index));
        }
    }

    fn one(&mut self, value: &'a Json<'a>, element: &'a Element, ty: TypeId, place: &Place<'_>) {
        let shape = self.definitions.ty(ty).shape;
        if shape != Shape::AnyResource {
            self.concept(value, shape, element, place);
            self.object(value, ty, place);
            if shape == Shape::Reference {
                self.target(value, element, place);
            }
            return self.element_invariants(value, element, ty, place);
        }
        if element.name == "contained" && value.get("contained").is_some() {
            let message = "A contained resource cannot contain others.";
            self.fault(Kind::Structure, message, place);
        }
        self.resource(value, Some(place));
    }

    /// The items of an element that repeats.
    fn array(&mut self, value: &'a Json<'a>, place: &Place<'_>) -> Option<&'a [Json<'a>]> {
        match value.as_array() {
            Some([]) => self.fault(Kind::Structure, "An array must not be empty.", place),
            Some(items) => return Some(items),
            None => {
                let message = "This element repeats, so a JSON array was expected.";
                self.fault(Kind::Structure, message, place);
            }
        }
        None
    }

    fn primitive(&mut self, value: &Json<'_>, form: Form, element: &Element, place: &Place<'_>) {
        if let Err((kind, message)) = form::check(value, form) {
            return self.fault(kind, message, place);
        }
        if let Some(set) = self.definitions.value_set(element)
            && !value
                .as_str()
                .is_some_and(|code| set.codes.contains_key(code))
        {
            let message = format!("The code is not one of {}.", set.address);
            self.fault(Kind::CodeInvalid, message, place);
        }
    }

    /// A `null` stands for an item that has only a sibling.
    /// A CodeableConcept bound to a required value set has a coding of it.
    fn concept(&mut self, value: &Json<'_>, shape: Shape, element: &Element, place: &Place<'_>) {
        if shape != Shape::CodeableConcept {
            return;
        }
        let Some(set) = self.definitions.value_set(element) else {
            return;
        };
        let is_known = |coding: &Json<'_>| {
            let system = coding.text("code").and_then(|code| set.codes.get(code));
            system.is_some_and(|known| coding.text("system").is_none_or(|system| system == *known))
        };
        if !value.items("coding").iter().any(is_known) {
            let message = format!("None of the codes is one of {}.", set.address);
            self.fault(Kind::CodeInvalid, message, place);
        }
    }

    fn primitives(&mut self, found: &Found<'a>, form: Form, element: &Element, place: &Place<'_>) {
        let Some(items) = self.array(found.value, place) else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            if *item != Json::Null {
                self.primitive(item, form, element, &place.at(index));
            } else if found.pair_is_empty_at(index) {
                self.fault(
                    Kind::Structure,
                    "null stands without a sibling.",
                    &place.at(index),
                );
            }
        }
    }

    fn siblings(&mut self, found: &Found<'a>, ty: TypeId, place: &Place<'_>) {
        let Some(items) = self.array(found.value, place) else {
            return;
        };
        if let Some(Json::Array(values)) = found.pair()
            && values.len() < items.len()
        {
            self.fault(
                Kind::Structure,
                "There are more siblings than values.",
                place,
            );
        }
        for (index, item) in items.iter().enumerate() {
            if *item != Json::Null {
                self.object(item, ty, &place.at(index));
            } else if found.pair_is_empty_at(index) {
                self.fault(
                    Kind::Structure,
                    "null stands without a value.",
                    &place.at(index),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
