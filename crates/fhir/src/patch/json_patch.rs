//! <https://www.rfc-editor.org/rfc/rfc6902>, with pointers of
//! <https://www.rfc-editor.org/rfc/rfc6901>.

use super::locate::{PATH_BYTES_MAX, too_long};
use super::tree::{Step, Tree};
use super::{invalid, unfit};
use crate::json::Json;
use crate::problem::Problem;

pub(super) fn apply<'a>(tree: &mut Tree<'a>, operation: &Json<'a>) -> Result<(), Problem> {
    let name = operation
        .text("op")
        .ok_or_else(|| invalid("An operation says its op."))?;
    let path = pointer(tree, operation, "path")?;
    match name {
        "add" => tree.insert(&path, value(operation)?),
        "remove" => tree.remove(&path).map(|_| ()),
        "replace" => tree.replace(&path, value(operation)?),
        "move" => {
            let from = pointer(tree, operation, "from")?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err(unfit("A value cannot be moved into itself."));
            }
            let taken = tree.remove(&from)?;
            // What was named by its place may stand elsewhere now.
            let path = pointer(tree, operation, "path")?;
            tree.insert(&path, taken)
        }
        "copy" => {
            let from = pointer(tree, operation, "from")?;
            let taken = tree.get(&from).cloned();
            tree.insert(
                &path,
                taken.ok_or_else(|| unfit("There is no such value."))?,
            )
        }
        "test" => {
            let wanted = value(operation)?;
            match tree.get(&path) {
                Some(found) if equal(found, &wanted) => Ok(()),
                _ => Err(unfit("The test does not hold.")),
            }
        }
        _ => {
            let message = "The op is one of add, remove, replace, move, copy and test.";
            Err(invalid(message))
        }
    }
}

fn value<'a>(operation: &Json<'a>) -> Result<Json<'a>, Problem> {
    let value = operation.get("value").cloned();
    value.ok_or_else(|| invalid("The operation needs a value."))
}

/// A pointer as steps; which of its parts are indexes shows in the tree.
fn pointer(tree: &Tree<'_>, operation: &Json<'_>, name: &str) -> Result<Vec<Step>, Problem> {
    let wrong = || invalid(format!("The {name} is a JSON pointer, such as /name/0."));
    let text = operation.text(name).ok_or_else(wrong)?;
    if text.len() > PATH_BYTES_MAX {
        return Err(too_long(text));
    }
    let mut steps = Vec::new();
    if text.is_empty() {
        return Ok(steps);
    }
    for part in text.strip_prefix('/').ok_or_else(wrong)?.split('/') {
        let part = part.replace("~1", "/").replace("~0", "~");
        let step = match tree.get(&steps) {
            Some(Json::Array(items)) if part == "-" => Step::Item(items.len()),
            Some(Json::Array(_)) => {
                let good = part == "0" || !part.starts_with(['0', '+']);
                let index = part.parse().ok().filter(|_| good);
                Step::Item(index.ok_or_else(wrong)?)
            }
            _ => Step::Member(part),
        };
        steps.push(step);
    }
    Ok(steps)
}

/// Equality as the RFC has it: numbers by value, members in any order.
fn equal(a: &Json<'_>, b: &Json<'_>) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Json::Object(a), Json::Object(other)) => {
            a.len() == other.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}
