//! <https://hl7.org/fhir/R4/fhirpatch.html>

use std::borrow::Cow;

use super::locate::{Node, locate};
use super::tree::{Step, Tree};
use super::{invalid, unfit};
use crate::definitions::{Definitions, Element, Shape, TypeId};
use crate::json::Json;
use crate::problem::Problem;

/// An operation's value, and what stands beside it if it is a primitive.
struct New<'a> {
    value: Option<Json<'a>>,
    beside: Option<Json<'a>>,
}

pub(super) fn apply<'a>(tree: &mut Tree<'a>, operation: &Json<'a>) -> Result<(), Problem> {
    if operation.text("name") != Some("operation") {
        return Err(invalid(
            "A FHIRPath Patch is made of parameters named operation.",
        ));
    }
    let path = text(operation, "path", &["valueString"])?;
    match text(operation, "type", &["valueCode", "valueString"])? {
        "add" => add(tree, operation, path),
        "insert" => insert(tree, operation, path),
        "delete" => match locate(tree, path)?.as_slice() {
            // What is not there need not be deleted.
            [] => Ok(()),
            [node] => delete(tree, node),
            _ => Err(several(path)),
        },
        "replace" => {
            let node = one(tree, path)?;
            replace(tree, &node, part(operation, "value")?)
        }
        "move" => shift(tree, operation, path),
        _ => {
            let message = "The type is one of add, insert, delete, replace and move.";
            Err(invalid(message))
        }
    }
}

fn part<'o, 'a>(operation: &'o Json<'a>, name: &str) -> Result<&'o Json<'a>, Problem> {
    let mut parts = operation.items("part").iter();
    parts
        .find(|part| part.text("name") == Some(name))
        .ok_or_else(|| invalid(format!("The operation needs a part {name}.")))
}

fn text<'o>(operation: &'o Json<'_>, name: &str, members: &[&str]) -> Result<&'o str, Problem> {
    let part = part(operation, name)?;
    let found = members.iter().find_map(|member| part.text(member));
    found.ok_or_else(|| invalid(format!("The part {name} is a {}.", members.join(" or "))))
}

fn index(operation: &Json<'_>, name: &str) -> Result<usize, Problem> {
    let part = part(operation, name)?;
    let value = part.get("valueInteger").and_then(Json::as_number);
    let value = value.and_then(|value| value.parse().ok());
    value.ok_or_else(|| invalid(format!("The part {name} is a valueInteger from 0.")))
}

fn several(path: &str) -> Problem {
    unfit(format!("The path {path} names several elements."))
}

fn one(tree: &Tree<'_>, path: &str) -> Result<Node, Problem> {
    let mut nodes = locate(tree, path)?.into_iter();
    match (nodes.next(), nodes.next()) {
        (Some(node), None) => Ok(node),
        (None, _) => Err(unfit(format!("The path {path} names no element."))),
        _ => Err(several(path)),
    }
}

/// The type that an object really has: a contained resource says it itself.
fn real_type(tree: &Tree<'_>, node: &Node) -> TypeId {
    let definitions = Definitions::r4();
    if definitions.ty(node.ty).shape != Shape::AnyResource {
        return node.ty;
    }
    let resource = tree.get(&node.path);
    let name = resource.and_then(|resource| resource.text("resourceType"));
    let ty = name.and_then(|name| definitions.resource(name));
    ty.unwrap_or(node.ty)
}

/// The definition of the element at a node.
fn element_of(tree: &Tree<'_>, node: &Node) -> Result<&'static Element, Problem> {
    let wrong = || unfit("The resource itself cannot be replaced by a patch.");
    let at = node
        .path
        .iter()
        .rposition(|step| matches!(step, Step::Member(_)))
        .ok_or_else(wrong)?;
    let (Some(Step::Member(name)), Some(parent)) = (node.path.get(at), node.path.get(..at)) else {
        return Err(wrong());
    };
    let definitions = Definitions::r4();
    let root = tree.root.text("resourceType").unwrap_or_default();
    let mut holder = Node {
        path: Vec::new(),
        ty: definitions.resource(root).ok_or_else(wrong)?,
    };
    for step in parent {
        holder.path.push(step.clone());
        if let Step::Member(name) = step {
            let of = definitions.ty(real_type(tree, &holder_before(&holder)));
            let plain = name.strip_prefix('_').unwrap_or(name);
            holder.ty = match (name.starts_with('_'), of.key(plain)) {
                (true, _) => definitions.find("Element").unwrap_or_default(),
                (false, Some((key, _))) => key.ty,
                (false, None) => return Err(wrong()),
            };
        }
    }
    let of = definitions.ty(real_type(tree, &holder));
    let (_, element) = of.key(name).ok_or_else(wrong)?;
    Ok(element)
}

/// The node without its last step, of the same type: what the type was before that step.
fn holder_before(node: &Node) -> Node {
    let mut path = node.path.clone();
    path.pop();
    Node { path, ty: node.ty }
}

fn add<'a>(tree: &mut Tree<'a>, operation: &Json<'a>, path: &str) -> Result<(), Problem> {
    let node = one(tree, path)?;
    let name = text(operation, "name", &["valueString"])?;
    let definitions = Definitions::r4();
    let of = definitions.ty(real_type(tree, &node));
    let (inside, of) = match of.shape {
        Shape::Primitive(_) => {
            let element = definitions.find("Element").unwrap_or_default();
            (node.beside(), definitions.ty(element))
        }
        _ => (node.path.clone(), of),
    };
    let element = of.element(name).ok_or_else(|| {
        let message = format!("{} has no element {name}.", of.name);
        invalid(message)
    })?;
    let part = part(operation, "value")?;
    let (member, ty) = member(part, element, name)?;
    if tree.get(&inside).is_none() {
        tree.insert(&inside, Json::Object(Vec::new()))?;
    }
    let mut path = inside;
    path.push(Step::Member(member.to_string()));
    let mut target = Node { path, ty };
    if element.many {
        let length = |path: &[Step]| {
            let items = tree.get(path).and_then(Json::as_array);
            items.map_or(0, <[_]>::len)
        };
        let length = length(&target.path).max(length(&target.beside()));
        target.path.push(Step::Item(length));
    } else if tree.get(&target.path).is_some() || tree.get(&target.beside()).is_some() {
        return Err(unfit(format!("There is a {name} already; replace it.")));
    }
    let new = new(part, element, ty)?;
    put(tree, &target, new)
}

/// Puts another value in an element's place; of a choice it may be of another type.
fn replace<'a>(tree: &mut Tree<'a>, node: &Node, part: &Json<'a>) -> Result<(), Problem> {
    let element = element_of(tree, node)?;
    let (member, ty) = member(part, element, element.name)?;
    let new = new(part, element, ty)?;
    let mut target = node.clone();
    if element.is_choice {
        for path in [node.path.clone(), node.beside()] {
            if tree.get(&path).is_some() {
                tree.remove(&path)?;
            }
        }
        if let Some(Step::Member(name)) = target.path.last_mut() {
            *name = member.to_string();
        }
    }
    put(tree, &target, new)
}

/// Puts an item into a list that is there.
fn insert<'a>(tree: &mut Tree<'a>, operation: &Json<'a>, path: &str) -> Result<(), Problem> {
    let nodes = list(tree, path)?;
    let index = index(operation, "index")?;
    let first = nodes
        .first()
        .ok_or_else(|| unfit("The list is not there; use add."))?;
    if index > nodes.len() {
        return Err(unfit("The index is beyond the end of the list."));
    }
    let element = element_of(tree, first)?;
    let new = new(part(operation, "value")?, element, first.ty)?;
    let mut at = first.clone();
    if let Some(Step::Item(item)) = at.path.last_mut() {
        *item = index;
    }
    let beside = at.beside();
    if tree.get(array(&beside)).is_some() || new.beside.is_some() {
        fill(tree, array(&beside), nodes.len())?;
        tree.insert(&beside, new.beside.unwrap_or(Json::Null))?;
    }
    if tree.get(array(&at.path)).is_none() {
        fill(tree, array(&at.path), nodes.len())?;
    }
    tree.insert(&at.path, new.value.unwrap_or(Json::Null))
}

/// Moves an item within its list.
fn shift(tree: &mut Tree<'_>, operation: &Json<'_>, path: &str) -> Result<(), Problem> {
    let nodes = list(tree, path)?;
    let (from, to) = (
        index(operation, "source")?,
        index(operation, "destination")?,
    );
    let Some(from) = nodes.get(from).filter(|_| to < nodes.len()) else {
        return Err(unfit("The list has no such place."));
    };
    for from in [from.path.clone(), from.beside()] {
        if tree.get(array(&from)).is_none() {
            continue;
        }
        fill(tree, array(&from), nodes.len())?;
        let mut to_path = from.clone();
        if let Some(Step::Item(item)) = to_path.last_mut() {
            *item = to;
        }
        let taken = tree.remove(&from)?;
        tree.insert(&to_path, taken)?;
    }
    Ok(())
}

/// The items of one list.
fn list(tree: &Tree<'_>, path: &str) -> Result<Vec<Node>, Problem> {
    let nodes = locate(tree, path)?;
    let lists: Vec<&[Step]> = nodes.iter().map(|node| array(&node.path)).collect();
    let all_items = nodes
        .iter()
        .all(|node| matches!(node.path.last(), Some(Step::Item(_))));
    let first = lists.first().copied();
    if !all_items || lists.iter().any(|list| Some(*list) != first) {
        return Err(unfit(format!("The path {path} names no one list.")));
    }
    Ok(nodes)
}

/// The path of the list that an item is in.
fn array(item: &[Step]) -> &[Step] {
    item.split_last().map_or(item, |(_, list)| list)
}

/// Makes a list so long, with nulls where there is nothing.
fn fill(tree: &mut Tree<'_>, list: &[Step], length: usize) -> Result<(), Problem> {
    if tree.get(list).is_none() {
        tree.insert(list, Json::Array(Vec::new()))?;
    }
    loop {
        let has = tree
            .get(list)
            .and_then(Json::as_array)
            .map_or(length, <[_]>::len);
        if has >= length {
            return Ok(());
        }
        let mut item = list.to_vec();
        item.push(Step::Item(has));
        tree.insert(&item, Json::Null)?;
    }
}

/// Puts a value at its place, whether there is one or not.
fn put<'a>(tree: &mut Tree<'a>, node: &Node, new: New<'a>) -> Result<(), Problem> {
    for (path, value) in [(node.path.clone(), new.value), (node.beside(), new.beside)] {
        let in_list = matches!(path.last(), Some(Step::Item(_)));
        match (value, tree.get(&path).is_some()) {
            (Some(value), true) => tree.replace(&path, value)?,
            (Some(value), false) => {
                if let (true, Some(Step::Item(item))) = (in_list, path.last()) {
                    fill(tree, array(&path), *item)?;
                }
                tree.insert(&path, value)?;
            }
            (None, true) if in_list => tree.replace(&path, Json::Null)?,
            (None, true) => {
                tree.remove(&path)?;
            }
            (None, false) => {}
        }
    }
    Ok(())
}

/// Takes an element away, and what is then empty around it.
fn delete(tree: &mut Tree<'_>, node: &Node) -> Result<(), Problem> {
    if node.path.is_empty() {
        return Err(unfit("The resource itself cannot be deleted by a patch."));
    }
    for path in [node.path.clone(), node.beside()] {
        if tree.get(&path).is_some() {
            tree.remove(&path)?;
        }
        let mut around = array(&path);
        while !around.is_empty() && tree.get(around).is_some_and(is_empty) {
            tree.remove(around)?;
            around = array(around);
        }
    }
    Ok(())
}

fn is_empty(value: &Json<'_>) -> bool {
    match value {
        Json::Object(members) => members.is_empty(),
        Json::Array(items) => items.iter().all(|item| *item == Json::Null),
        _ => false,
    }
}

/// The member that a value of an element goes into, and its type.
fn member(
    part: &Json<'_>,
    element: &Element,
    name: &str,
) -> Result<(&'static str, TypeId), Problem> {
    let mut members = element
        .members
        .iter()
        .copied()
        .zip(element.types.iter().copied());
    if !element.is_choice {
        return members
            .next()
            .ok_or_else(|| invalid("The element has no type."));
    }
    let value = value_member(part).ok_or_else(|| invalid("The value's type must be named."))?;
    let suffix = value.trim_start_matches('_').trim_start_matches("value");
    let wanted = format!("{}{suffix}", element.name);
    members
        .find(|(member, _)| *member == wanted)
        .ok_or_else(|| invalid(format!("{name} is never a {suffix}.")))
}

fn value_member<'p>(part: &'p Json<'_>) -> Option<&'p str> {
    let members = part.as_object()?.iter().map(|(name, _)| name.as_ref());
    let mut values = members.filter(|name| name.trim_start_matches('_').starts_with("value"));
    values.next()
}

/// The value of a part: typed, a resource, or made of parts where the type has no name.
fn new<'a>(part: &Json<'a>, element: &Element, ty: TypeId) -> Result<New<'a>, Problem> {
    if let Some(name) = value_member(part) {
        let name = name.trim_start_matches('_');
        return Ok(New {
            value: part.get(name).cloned(),
            beside: part.get(&format!("_{name}")).cloned(),
        });
    }
    let value = match part.get("resource") {
        Some(resource) => resource.clone(),
        None => anonymous(part.items("part"), ty)?,
    };
    if is_empty(&value) {
        return Err(invalid(format!("The value of {} is empty.", element.name)));
    }
    Ok(New {
        value: Some(value),
        beside: None,
    })
}

/// An object of parts, each named as an element of the type.
fn anonymous<'a>(parts: &[Json<'a>], ty: TypeId) -> Result<Json<'a>, Problem> {
    let of = Definitions::r4().ty(ty);
    let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
    for part in parts {
        let name = part.text("name").unwrap_or_default();
        let element = of.element(name).ok_or_else(|| {
            let message = format!("{} has no element {name}.", of.name);
            invalid(message)
        })?;
        let (member, ty) = member(part, element, name)?;
        let New { value, beside } = new(part, element, ty)?;
        let pieces = [(member.to_string(), value), (format!("_{member}"), beside)];
        for (member, value) in pieces {
            let Some(value) = value else { continue };
            let known = members.iter_mut().find(|(known, _)| *known == member);
            match (known, element.many) {
                (Some((_, Json::Array(items))), true) => items.push(value),
                (Some(_), _) => return Err(invalid(format!("{name} is there twice."))),
                (None, true) => members.push((Cow::Owned(member), Json::Array(vec![value]))),
                (None, false) => members.push((Cow::Owned(member), value)),
            }
        }
    }
    Ok(Json::Object(members))
}
