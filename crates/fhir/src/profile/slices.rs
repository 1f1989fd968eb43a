//! Slicing (<https://hl7.org/fhir/R4/profiling.html#slicing>): which slice an item is of, how many
//! each has, and what each asks of its items.

use super::check::Walk;
use super::constant::Constant;
use super::rule::{Discriminator, DiscriminatorKind, Openness, Rule, Slice, Step};
use crate::definitions::Definitions;
use crate::fhirpath::Node;
use crate::problem::Kind;
use crate::terminology::Membership;
use crate::validate::Place;

pub(super) fn check<'a>(
    walk: &mut Walk<'a>,
    rule: &'a Rule,
    items: &[Node<'a>],
    place: &Place<'_>,
) {
    let homes: Vec<Option<usize>> = items
        .iter()
        .map(|item| {
            rule.slices
                .iter()
                .position(|slice| belongs(walk, rule, slice, *item))
        })
        .collect();
    openness(walk, rule, &homes, place);
    for (number, slice) in rule.slices.iter().enumerate() {
        let own = homes.iter().filter(|home| **home == Some(number));
        let before = walk.found.len();
        walk.count(&slice.rule, own.count(), place);
        if let Some(issue) = walk.found.get_mut(before) {
            issue
                .problem
                .message
                .push_str(&format!(" (Slice {}.)", slice.name));
        }
    }
    for (index, (item, home)) in items.iter().zip(&homes).enumerate() {
        let Some(slice) = home.and_then(|home| rule.slices.get(home)) else {
            continue;
        };
        let many = item.element.is_some_and(|element| element.many);
        let at = if many { place.at(index) } else { *place };
        walk.rule(&slice.rule, *item, &at);
    }
}

fn openness(walk: &mut Walk<'_>, rule: &Rule, homes: &[Option<usize>], place: &Place<'_>) {
    let Some(slicing) = &rule.slicing else { return };
    let last = homes.iter().rposition(Option::is_some);
    for (index, home) in homes.iter().enumerate() {
        let is_stray = match slicing.openness {
            Openness::Open => false,
            Openness::Closed => home.is_none(),
            Openness::OpenAtEnd => home.is_none() && last.is_some_and(|last| index < last),
        };
        if is_stray {
            let message = "This is of none of the slices that the profile allows here.";
            walk.error(Kind::Structure, message, &place.at(index));
        }
    }
    let order: Vec<usize> = homes.iter().copied().flatten().collect();
    if slicing.is_ordered && !order.is_sorted() {
        let message = "The profile asks for its slices in their order.";
        walk.error(Kind::Structure, message, place);
    }
}

fn belongs<'a>(walk: &Walk<'a>, rule: &Rule, slice: &'a Slice, item: Node<'a>) -> bool {
    let definitions = walk.asked.definitions;
    let discriminators = match &rule.slicing {
        Some(slicing) if !slicing.discriminators.is_empty() => &slicing.discriminators,
        _ if is_type(definitions, item, "Extension") => return is_extension(walk, slice, item),
        // A slice that is named after one type of a choice (`valueQuantity`).
        _ => {
            let name = definitions.ty(item.ty).name;
            let named = slice
                .name
                .to_ascii_lowercase()
                .ends_with(&name.to_ascii_lowercase());
            let types = slice.rule.types.as_deref().unwrap_or_default();
            return match types {
                [] => named,
                types => types.iter().any(|ty| is_type(definitions, item, &ty.code)),
            };
        }
    };
    discriminators.iter().all(|discriminator| {
        let is_url = discriminator.steps == [Step::Member("url".to_string())];
        if is_url && is_type(definitions, item, "Extension") {
            return is_extension(walk, slice, item);
        }
        matches(walk, discriminator, &slice.rule, item)
    })
}

/// By its address, which the slice's profile or its own `url` says.
fn is_extension(walk: &Walk<'_>, slice: &Slice, item: Node<'_>) -> bool {
    let url = item.json.and_then(|json| json.text("url"));
    let types = slice.rule.types.as_deref().unwrap_or_default();
    let mut profiles = types.iter().flat_map(|ty| &ty.profiles).peekable();
    if profiles.peek().is_some() {
        return profiles.any(|profile| Some(crate::terminology::unversioned(profile)) == url);
    }
    let fixed = slice.rule.child("url").and_then(|rule| rule.fixed.as_ref());
    match fixed.and_then(|fixed| fixed.as_str()) {
        Some(fixed) => url == Some(fixed),
        None => {
            let _ = walk;
            url == Some(slice.name.as_str())
        }
    }
}

fn matches<'a>(walk: &Walk<'a>, by: &Discriminator, rule: &'a Rule, item: Node<'a>) -> bool {
    let nodes = reached(walk, &by.steps, item);
    match by.kind {
        DiscriminatorKind::Exists => {
            let found = ruled(rule, &by.steps);
            let wanted = found.is_none_or(|rule| rule.max != Some(0));
            nodes.is_empty() != wanted
        }
        DiscriminatorKind::Type => {
            let types = ruled(rule, &by.steps).and_then(|rule| rule.types.as_deref());
            let types = types.unwrap_or_default();
            let definitions = walk.asked.definitions;
            nodes
                .iter()
                .any(|node| types.iter().any(|ty| is_type(definitions, *node, &ty.code)))
        }
        DiscriminatorKind::Profile => {
            let types = ruled(rule, &by.steps).and_then(|rule| rule.types.as_deref());
            let types = types.unwrap_or_default();
            let urls: Vec<&String> = types
                .iter()
                .flat_map(|ty| {
                    if ty.profiles.is_empty() {
                        &ty.targets
                    } else {
                        &ty.profiles
                    }
                })
                .collect();
            nodes
                .iter()
                .any(|node| urls.iter().any(|url| walk.would_follow(url, *node)))
        }
        DiscriminatorKind::Value => has_value(walk, by, rule, &nodes),
    }
}

/// What the slice says stands there, fixed, as a pattern or by a binding. A slice that says nothing
/// takes nothing.
fn has_value<'a>(walk: &Walk<'a>, by: &Discriminator, rule: &'a Rule, nodes: &[Node<'a>]) -> bool {
    if let Some((constant, is_fixed)) = expected(walk, rule, &by.steps) {
        return nodes
            .iter()
            .filter_map(|node| node.json)
            .any(|json| match is_fixed {
                true => constant.is(json),
                false => constant.is_within(json),
            });
    }
    let bound = ruled(rule, &by.steps).and_then(|rule| rule.binding.as_ref());
    let Some(bound) = bound.filter(|bound| bound.is_required) else {
        return false;
    };
    nodes.iter().filter_map(|node| node.json).any(|json| {
        let codings = json.items("coding");
        let codings = if codings.is_empty() {
            std::slice::from_ref(json)
        } else {
            codings
        };
        codings.iter().any(|coding| {
            let code = coding.text("code").or(coding.as_str()).unwrap_or_default();
            walk.asked
                .terminology
                .member(&bound.value_set, coding.text("system"), code)
                == Membership::Yes
        })
    })
}

/// The constant that a rule says for a path: on the way there, within a constant above it, or in
/// the profile of a type on the way.
fn expected<'a>(walk: &Walk<'a>, rule: &'a Rule, steps: &[Step]) -> Option<(&'a Constant, bool)> {
    let own = rule.fixed.as_deref().map(|fixed| (fixed, true));
    if let Some((constant, is_fixed)) = own.or(rule.pattern.as_deref().map(|found| (found, false)))
    {
        let found = steps
            .iter()
            .try_fold(constant, |constant, step| match step {
                Step::Member(name) => constant.get(name),
                Step::Extension(_) | Step::Resolve => None,
            });
        return found.map(|found| {
            (
                found,
                is_fixed && steps.is_empty() || !matches!(found, Constant::Object(_)),
            )
        });
    }
    if let Some((Step::Member(name), rest)) = steps.split_first() {
        let child = rule.child(name);
        // A slice of a repeating element on the way may say it.
        let through_child = child.and_then(|child| {
            expected(walk, child, rest).or_else(|| {
                child
                    .slices
                    .iter()
                    .find_map(|slice| expected(walk, &slice.rule, rest))
            })
        });
        if through_child.is_some() {
            return through_child;
        }
    }
    let profiles = rule.types.iter().flatten().flat_map(|ty| &ty.profiles);
    profiles
        .filter_map(|url| walk.asked.profiles.find(url))
        .filter(|profile| !std::ptr::eq(profile.rule(), rule))
        .find_map(|profile| expected_within(profile.rule(), steps))
}

/// As `expected`, without going into profiles again.
fn expected_within<'a>(rule: &'a Rule, steps: &[Step]) -> Option<(&'a Constant, bool)> {
    let found = ruled(rule, steps)?;
    let fixed = found.fixed.as_deref().map(|fixed| (fixed, true));
    fixed.or(found.pattern.as_deref().map(|pattern| (pattern, false)))
}

/// The rule at a path below another.
fn ruled<'r>(rule: &'r Rule, steps: &[Step]) -> Option<&'r Rule> {
    steps.iter().try_fold(rule, |rule, step| match step {
        Step::Member(name) => rule.child(name),
        Step::Extension(url) => {
            let extensions = rule.child("extension")?;
            let is_it = |slice: &&Slice| {
                let mut types = slice.rule.types.iter().flatten();
                types.any(|ty| ty.profiles.contains(url))
            };
            extensions
                .slices
                .iter()
                .find(is_it)
                .map(|slice| &slice.rule)
        }
        Step::Resolve => Some(rule),
    })
}

/// The nodes at a path below an item.
fn reached<'a>(walk: &Walk<'a>, steps: &[Step], item: Node<'a>) -> Vec<Node<'a>> {
    let mut nodes = vec![item];
    for step in steps {
        nodes = nodes
            .into_iter()
            .flat_map(|node| match step {
                Step::Member(name) => walk.items(name, node),
                Step::Extension(url) => {
                    let mut found = walk.items("extension", node);
                    found.retain(|node| node.json.and_then(|json| json.text("url")) == Some(url));
                    found
                }
                Step::Resolve => resolved(walk, node).into_iter().collect(),
            })
            .collect();
    }
    nodes
}

/// What a reference points at: itself, if it is here, else its type alone.
pub(super) fn resolved<'a>(walk: &Walk<'a>, node: Node<'a>) -> Option<Node<'a>> {
    let reference = node.json?.text("reference").or(node.json?.as_str())?;
    crate::fhirpath::target(
        walk.root?,
        walk.resource?,
        reference,
        walk.asked.definitions,
    )
}

/// Whether a node is of a type that a profile names.
pub(super) fn is_type(definitions: &Definitions, node: Node<'_>, code: &str) -> bool {
    let own = definitions.ty(node.ty).name;
    match definitions.find(code) {
        Some(ty) if ty == node.ty => true,
        Some(ty) => {
            crate::fhirpath::is_a(node.ty, ty, definitions) && !node_is_primitive(definitions, node)
        }
        // `http://hl7.org/fhirpath/System.String` stands for the type of `id` and `value`.
        None => {
            code.starts_with("http://hl7.org/fhirpath/")
                && matches!(own, "string" | "id" | "uri" | "code")
        }
    }
}

fn node_is_primitive(definitions: &Definitions, node: Node<'_>) -> bool {
    matches!(
        definitions.ty(node.ty).shape,
        crate::definitions::Shape::Primitive(_)
    )
}
