//! Slicing (<https://hl7.org/fhir/R4/profiling.html#slicing>): which slice an item is of, how many
//! each has, and what each asks of its items.

use super::check::Walk;
use super::reach::{self, Reached};
use super::rule::{Discriminator, DiscriminatorKind, Openness, Rule, Slice, Step};
use crate::definitions::{Definitions, TypeId};
use crate::fhirpath::{Node, is_a};
use crate::problem::Kind;
use crate::terminology::Membership;
use crate::validate::{Place, Severity};

/// Whether an item is of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    /// What tells it stands elsewhere.
    Unknown,
}

impl Fit {
    fn of(is_so: bool, is_unsure: bool) -> Fit {
        match (is_so, is_unsure) {
            (true, _) => Fit::Yes,
            (false, true) => Fit::Unknown,
            (false, false) => Fit::No,
        }
    }
}

/// Of which slice an item is.
struct Home {
    slice: Option<usize>,
    /// Those that it may be of, where it is surely of none.
    maybe: Vec<usize>,
}

impl Home {
    fn find<'a>(walk: &Walk<'a>, rule: &'a Rule, item: Node<'a>) -> Home {
        let mut maybe = Vec::new();
        for (number, slice) in rule.slices.iter().enumerate() {
            match belongs(walk, rule, slice, item) {
                Fit::Yes => {
                    return Home {
                        slice: Some(number),
                        maybe: Vec::new(),
                    };
                }
                Fit::Unknown => maybe.push(number),
                Fit::No => {}
            }
        }
        Home { slice: None, maybe }
    }
}

pub(super) fn check<'a>(
    walk: &mut Walk<'a>,
    rule: &'a Rule,
    items: &[Node<'a>],
    place: &Place<'_>,
) {
    let homes: Vec<Home> = items
        .iter()
        .map(|item| Home::find(walk, rule, *item))
        .collect();
    openness(walk, rule, &homes, place);
    for (number, slice) in rule.slices.iter().enumerate() {
        let own = homes.iter().filter(|home| home.slice == Some(number));
        let maybe = homes.iter().filter(|home| home.maybe.contains(&number));
        let least = slice.rule.min.and_then(|min| usize::try_from(min).ok());
        // What may be of it makes up what is missing: nobody is refused for what cannot be told here.
        let (own, least) = (own.count(), least.unwrap_or_default());
        let count = own.max(least.min(own + maybe.count()));
        let before = walk.found.len();
        walk.count(&slice.rule, count, place);
        if let Some(issue) = walk.found.get_mut(before) {
            issue
                .problem
                .message
                .push_str(&format!(" (Slice {}.)", slice.name));
        }
    }
    for (index, (item, home)) in items.iter().zip(&homes).enumerate() {
        let many = item.element.is_some_and(|element| element.many);
        let at = if many { place.at(index) } else { *place };
        if let Some(slice) = home.slice.and_then(|number| rule.slices.get(number)) {
            walk.rule(&slice.rule, *item, &at);
        } else if !home.maybe.is_empty() {
            let message = "What this points at is not here, so it cannot be told of which slice it \
                           is, and what the slices ask was not checked.";
            walk.tell(Severity::Information, Kind::Incomplete, message, &at);
        }
    }
}

fn openness(walk: &mut Walk<'_>, rule: &Rule, homes: &[Home], place: &Place<'_>) {
    let Some(slicing) = &rule.slicing else { return };
    let last = homes.iter().rposition(|home| home.slice.is_some());
    for (index, home) in homes.iter().enumerate() {
        let is_of_none = home.slice.is_none() && home.maybe.is_empty();
        let is_stray = match slicing.openness {
            Openness::Open => false,
            Openness::Closed => is_of_none,
            Openness::OpenAtEnd => is_of_none && last.is_some_and(|last| index < last),
        };
        if is_stray {
            let message = "This is of none of the slices that the profile allows here.";
            walk.error(Kind::Structure, message, &place.at(index));
        }
    }
    let order: Vec<usize> = homes.iter().filter_map(|home| home.slice).collect();
    if slicing.is_ordered && !order.is_sorted() {
        let message = "The profile asks for its slices in their order.";
        walk.error(Kind::Structure, message, place);
    }
}

fn belongs<'a>(walk: &Walk<'a>, rule: &Rule, slice: &'a Slice, item: Node<'a>) -> Fit {
    let definitions = walk.asked.definitions;
    let discriminators = match &rule.slicing {
        Some(slicing) if !slicing.discriminators.is_empty() => &slicing.discriminators,
        _ if is_type(definitions, item, "Extension") => {
            return Fit::of(is_extension(slice, item), false);
        }
        // A slice that is named after one type of a choice (`valueQuantity`).
        _ => {
            let name = definitions.ty(item.ty).name;
            let named = slice
                .name
                .to_ascii_lowercase()
                .ends_with(&name.to_ascii_lowercase());
            let types = slice.rule.types.as_deref().unwrap_or_default();
            let is_so = match types {
                [] => named,
                types => types.iter().any(|ty| is_type(definitions, item, &ty.code)),
            };
            return Fit::of(is_so, false);
        }
    };
    let mut all = Fit::Yes;
    for discriminator in discriminators {
        let is_url = discriminator.steps == [Step::Member("url".to_string())];
        let fit = match is_url && is_type(definitions, item, "Extension") {
            true => Fit::of(is_extension(slice, item), false),
            false => matches(walk, discriminator, &slice.rule, item),
        };
        match fit {
            Fit::Yes => {}
            Fit::No => return Fit::No,
            Fit::Unknown => all = Fit::Unknown,
        }
    }
    all
}

/// By its address, which the slice's profile or its own `url` says.
fn is_extension(slice: &Slice, item: Node<'_>) -> bool {
    let url = item.json.and_then(|json| json.text("url"));
    let types = slice.rule.types.as_deref().unwrap_or_default();
    let mut profiles = types.iter().flat_map(|ty| &ty.profiles).peekable();
    if profiles.peek().is_some() {
        return profiles.any(|profile| Some(crate::terminology::unversioned(profile)) == url);
    }
    let fixed = slice.rule.child("url").and_then(|rule| rule.fixed.as_ref());
    match fixed.and_then(|fixed| fixed.as_str()) {
        Some(fixed) => url == Some(fixed),
        None => url == Some(slice.name.as_str()),
    }
}

fn matches<'a>(walk: &Walk<'a>, by: &Discriminator, rule: &'a Rule, item: Node<'a>) -> Fit {
    let reached = reach::reached(walk, &by.steps, item);
    match by.kind {
        DiscriminatorKind::Exists => is_there(walk, by, rule, &reached),
        DiscriminatorKind::Type => has_type(walk, by, rule, &reached),
        DiscriminatorKind::Profile => has_profile(walk, by, rule, &reached),
        DiscriminatorKind::Value => {
            let from = reach::sources(walk, rule, &by.steps);
            let mut all = from.all.into_iter();
            let is_so = all.any(|(rule, steps)| has_value(walk, rule, steps, &reached.nodes));
            // Of what is elsewhere only the type is known, and no value.
            let is_elsewhere = reached.nodes.iter().any(reach::is_elsewhere);
            Fit::of(is_so, from.is_cut || reached.is_cut || is_elsewhere)
        }
    }
}

fn is_there<'a>(walk: &Walk<'a>, by: &Discriminator, rule: &'a Rule, reached: &Reached<'a>) -> Fit {
    let is_empty = reached.nodes.is_empty();
    if is_empty && reached.is_cut {
        return Fit::Unknown;
    }
    let from = reach::sources(walk, rule, &by.steps);
    let mut rules = from.all.into_iter();
    let found = rules.find_map(|(rule, steps)| reach::ruled(rule, steps));
    let wanted = found.is_none_or(|rule| rule.max != Some(0));
    Fit::of(is_empty != wanted, false)
}

/// What a reference points at is compared with the types that the slice's references may point at.
fn has_type<'a>(walk: &Walk<'a>, by: &Discriminator, rule: &'a Rule, reached: &Reached<'a>) -> Fit {
    let definitions = walk.asked.definitions;
    if let Some((Step::Resolve, before)) = by.steps.split_last() {
        let (urls, is_cut) = reach::targets(walk, rule, before);
        let urls = urls.into_iter();
        let types: Vec<Option<TypeId>> = urls.map(|url| reach::target_type(walk, url)).collect();
        let is_one = |node: &Node<'a>| {
            let mut known = types.iter().flatten();
            known.any(|ty| is_a(node.ty, *ty, definitions))
        };
        let is_unsure = is_cut || reached.is_cut || types.contains(&None);
        return Fit::of(reached.nodes.iter().any(is_one), is_unsure);
    }
    let from = reach::sources(walk, rule, &by.steps);
    let rules = from.all.into_iter();
    let rules = rules.filter_map(|(rule, steps)| reach::ruled(rule, steps));
    let codes = rules.flat_map(|rule| rule.types.iter().flatten());
    let codes: Vec<&str> = codes.map(|ty| ty.code.as_str()).collect();
    let mut nodes = reached.nodes.iter();
    let is_so = nodes.any(|node| codes.iter().any(|code| is_type(definitions, *node, code)));
    Fit::of(is_so, from.is_cut || reached.is_cut)
}

fn has_profile<'a>(
    walk: &Walk<'a>,
    by: &Discriminator,
    rule: &'a Rule,
    reached: &Reached<'a>,
) -> Fit {
    let (urls, is_cut) = match by.steps.split_last() {
        Some((Step::Resolve, before)) => reach::targets(walk, rule, before),
        _ => {
            let from = reach::sources(walk, rule, &by.steps);
            let rules = from.all.into_iter();
            let rules = rules.filter_map(|(rule, steps)| reach::ruled(rule, steps));
            let types = rules.flat_map(|rule| rule.types.iter().flatten());
            let urls = types.flat_map(|ty| &ty.profiles).map(String::as_str);
            (urls.collect(), from.is_cut)
        }
    };
    let definitions = walk.asked.definitions;
    let mut is_unsure = is_cut || reached.is_cut;
    for node in &reached.nodes {
        for url in &urls {
            if reach::is_elsewhere(node) && walk.asked.profiles.find(url).is_some() {
                let ty = reach::target_type(walk, url);
                is_unsure |= ty.is_some_and(|ty| is_a(node.ty, ty, definitions));
            } else if walk.would_follow(url, *node) {
                return Fit::Yes;
            }
        }
    }
    Fit::of(false, is_unsure)
}

/// What a rule says stands at the steps below it, fixed, as a pattern or by a binding. A rule that says
/// nothing takes nothing.
fn has_value<'a>(walk: &Walk<'a>, rule: &'a Rule, steps: &[Step], nodes: &[Node<'a>]) -> bool {
    if let Some((constant, is_fixed)) = reach::expected(walk, rule, steps) {
        return nodes
            .iter()
            .filter_map(|node| node.json)
            .any(|json| match is_fixed {
                true => constant.is(json),
                false => constant.is_within(json),
            });
    }
    let bound = reach::ruled(rule, steps).and_then(|rule| rule.binding.as_ref());
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
