//! The mappings of a ConceptMap (<https://hl7.org/fhir/R4/conceptmap.html>), flat.

use crate::json::Json;

/// A ConceptMap.
#[derive(Clone, Debug, Default)]
pub struct ConceptMap {
    pub url: String,
    pub version: String,
    /// Canonical addresses of the value sets it maps from and to; empty if not said.
    pub source: String,
    pub target: String,
    pub mappings: Vec<Mapping>,
    /// What is to be done with codes that no mapping names.
    pub unmapped: Vec<Unmapped>,
}

/// One source code and one target. A code that is known to have no target has an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    pub source_system: String,
    pub source_code: String,
    pub target_system: String,
    pub target_code: String,
    pub target_display: String,
    /// <https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html>
    pub equivalence: String,
    pub comment: String,
}

/// `group.unmapped`: `provided` (the code stays), `fixed` (always this one), `other-map`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmapped {
    pub source_system: String,
    pub target_system: String,
    pub mode: String,
    pub code: String,
    pub display: String,
    pub url: String,
}

impl ConceptMap {
    /// Reads a ConceptMap.
    pub fn read(resource: &Json<'_>) -> ConceptMap {
        let text = |json: &Json<'_>, name: &str| json.text(name).unwrap_or_default().to_string();
        let either = |one: &str, two: &str| {
            let found = resource.text(one).or_else(|| resource.text(two));
            found.unwrap_or_default().to_string()
        };
        let mut map = ConceptMap {
            url: text(resource, "url"),
            version: text(resource, "version"),
            source: either("sourceUri", "sourceCanonical"),
            target: either("targetUri", "targetCanonical"),
            ..ConceptMap::default()
        };
        for group in resource.items("group") {
            let systems = Mapping {
                source_system: text(group, "source"),
                target_system: text(group, "target"),
                ..Mapping::default()
            };
            for element in group.items("element") {
                let from = Mapping {
                    source_code: text(element, "code"),
                    ..systems.clone()
                };
                let target = |target: &Json<'_>| Mapping {
                    target_code: text(target, "code"),
                    target_display: text(target, "display"),
                    equivalence: text(target, "equivalence"),
                    comment: text(target, "comment"),
                    ..from.clone()
                };
                map.mappings
                    .extend(element.items("target").iter().map(target));
                if element.items("target").is_empty() {
                    map.mappings.push(Mapping {
                        equivalence: "unmatched".into(),
                        ..from
                    });
                }
            }
            if let Some(rest) = group.get("unmapped") {
                map.unmapped.push(Unmapped {
                    source_system: systems.source_system.clone(),
                    target_system: systems.target_system.clone(),
                    mode: text(rest, "mode"),
                    code: text(rest, "code"),
                    display: text(rest, "display"),
                    url: text(rest, "url"),
                });
            }
        }
        map
    }
}
