//! The part of FHIRPath that a patch names places by
//! (<https://hl7.org/fhir/R4/fhirpatch.html#concept>): names, indexes, `first()`, `last()`,
//! `where(…)`, `ofType(…)`, `as(…)` and `extension(…)`.

use super::invalid;
use super::tree::{Step, Tree};
use crate::definitions::{Definitions, Shape, TypeId};
use crate::json::Json;
use crate::problem::{Kind, Problem};

/// Bytes of one path, at most.
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// Steps in one path, at most.
const STEPS_MAX: usize = 64;
/// How deep `where()` may nest in one path: each level is a level of the stack.
const NESTING_MAX: usize = 8;

/// An element and its type.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) path: Vec<Step>,
    pub(super) ty: TypeId,
}

/// One part of a path.
enum Part<'p> {
    Name(&'p str),
    Index(usize),
    Call(&'p str, &'p str),
}

impl Node {
    /// Where what stands beside a primitive value stands: in the member with `_` before its name.
    pub(super) fn beside(&self) -> Vec<Step> {
        let mut path = self.path.clone();
        let last = path.iter_mut().rev().find_map(|step| match step {
            Step::Member(name) => Some(name),
            Step::Item(_) => None,
        });
        if let Some(name) = last {
            name.insert(0, '_');
        }
        path
    }
}

/// The elements that a path names, in their order.
///
/// # Errors
/// `Invalid` for what is not in this part of FHIRPath, or names an element that R4 does not have;
/// `TooCostly` for a path that is too long or nests too deeply.
pub(super) fn locate(tree: &Tree<'_>, path: &str) -> Result<Vec<Node>, Problem> {
    let wrong = || invalid("The path is not one that a patch may use.");
    if path.len() > PATH_BYTES_MAX {
        return Err(too_long(path));
    }
    let mut parts = parts(path).ok_or_else(wrong)?.into_iter();
    let definitions = Definitions::r4();
    let name = tree.root.text("resourceType").unwrap_or_default();
    let ty = definitions.resource(name).ok_or_else(wrong)?;
    match parts.next() {
        Some(Part::Name(root)) if root == name || matches!(root, "Resource" | "DomainResource") => {
        }
        _ => return Err(invalid("The path begins with the resource's type.")),
    }
    let root = Vec::new();
    let mut nodes = vec![Node { path: root, ty }];
    for part in parts {
        nodes = step(tree, nodes, &part, NESTING_MAX)?;
    }
    Ok(nodes)
}

/// A path that is refused for its length, named by how it begins.
pub(super) fn too_long(path: &str) -> Problem {
    let begin: String = path.chars().take(40).collect();
    let message = format!("The path {begin}… is longer than {PATH_BYTES_MAX} bytes.");
    Problem::new(Kind::TooCostly, message)
}

/// One part further; `left` is how many levels of `where()` it may still open.
fn step(
    tree: &Tree<'_>,
    nodes: Vec<Node>,
    part: &Part<'_>,
    left: usize,
) -> Result<Vec<Node>, Problem> {
    Ok(match part {
        Part::Name(name) => {
            let mut found = Vec::new();
            for node in &nodes {
                children(tree, node, name, &mut found)?;
            }
            found
        }
        Part::Index(index) => nodes.into_iter().skip(*index).take(1).collect(),
        Part::Call("first", "") => nodes.into_iter().take(1).collect(),
        Part::Call("last", "") => nodes.into_iter().next_back().into_iter().collect(),
        Part::Call("ofType" | "as", name) => {
            let name = name.trim().trim_start_matches("FHIR.");
            let of = Definitions::r4().find(name);
            nodes
                .into_iter()
                .filter(|node| Some(node.ty) == of)
                .collect()
        }
        Part::Call("extension", url) => {
            let url = literal(url.trim()).ok_or_else(|| invalid("extension() takes a url."))?;
            let mut found = Vec::new();
            for node in &nodes {
                children(tree, node, "extension", &mut found)?;
            }
            let is_it = |node: &Node| {
                let extension = tree.get(&node.path);
                extension.and_then(|extension| extension.text("url")) == Some(url)
            };
            found.into_iter().filter(is_it).collect()
        }
        Part::Call("where", condition) => {
            let left = left.checked_sub(1).ok_or_else(|| {
                let message = format!(
                    "A patch's path nests where() {NESTING_MAX} levels deep at most, not where({condition})."
                );
                Problem::new(Kind::TooCostly, message)
            })?;
            let mut kept = Vec::new();
            for node in nodes {
                if holds(tree, &node, condition, left)? {
                    kept.push(node);
                }
            }
            kept
        }
        Part::Call(..) => {
            let message = "A patch's path calls where, first, last, ofType, as and extension.";
            return Err(invalid(message));
        }
    })
}

/// The elements of that name inside one.
fn children(
    tree: &Tree<'_>,
    node: &Node,
    name: &str,
    found: &mut Vec<Node>,
) -> Result<(), Problem> {
    let definitions = Definitions::r4();
    let value = tree.get(&node.path);
    // What is inside a primitive stands beside it.
    let shape = definitions.ty(node.ty).shape;
    let (inside, ty) = match shape {
        Shape::Primitive(_) => {
            let element = definitions.find("Element").unwrap_or_default();
            (node.beside(), element)
        }
        Shape::AnyResource => {
            let name = value.and_then(|value| value.text("resourceType"));
            let ty = name.and_then(|name| definitions.resource(name));
            (node.path.clone(), ty.unwrap_or(node.ty))
        }
        _ => (node.path.clone(), node.ty),
    };
    let of = definitions.ty(ty);
    let element = of.element(name).ok_or_else(|| {
        let message = format!("{} has no element {name}.", of.name);
        invalid(message)
    })?;
    let Some(object) = tree.get(&inside) else {
        return Ok(());
    };
    for (member, ty) in element.members.iter().zip(&element.types) {
        let (value, beside) = (object.get(member), object.get(&format!("_{member}")));
        let mut path = inside.clone();
        path.push(Step::Member((*member).to_string()));
        if !element.many {
            if value.is_some() || beside.is_some() {
                found.push(Node { path, ty: *ty });
            }
            continue;
        }
        let length = |json: Option<&Json<'_>>| json.and_then(Json::as_array).map_or(0, <[_]>::len);
        for index in 0..length(value).max(length(beside)) {
            let mut path = path.clone();
            path.push(Step::Item(index));
            found.push(Node { path, ty: *ty });
        }
    }
    Ok(())
}

/// `use = 'official' and system = 'x'`, or `period.exists()`.
fn holds(tree: &Tree<'_>, node: &Node, condition: &str, left: usize) -> Result<bool, Problem> {
    let wrong = || invalid("A where() of a patch compares elements with literals, joined by and.");
    for each in outside_quotes(condition, " and ") {
        let (path, wanted) = match outside_quotes(each, "=").as_slice() {
            [path] => (
                path.trim().strip_suffix(".exists()").ok_or_else(wrong)?,
                None,
            ),
            [path, value] => (path.trim(), Some(value.trim())),
            _ => return Err(wrong()),
        };
        let mut nodes = vec![node.clone()];
        for part in parts(path).ok_or_else(wrong)? {
            if !matches!(part, Part::Name("$this")) {
                nodes = step(tree, nodes, &part, left)?;
            }
        }
        let equals = |node: &Node| {
            let found = tree.get(&node.path);
            match (wanted, found) {
                (None, _) => true,
                (Some(wanted), Some(Json::String(found))) => {
                    literal(wanted) == Some(found.as_ref())
                }
                (Some(wanted), Some(Json::Bool(found))) => wanted == found.to_string(),
                (Some(wanted), Some(Json::Number(found))) => wanted == *found,
                _ => false,
            }
        };
        if !nodes.iter().any(equals) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The text of a literal in quotes. Escapes have no use in a patch's path.
fn literal(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.contains(['\'', '\\'])).then_some(inner)
}

/// Splits where nothing is in quotes.
fn outside_quotes<'t>(text: &'t str, between: &str) -> Vec<&'t str> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        quoted ^= byte == b'\'';
        let here = text.get(at..).unwrap_or_default();
        if !quoted && at >= start && here.starts_with(between) {
            pieces.push(text.get(start..at).unwrap_or_default());
            start = at + between.len();
        }
    }
    pieces.push(text.get(start..).unwrap_or_default());
    pieces
}

/// A path taken apart; `None` if it is none.
fn parts(path: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = path.trim();
    loop {
        if parts.len() > STEPS_MAX {
            return None;
        }
        let end = rest.find(['.', '[', '(']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
        if name.is_empty() || !name.bytes().all(is_name) {
            return None;
        }
        rest = after;
        if let Some(inside) = rest.strip_prefix('(') {
            let end = closing(inside)?;
            parts.push(Part::Call(name, inside.get(..end)?));
            rest = inside.get(end + 1..)?;
        } else {
            parts.push(Part::Name(name));
        }
        while let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']')?;
            parts.push(Part::Index(index.trim().parse().ok()?));
            rest = after;
        }
        if rest.is_empty() {
            return Some(parts);
        }
        rest = rest.strip_prefix('.')?;
    }
}

/// Where the bracket ends that has just been opened.
fn closing(text: &str) -> Option<usize> {
    let (mut open, mut quoted) = (1_u32, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => open += 1,
            b')' if !quoted => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}
