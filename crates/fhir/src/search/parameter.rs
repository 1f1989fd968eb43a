//! The search parameters of R4 (<https://hl7.org/fhir/R4/searchparameter-registry.html>), compiled
//! once for each resource type.

use std::sync::OnceLock;

use super::composite::{self, Component};
use super::names::kept;
use super::near;
use crate::definitions::{Definitions, NameMap, SearchParameter, TypeId};
use crate::path::Path;

/// The search parameter types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    Token,
    String,
    Reference,
    Date,
    Number,
    Quantity,
    Uri,
    Composite,
    Special,
}

/// A search parameter of one resource type.
#[derive(Debug)]
pub struct Parameter {
    pub code: &'static str,
    pub kind: ParameterKind,
    /// The resource types that a reference may point at.
    pub targets: Vec<&'static str>,
    /// `None` for what the node cannot index: special parameters, and those without an expression.
    /// Of a composite it finds the elements whose parts belong together.
    pub(crate) path: Option<Path>,
    /// Of a composite.
    pub(crate) components: Vec<Component>,
    /// The codes under which further sides of its values stand in the index.
    pub(crate) asides: Asides,
}

/// What is said of a value beside the value itself has index entries under codes of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asides {
    /// `code#text`: what a token is called (`:text`).
    pub(crate) text: &'static str,
    /// `code#type`: an Identifier with its type (`:of-type`).
    pub(crate) of_type: &'static str,
    /// `code#identifier`: the identifier in a Reference (`:identifier`).
    pub(crate) identifier: &'static str,
    /// `code#canonical`: a quantity in UCUM's base units.
    pub(crate) canonical: &'static str,
    /// `code#there`: that there is a value, where no row under `code` says so (`:missing`).
    pub(crate) there: &'static str,
}

impl Asides {
    pub(crate) fn of(code: &str, kind: ParameterKind) -> Asides {
        let of = |wanted: bool, side: &str| match wanted {
            true => kept(&format!("{code}#{side}")).unwrap_or_default(),
            false => "",
        };
        let is = |wanted| kind == wanted;
        let composite = is(ParameterKind::Composite);
        let special = is(ParameterKind::Special);
        Asides {
            text: of(is(ParameterKind::Token), "text"),
            of_type: of(is(ParameterKind::Token), "type"),
            identifier: of(is(ParameterKind::Reference), "identifier"),
            canonical: of(composite || is(ParameterKind::Quantity), "canonical"),
            there: of(!composite && !special, "there"),
        }
    }
}

impl Parameter {
    /// Whether resources are indexed by it, so that a search can use it.
    pub fn is_indexed(&self) -> bool {
        self.path.is_some() || self.code == near::CODE
    }

    /// Whether its values may be canonical addresses, which have versions.
    pub(crate) fn is_canonical(&self) -> bool {
        let definitions = Definitions::r4();
        let types = self.path.iter().flat_map(|path| path.types(definitions));
        let mut names = types.map(|ty| definitions.ty(ty).name);
        self.kind == ParameterKind::Reference && names.any(|name| name == "canonical")
    }
}

/// The search parameter of that code for that resource type, indexed or not. `_id` and
/// `_lastUpdated` are none: they need no index.
pub fn parameter(ty: &str, code: &str) -> Option<&'static Parameter> {
    let of_type = registry().get(ty)?;
    let position = of_type
        .binary_search_by(|parameter| parameter.code.cmp(code))
        .ok()?;
    of_type.get(position)
}

/// What resources of every type are searched by alike.
const OF_EVERY_TYPE: [&str; 4] = ["_profile", "_security", "_source", "_tag"];

/// The search parameter of that code if all resource types have it alike, so that a search over all
/// types can ask by it.
pub fn parameter_of_all(code: &str) -> Option<&'static Parameter> {
    // What it is, any type tells.
    let known = OF_EVERY_TYPE.contains(&code);
    known.then(|| parameter("Basic", code)).flatten()
}

/// All that `parameter_of_all` knows.
pub fn parameters_of_all() -> impl Iterator<Item = &'static Parameter> {
    OF_EVERY_TYPE.into_iter().filter_map(parameter_of_all)
}

/// All search parameters of a resource type that go into the index, in the order of their codes.
pub fn parameters(ty: &str) -> impl Iterator<Item = &'static Parameter> + use<> {
    let of_type = registry().get(ty).map(Vec::as_slice).unwrap_or_default();
    of_type.iter().filter(|parameter| parameter.is_indexed())
}

type Registry = NameMap<Vec<Parameter>>;

fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| compiled(Definitions::r4()))
}

fn compiled(definitions: &Definitions) -> Registry {
    let mut registry = Registry::default();
    for published in &definitions.parameters {
        let Some(kind) = kind(published.kind) else {
            continue;
        };
        if matches!(published.code, "_id" | "_lastUpdated") {
            continue;
        }
        let path = indexable(published, kind, definitions);
        for ty in types(published, definitions) {
            let Some(name) = definitions.resource(ty) else {
                continue;
            };
            let parameter = narrowed(published, kind, path.as_ref(), name, definitions);
            registry.entry(ty).or_default().push(parameter);
        }
    }
    for parameters in registry.values_mut() {
        parameters.sort_by_key(|parameter| parameter.code);
        parameters.dedup_by_key(|parameter| parameter.code);
    }
    registry
}

/// The types that a parameter is for: its bases, or all where it is for every resource.
fn types(published: &SearchParameter, definitions: &Definitions) -> Vec<&'static str> {
    let for_all = |base: &&str| matches!(*base, "Resource" | "DomainResource");
    if published.bases.iter().any(for_all) {
        definitions.resources()
    } else {
        published.bases.clone()
    }
}

fn indexable(
    published: &SearchParameter,
    kind: ParameterKind,
    definitions: &Definitions,
) -> Option<Path> {
    if kind == ParameterKind::Special || published.expression.is_empty() {
        return None;
    }
    Path::compile(published.expression, definitions).ok()
}

fn narrowed(
    published: &SearchParameter,
    kind: ParameterKind,
    path: Option<&Path>,
    ty: TypeId,
    definitions: &Definitions,
) -> Parameter {
    let components = match kind {
        ParameterKind::Composite => composite::components(published.code, definitions),
        _ => Vec::new(),
    };
    let parts_known = kind != ParameterKind::Composite || !components.is_empty();
    let path = path.and_then(|path| path.narrowed(ty, definitions));
    Parameter {
        code: published.code,
        kind,
        targets: published.targets.clone(),
        path: path.filter(|_| parts_known),
        components,
        asides: Asides::of(published.code, kind),
    }
}

pub(crate) fn kind(name: &str) -> Option<ParameterKind> {
    Some(match name {
        "token" => ParameterKind::Token,
        "string" => ParameterKind::String,
        "reference" => ParameterKind::Reference,
        "date" => ParameterKind::Date,
        "number" => ParameterKind::Number,
        "quantity" => ParameterKind::Quantity,
        "uri" => ParameterKind::Uri,
        "composite" => ParameterKind::Composite,
        "special" => ParameterKind::Special,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_its_own_parameters_and_those_of_every_resource() {
        let codes: Vec<&str> = parameters("Patient")
            .map(|parameter| parameter.code)
            .collect();
        assert!(codes.is_sorted());
        for code in [
            "_profile",
            "_tag",
            "birthdate",
            "family",
            "identifier",
            "name",
        ] {
            assert!(codes.contains(&code), "{code}");
        }
        assert!(!codes.contains(&"_id") && !codes.contains(&"_text"));
        assert_eq!(
            parameter("Observation", "subject").unwrap().kind,
            ParameterKind::Reference
        );
        assert!(
            parameter("Observation", "code-value-quantity")
                .unwrap()
                .is_indexed()
        );
        assert!(parameter("Location", "near").unwrap().is_indexed());
        for (ty, code, expected) in [
            ("QuestionnaireResponse", "questionnaire", true),
            ("CarePlan", "instantiates-canonical", true),
            ("PlanDefinition", "depends-on", true),
            ("Observation", "subject", false),
            ("Task", "part-of", false),
            ("ValueSet", "url", false),
        ] {
            let found = parameter(ty, code).unwrap();
            assert_eq!(found.is_canonical(), expected, "{ty} {code}");
        }
        let everywhere = OF_EVERY_TYPE.map(|code| parameter_of_all(code).unwrap());
        for ty in Definitions::r4().resources() {
            for alike in everywhere {
                let known = parameter(ty, alike.code).unwrap();
                assert!(known.is_indexed(), "{ty} {}", alike.code);
                assert_eq!(known.kind, alike.kind, "{ty} {}", alike.code);
            }
        }
        assert!(parameter_of_all("_text").is_none());
        assert!(parameter("Patient", "frobnicate").is_none());
        assert!(parameter("Nobody", "name").is_none());
    }
}
