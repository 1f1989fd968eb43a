//! What a rule asks of an item itself: its type, its value, its code, its length, what it points at.

use super::check::Walk;
use super::constant::Constant;
use super::rule::{Rule, TypeRule};
use super::{binding, reach, slices};
use crate::fhirpath::{Decimal, Node};
use crate::json::Json;
use crate::problem::Kind;
use crate::validate::{Place, Severity};

pub(super) fn check<'a>(walk: &mut Walk<'a>, rule: &'a Rule, node: Node<'a>, place: &Place<'_>) {
    if let Some(types) = &rule.types {
        types_of(walk, types, node, place);
    }
    if let Some(fixed) = &rule.fixed
        && !node.json.is_some_and(|json| fixed.is(json))
    {
        let message = format!("The profile fixes this to {}.", told(fixed));
        walk.error(Kind::Value, message, place);
    }
    if let Some(pattern) = &rule.pattern
        && !node.json.is_some_and(|json| pattern.is_within(json))
    {
        let message = format!("The profile asks that this has at least {}.", told(pattern));
        walk.error(Kind::Value, message, place);
    }
    if let Some(bound) = &rule.binding {
        binding::check(walk, bound, node, place);
    }
    let text = node.json.and_then(Json::as_str);
    if let (Some(most), Some(text)) = (rule.max_length, text)
        && text.chars().count() > most
    {
        let message = format!("The profile allows at most {most} characters.");
        walk.error(Kind::TooLong, message, place);
    }
    range(walk, rule, node, place);
}

/// A short form of a constant, for a message.
fn told(constant: &Constant) -> String {
    match constant {
        Constant::Text(text) => format!("\"{text}\""),
        Constant::Number(text) => text.clone(),
        Constant::Bool(value) => value.to_string(),
        Constant::Null => "nothing".to_string(),
        Constant::Array(items) => {
            let items: Vec<String> = items.iter().map(told).collect();
            items.join(", ")
        }
        Constant::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name} {}", told(value)))
                .collect();
            members.join(", ")
        }
    }
}

/// Numbers by value, dates by their text as far as both go.
fn range(walk: &mut Walk<'_>, rule: &Rule, node: Node<'_>, place: &Place<'_>) {
    let Some(value) = node
        .json
        .and_then(|json| json.as_str().or(json.as_number()))
    else {
        return;
    };
    let is_less = |left: &str, right: &str| match (Decimal::parse(left), Decimal::parse(right)) {
        (Some(left), Some(right)) => left < right,
        _ => {
            let length = left.len().min(right.len());
            left.get(..length) < right.get(..length)
        }
    };
    if let Some(least) = &rule.min_value
        && is_less(value, least)
    {
        walk.error(
            Kind::Value,
            format!("The profile allows no less than {least}."),
            place,
        );
    }
    if let Some(most) = &rule.max_value
        && is_less(most, value)
    {
        walk.error(
            Kind::Value,
            format!("The profile allows no more than {most}."),
            place,
        );
    }
}

fn types_of<'a>(walk: &mut Walk<'a>, types: &'a [TypeRule], node: Node<'a>, place: &Place<'_>) {
    let name = walk.asked.definitions.ty(node.ty).name;
    let fits = |rule: &&TypeRule| slices::is_type(walk.asked.definitions, node, &rule.code);
    let fitting: Vec<&'a TypeRule> = types.iter().filter(fits).collect();
    if fitting.is_empty() {
        let allowed: Vec<&str> = types.iter().map(|rule| rule.code.as_str()).collect();
        // Types of elements that have elements are not named as data names them.
        if !name.contains('.') && !allowed.iter().any(|code| code.contains('/')) {
            let message = format!(
                "The profile allows {} here, not {name}.",
                allowed.join(", ")
            );
            walk.error(Kind::Structure, message, place);
        }
        return;
    }
    for rule in fitting {
        if !rule.profiles.is_empty() {
            profiles(walk, &rule.profiles, node, place);
        }
        if !rule.targets.is_empty() {
            target(walk, &rule.targets, node, place);
        }
    }
}

/// One of the profiles will do. With one only, its faults are told; an extension is checked where
/// all of them are.
fn profiles<'a>(walk: &mut Walk<'a>, urls: &'a [String], node: Node<'a>, place: &Place<'_>) {
    if walk.asked.definitions.ty(node.ty).name == "Extension" {
        return;
    }
    match urls {
        [url] => walk.follow(url, node, place, Severity::Information),
        urls => {
            if !urls.iter().any(|url| walk.would_follow(url, node)) {
                let message = format!("This follows none of {}.", urls.join(", "));
                walk.error(Kind::Structure, message, place);
            }
        }
    }
}

/// What a reference points at is of a type, and if it is here follows a profile, that is allowed.
fn target<'a>(walk: &mut Walk<'a>, targets: &'a [String], node: Node<'a>, place: &Place<'_>) {
    let is_reference = walk.asked.definitions.ty(node.ty).name == "Reference";
    let Some(found) = reach::resolved(walk, node).filter(|_| is_reference) else {
        return;
    };
    let definitions = walk.asked.definitions;
    let mut unsure = false;
    let is_allowed = targets.iter().any(|url| {
        let ty = reach::target_type(walk, url);
        unsure |= ty.is_none();
        let is_type = ty.is_some_and(|ty| crate::fhirpath::is_a(found.ty, ty, definitions));
        is_type && (found.json.is_none() || walk.would_follow(url, found))
    });
    if !is_allowed && !unsure {
        let message = format!(
            "What this points at follows none of {}.",
            targets.join(", ")
        );
        walk.error(Kind::Structure, message, place);
    }
}
