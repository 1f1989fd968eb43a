//! The concepts of a CodeSystem resource (<https://hl7.org/fhir/R4/codesystem.html>), flat.

use std::collections::HashMap;

use super::compose::{Designation, designations};
use super::hierarchy::Hierarchy;
use crate::json::Json;
use crate::problem::{Kind, Problem};

/// A code system, however it came.
#[derive(Clone, Debug, Default)]
pub struct CodeSystem {
    pub url: String,
    pub version: String,
    pub name: String,
    pub title: String,
    /// `complete`, `fragment`, `example`, `not-present` or `supplement`.
    pub content: String,
    /// The value set of all its codes; empty if none is named.
    pub value_set: String,
    pub is_case_sensitive: bool,
    pub concepts: Vec<Concept>,
    /// (child, parent), by place in `concepts`.
    pub edges: Vec<(u32, u32)>,
}

/// A concept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Concept {
    pub code: String,
    pub display: String,
    pub definition: String,
    pub inactive: bool,
    pub designations: Vec<Designation>,
    pub properties: Vec<Property>,
    /// Only SNOMED CT has these.
    pub relationships: Vec<Relationship>,
}

/// What a concept of SNOMED CT is defined by: that attribute leads to that concept, or has that concrete
/// value. Relationships of one group belong together; each of group 0 stands alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relationship {
    pub group: u32,
    pub attribute: String,
    /// A concept's code; or a number, a text or a truth as release files write it: `#250`,
    /// `"Brandname"`, `true`.
    pub value: String,
}

/// A property's value; `kind` is the last part of FHIR's `value[x]`: `Code`, `String`, `Boolean`, …
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Property {
    pub code: String,
    pub kind: String,
    /// For `Coding` it is `system|code`.
    pub value: String,
}

impl CodeSystem {
    /// Reads a CodeSystem.
    ///
    /// # Errors
    /// `Invalid` for a parent that is no code of the system.
    pub fn read(resource: &Json<'_>) -> Result<CodeSystem, Problem> {
        let text = |name| resource.text(name).unwrap_or_default().to_string();
        let mut system = CodeSystem {
            url: text("url"),
            version: text("version"),
            name: text("name"),
            title: text("title"),
            content: text("content"),
            value_set: text("valueSet"),
            is_case_sensitive: resource
                .get("caseSensitive")
                .and_then(Json::as_bool)
                .unwrap_or(true),
            ..CodeSystem::default()
        };
        let mut gathered = Gathered::default();
        gathered.all(resource, None);
        gathered.link();
        system.concepts = gathered.concepts;
        system.edges = gathered.edges;
        Ok(system)
    }

    /// Its concepts' numbers.
    ///
    /// # Errors
    /// `Invalid` for a concept that is above itself.
    pub fn hierarchy(&self) -> Result<Hierarchy, Problem> {
        let inactive = |place: u32| {
            self.concepts
                .get(place as usize)
                .is_some_and(|it| it.inactive)
        };
        let count = u32::try_from(self.concepts.len()).unwrap_or(u32::MAX);
        Hierarchy::new(count, &self.edges, inactive).map_err(|ring| {
            let code = self
                .concepts
                .get(ring.0 as usize)
                .map_or("", |it| it.code.as_str());
            let message = format!("The concept {code} is above itself, or below one that is.");
            Problem::new(Kind::Invalid, message).at("CodeSystem.concept")
        })
    }
}

#[derive(Default)]
struct Gathered {
    concepts: Vec<Concept>,
    edges: Vec<(u32, u32)>,
    known: HashMap<String, u32>,
}

impl Gathered {
    /// A code that comes twice counts once. As deep as JSON may be.
    fn all(&mut self, json: &Json<'_>, parent: Option<u32>) {
        for item in json.items("concept") {
            let Some(code) = item.text("code") else {
                continue;
            };
            let place = match self.known.get(code) {
                Some(place) => *place,
                None => self.add(code, item),
            };
            self.edges.extend(
                parent
                    .filter(|parent| *parent != place)
                    .map(|parent| (place, parent)),
            );
            self.all(item, Some(place));
        }
    }

    fn add(&mut self, code: &str, item: &Json<'_>) -> u32 {
        let place = u32::try_from(self.concepts.len()).unwrap_or(u32::MAX);
        let text = |name| item.text(name).unwrap_or_default().to_string();
        let properties: Vec<Property> =
            item.items("property").iter().filter_map(property).collect();
        let says = |code: &str, value: &str| {
            properties
                .iter()
                .any(|it| it.code == code && it.value == value)
        };
        let inactive =
            says("inactive", "true") || says("status", "retired") || says("status", "inactive");
        self.concepts.push(Concept {
            code: code.to_string(),
            display: text("display"),
            definition: text("definition"),
            inactive,
            designations: designations(item),
            properties,
            relationships: Vec::new(),
        });
        self.known.insert(code.to_string(), place);
        place
    }

    /// Parents and children that are named as properties; those that are not there are left out.
    fn link(&mut self) {
        for (place, concept) in (0..).zip(&self.concepts) {
            for property in &concept.properties {
                let other = self.known.get(&property.value).copied();
                match (property.code.as_str(), other) {
                    ("parent" | "subsumedBy", Some(other)) => self.edges.push((place, other)),
                    ("child", Some(other)) => self.edges.push((other, place)),
                    _ => {}
                }
            }
        }
    }
}

fn property(json: &Json<'_>) -> Option<Property> {
    let code = json.text("code")?.to_string();
    let (kind, value) = json
        .as_object()?
        .iter()
        .find_map(|(name, value)| Some((name.strip_prefix("value")?, value)))?;
    let value = match value {
        Json::String(text) => text.to_string(),
        Json::Bool(value) => value.to_string(),
        Json::Number(text) => (*text).to_string(),
        coding => format!(
            "{}|{}",
            coding.text("system").unwrap_or_default(),
            coding.text("code")?
        ),
    };
    Some(Property {
        code,
        kind: kind.to_string(),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    #[test]
    fn nested_and_named_parents_make_one_hierarchy() {
        let text = r#"{"resourceType":"CodeSystem","url":"urn:s","content":"complete","concept":[
            {"code":"a","concept":[{"code":"b","display":"B"},{"code":"c","property":[{"code":"inactive","valueBoolean":true}]}]},
            {"code":"d","property":[{"code":"parent","valueCode":"b"},{"code":"weight","valueDecimal":1.50}]},
            {"code":"a"}]}"#;
        let system =
            CodeSystem::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap();
        let codes: Vec<&str> = system.concepts.iter().map(|it| it.code.as_str()).collect();
        assert_eq!(codes, ["a", "b", "c", "d"]);
        assert!(system.concepts[2].inactive);
        assert_eq!(system.concepts[3].properties[1].value, "1.50");
        let hierarchy = system.hierarchy().unwrap();
        assert_eq!(hierarchy.below[0].count(), 4);
    }

    #[test]
    fn a_ring_is_refused_by_name() {
        let text = r#"{"concept":[{"code":"a","property":[{"code":"parent","valueCode":"b"}]},{"code":"b","property":[{"code":"parent","valueCode":"a"}]}]}"#;
        let system =
            CodeSystem::read(&parse(text.as_bytes(), &Limits::default()).unwrap()).unwrap();
        let problem = system.hierarchy().unwrap_err();
        assert!(problem.message.contains("concept a"), "{}", problem.message);
    }
}
