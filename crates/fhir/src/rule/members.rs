//! Members that a rule may have. Any other is refused: what is not understood must not be passed over.

use serde_json::{Map, Value};

use super::{TEXT_CHARS_MAX, TITLE_CHARS_MAX};
use crate::problem::{Kind, Problem};

/// What a PlanDefinition may say here. What is about its publishing changes nothing of what it does.
pub(super) const RULE: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "language",
    "text",
    "contained",
    "extension",
    "url",
    "identifier",
    "version",
    "name",
    "title",
    "subtitle",
    "type",
    "status",
    "experimental",
    "date",
    "publisher",
    "contact",
    "description",
    "useContext",
    "jurisdiction",
    "purpose",
    "usage",
    "copyright",
    "approvalDate",
    "lastReviewDate",
    "topic",
    "author",
    "editor",
    "reviewer",
    "endorser",
    "relatedArtifact",
    "action",
];
/// What an action with a trigger may say.
pub(super) const ACTION: &[&str] = &[
    "id",
    "prefix",
    "title",
    "description",
    "textEquivalent",
    "documentation",
    "trigger",
    "condition",
    "action",
];
/// What a step may say.
pub(super) const STEP: &[&str] = &[
    "id",
    "prefix",
    "title",
    "description",
    "textEquivalent",
    "documentation",
    "code",
    "extension",
    "definitionCanonical",
];
pub(super) const TRIGGER: &[&str] = &["id", "type", "name"];
pub(super) const CONDITION: &[&str] = &["id", "kind", "expression"];
pub(super) const EXPRESSION: &[&str] = &["id", "description", "name", "language", "expression"];

/// An object with no member but these.
pub(super) fn object<'v>(
    value: &'v Value,
    known: &[&str],
    place: &str,
) -> Result<&'v Map<String, Value>, Problem> {
    let Some(members) = value.as_object() else {
        return Err(Problem::new(Kind::Structure, "An object belongs here.").at(place));
    };
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(members),
        Some(name) => {
            let message =
                "A rule may not say this here: it is not understood, and so not passed over.";
            Err(Problem::new(Kind::NotSupported, message).at(format!("{place}.{name}")))
        }
    }
}

/// The items of a list, at most so many; none if it is not there.
pub(super) fn list<'v>(
    members: &'v Map<String, Value>,
    (name, most): (&str, usize),
    place: &str,
) -> Result<&'v [Value], Problem> {
    let items = match members.get(name) {
        None => return Ok(&[]),
        Some(Value::Array(items)) => items,
        Some(_) => {
            return Err(
                Problem::new(Kind::Structure, "A list belongs here.").at(format!("{place}.{name}"))
            );
        }
    };
    if items.len() > most {
        let message = format!("At most {most} may stand here.");
        return Err(Problem::new(Kind::TooCostly, message).at(format!("{place}.{name}")));
    }
    Ok(items)
}

/// A text, bounded and without control characters but line breaks; empty if it is not there.
pub(super) fn text<'v>(
    members: &'v Map<String, Value>,
    (name, most): (&str, usize),
    place: &str,
) -> Result<&'v str, Problem> {
    let text = match members.get(name) {
        None => return Ok(""),
        Some(Value::String(text)) => text.trim(),
        Some(_) => {
            return Err(
                Problem::new(Kind::Structure, "A text belongs here.").at(format!("{place}.{name}"))
            );
        }
    };
    if text.chars().count() > most {
        let message = format!("This has more than {most} characters.");
        return Err(Problem::new(Kind::TooLong, message).at(format!("{place}.{name}")));
    }
    if text.chars().any(|it| it.is_control() && it != '\n') {
        let message = "This holds characters that cannot be shown.";
        return Err(Problem::new(Kind::Value, message).at(format!("{place}.{name}")));
    }
    Ok(text)
}

/// A text that must be there.
pub(super) fn required<'v>(
    members: &'v Map<String, Value>,
    (name, most): (&str, usize),
    place: &str,
) -> Result<&'v str, Problem> {
    match text(members, (name, most), place)? {
        "" => Err(Problem::new(Kind::Required, "This must be said.").at(format!("{place}.{name}"))),
        text => Ok(text),
    }
}

/// The title of an action, and what it says for people.
pub(super) fn title<'v>(members: &'v Map<String, Value>, place: &str) -> Result<&'v str, Problem> {
    text(members, ("title", TITLE_CHARS_MAX), place)
}

pub(super) fn description<'v>(
    members: &'v Map<String, Value>,
    place: &str,
) -> Result<&'v str, Problem> {
    text(members, ("description", TEXT_CHARS_MAX), place)
}
