//! From a StructureDefinition to rules (<https://hl7.org/fhir/R4/structuredefinition.html>). The
//! differential is read where there is one, else the snapshot.

use std::sync::Arc;

use super::constant::Constant;
use super::rule::{
    Binding, Constraint, Discriminator, DiscriminatorKind, Openness, Rule, Slicing, Step, TypeRule,
};
use super::{CORE, ContextRule, Profile};
use crate::definitions::Definitions;
use crate::fhirpath::Expression;
use crate::json::Json;
use crate::problem::{Kind, Problem};

/// No profile has more elements.
const ELEMENTS_MAX: usize = 20_000;

/// No element stands deeper.
const DEPTH_MAX: usize = 32;

/// Reads a StructureDefinition that constrains a type. `None` for one that defines a type of its own
/// (a logical model), which no resource can follow.
pub(super) fn profile(
    json: &Json<'_>,
    definitions: &Definitions,
) -> Result<Option<Profile>, Problem> {
    let missing = |name: &str| {
        Problem::new(
            Kind::Required,
            "A StructureDefinition must have this element.",
        )
        .at(format!("StructureDefinition.{name}"))
    };
    let url = json.text("url").ok_or_else(|| missing("url"))?;
    let ty = json.text("type").ok_or_else(|| missing("type"))?;
    let is_constraint = json.text("derivation") == Some("constraint");
    if !is_constraint || definitions.find(ty).is_none() {
        return Ok(None);
    }
    let elements = ["differential", "snapshot"]
        .iter()
        .filter_map(|view| json.get(view))
        .map(|view| view.items("element"))
        .find(|elements| !elements.is_empty())
        .unwrap_or_default();
    if elements.len() > ELEMENTS_MAX {
        return Err(Problem::new(
            Kind::TooCostly,
            "The profile has too many elements.",
        ));
    }
    let mut root = Rule::named(ty);
    for (index, element) in elements.iter().enumerate() {
        let at = || format!("StructureDefinition.differential.element[{index}]");
        let rule = place(&mut root, element).ok_or_else(|| {
            Problem::new(Kind::Value, "The path is not one of the type.").at(at())
        })?;
        fill(rule, element, definitions);
    }
    Ok(Some(Profile {
        url: url.to_string(),
        version: json.text("version").map(str::to_string),
        ty: ty.to_string(),
        base: json.text("baseDefinition").map(str::to_string),
        contexts: json.items("context").iter().filter_map(context).collect(),
        own: root,
        merged: None,
    }))
}

fn context(json: &Json<'_>) -> Option<ContextRule> {
    Some(ContextRule {
        kind: json.text("type")?.to_string(),
        expression: json.text("expression")?.to_string(),
    })
}

/// The rule that an element is for: found by its id (`Patient.name:usual.given`), which says the
/// slices, or by its path.
fn place<'r>(root: &'r mut Rule, element: &Json<'_>) -> Option<&'r mut Rule> {
    let path = element.text("path")?;
    let id = element
        .text("id")
        .filter(|id| id.split('.').count() == path.split('.').count())
        .unwrap_or(path);
    let mut rule = root;
    let segments: Vec<&str> = id.split('.').collect();
    if segments.len() > DEPTH_MAX {
        return None;
    }
    let mut segments = segments.into_iter();
    segments.next()?;
    for segment in segments {
        let (name, slice) = match segment.split_once(':') {
            Some((name, slice)) => (name, Some(slice)),
            None => (segment, None),
        };
        rule = rule.child_mut(name.strip_suffix("[x]").unwrap_or(name));
        if let Some(slice) = slice {
            rule = rule.slice_mut(slice);
        }
    }
    // Without an id, the name of the slice says it.
    match element.text("sliceName") {
        Some(slice) if !id.contains(':') => Some(rule.slice_mut(slice)),
        _ => Some(rule),
    }
}

fn fill(rule: &mut Rule, element: &Json<'_>, definitions: &Definitions) {
    rule.min = number(element, "min").or(rule.min);
    rule.max = match element.text("max") {
        Some("*") => Some(u32::MAX),
        Some(max) => max.parse().ok(),
        None => rule.max,
    };
    if element.get("type").is_some() {
        rule.types = Some(element.items("type").iter().map(type_rule).collect());
    }
    for (name, value) in element.as_object().unwrap_or_default() {
        let constant = || Some(Arc::new(Constant::of(value)));
        let text = || value.as_str().or(value.as_number()).map(str::to_string);
        match name.as_ref() {
            name if name.starts_with("fixed") => rule.fixed = constant(),
            name if name.starts_with("pattern") => rule.pattern = constant(),
            name if name.starts_with("minValue") => rule.min_value = text(),
            name if name.starts_with("maxValue") => rule.max_value = text(),
            _ => {}
        }
    }
    rule.max_length = number(element, "maxLength")
        .and_then(|length| usize::try_from(length).ok())
        .or(rule.max_length);
    if let Some(found) = element.get("binding").and_then(binding) {
        rule.binding = Some(found);
    }
    let own = element.items("constraint").iter();
    rule.constraints
        .extend(own.filter_map(|found| constraint(found, definitions)));
    if let Some(slicing) = element.get("slicing") {
        rule.slicing = Some(read_slicing(slicing));
    }
}

fn number(json: &Json<'_>, name: &str) -> Option<u32> {
    json.get(name)?.as_number()?.parse().ok()
}

fn type_rule(json: &Json<'_>) -> TypeRule {
    let texts = |name: &str| -> Vec<String> {
        let items = json.items(name).iter();
        items
            .filter_map(|item| item.as_str().map(str::to_string))
            .collect()
    };
    TypeRule {
        code: json.text("code").unwrap_or_default().to_string(),
        profiles: texts("profile"),
        targets: texts("targetProfile"),
    }
}

/// Only strengths that can be broken.
fn binding(json: &Json<'_>) -> Option<Binding> {
    let strength = json.text("strength")?;
    matches!(strength, "required" | "extensible").then_some(())?;
    Some(Binding {
        is_required: strength == "required",
        value_set: json.text("valueSet")?.to_string(),
    })
}

fn constraint(json: &Json<'_>, definitions: &Definitions) -> Option<Arc<Constraint>> {
    let key = json.text("key")?;
    // A snapshot repeats R4's own, which are held already.
    if key == "ele-1" || definitions.rules.iter().any(|rule| rule.key == key) {
        return None;
    }
    let expression = json.text("expression")?;
    Some(Arc::new(Constraint {
        key: key.to_string(),
        is_error: json.text("severity") != Some("warning"),
        human: json.text("human").unwrap_or(expression).to_string(),
        expression: Expression::compile(expression, definitions).ok(),
    }))
}

fn read_slicing(json: &Json<'_>) -> Slicing {
    let discriminators = json.items("discriminator").iter();
    Slicing {
        discriminators: discriminators.filter_map(discriminator).collect(),
        openness: match json.text("rules") {
            Some("closed") => Openness::Closed,
            Some("openAtEnd") => Openness::OpenAtEnd,
            _ => Openness::Open,
        },
        is_ordered: json.get("ordered").and_then(Json::as_bool).unwrap_or(false),
    }
}

fn discriminator(json: &Json<'_>) -> Option<Discriminator> {
    Some(Discriminator {
        kind: match json.text("type")? {
            "value" | "pattern" => DiscriminatorKind::Value,
            "type" => DiscriminatorKind::Type,
            "profile" => DiscriminatorKind::Profile,
            "exists" => DiscriminatorKind::Exists,
            _ => return None,
        },
        steps: steps(json.text("path")?),
    })
}

/// `extension('url').value`, `coding.code`, `$this`, `resolve().code`; `ofType()` changes nothing here.
fn steps(path: &str) -> Vec<Step> {
    let mut found = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        rest = rest.trim_start_matches('.');
        if let Some(after) = rest.strip_prefix("extension(") {
            let (url, after) = after.split_once(')').unwrap_or((after, ""));
            let url = url.trim_matches(|quote| quote == '\'' || quote == '"');
            found.push(Step::Extension(url.to_string()));
            rest = after;
            continue;
        }
        let (step, after) = rest.split_once('.').unwrap_or((rest, ""));
        match step {
            "$this" => {}
            "resolve()" => found.push(Step::Resolve),
            step if step.starts_with("ofType(") => {}
            step => found.push(Step::Member(step.to_string())),
        }
        rest = after;
    }
    found
}

/// The type's name that an address of R4's own definitions names.
pub(super) fn core_type(url: &str) -> Option<&str> {
    let url = url.split('|').next()?;
    url.strip_prefix(CORE)
}
