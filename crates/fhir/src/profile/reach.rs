//! The paths of discriminators: what stands there in a resource, and where profiles say what stands
//! there. A path may lead through references, to what is here or to what only its type is known of.

use super::check::Walk;
use super::constant::Constant;
use super::read;
use super::rule::{Rule, Slice, Step};
use crate::definitions::TypeId;
use crate::fhirpath::Node;

/// What stands at a path below an item.
pub(super) struct Reached<'a> {
    pub nodes: Vec<Node<'a>>,
    /// Whether the path leads on to what is not here.
    pub is_cut: bool,
}

pub(super) fn reached<'a>(walk: &Walk<'a>, steps: &[Step], item: Node<'a>) -> Reached<'a> {
    let mut nodes = vec![item];
    let mut is_cut = false;
    for step in steps {
        let mut next = Vec::new();
        for node in nodes {
            if is_elsewhere(&node) {
                is_cut = true;
                continue;
            }
            match step {
                Step::Member(name) => next.extend(walk.items(name, node)),
                Step::Extension(url) => {
                    let mut found = walk.items("extension", node);
                    found.retain(|node| node.json.and_then(|json| json.text("url")) == Some(url));
                    next.extend(found);
                }
                Step::Resolve => match resolved(walk, node).or_else(|| typed(walk, node)) {
                    Some(found) => next.push(found),
                    None => is_cut = true,
                },
            }
        }
        nodes = next;
    }
    Reached { nodes, is_cut }
}

/// Whether it is what a reference points at, and is not here.
pub(super) fn is_elsewhere(node: &Node<'_>) -> bool {
    node.json.is_none() && node.sibling.is_none()
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

/// The type that a reference says beside its address, or without one.
fn typed<'a>(walk: &Walk<'a>, node: Node<'a>) -> Option<Node<'a>> {
    let ty = walk.asked.definitions.resource(node.json?.text("type")?)?;
    Some(Node {
        json: None,
        sibling: None,
        ty,
        element: None,
    })
}

/// Where profiles say what stands at a path.
pub(super) struct Sources<'a, 's> {
    /// Rules, each with the steps that are left from there; none of these follows a reference.
    pub all: Vec<(&'a Rule, &'s [Step])>,
    /// Whether a profile on the way is not known here, or not looked at.
    pub is_cut: bool,
}

/// A rule itself, or beyond a reference the profiles of what it may point at. Beyond two of them nothing
/// is looked at: profiles that point at each other would never end.
pub(super) fn sources<'a, 's>(
    walk: &Walk<'a>,
    rule: &'a Rule,
    steps: &'s [Step],
) -> Sources<'a, 's> {
    let follows = steps.iter().position(|step| *step == Step::Resolve);
    let parts = follows.and_then(|at| steps.split_at_checked(at));
    let Some((before, [_, after @ ..])) = parts else {
        return Sources {
            all: vec![(rule, steps)],
            is_cut: false,
        };
    };
    let mut found = Sources {
        all: Vec::new(),
        is_cut: false,
    };
    for url in targets_below(rule, before) {
        match walk.asked.profiles.find(url) {
            Some(_) if after.contains(&Step::Resolve) => found.is_cut = true,
            Some(profile) => found.all.push((profile.rule(), after)),
            // R4's own types say nothing that tells slices apart.
            None => found.is_cut |= target_type(walk, url).is_none(),
        }
    }
    found
}

/// The addresses of what the references at a path may point at, and whether a profile on the way is
/// not known here or not looked at.
pub(super) fn targets<'a>(walk: &Walk<'a>, rule: &'a Rule, steps: &[Step]) -> (Vec<&'a str>, bool) {
    let from = sources(walk, rule, steps);
    let all = from.all.into_iter();
    let urls = all.flat_map(|(rule, steps)| targets_below(rule, steps));
    (urls.collect(), from.is_cut)
}

fn targets_below<'r>(rule: &'r Rule, steps: &[Step]) -> Vec<&'r str> {
    let Some(rule) = ruled(rule, steps) else {
        return Vec::new();
    };
    let mut types: Vec<_> = rule.types.iter().flatten().collect();
    // Slices of a repeating element may say it in its place.
    if rule.types.is_none() {
        let slices = rule.slices.iter();
        types.extend(slices.flat_map(|slice| slice.rule.types.iter().flatten()));
    }
    let urls = types.into_iter().flat_map(|ty| &ty.targets);
    urls.map(String::as_str).collect()
}

/// The type that the address of a profile, or of a type of R4, stands for; `None` if it is not known.
pub(super) fn target_type(walk: &Walk<'_>, url: &str) -> Option<TypeId> {
    let ty = match walk.asked.profiles.find(url) {
        Some(profile) => Some(profile.ty.as_str()),
        None => read::core_type(url),
    };
    walk.asked.definitions.find(ty?)
}

/// The constant that a rule says for a path: on the way there, within a constant above it, or in
/// the profile of a type on the way.
pub(super) fn expected<'a>(
    walk: &Walk<'a>,
    rule: &'a Rule,
    steps: &[Step],
) -> Option<(&'a Constant, bool)> {
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
pub(super) fn ruled<'r>(rule: &'r Rule, steps: &[Step]) -> Option<&'r Rule> {
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
        // What a reference points at has rules of its own: those of `sources`.
        Step::Resolve => None,
    })
}
