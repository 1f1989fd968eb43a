//! The search parameters of R4 (<https://hl7.org/fhir/R4/searchparameter-registry.html>), compiled
//! once for each resource type.

use std::sync::OnceLock;

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
    /// `None` for what the node cannot index: composite and special parameters, and those without
    /// an expression.
    pub(crate) path: Option<Path>,
}

impl Parameter {
    /// Whether resources are indexed by it, so that a search can use it.
    pub fn is_indexed(&self) -> bool {
        self.path.is_some()
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

/// All search parameters of a resource type that go into the index, in the order of their codes.
pub fn parameters(ty: &str) -> impl Iterator<Item = &'static Parameter> {
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
    if matches!(kind, ParameterKind::Composite | ParameterKind::Special)
        || published.expression.is_empty()
    {
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
    Parameter {
        code: published.code,
        kind,
        targets: published.targets.clone(),
        path: path.and_then(|path| path.narrowed(ty, definitions)),
    }
}

fn kind(name: &str) -> Option<ParameterKind> {
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
            !parameter("Observation", "code-value-quantity")
                .unwrap()
                .is_indexed()
        );
        assert!(parameter("Patient", "frobnicate").is_none());
        assert!(parameter("Nobody", "name").is_none());
    }
}
