//! What a ValueSet is made of (<https://hl7.org/fhir/R4/valueset.html#compositions>).

use crate::json::Json;
use crate::problem::{Kind, Problem};

/// Parts, listed codes and filters of one ValueSet, at most.
const PARTS_MAX: usize = 1000;
const LISTED_MAX: usize = 200_000;
const FILTERS_MAX: usize = 50;

/// A ValueSet's definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueSet {
    pub url: String,
    pub version: String,
    pub name: String,
    pub title: String,
    pub includes: Vec<Part>,
    pub excludes: Vec<Part>,
    /// Whether inactive codes belong to it; they do unless it says no.
    pub inactive: Option<bool>,
}

/// One `include` or `exclude`: what all its members agree on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    pub system: Option<String>,
    pub version: Option<String>,
    pub listed: Vec<Listed>,
    pub filters: Vec<Filter>,
    pub value_sets: Vec<String>,
}

/// A code that is named, with what is to be shown for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    pub code: String,
    pub display: Option<String>,
    pub designations: Vec<Designation>,
}

/// A further name of a concept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Designation {
    /// BCP 47; empty if not said.
    pub language: String,
    /// System and code of what it is used for; empty if not said.
    pub used_as: (String, String),
    pub value: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub property: String,
    pub op: FilterOp,
    pub value: String,
}

/// <https://hl7.org/fhir/R4/valueset-filter-operator.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterOp {
    Equals,
    IsA,
    DescendentOf,
    IsNotA,
    Regex,
    In,
    NotIn,
    Generalizes,
    Exists,
}

impl FilterOp {
    fn parse(code: &str) -> Option<FilterOp> {
        Some(match code {
            "=" => FilterOp::Equals,
            "is-a" => FilterOp::IsA,
            "descendent-of" => FilterOp::DescendentOf,
            "is-not-a" => FilterOp::IsNotA,
            "regex" => FilterOp::Regex,
            "in" => FilterOp::In,
            "not-in" => FilterOp::NotIn,
            "generalizes" => FilterOp::Generalizes,
            "exists" => FilterOp::Exists,
            _ => return None,
        })
    }
}

impl ValueSet {
    /// Reads a ValueSet. One that has only an expansion is made of the codes in it.
    ///
    /// # Errors
    /// `Invalid` if it says neither; `NotSupported` for an operator that R4 does not have;
    /// `TooCostly` if there is too much of it. Each with its FHIRPath.
    pub fn read(resource: &Json<'_>) -> Result<ValueSet, Problem> {
        let mut set = ValueSet {
            url: text(resource, "url"),
            version: text(resource, "version"),
            name: text(resource, "name"),
            title: text(resource, "title"),
            ..ValueSet::default()
        };
        if let Some(compose) = resource.get("compose") {
            set.inactive = compose.get("inactive").and_then(Json::as_bool);
            set.includes = parts(compose, "include")?;
            set.excludes = parts(compose, "exclude")?;
        } else if let Some(expansion) = resource.get("expansion") {
            contained(expansion, &mut set.includes);
        } else {
            let message =
                "The ValueSet says neither what it is composed of nor what it expands to.";
            return Err(Problem::new(Kind::Invalid, message).at("ValueSet"));
        }
        let listed: usize = set.includes.iter().map(|part| part.listed.len()).sum();
        if listed > LISTED_MAX {
            let message = format!("A ValueSet may list {LISTED_MAX} codes at most.");
            return Err(Problem::new(Kind::TooCostly, message).at("ValueSet.compose"));
        }
        Ok(set)
    }
}

fn text(json: &Json<'_>, name: &str) -> String {
    json.text(name).unwrap_or_default().to_string()
}

fn parts(compose: &Json<'_>, name: &str) -> Result<Vec<Part>, Problem> {
    let items = compose.items(name);
    if items.len() > PARTS_MAX {
        let message = format!("A ValueSet may have {PARTS_MAX} parts at most.");
        return Err(Problem::new(Kind::TooCostly, message).at(format!("ValueSet.compose.{name}")));
    }
    let part = |(at, item)| {
        part(item).map_err(|it: Problem| it.at(format!("ValueSet.compose.{name}[{at}]")))
    };
    items.iter().enumerate().map(part).collect()
}

fn part(json: &Json<'_>) -> Result<Part, Problem> {
    let owned = |name: &str| json.text(name).map(str::to_string);
    let part = Part {
        system: owned("system"),
        version: owned("version"),
        listed: json.items("concept").iter().filter_map(listed).collect(),
        filters: json
            .items("filter")
            .iter()
            .map(filter)
            .collect::<Result<_, _>>()?,
        value_sets: json
            .items("valueSet")
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_string)
            .collect(),
    };
    if part.filters.len() > FILTERS_MAX || part.value_sets.len() > FILTERS_MAX {
        return Err(Problem::new(
            Kind::TooCostly,
            format!("A part may have {FILTERS_MAX} filters or value sets at most."),
        ));
    }
    if part.system.is_none() && part.value_sets.is_empty() {
        return Err(Problem::new(
            Kind::Invariant,
            "A part names a system or a value set (vsd-1).",
        ));
    }
    if part.system.is_none() && !(part.listed.is_empty() && part.filters.is_empty()) {
        return Err(Problem::new(
            Kind::Invariant,
            "A part with codes or filters names their system (vsd-2).",
        ));
    }
    Ok(part)
}

fn listed(json: &Json<'_>) -> Option<Listed> {
    Some(Listed {
        code: json.text("code")?.to_string(),
        display: json.text("display").map(str::to_string),
        designations: designations(json),
    })
}

/// The designations of a concept, in a CodeSystem or a ValueSet.
pub fn designations(json: &Json<'_>) -> Vec<Designation> {
    let one = |item: &Json<'_>| {
        let used = item.get("use");
        let part = |name| used.map(|used| text(used, name)).unwrap_or_default();
        Designation {
            language: text(item, "language"),
            used_as: (part("system"), part("code")),
            value: text(item, "value"),
        }
    };
    json.items("designation").iter().map(one).collect()
}

fn filter(json: &Json<'_>) -> Result<Filter, Problem> {
    let op = json.text("op").unwrap_or_default();
    Ok(Filter {
        property: text(json, "property"),
        op: FilterOp::parse(op)
            .ok_or_else(|| Problem::new(Kind::NotSupported, "R4 has no such filter operator."))?,
        value: text(json, "value"),
    })
}

/// The codes of an expansion, by system; `contains` within `contains` too, as deep as JSON may be.
fn contained(json: &Json<'_>, parts: &mut Vec<Part>) {
    for item in json.items("contains") {
        if let (Some(system), Some(listed)) = (item.text("system"), listed(item))
            && item.get("abstract").and_then(Json::as_bool) != Some(true)
        {
            let known = parts
                .iter_mut()
                .find(|part| part.system.as_deref() == Some(system));
            match known {
                Some(part) => part.listed.push(listed),
                None => parts.push(Part {
                    system: Some(system.to_string()),
                    listed: vec![listed],
                    ..Part::default()
                }),
            }
        }
        contained(item, parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};

    fn read(text: &str) -> Result<ValueSet, Problem> {
        ValueSet::read(&parse(text.as_bytes(), &Limits::default()).unwrap())
    }

    #[test]
    fn a_composition_reads_with_all_its_parts() {
        let set = read(
            r#"{"resourceType":"ValueSet","url":"urn:v","compose":{"inactive":false,"include":[
            {"system":"urn:s","concept":[{"code":"a","display":"A","designation":[{"language":"cy","value":"Â"}]}]},
            {"system":"urn:s","filter":[{"property":"concept","op":"is-a","value":"b"}],"valueSet":["urn:w"]}],
            "exclude":[{"valueSet":["urn:x"]}]}}"#,
        )
        .unwrap();
        assert_eq!(
            (set.includes.len(), set.excludes.len(), set.inactive),
            (2, 1, Some(false))
        );
        assert_eq!(set.includes[0].listed[0].designations[0].language, "cy");
        assert_eq!(set.includes[1].filters[0].op, FilterOp::IsA);
    }

    #[test]
    fn an_expansion_alone_is_a_list() {
        let set = read(r#"{"expansion":{"contains":[{"system":"urn:s","code":"a","contains":[{"system":"urn:s","code":"b"}]},{"abstract":true,"system":"urn:s","code":"c"}]}}"#).unwrap();
        let codes: Vec<&str> = set.includes[0]
            .listed
            .iter()
            .map(|it| it.code.as_str())
            .collect();
        assert_eq!(codes, ["a", "b"]);
    }

    #[test]
    fn what_is_no_composition_is_refused_with_its_place() {
        assert_eq!(read("{}").unwrap_err().kind, Kind::Invalid);
        let bad =
            read(r#"{"compose":{"include":[{"system":"urn:s"},{"concept":[{"code":"a"}]}]}}"#)
                .unwrap_err();
        assert_eq!(
            bad.expression.as_deref(),
            Some("ValueSet.compose.include[1]")
        );
        let bad = read(r#"{"compose":{"include":[{"system":"u","filter":[{"property":"p","op":"~","value":"v"}]}]}}"#).unwrap_err();
        assert_eq!(bad.kind, Kind::NotSupported);
    }
}
