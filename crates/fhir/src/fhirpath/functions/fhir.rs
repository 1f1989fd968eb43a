//! What FHIR adds (<https://hl7.org/fhir/R4/fhirpath.html#functions>).

use super::{Function, On, maybe, truth};
use crate::definitions::Definitions;
use crate::fhirpath::Fault;
use crate::fhirpath::eval::{Answer, Run, one};
use crate::fhirpath::value::{Items, Node, Value};
use crate::json::Json;

const fn of(
    name: &'static str,
    arguments: usize,
    run: for<'r> fn(&Run<'r>, On<'_, 'r>) -> Answer<'r>,
) -> Function {
    Function {
        name,
        least: arguments,
        most: arguments,
        moves_this: false,
        run,
    }
}

pub(super) const FUNCTIONS: &[Function] = &[
    of("extension", 1, extension),
    of("hasValue", 0, |run, on| match on.input.as_slice() {
        [Value::Node(node)] => truth(node.system(run.definitions).is_some()),
        [_] => truth(true),
        _ => truth(false),
    }),
    of("getValue", 0, |run, on| match on.input.as_slice() {
        [item @ Value::Node(node)] if node.is_primitive(run.definitions) => {
            maybe(item.clone().plain(run.definitions))
        }
        _ => Ok(Vec::new()),
    }),
    of("resolve", 0, resolve),
    of("memberOf", 1, member_of),
    of("subsumes", 1, |run, on| subsumes(run, &on, false)),
    of("subsumedBy", 1, |run, on| subsumes(run, &on, true)),
    of("conformsTo", 1, conforms_to),
    of("htmlChecks", 0, |run, on| match run.text(&on.input)? {
        Some(text) => truth(crate::narrative::is_allowed(&text)),
        None => Ok(Vec::new()),
    }),
];

fn extension<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let Some(url) = on.text(run, 0)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for node in on.input.iter().filter_map(Value::as_node) {
        node.named("extension", run.definitions, &mut |child| {
            if child.json.and_then(|json| json.text("url")) == Some(url.as_str()) {
                found.push(Value::Node(child));
            }
        });
    }
    Ok(found)
}

/// What references point at, as far as it is here: contained resources, and entries of a Bundle.
fn resolve<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let mut found: Items<'r> = Vec::new();
    for item in &on.input {
        run.step()?;
        let reference = match item {
            Value::Node(node) => node
                .json
                .and_then(|json| json.text("reference").or(json.as_str())),
            Value::Text(text) => Some(text.as_ref()),
            _ => None,
        };
        let target = match (reference, item) {
            (Some(reference), _) => target(
                run.context.root,
                run.context.resource,
                reference,
                run.definitions,
            ),
            _ => None,
        };
        found.extend(target.map(Value::Node));
    }
    Ok(found)
}

/// What a reference in `resource`, which stands in `root`, points at: contained, in the Bundle, or
/// elsewhere, of which only the type is known.
pub(crate) fn target<'r>(
    root: Node<'r>,
    resource: Node<'r>,
    reference: &str,
    definitions: &Definitions,
) -> Option<Node<'r>> {
    if reference == "#" {
        return Some(root);
    }
    if let Some(id) = reference.strip_prefix('#') {
        let holders = [root.json?, resource.json?];
        let mut all = holders.iter().flat_map(|json| json.items("contained"));
        let found = all.find(|contained| contained.text("id") == Some(id))?;
        return Node::resource(found, definitions);
    }
    if let Some(found) = in_bundle(root.json?, reference) {
        return Node::resource(found, definitions);
    }
    // Not here, but its address says what it is.
    let unversioned = reference.split("/_history/").next()?;
    let mut segments = unversioned.rsplit('/');
    segments.next()?;
    let ty = definitions.resource(segments.next()?)?;
    Some(Node {
        json: None,
        sibling: None,
        ty,
        element: None,
    })
}

fn in_bundle<'r>(bundle: &'r Json<'r>, reference: &str) -> Option<&'r Json<'r>> {
    let entries = bundle.items("entry").iter();
    let found = entries.filter_map(|entry| Some((entry.text("fullUrl"), entry.get("resource")?)));
    let mut found = found.filter(|(url, resource)| {
        let is_full = *url == Some(reference);
        let is_relative = || {
            let (ty, id) = (resource.text("resourceType"), resource.text("id"));
            matches!((ty, id, reference.split_once('/')),
                (Some(ty), Some(id), Some((wanted, rest))) if ty == wanted && id == rest)
        };
        is_full || is_relative()
    });
    found.next().map(|(_, resource)| resource)
}

/// The codes of a code, Coding or CodeableConcept, each with its system.
fn codes<'i>(item: &'i Value<'_>) -> Vec<(Option<&'i str>, &'i str)> {
    let Value::Node(node) = item else {
        return match item {
            Value::Text(text) => vec![(None, text.as_ref())],
            _ => Vec::new(),
        };
    };
    let Some(json) = node.json else {
        return Vec::new();
    };
    if let Some(code) = json.as_str() {
        return vec![(None, code)];
    }
    let codings = match json.get("coding") {
        Some(_) => json.items("coding"),
        None => std::slice::from_ref(json),
    };
    codings
        .iter()
        .filter_map(|coding| Some((coding.text("system"), coding.text("code")?)))
        .collect()
}

fn member_of<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let (Some(item), Some(set)) = (one(&on.input)?, on.text(run, 0)?) else {
        return Ok(Vec::new());
    };
    let world = run.context.world;
    let answers: Vec<Option<bool>> = codes(item)
        .into_iter()
        .map(|(system, code)| world.is_member(&set, system, code))
        .collect();
    if answers.contains(&Some(true)) {
        return truth(true);
    }
    match answers.contains(&None) {
        true => Ok(Vec::new()),
        false => truth(false),
    }
}

fn subsumes<'r>(run: &Run<'r>, on: &On<'_, 'r>, turned: bool) -> Answer<'r> {
    let other = on.argument(run, 0)?;
    let (Some(left), Some(right)) = (one(&on.input)?, one(&other)?) else {
        return Ok(Vec::new());
    };
    let (general, special) = if turned { (right, left) } else { (left, right) };
    let mut unknown = false;
    for (system, general) in codes(general) {
        for (_, special) in codes(special).iter().filter(|(own, _)| *own == system) {
            let system = system.unwrap_or_default();
            match run.context.world.subsumes(system, general, special) {
                Some(true) => return truth(true),
                Some(false) => {}
                None => unknown = true,
            }
        }
    }
    if unknown {
        Ok(Vec::new())
    } else {
        truth(false)
    }
}

fn conforms_to<'r>(run: &Run<'r>, on: On<'_, 'r>) -> Answer<'r> {
    let (Some(item), Some(profile)) = (one(&on.input)?, on.text(run, 0)?) else {
        return Ok(Vec::new());
    };
    let Some(json) = item.as_node().and_then(|node| node.json) else {
        return truth(false);
    };
    match run.context.world.conforms_to(json, &profile) {
        Some(conforms) => truth(conforms),
        None => Err(Fault::invalid("The profile is not known")),
    }
}
