//! Facts of FHIR R4 4.0.1: types, elements, required codes, search parameters, the patient
//! compartment. The table is made by `cargo xtask definitions`, compiled in, and read once.
//!
//! Invariant: ids made here are only ever looked up here; an id that is not in the table finds an
//! empty type, never a panic.

mod load;
mod shape;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

pub use shape::{Form, Shape};

use crate::validate::Invariants;

/// A map by name that is built once and read often, with a hash that is short on short names. Its
/// names come from the table, so nobody can choose them to collide.
pub(crate) type NameMap<V> = HashMap<&'static str, V, BuildHasherDefault<NameHasher>>;

/// The definitions of FHIR R4 4.0.1.
#[derive(Default)]
pub struct Definitions {
    types: Vec<Type>,
    names: NameMap<TypeId>,
    value_sets: Vec<ValueSet>,
    /// As the table has them; `search` compiles them.
    pub(crate) parameters: Vec<SearchParameter>,
    /// Resource type → codes of the search parameters that put it into a patient's compartment.
    pub(crate) compartment: NameMap<Vec<&'static str>>,
    /// The same of Device, Encounter, Practitioner and RelatedPerson, by that type. `{def}` stands
    /// for the resource itself.
    pub(crate) compartments: NameMap<NameMap<Vec<&'static str>>>,
    /// The invariants as published; `validate` compiles them.
    pub(crate) rules: Vec<Rule>,
    pub(crate) invariants: OnceLock<Invariants>,
    nothing: Type,
}

/// An invariant as published.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Where `path` is an element: its number among those that have invariants of their own.
    pub group: Option<u16>,
    /// A type (`Period`, `Patient.contact`), or an element of one (`Organization.telecom`).
    pub path: &'static str,
    pub key: &'static str,
    /// Else it is a warning.
    pub is_error: bool,
    pub expression: &'static str,
}

/// Names a type within the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TypeId(u16);

/// A data type, a resource type, or an element that has elements (named by its path).
#[derive(Default)]
pub struct Type {
    pub name: &'static str,
    pub kind: TypeKind,
    pub shape: Shape,
    /// The format's regular expression, for a primitive type that has one.
    pub regex: Option<&'static str>,
    pub elements: Vec<Element>,
    /// JSON member name (`valueQuantity`, not `value[x]`) → element and type.
    pub(crate) keys: NameMap<Key>,
    /// A bit for each element that must be there.
    pub(crate) required: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeKind {
    Primitive,
    #[default]
    Complex,
    Resource,
    Abstract,
}

/// An element of a type.
pub struct Element {
    /// As in FHIRPath: without `[x]`.
    pub name: &'static str,
    pub is_choice: bool,
    pub min: u32,
    /// Whether it repeats, and so is an array in JSON.
    pub many: bool,
    pub types: Vec<TypeId>,
    /// The resource types that a Reference may point at; empty if any.
    pub targets: Vec<&'static str>,
    pub(crate) value_set: Option<u16>,
    /// Its number among the elements that have invariants beside those of their type.
    pub(crate) group: Option<u16>,
    /// Member names of the types, in their order: one, or one a type for a choice.
    pub(crate) members: Vec<&'static str>,
}

/// Which element a JSON member is.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// Position in `Type::elements`; below 64.
    pub element: u8,
    pub ty: TypeId,
}

/// The codes of a value set that is required.
pub struct ValueSet {
    pub address: &'static str,
    /// Code → system.
    pub(crate) codes: NameMap<&'static str>,
}

/// A search parameter as published.
pub(crate) struct SearchParameter {
    pub code: &'static str,
    pub kind: &'static str,
    pub bases: Vec<&'static str>,
    pub expression: &'static str,
    pub targets: Vec<&'static str>,
}

impl Definitions {
    /// The table, read at the first call. Were it unreadable it would be empty, and every resource
    /// refused; a test holds that it is not.
    pub fn r4() -> &'static Definitions {
        static R4: OnceLock<Definitions> = OnceLock::new();
        R4.get_or_init(|| load::r4().unwrap_or_default())
    }

    /// The type of that name; `Patient.contact` names the element's type.
    pub fn find(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    /// The place of a type in `types`.
    pub(crate) fn position(&self, id: TypeId) -> usize {
        usize::from(id.0)
    }

    pub fn ty(&self, id: TypeId) -> &Type {
        self.types.get(usize::from(id.0)).unwrap_or(&self.nothing)
    }

    /// The resource type of that name.
    pub fn resource(&self, name: &str) -> Option<TypeId> {
        self.find(name)
            .filter(|id| self.ty(*id).kind == TypeKind::Resource)
    }

    /// Whether R4 has a resource type of that name.
    pub fn is_resource(&self, name: &str) -> bool {
        self.resource(name).is_some()
    }

    /// The names of all resource types, in alphabetical order.
    pub fn resources(&self) -> Vec<&'static str> {
        let resources = self.types.iter().filter(|ty| ty.kind == TypeKind::Resource);
        let mut names: Vec<&'static str> = resources.map(|ty| ty.name).collect();
        names.sort_unstable();
        names
    }

    /// All types, for tests and tools.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// The required value set of that address, without a version.
    pub(crate) fn value_set_at(&self, address: &str) -> Option<&ValueSet> {
        self.value_sets.iter().find(|set| set.address == address)
    }

    /// System and code of all codes of a value set that R4 requires, by its canonical address.
    pub fn required_codes(&self, canonical: &str) -> Option<Vec<(&'static str, &'static str)>> {
        let address = crate::terminology::unversioned(canonical);
        let codes = &self.value_set_at(address)?.codes;
        Some(
            codes
                .iter()
                .map(|(code, system)| (*system, *code))
                .collect(),
        )
    }

    pub(crate) fn value_set(&self, element: &Element) -> Option<&ValueSet> {
        self.value_sets.get(usize::from(element.value_set?))
    }
}

impl Type {
    /// The element that a JSON member name belongs to, and the type that the name gives it.
    pub(crate) fn key(&self, member: &str) -> Option<(Key, &Element)> {
        let key = self.keys.get(member)?;
        Some((*key, self.elements.get(usize::from(key.element))?))
    }

    /// The element of that FHIRPath name.
    pub fn element(&self, name: &str) -> Option<&Element> {
        match self.keys.get(name) {
            Some(key) => self.elements.get(usize::from(key.element)),
            None => self
                .elements
                .iter()
                .find(|element| element.is_choice && element.name == name),
        }
    }
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>).
#[derive(Clone, Copy)]
pub(crate) struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> NameHasher {
        NameHasher(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_whole_of_r4() {
        let r4 = Definitions::r4();
        assert_eq!(r4.resources().len(), 146);
        assert!(r4.types.len() > 600);
        assert_eq!(r4.parameters.len(), 1378);
        assert_eq!(r4.compartment.len(), 66);
        let others = [("Device", 32), ("Encounter", 25), ("Practitioner", 59)];
        for (of, types) in others.into_iter().chain([("RelatedPerson", 32)]) {
            assert_eq!(r4.compartments.get(of).unwrap().len(), types, "{of}");
        }
        assert!(r4.is_resource("Patient"));
        assert!(!r4.is_resource("HumanName") && !r4.is_resource("Resource"));
        let contact = r4.ty(r4.find("Patient.contact").unwrap());
        assert_eq!(contact.element("gender").unwrap().min, 0);
        let observation = r4.ty(r4.find("Observation").unwrap());
        let (key, element) = observation.key("valueQuantity").unwrap();
        assert_eq!((element.name, r4.ty(key.ty).name), ("value", "Quantity"));
        assert!(observation.key("value").is_none());
        assert!(observation.element("value").unwrap().is_choice);
    }

    #[test]
    fn what_the_npm_package_adds_to_r4_is_left_out() {
        let r4 = Definitions::r4();
        assert!(r4.ty(r4.find("Meta").unwrap()).key("project").is_none());
        assert!(r4.ty(r4.find("Binary").unwrap()).key("url").is_none());
        assert!(!r4.is_resource("SubscriptionStatus"));
        let characteristic = r4.ty(r4.find("EvidenceVariable.characteristic").unwrap());
        assert!(characteristic.key("groupMeasure").is_some());
    }

    #[test]
    fn the_table_is_read_in_under_30_milliseconds_when_optimised() {
        let fastest = (0..5)
            .map(|_| {
                let start = std::time::Instant::now();
                assert!(load::r4().is_some());
                start.elapsed()
            })
            .min()
            .unwrap();
        println!("read in {fastest:?}");
        let limit = if cfg!(debug_assertions) { 500 } else { 30 };
        assert!(fastest.as_millis() < limit, "{fastest:?}");
    }
}
