//! Token, string and reference values.

use super::split::{split, unescaped};
use super::{Asked, no_modifier, unsupported, wrong};
use crate::definitions::Definitions;
use crate::problem::Problem;
use crate::resource::check_id;
use crate::search::clause::{Criterion, System};
use crate::search::fold::fold;

/// `code`, `system|code`, `|code`, `system|`.
pub(super) fn token(value: &str, asked: &Asked<'_>) -> Result<Criterion, Problem> {
    let parts: Vec<String> = split(value, '|')
        .iter()
        .map(|part| unescaped(part))
        .collect();
    let (system, code) = match parts.as_slice() {
        [code] => (System::Any, code),
        [system, code] if system.is_empty() && !code.is_empty() => (System::None, code),
        [system, code] if !system.is_empty() => (System::Is(system.clone()), code),
        _ => return Err(wrong(asked, "is code, system|code, |code or system|")),
    };
    Ok(Criterion::Token {
        system,
        code: Some(code.clone()).filter(|code| !code.is_empty()),
    })
}

pub(super) fn string(value: &str, asked: &Asked<'_>) -> Result<Criterion, Problem> {
    let text = unescaped(value);
    if asked.modifier == Some("exact") {
        return Ok(Criterion::StringExact(text));
    }
    let folded = fold(&text);
    if folded.is_empty() {
        return Err(wrong(asked, "has no letter to look for"));
    }
    match asked.modifier {
        None => Ok(Criterion::StringStarts(folded)),
        Some("contains") => Ok(Criterion::StringContains(folded)),
        Some(_) => Err(unsupported(
            "Strings have the modifiers :exact, :contains and :missing.",
        )),
    }
}

/// `Type/id`, `id`, or an address. A resource may name our own by its full address, so that form is
/// looked for too.
pub(super) fn reference(
    value: &str,
    targets: &[&'static str],
    asked: &Asked<'_>,
    base_url: &str,
) -> Result<Criterion, Problem> {
    let text = unescaped(value);
    let base_url = base_url.trim_end_matches('/');
    let only = type_modifier(asked)?;
    let own = text
        .strip_prefix(base_url)
        .and_then(|rest| rest.strip_prefix('/'));
    let relative = own.unwrap_or(&text);
    let types: Vec<&str> = match relative.split_once('/') {
        _ if own.is_none() && text.contains(':') || is_versioned(&text) => {
            return Ok(Criterion::Reference {
                targets: vec![text],
            });
        }
        Some((ty, _)) if Definitions::r4().is_resource(ty) => vec![ty],
        Some(_) => return Err(wrong(asked, "is Type/id, id or an address")),
        None => targets.to_vec(),
    };
    let id = relative.rsplit('/').next().unwrap_or_default();
    let segments = relative.split('/').count();
    if check_id(id).is_err() || segments > 2 {
        return Err(wrong(asked, "is Type/id, id or an address"));
    }
    let types = types
        .into_iter()
        .filter(|ty| only.is_none_or(|only| only == *ty));
    let mut targets = Vec::new();
    for ty in types {
        targets.push(format!("{ty}/{id}"));
        targets.push(format!("{base_url}/{ty}/{id}"));
    }
    if targets.is_empty() {
        return Err(wrong(
            asked,
            "names a type that this parameter does not point at",
        ));
    }
    Ok(Criterion::Reference { targets })
}

/// A canonical address with a version, which is no resource of ours even where it starts as they do.
fn is_versioned(text: &str) -> bool {
    text.contains(':') && text.contains('|')
}

/// `subject:Patient=1`.
fn type_modifier<'q>(asked: &Asked<'q>) -> Result<Option<&'q str>, Problem> {
    match asked.modifier {
        None => Ok(None),
        Some(ty) if Definitions::r4().is_resource(ty) => Ok(Some(ty)),
        Some(_) => no_modifier(asked).map(|()| None),
    }
}
